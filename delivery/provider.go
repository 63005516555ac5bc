// Package delivery carries committed messages to people. The [Courier] takes
// them from the core, renders them, chooses providers in order, retries and
// tells the core what became of each try. A [Provider] is one carrier, a
// folder of its own below this one; it knows no retry, no route and no other
// provider.
//
// The package decides nothing about codes: who gets one, how often and until
// when is the core's.
package delivery

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Provider carries messages. What only some can do (receipts that are pushed,
// connections that are kept) will be optional interfaces beside it.
type Provider interface {
	// Send hands one message over. It returns nil once the carrier has taken
	// it, and otherwise an [Error]; an error of another type counts as
	// [Unknown]. It ends with its context.
	Send(ctx context.Context, m Message) (Receipt, error)
}

// Message is one text for one address.
type Message struct {
	ID           string // the same for every try; a carrier that can tells repeats by it
	Tenant       string
	Verification string // UUID
	Channel      string // sms, email or voice
	To           string // E.164 number or mailbox
	From         string // sender to show, or ""
	Subject      string // e-mail only
	Body         string // plain text
	Locale       string // BCP 47
	Code         string // for carriers that take the code by itself
	Created      time.Time
	Expires      time.Time // the carrier should not deliver it later
}

// Receipt is what a carrier says when it takes a message.
type Receipt struct {
	ID string // the carrier's own, or ""
}

// Class tells what to do after a refusal.
type Class uint8

// The classes of refusals.
const (
	// Unknown: the message may or may not have been taken. It goes to the next
	// provider once; the code is the same.
	Unknown Class = iota
	// Rejected: this provider will never take this message; the next one may.
	Rejected
	// Throttled: too fast; the next provider, and this one after a while.
	Throttled
	// Unavailable: out of order; the next provider, and this one after a while.
	Unavailable
)

// String returns the word used in the journal.
func (c Class) String() string {
	return [...]string{"unknown", "rejected", "throttled", "unavailable"}[c]
}

// Error is a refusal. Its text must hold no secret, no code and no full
// address.
type Error struct {
	Class Class
	Cause error
}

// Error returns class and cause.
func (e *Error) Error() string {
	if e.Cause == nil {
		return e.Class.String()
	}
	return fmt.Sprintf("%s: %v", e.Class, e.Cause)
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Cause }

// ClassOf returns the class of a provider's error.
func ClassOf(err error) Class {
	var e *Error
	if errors.As(err, &e) {
		return e.Class
	}
	return Unknown
}
