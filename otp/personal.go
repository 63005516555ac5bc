package otp

import (
	"cmp"
	"context"
	"maps"
	"math"
	"slices"
	"time"
)

// PersonalData is everything that a tenant's server keeps of one address. It
// holds no code and no secret.
type PersonalData struct {
	To            string // as it is sent to
	Verifications []KeptVerification
	Contacts      []NamedContact
	Limits        Destination // its times; empty when nothing counts
}

// KeptVerification is one verification of an address with its journal.
type KeptVerification struct {
	View

	Profile   string
	Country   string
	Sender    string
	Variables map[string]string
	Ended     time.Time
	Erased    time.Time
	Journal   []Event // in order of time
}

// PersonalData gathers what is kept of an address of a tenant, verifications
// newest first. It changes nothing: an expiry that nobody has told yet is not
// written. Errors: NotFound when there is no such tenant, Invalid, Unavailable,
// Internal.
func (s *Service) PersonalData(ctx context.Context, tenant, to string) (PersonalData, error) {
	t, key, err := s.subject(tenant, to)
	if err != nil {
		return PersonalData{}, err
	}
	a, err := s.o.Addresses.Parse(to, t.Home)
	if err != nil {
		return PersonalData{}, AsError(err)
	}
	all := PersonalData{To: a.Send}
	if all.Limits, _, err = s.o.Store.Destination(ctx, key); err != nil {
		return PersonalData{}, unread(err)
	}
	chain, err := s.chain(ctx, key, math.MaxInt)
	if err != nil {
		return PersonalData{}, err
	}
	for i := range chain {
		one, err := s.kept(ctx, &chain[i])
		if err != nil {
			return PersonalData{}, err
		}
		all.Verifications = append(all.Verifications, one)
	}
	ids, err := s.contactsWith(ctx, t, key)
	if err != nil {
		return PersonalData{}, err
	}
	for _, id := range ids {
		c, err := s.Contact(ctx, tenant, id)
		if KindOf(err) == NotFound && err != nil {
			continue // it went meanwhile
		}
		if err != nil {
			return PersonalData{}, err
		}
		all.Contacts = append(all.Contacts, NamedContact{ID: id, Addresses: c})
	}
	return all, nil
}

// kept tells all of one verification.
func (s *Service) kept(ctx context.Context, v *Verification) (KeptVerification, error) {
	letter, err := v.letter(s.Ring())
	if err != nil {
		return KeptVerification{}, AsError(err)
	}
	events, err := s.o.Store.Events(ctx, v.ID)
	if err != nil {
		return KeptVerification{}, unread(err)
	}
	slices.SortStableFunc(events, func(a, b Event) int { return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.N, b.N)) })
	variables := letter.Variables
	if letter.Payment != nil { // its payee may be a person
		variables = make(map[string]string, len(letter.Variables)+3)
		maps.Copy(variables, letter.Variables)
		letter.Payment.into(variables)
	}
	one := KeptVerification{
		View: view(v, letter.To), Profile: v.Spec.Profile, Country: v.Spec.Country, Sender: letter.Sender, Variables: variables,
		Ended: v.Ended, Erased: v.Spec.Erased, Journal: events,
	}
	if v.Spec.Erased.IsZero() {
		one.To = letter.To
	}
	return one, nil
}
