package delivery

import (
	"container/heap"
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aldaba-otp/aldaba/otp"
)

// How orphans are looked for.
const (
	orphanPace  = 5 * time.Second
	orphanChunk = 200
)

// retry is one message that waits for its next try.
type retry struct {
	at  time.Time
	job *job
}

type retryQueue []retry

// Len implements [sort.Interface].
func (q retryQueue) Len() int { return len(q) }

// Less implements [sort.Interface].
func (q retryQueue) Less(i, j int) bool { return q[i].at.Before(q[j].at) }

// Swap implements [sort.Interface].
func (q retryQueue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }

// Push implements [container/heap.Interface].
func (q *retryQueue) Push(x any) { *q = append(*q, x.(retry)) }

// Pop implements [container/heap.Interface].
func (q *retryQueue) Pop() any {
	old := *q
	last := len(old) - 1
	x := old[last]
	old[last] = retry{} // the array outlives it
	*q = old[:last]
	return x
}

// later queues a retry.
func (c *Courier) later(at time.Time, j *job) {
	c.mu.Lock()
	defer c.mu.Unlock()
	heap.Push(&c.retries, retry{at, j})
	if c.rouse != nil && c.retries[0].at.Equal(at) {
		c.rouse()
	}
}

// await keeps a message that a carrier took until its next timer. Only the row
// is kept: what it belongs to is loaded again.
func (c *Courier) await(m otp.Message, country string) {
	c.later(m.NextAt, &job{dispatch: otp.Dispatch{Message: m}, claim: true, country: country})
}

// tickRetries hands retries to the workers when the clock reaches them.
func (c *Courier) tickRetries() {
	for c.ctx.Err() == nil {
		ctx, next := c.release()
		_ = c.o.Clock.Wait(ctx, next) // an early end only means another look
	}
}

// release hands over what is due, in one step, so that a message is always
// either waiting or in hand. It returns when the next retry is due, and a
// context that ends when an earlier one comes.
func (c *Courier) release() (context.Context, time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.o.Clock.Now()
	for !c.closed && len(c.retries) > 0 && !c.retries[0].at.After(now) {
		c.push(heap.Pop(&c.retries).(retry).job)
	}
	next := now.Add(time.Hour)
	if !c.closed && len(c.retries) > 0 {
		next = c.retries[0].at
	}
	if c.rouse != nil {
		c.rouse()
	}
	var ctx context.Context
	ctx, c.rouse = context.WithCancel(c.ctx)
	return ctx, next
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

// adopt queues orphans until none is left. The claims of a chunk are made at
// once, so that they share a transaction, and one that fails stops no other.
func (c *Courier) adopt() {
	for c.ctx.Err() == nil {
		orphans, err := c.service.Orphans(c.ctx, orphanChunk)
		if err != nil {
			c.complain("look for orphaned messages", err)
			return
		}
		var settled atomic.Int64
		var failure atomic.Pointer[error]
		var claims sync.WaitGroup
		for _, m := range orphans {
			claims.Go(func() {
				if m.Kind == otp.EventMessage {
					mine, err := c.service.TakeOver(c.ctx, m)
					if err != nil {
						failure.Store(&err)
						return
					}
					settled.Add(1)
					if mine.Owner != m.Owner {
						c.herald.accept(mine)
					}
					return
				}
				claim, err := c.service.Claim(c.ctx, m)
				if err != nil {
					failure.Store(&err)
					return
				}
				settled.Add(1)
				c.resume(claim)
			})
		}
		claims.Wait()
		if err := failure.Load(); err != nil {
			c.complain("claim orphaned messages", *err)
		}
		if len(orphans) < orphanChunk || settled.Load() == 0 {
			return
		}
	}
}

// resume goes on with a message that was another server's.
func (c *Courier) resume(claim otp.Claim) {
	d := claim.Dispatch
	switch claim.Task {
	case otp.TaskNothing:
	case otp.TaskWait:
		c.await(d.Message, d.Verification.Spec.Country)
	default:
		j := &job{dispatch: d, seen: c.o.Clock.Now(), retry: d.Message.Attempt > 0}
		if claim.Task == otp.TaskHedge {
			j.hedge, j.refused = true, []string{d.Message.Progress.Provider}
		}
		c.later(d.Message.NextAt, j)
	}
}

// complain logs an error, unless it only comes from stopping.
func (c *Courier) complain(what string, err error) {
	if c.ctx.Err() == nil {
		c.o.Log.Warn("the store did not answer", "what", what, "error", err)
	}
}
