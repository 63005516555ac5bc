package pgcluster

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The environment that decides where the tests run.
const (
	// EnvServer names a server to use in place of one of our own.
	EnvServer = "ALDABA_TEST_POSTGRES"
	// EnvRequire makes a missing server a failure and not a skip; so does CI.
	EnvRequire = "ALDABA_REQUIRE_POSTGRES"
)

// Start returns a server that lives as long as the test: one of our own, or
// the one that the environment names. Without either it skips the test, or fails
// it where a server is required.
func Start(tb testing.TB, opts Options) *Cluster {
	tb.Helper()
	c, err := start(opts)
	if errors.Is(err, ErrNoBinaries) {
		missing(tb, err)
	}
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(c.remove)
	return c
}

// StartOwn is [Start] for tests that stop the server: they never use one that
// is somebody else's.
func StartOwn(tb testing.TB, opts Options) *Cluster {
	tb.Helper()
	c, err := startOwn(opts)
	if errors.Is(err, ErrNoBinaries) {
		missing(tb, err)
	}
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(c.remove)
	return c
}

func missing(tb testing.TB, err error) {
	tb.Helper()
	if os.Getenv("CI") == "true" || os.Getenv(EnvRequire) == "1" {
		tb.Fatal(err)
	}
	tb.Skip(err)
}

// URL creates a fresh database and returns where it is. It is dropped at the
// end of the test.
func (c *Cluster) URL(tb testing.TB) string {
	tb.Helper()
	database, drop, err := c.CreateDatabase(tb.Context())
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := drop(context.Background()); err != nil {
			tb.Logf("the database stays: %v", err)
		}
	})
	return database
}

func start(opts Options) (*Cluster, error) {
	if database := os.Getenv(EnvServer); database != "" {
		return Join(database)
	}
	return startOwn(opts)
}

func startOwn(opts Options) (*Cluster, error) {
	sweep()
	dir, err := os.MkdirTemp("", prefix)
	if err != nil {
		return nil, err
	}
	c, err := StartAt(dir, opts)
	if err != nil {
		_ = os.RemoveAll(dir)
		return nil, err
	}
	return c, nil
}

const prefix = "aldaba-postgres-"

// sweep removes the folders of servers that ended without a clean-up, since
// their test was killed: a running server has a postmaster.pid.
func sweep() {
	folders, _ := filepath.Glob(filepath.Join(os.TempDir(), prefix+"*"))
	for _, folder := range folders {
		_, running := os.Stat(filepath.Join(folder, "postmaster.pid"))
		_, initialized := os.Stat(filepath.Join(folder, "postmaster.opts"))
		if running != nil && initialized == nil && strings.HasPrefix(filepath.Base(folder), prefix) {
			_ = os.RemoveAll(folder)
		}
	}
}

// remove ends a server of our own and deletes its folder.
func (c *Cluster) remove() {
	if !c.Owned() {
		return
	}
	_ = c.Stop()
	_ = c.spare.Close()
	_ = os.RemoveAll(c.dir)
}
