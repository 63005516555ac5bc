package sqlite

import (
	"context"
	"embed"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"
)

//go:embed migrations/*.sql
var migrations embed.FS

// applicationID marks the file as ours, for tools and for ErrForeign.
const applicationID = 0x414c4442 // "ALDB"

// identify refuses files of others and tells whether the last process that
// used the file closed it, and whether nothing is in it yet.
func (c *conn) identify() (clean, empty bool, err error) {
	var id, tables, value int64
	get := func(sql string, to *int64) {
		if err == nil {
			err = c.rows(sql, nil, func(s *sqlite.Stmt) error {
				*to = s.ColumnInt64(0)
				return nil
			})
		}
	}
	get("PRAGMA application_id", &id)
	get("SELECT count(*) FROM sqlite_schema", &tables)
	if begun := int64(0); tables == 1 && id == 0 {
		// A first start that ended before its first file leaves that, see migrate.
		get("SELECT count(*) FROM sqlite_schema WHERE name = 'migration'", &begun)
		if begun == 1 {
			get("SELECT count(*) FROM migration", &tables)
		}
	}
	if err != nil {
		if code := sqlite.ErrCode(err).ToPrimary(); code == sqlite.ResultCorrupt || code == sqlite.ResultNotADB {
			return false, false, fmt.Errorf("%w: %w", ErrDamaged, err)
		}
		return false, false, err
	}
	if tables == 0 {
		return true, true, nil
	}
	if id != applicationID {
		return false, false, ErrForeign
	}
	get("SELECT value FROM meta WHERE name = 'clean'", &value)
	return value == 1, false, err
}

// migrate runs the files that the database has not seen, each in a
// transaction of its own. Files are never changed once released.
func (c *conn) migrate(ctx context.Context) error {
	if err := c.run("CREATE TABLE IF NOT EXISTS migration (version INTEGER PRIMARY KEY, name TEXT NOT NULL) STRICT"); err != nil {
		return err
	}
	have := int64(0)
	if err := c.rows("SELECT coalesce(max(version), 0) FROM migration", nil, func(s *sqlite.Stmt) error {
		have = s.ColumnInt64(0)
		return nil
	}); err != nil {
		return err
	}
	files, err := fs.Glob(migrations, "migrations/*.sql") // in the order of their names
	if err != nil {
		return err
	}
	if have > int64(len(files)) {
		return fmt.Errorf("%w: its tables are at version %d, this program knows %d", ErrNewer, have, len(files))
	}
	for _, file := range files[have:] {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := c.apply(file); err != nil {
			return fmt.Errorf("sqlite: %s: %w", file, err)
		}
	}
	return nil
}

// apply runs one migration file.
func (c *conn) apply(file string) (err error) {
	text, err := migrations.ReadFile(file)
	if err != nil {
		return err
	}
	base := strings.TrimPrefix(file, "migrations/")
	version, err := strconv.ParseInt(base[:4], 10, 64)
	if err != nil {
		return err
	}
	end, err := sqlitex.ImmediateTransaction(c.Conn)
	if err != nil {
		return err
	}
	defer end(&err)
	if err := sqlitex.ExecScript(c.Conn, string(text)); err != nil {
		return err
	}
	if err := c.run("PRAGMA application_id = " + strconv.Itoa(applicationID)); err != nil {
		return err
	}
	return c.rows("INSERT INTO migration (version, name) VALUES (?, ?)", func(s *sqlite.Stmt) {
		s.BindInt64(1, version)
		s.BindText(2, base)
	}, func(*sqlite.Stmt) error { return nil })
}

// checkLimit is the size up to which a file is read whole after an unclean
// end. A million verifications take 0.6 GiB and were checked in 1.8 s; what is
// larger would keep the server from being ready in time.
const checkLimit = 1 << 30

// check looks at a file that was not closed. SQLite itself verifies the
// checksums of the log and forgets a torn tail, so only damage from outside is
// left to be found. Of a file beyond checkLimit only the tables that the start
// needs are read; [Engine.Integrity] reads all of it while the server works.
func (c *conn) check(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if info.Size() <= checkLimit {
		return c.verify("PRAGMA quick_check(1)")
	}
	for _, table := range []string{"meta", "migration", "document", "message"} {
		if err := c.verify("PRAGMA quick_check(" + table + ")"); err != nil {
			return err
		}
	}
	return nil
}

// verify runs one of SQLite's own checks.
func (c *conn) verify(pragma string) error {
	err := c.rows(pragma, nil, func(s *sqlite.Stmt) error {
		if text := s.ColumnText(0); text != "ok" {
			return fmt.Errorf("%w: %s", ErrDamaged, text)
		}
		return nil
	})
	if code := sqlite.ErrCode(err).ToPrimary(); err != nil && (code == sqlite.ResultCorrupt || code == sqlite.ResultNotADB) {
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return err
}

// Integrity reads the whole database and returns [ErrDamaged] with the first
// fault found. It takes seconds a gigabyte and blocks nobody.
func (e *Engine) Integrity(ctx context.Context) error {
	return e.read(ctx, func(c *conn) error { return c.verify("PRAGMA integrity_check(1)") })
}
