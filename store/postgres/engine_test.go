package postgres_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

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
		AtRest: func(t *testing.T, e store.Engine) (all, live []byte) {
			if err := e.Close(); err != nil {
				t.Fatal(err)
			}
			return atRest(t, cluster, urlOf(e))
		},
		Second: func(t *testing.T, e store.Engine) store.Engine { return openAt(t, urlOf(e)) },
	})
}

// atRest reads the files of a database and the log of its server, after what is
// dead in the tables was cleaned away. A file of before is read too.
func atRest(t *testing.T, cluster *pgcluster.Cluster, url string) (all, live []byte) {
	t.Helper()
	dir := cluster.Dir()
	if dir == "" {
		return nil, nil
	}
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.Background()) }()
	var oid string
	if err := conn.QueryRow(t.Context(), "SELECT oid::text FROM pg_database WHERE datname = current_database()").Scan(&oid); err != nil {
		t.Fatal(err)
	}
	tables := filepath.Join(dir, "base", oid)
	run := func(sql string) {
		if _, err := conn.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	run("CHECKPOINT")
	all = append(files(t, tables), files(t, filepath.Join(dir, "pg_wal"))...)
	run("VACUUM FULL")
	run("CHECKPOINT")
	live = files(t, tables)
	return append(all, live...), live
}

// files reads all files of a folder, one after the other.
func files(t *testing.T, folder string) (all []byte) {
	t.Helper()
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		if !entry.Type().IsRegular() {
			continue
		}
		data, err := os.ReadFile(filepath.Join(folder, entry.Name()))
		if errors.Is(err, fs.ErrNotExist) { // a segment of the log that the server has just dropped
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, data...)
	}
	return all
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

func TestADatabaseThatMustExistIsNotMade(t *testing.T) {
	t.Parallel()
	url := pgcluster.Start(t, pgcluster.Options{}).URL(t)
	_, err := postgres.Open(t.Context(), url, postgres.Options{MustExist: true})
	if !errors.Is(err, postgres.ErrMissing) {
		t.Errorf("an empty database: %v", err)
	}
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.Background()) }()
	tables := -1
	if err := conn.QueryRow(t.Context(), "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").Scan(&tables); err != nil || tables != 0 {
		t.Errorf("%d tables were made, %v", tables, err)
	}
	if err := open(t, url).Close(); err != nil {
		t.Fatal(err)
	}
	e, err := postgres.Open(t.Context(), url, postgres.Options{MustExist: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Close(); err != nil {
		t.Error(err)
	}
}
