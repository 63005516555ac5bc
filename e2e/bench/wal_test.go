package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"reflect"
	"testing"
	"time"

	"github.com/aldaba-otp/aldaba/otp"
	"github.com/aldaba-otp/aldaba/store"
	"github.com/aldaba-otp/aldaba/store/postgres"
	"github.com/aldaba-otp/aldaba/store/storetest/pgcluster"
)

// TestWALTellsWhatAStartStored proves that verifications are read from
// PostgreSQL's log as they were stored, over pages and segments, and that those of
// before and of other databases are left out.
func TestWALTellsWhatAStartStored(t *testing.T) {
	t.Parallel()
	cluster := pgcluster.StartOwn(t, pgcluster.Options{})
	url := cluster.URL(t)
	w, other := walStore(t, url), walStore(t, cluster.URL(t))
	tail, err := openWAL(cluster.Dir(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := tail.close(); err != nil {
			t.Error(err)
		}
	})
	before := walStart(t, w, 1)
	if err := tail.begin(); err != nil {
		t.Fatal(err)
	}
	strange := walStart(t, other, 2)
	for i := range 600 {
		want := walStart(t, w, i)
		if i%200 == 100 {
			if err := cluster.Exec(t.Context(), "SELECT pg_switch_wal()"); err != nil {
				t.Fatal(err)
			}
		}
		if err := tail.follow(); err != nil {
			t.Fatal(err)
		}
		got, ok := tail.take(want.ID)
		if !ok {
			t.Fatalf("start %d is not in the log", i)
		}
		if got.Generation != want.Generation || !bytes.Equal(got.Secret, want.Secret) || !reflect.DeepEqual(got.Spec, want.Spec) {
			t.Fatalf("start %d: %+v, want %+v", i, got, want)
		}
	}
	for _, v := range []otp.Verification{before, strange} {
		if _, ok := tail.take(v.ID); ok {
			t.Error("the log tells of a start that nobody asked for")
		}
	}
}

func walStore(t *testing.T, url string) otp.Store {
	t.Helper()
	e, err := postgres.Open(context.Background(), url, postgres.Options{})
	if err != nil {
		t.Fatal(err)
	}
	w := store.NewWriter(e, store.Options{})
	t.Cleanup(func() {
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	})
	return w
}

// walStart stores the nth verification: some with a short spec and some with a long
// one, whose lengths the log writes in one byte and in four.
func walStart(t *testing.T, w otp.Store, n int) otp.Verification {
	t.Helper()
	v := otp.Verification{Tenant: "acme", Generation: n, Secret: make([]byte, 16)}
	_, _ = rand.Read(v.ID[:])
	_, _ = rand.Read(v.Secret)
	v.Spec = otp.Spec{Dialect: "native", Channel: otp.SMS, MaxAttempts: 5, Length: 6, Letter: make([]byte, 7*n%900+1)}
	_, _ = rand.Read(v.Spec.Letter)
	if err := w.Do(t.Context(), otp.Step{Decide: func(now time.Time, s *otp.State) error {
		v.Spec.Created = now
		s.Verifications.Put(v.ID, v)
		return nil
	}}); err != nil {
		t.Fatal(err)
	}
	return v
}
