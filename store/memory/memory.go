// Package memory is the reference model of a storage engine: plain maps under
// one lock, so that what an engine has to do can be read in a few minutes and
// the others can be compared with it.
//
// It is not durable and not quick. It serves tests, which may also make it
// fail on purpose.
package memory

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/aldaba-otp/aldaba/otp"
	"github.com/aldaba-otp/aldaba/store"
)

// Engine is a [store.Engine] in memory.
type Engine struct {
	// Now is the clock by which servers are alive or dead.
	Now func() time.Time

	turn chan struct{} // holds one token: the right to have a batch open

	mu            sync.RWMutex // guards everything below
	replays       map[otp.Key]otp.Replay
	handles       map[otp.Key]otp.Handle
	destinations  map[otp.Key]otp.Destination
	counters      map[otp.Key]otp.Counter
	contacts      map[otp.Key]otp.Contact
	verifications map[otp.ID]otp.Verification
	messages      map[otp.ID]otp.Message
	events        map[otp.ID][]otp.Event
	documents     map[name]store.Document
	version       int64
	audit         []store.AuditEntry
	beats         map[otp.ID]time.Time
	trouble       Trouble
}

// name is the key of a document.
type name struct{ kind, name string }

// New returns an empty engine.
func New() *Engine {
	e := &Engine{
		Now:           time.Now, //nolint:forbidigo // the default of the field
		turn:          make(chan struct{}, 1),
		replays:       map[otp.Key]otp.Replay{},
		handles:       map[otp.Key]otp.Handle{},
		destinations:  map[otp.Key]otp.Destination{},
		counters:      map[otp.Key]otp.Counter{},
		contacts:      map[otp.Key]otp.Contact{},
		verifications: map[otp.ID]otp.Verification{},
		messages:      map[otp.ID]otp.Message{},
		events:        map[otp.ID][]otp.Event{},
		documents:     map[name]store.Document{},
		beats:         map[otp.ID]time.Time{},
	}
	e.turn <- struct{}{}
	return e
}

// Ping implements [store.Engine].
func (e *Engine) Ping(ctx context.Context) error { return e.readable(ctx) }

// Close implements [store.Engine]. What the engine held can still be read.
func (e *Engine) Close() error { return nil }

// batch is the one open transaction. The turn is held until it is over, so
// what it loaded cannot change meanwhile.
type batch struct {
	engine  *Engine
	records otp.Records
	over    bool
}

// Begin implements [store.Engine].
func (e *Engine) Begin(ctx context.Context, keys otp.Keys) (store.Batch, error) {
	select {
	case <-e.turn:
	case <-ctx.Done():
		return nil, &store.Failure{Class: store.Down, Cause: ctx.Err()}
	}
	if f := e.beginFails(); f != nil {
		e.turn <- struct{}{}
		return nil, f
	}
	e.mu.RLock()
	defer e.mu.RUnlock()
	b := &batch{engine: e}
	r := &b.records
	load(&r.Replays, e.replays, keys.Replays, store.CloneReplay)
	load(&r.Handles, e.handles, keys.Handles, same)
	load(&r.Counters, e.counters, keys.Counters, store.CloneCounter)
	load(&r.Contacts, e.contacts, keys.Contacts, store.CloneContact)
	load(&r.Messages, e.messages, keys.Messages, store.CloneMessage)

	wanted, live := slices.Clone(keys.Verifications), []otp.ID(nil)
	for _, key := range keys.Handles {
		if h, ok := e.handles[key]; ok {
			wanted = append(wanted, h.Verification)
		}
	}
	for _, key := range keys.Destinations {
		for _, l := range e.destinations[key].Live {
			live = append(live, l.ID)
		}
	}
	places := slices.Clone(keys.Destinations)
	for _, id := range wanted {
		if v, ok := e.verifications[id]; ok {
			places = append(places, v.Destination)
		}
	}
	load(&r.Destinations, e.destinations, places, store.CloneDestination)
	load(&r.Verifications, e.verifications, append(wanted, live...), store.CloneVerification)
	return b, nil
}

// load copies the named records into the batch.
func load[K comparable, V any](to *otp.Table[K, V], from map[K]V, keys []K, clone func(V) V) {
	for _, key := range keys {
		if v, ok := from[key]; ok {
			to.Load(key, clone(v))
		} else {
			to.Miss(key)
		}
	}
}

// Records implements [store.Batch].
func (b *batch) Records() *otp.Records { return &b.records }

// Discard implements [store.Batch].
func (b *batch) Discard() {
	if !b.over {
		b.over = true
		b.engine.turn <- struct{}{}
	}
}

// Commit implements [store.Batch].
func (b *batch) Commit(context.Context) error {
	if b.over {
		return errors.New("memory: the batch is over")
	}
	defer b.Discard()
	e, r := b.engine, &b.records
	e.mu.Lock()
	defer e.mu.Unlock()
	failure, lost := e.commitFails(r)
	if failure != nil && !lost {
		return failure
	}
	save(e.replays, &r.Replays, store.CloneReplay)
	save(e.handles, &r.Handles, same)
	save(e.destinations, &r.Destinations, store.CloneDestination)
	save(e.counters, &r.Counters, store.CloneCounter)
	save(e.contacts, &r.Contacts, store.CloneContact)
	e.saveVerifications(&r.Verifications)
	save(e.messages, &r.Messages, store.CloneMessage)
	for _, id := range r.Dropped {
		delete(e.events, id)
	}
	for _, event := range r.Events {
		e.record(event)
	}
	if failure != nil {
		return failure
	}
	return nil
}

// save merges what a batch changed.
func save[K comparable, V any](to map[K]V, from *otp.Table[K, V], clone func(V) V) {
	for c := range from.Changed() {
		if c.Value == nil {
			delete(to, c.Key)
		} else {
			to[c.Key] = clone(*c.Value)
		}
	}
}

// saveVerifications keeps what a stored one was started with, as the other
// engines do, unless it was erased.
func (e *Engine) saveVerifications(from *otp.Table[otp.ID, otp.Verification]) {
	for c := range from.Changed() {
		if c.Value == nil {
			delete(e.verifications, c.Key)
			continue
		}
		v := store.CloneVerification(*c.Value)
		if old, ok := e.verifications[c.Key]; ok && c.Stored && v.Spec.Erased.IsZero() {
			v.Tenant, v.Destination, v.Spec = old.Tenant, old.Destination, old.Spec
		}
		e.verifications[c.Key] = v
	}
}

// record adds an event in order of its number; the first of a number stays.
func (e *Engine) record(event otp.Event) {
	event.At, event.Facts = store.FromMicros(store.Micros(event.At)), otp.Facts{}
	list := e.events[event.Verification]
	at, taken := slices.BinarySearchFunc(list, event.N, func(x otp.Event, n int) int { return x.N - n })
	if !taken {
		e.events[event.Verification] = slices.Insert(list, at, event)
	}
}

// ReadDocuments implements [store.Documents].
func (e *Engine) ReadDocuments(ctx context.Context) ([]store.Document, int64, error) {
	if err := e.readable(ctx); err != nil {
		return nil, 0, err
	}
	e.mu.RLock()
	defer e.mu.RUnlock()
	docs := make([]store.Document, 0, len(e.documents))
	for _, d := range e.documents {
		docs = append(docs, store.Document{Kind: d.Kind, Name: d.Name, Body: slices.Clone(d.Body)})
	}
	return docs, e.version, nil
}

// DocumentsVersion implements [store.Documents].
func (e *Engine) DocumentsVersion(ctx context.Context) (int64, error) {
	if err := e.readable(ctx); err != nil {
		return 0, err
	}
	e.mu.RLock()
	defer e.mu.RUnlock()
	return e.version, nil
}

// WriteDocuments implements [store.Documents].
func (e *Engine) WriteDocuments(ctx context.Context, read int64, docs []store.Document) (int64, error) {
	if err := e.readable(ctx); err != nil {
		return 0, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if read != e.version {
		return 0, store.ErrStale
	}
	for _, d := range docs {
		if d.Body == nil {
			delete(e.documents, name{d.Kind, d.Name})
		} else {
			e.documents[name{d.Kind, d.Name}] = store.Document{Kind: d.Kind, Name: d.Name, Body: slices.Clone(d.Body)}
		}
	}
	e.version++
	return e.version, nil
}

// AddAudit implements [store.Audit].
func (e *Engine) AddAudit(ctx context.Context, body []byte) (int64, error) {
	if err := e.readable(ctx); err != nil {
		return 0, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	n := int64(len(e.audit)) + 1
	e.audit = append(e.audit, store.AuditEntry{N: n, Body: slices.Clone(body)})
	return n, nil
}

// ReadAudit implements [store.Audit].
func (e *Engine) ReadAudit(ctx context.Context, after int64, limit int) ([]store.AuditEntry, error) {
	if err := e.readable(ctx); err != nil {
		return nil, err
	}
	e.mu.RLock()
	defer e.mu.RUnlock()
	first := min(max(after, 0), int64(len(e.audit)))
	rest := e.audit[first:]
	return slices.Clone(rest[:min(limit, len(rest))]), nil
}

// LastAudit implements [store.Audit].
func (e *Engine) LastAudit(ctx context.Context) (int64, error) {
	if err := e.readable(ctx); err != nil {
		return 0, err
	}
	e.mu.RLock()
	defer e.mu.RUnlock()
	return int64(len(e.audit)), nil
}

// Beat implements [store.Fleet].
func (e *Engine) Beat(ctx context.Context, self otp.ID) error {
	if err := e.readable(ctx); err != nil {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.beats[self] = e.Now()
	return nil
}

// Alone implements [store.Fleet].
func (e *Engine) Alone(ctx context.Context, self otp.ID) (bool, error) {
	if err := e.readable(ctx); err != nil {
		return false, err
	}
	e.mu.RLock()
	defer e.mu.RUnlock()
	for other := range e.beats {
		if other != self && e.alive(other) {
			return false, nil
		}
	}
	return true, nil
}

// Leave implements [store.Fleet].
func (e *Engine) Leave(ctx context.Context, self otp.ID) error {
	if err := e.readable(ctx); err != nil {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.beats, self)
	return nil
}

// alive tells whether a server has beaten lately. The caller holds the lock.
func (e *Engine) alive(server otp.ID) bool {
	beat, ok := e.beats[server]
	return ok && e.Now().Sub(beat) < store.FleetTimeout
}

// sorted returns the keys of a map in the order of their bytes.
func sorted[K otp.Key | otp.ID, V any](m map[K]V) []K {
	return slices.SortedFunc(maps.Keys(m), func(a, b K) int { return compare([16]byte(a), [16]byte(b)) })
}
