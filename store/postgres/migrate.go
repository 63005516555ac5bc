package postgres

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
)

// The files bear the schema version that they lead to: 0001_records.sql. A
// released file never changes.
//
//go:embed migrations/*.sql
var migrations embed.FS

// ErrNewer says that the database was migrated by a newer program, whose
// records this one might damage.
var ErrNewer = errors.New("postgres: the database's schema is newer than this program")

// ErrMissing says that the database has none of the tables where it must.
var ErrMissing = errors.New("postgres: the database has no tables of Aldaba: look whether the URL names the right one; " +
	"`aldaba serve`, and `aldaba apply` without --dry-run, make them")

// turnstile is the advisory lock under which servers migrate one after the
// other; the number is arbitrary ("aldaba" in ASCII).
const turnstile = 0x616c64616261

// migrate brings the schema up to date in one transaction, from nothing unless
// it must exist.
func migrate(ctx context.Context, conn *pgx.Conn, mustExist bool) error {
	err := pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error { return migrateIn(ctx, tx, mustExist) })
	switch {
	case errors.Is(err, ErrMissing):
		return err // it tells all
	case err != nil:
		return fmt.Errorf("postgres: migrate: %w", err)
	}
	return nil
}

func migrateIn(ctx context.Context, tx pgx.Tx, mustExist bool) error {
	// Another server may take its time; the caller's context bounds the wait.
	if _, err := tx.Exec(ctx, "SET LOCAL lock_timeout = 0"); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock($1)", int64(turnstile)); err != nil {
		return err
	}
	// A change must not queue behind a long query and stop all others meanwhile.
	if _, err := tx.Exec(ctx, "SET LOCAL lock_timeout = '2s'"); err != nil {
		return err
	}
	version, err := schemaVersion(ctx, tx)
	if err != nil {
		return err
	}
	if version == 0 && mustExist {
		return ErrMissing // which undoes the transaction, and with it the table of the version
	}
	files, err := migrations.ReadDir("migrations")
	if err != nil {
		return err
	}
	newest := 0
	for _, file := range files { // in the order of their names
		number, _, _ := strings.Cut(file.Name(), "_")
		if newest, err = strconv.Atoi(number); err != nil {
			return fmt.Errorf("%s: %w", file.Name(), err)
		}
		if newest > version {
			if err := apply(ctx, tx, file.Name(), newest); err != nil {
				return err
			}
		}
	}
	if version > newest {
		return fmt.Errorf("%w: it has version %d, this program knows %d", ErrNewer, version, newest)
	}
	return nil
}

// schemaVersion returns the number of the last migration, 0 for none.
func schemaVersion(ctx context.Context, tx pgx.Tx) (version int, err error) {
	var exists bool
	if err := tx.QueryRow(ctx, "SELECT to_regclass('schema_version') IS NOT NULL").Scan(&exists); err != nil {
		return 0, err
	}
	if !exists {
		_, err := tx.Exec(ctx, "CREATE TABLE schema_version (version integer PRIMARY KEY, applied timestamptz NOT NULL DEFAULT now())")
		return 0, err
	}
	err = tx.QueryRow(ctx, "SELECT coalesce(max(version), 0) FROM schema_version").Scan(&version)
	return version, err
}

func apply(ctx context.Context, tx pgx.Tx, name string, version int) error {
	text, err := migrations.ReadFile("migrations/" + name)
	if err != nil {
		return err
	}
	if _, err := tx.Conn().PgConn().Exec(ctx, string(text)).ReadAll(); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	_, err = tx.Exec(ctx, "INSERT INTO schema_version (version) VALUES ($1)", version)
	return err
}
