package otp

import (
	"context"
	"fmt"
	"net/netip"
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
	// Code is the guess. An empty one is none: it is judged by the state of the
	// verification alone, wrong while that is pending, and charges nothing.
	Code string
	Peek bool // judges and counts like a check but does not consume a right code
	// Purpose and Payment are what the code is about to be used for. When they
	// are given and the verification is for something else, the guess is wrong,
	// whatever the code is.
	Purpose string
	Payment *Payment
	Receipt bool       // a signed proof is wanted of an approval; see [View]
	Client  netip.Addr // the end user's, if the application tells it
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

func (s *Service) target(ring *Ring, caller Caller, dialect string, ref Ref) target {
	t := target{caller: caller, dialect: dialect, ref: ref}
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
	if fault := req.Payment.faults(); fault != nil {
		return View{}, 0, fault
	}
	ring := s.Ring()
	g := &guess{
		target: s.target(ring, req.Caller, req.Dialect, req.Ref), service: s, ring: ring, code: req.Code, peek: req.Peek,
		binding: binding{req.Purpose, req.Payment.digest()}, receipt: req.Receipt,
		replay: req.Repeat.check(ring, req.Caller.Tenant), repeat: req.Repeat, client: req.Client,
	}
	return s.judgeGuess(ctx, g)
}

// judgeGuess carries out the step of a guess and what follows from it.
func (s *Service) judgeGuess(ctx context.Context, g *guess) (View, Outcome, error) {
	done, err := s.begin(g.replay)
	if err != nil {
		return View{}, 0, err
	}
	defer done()
	tenant, ok := s.Directory().Tenant(g.caller.Tenant)
	if ok {
		g.bounds = guesser{hasty: s.ratios.slow(s.Now(), tenant), prompt: tenant.Guessing.NoDelay, forever: tenant.Guessing.NoTrials}
		g.gate = g.bound(g.ring, tenant, g.client)
	}
	load := g.keys()
	load.Replays, load.Counters = g.replay.keys(), g.gate.keys(nil)
	err = s.carryOut(ctx, Step{Load: load, Decide: func(now time.Time, st *State) (failure error) {
		if g.refusal, failure = g.decide(now, st); failure != nil {
			return failure
		}
		g.said.hear(s, now, st)
		return nil
	}}, &g.said)
	switch {
	case err != nil:
		return View{}, 0, err
	case g.refusal != nil:
		return View{}, g.outcome, g.refusal
	}
	if ok && !g.empty() && !g.v.Spec.Test && !g.v.Spec.Decoy && (g.outcome == OutcomeWrong || g.outcome == OutcomeApproved) {
		s.judged(ctx, tenant, g.outcome)
		if g.outcome == OutcomeApproved && g.v.Status == Approved {
			if !s.colds.approved(g.v.Spec.Prefix) {
				s.pulse.more(g.v.Spec.Prefix, 1)
			}
		}
		s.follow(ctx, g)
	}
	g.prove()
	return g.view, g.outcome, nil
}

// guess is one code to be judged.
type guess struct {
	target
	service *Service
	ring    *Ring
	code    string
	link    *linkMAC // of a token that was given in place of a code, or nil
	peek    bool
	binding binding
	receipt bool
	replay  *replayCheck
	repeat  *Repeat
	client  netip.Addr
	gate    *gate   // of the end user's network, or nil
	bounds  guesser // what is known of the guess before the step
	subject SubjectTag
	locks   bool // it locked the address
	outcome Outcome
	view    View
	refusal error // an answer whose writes are kept
	said    said
}

// decide is the atomic step of a check. A refusal is an answer whose writes
// are kept; a failure judges nothing and writes nothing.
func (g *guess) decide(now time.Time, st *State) (refusal, failure error) {
	g.outcome, g.locks = 0, false
	if err := g.replay.seen(now, st); err != nil {
		return err, nil
	}
	if refusal, failure = g.admit(now, st); refusal != nil || failure != nil {
		return refusal, failure
	}
	if refusal, failure = g.judge(now, st); refusal != nil || failure != nil {
		return refusal, failure
	}
	// The address is not told: to open it would cost every check a decryption,
	// in the one goroutine that all checks share.
	g.view = view(&g.v, "")
	g.replay.remember(now, st, func() []byte {
		g.prove() // what is remembered must hold it
		return g.repeat.Answer(g.view, g.outcome)
	})
	return nil, nil
}

// prove signs the receipt of an approval if one is wanted. It waits until after
// the step, which all others wait for, unless the step remembers the answer.
func (g *guess) prove() {
	// The approval of a test address proves nothing.
	wanted := g.receipt || g.v.Spec.Receipt && g.dialect == NativeDialect
	if wanted && g.outcome == OutcomeApproved && !g.peek && g.view.Receipt == "" && !g.v.Spec.Test {
		g.view.Receipt = g.service.receipt(g.ring, &g.v)
	}
}

// empty tells that nothing was given that could be judged.
func (g *guess) empty() bool { return g.code == "" && g.link == nil }

// judge sets the outcome and writes what follows from it.
func (g *guess) judge(now time.Time, st *State) (refusal, failure error) {
	switch {
	case g.v.Status != Pending:
		g.outcome = outcomeOf(g.v.Status)
		return nil, nil
	case g.empty():
		g.outcome = OutcomeWrong
		return nil, nil
	}
	g.subject = g.ring.subjectTag(g.v.Tenant, g.v.Spec.Subject)
	by := g.bounds
	by.subject, by.channel, by.fresh, by.decoy = g.subject, g.v.channel(), g.v.Attempts == 0, g.v.Spec.Decoy
	if rule, wait := g.barred(now, by); wait > 0 && !g.v.Spec.Test {
		g.outcome = OutcomeThrottled
		st.Journal(g.refused(now, denial{rule: rule}))
		e := throttled(rule, wait)
		e.Message = "too many wrong guesses for this address"
		return e, nil
	}
	if d := g.gate.judge(now, st, g.v.Spec.Test); d.wait > 0 {
		g.outcome = OutcomeThrottled
		st.Journal(g.refused(now, d))
		return d.refusal(), nil
	}
	same, err := g.same()
	if err != nil {
		return nil, &Error{Kind: Internal, Cause: fmt.Errorf("verification %s: %w", g.v.ID, err)}
	}
	g.gate.charge(now, st, g.v.Spec.Test)
	// The code is compared in any case, so that the time tells nothing of it.
	bound := g.binding.holds(&g.v.Spec)
	switch actor := g.caller.Identity; {
	case !same || !bound || g.v.Spec.Decoy:
		g.wrong(now, st, actor)
	case g.peek:
		g.outcome = OutcomeApproved
	default:
		g.outcome = OutcomeApproved
		if g.v.Spec.Test { // which proves nothing
			g.dest.Touched = now
		} else {
			g.dest = g.dest.proven(now, g.subject)
		}
		g.conclude(st, Approved, EventApproved, now, actor)
	}
	return nil, nil
}

// same reports whether what was given is what the verification waits for.
func (g *guess) same() (bool, error) {
	if g.link != nil {
		return true, nil // see admit
	}
	right, err := g.ring.Code(&g.v)
	return sameCode(right, g.code), err
}

func (g *guess) refused(now time.Time, what denial) Event {
	e := refusal(now, g.v.Tenant, g.dialect, g.caller.Identity, what.rule, g.dest.Key)
	e.Detail = what.String() + " " + g.dest.Key.tag()
	return e
}

// wrong spends a try, charges the ledger and counts one more in a row, but not
// those of a test address.
func (g *guess) wrong(now time.Time, st *State, actor string) {
	g.outcome = OutcomeWrong
	g.v.Attempts++
	switch {
	case g.v.Spec.Test:
	case g.v.Spec.Decoy: // which locks nobody
		g.dest = g.dest.chargedDecoy(now, g.v.space(), g.v.channel())
	default:
		g.dest, g.locks = g.dest.charged(now, g.v.space()).failed(now, g.subject, g.v.channel())
	}
	if g.locks {
		st.Journal(g.v.event(EventLocked, now, ActorServer, RuleLock))
	}
	if g.v.Attempts >= g.v.Spec.MaxAttempts {
		g.conclude(st, Exhausted, EventExhausted, now, actor)
		return
	}
	g.save(st, g.v.event(EventWrong, now, actor, ""))
}
