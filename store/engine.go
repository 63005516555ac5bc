// Package store is the gallery of storage engines and the one writer that all
// of them share.
//
// The [Writer] carries out the core's steps: it takes what has queued, asks the
// engine to load and lock the records that all those steps name, runs their
// decisions one after the other, asks the engine to save what changed and
// commit once, and only then answers all of them. An [Engine] is a driver over
// typed records and knows no rule.
//
// The package is not a query layer: nothing but otp's steps and reads goes
// through it, and no engine imports another.
package store

import (
	"context"
	"errors"
	"fmt"

	"github.com/aldaba-otp/aldaba/otp"
)

// Papers are what is kept beside the records.
type Papers interface {
	Documents
	Audit
}

// Engine is what a database does for the house. Its reads see committed
// records; all its methods may be called at once from many goroutines, except
// that Begin is called by at most Writers goroutines at a time.
type Engine interface {
	// Begin opens a transaction, loads and locks the records that keys name
	// and what they point to (see [otp.Step]), and reads the clock last.
	//
	// Locks are taken in one order everywhere: replays, handles, destinations,
	// counters, contacts, verifications, messages, each in the order of its
	// keys' bytes. Every key whose absence a decision may rely on is locked
	// although it does not exist. Each key that was looked for is in the
	// records, by Load or by Miss. The keys of each kind are sorted and unique.
	Begin(ctx context.Context, keys otp.Keys) (Batch, error)
	otp.Reads
	Papers
	Fleet
	// Ping tells whether the store answers.
	Ping(ctx context.Context) error
	// Close ends the engine. No other call follows.
	Close() error
}

// Batch is one open transaction.
type Batch interface {
	// Records returns what was loaded. Its Now is the store's own clock, or
	// zero when the engine has none and the process's clock is to be used.
	Records() *otp.Records
	// Commit saves what changed in the records and commits. It returns nil
	// only when the change is durable; otherwise a [Failure]. The batch is
	// over in any case.
	Commit(ctx context.Context) error
	// Discard gives the transaction up.
	Discard()
}

// Documents keeps the configuration: small texts under a kind and a name, all
// of them together in one version.
type Documents interface {
	// DocumentsVersion returns the number of the last change, 0 before any.
	DocumentsVersion(ctx context.Context) (int64, error)
	// ReadDocuments returns all documents and the version that they make up.
	ReadDocuments(ctx context.Context) ([]Document, int64, error)
	// WriteDocuments replaces or adds the given documents, deletes those whose
	// body is nil, and returns the new version. It returns [ErrStale] and
	// changes nothing when the version is not the one that the caller read.
	WriteDocuments(ctx context.Context, read int64, docs []Document) (int64, error)
}

// Document is one piece of configuration.
type Document struct {
	Kind string // "tenant", "provider", "ring", ...
	Name string
	Body []byte // JSON
}

// ErrStale says that somebody else changed the configuration in between.
var ErrStale = errors.New("store: the configuration was changed by somebody else meanwhile")

// Fleet tells servers on one database of each other.
type Fleet interface {
	// Beat notes that server self is alive. An owner that has not beaten for
	// [FleetTimeout] by the store's clock is dead and its messages are orphans.
	Beat(ctx context.Context, self otp.ID) error
	// Alone reports whether no other server is alive.
	Alone(ctx context.Context, self otp.ID) (bool, error)
	// Leave forgets the server, so that its messages are orphans at once.
	Leave(ctx context.Context, self otp.ID) error
}

// Class tells the writer what to do about a failed load or commit.
type Class uint8

// The classes of failures.
const (
	// Down: the store cannot be reached; nothing was committed.
	Down Class = iota
	// Again: a deadlock or serialization failure; the batch may be run again.
	Again
	// Data: one of the records cannot be stored; the others may.
	Data
	// InDoubt: the commit was sent and its answer lost.
	InDoubt
	// Broken: the store may have lost what it acknowledged (a failed fsync);
	// nothing may be written any more.
	Broken
)

// Failure is an engine's error with its class.
type Failure struct {
	Class Class
	Cause error
	// Committed asks the store whether an InDoubt batch was committed.
	Committed func(ctx context.Context) (bool, error)
}

// Error returns the class and the cause.
func (f *Failure) Error() string {
	words := [...]string{"store is down", "transaction conflict", "record refused", "commit in doubt", "store is broken"}
	return fmt.Sprintf("%s: %v", words[f.Class], f.Cause)
}

// Unwrap returns the cause.
func (f *Failure) Unwrap() error { return f.Cause }
