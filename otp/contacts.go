package otp

import (
	"context"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Contact returns the addresses that a tenant knows under an id.
// Errors: NotFound, Unavailable, Internal.
func (s *Service) Contact(ctx context.Context, tenant, id string) (ContactAddresses, error) {
	ring := s.Ring()
	key := ring.contactKey(tenant, id)
	c, ok, err := s.o.Store.Contact(ctx, key)
	if err != nil {
		return ContactAddresses{}, unread(err)
	}
	if !ok || c.Tenant != tenant {
		return ContactAddresses{}, &Error{Kind: NotFound, Message: "there is no such contact"}
	}
	return ring.openContact(&c)
}

func (r *Ring) contactName(tenant, id string) string {
	k := r.contactKey(tenant, id)
	return "contact " + ID(k).Hex()
}

func (r *Ring) openContact(c *Contact) (ContactAddresses, error) {
	var a ContactAddresses
	if err := r.openJSON(r.contactName(c.Tenant, c.ID), c.Sealed, &a); err != nil {
		return a, AsError(err)
	}
	return a, nil
}

// contactID says what the id of a contact is.
const contactID = "must be 1 to 64 bytes of UTF-8 without control characters"

// IsContactID tells whether a contact may have this id: it is shown in logs and
// on terminals.
func IsContactID(id string) bool {
	return id != "" && len(id) <= 64 && utf8.ValidString(id) &&
		!strings.ContainsFunc(id, func(r rune) bool { return isBreak(r) || unicode.In(r, unicode.Cc, unicode.Cf) })
}

// PutContact keeps or replaces a contact. Addresses are normalised; an empty
// one is none. Configured tells whether it came with the configuration.
// Errors: Invalid, Unavailable, Internal.
func (s *Service) PutContact(ctx context.Context, tenant, id string, a ContactAddresses, configured bool) (ContactAddresses, error) {
	t, ok := s.Directory().Tenant(tenant)
	if !ok {
		return a, &Error{Kind: NotFound, Message: "there is no such tenant"}
	}
	if !IsContactID(id) {
		return a, invalid("id", contactID)
	}
	for _, f := range []struct {
		name string
		text *string
		mail bool
	}{{"sms", &a.SMS, false}, {"email", &a.Email, true}, {"pending_sms", &a.PendingSMS, false}, {"pending_email", &a.PendingEmail, true}} {
		if *f.text == "" {
			continue
		}
		parsed, err := s.o.Addresses.Parse(*f.text, t.Home)
		if err != nil || parsed.Email != f.mail {
			return a, &Error{Kind: Invalid, Field: f.name, Message: "is no address for this channel", Cause: err}
		}
		*f.text = parsed.Send
	}
	ring := s.Ring()
	sealed, err := ring.sealJSON(s.Now(), s.o.Rand, ring.contactName(tenant, id), a)
	if err != nil {
		return a, AsError(err)
	}
	key := ring.contactKey(tenant, id)
	return a, s.do(ctx, Step{Load: Keys{Contacts: []Key{key}}, Decide: func(_ time.Time, st *State) error {
		st.Contacts.Put(key, Contact{Key: key, Tenant: tenant, ID: id, Sealed: sealed, Configured: configured})
		return nil
	}})
}

// DeleteContact forgets a contact. Errors: NotFound, Unavailable, Internal.
func (s *Service) DeleteContact(ctx context.Context, tenant, id string) error {
	key := s.Ring().contactKey(tenant, id)
	missing := false
	err := s.do(ctx, Step{Load: Keys{Contacts: []Key{key}}, Decide: func(_ time.Time, st *State) error {
		c, ok := st.Contacts.Get(key)
		if missing = !ok || c.Tenant != tenant; !missing {
			st.Contacts.Delete(key)
		}
		return nil
	}})
	if err == nil && missing {
		return &Error{Kind: NotFound, Message: "there is no such contact"}
	}
	return err
}

// DeleteContacts deletes all contacts of a tenant, also of one that is not
// configured any more, and returns how many there were; dry only counts them. After
// an error some are left, and n are gone. Errors: Unavailable, Internal.
func (s *Service) DeleteContacts(ctx context.Context, tenant string, dry bool) (n int, err error) {
	for after := (Key{}); ; {
		rows, err := s.o.Store.ScanContacts(ctx, tenant, after, sweepChunk)
		if err != nil {
			return n, unread(err)
		}
		if len(rows) == 0 {
			return n, nil
		}
		if n += len(rows); dry {
			after = rows[len(rows)-1].Key
			continue // those that are deleted are not found again
		}
		keys := make([]Key, len(rows))
		for i := range rows {
			keys[i] = rows[i].Key
		}
		err = s.do(ctx, Step{Load: Keys{Contacts: keys}, Decide: func(_ time.Time, st *State) error {
			for _, key := range keys {
				if _, ok := st.Contacts.Get(key); ok {
					st.Contacts.Delete(key)
				}
			}
			return nil
		}})
		if err != nil {
			return n - len(rows), err
		}
	}
}

// NamedContact is a contact with its id, for listings.
type NamedContact struct {
	ID         string
	Configured bool
	Addresses  ContactAddresses
}

// Contacts lists a tenant's contacts behind a cursor, at most limit; the next
// cursor is zero at the end.
func (s *Service) Contacts(ctx context.Context, tenant string, after Key, limit int) ([]NamedContact, Key, error) {
	rows, err := s.o.Store.ScanContacts(ctx, tenant, after, limit)
	if err != nil {
		return nil, Key{}, unread(err)
	}
	var all []NamedContact
	for i := range rows {
		a, err := s.Ring().openContact(&rows[i])
		if err != nil {
			return nil, Key{}, err
		}
		all = append(all, NamedContact{rows[i].ID, rows[i].Configured, a})
	}
	if len(rows) < limit {
		return all, Key{}, nil
	}
	return all, rows[len(rows)-1].Key, nil
}
