package otp

import (
	"context"
	"time"
)

// The limits of one verification's sends.
const (
	sendsPerVerification = 5
	resendCooldown       = time.Minute
)

// ResendRequest asks for one more message of a pending verification.
type ResendRequest struct {
	Caller  Caller
	Dialect string
	Ref     Ref
	Repeat  *Repeat
}

// act is a change of one verification that sends, ends or only looks.
type act struct {
	target
	ring    *Ring
	message *Message
	purse   purse // from which message is paid
	forever bool  // the tenant's locks open for no trial
	gate    *gate // of one more message, or nil
	view    View
}

// perform carries out a change inside one step and tells the result.
func (s *Service) perform(ctx context.Context, caller Caller, dialect string, ref Ref, repeat *Repeat, m more,
	change func(a *act, now time.Time, st *State) error,
) (*act, error) {
	ring := s.Ring()
	a := &act{target: s.target(ring, caller, dialect, ref), ring: ring, purse: m.paid, gate: m.gate}
	if tenant, ok := s.Directory().Tenant(caller.Tenant); ok {
		a.forever = tenant.Guessing.NoTrials
	}
	replay := repeat.check(ring, caller.Tenant)
	done, err := s.begin(replay)
	if err != nil {
		return nil, err
	}
	defer done()
	load := a.keys()
	load.Replays, load.Counters = replay.keys(), m.gate.keys(m.paid.keys())
	var refusal error
	err = s.do(ctx, Step{Load: load, Decide: func(now time.Time, st *State) error {
		a.message = nil
		if refusal = replay.seen(now, st); refusal != nil {
			return nil
		}
		if refusal = a.find(now, st); refusal != nil {
			return nil
		}
		if refusal = change(a, now, st); refusal != nil {
			return nil
		}
		letter, err := a.v.letter(ring)
		if err != nil {
			return err
		}
		a.view = view(&a.v, letter.To)
		replay.remember(now, st, func() []byte { return repeat.Answer(a.view, 0) })
		return nil
	}})
	s.settleRate(m.gate, err, err == nil && refusal == nil)
	if err != nil {
		return nil, err
	}
	return a, refusal
}

// Resend sends the code of a pending verification again: the same code, or a
// new one when the profile says so; expiry and tries stay as they are.
//
// Errors: as [Service.Start], and Ended when the verification is not pending.
func (s *Service) Resend(ctx context.Context, req ResendRequest) (View, error) {
	return s.another(ctx, req, (*act).resend)
}

// another sends one more message of a pending verification, which change makes
// of an empty one.
func (s *Service) another(ctx context.Context, req ResendRequest, change func(*act, time.Time, *State, Message) error) (View, error) {
	messageID, err := s.newID()
	if err != nil {
		return View{}, err
	}
	m, err := s.more(ctx, req.Caller, req.Dialect, req.Ref, messageID)
	if err != nil {
		return View{}, err
	}
	a, err := s.perform(ctx, req.Caller, req.Dialect, req.Ref, req.Repeat, m, func(a *act, now time.Time, st *State) error {
		return change(a, now, st, Message{ID: messageID, Owner: s.o.Server})
	})
	if err != nil {
		return View{}, err
	}
	s.hand(ctx, a)
	return a.view, nil
}

// hand gives the courier the message that a change has made.
func (s *Service) hand(ctx context.Context, a *act) {
	if !a.v.Spec.Test {
		s.o.Courier.Accept(Dispatch{Message: *a.message, Verification: a.v, Origin: ctx})
	}
}

// pending refuses what only makes sense while the code is waited for.
func (a *act) pending() error {
	if a.v.Status != Pending {
		return &Error{Kind: Ended, Message: "the verification is " + a.v.Status.String()}
	}
	return nil
}

// maySend holds the limits of one more send and notes a refusal. cooldown is
// the least time since the last send. A test address has no limits.
func (a *act) maySend(now time.Time, st *State, channel Channel, cooldown time.Duration) error {
	if a.v.Spec.Test {
		return nil
	}
	rule, wait := "", time.Duration(0)
	if w := a.v.LastSent.Add(cooldown).Sub(now); w > 0 {
		rule, wait = RuleCooldown, w
	}
	if a.v.Sends >= sendsPerVerification {
		rule, wait = RuleSends, a.v.Expires.Sub(now)
	}
	if r, w := a.dest.MaySend(now); w > wait {
		rule, wait = r, w
	}
	if r, w := a.dest.mayJudge(now, a.bounds()); w > wait {
		rule, wait = r, w
	}
	return a.pass(now, st, channel, denial{rule: rule, wait: wait})
}

// pass holds what is not about the verification: the lists, the rules over many
// addresses and the day's limits.
func (a *act) pass(now time.Time, st *State, channel Channel, worst denial) error {
	if a.dest.verdict(now) == Blocked {
		a.note(now, st, denial{rule: RuleBlockList})
		return blocked("it is on the block-list")
	}
	worst.worse(a.gate.judge(now, st, false))
	if a.purse.open() {
		letter, err := a.v.letter(a.ring)
		if err != nil {
			return err
		}
		worst.worse(a.purse.short(now, st, a.purse.price(channel, letter.To, a.v.Spec.Country), 1))
	}
	if worst.wait > 0 {
		a.note(now, st, worst)
		return worst.refusal()
	}
	a.gate.charge(now, st, false)
	return nil
}

// note writes down what a rule said.
func (a *act) note(now time.Time, st *State, what denial) {
	e := refusal(now, a.v.Tenant, a.dialect, a.caller.Identity, what.rule, a.dest.Key)
	e.Detail = what.String() + " " + a.dest.Key.tag()
	st.Journal(e)
}

// bounds asks for the lock alone: a delay passes, and the code may outlive it.
func (a *act) bounds() guesser {
	return guesser{
		subject: a.ring.subjectTag(a.v.Tenant, a.v.Spec.Subject), channel: a.v.channel(), fresh: true, forever: a.forever,
		decoy: a.v.Spec.Decoy,
	}
}

func (a *act) resend(now time.Time, st *State, m Message) error {
	if err := a.pending(); err != nil {
		return err
	}
	if err := a.maySend(now, st, a.v.channel(), resendCooldown); err != nil {
		return err
	}
	if a.v.Spec.FreshCode && !a.v.Spec.OwnCode {
		a.v.Generation++
	}
	a.v.Sends, a.v.LastSent = a.v.Sends+1, now
	a.dest = a.dest.counting(&a.v, now)
	e := a.v.event(EventResent, now, a.caller.Identity, "")
	m.Tenant, m.Verification, m.Kind, m.Channel = a.v.Tenant, a.v.ID, CodeMessage, a.v.channel()
	a.v.Course.Message = m.ID // the one before it is not carried any more, and leads no plan on
	m, err := a.v.post(now, st, a.purse, m)
	if err != nil {
		return err
	}
	a.message = &m
	a.save(st, e)
	return nil
}

// CancelRequest asks that a verification be taken back.
type CancelRequest struct {
	Caller  Caller
	Dialect string
	Ref     Ref
	Repeat  *Repeat
}

// Cancel takes a pending verification back; one that has ended stays as it is.
// Errors: NotFound, InProgress, KeyReused, Unavailable, Internal.
func (s *Service) Cancel(ctx context.Context, req CancelRequest) (View, error) {
	a, err := s.perform(ctx, req.Caller, req.Dialect, req.Ref, req.Repeat, more{}, func(a *act, now time.Time, st *State) error {
		if a.v.Status == Pending {
			a.conclude(st, Canceled, EventCanceled, now, a.caller.Identity)
		}
		return nil
	})
	if err != nil {
		return View{}, err
	}
	return a.view, nil
}
