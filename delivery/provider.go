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
	"net/http"
	"time"
)

// Provider carries messages. What only some can do is an interface beside it:
// [Runner], [Callback].
type Provider interface {
	// Send hands one message over. It returns nil once the carrier has taken
	// it, and otherwise an [Error]; an error of another type counts as
	// [Unknown]. It ends with its context.
	Send(ctx context.Context, m Message) (Receipt, error)
}

// Runner is a provider that keeps connections, over which reports may come.
type Runner interface {
	// Run works until ctx ends. It gives each report to the sink and tells the
	// carrier that it has it only after the sink has returned nil, so that a
	// crash in between loses none. Send may be called before, while and after
	// Run works; without it, it answers Unavailable.
	Run(ctx context.Context, sink Sink)
}

// Sink takes one report in. It returns once the report is noted durably, or is
// of no use (an unknown id, a repeat); an error means: say it again later.
type Sink func(ctx context.Context, r Report) error

// Callback is a provider whose carrier calls it over HTTP, at the path
// /receipts/NAME of the public listener.
type Callback interface {
	// Callback authenticates and reads one call; body is the request's whole
	// body (at most 64 KiB). The reply is written once all reports are noted.
	// Errors: [ErrForged] when the call does not prove that it is the
	// carrier's, any other when it cannot be understood.
	Callback(r *http.Request, body []byte) ([]Report, Reply, error)
}

// ErrForged says that a callback does not prove that it comes from the carrier.
var ErrForged = errors.New("delivery: the callback is not authenticated")

// Reply is what a carrier is answered; the zero value is an empty 200.
type Reply struct {
	ContentType string
	Body        []byte
}

// Message is one text for one address.
type Message struct {
	ID           string // the same for every try; a carrier that can tells repeats by it
	Tenant       string
	Verification string // UUID
	Channel      string // sms, email, voice, whatsapp or telegram
	To           string // E.164 number or mailbox
	Country      string // ISO 3166 of a number, "" when unknown
	From         string // sender to show, or "" for the provider's own
	Subject      string // e-mail only
	Body         string // plain text; for voice as it is to be spoken
	Brand        string // the tenant's
	Locale       string // BCP 47
	Code         string // for carriers that take the code by itself
	Link         string // that Body shows and approves like the code, as secret as it; e-mail only, or ""
	// Params are what the tenant's template says for carriers that need more
	// than a text, such as dlt_entity_id, dlt_template_id or template.
	Params  map[string]string
	Created time.Time
	Expires time.Time // the carrier should not deliver it later
}

// Receipt is what a carrier says when it takes a message.
type Receipt struct {
	// IDs are the carrier's own, one for each part that it reports on; a later
	// [Report] names one of them.
	IDs []string
	// Expect says that reports will follow.
	Expect bool
	// Delivered says that the message has arrived already.
	Delivered bool
}

// State is how far a message has come, as its carrier says.
type State uint8

// The states. The last two are final.
const (
	EnRoute   State = iota + 1 // still on its way
	Delivered                  // on the person's device, or in the mailbox's hands
	Failed                     // will not arrive
)

// String returns the word used in the journal.
func (s State) String() string {
	if s < EnRoute || s > Failed {
		return "unknown"
	}
	return [...]string{"en_route", "delivered", "failed"}[s-EnRoute]
}

// Report is what a carrier says about a message after it has taken it.
type Report struct {
	ID    string // one of [Receipt.IDs]
	State State
	At    time.Time // by the carrier's clock; zero when it does not say
	Code  string    // the carrier's own word or number for it, such as "DELIVRD" or "30003"; see [Word]
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
	// Unavailable: out of order (its credentials and certificates included);
	// the next provider, and this one after a while.
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
	Code  string        // the carrier's own word or number for it; see [Word]
	After time.Duration // the carrier asks to wait so long; 0 when it does not say
	// Partly says that a part of a long message was taken, which the carrier will
	// charge. The whole may be sent again all the same.
	Partly bool
	Cause  error
}

// Error returns class, code and cause.
func (e *Error) Error() string {
	text := e.Class.String()
	if e.Code != "" {
		text += " (" + e.Code + ")"
	}
	if e.Cause == nil {
		return text
	}
	return fmt.Sprintf("%s: %v", text, e.Cause)
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

// Word makes a carrier's own word or number fit for journals, metrics and
// logs: at most 32 letters, digits, points, dashes and underscores. What has
// other characters, or is so long that it could be an address, becomes "".
func Word(s string) string {
	if len(s) > 32 {
		return ""
	}
	digits := 0
	for _, c := range []byte(s) {
		switch {
		case c >= '0' && c <= '9':
			digits++
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c == '.', c == '-', c == '_':
		default:
			return ""
		}
	}
	if digits > 6 {
		return "" // as long as a telephone number or a code
	}
	return s
}
