// Package clock is a wall clock that can be moved forward, with timers that
// notice. `aldaba dev` turns it; `aldaba serve` never does.
//
// It is not a scheduler and knows nothing of what waits for it.
package clock

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// Clock is the system's clock plus an offset that only grows.
type Clock struct {
	mu     sync.Mutex
	offset atomic.Int64  // changed under mu
	moved  chan struct{} // closed and replaced at each advance
	now    func() time.Time
}

// New returns a clock that is offset ahead of the system's.
func New(offset time.Duration) *Clock { return Over(time.Now, offset) } //nolint:forbidigo // the default

// Over returns a clock that is offset ahead of another.
func Over(now func() time.Time, offset time.Duration) *Clock {
	c := &Clock{moved: make(chan struct{}), now: now}
	c.offset.Store(int64(max(offset, 0)))
	return c
}

// Now returns the time.
func (c *Clock) Now() time.Time { return c.now().Add(c.Offset()) }

// Offset returns how far the clock is ahead.
func (c *Clock) Offset() time.Duration { return time.Duration(c.offset.Load()) }

// Advance moves the clock forward and wakes who waits. A negative d does
// nothing.
func (c *Clock) Advance(d time.Duration) {
	if d <= 0 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.offset.Add(int64(d))
	close(c.moved)
	c.moved = make(chan struct{})
}

// Wait returns nil once the clock has reached t, or the context's error when
// that ends first.
func (c *Clock) Wait(ctx context.Context, t time.Time) error {
	for {
		c.mu.Lock()
		moved := c.moved
		left := t.Sub(c.Now())
		c.mu.Unlock()
		if left <= 0 {
			return nil
		}
		timer := time.NewTimer(left)
		select {
		case <-timer.C:
		case <-moved:
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		}
		timer.Stop()
	}
}
