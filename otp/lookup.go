package otp

import (
	"context"
	"time"
)

// listed bounds how many verifications one listing returns.
const listed = 50

// Lookup tells about one verification of the caller's tenant.
// Errors: NotFound, Unavailable, Internal.
func (s *Service) Lookup(ctx context.Context, caller Caller, id ID) (View, error) {
	found, err := s.o.Store.Verifications(ctx, id)
	if err != nil {
		return View{}, unread(err)
	}
	if len(found) == 0 || found[0].Tenant != caller.Tenant {
		return View{}, errUnknown
	}
	return s.told(ctx, caller, &found[0])
}

// told makes the view of a stored verification. An expiry that nobody has told
// yet is written first.
func (s *Service) told(ctx context.Context, caller Caller, v *Verification) (View, error) {
	if v.Status == Pending && !s.Now().Before(v.Expires) {
		a, err := s.perform(ctx, caller, NativeDialect, Ref{ID: v.ID}, nil, more{}, func(*act, time.Time, *State) error { return nil })
		if err != nil {
			return View{}, err
		}
		return a.view, nil
	}
	letter, err := v.letter(s.Ring())
	if err != nil {
		return View{}, AsError(err)
	}
	return view(v, letter.To), nil
}

// List tells about the verifications of one address, newest first, at most 50.
// Errors: Invalid, Unavailable, Internal.
func (s *Service) List(ctx context.Context, caller Caller, to string) ([]View, error) {
	t, ok := s.Directory().Tenant(caller.Tenant)
	if !ok {
		return nil, &Error{Kind: Unauthenticated, Message: "the tenant is gone"}
	}
	a, err := s.o.Addresses.Parse(to, t.Home)
	if err != nil {
		return nil, &Error{Kind: Invalid, Field: "to", Message: "is no telephone number or e-mail address", Cause: err}
	}
	chain, err := s.chain(ctx, s.Ring().destinationKey(t.Name, a), listed)
	if err != nil {
		return nil, err
	}
	var all []View
	for i := range chain {
		v, err := s.told(ctx, caller, &chain[i])
		if err != nil {
			return nil, err
		}
		all = append(all, v)
	}
	return all, nil
}
