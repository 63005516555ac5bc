package otp

import (
	"context"
	"time"
)

// Task is what is to be done with a claimed message.
type Task uint8

// The tasks.
const (
	TaskNothing Task = iota // it is done with, or another server's
	TaskSend                // it is to be carried
	TaskHedge               // it is to be carried by another provider than the one that took it
	TaskWait                // it was taken; it waits until its NextAt
)

// Claim is a message that this server has in hand.
type Claim struct {
	Task     Task
	Dispatch Dispatch
	// Overdue names the provider that should have sent a receipt by now and has
	// not, or is "".
	Overdue string
}

// Claim loads a message that waits for another try or for a timer, or that a
// dead server left, makes it this server's, and tells what is to be done with
// it. A message whose verification has ended is dropped, and so is one whose
// plan went on. Errors: Unavailable, Internal.
func (s *Service) Claim(ctx context.Context, m Message) (Claim, error) {
	b := bills{of: s.purse(m.Tenant, m.ID)}
	if !m.Progress.LegAt.IsZero() { // the next leg may begin now
		var err error
		if b.next, err = s.onward(ctx, m.Tenant, m.Verification); err != nil {
			return Claim{}, err
		}
	}
	var c Claim
	err := s.do(ctx, Step{
		Load: Keys{Messages: []ID{m.ID}, Verifications: []ID{m.Verification}, Counters: b.next.keys(b.of.keys())},
		Decide: func(now time.Time, st *State) (err error) {
			c, err = s.claim(now, st, b, m)
			return err
		},
	})
	s.settled(b.next, err, c.Dispatch.Message.ID != m.ID && c.Task == TaskSend)
	if err != nil {
		return Claim{}, err
	}
	return c, nil
}

// bills are the purse of a message, and what the one that may follow it needs.
type bills struct {
	of   purse
	next *onward
}

func (s *Service) claim(now time.Time, st *State, b bills, m Message) (Claim, error) {
	stored, ok := st.Messages.Get(m.ID)
	if !ok || stored.Owner != m.Owner {
		return Claim{}, nil
	}
	d := Dispatch{Message: stored}
	v, ok := st.Verifications.Get(m.Verification)
	d.Verification = v
	if ok && stored.Taken() && !v.led(m.ID) { // only its receipt is waited for
		d.Message.Progress.HedgeAt, d.Message.Progress.LegAt = time.Time{}, time.Time{}
	}
	p := &d.Message.Progress
	if !ok || v.Status != Pending || !now.Before(v.Expires) || !v.led(m.ID) && (!stored.Taken() || p.Await <= 0) {
		b.of.settle(now, st, &d.Message, 0) // a try that was not made costs nothing
		if mayHave := stored.Owner != s.o.Server && !now.Before(stored.NextAt); ok && !stored.Taken() && stored.Copies == 0 && !mayHave {
			b.of.count(now, st, &v, -1)
		}
		d.drop(now, st, v.led(m.ID))
		return Claim{}, nil
	}
	if stored.Owner != s.o.Server {
		if kept, err := d.adopt(now, st, b.of, s.o.Server); err != nil || !kept {
			return Claim{}, err
		}
	}
	if !d.Message.Taken() {
		return Claim{Task: TaskSend, Dispatch: d}, nil
	}
	return d.timer(now, st, b)
}

// led reports whether a message is the verification's newest, which alone is
// carried again and leads its plan on. The first has no name in the row.
func (v *Verification) led(message ID) bool {
	return v.Course.Message.IsZero() || v.Course.Message == message
}

// adopt makes a message this server's that a dead one left, which may have had
// it in hand. It returns false when the day has no room for another try.
func (d *Dispatch) adopt(now time.Time, st *State, paid purse, server ID) (bool, error) {
	m, p := &d.Message, &d.Message.Progress
	m.Owner = server
	if p.hedging() {
		p.HedgeAt = time.Time{}
		if p.Await > 0 {
			m.Copies++
			m.Charges.Spent = m.Charges.Charged
		} else { // the first copy is lost, and what became of the second nobody knows
			*p, m.NextAt = Progress{}, now
		}
	}
	if !m.Taken() && !now.Before(m.NextAt) {
		m.Copies++
		m.Charges.Spent = m.Charges.Charged
		if err := paid.reserve(now, st, m, &d.Verification); noRoom(err) {
			d.drop(now, st, true)
			return false, nil
		} else if err != nil {
			return false, err
		}
	}
	st.Messages.Put(m.ID, *m)
	return true, nil
}

// drop takes a message out of the outbox whose verification is over or has
// gone on, and says so when nobody had taken it, or when a receipt was promised
// and never came.
func (d *Dispatch) drop(now time.Time, st *State, over bool) {
	m, v := &d.Message, &d.Verification
	st.Messages.Delete(m.ID)
	switch {
	case !m.Taken():
		detail := "the verification is over"
		if !over {
			detail = "another message took its place"
		}
		st.Journal(d.told(now, m.event(), EventUnsent, "", detail))
	case m.Progress.Await > 0 && v.Status != Approved && !now.Before(m.Expires):
		last := *m
		last.Attempt++ // the number after that of the hand-over is reserved and free
		st.Journal(d.told(now, last.event(), EventSilent, m.Progress.Provider, ""))
	}
}

// timer does what is due of a message that a carrier took.
func (d *Dispatch) timer(now time.Time, st *State, b bills) (Claim, error) {
	m, p := &d.Message, &d.Message.Progress
	due := func(t time.Time) bool { return !t.IsZero() && !now.Before(t) }
	var c Claim
	if due(p.LookAt) {
		p.LookAt = time.Time{}
		if p.Await > 0 {
			c.Overdue = p.Provider
		}
	}
	switch {
	case due(p.LegAt):
		next, begun, err := b.next.begin(now, st, d.Verification)
		if err != nil {
			return Claim{}, err
		}
		if !begun {
			p.LegAt, c.Task = time.Time{}, TaskWait
			break
		}
		b.of.settle(now, st, m, 0)
		st.Messages.Delete(m.ID)
		c.Task, c.Dispatch = TaskSend, next
		return c, nil
	case p.hedging(): // who has it in hand asks whether it is still wanted
		c.Task = TaskHedge
	case due(p.HedgeAt) && m.Copies >= MaxCopies:
		p.HedgeAt, c.Task = time.Time{}, TaskWait
	case due(p.HedgeAt):
		if err := b.of.reserve(now, st, m, &d.Verification); noRoom(err) {
			p.HedgeAt, c.Task = time.Time{}, TaskWait
			break
		} else if err != nil {
			return Claim{}, err
		}
		p.Hedged, c.Task = true, TaskHedge
		m.Attempt++
	default:
		c.Task = TaskWait
	}
	m.wait()
	st.Messages.Put(m.ID, *m)
	c.Dispatch = *d
	return c, nil
}
