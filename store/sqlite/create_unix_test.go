//go:build unix

package sqlite_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestWhatRootMakesBelongsToTheDatabasesOwner keeps a command of root from
// locking the server's user out.
func TestWhatRootMakesBelongsToTheDatabasesOwner(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("only root can make files for others")
	}
	const user = 12345
	restored := closed(t)
	for _, name := range []string{restored + ".lock", restored + "-redo"} {
		if err := os.Remove(name); err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
	}
	fresh := filepath.Join(t.TempDir(), "a.db")
	for _, owned := range []string{restored, filepath.Dir(fresh)} {
		if err := os.Chown(owned, user, user); err != nil {
			t.Fatal(err)
		}
	}
	for _, path := range []string{restored, fresh} {
		if _, err := openAt(t, path); err != nil {
			t.Fatal(err)
		}
		for _, end := range []string{"", ".lock", "-redo", "-wal", "-shm"} {
			info, err := os.Stat(path + end)
			if err != nil {
				t.Fatal(err)
			}
			if is := info.Sys().(*syscall.Stat_t); is.Uid != user || is.Gid != user {
				t.Errorf("%s%s belongs to %d:%d", filepath.Base(path), end, is.Uid, is.Gid)
			}
		}
	}
}

// TestALinkGivesNothingAway is the folder of somebody else, in which root opens a
// database: what stood there before keeps its owner.
func TestALinkGivesNothingAway(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("only root can give files away")
	}
	path, roots := closed(t), filepath.Join(t.TempDir(), "roots")
	if err := errors.Join(os.Chown(path, 12345, 12345), os.Remove(path+".lock"), os.WriteFile(roots, nil, 0o600), os.Symlink(roots, path+".lock")); err != nil {
		t.Fatal(err)
	}
	if _, err := openAt(t, path); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(roots)
	if err != nil {
		t.Fatal(err)
	}
	if is := info.Sys().(*syscall.Stat_t); is.Uid != 0 {
		t.Errorf("a link's target now belongs to %d", is.Uid)
	}
}

func TestAFileOfSomebodyElseIsToldWithTheRemedy(t *testing.T) {
	t.Parallel()
	if os.Geteuid() == 0 {
		t.Skip("nothing is forbidden to root")
	}
	path := closed(t)
	if err := os.Chmod(path+".lock", 0); err != nil {
		t.Fatal(err)
	}
	if _, err := openAt(t, path); err == nil || !strings.Contains(err.Error(), "give them back with chown") {
		t.Errorf("got %v", err)
	}
}
