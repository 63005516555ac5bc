package postgres_test

import (
	"context"
	"errors"
	"os"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/aldaba-otp/aldaba/otp"
	"github.com/aldaba-otp/aldaba/store"
	"github.com/aldaba-otp/aldaba/store/postgres"
	"github.com/aldaba-otp/aldaba/store/storetest/pgcluster"
)

// TestFaults proves what happens when the database or the way to it fails. The
// facts share one server of their own and databases apart.
func TestFaults(t *testing.T) {
	t.Parallel()
	cluster := pgcluster.StartOwn(t, pgcluster.Options{})
	for name, fact := range map[string]func(*testing.T, *pgcluster.Cluster){
		"a commit whose answer was lost is found to have taken place": commitAnswerLost,
		"a commit that never arrived is carried out again":            commitNeverArrived,
		"a commit that cannot be asked about stays in doubt":          commitStaysInDoubt,
		"a backend terminated within a batch costs no step":           backendTerminated,
		"an idle connection that died costs no step":                  idleConnectionDied,
		"a record that does not fit fails alone":                      recordDoesNotFit,
		"a database that is read-only is down":                        databaseReadOnly,
		"a newer schema is refused":                                   newerSchema,
		"two servers that start at once migrate once":                 migrateOnce,
		"a database of the first version is brought up to date":       firstSchema,
		"a server that does not wait for its disk is refused":         notDurable,
		"a key that was only asked for leaves no row":                 noPlaceholderStays,
		"of two that found nothing one comes through":                 absentForTwo,
		"a placeholder is no handle":                                  placeholderIsNone,
		"an event whose number is taken costs no step":                eventRepeated,
		"a swept destination of a verification is locked absent":      destinationSwept,
		"generic plans read by index":                                 plansUseIndexes,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fact(t, cluster)
		})
	}
}

// TestServerThatStopsAndComesBackIsUsedAgain needs a server that nobody shares.
func TestServerThatStopsAndComesBackIsUsedAgain(t *testing.T) {
	t.Parallel()
	cluster := pgcluster.StartOwn(t, pgcluster.Options{})
	w := writer(t, cluster.URL(t))
	key := otp.Key{1}
	if n, err := increment(w, key); n != 1 || err != nil {
		t.Fatal(n, err)
	}
	for i, signal := range []syscall.Signal{syscall.SIGINT, syscall.SIGQUIT} {
		if err := cluster.Kill(signal); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		if _, err := increment(w, key); kindOf(err) != otp.Unavailable {
			t.Fatalf("without a server: %v", err)
		}
		if _, _, err := w.Destination(t.Context(), key); kindOf(err) != otp.Unavailable {
			t.Fatalf("a look-up without a server: %v", err)
		}
		if took := time.Since(began); took > 4*time.Second {
			t.Fatalf("the refusal took %v", took)
		}
		if w.Ping(t.Context()) == nil {
			t.Fatal("ping without a server")
		}
		if err := cluster.Restart(); err != nil {
			t.Fatal(err)
		}
		if n, err := increment(w, key); n != int64(i+2) || err != nil {
			t.Fatalf("after the restart: %d, %v", n, err)
		}
	}
}

func writer(t *testing.T, url string) *store.Writer {
	t.Helper()
	w := store.NewWriter(open(t, url), store.Options{Writers: writers})
	t.Cleanup(func() {
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	})
	return w
}

// increment adds one to a counter and returns its value.
func increment(w otp.Store, key otp.Key) (n int64, err error) {
	err = w.Do(context.Background(), otp.Step{Load: otp.Keys{Counters: []otp.Key{key}}, Decide: func(_ time.Time, s *otp.State) error {
		c, _ := s.Counters.Get(key)
		n = c.Value + 1
		s.Counters.Put(key, otp.Counter{Key: key, Value: n})
		return nil
	}})
	return n, err
}

func kindOf(err error) otp.Kind {
	var e *otp.Error
	if errors.As(err, &e) {
		return e.Kind
	}
	return noKind
}

// noKind is not the kind of any error.
const noKind otp.Kind = 255

// direct returns a connection beside the engine.
func direct(t *testing.T, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

func exec(t *testing.T, conn *pgx.Conn, sql string) {
	t.Helper()
	if _, err := conn.Exec(t.Context(), sql); err != nil {
		t.Fatal(err)
	}
}

func number(t *testing.T, conn *pgx.Conn, sql string) (n int64) {
	t.Helper()
	if err := conn.QueryRow(t.Context(), sql).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func commitAnswerLost(t *testing.T, c *pgcluster.Cluster) {
	p := newProxy(t, c.URL(t))
	w := writer(t, p.url)
	if n, err := increment(w, otp.Key{1}); n != 1 || err != nil {
		t.Fatal(n, err)
	}
	p.cut(afterCommit)
	n, err := increment(w, otp.Key{1})
	if n != 2 || err != nil {
		t.Fatalf("the step whose answer was lost: %d, %v", n, err)
	}
	if got := p.cuts(); got != 1 {
		t.Fatalf("%d connections were cut", got)
	}
	if got := number(t, direct(t, p.behind), "SELECT value FROM counter"); got != 2 {
		t.Fatalf("the counter is %d", got)
	}
}

func commitNeverArrived(t *testing.T, c *pgcluster.Cluster) {
	p := newProxy(t, c.URL(t))
	w := writer(t, p.url)
	if n, err := increment(w, otp.Key{1}); n != 1 || err != nil {
		t.Fatal(n, err)
	}
	p.cut(beforeCommit)
	n, err := increment(w, otp.Key{1})
	if n != 2 || err != nil {
		t.Fatalf("the step whose commit was lost: %d, %v", n, err)
	}
	if got := p.cuts(); got != 1 {
		t.Fatalf("%d connections were cut", got)
	}
	if got := number(t, direct(t, p.behind), "SELECT value FROM counter"); got != 2 {
		t.Fatalf("the counter is %d", got)
	}
}

func commitStaysInDoubt(t *testing.T, c *pgcluster.Cluster) {
	p := newProxy(t, c.URL(t))
	w := writer(t, p.url)
	if n, err := increment(w, otp.Key{1}); n != 1 || err != nil {
		t.Fatal(n, err)
	}
	p.cut(afterCommit | stayAway)
	if _, err := increment(w, otp.Key{1}); kindOf(err) != otp.Unavailable {
		t.Fatalf("a doubt was answered with %v", err)
	}
	if got := w.Stats().Doubts; got != 1 {
		t.Fatalf("%d doubts were counted", got)
	}
	p.heal()
	if n, err := increment(w, otp.Key{1}); n != 3 || err != nil {
		t.Fatalf("after the doubt: %d, %v", n, err)
	}
}

func backendTerminated(t *testing.T, c *pgcluster.Cluster) {
	url := c.URL(t)
	w, conn := writer(t, url), direct(t, url)
	var kill sync.Once
	var got int64
	err := w.Do(context.Background(), otp.Step{Load: otp.Keys{Counters: []otp.Key{{1}}}, Decide: func(_ time.Time, s *otp.State) error {
		kill.Do(func() {
			exec(t, conn, `SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
				WHERE datname = current_database() AND pid <> pg_backend_pid() AND state = 'idle in transaction'`)
		})
		c, _ := s.Counters.Get(otp.Key{1})
		got = c.Value + 1
		s.Counters.Put(otp.Key{1}, otp.Counter{Key: otp.Key{1}, Value: got})
		return nil
	}})
	if err != nil || got != 1 || number(t, conn, "SELECT value FROM counter") != 1 {
		t.Fatal(got, err)
	}
}

func idleConnectionDied(t *testing.T, c *pgcluster.Cluster) {
	url := c.URL(t)
	w, conn := writer(t, url), direct(t, url)
	for i := range int64(3) {
		if n, err := increment(w, otp.Key{1}); n != i+1 || err != nil {
			t.Fatal(n, err)
		}
		if _, _, err := w.Destination(t.Context(), otp.Key{1}); err != nil {
			t.Fatal(err)
		}
		exec(t, conn, `SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
			WHERE datname = current_database() AND pid <> pg_backend_pid()`)
	}
}

func recordDoesNotFit(t *testing.T, c *pgcluster.Cluster) {
	w := writer(t, c.URL(t))
	var done sync.WaitGroup
	errs := make([]error, 8)
	for i := range errs {
		done.Go(func() {
			errs[i] = w.Do(context.Background(), otp.Step{Decide: func(_ time.Time, s *otp.State) error {
				v := otp.Verification{ID: otp.ID{byte(i + 1)}}
				if i == 3 {
					v.Attempts = 1 << 40
				}
				s.Verifications.Put(v.ID, v)
				return nil
			}})
		})
	}
	done.Wait()
	for i, err := range errs {
		if i == 3 && kindOf(err) != otp.Internal || i != 3 && err != nil {
			t.Errorf("step %d: %v", i, err)
		}
	}
}

func databaseReadOnly(t *testing.T, c *pgcluster.Cluster) {
	url := c.URL(t)
	w, conn := writer(t, url), direct(t, url)
	name := conn.Config().Database
	exec(t, conn, "ALTER DATABASE "+name+" SET default_transaction_read_only = on")
	exec(t, conn, `SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
		WHERE datname = current_database() AND pid <> pg_backend_pid()`)
	if _, err := increment(w, otp.Key{1}); kindOf(err) != otp.Unavailable {
		t.Fatal(err)
	}
}

func newerSchema(t *testing.T, c *pgcluster.Cluster) {
	url := c.URL(t)
	if err := open(t, url).Close(); err != nil {
		t.Fatal(err)
	}
	exec(t, direct(t, url), "INSERT INTO schema_version (version) VALUES (9999)")
	_, err := postgres.Open(t.Context(), url, postgres.Options{})
	if !errors.Is(err, postgres.ErrNewer) {
		t.Fatal(err)
	}
}

func migrateOnce(t *testing.T, c *pgcluster.Cluster) {
	url := c.URL(t)
	var done sync.WaitGroup
	errs := make([]error, 6)
	for i := range errs {
		done.Go(func() {
			e, err := postgres.Open(context.Background(), url, postgres.Options{})
			if err == nil {
				err = e.Close()
			}
			errs[i] = err
		})
	}
	done.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	files, err := os.ReadDir("migrations")
	if err != nil {
		t.Fatal(err)
	}
	if n := number(t, direct(t, url), "SELECT count(*) FROM schema_version"); n != int64(len(files)) {
		t.Fatalf("%d migrations were noted, there are %d", n, len(files))
	}
}

func notDurable(t *testing.T, c *pgcluster.Cluster) {
	url := c.URL(t)
	conn := direct(t, url)
	exec(t, conn, "ALTER DATABASE "+conn.Config().Database+" SET synchronous_commit = off")
	if _, err := postgres.Open(t.Context(), url, postgres.Options{}); !errors.Is(err, postgres.ErrNotDurable) {
		t.Fatal(err)
	}
	e, err := postgres.Open(t.Context(), url, postgres.Options{AllowAsync: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
}
