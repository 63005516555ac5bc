package otp

import (
	"context"
	"time"
)

// maxTries bounds the tries of one message. A journal number is reserved for
// each of them when the message is born, and one for giving it up after the
// last, so that telling of a try does not touch the verification.
const (
	maxTries      = 8
	messageEvents = maxTries + 1
)

// born gives a new message its times and journal numbers.
func (m Message) born(v *Verification, now time.Time) Message {
	m.Created, m.Expires, m.NextAt, m.FirstEvent = now, v.Expires, now, v.Events
	v.Events += messageEvents
	return m
}

// event is the journal number of the message's present try.
func (m *Message) event() int { return m.FirstEvent + min(m.Attempt, messageEvents-1) }

// LastRetry is when retries end: min(30 s, half the life) before the code
// expires. The first try is made as long as the code lives.
func (m *Message) LastRetry() time.Time {
	return m.Expires.Add(-min(30*time.Second, m.Expires.Sub(m.Created)/2))
}

// MayRetry reports whether a try at t is allowed.
func (m *Message) MayRetry(t time.Time) bool {
	return m.Attempt < maxTries && !t.After(m.LastRetry())
}

// Render makes the text of a message, from the template in force, the sealed
// letter and the derived code. Errors: Internal.
func (s *Service) Render(d *Dispatch) (Text, error) {
	ring, v := s.Ring(), &d.Verification
	tenant, ok := s.Directory().Tenant(v.Tenant)
	if !ok {
		return Text{}, &Error{Kind: Internal, Message: "the tenant is gone"}
	}
	letter := d.letter
	if letter == nil {
		opened, err := v.letter(ring)
		if err != nil {
			return Text{}, AsError(err)
		}
		letter = &opened
	}
	code, err := ring.Code(v)
	if err != nil {
		return Text{}, AsError(err)
	}
	w, err := tenant.wordingFor(v.Spec.Profile, d.Message.Channel, v.Spec.Locale, letter)
	if err != nil {
		return Text{}, AsError(err)
	}
	return w.render(d.Message.Channel, letter, code, tenant.brand(), v.Spec.Locale, v.Expires.Sub(s.Now())), nil
}

// Carriers names the providers for a message in order of preference.
func (s *Service) Carriers(d *Dispatch, to string) []string {
	return s.providers(s.Directory(), d.Verification.Tenant, d.Message.Channel, to)
}

// Attempt is what became of one try of a message.
type Attempt struct {
	Provider string
	// Result is EventSent, EventRetry (NextAt tells when) or EventUnsent.
	Result EventKind
	NextAt time.Time
	Detail string // provider's message id or error class; nothing secret
	Copies int    // tries so far that may have reached a carrier
}

// Report writes what became of a try. A message that is sent or given up
// leaves the outbox. Errors: NotFound when the message is not this server's
// any more, Unavailable, Internal.
func (s *Service) Report(ctx context.Context, m Message, a Attempt) error {
	var refusal error
	err := s.do(ctx, Step{Load: Keys{Messages: []ID{m.ID}}, Decide: func(now time.Time, st *State) error {
		refusal = nil
		stored, ok := st.Messages.Get(m.ID)
		if !ok || stored.Owner != s.o.Server {
			refusal = &Error{Kind: NotFound, Message: "the message is another server's"}
			return nil
		}
		if stored.Attempt > m.Attempt { // told already; the answer was lost
			return nil
		}
		st.Journal(Event{
			Verification: m.Verification, N: stored.event(), Tenant: m.Tenant, At: now,
			Kind: a.Result, Actor: "server", Detail: a.Provider + " " + a.Detail,
		})
		if a.Result != EventRetry {
			st.Messages.Delete(m.ID)
			return nil
		}
		stored.Attempt++
		stored.NextAt, stored.Copies = a.NextAt, a.Copies
		st.Messages.Put(m.ID, stored)
		return nil
	}})
	if err != nil {
		return err
	}
	return refusal
}

// Claim loads a message that waits for another try, or that a dead server
// left, and makes it this server's. It reports false when nothing is to be
// sent any more: the verification has ended (the message is dropped), or
// another server was quicker.
func (s *Service) Claim(ctx context.Context, m Message) (Dispatch, bool, error) {
	var d Dispatch
	var ok bool
	err := s.do(ctx, Step{
		Load: Keys{Messages: []ID{m.ID}, Verifications: []ID{m.Verification}},
		Decide: func(now time.Time, st *State) error {
			d, ok = s.claim(now, st, m)
			return nil
		},
	})
	return d, ok && err == nil, err
}

func (s *Service) claim(now time.Time, st *State, m Message) (Dispatch, bool) {
	stored, ok := st.Messages.Get(m.ID)
	if !ok || stored.Owner != m.Owner {
		return Dispatch{}, false
	}
	v, ok := st.Verifications.Get(m.Verification)
	if !ok || v.Status != Pending || !now.Before(v.Expires) {
		st.Messages.Delete(m.ID)
		st.Journal(Event{
			Verification: m.Verification, N: stored.event(), Tenant: m.Tenant, At: now,
			Kind: EventUnsent, Actor: "server", Detail: "the verification is over",
		})
		return Dispatch{}, false
	}
	if stored.Owner != s.o.Server {
		stored.Owner = s.o.Server
		if !now.Before(stored.NextAt) {
			stored.Copies++ // the dead server may have had it in hand
		}
		st.Messages.Put(m.ID, stored)
	}
	return Dispatch{Message: stored, Verification: v}, true
}

// Orphans returns messages that dead servers left, at most limit.
func (s *Service) Orphans(ctx context.Context, limit int) ([]Message, error) {
	all, err := s.o.Store.Orphans(ctx, s.o.Server, limit)
	if err != nil {
		return nil, unread(err)
	}
	return all, nil
}
