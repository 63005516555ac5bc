package sqlite

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"zombiezen.com/go/sqlite"

	"github.com/aldaba-otp/aldaba/otp"
	"github.com/aldaba-otp/aldaba/store"
	"github.com/aldaba-otp/aldaba/store/sqlite/redo"
)

// copyFiles takes what a crash would leave: each file as it is now, with no
// process to close it.
func copyFiles(t *testing.T, e *Engine, to string, suffixes ...string) {
	t.Helper()
	for _, suffix := range suffixes {
		from, err := os.Open(e.path + suffix)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		file, err := os.Create(filepath.Join(to, "a.db"+suffix))
		if err != nil {
			t.Fatal(err)
		}
		_, err = io.Copy(file, from)
		if err := errors.Join(err, file.Close(), from.Close()); err != nil {
			t.Fatal(err)
		}
	}
}

// filing works with the right to write the file.
func filing(t *testing.T, e *Engine, work func(context.Context) error) {
	t.Helper()
	if err := e.claim(context.Background()); err != nil {
		t.Fatal(err)
	}
	defer func() { e.filing <- struct{}{} }()
	if err := work(context.Background()); err != nil {
		t.Fatal(err)
	}
}

// contacts reads which of the contacts of putContact there are.
func contacts(t *testing.T, e *Engine) (found []byte) {
	t.Helper()
	all, err := e.ScanContacts(context.Background(), "", otp.Key{}, 1000)
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range all {
		found = append(found, x.Key[0])
	}
	return found
}

func reopened(t *testing.T, folder string) *Engine {
	t.Helper()
	e, err := Open(context.Background(), filepath.Join(folder, "a.db"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.Close() })
	return e
}

// TestThePowerGoesWhenTheFileIsOld puts together what stands on a disk when the
// power goes at the worst time: the file and SQLite's log as they were when the
// redo log began, since SQLite syncs neither on its own after that, and the redo
// log as it is at the last answer.
func TestThePowerGoesWhenTheFileIsOld(t *testing.T) {
	t.Parallel()
	e, w := openWriter(t)
	folder := t.TempDir()
	for n := range byte(20) {
		if n == 5 {
			filing(t, e, e.rest) // all of it is on disk now, and the log begins again
			copyFiles(t, e, folder, "", "-wal")
		}
		if err := putContact(w, n+1, 100); err != nil {
			t.Fatal(err)
		}
		if n%4 == 0 { // it reaches the file, but no disk for certain
			if err := e.flush(context.Background()); err != nil {
				t.Fatal(err)
			}
		}
	}
	copyFiles(t, e, folder, "-redo")
	got := contacts(t, reopened(t, folder))
	if want := contacts(t, e); !slices.Equal(got, want) || len(got) != 20 {
		t.Errorf("after the power came back there are %v, %v were acknowledged", got, want)
	}
}

// TestACrashAtAnyTimeLosesNothing copies all files again and again while batches
// are committed and written to the file.
func TestACrashAtAnyTimeLosesNothing(t *testing.T) {
	t.Parallel()
	e, w := openWriter(t)
	for n := range byte(60) {
		if err := putContact(w, n+1, 100); err != nil {
			t.Fatal(err)
		}
		switch n % 7 {
		case 2:
			if err := e.flush(context.Background()); err != nil {
				t.Fatal(err)
			}
		case 5:
			filing(t, e, e.renew)
		}
		folder := t.TempDir()
		copyFiles(t, e, folder, "", "-wal", "-redo")
		again := reopened(t, folder)
		if got := contacts(t, again); len(got) != int(n)+1 {
			t.Fatalf("after %d contacts a crash leaves %d", n+1, len(got))
		}
		if err := again.Integrity(context.Background()); err != nil {
			t.Error(err)
		}
	}
}

// TestTheLogOfAnotherHistoryIsLeftAlone restores an older file beside a younger
// redo log.
func TestTheLogOfAnotherHistoryIsLeftAlone(t *testing.T) {
	t.Parallel()
	e, w := openWriter(t)
	folder := t.TempDir()
	if err := putContact(w, 1, 100); err != nil {
		t.Fatal(err)
	}
	filing(t, e, e.rest)
	copyFiles(t, e, folder, "", "-wal")
	filing(t, e, e.renew)
	if err := putContact(w, 2, 100); err != nil {
		t.Fatal(err)
	}
	copyFiles(t, e, folder, "-redo")
	if got := contacts(t, reopened(t, folder)); !slices.Equal(got, []byte{1}) {
		t.Errorf("got %v", got)
	}
}

func TestAnOrderlyEndLeavesOneFile(t *testing.T) {
	t.Parallel()
	e, w := openWriter(t)
	if err := putContact(w, 1, 100); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	entries, err := os.ReadDir(filepath.Dir(e.path))
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		if info, err := entry.Info(); err != nil || info.Size() > 0 {
			names[entry.Name()] = true
		}
	}
	if want := map[string]bool{"a.db": true}; !maps.Equal(names, want) {
		t.Errorf("it left %v", names)
	}
}

// TestAFailureOfTheLogIsTheEnd: nobody can tell what a disk holds after a failed sync.
func TestAFailureOfTheLogIsTheEnd(t *testing.T) {
	t.Parallel()
	for err, want := range map[error]store.Class{
		fmt.Errorf("append: %w", redo.ErrSync):      store.Broken,
		fmt.Errorf("append: %w", redo.ErrMalformed): store.Broken,
		fmt.Errorf("append: %w", os.ErrClosed):      store.Down,
		fmt.Errorf("read: %w", store.ErrCorrupt):    store.Data,
	} {
		if got := classOf(err); got != want {
			t.Errorf("%v: class %v, not %v", err, got, want)
		}
	}
}

// TestConfigurationWaitsForTheDisk: documents and audit are not in the redo log,
// so SQLite syncs them itself (https://www.sqlite.org/pragma.html#pragma_synchronous).
func TestConfigurationWaitsForTheDisk(t *testing.T) {
	t.Parallel()
	e, _ := openWriter(t)
	setting := func(c *conn) (got string) {
		if err := c.rows("PRAGMA synchronous", nil, func(s *sqlite.Stmt) error {
			got = s.ColumnText(0)
			return nil
		}); err != nil {
			t.Error(err)
		}
		return got
	}
	if err := e.alone(context.Background(), func(c *conn) error {
		if got := setting(c); got != "2" {
			t.Errorf("synchronous is %s, not FULL", got)
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
	if err := e.alone(context.Background(), func(*conn) error { return os.ErrInvalid }); !errors.Is(err, os.ErrInvalid) {
		t.Errorf("got %v", err)
	}
	if err := e.claim(context.Background()); err != nil {
		t.Fatal(err)
	}
	defer func() { e.filing <- struct{}{} }()
	if got := setting(e.writer); got != "1" {
		t.Errorf("synchronous is %s between, not NORMAL", got)
	}
}

// TestABatchWaitsForTheFile when too much has gathered, for a bounded time.
func TestABatchWaitsForTheFile(t *testing.T) {
	t.Parallel()
	e, w := openWriter(t)
	if err := e.claim(context.Background()); err != nil {
		t.Fatal(err)
	}
	for n := range byte(2) {
		if err := putContact(w, n+1, layerLimit/2); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	var f *store.Failure
	if _, err := e.Begin(ctx, otp.Keys{}); !errors.As(err, &f) || f.Class != store.Down {
		t.Errorf("a batch that nobody can take in got %v", err)
	}
	var done sync.WaitGroup
	done.Go(func() {
		if err := putContact(w, 9, 1); err != nil {
			t.Errorf("the batch that waited: %v", err)
		}
	})
	e.filing <- struct{}{}
	done.Wait()
	if got := contacts(t, e); len(got) != 3 {
		t.Errorf("there are %v", got)
	}
}

// TestReadsSeeWhatIsInNoFile reads single records, a journal and a deletion while
// the file is not written.
func TestReadsSeeWhatIsInNoFile(t *testing.T) {
	t.Parallel()
	e, w := openWriter(t)
	ctx := context.Background()
	id := otp.ID{1}
	put := func(status otp.Status, n int) {
		t.Helper()
		if err := w.Do(ctx, otp.Step{Load: otp.Keys{Verifications: []otp.ID{id}}, Decide: func(at time.Time, s *otp.State) error {
			s.Verifications.Put(id, otp.Verification{ID: id, Status: status, Events: n})
			s.Journal(otp.Event{Verification: id, N: n, At: at, Kind: otp.EventStarted})
			return nil
		}}); err != nil {
			t.Fatal(err)
		}
	}
	check := func(when string, status otp.Status, events int) {
		t.Helper()
		found, err := e.Verifications(ctx, id)
		if err != nil || len(found) != 1 || found[0].Status != status {
			t.Errorf("%s: %+v, %v", when, found, err)
		}
		journal, err := e.Events(ctx, id)
		if err != nil || len(journal) != events {
			t.Errorf("%s: events %+v, %v", when, journal, err)
		}
	}
	put(otp.Pending, 1)
	if err := e.flush(ctx); err != nil {
		t.Fatal(err)
	}
	if err := e.claim(ctx); err != nil { // from here on nothing reaches the file
		t.Fatal(err)
	}
	put(otp.Pending, 2)
	e.mu.Lock()
	e.lower, e.upper = e.upper, newLayer() // as while it is being written
	e.mu.Unlock()
	put(otp.Approved, 3)
	check("in file and both layers", otp.Approved, 3)
	if err := w.Do(ctx, otp.Step{Load: otp.Keys{Verifications: []otp.ID{id}}, Decide: func(_ time.Time, s *otp.State) error {
		s.Verifications.Delete(id)
		s.DropJournal(id)
		return nil
	}}); err != nil {
		t.Fatal(err)
	}
	for _, when := range []string{"deleted above", "deleted in the file"} {
		found, err := e.Verifications(ctx, id)
		journal, other := e.Events(ctx, id)
		if len(found)+len(journal) > 0 || err != nil || other != nil {
			t.Errorf("%s: %+v, %+v, %v, %v", when, found, journal, err, other)
		}
		if when == "deleted above" {
			e.filing <- struct{}{}
			if err := e.flush(ctx); err != nil {
				t.Fatal(err)
			}
		}
	}
}
