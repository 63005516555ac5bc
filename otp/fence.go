package otp

import (
	"context"
	"slices"
	"time"
)

const (
	// longestLife is more than any verification may live.
	longestLife = 25 * time.Hour
	// numberGap is how far a fence moves numbers on: more than a tenant gives out
	// between two backups.
	numberGap = 1_000_000
)

// Fenced is what a fence did.
type Fenced struct {
	Verifications int // that were pending and are void now
	Guesses       int // wrong ones that were charged, since they may have been made
	Numbers       int // tenants whose numbers go on further
}

// Fence makes a store safe that has forgotten what came last, as one restored from
// a backup. What stands as pending in it may have been approved, canceled or
// guessed at since, so each verification that lives is void, and its tries that
// were left count as wrong guesses at its address: so no code is accepted twice, and
// nobody gets the guesses again that were spent on it. Numbers by which vendors'
// applications name verifications go on behind those that may have been given out.
//
// An empty tenant is all of them; dry only counts. Verifications that are started
// while it runs may be void too. Run it again after an error.
// Errors: NotFound when the tenant is not configured, Unavailable, Internal.
func (s *Service) Fence(ctx context.Context, tenant, actor string, dry bool) (done Fenced, err error) {
	names := []string{tenant}
	if tenant == "" {
		names = names[:0]
		for _, t := range s.Directory().Tenants() {
			names = append(names, t.Name)
		}
	} else if _, ok := s.Directory().Tenant(tenant); !ok {
		return done, &Error{Kind: NotFound, Field: "tenant", Message: "there is no tenant of this name"}
	}
	now := s.Now()
	after, before := FirstID(now.Add(-longestLife)), FirstID(now.Add(time.Minute)) // clocks may differ
	for more := true; more; {
		rows, err := s.o.Store.ScanVerifications(ctx, after, before, sweepScan)
		if err != nil {
			return done, unread(err)
		}
		var ids []ID
		for i := range rows {
			if v := &rows[i]; v.Status == Pending && now.Before(v.Expires) && (tenant == "" || v.Tenant == tenant) {
				ids = append(ids, v.ID)
				if dry {
					done.Verifications++
					done.Guesses += v.charge()
				}
			}
			after = rows[i].ID
		}
		more = len(rows) == sweepScan
		for chunk := range slices.Chunk(ids, sweepChunk) {
			if dry {
				break
			}
			if err := s.void(ctx, chunk, actor, &done); err != nil {
				return done, err
			}
		}
	}
	err = s.skipNumbers(ctx, names, dry, &done)
	return done, err
}

// charge is how many tries of the verification a fence counts as wrong guesses.
// Those of decoys and test addresses prove nothing and count nowhere.
func (v *Verification) charge() int {
	if v.Spec.Test || v.Spec.Decoy {
		return 0
	}
	return v.unspent()
}

// void is one step of a fence, and adds what it did.
func (s *Service) void(ctx context.Context, ids []ID, actor string, done *Fenced) error {
	var step Fenced
	err := s.do(ctx, Step{Load: Keys{Verifications: ids}, Decide: func(now time.Time, st *State) error {
		step = Fenced{}
		for _, id := range ids {
			v, ok := st.Verifications.Get(id)
			if !ok || v.Status != Pending {
				continue
			}
			t := &target{v: v}
			if t.dest, ok = st.Destinations.Get(v.Destination); !ok {
				t.dest = Destination{Key: v.Destination, Tenant: v.Tenant, Touched: now}
			}
			for range v.charge() {
				t.dest = t.dest.charged(now, v.space())
				step.Guesses++
			}
			t.conclude(st, Void, EventVoid, now, actor)
			step.Verifications++
		}
		return nil
	}})
	if err != nil {
		return err
	}
	done.Verifications += step.Verifications
	done.Guesses += step.Guesses
	return nil
}

// skipNumbers moves the numbers of tenants on that have given any out.
func (s *Service) skipNumbers(ctx context.Context, tenants []string, dry bool, done *Fenced) error {
	s.numbers.mu.Lock()
	defer s.numbers.mu.Unlock()
	for chunk := range slices.Chunk(tenants, sweepChunk) {
		keys := make([]Key, len(chunk))
		for i, name := range chunk {
			keys[i] = s.Ring().lookup("numbers", name)
		}
		moved := 0
		err := s.do(ctx, Step{Load: Keys{Counters: keys}, Decide: func(_ time.Time, st *State) error {
			moved = 0
			for _, key := range keys {
				c, ok := st.Counters.Get(key)
				if !ok {
					continue
				}
				moved++
				if dry {
					continue
				}
				st.Counters.Put(key, Counter{Key: key, Value: c.Value + numberGap}) // see reserve for the last one
			}
			return nil
		}})
		if err != nil {
			return err
		}
		done.Numbers += moved
		for _, name := range chunk {
			if !dry {
				delete(s.numbers.next, name) // the block in hand is from before
			}
		}
	}
	return nil
}
