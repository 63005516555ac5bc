package sqlite_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aldaba-otp/aldaba/otp"
	"github.com/aldaba-otp/aldaba/store"
	"github.com/aldaba-otp/aldaba/store/sqlite"
)

// BenchmarkPairs measures what a start, the completion of its message and a
// right check cost together: three durable steps, without HTTP and without
// the core's own work.
func BenchmarkPairs(b *testing.B) {
	for _, callers := range []int{1, 16, 64, 256} {
		b.Run(fmt.Sprint(callers), func(b *testing.B) {
			w := benchWriter(b)
			var left, failed atomic.Int64
			left.Store(int64(b.N))
			b.ResetTimer()
			var done sync.WaitGroup
			for range callers {
				done.Go(func() {
					for left.Add(-1) >= 0 {
						if err := pair(w); err != nil {
							failed.Add(1)
						}
					}
				})
			}
			done.Wait()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "pairs/s")
			b.ReportMetric(float64(w.Stats().Steps)/float64(w.Stats().Commits), "steps/commit")
			if failed.Load() > 0 {
				b.Fatalf("%d failed", failed.Load())
			}
		})
	}
}

func benchWriter(tb testing.TB) *store.Writer {
	tb.Helper()
	e, err := sqlite.Open(context.Background(), filepath.Join(tb.TempDir(), "a.db"), sqlite.Options{})
	if err != nil {
		tb.Fatal(err)
	}
	w := store.NewWriter(e, store.Options{Floor: e.Floor()})
	tb.Cleanup(func() { _ = w.Close() })
	return w
}

// sample is a verification as it is started, with its message.
func sample() (otp.Verification, otp.Message) {
	now := time.Now()
	v := otp.Verification{ID: otp.FirstID(now), Tenant: "acme", Generation: 1, Sends: 1, LastSent: now, Expires: now.Add(5 * time.Minute), Events: 8, Secret: make([]byte, 16)}
	_, _ = rand.Read(v.ID[7:])
	_, _ = rand.Read(v.Destination[:])
	_, _ = rand.Read(v.Secret)
	v.Spec = otp.Spec{
		Dialect: "native", Owner: "key-1", Profile: "login", Purpose: "login", Channel: otp.SMS, Locale: "es", Created: now,
		MaxAttempts: 5, Alphabet: otp.Digits, Length: 6, KeyID: 1, Letter: make([]byte, 230), Handle: otp.Key(v.ID),
	}
	_, _ = rand.Read(v.Spec.Letter)
	m := otp.Message{ID: v.ID, Tenant: v.Tenant, Verification: v.ID, Kind: otp.CodeMessage, Channel: otp.SMS, Created: now, Expires: v.Expires, NextAt: now, Owner: otp.ID{1}, FirstEvent: 2}
	return v, m
}

func event(v *otp.Verification, n int, now time.Time, kind otp.EventKind) otp.Event {
	return otp.Event{Verification: v.ID, N: n, Tenant: v.Tenant, At: now, Kind: kind, Dialect: "native", Actor: "key-1"}
}

func startStep(v otp.Verification, m otp.Message) otp.Step {
	return otp.Step{Load: otp.Keys{Destinations: []otp.Key{v.Destination}}, Decide: func(now time.Time, s *otp.State) error {
		d, _ := s.Destinations.Get(v.Destination)
		d.Key, d.Tenant, d.Newest, d.Touched = v.Destination, v.Tenant, v.ID, now
		d.Live, d.Sends = []otp.Live{{Purpose: "login", ID: v.ID}}, append(d.Sends, now)
		s.Destinations.Put(d.Key, d)
		s.Verifications.Put(v.ID, v)
		s.Messages.Put(m.ID, m)
		s.Journal(event(&v, 1, now, otp.EventStarted))
		return nil
	}}
}

func pair(w *store.Writer) error {
	ctx := context.Background()
	v, m := sample()
	if err := w.Do(ctx, startStep(v, m)); err != nil {
		return err
	}
	if err := w.Do(ctx, otp.Step{Load: otp.Keys{Messages: []otp.ID{m.ID}}, Decide: func(now time.Time, s *otp.State) error {
		s.Messages.Delete(m.ID)
		s.Journal(event(&v, 2, now, otp.EventSent))
		return nil
	}}); err != nil {
		return err
	}
	return w.Do(ctx, approveStep(v.ID))
}

func approveStep(id otp.ID) otp.Step {
	return otp.Step{Load: otp.Keys{Verifications: []otp.ID{id}}, Decide: func(now time.Time, s *otp.State) error {
		v, _ := s.Verifications.Get(id)
		d, _ := s.Destinations.Get(v.Destination)
		v.Status, v.Ended = otp.Approved, now
		d.Live, d.ApprovedAt, d.Touched = nil, now, now
		s.Verifications.Put(v.ID, v)
		s.Destinations.Put(d.Key, d)
		s.Journal(event(&v, 10, now, otp.EventApproved))
		return nil
	}}
}
