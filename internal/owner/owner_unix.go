//go:build unix

package owner

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
)

// Keep gives a new file the owner of what stands at a path, unless it has that
// owner already or nothing stands there.
func Keep(file *os.File, path string) error {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	owner, ok := info.Sys().(*syscall.Stat_t)
	if !ok || int(owner.Uid) == os.Geteuid() && int(owner.Gid) == os.Getegid() {
		return nil
	}
	return file.Chown(int(owner.Uid), int(owner.Gid))
}
