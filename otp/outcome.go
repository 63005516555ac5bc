package otp

import (
	"errors"
	"fmt"
	"time"
)

// Status is the state of a verification. All but Pending are terminal and
// never change again.
type Status uint8

// The states of a verification.
const (
	Pending    Status = iota // waits for its code
	Approved                 // its code was given, once
	Exhausted                // its own tries are used up
	Expired                  // its life is over
	Canceled                 // the tenant took it back
	Superseded               // a newer verification took its place
	Void                     // the operator declared it dead, for example after a restore
)

// Statuses lists every status, for tables that must be total.
func Statuses() []Status {
	return []Status{Pending, Approved, Exhausted, Expired, Canceled, Superseded, Void}
}

// String returns the word used in the native API and the journal.
func (s Status) String() string {
	switch s {
	case Pending:
		return "pending"
	case Approved:
		return "approved"
	case Exhausted:
		return "exhausted"
	case Expired:
		return "expired"
	case Canceled:
		return "canceled"
	case Superseded:
		return "superseded"
	case Void:
		return "void"
	}
	return fmt.Sprintf("status(%d)", uint8(s))
}

// Outcome is what became of one guess. It is a value and not an error: a wrong
// code is an ordinary answer.
type Outcome uint8

// The outcomes of a guess.
const (
	OutcomeApproved   Outcome = iota + 1 // right; on a peek: it would be
	OutcomeWrong                         // judged and wrong; one try and one ledger entry are spent
	OutcomeUsed                          // the verification is approved already
	OutcomeExpired                       // its life is over
	OutcomeExhausted                     // its own tries are used up
	OutcomeCanceled                      // the tenant took it back
	OutcomeSuperseded                    // a newer one took its place
	OutcomeVoid                          // the operator declared it dead
	OutcomeThrottled                     // a limit of wrong guesses is reached; nothing was judged
)

// Outcomes lists every outcome, for tables that must be total.
func Outcomes() []Outcome {
	return []Outcome{
		OutcomeApproved, OutcomeWrong, OutcomeUsed, OutcomeExpired, OutcomeExhausted,
		OutcomeCanceled, OutcomeSuperseded, OutcomeVoid, OutcomeThrottled,
	}
}

// String returns the word used in the native API and the journal.
func (o Outcome) String() string {
	switch o {
	case OutcomeApproved:
		return "approved"
	case OutcomeWrong:
		return "wrong"
	case OutcomeUsed:
		return "used"
	case OutcomeExpired:
		return "expired"
	case OutcomeExhausted:
		return "exhausted"
	case OutcomeCanceled:
		return "canceled"
	case OutcomeSuperseded:
		return "superseded"
	case OutcomeVoid:
		return "void"
	case OutcomeThrottled:
		return "throttled"
	}
	return fmt.Sprintf("outcome(%d)", uint8(o))
}

// outcomeOf tells what a guess at an ended verification is answered.
func outcomeOf(s Status) Outcome {
	switch s {
	case Approved:
		return OutcomeUsed
	case Exhausted:
		return OutcomeExhausted
	case Expired:
		return OutcomeExpired
	case Canceled:
		return OutcomeCanceled
	case Superseded:
		return OutcomeSuperseded
	}
	return OutcomeVoid
}

// Kind classes an [Error] for programs. Each dialect maps every kind to its
// own status, code and body.
type Kind uint8

// The kinds of refusals and failures.
const (
	Internal        Kind = iota // a defect or an unknown failure; its text is never shown
	Invalid                     // a field of the request is missing or out of its range
	Unauthenticated             // no or wrong credentials
	Forbidden                   // right credentials without the scope
	NotFound                    // unknown, or another tenant's
	Ended                       // the verification is over, so the act makes no sense any more
	Inactive                    // the profile is unknown or switched off
	Undeliverable               // known at once: no route, country or number refused, no usable address
	NoCredit                    // the account has no balance
	Throttled                   // a limit is reached; Rule and RetryAfter tell which and how long
	InProgress                  // another request with the same idempotency key is in work
	KeyReused                   // the idempotency key came with another payload
	Unavailable                 // the store cannot be reached; nothing happened, or it cannot be known
)

// Kinds lists every kind, for tables that must be total.
func Kinds() []Kind {
	return []Kind{
		Internal, Invalid, Unauthenticated, Forbidden, NotFound, Ended, Inactive,
		Undeliverable, NoCredit, Throttled, InProgress, KeyReused, Unavailable,
	}
}

// String returns a lower case word for logs and problem documents.
func (k Kind) String() string {
	words := [...]string{
		"internal", "invalid", "unauthenticated", "forbidden", "not_found", "ended", "inactive",
		"undeliverable", "no_credit", "throttled", "in_progress", "key_reused", "unavailable",
	}
	if int(k) < len(words) {
		return words[k]
	}
	return fmt.Sprintf("kind(%d)", uint8(k))
}

// Error is a refusal or a failure. Kind is for programs, Message for people
// (never a secret, a code or a full address), Cause for the operator's log.
type Error struct {
	Kind       Kind
	Message    string
	Field      string        // the request's field at fault, in the core's spelling, or ""
	Rule       string        // the limit that said no, such as "sends_per_destination_10m"
	RetryAfter time.Duration // how long to wait, 0 when waiting does not help
	Challenge  *Challenge    // that would let the request pass, or nil
	Also       []*Error      // further faults of the same request; all of kind Invalid
	Cause      error
}

// Error returns the message with its cause, for logs.
func (e *Error) Error() string {
	text := e.Kind.String()
	if e.Message != "" {
		text += ": " + e.Message
	}
	if e.Cause != nil {
		text += ": " + e.Cause.Error()
	}
	return text
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Cause }

// AsError returns err as an [Error]; an error of any other type is Internal.
func AsError(err error) *Error {
	if err == nil {
		return nil
	}
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	return &Error{Kind: Internal, Cause: err}
}

// unread gives a failed read its kind: like a failed step, it may be tried
// again a moment later.
func unread(err error) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	return &Error{Kind: Unavailable, Message: "the store cannot be reached", RetryAfter: time.Second, Cause: err}
}

// KindOf returns the kind of err; an error of another type is Internal, and so
// is no error.
func KindOf(err error) Kind {
	if e := AsError(err); e != nil {
		return e.Kind
	}
	return Internal
}

func invalid(field, format string, args ...any) *Error {
	return &Error{Kind: Invalid, Field: field, Message: fmt.Sprintf(format, args...)}
}
