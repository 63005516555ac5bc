// Package sqlite is the embedded storage engine and the default one: a single
// file, written by one goroutine through one connection in WAL mode, and beside it
// a redo log that is synced before anything is acknowledged, so that it survives a
// power cut.
//
// It is not for several servers: a lock beside the file keeps a second process
// out. It knows no rule of the core and does without database/sql, whose
// overhead per row the measurements did not forgive.
package sqlite

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aldaba-otp/aldaba/otp"
	"github.com/aldaba-otp/aldaba/store"
	"github.com/aldaba-otp/aldaba/store/sqlite/redo"
)

// The errors that an operator can do something about.
var (
	// ErrLocked says that another process has the database open.
	ErrLocked = errors.New("sqlite: the database is in use by another process: stop that one, or run several servers on PostgreSQL")
	// ErrNewer says that a newer version of the program wrote the database.
	ErrNewer = errors.New("sqlite: the database was written by a newer version: run that version, or restore the backup made before the upgrade")
	// ErrForeign says that the file is a database of another program.
	ErrForeign = errors.New("sqlite: the file is a database of another program")
	// ErrDamaged says that the file failed its check at start.
	ErrDamaged = errors.New("sqlite: the database is damaged: restore a backup, or salvage it with `sqlite3 FILE .recover`")
	// ErrOldSQLite says that the library below has a known corruption bug.
	ErrOldSQLite = errors.New("sqlite: the SQLite library is older than 3.51.3, whose WAL reset can corrupt a database")
)

// The sizes that the measurements suggested.
const (
	writerCache    = 8 << 10 // KiB of pages that the writer keeps
	loaderCache    = 8 << 10 // KiB of pages that the loader of batches keeps
	readerCache    = 2 << 10 // KiB of pages that each reader keeps
	defaultReaders = 4
	// maxRecord bounds one value, far above anything the core makes; what is
	// larger fails as data before it fills the disk.
	maxRecord = 16 << 20
)

// Options are the engine's settings; the zero value of each is a default.
type Options struct {
	Readers int // connections for reads; 4
	// MustExist refuses with [ErrMissing] a database that would have to be made.
	MustExist bool
}

// Engine is a [store.Engine] over one SQLite file.
type Engine struct {
	path    string
	lock    *os.File
	writer  *conn
	turn    chan struct{} // holds one token: the right to commit batches
	readers chan *conn
	open    []*conn // readers, for Close

	loader *conn // reads what batches name; used with the turn
	redo   *redo.Log
	epoch  uint64                        // of the redo log; used with the turn and the right to write the file
	logged atomic.Int64                  // its size
	filing chan struct{}                 // holds one token: the right to write the file, through the writer
	stuck  atomic.Pointer[store.Failure] // why the file cannot be written at present

	mu    sync.RWMutex // guards the layers and the filter
	upper *layer
	lower *layer // nil when nothing is being written
	// places knows which destinations the file cannot have.
	places filter

	checkpoints checkpointer
	broken      atomic.Pointer[store.Failure]
	floor       time.Time // as found at Open
	saved       int64     // microseconds of the saved floor; used with the turn
	last        int64     // newest time of a commit; used with the turn
	clean       bool      // it was closed in order
	once        sync.Once
}

// Open opens the database at path, creates it when it does not exist and need
// not, checks it and brings its tables up to date. The lock file beside it stays when the
// engine is closed; only the lock on it counts.
func Open(ctx context.Context, path string, opts Options) (_ *Engine, err error) {
	path, err = create(path, opts.MustExist)
	if err != nil {
		return nil, err
	}
	if err = provide(path+".lock", path); err != nil {
		return nil, err
	}
	lock, err := lockFile(path + ".lock")
	if err != nil {
		return nil, fmt.Errorf("%w (%s)", err, path)
	}
	e := &Engine{path: path, lock: lock, turn: make(chan struct{}, 1), filing: make(chan struct{}, 1), upper: newLayer()}
	defer func() {
		if err != nil {
			_ = e.release() // the first error is the one to tell
		}
	}()
	if err = e.openRedo(filepath.Dir(path)); err != nil {
		return nil, err
	}
	if e.writer, err = dial(path, writerCache, false); err != nil {
		return nil, err
	}
	if err = e.prepare(ctx, opts.MustExist); err != nil {
		return nil, err
	}
	if e.loader, err = dial(path, loaderCache, true); err != nil {
		return nil, err
	}
	opts.Readers = max(opts.Readers, 0)
	if opts.Readers == 0 {
		opts.Readers = defaultReaders
	}
	e.readers = make(chan *conn, opts.Readers)
	for range opts.Readers {
		c, err := dial(path, readerCache, true)
		if err != nil {
			return nil, err
		}
		e.open = append(e.open, c)
		e.readers <- c
	}
	if err = e.checkpoints.start(e); err != nil {
		return nil, err
	}
	e.turn <- struct{}{}
	e.filing <- struct{}{}
	return e, nil
}

// prepare checks the file, migrates it, and notes that it is in use.
func (e *Engine) prepare(ctx context.Context, mustExist bool) error {
	clean, empty, err := e.writer.identify()
	switch {
	case err != nil:
		return err
	case empty && mustExist:
		return missing(e.path)
	}
	if !clean {
		err = e.writer.check(e.path)
		if err == nil {
			err = e.catchUp()
		}
		if err != nil {
			return err
		}
	}
	if err := e.writer.migrate(ctx); err != nil {
		return err
	}
	if e.saved, err = e.writer.meta("floor"); err != nil {
		return err
	}
	e.floor = store.FromMicros(e.saved)
	if err := e.writer.run("UPDATE meta SET value = 0 WHERE name = 'clean'"); err != nil {
		return err
	}
	e.turn <- struct{}{}
	err = e.renew(ctx)
	<-e.turn
	return err
}

// Floor returns the last time that an earlier process may have used, for
// [store.Options].Floor.
func (e *Engine) Floor() time.Time { return e.floor }

// Ping implements [store.Engine]. It fails too while the file cannot be written.
func (e *Engine) Ping(ctx context.Context) error {
	for _, why := range []*store.Failure{e.broken.Load(), e.stuck.Load()} {
		if why != nil {
			return why
		}
	}
	return e.lend(ctx, func(c *conn) error {
		_, err := c.meta("floor")
		return err
	})
}

// Close implements [store.Engine]. It waits for an open batch.
func (e *Engine) Close() error {
	var err error
	e.once.Do(func() {
		e.checkpoints.stop()
		<-e.turn
		<-e.filing
		if e.broken.Load() == nil {
			err = e.farewell()
		}
		err = errors.Join(err, e.release())
	})
	return err
}

// farewell leaves one file that needs no check at the next start.
func (e *Engine) farewell() error {
	if err := e.settle(); err != nil {
		return err
	}
	if err := e.durably(func(c *conn) error { return c.close(max(e.last, store.Micros(e.floor))) }); err != nil {
		return err
	}
	e.clean = true
	return e.writer.run("PRAGMA wal_checkpoint(TRUNCATE)")
}

// close notes that the file was closed in order, at what time, and that no redo
// log belongs to it.
func (c *conn) close(last int64) error {
	stmt, err := c.Prepare("UPDATE meta SET value = CASE name WHEN 'floor' THEN ? WHEN 'clean' THEN 1 ELSE 0 END WHERE name IN ('floor', 'clean', 'redo', 'applied')")
	if err != nil {
		return err
	}
	stmt.BindInt64(1, last)
	return finish(stmt)
}

// release closes what is open, the lock last.
func (e *Engine) release() error {
	var errs []error
	for range len(e.open) {
		errs = append(errs, (<-e.readers).Close())
	}
	if e.checkpoints.conn != nil {
		errs = append(errs, e.checkpoints.conn.Close())
	}
	if e.loader != nil {
		errs = append(errs, e.loader.Close())
	}
	if e.writer != nil {
		errs = append(errs, e.writer.Close())
	}
	errs = append(errs, e.closeRedo(!e.clean))
	return errors.Join(append(errs, e.lock.Close())...)
}

// Beat implements [store.Fleet]. There is nothing to note: the lock proves
// that every other server is dead.
func (e *Engine) Beat(context.Context, otp.ID) error { return nil }

// Alone implements [store.Fleet], see Beat.
func (e *Engine) Alone(context.Context, otp.ID) (bool, error) { return true, nil }

// Leave implements [store.Fleet], see Beat.
func (e *Engine) Leave(context.Context, otp.ID) error { return nil }
