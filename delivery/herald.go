package delivery

import (
	"container/heap"
	"context"
	"sync"
	"time"

	"github.com/aldaba-otp/aldaba/otp"
)

// How tenants' webhooks are told. The waits are those of Standard Webhooks'
// recommendation, which together last a day and some.
const (
	heraldWorkers  = 16 // events in hand at once
	heraldPerHook  = 4  // of them for one webhook, so that a slow one holds up no other
	heraldMax      = 100_000
	heraldLastWait = 14 * time.Hour
)

// heraldWaits lists the waits between the tries.
func heraldWaits() []time.Duration {
	return []time.Duration{5 * time.Second, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour, 5 * time.Hour, 10 * time.Hour, heraldLastWait}
}

// Told is what a webhook answered.
type Told struct {
	Done  bool          // it heard
	Gone  bool          // it wants to hear no more: 410
	After time.Duration // it asks to wait so long
	Why   string        // a short word for the log when not done; nothing secret
}

// herald tells tenants' webhooks of events, apart from the messages for people.
type herald struct {
	c *Courier

	mu      sync.Mutex
	service *otp.Service
	queue   notices
	busy    map[string]int // by webhook
	working int
	rouse   context.CancelFunc // ends the wait of work
}

// notices is a heap of rows by when they are due.
type notices []otp.Message

// Len implements [sort.Interface].
func (q notices) Len() int { return len(q) }

// Less implements [sort.Interface].
func (q notices) Less(i, j int) bool { return q[i].NextAt.Before(q[j].NextAt) }

// Swap implements [sort.Interface].
func (q notices) Swap(i, j int) { q[i], q[j] = q[j], q[i] }

// Push implements [container/heap.Interface].
func (q *notices) Push(x any) { *q = append(*q, x.(otp.Message)) }

// Pop implements [container/heap.Interface].
func (q *notices) Pop() any {
	old := *q
	x := old[len(old)-1]
	*q = old[:len(old)-1]
	return x
}

func newHerald(c *Courier) *herald {
	return &herald{c: c, busy: make(map[string]int)}
}

// start begins to tell.
func (h *herald) start(s *otp.Service) {
	h.mu.Lock()
	h.service = s
	h.mu.Unlock()
	h.c.done.Go(h.work)
}

// accept queues a row. Beyond a bound it stays in the outbox until the next
// start: webhooks that are so far behind hear late.
func (h *herald) accept(m otp.Message) {
	h.mu.Lock()
	if len(h.queue) < heraldMax {
		heap.Push(&h.queue, m)
	}
	h.mu.Unlock()
	h.wake()
}

func (h *herald) wake() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.rouse != nil {
		h.rouse()
	}
}

func (h *herald) size() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.queue) + h.working
}

// work hands rows that are due to workers.
func (h *herald) work() {
	for h.c.ctx.Err() == nil {
		ctx, next := h.release()
		_ = h.c.o.Clock.Wait(ctx, next) // an early end only means another look
	}
}

// release starts what is due and may run. It returns when to look again, and a
// context that ends when there is a reason to look earlier.
func (h *herald) release() (context.Context, time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.rouse != nil {
		h.rouse()
	}
	var ctx context.Context
	ctx, h.rouse = context.WithCancel(h.c.ctx)
	now := h.c.o.Clock.Now()
	var held []otp.Message
	for len(h.queue) > 0 && !h.queue[0].NextAt.After(now) && h.working < heraldWorkers {
		m := heap.Pop(&h.queue).(otp.Message)
		hook := m.Tenant + " " + m.Progress.Provider
		if h.busy[hook] >= heraldPerHook {
			held = append(held, m)
			continue
		}
		h.busy[hook]++
		h.working++
		h.c.done.Go(func() { h.tell(m, hook) })
	}
	for _, m := range held {
		heap.Push(&h.queue, m)
	}
	next := now.Add(time.Hour)
	if len(h.queue) > 0 && h.queue[0].NextAt.After(now) {
		next = h.queue[0].NextAt
	}
	return ctx, next
}

// tell tells one event once and notes what became of it.
func (h *herald) tell(m otp.Message, hook string) {
	defer func() {
		h.mu.Lock()
		h.working--
		if h.busy[hook]--; h.busy[hook] == 0 {
			delete(h.busy, hook)
		}
		h.mu.Unlock()
		h.wake()
	}()
	ctx := h.c.ctx
	notice, err := h.service.Notice(ctx, m)
	switch {
	case otp.KindOf(err) == otp.NotFound && err != nil:
		return
	case err != nil:
		h.again(m, "read an event for a webhook", err)
		return
	case h.c.o.Tell == nil:
		return
	}
	told := h.c.o.Tell(ctx, notice)
	if ctx.Err() != nil && !told.Done {
		return // it stays in the outbox
	}
	t := h.judge(m, told)
	off, err := h.service.Noticed(context.WithoutCancel(ctx), m, t)
	if err != nil {
		h.again(m, "note what a webhook heard", err)
		return
	}
	log := h.c.o.Log.With("tenant", m.Tenant, "why", told.Why)
	switch {
	case !t.NextAt.IsZero():
		log.Info("a webhook did not hear", "attempt", m.Attempt+1)
		m.Attempt, m.NextAt = m.Attempt+1, t.NextAt
		h.accept(m)
	case off:
		log.Error("a webhook is switched off", "advice", "mend it, then run `aldaba webhook enable`")
	case !t.Heard && !t.Gone:
		log.Warn("a webhook did not hear an event, and others meanwhile; it is not told again", "verification_id", m.Verification.String())
	}
}

// heraldPatience is the longest that an endpoint may ask to be left alone: a day
// would be all that an event has, and may switch its webhook off.
const heraldPatience = time.Hour

// judge decides what follows from an answer: that the event is told again, or
// not.
func (h *herald) judge(m otp.Message, told Told) otp.Telling {
	waits := heraldWaits()
	if told.Done || told.Gone || m.Attempt >= len(waits) {
		return otp.Telling{Heard: told.Done, Gone: told.Gone}
	}
	wait := max(waits[m.Attempt], min(told.After, heraldPatience))
	wait += time.Duration(h.c.o.Jitter() * float64(wait) / 10)
	at := h.c.o.Clock.Now().Add(wait)
	if !at.Before(m.Expires) {
		return otp.Telling{}
	}
	return otp.Telling{NextAt: at}
}

// again tries once more when the store is back.
func (h *herald) again(m otp.Message, what string, err error) {
	h.c.complain(what, err)
	if h.c.ctx.Err() == nil && otp.KindOf(err) == otp.Unavailable {
		m.NextAt = h.c.o.Clock.Now().Add(reportPace)
		h.accept(m)
	}
}
