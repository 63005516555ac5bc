package httpx

import (
	"context"
	"net/http"
	"sync"
	"time"
)

// WithDeadline gives the context of the handler a deadline; 0 or less is 10 s.
// That context is what of makes of the request, or the request's when it is nil.
// Its Err is exact. Who waits for its Done learns of the deadline, and of a
// client that went away, up to [lookPace] later.
func WithDeadline(limit time.Duration, of func(*http.Request) context.Context) Middleware {
	if limit <= 0 {
		limit = 10 * time.Second
	}
	if of == nil {
		of = (*http.Request).Context
	}
	watch := &watchman{waiting: map[*limited]struct{}{}}
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			ctx := watch.limit(of(r), limit)
			inner := r.WithContext(ctx)
			defer func() {
				r.Pattern = inner.Pattern
				ctx.end()
			}()
			next.ServeHTTP(w, inner)
		})
	}
}

// lookPace is how often a watchman looks at the contexts that somebody waits for.
const lookPace = 100 * time.Millisecond

// watchman ends the contexts of requests. A timer for each, and its place in
// the list of the context above it, would be a good part of what a request
// costs, and hardly any request lives as long as one pace.
type watchman struct {
	mu      sync.Mutex
	waiting map[*limited]struct{}
	pace    *time.Timer // nil before the first has waited
	pacing  bool        // the timer runs: somebody waited when it was set
}

// limit returns a context with a deadline. Whoever makes it ends it.
func (m *watchman) limit(parent context.Context, limit time.Duration) *limited {
	until := time.Now().Add(limit) //nolint:forbidigo // as context.WithTimeout
	if sooner, ok := parent.Deadline(); ok && sooner.Before(until) {
		until = sooner
	}
	return &limited{Context: parent, watch: m, until: until}
}

func (m *watchman) add(c *limited) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.waiting[c] = struct{}{}
	switch {
	case m.pacing:
		return
	case m.pace == nil:
		m.pace = time.AfterFunc(lookPace, m.look)
	default:
		m.pace.Reset(lookPace)
	}
	m.pacing = true
}

func (m *watchman) forget(c *limited) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.waiting, c)
}

// look ends what is over, and comes again as long as somebody waits.
func (m *watchman) look() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for c := range m.waiting {
		if c.Err() != nil {
			delete(m.waiting, c)
		}
	}
	if m.pacing = len(m.waiting) > 0; m.pacing {
		m.pace.Reset(lookPace)
	}
}

// limited is a context that ends with its parent, at its deadline or when its
// request was served.
type limited struct {
	context.Context //nolint:containedctx // its parent

	watch *watchman
	until time.Time

	mu   sync.Mutex // never held when the watchman's is taken
	done chan struct{}
	err  error
}

// Deadline implements [context.Context].
func (c *limited) Deadline() (time.Time, bool) { return c.until, true }

// Done implements [context.Context]. From the first call on the watchman looks
// after the context.
func (c *limited) Done() <-chan struct{} {
	done, watched := c.channel()
	if !watched {
		c.watch.add(c)
	}
	return done
}

// channel returns what Done returns, and whether it needs no watching any more.
func (c *limited) channel() (done <-chan struct{}, watched bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.done != nil {
		return c.done, true
	}
	c.done = make(chan struct{})
	if c.err != nil {
		close(c.done)
	}
	return c.done, c.err != nil
}

// Err implements [context.Context].
func (c *limited) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return c.err
	}
	if err := c.Context.Err(); err != nil {
		c.finish(err)
	} else if !time.Now().Before(c.until) { //nolint:forbidigo // as context.WithTimeout
		c.finish(context.DeadlineExceeded)
	}
	return c.err
}

// finish ends the context; mu is held.
func (c *limited) finish(err error) {
	c.err = err
	if c.done != nil {
		close(c.done)
	}
}

// end ends the context of a request that was served.
func (c *limited) end() {
	c.mu.Lock()
	if c.err == nil {
		c.finish(context.Canceled)
	}
	waited := c.done != nil
	c.mu.Unlock()
	if waited {
		c.watch.forget(c)
	}
}
