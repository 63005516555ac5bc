package delivery

import (
	"container/heap"
	"context"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aldaba-otp/aldaba/internal/clock"
	"github.com/aldaba-otp/aldaba/otp"
)

// The courier's bounds.
const (
	workers     = 256              // messages in hand at once
	callTimeout = 10 * time.Second // of one try of one provider
	maxCopies   = 3                // tries of one message that may have reached a carrier
	orphanPace  = 5 * time.Second  // between looks at what dead servers left
	orphanChunk = 200
	backoffMin  = 500 * time.Millisecond
	backoffMax  = 8 * time.Second
	reportPace  = time.Second // between tries to tell the core, when the store is down
)

// Options are what a courier is made of.
type Options struct {
	Clock *clock.Clock
	Log   *slog.Logger
	// Jitter returns a number in [0, 1); math/rand when nil.
	Jitter func() float64
}

// Courier implements [otp.Courier]. Its queue is memory: what it holds stands
// in the outbox too, so a crash loses nothing.
type Courier struct {
	o         Options
	service   *otp.Service
	providers atomic.Pointer[map[string]Provider]

	mu      sync.Mutex
	work    *sync.Cond // a job is ready
	changed *sync.Cond // something that who waits may be waiting for
	waiters int
	ready   []job
	retries retryQueue
	untried map[uint64]struct{} // first tries that are not over, by job
	last    uint64              // job
	busy    int
	idle    int // workers that wait
	alive   int // workers
	closed  bool

	ctx    context.Context
	cancel context.CancelFunc
	done   sync.WaitGroup
	alarm  chan struct{} // the earliest retry changed
}

// job is one message in hand.
type job struct {
	n        uint64
	dispatch otp.Dispatch
	claim    bool // must be claimed before it is sent
}

// New returns a courier that carries nothing until Start.
func New(o Options) *Courier {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Jitter == nil {
		o.Jitter = rand.Float64
	}
	c := &Courier{o: o, untried: make(map[uint64]struct{}), alarm: make(chan struct{}, 1)}
	c.work, c.changed = sync.NewCond(&c.mu), sync.NewCond(&c.mu)
	c.ctx, c.cancel = context.WithCancel(context.Background())
	c.SetProviders(nil)
	return c
}

// SetProviders puts another set of carriers in force, by name.
func (c *Courier) SetProviders(p map[string]Provider) { c.providers.Store(&p) }

// Start begins to carry messages of the service, and to look for those that
// dead servers left.
func (c *Courier) Start(s *otp.Service) {
	c.mu.Lock()
	c.service = s
	c.mu.Unlock()
	c.done.Go(c.tickRetries)
	c.done.Go(c.tickOrphans)
}

// Stop lets what is in hand come to its end, as long as ctx lasts, and leaves
// the rest in the outbox.
func (c *Courier) Stop(ctx context.Context) {
	c.mu.Lock()
	c.closed = true
	c.work.Broadcast()
	c.changed.Broadcast()
	c.mu.Unlock()
	c.wait(ctx, func() bool { return c.busy == 0 })
	c.cancel()
	c.done.Wait()
}

// Accept implements [otp.Courier]: it queues a fresh message and returns.
func (c *Courier) Accept(d otp.Dispatch) { c.push(job{dispatch: d}) }

// push queues a job and sees to it that a worker takes it.
func (c *Courier) push(j job) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return // it stays in the outbox
	}
	c.last++
	j.n = c.last
	if !j.claim {
		c.untried[j.n] = struct{}{}
	}
	c.ready = append(c.ready, j)
	if len(c.ready) > c.idle && c.alive < workers {
		c.alive++
		c.done.Go(c.toil)
		return
	}
	c.work.Signal()
}

// toil carries one message after the other.
func (c *Courier) toil() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for {
		for len(c.ready) == 0 && !c.closed {
			c.idle++
			c.work.Wait()
			c.idle--
		}
		if c.closed {
			return
		}
		j := c.ready[0]
		c.ready = c.ready[1:]
		c.busy++
		c.mu.Unlock()
		c.carry(j)
		c.mu.Lock()
		c.busy--
		c.tell()
	}
}

// tell wakes who waits for a change. The caller holds the lock.
func (c *Courier) tell() {
	if c.waiters > 0 {
		c.changed.Broadcast()
	}
}

// tried notes that the first try of a job is over.
func (c *Courier) tried(n uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := c.untried[n]; ok {
		delete(c.untried, n)
		c.tell()
	}
}

// Settle returns when every message that was accepted before the call has been
// tried once, or when ctx ends.
func (c *Courier) Settle(ctx context.Context) {
	c.mu.Lock()
	border := c.last
	c.mu.Unlock()
	c.wait(ctx, func() bool {
		if c.closed {
			return true
		}
		for n := range c.untried {
			if n <= border {
				return false
			}
		}
		return true
	})
}

// Rest returns when nothing is in hand and no retry is due, or when ctx ends.
func (c *Courier) Rest(ctx context.Context) {
	c.wait(ctx, func() bool {
		due := len(c.retries) > 0 && !c.retries[0].at.After(c.o.Clock.Now())
		return c.closed || c.busy == 0 && len(c.ready) == 0 && !due
	})
}

// wait blocks until the condition holds; it is asked under the lock.
func (c *Courier) wait(ctx context.Context, condition func() bool) {
	stop := context.AfterFunc(ctx, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.changed.Broadcast()
	})
	defer stop()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.waiters++
	for !condition() && ctx.Err() == nil {
		c.changed.Wait()
	}
	c.waiters--
}

// retry is one message that waits for its next try.
type retry struct {
	at       time.Time
	dispatch otp.Dispatch
}

type retryQueue []retry

func (q retryQueue) Len() int           { return len(q) }
func (q retryQueue) Less(i, j int) bool { return q[i].at.Before(q[j].at) }
func (q retryQueue) Swap(i, j int)      { q[i], q[j] = q[j], q[i] }
func (q *retryQueue) Push(x any)        { *q = append(*q, x.(retry)) }
func (q *retryQueue) Pop() any {
	old := *q
	x := old[len(old)-1]
	*q = old[:len(old)-1]
	return x
}

// later queues a retry.
func (c *Courier) later(at time.Time, d otp.Dispatch) {
	c.mu.Lock()
	heap.Push(&c.retries, retry{at, d})
	c.mu.Unlock()
	select {
	case c.alarm <- struct{}{}:
	default:
	}
}

// tickRetries hands retries to the workers when the clock reaches them.
func (c *Courier) tickRetries() {
	for c.ctx.Err() == nil {
		next := c.o.Clock.Now().Add(time.Hour)
		for _, due := range c.dueRetries(&next) {
			c.push(job{dispatch: due.dispatch, claim: true})
		}
		ctx, cancel := context.WithCancel(c.ctx)
		go func() {
			select {
			case <-c.alarm:
				cancel()
			case <-ctx.Done():
			}
		}()
		_ = c.o.Clock.Wait(ctx, next) // an early end only means another look
		cancel()
	}
}

// dueRetries takes what is due off the queue and tells when the next one is.
func (c *Courier) dueRetries(next *time.Time) []retry {
	c.mu.Lock()
	defer c.mu.Unlock()
	var due []retry
	now := c.o.Clock.Now()
	for len(c.retries) > 0 && !c.retries[0].at.After(now) {
		due = append(due, heap.Pop(&c.retries).(retry))
	}
	if len(c.retries) > 0 {
		*next = c.retries[0].at
	}
	return due
}

// tickOrphans adopts what dead servers left in the outbox. It goes by real
// time: a clock that is turned kills no server.
func (c *Courier) tickOrphans() {
	pace := time.NewTicker(orphanPace)
	defer pace.Stop()
	for {
		c.adopt()
		select {
		case <-pace.C:
		case <-c.ctx.Done():
			return
		}
	}
}

// adopt queues orphans until none is left.
func (c *Courier) adopt() {
	for c.ctx.Err() == nil {
		orphans, err := c.service.Orphans(c.ctx, orphanChunk)
		if err != nil {
			c.o.Log.Warn("look for orphaned messages", "error", err)
			return
		}
		for _, m := range orphans {
			d, ok, err := c.service.Claim(c.ctx, m)
			if err != nil {
				c.o.Log.Warn("claim an orphaned message", "error", err)
				return
			}
			if ok {
				c.later(d.Message.NextAt, d)
			}
		}
		if len(orphans) < orphanChunk {
			return
		}
	}
}
