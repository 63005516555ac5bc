package sqlite

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"zombiezen.com/go/sqlite"

	"github.com/aldaba-otp/aldaba/otp"
	"github.com/aldaba-otp/aldaba/store"
	"github.com/aldaba-otp/aldaba/store/sqlite/redo"
)

// conn is one connection. It keeps its prepared statements by their text, and
// a buffer for what it reads. One goroutine uses it at a time.
type conn struct {
	*sqlite.Conn
	buf     []byte
	tenants map[string]string
}

// busyTimeout bounds the waits for the locks between our own connections,
// which are short.
const busyTimeout = 5 * time.Second

// dial opens a connection and sets it up.
func dial(path string, cache int, reader bool) (*conn, error) {
	raw, err := sqlite.OpenConn(path, sqlite.OpenReadWrite, sqlite.OpenCreate)
	if err != nil {
		return nil, fmt.Errorf("sqlite: open: %w", err)
	}
	c := &conn{Conn: raw, tenants: map[string]string{}}
	raw.SetBusyTimeout(busyTimeout)
	raw.Limit(sqlite.LimitLength, maxRecord)
	if err := c.setUp(cache, reader); err != nil {
		_ = raw.Close() // the first error says more
		if sqlite.ErrCode(err).ToPrimary() == sqlite.ResultNotADB {
			return nil, fmt.Errorf("%w: %w", ErrForeign, err)
		}
		return nil, err
	}
	return c, nil
}

func (c *conn) setUp(cache int, reader bool) error {
	if err := c.checkVersion(); err != nil {
		return err
	}
	pragmas := []string{
		"journal_mode = WAL", "synchronous = FULL", "wal_autocheckpoint = 0", "journal_size_limit = 67108864",
		"cache_size = -" + strconv.Itoa(cache), "temp_store = MEMORY", "trusted_schema = OFF", "cell_size_check = ON",
	}
	if reader {
		pragmas = append(pragmas, "query_only = ON")
	}
	for _, p := range pragmas {
		if err := c.run("PRAGMA " + p); err != nil {
			return err
		}
	}
	return nil
}

// checkVersion refuses a library whose WAL reset, met by a second connection
// that makes checkpoints, can corrupt the database.
func (c *conn) checkVersion() error {
	text := ""
	if err := c.rows("SELECT sqlite_version()", nil, func(s *sqlite.Stmt) error {
		text = s.ColumnText(0)
		return nil
	}); err != nil {
		return err
	}
	if older(text, 3, 51, 3) {
		return fmt.Errorf("%w: it is %s", ErrOldSQLite, text)
	}
	return nil
}

// older compares a dotted version with the wanted one.
func older(text string, want ...int) bool {
	parts := strings.Split(text, ".")
	for i, w := range want {
		n := 0
		if i < len(parts) {
			n, _ = strconv.Atoi(parts[i]) // what is no number is old
		}
		if n != w {
			return n < w
		}
	}
	return false
}

// run carries out one statement whose rows do not matter.
func (c *conn) run(sql string) error {
	return c.rows(sql, nil, func(*sqlite.Stmt) error { return nil })
}

// rows calls row for each row of a statement.
func (c *conn) rows(sql string, bind func(*sqlite.Stmt), row func(*sqlite.Stmt) error) error {
	stmt, err := c.Prepare(sql)
	if err != nil {
		return err
	}
	if bind != nil {
		bind(stmt)
	}
	for {
		more, err := stmt.Step()
		if err != nil {
			return err
		}
		if !more {
			return stmt.Reset()
		}
		if err := row(stmt); err != nil {
			_ = stmt.Reset() // its error is that of the last step, which went well
			return err
		}
	}
}

// meta reads one of the engine's own numbers.
func (c *conn) meta(name string) (n int64, err error) {
	err = c.rows("SELECT value FROM meta WHERE name = ?", func(s *sqlite.Stmt) { s.BindText(1, name) }, func(s *sqlite.Stmt) error {
		n = s.ColumnInt64(0)
		return nil
	})
	return n, err
}

// read lends a connection that sees all that was acknowledged.
func (e *Engine) read(ctx context.Context, use func(*conn) error) error {
	if err := e.flush(ctx); err != nil {
		return err
	}
	return e.lend(ctx, use)
}

// lend lends a connection that sees the file alone.
func (e *Engine) lend(ctx context.Context, use func(*conn) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case c := <-e.readers:
		defer func() { e.readers <- c }()
		return use(c)
	case <-ctx.Done():
		return ctx.Err()
	}
}

// take waits for the right to commit batches.
func (e *Engine) take(ctx context.Context) error {
	select {
	case <-e.turn:
	case <-ctx.Done():
		return &store.Failure{Class: store.Down, Cause: ctx.Err()}
	}
	if f := e.broken.Load(); f != nil {
		e.turn <- struct{}{}
		return f
	}
	return nil
}

// judge classes an error. After some the engine is not used any more.
func (e *Engine) judge(err error) *store.Failure {
	f := &store.Failure{Class: classOf(err), Cause: err}
	if f.Class == store.Broken {
		e.broken.CompareAndSwap(nil, f)
	}
	return f
}

// fail classes an error and undoes the open transaction, if there is one. The
// caller has the right to write the file.
func (e *Engine) fail(err error) *store.Failure {
	if !e.writer.AutocommitEnabled() { // some errors end the transaction themselves
		if undo := e.writer.run("ROLLBACK"); undo != nil {
			err = &store.Failure{Class: store.Broken, Cause: errors.Join(err, undo)}
		}
	}
	return e.judge(err)
}

// classOf tells what an error means for the batch. An I/O error may have
// lost what was written before, and asking again proves nothing: the kernel
// tells of a failed sync once.
func classOf(err error) store.Class {
	var f *store.Failure
	switch {
	case errors.As(err, &f):
		return f.Class
	case errors.Is(err, store.ErrCorrupt):
		return store.Data
	case errors.Is(err, redo.ErrSync), errors.Is(err, redo.ErrMalformed):
		return store.Broken
	}
	switch sqlite.ErrCode(err).ToPrimary() {
	case sqlite.ResultConstraint, sqlite.ResultTooBig, sqlite.ResultMismatch, sqlite.ResultRange:
		return store.Data
	case sqlite.ResultBusy, sqlite.ResultLocked:
		return store.Again
	case sqlite.ResultIOErr, sqlite.ResultCorrupt, sqlite.ResultNotADB:
		return store.Broken
	}
	return store.Down // disk full, no memory, no permission: nothing was written
}

// finish runs a bound statement that returns no row.
func finish(stmt *sqlite.Stmt) error {
	if _, err := stmt.Step(); err != nil {
		return err
	}
	return stmt.Reset()
}

func bindKey[K otp.Key | otp.ID](s *sqlite.Stmt, param int, key K) {
	b := [16]byte(key)
	s.BindBytes(param, b[:])
}

func bindText(s *sqlite.Stmt, param int, text string) { s.BindBytes(param, []byte(text)) }

func bindTime(s *sqlite.Stmt, param int, t time.Time) { s.BindInt64(param, store.Micros(t)) }
