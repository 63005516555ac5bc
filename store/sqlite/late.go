package sqlite

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"time"

	"zombiezen.com/go/sqlite"

	"github.com/aldaba-otp/aldaba/store"
	"github.com/aldaba-otp/aldaba/store/sqlite/redo"
)

// A batch is durable when its statements stand in the redo log. SQLite's own
// transaction stays open over many batches and is committed late, without a sync
// of its own: a page that ten batches changed is then written once, not ten times.
// Who reads sees all that was acknowledged all the same: single records are read
// through the writer's connection, and before a table is scanned the transaction
// is committed.
const (
	// lateBytes bounds what the open transaction may grow to, and so how long its
	// commit takes: the changed pages shall fit into the writer's cache.
	lateBytes = 2 << 20
	// redoLimit is the size at which the redo log begins again.
	redoLimit = 8 << 20
)

// redoPath is where the log of a database lies.
func redoPath(path string) string { return path + "-redo" }

// recording is a prepared statement whose parameters are noted in the redo log
// as they are bound.
type recording struct {
	*sqlite.Stmt
	text string
	log  *redo.Log
}

func (r *recording) BindInt64(param int, n int64) {
	r.Stmt.BindInt64(param, n)
	r.log.Int(r.text, param, n)
}

func (r *recording) BindBytes(param int, b []byte) {
	r.Stmt.BindBytes(param, b)
	r.log.Bytes(r.text, param, b)
}

func (r *recording) key(param int, key [16]byte) { r.BindBytes(param, key[:]) }

func (r *recording) words(param int, text string) { r.BindBytes(param, []byte(text)) }

func (r *recording) when(param int, t time.Time) { r.BindInt64(param, store.Micros(t)) }

func (r *recording) flag(param int, is bool) {
	n := int64(0)
	if is {
		n = 1
	}
	r.BindInt64(param, n)
}

// finish runs the bound statement, which returns no row.
func (r *recording) finish() error {
	r.log.End(r.text)
	return finish(r.Stmt)
}

// recorded prepares a statement of a batch.
func (e *Engine) recorded(text string) (*recording, error) {
	stmt, err := e.writer.Prepare(text)
	return &recording{stmt, text, e.redo}, err
}

// perform carries out a statement that was recorded.
func (c *conn) perform(s redo.Statement) error {
	stmt, err := c.Prepare(s.Text)
	if err != nil {
		return err
	}
	for _, p := range s.Params {
		if p.Bytes != nil {
			stmt.BindBytes(p.Position, p.Bytes)
		} else {
			stmt.BindInt64(p.Position, p.Int)
		}
	}
	return finish(stmt)
}

// begin makes sure that a transaction is open which holds all that was
// acknowledged. The caller has the turn.
func (e *Engine) begin() error {
	if !e.lost {
		if e.writer.AutocommitEnabled() {
			return e.writer.run("BEGIN IMMEDIATE")
		}
		return nil
	}
	number := e.redo.Number()
	if err := e.writer.redo(e.redo, e.epoch, e.applied); err != nil {
		return err
	}
	if e.redo.Number() != number {
		return &store.Failure{Class: store.Broken, Cause: fmt.Errorf("sqlite: %s has %d batches, %d were acknowledged", redoPath(e.path), e.redo.Number(), number)}
	}
	e.lost = false
	return nil
}

// redo opens a transaction and carries out what the log holds after a batch.
func (c *conn) redo(log *redo.Log, epoch uint64, after uint32) error {
	if err := c.run("PRAGMA secure_delete = ON"); err != nil { // some of it may have wiped something out
		return err
	}
	err := c.run("BEGIN IMMEDIATE")
	if err == nil {
		err = log.Replay(epoch, after, c.perform)
	}
	return errors.Join(err, c.run("PRAGMA secure_delete = OFF"))
}

// flush commits what is open. It waits for no disk. The caller has the turn.
func (e *Engine) flush() error {
	if !e.ahead.Load() {
		return nil
	}
	err := e.begin()
	if err == nil {
		err = e.writer.note(e.epoch, e.redo.Number())
	}
	if err == nil {
		err = e.writer.run("COMMIT")
	}
	if err != nil {
		return e.fail(err)
	}
	e.applied, e.flushed = e.redo.Number(), e.redo.Size()
	e.ahead.Store(false)
	return e.relieve()
}

// note writes down up to which batch of the redo log the database goes.
func (c *conn) note(epoch uint64, applied uint32) error {
	stmt, err := c.Prepare("UPDATE meta SET value = CASE name WHEN 'redo' THEN ? ELSE ? END WHERE name IN ('redo', 'applied')")
	if err != nil {
		return err
	}
	stmt.BindInt64(1, int64(epoch))
	stmt.BindInt64(2, int64(applied))
	return finish(stmt)
}

// durably runs what waits for the disk itself: after it, all that was committed
// before is there too, since SQLite syncs its whole log. The caller has the turn
// and nothing is open.
func (e *Engine) durably(work func() error) error {
	if err := e.writer.run("PRAGMA synchronous = FULL"); err != nil {
		return e.fail(err)
	}
	if err := work(); err != nil {
		return errors.Join(e.fail(err), e.writer.run("PRAGMA synchronous = NORMAL"))
	}
	return e.writer.run("PRAGMA synchronous = NORMAL")
}

// alone lends the writer's connection for a change that is no batch.
func (e *Engine) alone(ctx context.Context, work func(*conn) error) error {
	if err := e.take(ctx); err != nil {
		return err
	}
	defer func() { e.turn <- struct{}{} }()
	if err := e.flush(); err != nil {
		return err
	}
	if err := e.durably(func() error { return work(e.writer) }); err != nil {
		return err
	}
	e.checkpoints.wake()
	return nil
}

// renew makes all of the redo log superfluous and begins it again. The caller has
// the turn.
func (e *Engine) renew() error {
	if err := e.flush(); err != nil {
		return err
	}
	epoch := rand.Uint64() | 1 //nolint:gosec // it need not be secret, only another one
	if err := e.durably(func() error { return e.writer.note(epoch, 0) }); err != nil {
		return err
	}
	e.epoch, e.applied, e.flushed = epoch, 0, 0
	e.redo.Begin(epoch)
	return nil
}

// rest leaves nothing in the redo log, not even bytes of an earlier use.
func (e *Engine) rest() error {
	if e.redo.Size() > 0 {
		if err := e.renew(); err != nil {
			return err
		}
	}
	return e.redo.Wipe()
}

// catchUp carries out what a process that did not end in order acknowledged last.
func (e *Engine) catchUp() error {
	epoch, err := e.writer.meta("redo")
	if err != nil || epoch == 0 {
		return err
	}
	applied, err := e.writer.meta("applied")
	if err == nil {
		err = e.writer.redo(e.redo, uint64(epoch), uint32(applied))
	}
	if err == nil {
		err = e.writer.note(uint64(epoch), max(e.redo.Number(), uint32(applied)))
	}
	if err == nil {
		err = e.writer.run("COMMIT")
	}
	if err != nil {
		return fmt.Errorf("sqlite: %s: %w", redoPath(e.path), err)
	}
	return nil
}

// openRedo opens the log and makes its name durable.
func (e *Engine) openRedo(folder string) (err error) {
	if e.redo, err = redo.Open(redoPath(e.path)); err != nil {
		return err
	}
	return syncFolder(folder)
}

// closeRedo takes the log away when nothing in it is needed.
func (e *Engine) closeRedo(needed bool) error {
	if e.redo == nil {
		return nil
	}
	err := e.redo.Close()
	if err == nil && !needed {
		err = os.Remove(redoPath(e.path))
	}
	return err
}
