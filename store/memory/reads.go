package memory

import (
	"bytes"
	"context"
	"slices"
	"time"

	"github.com/aldaba-otp/aldaba/otp"
	"github.com/aldaba-otp/aldaba/store"
)

// Verifications implements [otp.Reads].
func (e *Engine) Verifications(ctx context.Context, ids ...otp.ID) ([]otp.Verification, error) {
	if err := e.readable(ctx); err != nil {
		return nil, err
	}
	e.mu.RLock()
	defer e.mu.RUnlock()
	var found []otp.Verification
	for _, id := range ids {
		if v, ok := e.verifications[id]; ok {
			found = append(found, store.CloneVerification(v))
		}
	}
	return found, nil
}

// Destination implements [otp.Reads].
func (e *Engine) Destination(ctx context.Context, key otp.Key) (otp.Destination, bool, error) {
	if err := e.readable(ctx); err != nil {
		return otp.Destination{}, false, err
	}
	e.mu.RLock()
	defer e.mu.RUnlock()
	d, ok := e.destinations[key]
	return store.CloneDestination(d), ok, nil
}

// Contact implements [otp.Reads].
func (e *Engine) Contact(ctx context.Context, key otp.Key) (otp.Contact, bool, error) {
	if err := e.readable(ctx); err != nil {
		return otp.Contact{}, false, err
	}
	e.mu.RLock()
	defer e.mu.RUnlock()
	c, ok := e.contacts[key]
	return store.CloneContact(c), ok, nil
}

// Handle implements [otp.Reads].
func (e *Engine) Handle(ctx context.Context, key otp.Key) (otp.Handle, bool, error) {
	if err := e.readable(ctx); err != nil {
		return otp.Handle{}, false, err
	}
	e.mu.RLock()
	defer e.mu.RUnlock()
	h, ok := e.handles[key]
	return h, ok, nil
}

// Events implements [otp.Reads].
func (e *Engine) Events(ctx context.Context, id otp.ID) ([]otp.Event, error) {
	if err := e.readable(ctx); err != nil {
		return nil, err
	}
	e.mu.RLock()
	defer e.mu.RUnlock()
	return slices.Clone(e.events[id]), nil
}

// ScanVerifications implements [otp.Scans].
func (e *Engine) ScanVerifications(ctx context.Context, after, before otp.ID, limit int) ([]otp.Verification, error) {
	within := func(id otp.ID, _ otp.Verification) bool { return compare(id, after) > 0 && compare(id, before) < 0 }
	return scan(ctx, e, e.verifications, within, store.CloneVerification, limit)
}

// ScanDestinations implements [otp.Scans].
func (e *Engine) ScanDestinations(ctx context.Context, after otp.Key, limit int) ([]otp.Destination, error) {
	within := func(key otp.Key, _ otp.Destination) bool { return compare(key, after) > 0 }
	return scan(ctx, e, e.destinations, within, store.CloneDestination, limit)
}

// ScanContacts implements [otp.Scans].
func (e *Engine) ScanContacts(ctx context.Context, tenant string, after otp.Key, limit int) ([]otp.Contact, error) {
	within := func(key otp.Key, c otp.Contact) bool { return c.Tenant == tenant && compare(key, after) > 0 }
	return scan(ctx, e, e.contacts, within, store.CloneContact, limit)
}

// ScanReplays implements [otp.Scans].
func (e *Engine) ScanReplays(ctx context.Context, t time.Time, limit int) ([]otp.Key, error) {
	within := func(_ otp.Key, r otp.Replay) bool { return r.Expires.Before(t) }
	found, err := scan(ctx, e, e.replays, within, same, limit)
	var keys []otp.Key
	for _, r := range found {
		keys = append(keys, r.Key)
	}
	return keys, err
}

// ScanJournals implements [otp.Scans].
func (e *Engine) ScanJournals(ctx context.Context, after, before otp.ID, limit int) ([]otp.Journal, error) {
	within := func(id otp.ID, list []otp.Event) bool {
		return len(list) > 0 && compare(id, after) > 0 && compare(id, before) < 0
	}
	found, err := scan(ctx, e, e.events, within, same, limit)
	var all []otp.Journal
	for _, list := range found {
		all = append(all, otp.Journal{Verification: list[0].Verification, Tenant: list[0].Tenant})
	}
	return all, err
}

// ScanEvents implements [otp.Journals].
func (e *Engine) ScanEvents(ctx context.Context, tenant string, kinds []otp.EventKind, after, before otp.ID, limit int) ([]otp.Event, error) {
	wanted := func(event otp.Event) bool { return event.Tenant == tenant && slices.Contains(kinds, event.Kind) }
	within := func(id otp.ID, list []otp.Event) bool {
		return compare(id, after) > 0 && compare(id, before) < 0 && slices.ContainsFunc(list, wanted)
	}
	found, err := scan(ctx, e, e.events, within, same, limit)
	var all []otp.Event
	for _, list := range found {
		for _, event := range list {
			if wanted(event) && len(all) < limit {
				all = append(all, event)
			}
		}
	}
	return all, err
}

// ScanCounters implements [otp.Scans].
func (e *Engine) ScanCounters(ctx context.Context, after otp.Key, limit int) ([]otp.Counter, error) {
	within := func(key otp.Key, c otp.Counter) bool { return compare(key, after) > 0 && c.Tally.Name != "" }
	return scan(ctx, e, e.counters, within, store.CloneCounter, limit)
}

// ScanMessages implements [otp.Outbox].
func (e *Engine) ScanMessages(ctx context.Context, after otp.ID, limit int) ([]otp.Message, error) {
	within := func(id otp.ID, _ otp.Message) bool { return compare(id, after) > 0 }
	return scan(ctx, e, e.messages, within, store.CloneMessage, limit)
}

// Orphans implements [otp.Outbox].
func (e *Engine) Orphans(ctx context.Context, self otp.ID, limit int) ([]otp.Message, error) {
	within := func(_ otp.ID, m otp.Message) bool { return m.Owner != self && !e.alive(m.Owner) }
	return scan(ctx, e, e.messages, within, store.CloneMessage, limit)
}

// scan walks over a map in the order of its keys.
func scan[K otp.Key | otp.ID, V any](ctx context.Context, e *Engine, m map[K]V, within func(K, V) bool, clone func(V) V, limit int) ([]V, error) {
	if err := e.readable(ctx); err != nil {
		return nil, err
	}
	e.mu.RLock()
	defer e.mu.RUnlock()
	var found []V
	for _, key := range sorted(m) {
		if len(found) >= limit {
			break
		}
		if within(key, m[key]) {
			found = append(found, clone(m[key]))
		}
	}
	return found, nil
}

func compare(a, b [16]byte) int { return bytes.Compare(a[:], b[:]) }

func same[V any](v V) V { return v }
