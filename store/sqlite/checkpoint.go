package sqlite

import (
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
	checkpointEvery = 20 * time.Millisecond
	maxFrames       = 8000
)

// checkpointer is the goroutine that makes them.
type checkpointer struct {
	conn   *conn
	work   chan struct{}
	quit   chan struct{}
	done   sync.WaitGroup
	frames atomic.Int64 // in the log, as last seen
}

func (k *checkpointer) start(e *Engine) (err error) {
	if k.conn, err = dial(e.path, readerCache, false); err != nil {
		return err
	}
	k.work, k.quit = make(chan struct{}, 1), make(chan struct{})
	k.done.Go(func() { k.loop(e) })
	return nil
}

func (k *checkpointer) stop() {
	close(k.quit)
	k.done.Wait()
}

// wake tells that the log has grown.
func (k *checkpointer) wake() {
	select {
	case k.work <- struct{}{}:
	default:
	}
}

func (k *checkpointer) loop(e *Engine) {
	pause := time.NewTimer(checkpointEvery)
	defer pause.Stop()
	for {
		select {
		case <-k.work:
		case <-k.quit:
			return
		}
		pause.Reset(checkpointEvery)
		select {
		case <-pause.C:
		case <-k.quit:
			return
		}
		frames, err := k.conn.checkpoint()
		if err != nil && classOf(err) == store.Broken {
			e.broken.CompareAndSwap(nil, &store.Failure{Class: store.Broken, Cause: err})
			return
		}
		k.frames.Store(frames)
	}
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

// relieve finishes the checkpoint when the log has become long. The caller has
// the turn.
func (e *Engine) relieve() error {
	if e.checkpoints.frames.Load() < maxFrames {
		return nil
	}
	e.checkpoints.frames.Store(0)
	_, err := e.writer.checkpoint()
	return err
}
