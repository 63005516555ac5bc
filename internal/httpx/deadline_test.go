package httpx

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// during runs a handler inside the deadline, in a bubble, with a context whose
// cancel is the client going away.
func during(t *testing.T, limit time.Duration, handler func(ctx context.Context, leave func())) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		parent, leave := context.WithCancel(t.Context())
		defer leave()
		h := WithDeadline(limit, nil)(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { handler(r.Context(), leave) }))
		h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(parent, http.MethodGet, "/", nil))
		time.Sleep(2 * lookPace) // the watchman's last look
	})
}

func TestWhoWaitsEndsAtTheDeadline(t *testing.T) {
	t.Parallel()
	const limit = 10*time.Second + 30*time.Millisecond
	during(t, limit, func(ctx context.Context, _ func()) {
		start := time.Now()
		<-ctx.Done()
		if took := time.Since(start); took < limit || took > limit+lookPace {
			t.Errorf("ended after %v", took)
		}
		if err := ctx.Err(); !errors.Is(err, context.DeadlineExceeded) || !errors.Is(context.Cause(ctx), context.DeadlineExceeded) {
			t.Errorf("err %v, cause %v", err, context.Cause(ctx))
		}
	})
}

func TestErrTellsTheDeadlineWithoutAWait(t *testing.T) {
	t.Parallel()
	during(t, time.Second, func(ctx context.Context, _ func()) {
		time.Sleep(time.Second - 1)
		if err := ctx.Err(); err != nil {
			t.Errorf("before: %v", err)
		}
		time.Sleep(time.Nanosecond)
		if err := ctx.Err(); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("at the deadline: %v", err)
		}
		<-ctx.Done() // closed when Err told, or this never ends
	})
}

func TestAContextEndsWithItsClient(t *testing.T) {
	t.Parallel()
	during(t, time.Hour, func(ctx context.Context, leave func()) {
		child, cancel := context.WithTimeout(ctx, 2*time.Hour)
		defer cancel()
		start := time.Now()
		leave()
		<-child.Done()
		if took := time.Since(start); took > lookPace {
			t.Errorf("ended after %v", took)
		}
		if !errors.Is(ctx.Err(), context.Canceled) || !errors.Is(child.Err(), context.Canceled) {
			t.Errorf("errs %v and %v", ctx.Err(), child.Err())
		}
	})
	during(t, time.Hour, func(ctx context.Context, leave func()) {
		leave()
		if !errors.Is(ctx.Err(), context.Canceled) {
			t.Errorf("without a wait: %v", ctx.Err())
		}
	})
}

func TestTheSoonerDeadlineHolds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		parent, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		m := &watchman{waiting: map[*limited]struct{}{}}
		c := m.limit(context.WithValue(parent, watchKey{}, "kept"), time.Minute)
		want, _ := parent.Deadline()
		if got, ok := c.Deadline(); !ok || !got.Equal(want) || c.Value(watchKey{}) != "kept" {
			t.Errorf("deadline %v, not %v; value %v", got, want, c.Value(watchKey{}))
		}
		<-c.Done()
		if !errors.Is(c.Err(), context.DeadlineExceeded) {
			t.Errorf("err %v", c.Err())
		}
		c.end()
	})
}

func TestServedRequestsEndAndAreForgotten(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := &watchman{waiting: map[*limited]struct{}{}}
		for range 3 { // the timer is set again after it has stopped
			var all []*limited
			var waiters sync.WaitGroup
			for range 50 {
				c := m.limit(t.Context(), time.Minute)
				all = append(all, c)
				waiters.Go(func() { <-c.Done() })
			}
			synctest.Wait()
			time.Sleep(3*lookPace + 1)
			for _, c := range all {
				if c.Err() != nil {
					t.Errorf("ended early: %v", c.Err())
				}
				c.end()
				c.end()
				if !errors.Is(c.Err(), context.Canceled) {
					t.Errorf("served: %v", c.Err())
				}
			}
			waiters.Wait()
			late := m.limit(t.Context(), time.Minute)
			late.end()
			<-late.Done()
			time.Sleep(lookPace)
			synctest.Wait()
			if len(m.waiting) > 0 || m.pacing {
				t.Errorf("%d wait, the timer runs: %v", len(m.waiting), m.pacing)
			}
		}
	})
}

// BenchmarkDeadline is the deadline of one request that somebody waits for, as
// below net/http.
func BenchmarkDeadline(b *testing.B) {
	h := WithDeadline(0, nil)(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { r.Context().Done() }))
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	b.ReportAllocs()
	for b.Loop() {
		ctx, cancel := context.WithCancel(b.Context())
		h.ServeHTTP(nil, r.WithContext(ctx))
		cancel()
	}
}
