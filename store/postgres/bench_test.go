package postgres_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aldaba-otp/aldaba/otp"
	"github.com/aldaba-otp/aldaba/store"
	"github.com/aldaba-otp/aldaba/store/postgres"
	"github.com/aldaba-otp/aldaba/store/storetest/pgcluster"
)

// BenchmarkPairs measures a start, a right check and the completion of the
// message, on a server that waits for its disk. One operation is all three.
func BenchmarkPairs(b *testing.B) {
	cluster := pgcluster.Start(b, pgcluster.Options{Fsync: true, Settings: []string{"shared_buffers=512MB"}})
	for _, callers := range []int{16, 64, 256} {
		for _, writers := range []int{1, 2} {
			b.Run(fmt.Sprintf("%d callers %d writers", callers, writers), func(b *testing.B) {
				e, err := postgres.Open(b.Context(), cluster.URL(b), postgres.Options{Writers: writers})
				if err != nil {
					b.Fatal(err)
				}
				w := store.NewWriter(e, store.Options{Writers: writers})
				defer func() { _ = w.Close() }()
				if err := fill(b.Context(), w, callers, 10); err != nil {
					b.Fatal(err)
				}
				b.ResetTimer()
				if err := fill(b.Context(), w, callers, max(b.N/callers, 1)); err != nil {
					b.Fatal(err)
				}
				done := max(b.N/callers, 1) * callers
				b.ReportMetric(float64(done)/b.Elapsed().Seconds(), "pairs/s")
				stats := w.Stats()
				b.ReportMetric(float64(stats.Steps)/float64(stats.Commits), "steps/commit")
			})
		}
	}
}

// fill lets the callers carry out the given number of pairs each.
func fill(ctx context.Context, w otp.Store, callers, rounds int) error {
	var done sync.WaitGroup
	var failure atomic.Pointer[error]
	for range callers {
		done.Go(func() {
			for range rounds {
				if err := pair(ctx, w); err != nil {
					failure.Store(&err)
					return
				}
			}
		})
	}
	done.Wait()
	if err := failure.Load(); err != nil {
		return *err
	}
	return nil
}

func pair(ctx context.Context, w otp.Store) error {
	v := otp.Verification{ID: freshID(), Tenant: "acme", Generation: 1, Sends: 1, Events: 1, Secret: make([]byte, 16)}
	_, _ = rand.Read(v.Destination[:])
	v.Spec = otp.Spec{
		Dialect: "native", Owner: "key-1", Profile: "default", Purpose: "login", Channel: otp.SMS, Locale: "es",
		MaxAttempts: 5, Alphabet: "digits", Length: 6, KeyID: 1, Letter: make([]byte, 96),
	}
	m := otp.Message{ID: freshID(), Tenant: "acme", Verification: v.ID, Kind: otp.CodeMessage, Channel: otp.SMS}
	return errors.Join(w.Do(ctx, start(v, m)), w.Do(ctx, check(v)), w.Do(ctx, complete(v, m)))
}

func freshID() otp.ID {
	id := otp.FirstID(time.Now())
	var random [10]byte
	_, _ = rand.Read(random[:])
	copy(id[6:], random[:])
	return id
}

func start(v otp.Verification, m otp.Message) otp.Step {
	return otp.Step{Load: otp.Keys{Destinations: []otp.Key{v.Destination}}, Decide: func(now time.Time, s *otp.State) error {
		v.LastSent, v.Expires, v.Spec.Created, m.Created = now, now.Add(5*time.Minute), now, now
		d, _ := s.Destinations.Get(v.Destination)
		d.Key, d.Tenant, d.Newest, d.Touched = v.Destination, v.Tenant, v.ID, now
		d.Live, d.Sends = []otp.Live{{Purpose: "login", ID: v.ID}}, []time.Time{now}
		s.Destinations.Put(d.Key, d)
		s.Verifications.Put(v.ID, v)
		s.Messages.Put(m.ID, m)
		s.Journal(event(v, 0, now, otp.EventStarted))
		return nil
	}}
}

var errNotPending = errors.New("not pending")

func check(v otp.Verification) otp.Step {
	return otp.Step{Load: otp.Keys{Verifications: []otp.ID{v.ID}}, Decide: func(now time.Time, s *otp.State) error {
		v, _ := s.Verifications.Get(v.ID)
		d, found := s.Destinations.Get(v.Destination)
		if v.Status != otp.Pending || !found {
			return errNotPending
		}
		v.Status, v.Ended, v.Events = otp.Approved, now, 2
		d.Live, d.ApprovedAt, d.Touched = nil, now, now
		s.Verifications.Put(v.ID, v)
		s.Destinations.Put(d.Key, d)
		s.Journal(event(v, 1, now, otp.EventApproved))
		return nil
	}}
}

func complete(v otp.Verification, m otp.Message) otp.Step {
	return otp.Step{Load: otp.Keys{Messages: []otp.ID{m.ID}}, Decide: func(now time.Time, s *otp.State) error {
		s.Messages.Delete(m.ID)
		s.Journal(event(v, 8, now, otp.EventSent))
		return nil
	}}
}

func event(v otp.Verification, n int, now time.Time, kind otp.EventKind) otp.Event {
	return otp.Event{Verification: v.ID, N: n, Tenant: v.Tenant, At: now, Kind: kind, Dialect: "native", Actor: "key-1"}
}
