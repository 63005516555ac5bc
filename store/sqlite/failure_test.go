package sqlite

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/aldaba-otp/aldaba/otp"
	"github.com/aldaba-otp/aldaba/store"
)

// putContact stores a contact of some size.
func putContact(w otp.Store, n byte, size int) error {
	key := otp.Key{n}
	return w.Do(context.Background(), otp.Step{Decide: func(_ time.Time, s *otp.State) error {
		s.Contacts.Put(key, otp.Contact{Key: key, Sealed: make([]byte, size)})
		return nil
	}})
}

func openWriter(t testing.TB) (*Engine, *store.Writer) {
	t.Helper()
	e, err := Open(context.Background(), filepath.Join(t.TempDir(), "a.db"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	w := store.NewWriter(e, store.Options{})
	t.Cleanup(func() { _ = w.Close() })
	return e, w
}

// TestFullDiskIsUnavailableUntilThereIsRoom lets SQLite meet its own limit of
// pages, which it reports as it reports a full disk. What was acknowledged by then
// stands in the redo log and is not lost.
func TestFullDiskIsUnavailableUntilThereIsRoom(t *testing.T) {
	t.Parallel()
	e, w := openWriter(t)
	limit := func(pages string) {
		<-e.filing
		defer func() { e.filing <- struct{}{} }()
		if err := e.writer.run("PRAGMA max_page_count = " + pages); err != nil {
			t.Error(err)
		}
	}
	limit("40")
	if err := putContact(w, 1, 1<<20); err != nil {
		t.Fatal(err)
	}
	var f *store.Failure
	if err := e.flush(context.Background()); !errors.As(err, &f) || f.Class != store.Down {
		t.Fatalf("got %v", err)
	}
	if err := putContact(w, 2, 100); otp.KindOf(err) != otp.Unavailable {
		t.Errorf("a batch when the file takes no more: %v", err)
	}
	if err := e.Ping(context.Background()); err == nil {
		t.Error("it answers a ping")
	}
	if _, err := e.ScanContacts(context.Background(), "", otp.Key{}, 10); err == nil {
		t.Error("a scan that cannot see what was acknowledged was answered")
	}
	limit("100000")
	if err := e.flush(context.Background()); err != nil {
		t.Fatal(err)
	}
	if err := putContact(w, 2, 100); err != nil {
		t.Errorf("with room again: %v", err)
	}
	if err := e.Ping(context.Background()); err != nil {
		t.Errorf("with room again a ping gets %v", err)
	}
	if got := contacts(t, e); len(got) != 2 {
		t.Errorf("there are %v", got)
	}
}

func TestBrokenEngineTakesNoMoreWrites(t *testing.T) {
	t.Parallel()
	e, w := openWriter(t)
	e.broken.Store(&store.Failure{Class: store.Broken, Cause: errors.New("fsync")})
	if err := putContact(w, 1, 1); otp.AsError(err) == nil || otp.KindOf(err) != otp.Unavailable {
		t.Errorf("got %v", err)
	}
	if _, err := e.WriteDocuments(context.Background(), 0, nil); err == nil {
		t.Error("documents were written")
	}
	if err := e.Ping(context.Background()); err == nil {
		t.Error("it answers a ping")
	}
}

func TestVersionsAreCompared(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{"3.51.3": false, "3.53.4": false, "4.0": false, "3.51.2": true, "3.9.99": true, "3.51": true, "": true} {
		if got := older(text, 3, 51, 3); got != want {
			t.Errorf("%q: %v", text, got)
		}
	}
}

// TestLogStartsAgain writes 90 MB in batches of 10 and proves that the log has
// been used over again.
func TestLogStartsAgain(t *testing.T) {
	t.Parallel()
	e, w := openWriter(t)
	for n := range byte(9) {
		if err := putContact(w, n, 10<<20); err != nil {
			t.Fatal(err)
		}
	}
	filing(t, e, e.rest)
	info, err := os.Stat(e.path + "-wal")
	if err != nil {
		t.Fatal(err)
	}
	if size := info.Size() >> 20; size > 70 {
		t.Errorf("the log has %d MB", size)
	}
}
