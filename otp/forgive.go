package otp

import (
	"context"
	"strings"
	"time"
)

// Forgive forgets all sends and wrong guesses of all destinations, and the sends
// of the verifications that are pending, so that a test suite may use one number
// for ever. It is for `aldaba dev` only.
func (s *Service) Forgive(ctx context.Context) error {
	for after, more := (Key{}), true; more; {
		rows, err := s.o.Store.ScanDestinations(ctx, after, sweepScan)
		if err != nil {
			return unread(err)
		}
		var keys []Key
		for i := range rows {
			keys, after = append(keys, rows[i].Key), rows[i].Key
		}
		more = len(rows) == sweepScan
		err = s.do(ctx, Step{Load: Keys{Destinations: keys}, Decide: func(_ time.Time, st *State) error {
			for _, key := range keys {
				if d, ok := st.Destinations.Get(key); ok {
					st.Destinations.Put(key, d.forgiven())
				}
			}
			return nil
		}})
		if err != nil {
			return err
		}
	}
	if err := s.forgiveSends(ctx); err != nil {
		return err
	}
	return s.forgiveTallies(ctx)
}

// forgiveSends lets pending verifications be sent again as if they had been sent
// once, long ago.
func (s *Service) forgiveSends(ctx context.Context) error {
	after, before := FirstID(s.Now().Add(-maxLifetime-resendCooldown)), FirstID(s.Now().Add(resendCooldown))
	for more := true; more; {
		rows, err := s.o.Store.ScanVerifications(ctx, after, before, sweepScan)
		if err != nil {
			return unread(err)
		}
		var ids []ID
		for i := range rows {
			if after = rows[i].ID; rows[i].Status == Pending {
				ids = append(ids, after)
			}
		}
		more = len(rows) == sweepScan
		err = s.do(ctx, Step{Load: Keys{Verifications: ids}, Decide: func(now time.Time, st *State) error {
			for _, id := range ids {
				if v, ok := st.Verifications.Get(id); ok && v.Status == Pending {
					v.Sends, v.LastSent = min(v.Sends, 1), now.Add(-resendCooldown)
					st.Verifications.Put(id, v)
				}
			}
			return nil
		}})
		if err != nil {
			return err
		}
	}
	return nil
}

// forgiveTallies forgets what the rules over many addresses counted, except what
// a day has cost.
func (s *Service) forgiveTallies(ctx context.Context) error {
	s.colds.forget()
	for after, more := (Key{}), true; more; {
		rows, err := s.o.Store.ScanCounters(ctx, after, sweepScan)
		if err != nil {
			return unread(err)
		}
		if more = len(rows) == sweepScan; len(rows) > 0 {
			after = rows[len(rows)-1].Key
		}
		if err := s.dropTallies(ctx, rows, func(t *Tally) bool { return !strings.HasPrefix(t.Name, "day ") }); err != nil {
			return err
		}
	}
	return nil
}
