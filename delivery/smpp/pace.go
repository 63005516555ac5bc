package smpp

import (
	"context"
	"errors"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// errPace says that the pace leaves no room within the time that is left.
var errPace = errors.New("the permitted pace leaves no room in time; raise rate if the carrier permits more")

const (
	queueFullMin = 2 * time.Second // what a carrier whose queue is full is left in peace
	queueFullMax = time.Minute
	slowdownGap  = time.Second // slower once in this time: answers under way say the same
)

// pace is how fast messages are submitted: at most at the configured rate, and
// slower after the carrier has said "throttled": half as fast each time, then
// faster again by a twentieth of what it was each second.
type pace struct {
	limiter *rate.Limiter
	ceiling float64 // messages a second, 0 for no limit
	now     func() time.Time

	mu      sync.Mutex
	slowed  time.Time
	before  float64   // the pace at the first slow-down, when there is no ceiling
	count   int       // submits in this second
	second  time.Time // its begin
	last    float64   // submits in the second before
	fullFor time.Duration
}

func newPace(ceiling int, now func() time.Time) *pace {
	limit := rate.Inf
	if ceiling > 0 {
		limit = rate.Limit(ceiling)
	}
	return &pace{limiter: rate.NewLimiter(limit, max(ceiling/10, 1)), ceiling: float64(ceiling), now: now}
}

// wait blocks until a message may go. When that is later than ctx allows, it
// returns [errPace] and how long it would have been.
func (p *pace) wait(ctx context.Context) (time.Duration, error) {
	p.measure()
	now := p.now()
	r := p.limiter.ReserveN(now, 1)
	delay := r.DelayFrom(now)
	if delay == 0 {
		return 0, nil
	}
	if end, ok := ctx.Deadline(); ok && end.Sub(now) < delay {
		r.CancelAt(now)
		return delay, errPace
	}
	timer := time.NewTimer(delay)
	defer timer.Stop()
	select {
	case <-timer.C:
		return 0, nil
	case <-ctx.Done():
		r.Cancel()
		return delay, ctx.Err()
	}
}

// measure counts submits, to know how fast is too fast where no rate is set.
func (p *pace) measure() {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.now()
	if gone := now.Sub(p.second); gone >= time.Second {
		p.last = float64(p.count) / max(gone.Seconds(), 1)
		p.second, p.count = now, 0
	}
	p.count++
}

// slower halves the pace.
func (p *pace) slower() {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.now()
	if now.Sub(p.slowed) < slowdownGap {
		return
	}
	p.slowed = now
	current := float64(p.limiter.Limit())
	if p.limiter.Limit() == rate.Inf {
		current = max(p.last, float64(p.count), 2)
		p.before = current
	}
	p.limiter.SetLimitAt(now, rate.Limit(max(current/2, 1)))
}

// accepted makes the pace a little faster again, up to the configured rate, or
// to none when that is far above what was too fast.
func (p *pace) accepted() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fullFor = 0
	current := float64(p.limiter.Limit())
	if p.slowed.IsZero() || p.limiter.Limit() == rate.Inf || p.ceiling > 0 && current >= p.ceiling {
		return
	}
	top, step := p.ceiling, p.ceiling/20
	if top == 0 {
		top, step = 4*p.before, p.before/20
	}
	next := rate.Limit(min(current+max(step, 1)/current, top))
	if p.ceiling == 0 && float64(next) >= top {
		next = rate.Inf
	}
	p.limiter.SetLimitAt(p.now(), next)
}

// full returns how long the carrier should be left in peace: twice as long
// each time that its queue is full in a row.
func (p *pace) full() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fullFor = min(max(2*p.fullFor, queueFullMin), queueFullMax)
	return p.fullFor
}
