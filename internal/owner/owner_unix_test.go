//go:build unix

package owner_test

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/aldaba-otp/aldaba/internal/owner"
)

func TestANewFileGetsTheOwnerOfAnother(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	other := filepath.Join(dir, "other")
	if err := os.WriteFile(other, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	want := uint32(os.Geteuid())
	if want == 0 { // root alone can give files away
		want = 12345
		if err := os.Chown(other, 12345, 12345); err != nil {
			t.Fatal(err)
		}
	}
	for path, want := range map[string]uint32{other: want, filepath.Join(dir, "nothing"): uint32(os.Geteuid())} {
		file, err := os.CreateTemp(dir, "new")
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = file.Close() }()
		if err := owner.Keep(file, path); err != nil {
			t.Fatal(err)
		}
		info, err := file.Stat()
		if err != nil {
			t.Fatal(err)
		}
		if got := info.Sys().(*syscall.Stat_t).Uid; got != want {
			t.Errorf("%s: user %d has the new file, want %d", path, got, want)
		}
	}
}
