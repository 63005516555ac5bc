package smpp

import (
	"context"
	"errors"
	"slices"
	"sync"
)

// errNoBind says that there is no session to submit on.
var errNoBind = errors.New("no bind is up")

// pool hands out the places in the windows of all sessions that may submit,
// first come, first served.
type pool struct {
	mu       sync.Mutex
	sessions []*session
	waiting  []chan *session // each with room for one; closed when no session is left
}

// add offers a session's places.
func (p *pool) add(s *session) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sessions = append(p.sessions, s)
	for len(p.waiting) > 0 && s.taken < s.window {
		p.give(s)
	}
}

// give hands a place to who waits longest. The caller holds the lock.
func (p *pool) give(s *session) {
	s.taken++
	p.waiting[0] <- s
	p.waiting = p.waiting[1:]
}

// remove offers no more places of a session.
func (p *pool) remove(s *session) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sessions = slices.DeleteFunc(p.sessions, func(x *session) bool { return x == s })
	if len(p.sessions) == 0 {
		for _, w := range p.waiting {
			close(w)
		}
		p.waiting = nil
	}
}

// empty reports whether no session is up.
func (p *pool) empty() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.sessions) == 0
}

// acquire takes a place in the emptiest window.
func (p *pool) acquire(ctx context.Context) (*session, error) {
	p.mu.Lock()
	var best *session
	for _, s := range p.sessions {
		if best == nil || s.taken < best.taken {
			best = s
		}
	}
	if best == nil {
		p.mu.Unlock()
		return nil, errNoBind
	}
	if best.taken < best.window {
		best.taken++
		p.mu.Unlock()
		return best, nil
	}
	place := make(chan *session, 1)
	p.waiting = append(p.waiting, place)
	p.mu.Unlock()
	select {
	case s, ok := <-place:
		if !ok {
			return nil, errNoBind
		}
		return s, nil
	case <-ctx.Done():
		p.leave(place)
		return nil, ctx.Err()
	}
}

// leave gives up waiting, and the place if one was handed over meanwhile.
func (p *pool) leave(place chan *session) {
	p.mu.Lock()
	p.waiting = slices.DeleteFunc(p.waiting, func(x chan *session) bool { return x == place })
	p.mu.Unlock()
	select {
	case s, ok := <-place:
		if ok {
			p.release(s)
		}
	default:
	}
}

// release gives a place back.
func (p *pool) release(s *session) {
	p.mu.Lock()
	defer p.mu.Unlock()
	s.taken--
	if len(p.waiting) > 0 && s.taken < s.window && slices.Contains(p.sessions, s) {
		p.give(s)
	}
}
