package otp

import (
	"cmp"
	"sync"
	"time"
)

// leases are messages of tenants' rates that this server has charged in advance,
// so that not every start of a tenant waits for the one row of its rate: on
// PostgreSQL all transactions of all servers would stand in line for it. What is
// charged and not used within a second is lost; a rate is never exceeded, and a
// small one is charged message by message.
type leases struct {
	mu  sync.Mutex
	all map[Key]lease
}

type lease struct {
	left  int
	until time.Time
}

// The bounds of what is charged in advance.
const (
	leaseShare = 100 // part of the burst
	leaseMost  = 64
	leaseLife  = time.Second
)

// size is how many messages of a rate are charged at once.
func (r Rate) size() int { return min(max(cmp.Or(r.Burst, r.N)/leaseShare, 1), leaseMost) }

// take takes one message that was charged in advance, if there is one, and tells
// how long it is good; zero when there is none.
func (l *leases) take(key Key, now time.Time) (until time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	held := l.all[key]
	if held.left == 0 || now.After(held.until) {
		return time.Time{}
	}
	held.left--
	l.all[key] = held
	return held.until
}

// put keeps messages that were charged in advance. What is held already makes
// nothing last longer: else a lot that is touched now and then would never be
// over, while the row forgets that it was charged.
func (l *leases) put(key Key, n int, now time.Time) {
	if n <= 0 {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.all == nil {
		l.all = make(map[Key]lease)
	}
	held := l.all[key]
	if held.left == 0 || now.After(held.until) {
		held = lease{until: now.Add(leaseLife)}
	}
	held.left += n
	l.all[key] = held
}

// back takes a message back that was taken and not used, while its lot is held.
func (l *leases) back(key Key, until time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if held := l.all[key]; held.until.Equal(until) {
		held.left++
		l.all[key] = held
	}
}

// tenantRate bounds all messages of a tenant: by a message that was charged
// before, or by the row.
func (s *Service) tenantRate(g *gate, ring *Ring) {
	rate := g.tenant.limits.Rate
	if !rate.bounds() {
		return
	}
	const name = "all messages"
	g.rate = ring.lookup("limit", g.tenant.Name, RuleTenantRate, name)
	if g.borrowed = s.leases.take(g.rate, s.Now()); g.borrowed.IsZero() {
		g.addKeyed(RuleTenantRate, ring, rate, false, "raise limits.rate", name, name)
		g.rules[len(g.rules)-1].ahead = rate.size()
	}
}

// settleRate keeps what a step has charged in advance, and what it was lent and
// did not use. A step that failed may have taken place all the same, so what it was
// lent is not lent again.
func (s *Service) settleRate(g *gate, err error, passed bool) {
	switch {
	case g == nil || g.rate == (Key{}) || err != nil:
	case !g.borrowed.IsZero() && !passed:
		s.leases.back(g.rate, g.borrowed)
	case g.borrowed.IsZero() && passed:
		s.leases.put(g.rate, g.granted-1, s.Now())
	}
}
