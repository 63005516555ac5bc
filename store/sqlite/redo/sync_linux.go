package redo

import (
	"os"
	"syscall"
)

// syncData waits until what was written is on disk. The times of the file need
// not be, which spares the file system a commit of its own.
func syncData(f *os.File) error {
	for {
		if err := syscall.Fdatasync(int(f.Fd())); err != syscall.EINTR {
			return err
		}
	}
}
