package postgres_test

import (
	"context"
	"sync"
	"testing"

	"github.com/aldaba-otp/aldaba/store"
	"github.com/aldaba-otp/aldaba/store/postgres"
	"github.com/aldaba-otp/aldaba/store/storetest"
	"github.com/aldaba-otp/aldaba/store/storetest/pgcluster"
)

const writers = 2

// TestSuite proves what every engine has to, with two writers a server and two
// servers on one database.
func TestSuite(t *testing.T) {
	t.Parallel()
	cluster := pgcluster.Start(t, pgcluster.Options{})
	var urls sync.Map // where each engine's database is
	openAt := func(t *testing.T, url string) store.Engine {
		e := open(t, url)
		urls.Store(e, url)
		return e
	}
	urlOf := func(e store.Engine) string {
		url, _ := urls.Load(e)
		return url.(string)
	}
	storetest.Run(t, func(t *testing.T) store.Engine { return openAt(t, cluster.URL(t)) }, storetest.Options{
		Writers: writers,
		Reopen: func(t *testing.T, e store.Engine) store.Engine {
			if err := e.Close(); err != nil {
				t.Fatal(err)
			}
			return openAt(t, urlOf(e))
		},
		Second: func(t *testing.T, e store.Engine) store.Engine { return openAt(t, urlOf(e)) },
	})
}

// open opens an engine; whoever gets it closes it.
func open(tb testing.TB, url string) *postgres.Engine {
	tb.Helper()
	e, err := postgres.Open(context.Background(), url, postgres.Options{Writers: writers})
	if err != nil {
		tb.Fatal(err)
	}
	return e
}
