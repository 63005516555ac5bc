package smtp

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/aldaba-otp/aldaba/delivery"
)

// pool bounds how many connections are in use and keeps those that are not,
// for a while.
type pool struct {
	relay *relay
	idle  time.Duration
	slots chan struct{} // one for each connection in use

	mu    sync.Mutex
	spare []*session // the one used last at the end
}

func newPool(r *relay, connections int, idle time.Duration) *pool {
	return &pool{relay: r, idle: idle, slots: make(chan struct{}, connections)}
}

// acquire waits for its turn.
func (p *pool) acquire(ctx context.Context) error {
	select {
	case p.slots <- struct{}{}: // a free one is taken even where the time is over: that is not "busy"
		return nil
	default:
	}
	select {
	case p.slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		return &delivery.Error{Class: delivery.Throttled, Code: "busy", Cause: errors.New("all connections to the relay are in use; raise connections")}
	}
}

func (p *pool) release() { <-p.slots }

// kept returns a connection that was used before, or nil.
func (p *pool) kept() *session {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.spare) == 0 {
		return nil
	}
	s := p.spare[len(p.spare)-1]
	p.spare = p.spare[:len(p.spare)-1]
	s.expiry.Stop()
	return s
}

// keep puts a connection aside, and closes it if nobody wants it in time.
func (p *pool) keep(s *session) {
	if p.idle <= 0 {
		s.quit()
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	s.expiry = time.AfterFunc(p.idle, func() {
		if p.forget(s) {
			s.quit()
		}
	})
	p.spare = append(p.spare, s)
}

// forget takes a connection out and reports whether it was still there.
func (p *pool) forget(s *session) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	i := slices.Index(p.spare, s)
	if i >= 0 {
		p.spare = slices.Delete(p.spare, i, i+1)
	}
	return i >= 0
}
