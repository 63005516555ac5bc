package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/aldaba-otp/aldaba/otp"
	"github.com/aldaba-otp/aldaba/store"
	"github.com/aldaba-otp/aldaba/store/storetest"
	"github.com/aldaba-otp/aldaba/store/storetest/pgcluster"
)

// The facts about rows, carried out by TestFaults.

func noPlaceholderStays(t *testing.T, c *pgcluster.Cluster) {
	url := c.URL(t)
	w, conn := writer(t, url), direct(t, url)
	keys := []otp.Key{{1}, {2}, {3}}
	err := w.Do(t.Context(), otp.Step{
		Load: otp.Keys{Replays: keys, Handles: keys, Destinations: keys, Counters: keys, Contacts: keys},
		Decide: func(_ time.Time, s *otp.State) error {
			s.Counters.Put(keys[0], otp.Counter{Key: keys[0], Value: 1})
			return nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	rows := number(t, conn, `SELECT (SELECT count(*) FROM replay) + (SELECT count(*) FROM handle) +
		(SELECT count(*) FROM destination) + (SELECT count(*) FROM counter) + (SELECT count(*) FROM contact)`)
	if rows != 1 {
		t.Fatalf("%d rows stay, want the one that was put", rows)
	}
}

// placeholderIsNone proves it for a row that a program left behind; those of
// open batches are seen by nobody else.
func placeholderIsNone(t *testing.T, c *pgcluster.Cluster) {
	url := c.URL(t)
	w := writer(t, url)
	exec(t, direct(t, url), "INSERT INTO handle (key) VALUES ('01000000-0000-0000-0000-000000000000')")
	key := otp.Key{1}
	if h, found, err := w.Handle(t.Context(), key); found || h != (otp.Handle{}) || err != nil {
		t.Fatal(h, found, err)
	}
	if err := w.Do(t.Context(), otp.Step{Load: otp.Keys{Handles: []otp.Key{key}}, Decide: func(_ time.Time, s *otp.State) error {
		if _, found := s.Handles.Get(key); found {
			return errors.New("a step found it")
		}
		s.Handles.Put(key, otp.Handle{Key: key, Message: otp.ID{2}})
		return nil
	}}); err != nil {
		t.Fatal(err)
	}
	h, found, err := w.Handle(t.Context(), key)
	if want := (otp.Handle{Key: key, Message: otp.ID{2}}); !found || h != want || err != nil {
		t.Fatal(h, found, err)
	}
}

// firstSchema makes the tables with the first migration alone.
func firstSchema(t *testing.T, c *pgcluster.Cluster) {
	url := c.URL(t)
	conn, first := direct(t, url), storetest.First(t)
	text, err := os.ReadFile("migrations/0001_records.sql")
	if err != nil {
		t.Fatal(err)
	}
	exec(t, conn, string(text))
	exec(t, conn, "CREATE TABLE schema_version (version integer PRIMARY KEY, applied timestamptz NOT NULL DEFAULT now())")
	exec(t, conn, "INSERT INTO schema_version (version) VALUES (1)")
	v, m, h := first.Verification, first.Message, first.Handle
	exec(t, conn, fmt.Sprintf(`INSERT INTO verification VALUES ('%x', '%x', %d, %d, 0, %d, %d, %d, %d, %d, '%s', '%s', '\x%x')`,
		v.ID[:], v.Destination[:], store.Micros(v.LastSent), store.Micros(v.Expires),
		v.Attempts, v.Generation, v.Sends, v.Events, v.Status, v.Tenant, v.Secret, first.Spec))
	exec(t, conn, fmt.Sprintf(`INSERT INTO message VALUES ('%x', '%x', '%x', %d, %d, %d, %d, %d, %d, %d, '%s', '%s')`,
		m.ID[:], m.Verification[:], m.Owner[:], store.Micros(m.Created), store.Micros(m.Expires), store.Micros(m.NextAt),
		m.Attempt, m.Copies, m.FirstEvent, m.Kind, m.Tenant, m.Channel))
	exec(t, conn, fmt.Sprintf(`INSERT INTO handle VALUES ('%x', '%x')`, h.Key[:], h.Verification[:]))
	storetest.Upgrade(t, func() store.Engine { return open(t, url) })
}

// plansUseIndexes proves that no statement of a batch reads a whole table. The
// planner prices a forbidden sequential scan at 10^10, so the estimate tells.
func plansUseIndexes(t *testing.T, c *pgcluster.Cluster) {
	url := c.URL(t)
	w, conn := writer(t, url), direct(t, url)
	if err := fill(t.Context(), w, 64, 20); err != nil {
		t.Fatal(err)
	}
	exec(t, conn, "SELECT pg_stat_force_next_flush()")
	exec(t, conn, "ANALYZE")
	if err := fill(t.Context(), w, 64, 20); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil { // a backend tells its counts when it ends
		t.Fatal(err)
	}
	deadline := time.Now().Add(10 * time.Second)
	for number(t, conn, "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()") > 1 {
		if time.Now().After(deadline) {
			t.Fatal("the engine's connections stay")
		}
	}
	scans := number(t, conn, `SELECT sum(seq_tup_read) FROM pg_stat_user_tables
		WHERE relname IN ('verification', 'destination', 'message', 'event', 'handle', 'replay')`)
	if scans > 0 {
		t.Fatalf("%d rows were read outside of an index", scans)
	}
}

func eventRepeated(t *testing.T, c *pgcluster.Cluster) {
	w := writer(t, c.URL(t))
	for i, detail := range []string{"first", "second", "third"} {
		err := w.Do(t.Context(), otp.Step{Decide: func(now time.Time, s *otp.State) error {
			s.Journal(otp.Event{Verification: otp.ID{1}, N: 7, At: now, Detail: detail})
			s.Journal(otp.Event{Verification: otp.ID{1}, N: 10 + i, At: now, Detail: detail})
			return nil
		}})
		if err != nil {
			t.Fatal(err)
		}
	}
	events, err := w.Events(t.Context(), otp.ID{1})
	if err != nil || len(events) != 4 || events[0].Detail != "first" || events[3].Detail != "third" {
		t.Fatal(events, err)
	}
}

func destinationSwept(t *testing.T, c *pgcluster.Cluster) {
	url := c.URL(t)
	a, b := writer(t, url), writer(t, url)
	v := otp.Verification{ID: otp.ID{1}, Destination: otp.Key{2}}
	if err := a.Do(t.Context(), otp.Step{Decide: func(_ time.Time, s *otp.State) error {
		s.Verifications.Put(v.ID, v)
		return nil
	}}); err != nil {
		t.Fatal(err)
	}
	const callers = 16
	var done sync.WaitGroup
	for i := range callers {
		done.Go(func() {
			w := []otp.Store{a, b}[i%2]
			if err := w.Do(context.Background(), otp.Step{Load: otp.Keys{Verifications: []otp.ID{v.ID}}, Decide: func(now time.Time, s *otp.State) error {
				d, _ := s.Destinations.Get(v.Destination)
				d.Key, d.Sends = v.Destination, append(d.Sends, now)
				s.Destinations.Put(d.Key, d)
				return nil
			}}); err != nil {
				t.Error(err)
			}
		})
	}
	done.Wait()
	d, found, err := a.Destination(t.Context(), v.Destination)
	if len(d.Sends) != callers || !found || err != nil {
		t.Fatalf("%d of %d changes are there: %v", len(d.Sends), callers, err)
	}
}

// absentForTwo lets two batches find nothing under the same keys. Whoever commits
// last must run again, whether it fills them or only relied on their absence.
func absentForTwo(t *testing.T, c *pgcluster.Cluster) {
	url := c.URL(t)
	e := open(t, url)
	other := open(t, url)
	d, n := otp.Key{1}, otp.Key{2}
	keys := otp.Keys{Destinations: []otp.Key{d}, Counters: []otp.Key{n}}
	puts := map[string]func(s *otp.State){
		"the destination": func(s *otp.State) { s.Destinations.Put(d, otp.Destination{Key: d, Tenant: "a"}) },
		"the counter":     func(s *otp.State) { s.Counters.Put(n, otp.Counter{Key: n, Value: 7}) },
		"neither":         func(s *otp.State) { s.Journal(otp.Event{Verification: otp.ID{3}, N: 1}) },
	}
	for first, put := range puts {
		if first == "neither" {
			continue
		}
		for second, late := range puts {
			a, err1 := e.Begin(t.Context(), keys)
			b, err2 := other.Begin(t.Context(), keys)
			if err1 != nil || err2 != nil {
				t.Fatal(err1, err2)
			}
			decide(t, a, put)
			decide(t, b, late)
			if err := a.Commit(t.Context()); err != nil {
				t.Fatal(err)
			}
			var f *store.Failure
			if err := b.Commit(t.Context()); !errors.As(err, &f) || f.Class != store.Again {
				t.Errorf("%s after %s: %v, want a conflict", second, first, err)
			}
			exec(t, direct(t, url), "DELETE FROM destination")
			exec(t, direct(t, url), "DELETE FROM counter")
		}
	}
}

func decide(t *testing.T, b store.Batch, put func(*otp.State)) {
	t.Helper()
	if err := b.Records().Run(otp.Step{Decide: func(_ time.Time, s *otp.State) error {
		put(s)
		return nil
	}}); err != nil {
		t.Fatal(err)
	}
}
