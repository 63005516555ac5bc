package sqlite_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aldaba-otp/aldaba/store/sqlite"
)

func TestADatabaseThatMustExistIsNotMade(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	empty, bare := filepath.Join(dir, "empty.db"), filepath.Join(dir, "bare.db")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	shell(t, bare, "PRAGMA user_version = 1") // a file of SQLite without a table
	for _, path := range []string{filepath.Join(dir, "missing.db"), filepath.Join(dir, "no", "missing.db"), empty, bare} {
		_, err := sqlite.Open(context.Background(), path, sqlite.Options{MustExist: true})
		if !errors.Is(err, sqlite.ErrMissing) || !strings.Contains(err.Error(), path+": ") {
			t.Errorf("%s: %v", path, err)
		}
	}
	for _, path := range []string{"missing.db", "missing.db.lock", "empty.db.lock"} {
		if _, err := os.Stat(filepath.Join(dir, path)); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s was made (%v)", path, err)
		}
	}
	e, err := sqlite.Open(context.Background(), closed(t), sqlite.Options{MustExist: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Close(); err != nil {
		t.Error(err)
	}
}

// TestAFirstStartThatEndedAtOnceIsNoForeignFile: the next one goes on.
func TestAFirstStartThatEndedAtOnceIsNoForeignFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "a.db")
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := sqlite.Open(ctx, path, sqlite.Options{}); !errors.Is(err, context.Canceled) {
		t.Fatalf("a start that was told to end: %v", err)
	}
	if _, err := sqlite.Open(context.Background(), path, sqlite.Options{MustExist: true}); !errors.Is(err, sqlite.ErrMissing) {
		t.Errorf("as a database that must exist: %v", err)
	}
	e, err := sqlite.Open(context.Background(), path, sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Close(); err != nil {
		t.Error(err)
	}
	foreign := filepath.Join(t.TempDir(), "foreign.db")
	shell(t, foreign, "CREATE TABLE migration (version INTEGER, name TEXT); INSERT INTO migration VALUES (1, 'theirs')")
	if _, err := sqlite.Open(context.Background(), foreign, sqlite.Options{}); !errors.Is(err, sqlite.ErrForeign) {
		t.Errorf("another program's migrations: %v", err)
	}
}
