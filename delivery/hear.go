package delivery

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/aldaba-otp/aldaba/otp"
)

// A receipt may come before the hand-over that it speaks of is noted: for so
// long it is held back before it counts as unknown, and no more than so many.
const (
	earlyFor = 2 * time.Second
	earlyMax = 1024
)

// errBusy makes a carrier say a receipt again later.
var errBusy = errors.New("delivery: too many receipts of unknown messages at once")

// Hear takes in what a provider's carrier says about a message. It returns once
// that is noted durably, or of no use: an unknown message, a repeat. An error
// means that the carrier should say it again.
func (c *Courier) Hear(ctx context.Context, provider string, r Report) error {
	if r.State == EnRoute {
		return nil // it changes nothing, and nothing waits for it
	}
	w := otp.Word{Provider: provider, ID: r.ID, Fate: otp.FateFailed, Detail: Word(r.Code)}
	if r.State == Delivered {
		w.Fate = otp.FateDelivered
	}
	heard, err := c.hearEarly(ctx, w)
	switch {
	case err != nil:
		return err
	case !heard.Known:
		c.o.Log.Info("a receipt names no message", "provider", provider, "state", r.State.String())
	case heard.Again != nil:
		c.o.Log.Warn("a message that was taken will not arrive", "provider", provider, "code", w.Detail,
			"verification_id", heard.Again.Verification.ID.String())
		c.again(*heard.Again, []string{provider})
	}
	return nil
}

// again queues a message whose every copy was lost on its way, for others than
// those who lost or refused it.
func (c *Courier) again(d otp.Dispatch, refused []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.closed {
		c.push(&job{dispatch: d, seen: c.o.Clock.Now(), refused: refused, retry: true, lost: true})
	}
}

// hearEarly asks the core, and again whenever a hand-over was noted while the
// message is unknown.
func (c *Courier) hearEarly(ctx context.Context, w otp.Word) (otp.Heard, error) {
	if c.service == nil {
		return otp.Heard{}, errBusy
	}
	held := c.noted.hold() // before the first look, so that nothing is missed after it
	if held {
		defer c.noted.release()
	}
	noted := c.noted.wait()
	heard, err := c.service.Hear(ctx, w)
	switch {
	case err != nil || heard.Known:
		return heard, err
	case !held:
		return heard, errBusy
	}
	timer := time.NewTimer(earlyFor)
	defer timer.Stop()
	for !heard.Known && err == nil {
		select {
		case <-noted:
			noted = c.noted.wait()
			heard, err = c.service.Hear(ctx, w)
		case <-timer.C:
			return c.service.Hear(ctx, w) // another server may have noted it
		case <-ctx.Done():
			return heard, ctx.Err()
		}
	}
	return heard, err
}

// signal wakes all who wait each time something happens.
type signal struct {
	mu   sync.Mutex
	next chan struct{}
	held int
}

func newSignal() *signal { return &signal{next: make(chan struct{})} }

// wait returns a channel that is closed when it happens next.
func (s *signal) wait() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.next
}

// hold counts one that waits; there may be so many.
func (s *signal) hold() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.held >= earlyMax {
		return false
	}
	s.held++
	return true
}

func (s *signal) release() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held--
}

func (s *signal) broadcast() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.held > 0 {
		close(s.next)
		s.next = make(chan struct{})
	}
}

// runners are the providers that keep connections, each with what ends it.
type runners map[string]runner

type runner struct {
	provider Provider
	end      context.CancelFunc
	ended    chan struct{}
}

// run starts the providers that keep connections and ends those that are gone.
// The caller holds the lock.
func (c *Courier) run(providers map[string]Provider) {
	if c.runners == nil {
		c.runners = make(runners)
	}
	before := map[string]runner{}
	for name, r := range c.runners {
		if providers[name] != r.provider {
			r.end()
			before[name] = r
			delete(c.runners, name)
		}
	}
	for name, p := range providers {
		keeps, ok := p.(Runner)
		if _, running := c.runners[name]; !ok || running {
			continue
		}
		ctx, end := context.WithCancel(c.ctx)
		r := runner{p, end, make(chan struct{})}
		c.runners[name] = r
		c.done.Go(func() {
			defer close(r.ended)
			defer func() {
				if r := recover(); r != nil {
					c.o.Log.Error("a provider panicked", "provider", name, "panic", r)
				}
			}()
			if old, ok := before[name]; ok { // a carrier may allow one login at a time
				old.wait(ctx, runnerGrace)
			}
			keeps.Run(ctx, func(ctx context.Context, r Report) error { return c.Hear(ctx, name, r) })
		})
	}
}

// runnerGrace is what a provider gets to leave its carrier in good order.
const runnerGrace = 5 * time.Second

// wait returns when the provider has ended, or after a while, or with ctx.
func (r runner) wait(ctx context.Context, within time.Duration) {
	timer := time.NewTimer(within)
	defer timer.Stop()
	select {
	case <-r.ended:
	case <-timer.C:
	case <-ctx.Done():
	}
}

// leave ends the providers that keep connections, and waits for them until ctx
// ends: they say goodbye to their carriers.
func (c *Courier) leave(ctx context.Context) {
	c.mu.Lock()
	all := c.runners
	c.runners = nil
	c.mu.Unlock()
	for _, r := range all {
		r.end()
	}
	for _, r := range all {
		r.wait(ctx, runnerGrace)
	}
}

// watch tells of a try.
func (c *Courier) watch(j *job, provider string, began time.Time, err error) {
	if c.o.Observe == nil {
		return
	}
	t := c.try(provider, &j.dispatch)
	t.Result, t.Took = "taken", c.o.Clock.Now().Sub(began)
	if err != nil {
		t.Result = ClassOf(err).String()
	}
	c.o.Observe(t)
}

// turned logs that a breaker opened or closed.
func (c *Courier) turned(p place, turned bool) {
	if !turned {
		return
	}
	open, why := false, ""
	c.breakers.with(p, func(b *breaker) { open, why = b.open, b.why })
	if open {
		c.o.Log.Warn("a circuit breaker opened", "provider", p.provider, "country", p.country, "why", why)
		return
	}
	c.o.Log.Info("a circuit breaker closed", "provider", p.provider, "country", p.country)
}

// QueueState tells how much work waits.
type QueueState struct {
	Ready, Busy, Waiting int
	Oldest               time.Time // birth of the oldest message that no carrier has taken yet; zero when there is none
	Events               int       // that webhooks have not heard yet
}

// Queue returns the state of the queue.
func (c *Courier) Queue() QueueState {
	c.mu.Lock()
	defer c.mu.Unlock()
	q := QueueState{Ready: len(c.ready), Busy: c.busy, Waiting: len(c.retries), Events: c.herald.size()}
	older := func(m *otp.Message) {
		if !m.Taken() && (q.Oldest.IsZero() || m.Created.Before(q.Oldest)) {
			q.Oldest = m.Created
		}
	}
	for i := range c.ready {
		older(&c.ready[i].dispatch.Message)
	}
	for i := range c.retries {
		older(&c.retries[i].job.dispatch.Message)
	}
	return q
}
