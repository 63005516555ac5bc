package delivery

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"slices"
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
	backoffMin  = 500 * time.Millisecond
	backoffMax  = 8 * time.Second
	parkPace    = time.Second // between looks at open breakers; up to twice as much
	reportPace  = time.Second // between tries to tell the core, when the store is down
	stale       = time.Second // after it the core is asked again whether a message is still wanted
	stopGrace   = time.Second // of Stop's time, for what is cut short to come to its end
)

// Options are what a courier is made of.
type Options struct {
	Clock *clock.Clock
	Log   *slog.Logger
	// Jitter returns a number in [0, 1); math/rand when nil.
	Jitter func() float64
	// Tell tells a tenant's webhook of an event; nil tells nobody.
	Tell func(context.Context, otp.Notice) Told
	// Observe, if not nil, is told of each try. It must not block.
	Observe func(Try)
	// Around, if not nil, is called before each try, with what a provider is
	// about to be asked. It may put values into the context; what it returns is
	// called with the answer. It must not block.
	Around func(ctx context.Context, t Try, m *otp.Message) (context.Context, func(error))
}

// Try is what happened when a provider was asked to carry a message.
type Try struct {
	Provider, Tenant, Channel, Country string
	Result                             string        // "taken", or a [Class]'s word
	Took                               time.Duration // in the provider's hands
	Waited                             time.Duration // from the message's birth to the answer
}

// Courier implements [otp.Courier]. Its queue is memory: what it holds stands
// in the outbox too, so a crash loses nothing.
type Courier struct {
	o         Options
	service   *otp.Service
	providers atomic.Pointer[map[string]Provider]
	breakers  *breakers
	runners   runners
	herald    *herald
	noted     *signal // a hand-over was noted

	mu      sync.Mutex
	work    *sync.Cond // a job is ready
	changed *sync.Cond // something that who waits may be waiting for
	waiters int
	ready   []*job
	retries retryQueue
	rouse   context.CancelFunc  // wakes tickRetries
	untried map[uint64]struct{} // first tries that are not over, by job
	last    uint64              // job
	busy    int
	idle    int // workers that wait
	alive   int // workers
	closed  bool

	ctx     context.Context
	cancel  context.CancelFunc
	lasting context.Context // ctx without its end
	done    sync.WaitGroup
}

// job is one message in hand.
type job struct {
	n        uint64
	dispatch otp.Dispatch
	claim    bool                 // must be claimed before it is sent
	seen     time.Time            // when the core last said that it is wanted
	refused  []string             // providers that will never take it
	rests    map[string]time.Time // until when providers asked to be left alone; a message that another server takes over begins without
	retry    bool                 // it was tried before
	hedge    bool                 // it is a second copy for want of a receipt
	feigned  *otp.Attempt         // what is to be told of a decoy, after as long as a provider might take
	partly   int                  // copies of which a part alone was taken
	lost     bool                 // every copy before it was taken and will not arrive
	ways     []string             // providers of its route, once known
	country  string               // of a message that waits for its receipt
}

// mayAsk tells whether a provider may be asked for the message now.
func (j *job) mayAsk(provider string, now time.Time) bool {
	return !slices.Contains(j.refused, provider) && !now.Before(j.rests[provider])
}

// rest leaves a provider alone until then.
func (j *job) rest(provider string, until time.Time) {
	if j.rests == nil {
		j.rests = make(map[string]time.Time)
	}
	j.rests[provider] = until
}

// New returns a courier that carries nothing until Start.
func New(o Options) *Courier {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Jitter == nil {
		o.Jitter = rand.Float64
	}
	c := &Courier{o: o, untried: make(map[uint64]struct{}), breakers: newBreakers(), noted: newSignal()}
	c.herald = newHerald(c)
	c.work, c.changed = sync.NewCond(&c.mu), sync.NewCond(&c.mu)
	c.ctx, c.cancel = context.WithCancel(context.Background())
	c.lasting = context.WithoutCancel(c.ctx)
	c.SetProviders(nil)
	return c
}

// SetProviders puts another set of carriers in force, by name. Those that keep
// connections run from now on, if the courier does; those that are left out end.
func (c *Courier) SetProviders(p map[string]Provider) {
	c.providers.Store(&p)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.service != nil && !c.closed {
		c.run(p)
	}
}

// Provider returns a carrier by its name.
func (c *Courier) Provider(name string) (Provider, bool) {
	p, ok := (*c.providers.Load())[name]
	return p, ok
}

// Start begins to carry messages of the service, and to look for those that
// dead servers left.
func (c *Courier) Start(s *otp.Service) {
	c.mu.Lock()
	c.service = s
	for range min(len(c.ready), workers) {
		c.hire()
	}
	c.run(*c.providers.Load())
	c.mu.Unlock()
	c.herald.start(s)
	c.done.Go(c.tickRetries)
	c.done.Go(c.tickOrphans)
}

// Stop lets what is in hand come to its end, and leaves the rest in the
// outbox. What lasts longer than ctx is cut short and stays in the outbox too;
// a provider that does not end with its context is left behind.
func (c *Courier) Stop(ctx context.Context) {
	c.mu.Lock()
	c.closed = true
	c.work.Broadcast()
	c.changed.Broadcast()
	c.mu.Unlock()
	if end, ok := ctx.Deadline(); ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, end.Add(-stopGrace))
		defer cancel()
	}
	c.wait(ctx, func() bool { return c.busy == 0 })
	c.leave(ctx)
	c.cancel()
	ended := make(chan struct{})
	go func() {
		c.done.Wait()
		close(ended)
	}()
	grace := time.NewTimer(stopGrace)
	defer grace.Stop()
	select {
	case <-ended:
	case <-grace.C:
		c.o.Log.Warn("a provider did not end in time; its message stays in the outbox")
	}
}

// Accept implements [otp.Courier]: it queues a fresh message and returns.
func (c *Courier) Accept(d otp.Dispatch) {
	if d.Message.Kind == otp.EventMessage {
		c.herald.accept(d.Message)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return // it stays in the outbox
	}
	c.untried[c.last+1] = struct{}{}
	c.push(&job{dispatch: d, seen: c.o.Clock.Now()})
}

// push queues a job and sees to it that a worker takes it. The caller holds
// the lock.
func (c *Courier) push(j *job) {
	c.last++
	j.n = c.last
	c.ready = append(c.ready, j)
	if len(c.ready) > c.idle && c.alive < workers && c.service != nil {
		c.hire()
		return
	}
	c.work.Signal()
}

// hire adds a worker. The caller holds the lock.
func (c *Courier) hire() {
	c.alive++
	c.done.Go(c.toil)
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
		c.ready[0] = nil // the array outlives it
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
