package otp

import (
	"context"
	"time"
)

// onward is what the next leg of a plan needs when it begins by itself: a
// message of its own, which passes and is counted like one that the application
// asks for.
type onward struct {
	more

	ring    *Ring
	caller  Caller
	forever bool
	message Message
}

// onward gathers it before the step; nil when the tenant is gone, and nothing of
// it is to be sent any more. Errors: Unavailable, Internal.
func (s *Service) onward(ctx context.Context, tenant string, verification ID) (*onward, error) {
	t, ok := s.Directory().Tenant(tenant)
	if !ok {
		return nil, nil //nolint:nilnil // nothing goes on, and nothing is wrong
	}
	id, err := s.newID()
	if err != nil {
		return nil, err
	}
	o := &onward{ring: s.Ring(), caller: Caller{Tenant: tenant, Identity: ActorServer}, forever: t.Guessing.NoTrials, message: Message{ID: id, Owner: s.o.Server}}
	o.more, err = s.more(ctx, o.caller, NativeDialect, Ref{ID: verification}, id)
	return o, err
}

// keys adds the counters that the step must load.
func (o *onward) keys(all []Key) []Key {
	if o == nil {
		return all
	}
	return append(all, o.gate.keys(o.paid.keys())...)
}

// begin starts the next leg of a pending verification, which must have one. Not
// ok is that a limit, a list or the day has no room for it: then the plan stays
// where it is.
func (o *onward) begin(now time.Time, st *State, v Verification) (d Dispatch, ok bool, err error) {
	if o == nil {
		return Dispatch{}, false, nil
	}
	a := &act{
		target: target{caller: o.caller, dialect: v.Spec.Dialect, v: v}, ring: o.ring, purse: o.paid, gate: o.gate, forever: o.forever,
	}
	if a.dest, ok = st.Destinations.Get(v.Destination); !ok {
		a.dest = Destination{Key: v.Destination, Tenant: v.Tenant, Touched: now}
	}
	if err := a.next(now, st, o.message); err != nil {
		if k := KindOf(err); k == Throttled || k == Undeliverable {
			err = nil
		}
		return Dispatch{}, false, err
	}
	return Dispatch{Message: *a.message, Verification: a.v}, true, nil
}

// settled puts in order what the message was lent, once it is known whether the
// leg began.
func (s *Service) settled(o *onward, err error, began bool) {
	if o != nil {
		s.settleRate(o.gate, err, err == nil && began)
	}
}
