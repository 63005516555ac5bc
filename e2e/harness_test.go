package e2e

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aldaba-otp/aldaba/app"
	"github.com/aldaba-otp/aldaba/otp"
	"github.com/aldaba-otp/aldaba/store/storetest/pgcluster"
)

// shared is the folder of what all tests use: the binary, a key ring, the
// PostgreSQL server.
var shared string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "aldaba-e2e-")
	if err != nil {
		panic(err)
	}
	shared = dir
	status := m.Run()
	if c := running.Load(); c != nil {
		_ = c.Stop()
	}
	_ = os.RemoveAll(dir)
	os.Exit(status)
}

// running is the PostgreSQL server, once a test has asked for it.
var running atomic.Pointer[pgcluster.Cluster]

var cluster = sync.OnceValues(func() (*pgcluster.Cluster, error) {
	if database := os.Getenv(pgcluster.EnvServer); database != "" {
		return pgcluster.Join(database)
	}
	if err := os.Chmod(shared, 0o711); err != nil { // it may run as another user
		return nil, err
	}
	c, err := pgcluster.StartAt(filepath.Join(shared, "postgres"), pgcluster.Options{})
	running.Store(c)
	return c, err
})

// postgres returns a fresh database that is dropped at the end of the test.
func postgres(t *testing.T) string {
	t.Helper()
	c, err := cluster()
	if errors.Is(err, pgcluster.ErrNoBinaries) && os.Getenv("CI") != "true" && os.Getenv(pgcluster.EnvRequire) != "1" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return c.URL(t)
}

// ringFile is a key ring for all servers: drawing RSA keys takes its time.
var ringFile = sync.OnceValues(func() (string, error) {
	path := filepath.Join(shared, "keys.json")
	return path, app.GenerateRing(path, time.Now())
})

// folder makes a data folder with a key ring.
func folder(t *testing.T) string {
	t.Helper()
	path, err := ringFile()
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "keys.json"), data, 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

// engine is one of the SQL engines.
type engine struct {
	name     string
	database func(t *testing.T) string // "" for SQLite in the data folder
}

var engines = []engine{
	{"sqlite", func(*testing.T) string { return "" }},
	{"postgres", postgres},
}

// onEach runs a test on each engine.
func onEach(t *testing.T, test func(t *testing.T, e engine)) {
	t.Helper()
	for _, e := range engines {
		t.Run(e.name, func(t *testing.T) {
			t.Parallel()
			test(t, e)
		})
	}
}

// server is one whole server in process.
type server struct {
	*client

	dev  *app.Dev
	data string
	stop func()
}

// start runs a server on an engine until the test ends.
func start(t *testing.T, e engine, apply ...string) *server {
	t.Helper()
	return run(t, app.DevOptions{Data: folder(t), Database: e.database(t), Apply: apply})
}

// pair runs two servers on one PostgreSQL database.
func pair(t *testing.T) [2]*server {
	t.Helper()
	o := app.DevOptions{Data: folder(t), Database: postgres(t)}
	return [2]*server{run(t, o), run(t, o)}
}

// run runs a server until the test or its stop ends it.
func run(t *testing.T, o app.DevOptions) *server {
	t.Helper()
	o.Listen = "127.0.0.1:0"
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	d, err := app.NewDev(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	var once sync.Once
	s := &server{dev: d, data: o.Data}
	s.stop = func() {
		once.Do(func() {
			ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
			defer cancel()
			if err := d.Stop(ctx); err != nil {
				t.Errorf("stop: %v", err)
			}
		})
	}
	t.Cleanup(s.stop)
	if err := d.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.client = newClient(t, "http://"+d.Addr())
	return s
}

// verification reads the stored form of a verification and of its destination.
func (s *server) verification(t *testing.T, native string) (v otp.Verification, d otp.Destination) {
	t.Helper()
	id, ok := otp.ParseID(native)
	if !ok {
		t.Fatalf("%q is no id", native)
	}
	err := s.dev.Store.Do(t.Context(), otp.Step{
		Load: otp.Keys{Verifications: []otp.ID{id}},
		Decide: func(_ time.Time, st *otp.State) error {
			v, ok = st.Verifications.Get(id)
			d, _ = st.Destinations.Get(v.Destination)
			return nil
		},
	})
	if err != nil || !ok {
		t.Fatalf("read %s: found %t, %v", native, ok, err)
	}
	return v, d
}

var numbers atomic.Int64

// fresh returns a number that no other test uses.
func fresh() string { return fmt.Sprintf("+1809%07d", 2_000_000+numbers.Add(1)) }

// eventually polls a condition.
func eventually(t *testing.T, within time.Duration, what string, condition func() bool) {
	t.Helper()
	limit := time.NewTimer(within)
	defer limit.Stop()
	look := time.NewTicker(10 * time.Millisecond)
	defer look.Stop()
	for !condition() {
		select {
		case <-limit.C:
			t.Fatalf("after %v still not: %s", within, what)
		case <-look.C:
		}
	}
}
