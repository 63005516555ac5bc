package sqlite

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/aldaba-otp/aldaba/internal/owner"
)

// ErrMissing says that there is no database where one must be.
var ErrMissing = errors.New("sqlite: there is no database")

// missing names the file that is none yet.
func missing(path string) error {
	if full, err := filepath.Abs(path); err == nil {
		path = full
	}
	return fmt.Errorf("%w at %s: look whether the path is right; `aldaba serve`, and `aldaba apply` without --dry-run, make a new one", ErrMissing, path)
}

// create makes sure that the file exists, readable by its owner only, and
// returns its one true path, so that two names of one file share a lock.
func create(path string, mustExist bool) (string, error) {
	if mustExist {
		// A file without a byte was never a database; see also [Engine.prepare].
		if info, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) || err == nil && info.Size() == 0 {
			return "", missing(path)
		}
	} else if err := provide(path, filepath.Dir(path)); err != nil {
		return "", err
	}
	flags := os.O_RDWR
	if !mustExist {
		flags |= os.O_CREATE // what a symbolic link leads to
	}
	f, err := os.OpenFile(path, flags, 0o600)
	if err != nil {
		return "", denied(err)
	}
	// Closing it here is safe only because SQLite has not opened it yet: a
	// close drops all POSIX locks that the process holds on the file.
	if err := f.Close(); err != nil {
		return "", fmt.Errorf("sqlite: %w", err)
	}
	if path, err = filepath.EvalSymlinks(path); err != nil {
		return "", fmt.Errorf("sqlite: %w", err)
	}
	if path, err = filepath.Abs(path); err != nil {
		return "", fmt.Errorf("sqlite: %w", err)
	}
	return path, syncFolder(filepath.Dir(path))
}

// provide makes a file unless it is there. What root makes gets the owner of
// another file or folder: a command run by root must not leave something that
// keeps the server's own user out. SQLite does the same with its files. Only
// what was made here is given away, never what stood at the path before: its
// folder may belong to somebody else.
func provide(path, like string) error {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return denied(err)
	}
	if os.Geteuid() == 0 {
		_ = owner.Keep(f, like) // some file systems have no owners; whoever may not open it is told so
	}
	if err := f.Close(); err != nil {
		return fmt.Errorf("sqlite: %w", err)
	}
	return nil
}

// denied tells what to do about a file that may not be opened.
func denied(err error) error {
	if errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("sqlite: %w: the database and the files beside it must belong to the user who opens them; give them back with chown", err)
	}
	return fmt.Errorf("sqlite: %w", err)
}
