package sqlite_test

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/aldaba-otp/aldaba/otp"
	"github.com/aldaba-otp/aldaba/store"
	"github.com/aldaba-otp/aldaba/store/sqlite"
	"github.com/aldaba-otp/aldaba/store/storetest"
)

func TestEngine(t *testing.T) {
	t.Parallel()
	paths := make(chan map[store.Engine]string, 1) // where each engine keeps its file
	paths <- map[store.Engine]string{}
	open := func(t *testing.T, path string) store.Engine {
		e, err := sqlite.Open(context.Background(), path, sqlite.Options{Readers: 2})
		if err != nil {
			t.Fatal(err)
		}
		m := <-paths
		m[e] = path
		paths <- m
		return e
	}
	storetest.Run(t, func(t *testing.T) store.Engine { return open(t, filepath.Join(t.TempDir(), "a.db")) }, storetest.Options{
		Reopen: func(t *testing.T, e store.Engine) store.Engine {
			if err := e.Close(); err != nil {
				t.Fatal(err)
			}
			m := <-paths
			path := m[e]
			paths <- m
			return open(t, path)
		},
		Unstorable: func() otp.Contact {
			return otp.Contact{Key: otp.Key{1}, Tenant: "acme", ID: "1", Sealed: make([]byte, 17<<20)}
		},
		Rounds: 2,
	})
}
