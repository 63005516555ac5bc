package otp

import (
	"context"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// usePace is how coarse last uses are kept: at most one write for a credential
// in this time, over all servers.
const usePace = 10 * time.Minute

// sourcesKnown bounds the sources that are remembered of one credential.
const sourcesKnown = 64

// credentialUse is what a server remembers of one credential.
type credentialUse struct {
	noted atomic.Int64 // Unix seconds of the last use that is told, coarse
	told  atomic.Int64 // that of them which is in the store

	last    atomic.Pointer[netip.Addr] // the newest source, for the hot path
	mu      sync.Mutex
	sources []netip.Addr // that have shown the right secret, oldest first
}

// note remembers a success. It costs two loads as long as the source is the
// same and the time is near.
func (u *credentialUse) note(source netip.Addr, now time.Time) {
	if u == nil {
		return
	}
	if at := now.Unix(); at-u.noted.Load() >= int64(usePace/time.Second) {
		u.noted.Store(at)
	}
	if last := u.last.Load(); last != nil && *last == source {
		return
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if !slices.Contains(u.sources, source) {
		if len(u.sources) >= sourcesKnown {
			u.sources = slices.Delete(u.sources, 0, 1)
		}
		u.sources = append(u.sources, source)
	}
	newest := source // the parameter itself would be on the heap in any case
	u.last.Store(&newest)
}

// knownFrom tells whether one of the credentials was shown rightly from a
// source, since the server has started.
func knownFrom(refs []credentialRef, source netip.Addr) bool {
	return slices.ContainsFunc(refs, func(ref credentialRef) bool {
		u := ref.use
		if u == nil {
			return false
		}
		if last := u.last.Load(); last == nil || *last == source {
			return last != nil
		}
		u.mu.Lock()
		defer u.mu.Unlock()
		return slices.Contains(u.sources, source)
	})
}

// credentialUses keeps the uses of all credentials over changes of the
// directory, by [Credential.Mark].
type credentialUses struct {
	mu  sync.Mutex
	all map[string]*credentialUse
}

// adopt gives each credential of a directory that is not in force yet what is
// remembered of it, and forgets those that are gone.
func (u *credentialUses) adopt(d *Directory) {
	u.mu.Lock()
	defer u.mu.Unlock()
	next := make(map[string]*credentialUse)
	for _, refs := range d.credentials {
		for i := range refs {
			use := u.all[refs[i].mark]
			if use == nil {
				use = &credentialUse{}
			}
			next[refs[i].mark], refs[i].use = use, use
		}
	}
	u.all = next
}

// due returns what the store does not know yet, by mark.
func (u *credentialUses) due() map[string]*credentialUse {
	u.mu.Lock()
	defer u.mu.Unlock()
	due := make(map[string]*credentialUse)
	for mark, use := range u.all {
		if use.noted.Load() > use.told.Load() {
			due[mark] = use
		}
	}
	return due
}

func (r *Ring) useKey(mark string) Key { return r.lookup("credential use", mark) }

// KeepUses writes down when credentials were last used, apart from the requests
// that used them: at most once in ten minutes for each, over all servers.
// Errors: Unavailable, Internal.
func (s *Service) KeepUses(ctx context.Context) error {
	due := s.uses.due()
	if len(due) == 0 {
		return nil
	}
	at, keys := make(map[Key]int64), Keys{}
	for mark, use := range due {
		key := s.Ring().useKey(mark)
		at[key] = use.noted.Load()
		keys.Counters = append(keys.Counters, key)
	}
	err := s.do(ctx, Step{Load: keys, Decide: func(_ time.Time, st *State) error {
		for key, used := range at {
			row, _ := st.Counters.Get(key)
			if used-row.Value < int64(usePace/time.Second) {
				continue // another server told it
			}
			st.Counters.Put(key, Counter{Key: key, Value: used})
		}
		return nil
	}})
	if err != nil {
		return err
	}
	for mark, use := range due {
		use.told.Store(at[s.Ring().useKey(mark)])
	}
	return nil
}

// LastUses returns when credentials were last used, in their order; zero for
// those that never were. It is coarse: a use may be told twenty minutes late. Errors: Unavailable, Internal.
func (s *Service) LastUses(ctx context.Context, all []Credential) ([]time.Time, error) {
	keys := make([]Key, len(all))
	for i := range all {
		keys[i] = s.Ring().useKey(all[i].Mark())
	}
	found := make([]time.Time, len(all))
	if len(all) == 0 {
		return found, nil
	}
	err := s.do(ctx, Step{Load: Keys{Counters: keys}, Decide: func(_ time.Time, st *State) error {
		for i, key := range keys {
			found[i] = time.Time{}
			if row, ok := st.Counters.Get(key); ok && row.Value > 0 {
				found[i] = time.Unix(row.Value, 0).UTC()
			}
		}
		return nil
	}})
	return found, err
}
