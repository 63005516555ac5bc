package otp

import (
	"cmp"
	"context"
	"slices"
	"time"
)

// tracedMax bounds how many verifications of one address are told.
const tracedMax = 10

// Trace is what the operator may know of one verification, whoever's it is. It
// is for finding out why somebody got no code, and holds no code and no full
// address.
type Trace struct {
	Verification Verification // without what is sealed
	To           string       // masked; "" when the ring cannot read it any more
	Events       []Event      // in order of their times
	Rows         []Message    // of the present leg of its plan, if the outbox holds it still
	Routed       bool         // a route in force leads to the address
	Route        Route        // that route, its carriers in the order in which they are asked
	Webhooks     []Webhook    // of the tenant, without their secrets
	Rule         string       // the limit that refuses another message to this address now, or ""
	Wait         time.Duration
}

// Trace tells about one verification of any tenant. It changes nothing: an
// expiry that nobody has told yet is not written.
// Errors: NotFound, Unavailable, Internal.
func (s *Service) Trace(ctx context.Context, id ID) (Trace, error) {
	found, err := s.o.Store.Verifications(ctx, id)
	if err != nil {
		return Trace{}, unread(err)
	}
	if len(found) == 0 {
		return Trace{}, errUnknown
	}
	return s.trace(ctx, found[0])
}

// TraceAddress tells about the verifications of one address of a tenant, newest
// first, at most 10. Errors: Invalid, NotFound (there is no such tenant, or the
// address has none), Unavailable, Internal.
func (s *Service) TraceAddress(ctx context.Context, tenant, to string) ([]Trace, error) {
	_, key, err := s.subject(tenant, to)
	if err != nil {
		return nil, err
	}
	chain, err := s.chain(ctx, key, tracedMax)
	if err != nil {
		return nil, err
	}
	var all []Trace
	for _, v := range chain {
		one, err := s.trace(ctx, v)
		if err != nil {
			return nil, err
		}
		all = append(all, one)
	}
	if len(all) == 0 {
		return nil, &Error{Kind: NotFound, Field: "to", Message: "this address of the tenant has no verification; did the application start one, and did a start succeed?"}
	}
	return all, nil
}

func (s *Service) trace(ctx context.Context, v Verification) (Trace, error) {
	one := Trace{}
	var err error
	if one.Events, err = s.o.Store.Events(ctx, v.ID); err != nil {
		return Trace{}, unread(err)
	}
	// Numbers are reserved for the tries of a message, so their order is not
	// that of time.
	slices.SortStableFunc(one.Events, func(a, b Event) int { return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.N, b.N)) })
	d, ok, err := s.o.Store.Destination(ctx, v.Destination)
	if err != nil {
		return Trace{}, unread(err)
	}
	if now := s.Now(); ok && !v.Spec.Test {
		one.Rule, one.Wait = d.MaySend(now)
		g := guesser{subject: s.Ring().subjectTag(v.Tenant, v.Spec.Subject), channel: v.channel(), fresh: true}
		if t, ok := s.Directory().Tenant(v.Tenant); ok {
			g.prompt, g.forever = t.Guessing.NoDelay, t.Guessing.NoTrials
		}
		if r, w := d.mayJudge(now, g); w > one.Wait {
			one.Rule, one.Wait = r, w
		}
	}
	if one.Rows, err = s.rows(ctx, v.Course.Message); err != nil {
		return Trace{}, err
	}
	letter, unreadable := v.letter(s.Ring())
	if unreadable == nil {
		one.To = v.masked(letter.To)
	}
	s.traceWay(&one, &v, letter.To)
	v.Secret, v.Spec.Letter, v.Spec.Context = nil, nil, nil
	one.Verification = v
	return one, nil
}

// rows reads an outbox row, in a step that writes nothing.
func (s *Service) rows(ctx context.Context, id ID) (all []Message, err error) {
	if id.IsZero() {
		return nil, nil
	}
	err = s.o.Store.Do(ctx, Step{Load: Keys{Messages: []ID{id}}, Decide: func(_ time.Time, st *State) error {
		all = nil
		if m, ok := st.Messages.Get(id); ok {
			all = append(all, m)
		}
		return nil
	}})
	if err != nil {
		return nil, AsError(err)
	}
	return all, nil
}

// traceWay fills in what the configuration in force says.
func (s *Service) traceWay(one *Trace, v *Verification, to string) {
	dir := s.Directory()
	t, ok := dir.Tenant(v.Tenant)
	if !ok {
		return
	}
	for _, w := range t.Webhooks {
		one.Webhooks = append(one.Webhooks, Webhook{URL: w.URL, Events: w.Events})
	}
	switch r := dir.Route(v.Tenant, v.channel(), to, v.Spec.Country); {
	case s.inboxOnly(t):
		one.Routed, one.Route = true, Route{Channel: v.channel(), Providers: []Carrier{{Provider: s.o.Inbox}}}
	case r != nil:
		one.Routed, one.Route = true, *r
		one.Route.Providers = order(r.Providers, func() float64 { return 0.5 }) // by priority; weights are shown
	}
}

// Tells reports whether the webhook hears of a kind of event.
func (w *Webhook) Tells(kind EventKind) bool { return w.wants(kind) }

// Leg returns the channel of the present leg, which is the only one without a
// plan.
func (v *Verification) Leg() Channel { return v.channel() }
