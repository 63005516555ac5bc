package otp

import (
	"context"
	"math"
	"slices"
	"time"
)

// eraseChunk bounds the verifications of one step of an erasure.
const eraseChunk = 50

// ActorOperator is who acts through the admin interface.
const ActorOperator = "operator"

// Erasure is what [Service.Erase] did.
type Erasure struct {
	Verifications int      // whose personal data was erased now
	Before        int      // that had been erased before
	Canceled      int      // of them that were pending
	Messages      int      // taken out of the outbox
	Contacts      []string // ids of the tenant's contacts that hold the address, and hold it still
}

// Erase removes what a tenant's server keeps of one address: pending
// verifications are canceled, and from all of them address, text, variables,
// code, subject and metadata are removed. What is left tells nothing of the
// person: statuses, times, the journal, the dialect's handle, so that an old id
// answers as before, and the limits of the address under its keyed hash, since
// an erasure must not give anybody new guesses or sends. They are deleted when
// they are idle.
//
// It does its work in steps of 50 verifications; after a failure in between it
// may be called again and goes on, and when nothing is left it changes nothing.
//
// Errors: NotFound when there is no such tenant, Invalid, Unavailable, Internal.
func (s *Service) Erase(ctx context.Context, tenant, to, actor string) (Erasure, error) {
	t, key, err := s.subject(tenant, to)
	if err != nil {
		return Erasure{}, err
	}
	chain, err := s.chain(ctx, key, math.MaxInt)
	if err != nil {
		return Erasure{}, err
	}
	var done Erasure
	if done.Contacts, err = s.contactsWith(ctx, t, key); err != nil {
		return Erasure{}, err
	}
	waiting, err := s.messagesOf(ctx, chain)
	if err != nil {
		return Erasure{}, err
	}
	for chunk := range slices.Chunk(chain, eraseChunk) {
		if err := s.eraseChunk(ctx, key, chunk, waiting, actor, &done); err != nil {
			return done, err
		}
	}
	return done, nil
}

// subject finds the tenant and the row of an address.
func (s *Service) subject(tenant, to string) (*Tenant, Key, error) {
	t, ok := s.Directory().Tenant(tenant)
	if !ok {
		return nil, Key{}, &Error{Kind: NotFound, Field: "tenant", Message: "there is no tenant of this name"}
	}
	a, err := s.o.Addresses.Parse(to, t.Home)
	if err != nil {
		return nil, Key{}, &Error{Kind: Invalid, Field: "to", Message: "is no telephone number or e-mail address", Cause: err}
	}
	return t, s.Ring().destinationKey(t.Name, a), nil
}

// chain reads the verifications of a destination, newest first, at most so many.
func (s *Service) chain(ctx context.Context, key Key, most int) (all []Verification, err error) {
	d, ok, err := s.o.Store.Destination(ctx, key)
	if err != nil {
		return nil, unread(err)
	}
	for next := d.Newest; ok && !next.IsZero() && len(all) < most; {
		found, err := s.o.Store.Verifications(ctx, next)
		if err != nil {
			return nil, unread(err)
		}
		if len(found) == 0 {
			break // older ones are swept
		}
		all, next = append(all, found[0]), found[0].Spec.Prev
	}
	return all, nil
}

// messagesOf reads the outbox rows for people of verifications. There is no
// index for it: the outbox is small, and an erasure is rare.
func (s *Service) messagesOf(ctx context.Context, chain []Verification) (map[ID][]Message, error) {
	found := make(map[ID][]Message)
	if len(chain) == 0 {
		return found, nil
	}
	mine := make(map[ID]bool, len(chain))
	for i := range chain {
		mine[chain[i].ID] = true
	}
	// No message is older than its verification; a minute is for clocks that differ.
	after := FirstID(chain[len(chain)-1].ID.Born().Add(-time.Minute))
	for {
		rows, err := s.o.Store.ScanMessages(ctx, after, sweepScan)
		if err != nil {
			return nil, unread(err)
		}
		for i := range rows {
			if m := &rows[i]; m.Kind == CodeMessage && mine[m.Verification] {
				found[m.Verification] = append(found[m.Verification], *m)
			}
			after = rows[i].ID
		}
		if len(rows) < sweepScan {
			return found, nil
		}
	}
}

// contactsWith lists the ids of a tenant's contacts that hold the address of a
// destination.
func (s *Service) contactsWith(ctx context.Context, t *Tenant, key Key) (ids []string, err error) {
	for after, more := (Key{}), true; more; {
		var page []NamedContact
		if page, after, err = s.Contacts(ctx, t.Name, after, sweepScan); err != nil {
			return nil, err
		}
		for i := range page {
			if s.holds(t, &page[i].Addresses, key) {
				ids = append(ids, page[i].ID)
			}
		}
		more = after != Key{}
	}
	slices.Sort(ids)
	return ids, nil
}

// holds tells whether one of a contact's addresses is that of a destination.
func (s *Service) holds(t *Tenant, c *ContactAddresses, key Key) bool {
	for _, text := range []string{c.SMS, c.Email, c.PendingSMS, c.PendingEmail} {
		if text == "" {
			continue
		}
		if a, err := s.o.Addresses.Parse(text, t.Home); err == nil && s.Ring().destinationKey(t.Name, a) == key {
			return true
		}
	}
	return false
}

// eraseChunk is one step of an erasure, and adds what it did.
func (s *Service) eraseChunk(ctx context.Context, key Key, chunk []Verification, waiting map[ID][]Message, actor string, done *Erasure) error {
	e := erasing{key: key, actor: actor, purses: make(map[ID]purse)}
	load := Keys{Destinations: []Key{key}}
	for i := range chunk {
		v := &chunk[i]
		load.Verifications = append(load.Verifications, v.ID)
		if v.Spec.Erased.IsZero() {
			names, err := s.carrierNames(ctx, v)
			if err != nil {
				return unread(err)
			}
			load.Handles = append(load.Handles, names...)
		}
		for _, m := range waiting[v.ID] {
			load.Messages = append(load.Messages, m.ID)
			e.purses[m.ID] = s.purse(m.Tenant, m.ID)
			load.Counters = append(load.Counters, e.purses[m.ID].keys()...)
		}
	}
	e.load = load
	var step Erasure
	err := s.do(ctx, Step{Load: load, Decide: func(now time.Time, st *State) error {
		step = e.decide(now, st)
		return nil
	}})
	if err != nil {
		return err
	}
	done.Verifications += step.Verifications
	done.Before += step.Before
	done.Canceled += step.Canceled
	done.Messages += step.Messages
	return nil
}

// erasing is one step of an erasure.
type erasing struct {
	key    Key
	actor  string
	load   Keys
	purses map[ID]purse // of messages
}

func (e *erasing) decide(now time.Time, st *State) (done Erasure) {
	mine := make(map[ID]bool, len(e.load.Verifications))
	for _, id := range e.load.Verifications {
		v, ok := st.Verifications.Get(id)
		if !ok || v.Destination != e.key {
			continue
		}
		mine[id] = true
		if !v.Spec.Erased.IsZero() {
			done.Before++
			continue
		}
		done.Verifications++
		if v.Status == Pending {
			done.Canceled += e.end(now, st, &v)
		}
		v.erase(now)
		st.Journal(v.event(EventErased, now, e.actor, ""))
		st.Verifications.Put(id, v)
	}
	if d, ok := st.Destinations.Get(e.key); ok && d.Subject != (SubjectTag{}) {
		st.Destinations.Put(e.key, d.anonymous())
	}
	for _, key := range e.load.Handles { // a receipt that comes later is for nobody
		if h, ok := st.Handles.Get(key); ok && mine[h.Verification] {
			st.Handles.Delete(key)
		}
	}
	for _, id := range e.load.Messages {
		m, ok := st.Messages.Get(id)
		if !ok || !mine[m.Verification] {
			continue
		}
		if m.Taken() || now.Before(m.NextAt) { // else a provider may have it in hand, and it is paid
			e.purses[id].settle(now, st, &m, 0)
		}
		st.Messages.Delete(id)
		done.Messages++
	}
	return done
}

// end ends a pending verification and returns 1 if that was before its time.
func (e *erasing) end(now time.Time, st *State, v *Verification) int {
	dest, ok := st.Destinations.Get(e.key)
	if !ok {
		dest = Destination{Key: e.key, Tenant: v.Tenant, Touched: now}
	}
	t := &target{v: *v, dest: dest}
	if now.Before(v.Expires) {
		t.conclude(st, Canceled, EventCanceled, now, e.actor)
	} else {
		t.conclude(st, Expired, EventExpired, now, ActorServer)
	}
	*v = t.v
	if v.Status == Canceled {
		return 1
	}
	return 0
}

// erase empties what is personal, or what a code could be computed from.
func (v *Verification) erase(now time.Time) {
	v.Secret = nil
	s := &v.Spec
	s.Subject, s.Context, s.Letter, s.Metadata, s.Erased = "", nil, nil, nil, now
}
