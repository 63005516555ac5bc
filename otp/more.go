package otp

import "context"

// more is what one more message of a verification must be paid from and pass.
type more struct {
	paid purse
	gate *gate
}

// more gathers it before the step. Whose address it is must be known only where
// three tenants or more may write to it: each of two has its own bound, and both
// together cannot exceed the common one.
func (s *Service) more(ctx context.Context, caller Caller, dialect string, ref Ref, message ID) (more, error) {
	dir, ring := s.Directory(), s.Ring()
	t, ok := dir.Tenant(caller.Tenant)
	if !ok {
		return more{}, &Error{Kind: Unauthenticated, Message: "the tenant is gone"}
	}
	m := more{paid: s.purse(caller.Tenant, message)}
	var to *Address
	if dir.crowded() {
		var err error
		if to, err = s.addressOf(ctx, ring, t, dialect, ref); err != nil {
			return more{}, err
		}
	}
	m.gate = s.gateOfNext(t, ring, to)
	return m, nil
}

// addressOf reads whose address a verification proves; nil when there is none,
// which the step finds out too.
func (s *Service) addressOf(ctx context.Context, ring *Ring, t *Tenant, dialect string, ref Ref) (*Address, error) {
	id := ref.ID
	if id.IsZero() {
		h, ok, err := s.o.Store.Handle(ctx, ring.handleKey(t.Name, dialect, ref.Session))
		if err != nil {
			return nil, unread(err)
		}
		if !ok {
			return nil, nil //nolint:nilnil // nothing is known, and nothing is wrong
		}
		id = h.Verification
	}
	found, err := s.o.Store.Verifications(ctx, id)
	if err != nil {
		return nil, unread(err)
	}
	if len(found) == 0 || found[0].Tenant != t.Name || found[0].Spec.Test || len(found[0].Spec.Letter) == 0 {
		return nil, nil //nolint:nilnil // as above
	}
	letter, err := found[0].letter(ring)
	if err != nil {
		return nil, err
	}
	a, err := s.o.Addresses.Parse(letter.To, t.Home)
	if err != nil {
		return nil, AsError(err)
	}
	return &a, nil
}
