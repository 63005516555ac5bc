package sqlite

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"zombiezen.com/go/sqlite"

	"github.com/aldaba-otp/aldaba/store"
)

// Checkpoints copy the log into the file. SQLite's own would stall the writer
// for tens of milliseconds each, so a second connection makes passive ones all
// the time, and the writer only does the rest, between two batches, when the
// log grows faster than that: a log starts again from its beginning only when
// all of it was copied while nothing was added.
const (
	fileEvery = 200 * time.Millisecond
	// restAfter is how long nothing happens before the redo log is emptied.
	restAfter = time.Second
	maxFrames = 8000
	pageSize  = 4096 // bytes of a frame
)

// checkpointer is the goroutine that makes them.
type checkpointer struct {
	conn   *conn
	work   chan struct{}
	ctx    context.Context // ends with the goroutine
	quit   context.CancelFunc
	done   sync.WaitGroup
	survey survey
	frames atomic.Int64 // in the log: as last seen, and an estimate of what came since
}

func (k *checkpointer) start(e *Engine) (err error) {
	if k.conn, err = dial(e.path, readerCache, false); err != nil {
		return err
	}
	k.work = make(chan struct{}, 1)
	k.ctx, k.quit = context.WithCancel(context.Background())
	k.done.Go(func() { k.loop(e) })
	return nil
}

func (k *checkpointer) stop() {
	k.quit()
	k.done.Wait()
}

// wake tells that the log has grown.
func (k *checkpointer) wake() {
	select {
	case k.work <- struct{}{}:
	default:
	}
}

// loop tends the logs while there is work, and leaves them empty a while after.
func (k *checkpointer) loop(e *Engine) {
	pause := time.NewTimer(restAfter)
	defer pause.Stop()
	for {
		tend, next := e.rest, time.Duration(0)
		select {
		case <-k.work:
			tend, next = e.tend, restAfter
			pause.Reset(fileEvery)
			select {
			case <-pause.C:
			case <-k.ctx.Done():
				return
			}
		case <-pause.C:
		case <-k.ctx.Done():
			return
		}
		if err := k.round(e, tend); err != nil {
			if classOf(err) == store.Broken {
				e.broken.CompareAndSwap(nil, &store.Failure{Class: store.Broken, Cause: err})
				return
			}
			next = restAfter
		}
		if next > 0 {
			pause.Reset(next)
		}
	}
}

// round writes the file, makes a checkpoint, and then learns more of what is in it.
func (k *checkpointer) round(e *Engine, tend func(context.Context) error) error {
	if err := e.claim(k.ctx); err != nil {
		return err
	}
	err := tend(k.ctx)
	e.filing <- struct{}{}
	if err != nil {
		return err
	}
	frames, err := k.conn.checkpoint()
	k.frames.Store(frames)
	if err != nil {
		return err
	}
	return k.survey.further(e, k.conn)
}

// checkpoint copies what it can without waiting and returns how many frames
// the log holds.
func (c *conn) checkpoint() (frames int64, err error) {
	err = c.rows("PRAGMA wal_checkpoint(PASSIVE)", nil, func(s *sqlite.Stmt) error {
		frames = s.ColumnInt64(1)
		return nil
	})
	return frames, err
}

// relieve finishes the checkpoint when the log has become long; bytes is about what
// was added just now. The caller has the right to write the file and nothing is open.
func (e *Engine) relieve(bytes int64) error {
	if e.checkpoints.frames.Add(bytes/pageSize) < maxFrames {
		return nil
	}
	e.checkpoints.frames.Store(0)
	_, err := e.writer.checkpoint()
	return err
}
