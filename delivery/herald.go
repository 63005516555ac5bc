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
	heraldPerHook  = 4  // of them for one webhook that heard its last; for others 1
	heraldVain     = 8  // of them for all webhooks together that did not hear their last
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
//
// Of those that may be told the one goes first whose turn was longest ago. So
// webhooks that do not answer hold half of the workers at most, one each, from
// their first try in vain on, and the other half is for those that hear. Until
// then one that heard may have four in hand that hang, for one time-out.
type herald struct {
	c *Courier

	mu      sync.Mutex
	service *otp.Service
	hooks   map[string]*ear // that have anything to hear, or did not hear their last
	waiting int             // events in all queues
	working int
	turns   uint64
	rouse   context.CancelFunc // ends the wait of work
}

// ear is one webhook, as this server knows it.
type ear struct {
	queue notices
	busy  int
	turn  uint64 // when it was last told anything
	heard bool   // its last try; neither before the first
	vain  bool
}

// may tells whether a webhook may be told one more event, while others that did
// not hear hold some workers.
func (e *ear) may(vain int) bool {
	switch {
	case e.heard:
		return e.busy < heraldPerHook
	case e.vain:
		return e.busy == 0 && vain < heraldVain
	}
	return e.busy == 0
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
	return &herald{c: c, hooks: make(map[string]*ear)}
}

// start begins to tell.
func (h *herald) start(s *otp.Service) {
	h.mu.Lock()
	h.service = s
	h.mu.Unlock()
	h.c.done.Go(h.work)
}

// accept queues a row. Beyond a bound one of the longest queue stays in the
// outbox until the next start: webhooks that are far behind hear late, and take
// no room from the others.
func (h *herald) accept(m otp.Message) {
	h.mu.Lock()
	e := h.hooks[nameOf(&m)]
	if e == nil {
		e = &ear{}
		h.hooks[nameOf(&m)] = e
	}
	heap.Push(&e.queue, m)
	if h.waiting++; h.waiting > heraldMax {
		longest := e
		for _, other := range h.hooks {
			if len(other.queue) > len(longest.queue) {
				longest = other
			}
		}
		longest.queue.Pop() // a leaf: what is left is a heap
		h.waiting--
	}
	h.mu.Unlock()
	h.wake()
}

// nameOf names the webhook of a row.
func nameOf(m *otp.Message) string { return m.Tenant + " " + m.Progress.Provider }

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
	for h.working < heraldWorkers {
		e := h.next(now)
		if e == nil {
			break
		}
		m := heap.Pop(&e.queue).(otp.Message)
		h.turns++
		e.turn = h.turns
		h.waiting--
		e.busy++
		h.working++
		h.c.done.Go(func() { h.tell(m, e) })
	}
	next := now.Add(time.Hour)
	for _, e := range h.hooks {
		if len(e.queue) > 0 && e.queue[0].NextAt.After(now) && e.queue[0].NextAt.Before(next) {
			next = e.queue[0].NextAt
		}
	}
	return ctx, next
}

// next returns the webhook that is told now, or nil. The caller holds the lock.
func (h *herald) next(now time.Time) (first *ear) {
	vain := 0
	for _, e := range h.hooks {
		if e.vain {
			vain += e.busy
		}
	}
	for _, e := range h.hooks {
		if len(e.queue) > 0 && !e.queue[0].NextAt.After(now) && e.may(vain) && (first == nil || e.turn < first.turn) {
			first = e
		}
	}
	return first
}

// tell tells one event once and notes what became of it.
func (h *herald) tell(m otp.Message, e *ear) {
	defer func() {
		h.mu.Lock()
		h.working--
		if e.busy--; e.busy == 0 && len(e.queue) == 0 && !e.vain {
			delete(h.hooks, nameOf(&m))
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
	h.mu.Lock()
	e.heard, e.vain = told.Done, !told.Done
	h.mu.Unlock()
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
