package store

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aldaba-otp/aldaba/otp"
)

// The bounds of the writer.
const (
	// DefaultMaxBatch bounds how many steps share one transaction.
	DefaultMaxBatch = 512
	// DefaultQueue bounds how many steps wait; one more is refused.
	DefaultQueue = 8192
	// MaxWait is how long a step may have waited when its batch begins.
	MaxWait = 5 * time.Second
	// FleetTimeout is how long a silent server counts as alive.
	FleetTimeout = 15 * time.Second
	// maxTries bounds how often a batch runs again after a conflict.
	maxTries = 10
	// doubt bounds how long the store is asked whether a commit took place.
	doubt = 3 * time.Second
)

// Options are the writer's settings; the zero value of each is a default.
type Options struct {
	Writers  int // goroutines, each with a transaction of its own; 1
	MaxBatch int // steps a transaction; 1 shows what group commit gains
	Queue    int // steps that may wait
	// Now is the process's clock, used when the engine has none of its own.
	Now func() time.Time
	// Offset is added to every clock; it may only grow.
	Offset func() time.Duration
	// Floor is the last time that an earlier process used on this store.
	Floor time.Time
	Log   *slog.Logger
	// Observe, if not nil, is told of each transaction. It must not block.
	Observe func(Committed)
}

// Writer is the [otp.Store] over an engine: many callers, few transactions.
type Writer struct {
	Engine

	opts    Options
	queue   chan *call
	spare   sync.Pool // of calls that were answered
	done    sync.WaitGroup
	closed  chan struct{}
	ended   chan struct{} // closed when no goroutine takes from the queue any more
	once    sync.Once
	broken  atomic.Pointer[Failure]
	last    clock
	commits atomic.Int64
	steps   atomic.Int64
	doubts  atomic.Int64
}

// NewWriter starts a writer over the engine. Close ends it and the engine.
func NewWriter(engine Engine, opts Options) *Writer {
	opts.Writers = max(opts.Writers, 1)
	if opts.MaxBatch <= 0 {
		opts.MaxBatch = DefaultMaxBatch
	}
	if opts.Queue <= 0 {
		opts.Queue = DefaultQueue
	}
	if opts.Now == nil {
		opts.Now = time.Now //nolint:forbidigo // the default of the field
	}
	if opts.Offset == nil {
		opts.Offset = func() time.Duration { return 0 }
	}
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	w := &Writer{Engine: engine, opts: opts, queue: make(chan *call, opts.Queue), closed: make(chan struct{}), ended: make(chan struct{})}
	w.last.last = opts.Floor
	w.done.Add(opts.Writers)
	for range opts.Writers {
		go w.run()
	}
	return w
}

// Stats are the writer's counters since its start.
type Stats struct{ Commits, Steps, Doubts int64 }

// Stats returns how many transactions were committed, how many steps they
// held, and how many commits stayed in doubt.
func (w *Writer) Stats() Stats {
	return Stats{w.commits.Load(), w.steps.Load(), w.doubts.Load()}
}

// Last returns the newest time that a decision has seen.
func (w *Writer) Last() time.Time { return w.last.newest() }

// Behind returns how far the clock is behind the newest time that a decision has
// seen; 0 for most of time.
func (w *Writer) Behind() time.Duration { return w.last.late() }

// Broken returns why the store must not be used any more, or nil.
func (w *Writer) Broken() error {
	if f := w.broken.Load(); f != nil {
		return f
	}
	return nil
}

// Close ends the goroutines after what has queued is done, then the engine.
func (w *Writer) Close() error {
	w.once.Do(func() {
		close(w.closed)
		w.done.Wait()
		close(w.ended)
		w.refuse()
	})
	<-w.ended
	return w.Engine.Close()
}

// Do implements [otp.Store].
func (w *Writer) Do(ctx context.Context, step otp.Step) error {
	if err := w.Broken(); err != nil {
		return unavailable(err)
	}
	c := w.call()
	c.ctx, c.step, c.queued = ctx, step, w.opts.Now()
	select {
	case <-w.closed:
		return unavailable(errClosed)
	default:
	}
	select {
	case w.queue <- c:
	default:
		return unavailable(errors.New("store: the queue is full"))
	}
	select {
	case <-w.ended: // it may be queued behind those that Close refused
		if c.state.CompareAndSwap(waiting, left) {
			return unavailable(errClosed)
		}
	default: // it is in a batch, or Close will find it
	}
	if end := ctx.Done(); end != nil { // to wait for one channel alone costs less
		select {
		case <-c.done:
			return w.answered(c)
		case <-end:
			if c.state.CompareAndSwap(waiting, left) {
				return unavailable(ctx.Err())
			}
		}
	}
	<-c.done // bounded by the batch's own time-out
	return w.answered(c)
}

// errClosed is what those hear who come after Close.
var errClosed = errors.New("store: shutting down")

// unavailable wraps what the caller may retry a moment later.
func unavailable(cause error) error {
	return &otp.Error{Kind: otp.Unavailable, Message: "the store cannot be reached", RetryAfter: time.Second, Cause: cause}
}

// run is one writer goroutine.
func (w *Writer) run() {
	defer w.done.Done()
	batch := make([]*call, 0, w.opts.MaxBatch)
	for {
		batch = batch[:0]
		select {
		case c := <-w.queue:
			batch = append(batch, c)
		case <-w.closed:
			if !w.drain(&batch) {
				return
			}
		}
		// Those who are about to queue come along: a commit costs as much for
		// one more of them. It waits for nobody who is not ready to run.
		runtime.Gosched()
		w.drain(&batch)
		w.carry(w.fresh(batch))
	}
}

// drain takes what has queued, up to a full batch, and tells whether the batch
// holds anything.
func (w *Writer) drain(batch *[]*call) bool {
	for len(*batch) < w.opts.MaxBatch {
		select {
		case c := <-w.queue:
			*batch = append(*batch, c)
		default:
			return len(*batch) > 0
		}
	}
	return true
}

// fresh answers those who left or waited too long and returns the others.
func (w *Writer) fresh(batch []*call) []*call {
	border := w.opts.Now().Add(-MaxWait)
	kept := batch[:0]
	for _, c := range batch {
		switch {
		case !c.state.CompareAndSwap(waiting, taken):
		case c.ctx.Err() != nil:
			c.tell(unavailable(c.ctx.Err()))
		case c.queued.Before(border):
			c.tell(unavailable(errors.New("store: waited too long")))
		default:
			kept = append(kept, c)
		}
	}
	return kept
}

// carry brings a batch to its end and answers every call of it.
func (w *Writer) carry(batch []*call) {
	if len(batch) == 0 {
		return
	}
	err := w.Broken() // what had queued when the store broke must not be written either
	for range maxTries {
		if err != nil && !again(err) {
			break
		}
		if err = w.try(batch); err == nil {
			break
		}
	}
	var f *Failure
	if errors.As(err, &f) && f.Class == Data && len(batch) > 1 {
		for i := range batch { // so that only the culprit fails
			w.carry(batch[i : i+1])
		}
		return
	}
	if err != nil {
		w.opts.Log.Error("a batch was not committed", "steps", len(batch), "error", err)
		err = w.failure(err)
	}
	for _, c := range batch {
		if c.err != nil && err == nil {
			c.tell(c.err)
		} else {
			c.tell(err)
		}
	}
}

// again tells whether the batch may be run once more.
func again(err error) bool {
	var f *Failure
	return errors.As(err, &f) && f.Class == Again
}

// failure turns an engine's error into the caller's.
func (w *Writer) failure(err error) error {
	var f *Failure
	if !errors.As(err, &f) {
		return unavailable(err)
	}
	switch f.Class {
	case Data:
		return &otp.Error{Kind: otp.Internal, Cause: err}
	case Broken:
		w.broken.CompareAndSwap(nil, f)
	}
	return unavailable(err)
}

// try runs one transaction. Each call's own error is left in it.
func (w *Writer) try(batch []*call) error {
	// Many callers share the transaction, so no one's context can end it.
	ctx, cancel := context.WithTimeout(context.Background(), 2*MaxWait)
	defer cancel()
	began := w.opts.Now()
	tx, err := w.Begin(ctx, keysOf(batch))
	if err != nil {
		return err
	}
	records := tx.Records()
	now := records.Now
	if now.IsZero() {
		now = w.opts.Now()
	}
	records.Now = w.last.next(now.Add(w.opts.Offset()).UTC().Truncate(time.Microsecond), began, w.opts.Log)
	records.Events = make([]otp.Event, 0, 1+len(batch)+len(batch)/2) // what a batch mostly says
	for _, c := range batch {
		c.err = records.Run(c.step)
	}
	if !records.Dirty() {
		tx.Discard()
		return nil
	}
	if err := tx.Commit(ctx); err != nil {
		if err = w.resolve(err); err != nil {
			return err
		}
	}
	w.observe(len(batch), began)
	return nil
}

// resolve asks the store about a commit whose answer was lost: nil when it
// took place, Again when it did not, the doubt itself when nobody can tell.
func (w *Writer) resolve(err error) error {
	var f *Failure
	if !errors.As(err, &f) || f.Class != InDoubt {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), doubt)
	defer cancel()
	for {
		done, asked := f.Committed(ctx)
		switch {
		case asked == nil && done:
			return nil
		case asked == nil:
			return &Failure{Class: Again, Cause: f.Cause}
		case ctx.Err() != nil:
			w.doubts.Add(1)
			return f
		}
		select {
		case <-time.After(50 * time.Millisecond):
		case <-ctx.Done():
		}
	}
}

// keysOf joins what the steps name: sorted by their bytes, each key once.
func keysOf(batch []*call) otp.Keys {
	var all otp.Keys
	for _, c := range batch {
		k := c.step.Load
		all.Replays = append(all.Replays, k.Replays...)
		all.Handles = append(all.Handles, k.Handles...)
		all.Destinations = append(all.Destinations, k.Destinations...)
		all.Counters = append(all.Counters, k.Counters...)
		all.Contacts = append(all.Contacts, k.Contacts...)
		all.Verifications = append(all.Verifications, k.Verifications...)
		all.Messages = append(all.Messages, k.Messages...)
	}
	all.Replays = unique(all.Replays)
	all.Handles = unique(all.Handles)
	all.Destinations = unique(all.Destinations)
	all.Counters = unique(all.Counters)
	all.Contacts = unique(all.Contacts)
	all.Verifications = unique(all.Verifications)
	all.Messages = unique(all.Messages)
	return all
}

func unique[K otp.Key | otp.ID](keys []K) []K {
	slices.SortFunc(keys, func(a, b K) int {
		x, y := [16]byte(a), [16]byte(b)
		return bytes.Compare(x[:], y[:])
	})
	return slices.Compact(keys)
}
