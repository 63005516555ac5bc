package otp

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"
)

// How long a key has to be out of use before it may be taken out of the ring.
const (
	retireDelay     = 10 * time.Minute // for servers whose clocks differ, and the batches that they had begun
	retireSignDelay = 2 * time.Hour    // twice the life of an access token
)

// find returns the key of an id; use may be "" when no other key has it.
func (r *Ring) find(use Use, id string) (found ringKey, err error) {
	n := 0
	for _, k := range r.keys {
		if k.name() == id && (use == "" || k.use == use) {
			found = k
			n++
		}
	}
	switch n {
	case 1:
		return found, nil
	case 0:
		return found, &Error{Kind: NotFound, Message: "the ring has no key of this id; `aldaba key status` lists them"}
	}
	return found, &Error{Kind: Invalid, Message: "keys of different uses have this id; name the use"}
}

// successor returns the key that took over from k, if one has, or will.
func (r *Ring) successor(k ringKey) (next ringKey, ok bool) {
	for _, o := range r.keys { // oldest first
		if o.use == k.use && o.id != k.id && o.from.After(k.from) {
			return o, true
		}
	}
	return ringKey{}, false
}

// Retire returns the ring without an old key. It refuses one that is in use,
// was so until a moment ago, or will be; what still needs it is for
// [Service.KeyNeeds] to find out. Use may be "" when no other key has the id.
func (r *Ring) Retire(now time.Time, use Use, id string) (*Ring, error) {
	k, err := r.find(use, id)
	if err != nil {
		return nil, err
	}
	if k.use == UseIndex {
		return nil, errors.New("the index key finds addresses, API keys and handles; it never goes")
	}
	next, ok := r.successor(k)
	if !ok {
		return nil, fmt.Errorf("%s is the youngest %s key: `aldaba key rotate --use %s` first", id, k.use, k.use)
	}
	delay := retireDelay
	if k.use == UseSign {
		delay = retireSignDelay
	}
	if free := next.from.Add(delay); now.Before(free) {
		return nil, fmt.Errorf("%s was in use until %s; it can go from %s", id, next.from.Format(time.RFC3339), free.Format(time.RFC3339))
	}
	rest := &Ring{keys: slices.DeleteFunc(slices.Clone(r.keys), func(o ringKey) bool { return o.use == k.use && o.id == k.id })}
	return rest.ready()
}

// InUse reports whether the key of an id is what its use takes at now.
func (r *Ring) InUse(now time.Time, use Use, id string) bool {
	k, err := r.find(use, id)
	return err == nil && r.current(k.use, now).id == k.id
}

// sealedBy returns the id of the key that a value is sealed under, 0 for none.
func sealedBy(sealed []byte) uint32 {
	if len(sealed) < 4 {
		return 0
	}
	return binary.BigEndian.Uint32(sealed)
}

// TextSealedBy returns the id of the key that a result of [Ring.SealText] is
// sealed under, or "".
func TextSealedBy(sealed string) string {
	raw, err := base64.StdEncoding.DecodeString(sealed)
	if err != nil || len(raw) < 4 {
		return ""
	}
	return ringKey{id: sealedBy(raw)}.name()
}

// ResealText seals a text anew under the key in use; one that is already under
// it stays as it is.
func (r *Ring) ResealText(now time.Time, random io.Reader, name, sealed string) (string, error) {
	if TextSealedBy(sealed) == r.current(UseSeal, now).name() {
		return sealed, nil
	}
	text, err := r.OpenText(name, sealed)
	if err != nil {
		return sealed, err
	}
	return r.SealText(now, random, name, text)
}

// resealChunk bounds the contacts of one step of sealing anew.
const resealChunk = 100

// ResealContacts seals all contacts anew that rest under another key than the
// one in use, a chunk a step, and returns how many. It may be called again
// after a failure and goes on. Errors: Unavailable, Internal.
func (s *Service) ResealContacts(ctx context.Context) (int, error) {
	total := 0
	for _, t := range s.Directory().Tenants() {
		n, err := s.resealTenant(ctx, t.Name)
		total += n
		if err != nil {
			return total, err
		}
	}
	return total, nil
}

func (s *Service) resealTenant(ctx context.Context, tenant string) (total int, err error) {
	for after, more := (Key{}), true; more; {
		rows, err := s.o.Store.ScanContacts(ctx, tenant, after, resealChunk)
		if err != nil {
			return total, unread(err)
		}
		n, err := s.reseal(ctx, rows)
		total += n
		if err != nil {
			return total, err
		}
		if more = len(rows) == resealChunk; more {
			after = rows[len(rows)-1].Key
		}
	}
	return total, nil
}

// reseal is one step. A contact that somebody changed meanwhile is left alone:
// it was sealed under the key in use then.
func (s *Service) reseal(ctx context.Context, rows []Contact) (changed int, err error) {
	ring, now := s.Ring(), s.Now()
	current := ring.current(UseSeal, now).id
	type pair struct{ old, new Contact }
	var pairs []pair
	var load Keys
	for _, c := range rows {
		if sealedBy(c.Sealed) == current {
			continue
		}
		name, next := ring.contactName(c.Tenant, c.ID), c
		plain, err := ring.open(name, c.Sealed)
		if err != nil {
			return 0, AsError(fmt.Errorf("contact %s of %s: %w", c.ID, c.Tenant, err))
		}
		if next.Sealed, err = ring.seal(now, s.o.Rand, name, plain); err != nil {
			return 0, AsError(err)
		}
		pairs = append(pairs, pair{c, next})
		load.Contacts = append(load.Contacts, c.Key)
	}
	if len(pairs) == 0 {
		return 0, nil
	}
	err = s.do(ctx, Step{Load: load, Decide: func(_ time.Time, st *State) error {
		changed = 0
		for _, p := range pairs {
			if c, ok := st.Contacts.Get(p.old.Key); ok && bytes.Equal(c.Sealed, p.old.Sealed) {
				st.Contacts.Put(p.new.Key, p.new)
				changed++
			}
		}
		return nil
	}})
	if err != nil {
		return 0, err
	}
	return changed, nil
}

// KeyNeeds tells what in the store still needs a key of the ring, in words, or
// nothing. It reads many records when the key is old and much was made under
// younger ones. What the configuration needs is not the core's to know.
//
// Errors: NotFound, Unavailable, Internal.
func (s *Service) KeyNeeds(ctx context.Context, use Use, id string) (needs []string, err error) {
	ring := s.Ring()
	k, err := ring.find(use, id)
	if err != nil {
		return nil, err
	}
	switch k.use {
	case UseSeal:
		n, err := s.contactsUnder(ctx, k.id)
		if err != nil {
			return nil, err
		}
		if n > 0 {
			needs = append(needs, fmt.Sprintf("%d contacts, which the server seals anew by itself", n))
		}
		return s.verificationsUnder(ctx, ring, k, needs, func(v *Verification) bool {
			return sealedBy(v.Spec.Letter) == k.id || v.Spec.OwnCode && sealedBy(v.Secret) == k.id
		}, "verifications, which their retention deletes; the oldest was started at %s")
	case UseCode:
		now := s.Now()
		return s.verificationsUnder(ctx, ring, k, needs, func(v *Verification) bool {
			return v.Status == Pending && now.Before(v.Expires) && (!v.Spec.OwnCode || v.Spec.Link) && v.Spec.KeyID == k.id
		}, "codes that people wait for; the oldest was started at %s")
	}
	return nil, nil
}

// contactsUnder counts the contacts that are sealed under a key.
func (s *Service) contactsUnder(ctx context.Context, id uint32) (n int, err error) {
	for _, t := range s.Directory().Tenants() {
		for after, more := (Key{}), true; more; {
			rows, err := s.o.Store.ScanContacts(ctx, t.Name, after, sweepScan)
			if err != nil {
				return 0, unread(err)
			}
			for i := range rows {
				if after = rows[i].Key; sealedBy(rows[i].Sealed) == id {
					n++
				}
			}
			more = len(rows) == sweepScan
		}
	}
	return n, nil
}

// verificationsUnder looks for a verification that needs a key. Those born well
// after another key took over do not.
func (s *Service) verificationsUnder(ctx context.Context, ring *Ring, k ringKey, needs []string, need func(*Verification) bool, words string) ([]string, error) {
	end := s.Now().Add(time.Minute)
	if next, ok := ring.successor(k); ok && next.from.Add(retireDelay).Before(end) {
		end = next.from.Add(retireDelay)
	}
	for after := (ID{}); ; {
		rows, err := s.o.Store.ScanVerifications(ctx, after, FirstID(end), sweepScan)
		if err != nil {
			return nil, unread(err)
		}
		for i := range rows {
			if after = rows[i].ID; need(&rows[i]) {
				return append(needs, fmt.Sprintf(words, after.Born().Format(time.RFC3339))), nil
			}
		}
		if len(rows) < sweepScan {
			return needs, nil
		}
	}
}
