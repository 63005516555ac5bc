package redo

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// TestAppendWaitsForTheDisk counts the syncs: only the machine's end would show
// that one is missing.
func TestAppendWaitsForTheDisk(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "log")
	l, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	l.Begin(1)
	synced := []int64(nil) // the numbers of the records that stood in the file by then
	l.sync = func(file *os.File) error {
		r, n := NewReader(file, 1), int64(0)
		for {
			if _, err := r.Next(); err != nil {
				break
			}
			n++
		}
		synced = append(synced, n)
		return syncData(file)
	}
	for n := range int64(3) {
		l.End("a")
		if err := l.Append(); err != nil {
			t.Fatal(err)
		}
		if int64(len(synced)) != n+1 || synced[n] != n+1 {
			t.Errorf("record %d: at the syncs so far the file had %v", n+1, synced)
		}
	}
}

func TestAFailedSyncLeavesDoubt(t *testing.T) {
	t.Parallel()
	l, err := Open(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	l.Begin(1)
	l.sync = func(*os.File) error { return errors.New("I/O error") }
	l.End("a")
	if err := l.Append(); !errors.Is(err, ErrSync) || l.Number() != 0 {
		t.Errorf("got %v, and record %d", err, l.Number())
	}
}

func TestWhatCannotBeWrittenIsNotAppended(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "log")
	l, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	l.Begin(1)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	l.End("a")
	if err := l.Append(); err == nil || errors.Is(err, ErrSync) || l.Number() != 0 {
		t.Errorf("got %v, and record %d", err, l.Number())
	}
}

func TestASyncThatFailsIsToldOf(t *testing.T) {
	t.Parallel()
	file, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	if err := syncData(file); err != nil {
		t.Errorf("an open file: %v", err)
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	if err := syncData(file); err == nil {
		t.Error("a closed file was synced")
	}
}
