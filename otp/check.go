package otp

import (
	"context"
	"fmt"
	"time"
)

// Ref names a verification: by its own ID, or by a dialect's handle.
type Ref struct {
	ID ID
	// Session is the dialect's own handle (see [StartRequest]); used when ID
	// is zero.
	Session string
	// Owner, when given, must be the identity that started the verification.
	Owner string
}

// CheckRequest is one guess.
type CheckRequest struct {
	Caller  Caller
	Dialect string // a vendor dialect sees its own verifications, the native API all of the tenant's
	Ref     Ref
	Code    string
	Peek    bool // judges and counts like a check but does not consume a right code
	Repeat  *Repeat
}

// target is a request's verification, found inside a step.
type target struct {
	caller  Caller
	dialect string
	ref     Ref
	handle  Key
	v       Verification
	dest    Destination
}

func (s *Service) target(ring *Ring, caller Caller, dialect string, ref Ref) *target {
	t := &target{caller: caller, dialect: dialect, ref: ref}
	if ref.ID.IsZero() {
		t.handle = ring.handleKey(caller.Tenant, dialect, ref.Session)
	}
	return t
}

func (t *target) keys() Keys {
	if t.ref.ID.IsZero() {
		return Keys{Handles: []Key{t.handle}}
	}
	return Keys{Verifications: []ID{t.ref.ID}}
}

var errUnknown = &Error{Kind: NotFound, Message: "there is no such verification"}

// find loads the verification and brings it up to date: a pending one whose
// life is over becomes expired now, so that no step back of a clock revives it.
func (t *target) find(now time.Time, st *State) error {
	id := t.ref.ID
	if id.IsZero() {
		h, ok := st.Handles.Get(t.handle)
		if !ok {
			return errUnknown
		}
		id = h.Verification
	}
	v, ok := st.Verifications.Get(id)
	if !ok || v.Tenant != t.caller.Tenant || t.dialect != NativeDialect && v.Spec.Dialect != t.dialect ||
		t.ref.Owner != "" && v.Spec.Owner != t.ref.Owner {
		return errUnknown
	}
	t.v = v
	if t.dest, ok = st.Destinations.Get(v.Destination); !ok {
		t.dest = Destination{Key: v.Destination, Tenant: v.Tenant, Touched: now}
	}
	if v.Status == Pending && !now.Before(v.Expires) {
		t.conclude(st, Expired, EventExpired, now, "server")
	}
	return nil
}

// conclude ends the verification and saves it with its destination.
func (t *target) conclude(st *State, status Status, kind EventKind, now time.Time, actor string) {
	t.v.end(status, now)
	t.dest = t.dest.without(t.v.ID)
	t.save(st, t.v.event(kind, now, actor, ""))
}

func (t *target) save(st *State, e Event) {
	st.Journal(e)
	st.Verifications.Put(t.v.ID, t.v)
	st.Destinations.Put(t.dest.Key, t.dest)
}

// Check judges one guess. Counting, comparing and consuming are one atomic
// step; the outcome is durable when it is told.
//
// The view lacks the address, which the caller knows from the start.
//
// A [Throttled] outcome comes with an [Error] of kind Throttled that names the
// rule; any other error means that nothing was judged: NotFound, Invalid,
// InProgress, KeyReused, Unavailable, Internal. A repeat of an idempotency key
// returns a [*Repeated].
func (s *Service) Check(ctx context.Context, req CheckRequest) (View, Outcome, error) {
	ring := s.Ring()
	t := s.target(ring, req.Caller, req.Dialect, req.Ref)
	g := &guess{target: t, ring: ring, code: req.Code, peek: req.Peek, replay: req.Repeat.check(ring, req.Caller.Tenant), repeat: req.Repeat}
	done, err := s.begin(g.replay)
	if err != nil {
		return View{}, 0, err
	}
	defer done()
	load := t.keys()
	load.Replays = g.replay.keys()
	var refusal error
	err = s.do(ctx, Step{Load: load, Decide: func(now time.Time, st *State) error {
		var failure error
		refusal, failure = g.decide(now, st)
		return failure
	}})
	switch {
	case err != nil:
		return View{}, 0, err
	case refusal != nil:
		return View{}, g.outcome, refusal
	}
	return g.view, g.outcome, nil
}

// guess is one code to be judged.
type guess struct {
	*target
	ring    *Ring
	code    string
	peek    bool
	replay  *replayCheck
	repeat  *Repeat
	outcome Outcome
	view    View
}

// decide is the atomic step of a check. A refusal is an answer whose writes
// are kept; a failure judges nothing and writes nothing.
func (g *guess) decide(now time.Time, st *State) (refusal, failure error) {
	g.outcome = 0
	if err := g.replay.seen(now, st); err != nil {
		return err, nil
	}
	if err := g.find(now, st); err != nil {
		return err, nil
	}
	if refusal, failure = g.judge(now, st); refusal != nil || failure != nil {
		return refusal, failure
	}
	// The address is not told: to open it would cost every check a decryption,
	// in the one goroutine that all checks share.
	g.view = view(&g.v, "")
	g.replay.remember(now, st, func() []byte { return g.repeat.Answer(g.view, g.outcome) })
	return nil, nil
}

// judge sets the outcome and writes what follows from it.
func (g *guess) judge(now time.Time, st *State) (refusal, failure error) {
	if g.v.Status != Pending {
		g.outcome = outcomeOf(g.v.Status)
		return nil, nil
	}
	if wait := g.dest.MayGuess(now); wait > 0 && !g.v.Spec.Test {
		g.outcome = OutcomeThrottled
		st.Journal(g.refused(now))
		e := throttled(RuleLedger, wait)
		e.Message = "too many wrong guesses for this address"
		return e, nil
	}
	right, err := g.ring.Code(&g.v)
	if err != nil {
		return nil, &Error{Kind: Internal, Cause: fmt.Errorf("verification %s: %w", g.v.ID, err)}
	}
	switch actor := g.caller.Identity; {
	case !sameCode(right, g.code):
		g.wrong(now, st, actor)
	case g.peek:
		g.outcome = OutcomeApproved
	default:
		g.outcome = OutcomeApproved
		g.dest.Touched = now
		if !g.v.Spec.Test { // which proves nothing
			g.dest.ApprovedAt = now
		}
		g.conclude(st, Approved, EventApproved, now, actor)
	}
	return nil, nil
}

func (g *guess) refused(now time.Time) Event {
	return refusal(now, g.v.Tenant, g.dialect, g.caller.Identity, RuleLedger, g.dest.Key)
}

// wrong spends a try and charges the ledger, but not that of a test address.
func (g *guess) wrong(now time.Time, st *State, actor string) {
	g.outcome = OutcomeWrong
	g.v.Attempts++
	if !g.v.Spec.Test {
		g.dest = g.dest.charged(now, g.v.space())
	}
	if g.v.Attempts >= g.v.Spec.MaxAttempts {
		g.conclude(st, Exhausted, EventExhausted, now, actor)
		return
	}
	g.save(st, g.v.event(EventWrong, now, actor, ""))
}
