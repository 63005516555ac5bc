package otp

import (
	"context"
	"crypto/sha256"
	"errors"
	"time"
)

// replayLife is how long an idempotency key is remembered.
const replayLife = 24 * time.Hour

// Repeat makes a call safe to repeat: the same key and payload have one effect
// and one answer (after draft-ietf-httpapi-idempotency-key-header).
type Repeat struct {
	Key     string // unique within the tenant, 1 to 255 bytes
	Payload []byte // what makes two calls the same: operation, path and body
	// Answer makes the bytes that a repeat is answered. It is called inside the
	// step, so it must be pure. Outcome is 0 unless a code was judged.
	Answer func(View, Outcome) []byte
	// Decided is Answer for a decision about addresses.
	Decided func(Listed) []byte
}

// Repeated carries the first answer of an idempotency key.
type Repeated struct{ Answer []byte }

// Error says that the call was a repeat.
func (r *Repeated) Error() string { return "the idempotency key was used before for the same call" }

// replayCheck is a repeat with its look-up key; nil when the call has none.
type replayCheck struct {
	key    Key
	print  [32]byte
	repeat *Repeat
}

func (r *Repeat) check(ring *Ring, tenant string) *replayCheck {
	if r == nil {
		return nil
	}
	return &replayCheck{ring.lookup("replay", tenant, r.Key), sha256.Sum256(r.Payload), r}
}

func (c *replayCheck) keys() []Key {
	if c == nil {
		return nil
	}
	return []Key{c.key}
}

// begin refuses a call whose key is in work in this process; done ends that.
func (s *Service) begin(c *replayCheck) (done func(), err error) {
	if c == nil {
		return func() {}, nil
	}
	if len(c.repeat.Key) == 0 || len(c.repeat.Key) > 255 {
		return nil, invalid("Idempotency-Key", "must have 1 to 255 characters")
	}
	if _, busy := s.running.LoadOrStore(c.key, true); busy {
		return nil, &Error{Kind: InProgress, Message: "a request with this Idempotency-Key is still in work", RetryAfter: time.Second}
	}
	return func() { s.running.Delete(c.key) }, nil
}

// seen returns the first answer as an error, or that the payload differs.
func (c *replayCheck) seen(now time.Time, st *State) error {
	if c == nil {
		return nil
	}
	r, ok := st.Replays.Get(c.key)
	switch {
	case !ok || !now.Before(r.Expires):
		return nil
	case r.Fingerprint != c.print:
		return &Error{Kind: KeyReused, Message: "this Idempotency-Key came with another request before"}
	}
	return &Repeated{r.Answer}
}

// orReplayed returns the first answer of a repeat instead of why the request
// would be refused today: the configuration may have changed in between.
func (s *Service) orReplayed(ctx context.Context, r *Repeat, tenant string, refusal error) error {
	var repeated *Repeated
	if errors.As(s.answered(ctx, r.check(s.Ring(), tenant)), &repeated) {
		return repeated
	}
	return refusal
}

// answered asks for the first answer in a step of its own, as seen does within
// one.
func (s *Service) answered(ctx context.Context, c *replayCheck) error {
	if c == nil {
		return nil
	}
	return s.do(ctx, Step{Load: Keys{Replays: c.keys()}, Decide: func(now time.Time, st *State) error { return c.seen(now, st) }})
}

// decided remembers a decision about addresses.
func (c *replayCheck) decided(now time.Time, st *State, found Listed) {
	c.remember(now, st, func() []byte { return c.repeat.Decided(found) })
}

// remember keeps the answer in the same step as the effect.
func (c *replayCheck) remember(now time.Time, st *State, answer func() []byte) {
	if c == nil {
		return
	}
	st.Replays.Put(c.key, Replay{c.key, c.print, answer(), now.Add(replayLife)})
}
