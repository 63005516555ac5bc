package delivery

import (
	"container/heap"
	"context"
	"sync"
	"time"

	"github.com/aldaba-otp/aldaba/otp"
)

// How tenants' webhooks are told. The waits are those of Standard Webhooks'
// recommendation, which together last a day and some. A webhook whose last answer
// was no good gets one event at a time, and all of those together no more than
// half of the workers, so that they hold up the others for one time-out at most.
const (
	heraldWorkers   = 64 // events in hand at once
	heraldAiling    = heraldWorkers / 2
	heraldPerHook   = 4       // of them for one webhook
	heraldMax       = 100_000 // events that wait
	heraldMaxOfHook = heraldMax / 4
	heraldLastWait  = 14 * time.Hour
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
	hooks   map[string]*listener // by tenant and URL, while something waits for them
	waiting int
	working int
	ailing  int                // of them, for webhooks that are ailing
	rouse   context.CancelFunc // ends the wait of work
}

// listener is a webhook and what waits for it.
type listener struct {
	queue  notices
	busy   int
	ailing bool      // its last answer was no good
	heard  time.Time // when it last heard something, since then something has waited
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
	return &herald{c: c, hooks: make(map[string]*listener)}
}

func hookOf(m *otp.Message) string { return m.Tenant + " " + m.Progress.Provider }

// start begins to tell.
func (h *herald) start(s *otp.Service) {
	h.mu.Lock()
	h.service = s
	h.mu.Unlock()
	h.c.done.Go(h.work)
}

// accept queues a row. Beyond a bound, of one webhook and of all, it stays in the
// outbox until the next start: webhooks that are so far behind hear late.
func (h *herald) accept(m otp.Message) {
	defer h.wake()
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.waiting >= heraldMax {
		return
	}
	l := h.hooks[hookOf(&m)]
	if l == nil {
		l = &listener{}
		h.hooks[hookOf(&m)] = l
	}
	if len(l.queue) < heraldMaxOfHook {
		heap.Push(&l.queue, m)
		h.waiting++
	}
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
	return h.waiting + h.working
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
	next := now.Add(time.Hour)
	for name, l := range h.hooks {
		for l.due(now) && h.mayWork(l) {
			m := heap.Pop(&l.queue).(otp.Message)
			ailing := l.ailing
			h.count(l, ailing, 1)
			h.waiting--
			h.c.done.Go(func() {
				defer h.wake()
				defer h.ended(name, l, ailing)
				h.tell(m, l)
			})
		}
		if len(l.queue) > 0 && !l.due(now) && l.queue[0].NextAt.Before(next) {
			next = l.queue[0].NextAt
		}
	}
	return ctx, next
}

// due reports whether an event is to be told now.
func (l *listener) due(now time.Time) bool { return len(l.queue) > 0 && !l.queue[0].NextAt.After(now) }

// mayWork reports whether a worker is free for a webhook. The caller holds the lock.
func (h *herald) mayWork(l *listener) bool {
	if l.ailing && (l.busy > 0 || h.ailing >= heraldAiling) {
		return false
	}
	return h.working < heraldWorkers && l.busy < heraldPerHook
}

// count counts workers that begin or end. The caller holds the lock.
func (h *herald) count(l *listener, ailing bool, n int) {
	h.working += n
	l.busy += n
	if ailing {
		h.ailing += n
	}
}

// ended gives a worker back, and forgets a webhook for which nothing waits.
func (h *herald) ended(name string, l *listener, ailing bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.count(l, ailing, -1); l.busy == 0 && len(l.queue) == 0 {
		delete(h.hooks, name)
	}
}

// answered notes whether a webhook heard.
func (h *herald) answered(l *listener, done bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if l.ailing = !done; done {
		l.heard = h.c.o.Clock.Now()
	}
}

// heardSince reports whether a webhook has heard something after t.
func (h *herald) heardSince(l *listener, t time.Time) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return l.heard.After(t)
}

// tell tells one event once and notes what became of it.
func (h *herald) tell(m otp.Message, l *listener) {
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
	h.answered(l, told.Done)
	next, off := h.judge(m, told, l)
	if err := h.service.Noticed(context.WithoutCancel(ctx), m, next, off); err != nil {
		h.again(m, "note what a webhook heard", err)
		return
	}
	if !next.IsZero() {
		m.Attempt, m.NextAt = m.Attempt+1, next
		h.accept(m)
	}
}

// heraldPatience is the longest that an endpoint may ask to be left alone: a day
// would be all that an event has, and switch its webhook off.
const heraldPatience = time.Hour

// judge decides when an event is told again, or that its webhook is off. One that
// heard of others meanwhile only wants nothing of this event.
func (h *herald) judge(m otp.Message, told Told, l *listener) (next time.Time, off bool) {
	if told.Done {
		return time.Time{}, false
	}
	waits := heraldWaits()
	if !told.Gone && m.Attempt < len(waits) {
		wait := max(waits[m.Attempt], min(told.After, heraldPatience))
		wait += time.Duration(h.c.o.Jitter() * float64(wait) / 10)
		if at := h.c.o.Clock.Now().Add(wait); at.Before(m.Expires) {
			h.c.o.Log.Info("a webhook did not hear", "tenant", m.Tenant, "why", told.Why, "attempt", m.Attempt+1)
			return at, false
		}
	}
	if !told.Gone && h.heardSince(l, m.Created) {
		h.c.o.Log.Warn("a webhook was told of an event in vain", "tenant", m.Tenant, "why", told.Why, "event", "evt_"+m.ID.Hex())
		return time.Time{}, false
	}
	h.c.o.Log.Error("a webhook is switched off", "tenant", m.Tenant, "why", told.Why,
		"advice", "mend it, then run `aldaba webhook enable`")
	return time.Time{}, true
}

// again tries once more when the store is back.
func (h *herald) again(m otp.Message, what string, err error) {
	h.c.complain(what, err)
	if h.c.ctx.Err() == nil && otp.KindOf(err) == otp.Unavailable {
		m.NextAt = h.c.o.Clock.Now().Add(reportPace)
		h.accept(m)
	}
}
