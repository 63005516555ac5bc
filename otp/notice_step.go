package otp

import (
	"context"
	"slices"
	"time"
)

// The name under which a webhook's secret is sealed.
func webhookSecret(tenant, url string) string { return "webhook " + tenant + " " + url }

// WebhookSecret names the secret of a webhook for [Ring.SealText].
func WebhookSecret(tenant, url string) string { return webhookSecret(tenant, url) }

// hookKey names a mark of a webhook. It speaks of URL and secret, so that a
// webhook that is configured anew begins anew, and not of the form in which the
// secret is sealed, which changes with the key.
func (s *Service) hookKey(mark, tenant string, w *Webhook) Key {
	ring := s.Ring()
	secret, err := ring.OpenText(webhookSecret(tenant, w.URL), w.Secret)
	if err != nil {
		secret = w.Secret // nothing is told to it; the mark must have some name
	}
	return ring.lookup(mark, tenant, w.URL, secret)
}

// The marks of a webhook.
const (
	markOff   = "webhook off"   // it was switched off
	markHeard = "webhook heard" // when it last heard, at most heardPace too early
)

// heardPace is how often a server writes down that a webhook hears.
const heardPace = time.Minute

// webhook finds the one that a row is for.
func (s *Service) webhook(m *Message) (*Webhook, bool) {
	t, ok := s.Directory().Tenant(m.Tenant)
	if !ok {
		return nil, false
	}
	for i := range t.Webhooks {
		if t.Webhooks[i].URL == m.Progress.Provider {
			return &t.Webhooks[i], true
		}
	}
	return nil, false
}

// Notice makes an outbox row of an event this server's and returns what is to
// be told. Errors: NotFound when nobody is to hear of it any more (the row is
// dropped) or another server tells it, Unavailable, Internal.
func (s *Service) Notice(ctx context.Context, m Message) (Notice, error) {
	w, listens := s.webhook(&m)
	load := Keys{Messages: []ID{m.ID}}
	var off Key
	if listens {
		off = s.hookKey(markOff, m.Tenant, w)
		load.Counters = []Key{off}
	}
	var wanted bool
	if err := s.do(ctx, Step{Load: load, Decide: func(now time.Time, st *State) error {
		wanted = false
		stored, ok := st.Messages.Get(m.ID)
		if !ok || stored.Owner != m.Owner {
			return nil
		}
		if listens {
			_, dead := st.Counters.Get(off)
			wanted = !dead && now.Before(stored.Expires)
		}
		switch {
		case !wanted:
			st.Messages.Delete(m.ID)
		case stored.Owner != s.o.Server:
			stored.Owner = s.o.Server
			st.Messages.Put(m.ID, stored)
		}
		return nil
	}}); err != nil {
		return Notice{}, err
	}
	if !wanted {
		return Notice{}, &Error{Kind: NotFound, Message: "nobody is to hear of the event any more"}
	}
	return s.compose(ctx, &m, w)
}

// TakeOver makes an outbox row of an event that a dead server left this
// server's. The result has the owner before when another was quicker.
// Errors: Unavailable, Internal.
func (s *Service) TakeOver(ctx context.Context, m Message) (Message, error) {
	mine := m
	err := s.do(ctx, Step{Load: Keys{Messages: []ID{m.ID}}, Decide: func(_ time.Time, st *State) error {
		mine = m
		stored, ok := st.Messages.Get(m.ID)
		if !ok || stored.Owner != m.Owner {
			return nil
		}
		stored.Owner = s.o.Server
		st.Messages.Put(m.ID, stored)
		mine = stored
		return nil
	}})
	return mine, err
}

// compose reads the event and makes what is told of it.
func (s *Service) compose(ctx context.Context, m *Message, w *Webhook) (Notice, error) {
	gone := &Error{Kind: NotFound, Message: "the event is gone"}
	events, err := s.o.Store.Events(ctx, m.Verification)
	if err != nil {
		return Notice{}, unread(err)
	}
	at := slices.IndexFunc(events, func(e Event) bool { return e.N == m.FirstEvent && e.Tenant == m.Tenant })
	if at < 0 {
		return Notice{}, gone
	}
	secret, err := s.Ring().OpenText(webhookSecret(m.Tenant, w.URL), w.Secret)
	if err != nil {
		return Notice{}, AsError(err)
	}
	n := Notice{ID: "evt_" + m.ID.Hex(), URL: w.URL, Secret: secret, At: s.Now()}
	if w.Previous != "" {
		if n.Previous, err = s.Ring().OpenText(webhookSecret(m.Tenant, w.URL), w.Previous); err != nil {
			return Notice{}, AsError(err)
		}
	}
	if ofTenant(events[at].Kind) {
		n.Body, err = noticeOfTenant(&events[at])
		return n, err
	}
	found, err := s.o.Store.Verifications(ctx, m.Verification)
	if err != nil {
		return Notice{}, unread(err)
	}
	if len(found) == 0 {
		return Notice{}, gone
	}
	letter, err := found[0].letter(s.Ring())
	if err != nil {
		return Notice{}, AsError(err)
	}
	n.Body, err = noticeOf(&events[at], &found[0], letter.To)
	return n, err
}

// Telling is what became of one telling of an event; the zero value is that it
// was in vain and the last.
type Telling struct {
	Heard  bool
	Gone   bool      // the webhook wants to hear no more
	NextAt time.Time // when it is told again; zero for never
}

// Noticed writes what became of one telling of an event, and reports whether the
// webhook is off now, until it is configured anew or [Service.SwitchOn] is
// called: because it wants no more, or because it has heard nothing, from any
// server, as long as there was this event to tell.
// Errors: Unavailable, Internal.
func (s *Service) Noticed(ctx context.Context, m Message, t Telling) (off bool, err error) {
	load := Keys{Messages: []ID{m.ID}}
	w, listens := s.webhook(&m)
	name, now := m.Tenant+" "+m.Progress.Provider, s.Now()
	last, _ := s.hears.Load(name)
	marked, _ := last.(time.Time)
	hears, over := listens && t.Heard && now.Sub(marked) >= heardPace, listens && !t.Heard && t.NextAt.IsZero()
	var heardKey, offKey Key
	if hears || over {
		heardKey = s.hookKey(markHeard, m.Tenant, w)
		load.Counters = []Key{heardKey}
	}
	if over {
		offKey = s.hookKey(markOff, m.Tenant, w)
		load.Counters = append(load.Counters, offKey)
	}
	err = s.do(ctx, Step{Load: load, Decide: func(now time.Time, st *State) error {
		off = false
		stored, ok := st.Messages.Get(m.ID)
		if !ok || stored.Owner != s.o.Server {
			return nil
		}
		if hears {
			st.Counters.Put(heardKey, Counter{Key: heardKey, Value: now.Unix()})
		}
		if over {
			heard, _ := st.Counters.Get(heardKey)
			off = t.Gone || heard.Value < stored.Created.Add(-heardPace).Unix()
		}
		if off {
			st.Counters.Put(offKey, Counter{Key: offKey, Value: now.Unix()})
		}
		if t.NextAt.IsZero() {
			st.Messages.Delete(m.ID)
			return nil
		}
		stored.Attempt, stored.NextAt = m.Attempt+1, t.NextAt
		st.Messages.Put(m.ID, stored)
		return nil
	}})
	if err == nil && hears {
		s.hears.Store(name, now)
	}
	return off, err
}

// SwitchOn lets a webhook hear again after it was switched off, and reports
// whether it was. Errors: NotFound when the tenant has no such webhook,
// Unavailable, Internal.
func (s *Service) SwitchOn(ctx context.Context, tenant, url string) (was bool, err error) {
	w, ok := s.webhook(&Message{Tenant: tenant, Progress: Progress{Provider: url}})
	if !ok {
		return false, &Error{Kind: NotFound, Message: "the tenant has no such webhook"}
	}
	key := s.hookKey(markOff, tenant, w)
	err = s.do(ctx, Step{Load: Keys{Counters: []Key{key}}, Decide: func(_ time.Time, st *State) error {
		if _, was = st.Counters.Get(key); was {
			st.Counters.Delete(key)
		}
		return nil
	}})
	return was, err
}
