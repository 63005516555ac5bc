package app

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/aldaba-otp/aldaba/internal/owner"
	"github.com/aldaba-otp/aldaba/otp"
)

// ringFile is the key ring and the file that it came from.
type ringFile struct {
	path string
	mu   sync.Mutex
	seen time.Time
	size int64
	ring *otp.Ring
}

// readRing reads a ring; the error says how to make one.
func readRing(path string) (*ringFile, error) {
	if path == "" {
		return nil, errors.New("a server needs a key ring: make one with `aldaba key generate`, and name its file as `keys`")
	}
	f := &ringFile{path: path}
	if _, err := f.changed(); err != nil {
		return nil, err
	}
	return f, nil
}

// changed reads the file when it differs from the last look; nil means that it
// does not.
func (f *ringFile) changed() (*otp.Ring, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	info, err := os.Stat(f.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("there is no key ring at %s: make one with `aldaba key generate --out %s`", f.path, f.path)
	}
	if err != nil {
		return nil, fmt.Errorf("key ring: %w", err)
	}
	if info.ModTime().Equal(f.seen) && info.Size() == f.size {
		return nil, nil
	}
	data, err := os.ReadFile(f.path)
	if err != nil {
		return nil, fmt.Errorf("key ring: %w", err)
	}
	ring, err := otp.ParseRing(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.path, err)
	}
	f.seen, f.size, f.ring = info.ModTime(), info.Size(), ring
	return ring, nil
}

// forget makes the next look read the file in any case.
func (f *ringFile) forget() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.seen = time.Time{}
}

// GenerateRing makes a new ring file. It never overwrites one: that would make
// everything sealed under it unreadable.
func GenerateRing(path string, now time.Time) error {
	ring, err := otp.NewRing(now, rand.Reader)
	if err != nil {
		return err
	}
	data, err := ring.MarshalJSON()
	if err != nil {
		return err
	}
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s exists already; a key ring is never overwritten (use `aldaba key rotate`)", path)
	}
	if err != nil {
		return err
	}
	_, err = file.Write(append(data, '\n'))
	return errors.Join(err, file.Sync(), file.Close())
}

// rotatingUses are the uses that rotate when none is named.
func rotatingUses() []otp.Use { return []otp.Use{otp.UseCode, otp.UseSeal, otp.UseSign} }

// RotateRing adds a key for each use to a ring file. Servers use it a minute
// later, or at once.
func RotateRing(path string, now time.Time, atOnce bool, uses ...otp.Use) (*otp.Ring, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	ring, err := otp.ParseRing(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if len(uses) == 0 {
		uses = rotatingUses()
	}
	if ring, err = ring.Rotate(now, rand.Reader, atOnce, uses...); err != nil {
		return nil, err
	}
	if data, err = ring.MarshalJSON(); err != nil {
		return nil, err
	}
	return ring, replaceFile(path, append(data, '\n'))
}

// replaceFile writes beside the file and renames, so that no reader meets half
// a ring.
func replaceFile(path string, data []byte) error {
	file, err := os.CreateTemp(filepath.Dir(path), ".keys-*")
	if err != nil {
		return err
	}
	_, err = file.Write(data)
	err = errors.Join(err, file.Chmod(0o600), owner.Keep(file, path), file.Sync(), file.Close())
	if err == nil {
		err = os.Rename(file.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(file.Name()))
	}
	return nil
}
