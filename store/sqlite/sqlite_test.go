package sqlite_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	driver "zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/aldaba-otp/aldaba/otp"
	"github.com/aldaba-otp/aldaba/store"
	"github.com/aldaba-otp/aldaba/store/sqlite"
	"github.com/aldaba-otp/aldaba/store/storetest"
)

func TestEngine(t *testing.T) {
	t.Parallel()
	paths := make(chan map[store.Engine]string, 1) // where each engine keeps its file
	paths <- map[store.Engine]string{}
	open := func(t *testing.T, path string) store.Engine {
		e, err := sqlite.Open(context.Background(), path, sqlite.Options{Readers: 2})
		if err != nil {
			t.Fatal(err)
		}
		m := <-paths
		m[e] = path
		paths <- m
		return e
	}
	storetest.Run(t, func(t *testing.T) store.Engine { return open(t, filepath.Join(t.TempDir(), "a.db")) }, storetest.Options{
		Reopen: func(t *testing.T, e store.Engine) store.Engine {
			if err := e.Close(); err != nil {
				t.Fatal(err)
			}
			m := <-paths
			path := m[e]
			paths <- m
			return open(t, path)
		},
		AtRest: func(t *testing.T, e store.Engine) (all, live []byte) {
			m := <-paths
			path := m[e]
			paths <- m
			all = append(read(t, path), read(t, path+"-wal")...)
			if err := e.Close(); err != nil {
				t.Fatal(err)
			}
			live = read(t, path)
			return append(all, live...), live
		},
		Unstorable: func() otp.Contact {
			return otp.Contact{Key: otp.Key{1}, Tenant: "acme", ID: "1", Sealed: make([]byte, 17<<20)}
		},
		Rounds: 2,
	})
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func openAt(t *testing.T, path string) (*sqlite.Engine, error) {
	t.Helper()
	e, err := sqlite.Open(context.Background(), path, sqlite.Options{Readers: 1})
	if err == nil {
		t.Cleanup(func() { _ = e.Close() })
	}
	return e, err
}

// shell runs statements on a file that no engine has open.
func shell(t *testing.T, path, script string) {
	t.Helper()
	c, err := driver.OpenConn(path, driver.OpenReadWrite, driver.OpenCreate)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := sqlitex.ExecScript(c, script); err != nil {
		t.Fatal(err)
	}
}

// closed makes a database that was closed properly.
func closed(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "a.db")
	e, err := openAt(t, path)
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestSecondOpenIsRefusedUnderAnyName(t *testing.T) {
	t.Parallel()
	path := closed(t)
	if _, err := openAt(t, path); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(t.TempDir(), "link.db")
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{path, link} {
		if _, err := openAt(t, name); !errors.Is(err, sqlite.ErrLocked) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestFileIsReadableByItsOwnerOnly(t *testing.T) {
	t.Parallel()
	path := closed(t)
	if _, err := openAt(t, path); err != nil {
		t.Fatal(err)
	}
	for _, suffix := range []string{"", "-wal", ".lock"} {
		info, err := os.Stat(path + suffix)
		if err != nil {
			t.Fatal(err)
		}
		if mode := info.Mode().Perm(); mode != 0o600 {
			t.Errorf("%q: mode %o", suffix, mode)
		}
	}
}

func TestNewerDatabaseIsRefused(t *testing.T) {
	t.Parallel()
	path := closed(t)
	shell(t, path, "INSERT INTO migration VALUES (9999, 'later');")
	if _, err := openAt(t, path); !errors.Is(err, sqlite.ErrNewer) {
		t.Errorf("got %v", err)
	}
}

// firstVersion makes a file with the first migration alone.
func firstVersion(t *testing.T) string {
	t.Helper()
	path, first := filepath.Join(t.TempDir(), "a.db"), storetest.First(t)
	text, err := os.ReadFile("migrations/0001_records.sql")
	if err != nil {
		t.Fatal(err)
	}
	v, m, h := first.Verification, first.Message, first.Handle
	shell(t, path, string(text)+fmt.Sprintf(`
		PRAGMA application_id = 0x414c4442;
		CREATE TABLE migration (version INTEGER PRIMARY KEY, name TEXT NOT NULL) STRICT;
		INSERT INTO migration VALUES (1, '0001_records.sql');
		INSERT INTO verification VALUES (x'%x', x'%x', x'%x', %d, %d, %d, %d, %d, %d, 0, %d, x'%x', x'%x');
		INSERT INTO message VALUES (x'%x', x'%x', x'%x', %d, x'%x', %d, %d, %d, x'%x', %d, %d, %d);
		INSERT INTO handle VALUES (x'%x', x'%x');`,
		v.ID[:], v.Tenant, v.Destination[:], v.Status, v.Attempts, v.Generation, v.Sends, store.Micros(v.LastSent),
		store.Micros(v.Expires), v.Events, v.Secret, first.Spec,
		m.ID[:], m.Tenant, m.Verification[:], m.Kind, string(m.Channel), store.Micros(m.Created), store.Micros(m.Expires),
		store.Micros(m.NextAt), m.Owner[:], m.Attempt, m.Copies, m.FirstEvent,
		h.Key[:], h.Verification[:]))
	return path
}

func TestDatabaseOfTheFirstVersionIsBroughtUpToDate(t *testing.T) {
	t.Parallel()
	path := firstVersion(t)
	storetest.Upgrade(t, func() store.Engine {
		e, err := openAt(t, path)
		if err != nil {
			t.Fatal(err)
		}
		return e
	})
}

func TestDatabaseOfAnotherProgramIsRefused(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "a.db")
	shell(t, path, "CREATE TABLE person (name TEXT);")
	if _, err := openAt(t, path); !errors.Is(err, sqlite.ErrForeign) {
		t.Errorf("got %v", err)
	}
	text := filepath.Join(t.TempDir(), "b.db")
	if err := os.WriteFile(text, []byte(strings.Repeat("this is no database\n", 500)), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := openAt(t, text); !errors.Is(err, sqlite.ErrForeign) {
		t.Errorf("got %v", err)
	}
}

func TestDamageIsFoundAfterAnUncleanEnd(t *testing.T) {
	t.Parallel()
	path := closed(t)
	shell(t, path, "UPDATE meta SET value = 0 WHERE name = 'clean';")
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt([]byte(strings.Repeat("damage", 680)), 6*4096); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := openAt(t, path); !errors.Is(err, sqlite.ErrDamaged) {
		t.Errorf("got %v", err)
	}
}

// TestADeletedDocumentLeavesNoBytes: a tenant's or a provider's may hold secrets.
func TestADeletedDocumentLeavesNoBytes(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "a.db")
	e, err := openAt(t, path)
	if err != nil {
		t.Fatal(err)
	}
	const mark = "a carrier's secret, sealed"
	long := strings.Repeat(mark, 1000) // on pages of its own
	version := int64(0)
	for _, docs := range [][]store.Document{
		{{Kind: "provider", Name: "carrier", Body: []byte(long)}, {Kind: "provider", Name: "other", Body: []byte(mark)}},
		{{Kind: "provider", Name: "carrier"}, {Kind: "provider", Name: "other", Body: []byte("{}")}},
	} {
		if version, err = e.WriteDocuments(t.Context(), version, docs); err != nil {
			t.Fatal(err)
		}
	}
	if docs, _, err := e.ReadDocuments(t.Context()); err != nil || len(docs) != 1 || docs[0].Name != "other" {
		t.Errorf("left are %v, %v", docs, err)
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(read(t, path)), mark) {
		t.Error("the file holds what was deleted")
	}
}
