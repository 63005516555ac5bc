package app

import (
	"path/filepath"
	"testing"
)

func TestDevOnANamedSQLiteFileStartsAgain(t *testing.T) {
	t.Parallel()
	o := DevOptions{Listen: "127.0.0.1:0", Database: "sqlite:" + filepath.Join(t.TempDir(), "dev.db")}
	for range 2 {
		d, err := NewDev(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		if err := d.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := d.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}
