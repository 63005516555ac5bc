package sqlite

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"os"

	"github.com/aldaba-otp/aldaba/store"
	"github.com/aldaba-otp/aldaba/store/sqlite/redo"
)

// The file gets what batches changed late, many of them in one transaction, and in
// the background: the redo log has it on disk already. The right to write the
// file, pencil in hand, is one token; who needs the right to commit batches too
// takes it afterwards, never before.
const (
	// layerLimit is what the batches of a layer may take in the redo log before
	// the next batch waits for the file.
	layerLimit = 16 << 20
	// redoLimit is the size at which the redo log begins again.
	redoLimit = 16 << 20
)

// redoPath is where the log of a database lies.
func redoPath(path string) string { return path + "-redo" }

// claim waits for the right to write the file.
func (e *Engine) claim(ctx context.Context) error {
	select {
	case <-e.filing:
	case <-ctx.Done():
		return &store.Failure{Class: store.Down, Cause: ctx.Err()}
	}
	if f := e.broken.Load(); f != nil {
		e.filing <- struct{}{}
		return f
	}
	return nil
}

// flush brings all that was acknowledged before the call to the file. It waits
// for no disk.
func (e *Engine) flush(ctx context.Context) error {
	if !e.ahead() {
		return nil
	}
	if err := e.claim(ctx); err != nil {
		return err
	}
	defer func() { e.filing <- struct{}{} }()
	return e.settle()
}

// ahead tells whether the layers hold anything.
func (e *Engine) ahead() bool {
	e.mu.RLock()
	defer e.mu.RUnlock()
	return e.lower != nil || !e.upper.empty()
}

// settle writes the lower layer, if one was left, and what the upper one holds by
// now. The caller has the right to write the file.
func (e *Engine) settle() error {
	if e.lower != nil { // nobody else changes it
		if err := e.write(); err != nil {
			return err
		}
	}
	e.mu.Lock()
	if !e.upper.empty() {
		e.lower, e.upper = e.upper, newLayer()
	}
	e.mu.Unlock()
	if e.lower == nil {
		return nil
	}
	return e.write()
}

// write brings the lower layer to the file and forgets it.
func (e *Engine) write() error {
	if err := e.writer.write(e.lower, e.epoch); err != nil {
		f := e.fail(err)
		e.stuck.Store(f)
		return f
	}
	e.stuck.Store(nil)
	bytes := e.lower.bytes
	e.mu.Lock()
	e.lower = nil
	e.mu.Unlock()
	return e.relieve(bytes)
}

// write is the transaction of one layer.
func (c *conn) write(l *layer, epoch uint64) error {
	if l.wipes {
		if err := c.run("PRAGMA secure_delete = ON"); err != nil {
			return err
		}
		defer func() { _ = c.run("PRAGMA secure_delete = OFF") }() // staying on would cost time and nothing else
	}
	if err := c.run("BEGIN IMMEDIATE"); err != nil {
		return err
	}
	p := pen{conn: c}
	p.file(l)
	p.mark(epoch, l.number)
	if p.err != nil {
		return p.err
	}
	return c.run("COMMIT")
}

// mark notes up to which batch of the redo log the file goes.
func (p *pen) mark(epoch uint64, number uint32) {
	p.begin("UPDATE meta SET value = CASE name WHEN 'redo' THEN ? ELSE ? END WHERE name IN ('redo', 'applied')")
	p.number(1, int64(epoch))
	p.number(2, int64(number))
	p.end()
}

// durably runs what waits for the disk itself: after it, all that was committed
// before is there too, since SQLite syncs its whole log. The caller has the right
// to write the file.
func (e *Engine) durably(work func(*conn) error) error {
	err := e.writer.run("PRAGMA synchronous = FULL")
	if err == nil {
		err = work(e.writer)
	}
	if err != nil {
		err = e.fail(err)
	}
	if relax := e.writer.run("PRAGMA synchronous = NORMAL"); err == nil && relax != nil {
		err = e.fail(relax)
	}
	return err
}

// alone makes a change that is no batch.
func (e *Engine) alone(ctx context.Context, work func(*conn) error) error {
	if err := e.claim(ctx); err != nil {
		return err
	}
	defer func() { e.filing <- struct{}{} }()
	if err := e.durably(work); err != nil {
		return err
	}
	e.checkpoints.wake()
	return nil
}

// renew makes all of the redo log superfluous and begins it again. The caller has
// the right to write the file.
func (e *Engine) renew(ctx context.Context) error {
	// Most of it, and most of what must be synced, while batches go on.
	if err := e.settle(); err != nil {
		return err
	}
	if _, err := e.writer.checkpoint(); err != nil {
		return e.fail(err)
	}
	if err := e.take(ctx); err != nil {
		return err
	}
	defer func() { e.turn <- struct{}{} }()
	if err := e.settle(); err != nil {
		return err
	}
	var drawn [8]byte
	if _, err := rand.Read(drawn[:]); err != nil { //nolint:forbidigo // no code and no key: it only has to be another one
		return err
	}
	epoch := binary.LittleEndian.Uint64(drawn[:]) | 1
	if err := e.durably(func(c *conn) error {
		p := pen{conn: c}
		p.mark(epoch, 0)
		return p.err
	}); err != nil {
		return err
	}
	e.epoch = epoch
	e.redo.Begin(epoch)
	e.logged.Store(0)
	return nil
}

// tend writes what has gathered, and begins the redo log again when it has grown
// long.
func (e *Engine) tend(ctx context.Context) error {
	if e.logged.Load() > redoLimit {
		return e.renew(ctx)
	}
	return e.settle()
}

// rest leaves nothing in the redo log, not even bytes of an earlier use.
func (e *Engine) rest(ctx context.Context) error {
	if e.logged.Load() > 0 {
		if err := e.renew(ctx); err != nil {
			return err
		}
	}
	if err := e.take(ctx); err != nil {
		return err
	}
	defer func() { e.turn <- struct{}{} }()
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
		err = e.writer.catchUp(e.redo, uint64(epoch), uint32(applied))
	}
	if err != nil {
		return fmt.Errorf("sqlite: %s: %w", redoPath(e.path), err)
	}
	return nil
}

// catchUp carries out what the log holds after a batch.
func (c *conn) catchUp(log *redo.Log, epoch uint64, after uint32) error {
	for _, sql := range []string{"PRAGMA secure_delete = ON", "BEGIN IMMEDIATE"} { // some of it may have wiped something out
		if err := c.run(sql); err != nil {
			return err
		}
	}
	if err := log.Replay(epoch, after, c.perform); err != nil {
		return err
	}
	p := pen{conn: c}
	p.mark(epoch, max(log.Number(), after))
	if p.err != nil {
		return p.err
	}
	if err := c.run("COMMIT"); err != nil {
		return err
	}
	return c.run("PRAGMA secure_delete = OFF")
}

// perform carries out a statement from the log.
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

// openRedo opens the log and makes its name durable.
func (e *Engine) openRedo(folder string) (err error) {
	if err = provide(redoPath(e.path), e.path); err != nil {
		return err
	}
	if e.redo, err = redo.Open(redoPath(e.path)); err != nil {
		return denied(err)
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
