package otp

import (
	"context"
	"fmt"
	"time"
)

// GuessLocks is what wrong guesses at one address of a tenant have led to.
type GuessLocks struct {
	To string // masked
	// Ledger are the wrong guesses of the last 24 hours; while it is full, none
	// is judged before LedgerUntil, which is zero otherwise.
	Ledger      int
	LedgerUntil time.Time
	// Runs are wrong guesses in a row: those of everybody, then those in the
	// name of the subject that proved the address last.
	Runs [2]GuessRun
}

// GuessRun is one run of wrong guesses as an operator sees it.
type GuessRun struct {
	Failures int
	Last     time.Time
	Channels []Channel // on which they happened
	// Until is when the next guess at a code with a wrong guess may be judged;
	// zero for now. Of a locked run it is when one guess at a fresh code may be
	// judged, and zero when the tenant wants none.
	Until  time.Time
	Locked bool
}

// GuessLocks tells an operator what bars guesses at an address, and until when.
// Errors: NotFound when there is no such tenant, Invalid for the address,
// Unavailable, Internal.
func (s *Service) GuessLocks(ctx context.Context, tenant, to string) (GuessLocks, error) {
	t, key, send, err := s.place(tenant, to)
	if err != nil {
		return GuessLocks{}, err
	}
	d, _, err := s.o.Store.Destination(ctx, key)
	if err != nil {
		return GuessLocks{}, unread(err)
	}
	now := s.Now()
	all := GuessLocks{To: Mask(send)}
	for _, w := range d.Wrongs {
		if now.Sub(w.At) < dayWindow {
			all.Ledger++
		}
	}
	if wait := d.MayGuess(now); wait > 0 {
		all.LedgerUntil = now.Add(wait)
	}
	g := guesser{hasty: s.ratios.slow(now, t), prompt: t.Guessing.NoDelay, forever: t.Guessing.NoTrials}
	all.Runs = [2]GuessRun{d.Run.standing(now, g), d.Own.standing(now, g)}
	return all, nil
}

func (r *Run) standing(now time.Time, g guesser) GuessRun {
	told := GuessRun{Failures: r.Failures, Last: r.At, Locked: r.locked()}
	for _, c := range Channels() {
		if r.Failures > 0 && r.Channels&channelBit(c) != 0 {
			told.Channels = append(told.Channels, c)
			g.channel = c
		}
	}
	if _, wait := r.bars(now, g); wait > 0 && (!told.Locked || !g.forever) {
		told.Until = now.Add(wait)
	}
	return told
}

// ReleaseLocks forgets the wrong guesses at an address, those of the ledger
// too, and reports whether there were any. Limits of sends stay.
// Errors: as [Service.GuessLocks].
func (s *Service) ReleaseLocks(ctx context.Context, tenant, to, actor string) (was bool, err error) {
	_, key, _, err := s.place(tenant, to)
	if err != nil {
		return false, err
	}
	err = s.do(ctx, Step{Load: Keys{Destinations: []Key{key}}, Decide: func(now time.Time, st *State) error {
		d, ok := st.Destinations.Get(key)
		was = ok && (len(d.Wrongs) > 0 || d.Run.Failures > 0 || d.Own.Failures > 0)
		if !was {
			return nil
		}
		d.Wrongs, d.Run, d.Own = nil, Run{}, Run{}
		st.Destinations.Put(key, d)
		st.Journal(released(now, &d, actor, "by an operator"))
		return nil
	}})
	return was, err
}

// place finds the row of an address as an operator writes it.
func (s *Service) place(tenant, to string) (*Tenant, Key, string, error) {
	t, ok := s.Directory().Tenant(tenant)
	if !ok {
		return nil, Key{}, "", &Error{Kind: NotFound, Message: "there is no such tenant"}
	}
	a, err := s.o.Addresses.Parse(to, t.Home)
	if err != nil {
		return nil, Key{}, "", &Error{Kind: Invalid, Field: "to", Message: "is no telephone number or e-mail address", Cause: err}
	}
	return t, s.Ring().destinationKey(tenant, a), a.Send, nil
}

func released(now time.Time, d *Destination, actor, how string) Event {
	e := noted(now, now, EventReleased, d.Tenant, RuleLock+" "+how, fmt.Sprintf("%x", d.Key))
	e.Actor = actor
	return e
}

// lockKey names the handle that leads from a subject to the verification that
// locked it out.
func (r *Ring) lockKey(tenant, subject string) Key { return r.lookup("lock", tenant, subject) }

// follow does what a guess means for other addresses of its subject: one that
// locked the subject's own guesses is noted under the subject, and one that was
// right releases what is noted. It is no part of the guess: what fails here
// leaves a lock to its other releases.
func (s *Service) follow(ctx context.Context, g *guess) {
	switch {
	case g.subject == (SubjectTag{}):
	case g.locks && g.dest.run(g.subject) == &g.dest.Own:
		key := g.ring.lockKey(g.v.Tenant, g.v.Spec.Subject)
		_ = s.do(ctx, Step{Load: Keys{Handles: []Key{key}}, Decide: func(_ time.Time, st *State) error {
			st.Handles.Put(key, Handle{Key: key, Verification: g.v.ID})
			return nil
		}})
	case g.v.Status == Approved && g.outcome == OutcomeApproved:
		key := g.ring.lockKey(g.v.Tenant, g.v.Spec.Subject)
		if _, ok, err := s.o.Store.Handle(ctx, key); err != nil || !ok {
			return
		}
		_ = s.do(ctx, Step{Load: Keys{Handles: []Key{key}}, Decide: func(now time.Time, st *State) error {
			releaseSubject(now, st, key, g.subject)
			return nil
		}})
	}
}

// releaseSubject releases the subject's own guesses at the address under key,
// as long as the address is still the subject's. Guesses of others stay locked:
// who fails at a stranger's address must not release it by a success at his own.
func releaseSubject(now time.Time, st *State, key Key, subject SubjectTag) {
	h, ok := st.Handles.Get(key)
	if !ok {
		return
	}
	st.Handles.Delete(key)
	v, ok := st.Verifications.Get(h.Verification)
	if !ok {
		return
	}
	d, ok := st.Destinations.Get(v.Destination)
	if !ok || d.Subject != subject || !d.Own.locked() {
		return
	}
	d.Own = Run{}
	st.Destinations.Put(d.Key, d)
	st.Journal(released(now, &d, ActorServer, "by another address of the subject"))
}
