package otp

import (
	"context"
	"time"
)

// Word is what a carrier says about a message after it has taken it.
type Word struct {
	Provider string
	ID       string // by which the carrier names the message, or a part of it
	Fate     Fate
	Detail   string // the carrier's own word or number; nothing secret
}

// Heard is what a carrier's word changed.
type Heard struct {
	Known bool      // it names a message
	News  bool      // it was not said before and contradicts nothing
	Again *Dispatch // this message is to be carried now, by another provider or on another channel
}

// Hear takes a carrier's word in. It is told once and only forward: what is
// delivered stays delivered. A message that failed goes to another provider
// while its code lives, and on to the next leg of its plan when nobody is left.
//
// Errors: Unavailable, Internal; then nothing was noted.
func (s *Service) Hear(ctx context.Context, w Word) (Heard, error) {
	key := s.Ring().carrierKey(w.Provider, w.ID)
	h, ok, err := s.o.Store.Handle(ctx, key)
	switch {
	case err != nil:
		return Heard{}, unread(err)
	case !ok:
		return Heard{}, nil
	case w.Fate == FateUnknown:
		return Heard{Known: true}, nil
	}
	paid, err := s.payer(ctx, h)
	if err != nil {
		return Heard{}, unread(err)
	}
	var heard Heard
	err = s.do(ctx, Step{
		Load: Keys{Handles: []Key{key}, Messages: []ID{h.Message}, Verifications: []ID{h.Verification}, Counters: paid.keys()},
		Decide: func(now time.Time, st *State) (err error) {
			heard, err = s.hear(now, st, paid, key, w)
			return err
		},
	})
	if err != nil {
		return Heard{}, err
	}
	return heard, nil
}

// payer returns the purse of a message that a carrier names. Whose it is stands
// in its verification, which is read only where somebody has prices.
func (s *Service) payer(ctx context.Context, h Handle) (purse, error) {
	if !s.Directory().anyPriced {
		return purse{}, nil
	}
	found, err := s.o.Store.Verifications(ctx, h.Verification)
	if err != nil || len(found) == 0 {
		return purse{}, err
	}
	return s.purse(found[0].Tenant, h.Message), nil
}

func (s *Service) hear(now time.Time, st *State, paid purse, key Key, w Word) (Heard, error) {
	h, ok := st.Handles.Get(key)
	if !ok {
		return Heard{}, nil
	}
	v, known := st.Verifications.Get(h.Verification)
	if !known || h.Fate != FateUnknown {
		return Heard{Known: true}, nil
	}
	h.Fate = w.Fate
	st.Handles.Put(key, h)
	m, open := st.Messages.Get(h.Message)
	if !open {
		m = Message{ID: h.Message, Tenant: v.Tenant, Verification: v.ID, Channel: v.channel(), Created: v.LastSent}
	}
	d := Dispatch{Message: m, Verification: v}
	w.Detail = d.cover(s.Ring(), w.Detail)
	heard := Heard{Known: true, News: true}
	if open && !m.Progress.Hedged && m.Progress.Provider != w.Provider {
		return heard, nil // of a copy that was lost: another provider has the message by now, or is to get it
	}
	if w.Fate == FateDelivered {
		if m.Progress.Await--; open && m.Progress.Await > 0 && !m.Progress.Hedged {
			st.Messages.Put(m.ID, m) // other parts are still on their way
			return heard, nil
		}
		d.note(now, st, EventDelivered, w)
		if open {
			m.close(now, st, paid)
		}
		return heard, nil
	}
	d.note(now, st, EventFailed, w)
	if open {
		var err error
		if heard.Again, err = s.rescue(now, st, paid, &d); err != nil {
			return Heard{}, err
		}
	}
	return heard, nil
}

// note journals a carrier's word.
func (d *Dispatch) note(now time.Time, st *State, kind EventKind, w Word) {
	st.Journal(d.told(now, d.Verification.Events, kind, w.Provider, w.Detail))
	d.Verification.Events++
	st.Verifications.Put(d.Verification.ID, d.Verification)
}

// rescue makes a message that its carrier lost this server's, to be carried
// again. It returns nil when that makes no sense any more.
func (s *Service) rescue(now time.Time, st *State, paid purse, d *Dispatch) (*Dispatch, error) {
	m, v := d.Message, &d.Verification
	if v.Status != Pending || !v.led(m.ID) {
		m.close(now, st, paid)
		return nil, nil //nolint:nilnil // nothing is to be done, and nothing is wrong
	}
	if m.Progress.Hedged {
		m.Progress.Await = max(m.Progress.Await-1, 0)
		if m.Progress.Await > 0 || m.Progress.hedging() { // the other copy is still on its way, or in hand
			st.Messages.Put(m.ID, m)
			return nil, nil //nolint:nilnil // as above
		}
	}
	return m.anew(now, st, paid, v, s.o.Server)
}

// close takes a message out of the outbox of which nothing is to be expected
// any more. A second copy that is in hand costs what was reserved for it: what
// became of it cannot be told later.
func (m *Message) close(now time.Time, st *State, paid purse) {
	if !m.Progress.hedging() {
		paid.settle(now, st, m, 0)
	}
	st.Messages.Delete(m.ID)
}

// anew makes a message whose every copy is lost one that waits for its next
// try. It returns nil when the day has no room for one.
func (m Message) anew(now time.Time, st *State, paid purse, v *Verification, server ID) (*Dispatch, error) {
	m.Attempt++
	m.Owner, m.NextAt, m.Progress = server, now, Progress{}
	if err := paid.reserve(now, st, &m, v); noRoom(err) {
		st.Messages.Delete(m.ID)
		return nil, nil //nolint:nilnil // nothing is to be done, and nothing is wrong
	} else if err != nil {
		return nil, err
	}
	st.Messages.Put(m.ID, m)
	return &Dispatch{Message: m, Verification: *v}, nil
}
