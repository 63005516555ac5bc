package smpp

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

func TestPaceFollowsTheRate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPace(20, time.Now)
		began := time.Now()
		for range 102 { // the first two at once
			if _, err := p.wait(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if took := time.Since(began).Round(time.Millisecond); took != 5*time.Second {
			t.Errorf("100 messages at 20/s took %s", took)
		}
	})
}

func TestPaceThatLeavesNoRoomIsToldAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPace(1, time.Now)
		if _, err := p.wait(t.Context()); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		defer cancel()
		for range 3 { // who does not go takes no place
			if after, err := p.wait(ctx); err == nil || after != time.Second || ctx.Err() != nil {
				t.Errorf("%s %v %v", after, err, ctx.Err())
			}
		}
		gone, leave := context.WithCancel(t.Context())
		leave()
		if _, err := p.wait(gone); err == nil {
			t.Error("who has left waits")
		}
	})
}

// TestPaceHalvesAndRecovers: with and without a configured rate, "throttled"
// halves the pace once a second, and success brings it back.
func TestPaceHalvesAndRecovers(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		rate         int
		half, fourth float64
	}{"with a rate": {100, 50, 25}, "without": {0, 50, 25}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				p := newPace(c.rate, time.Now)
				for range 100 {
					time.Sleep(10 * time.Millisecond)
					p.measure()
				}
				for range 5 {
					p.slower()
				}
				if got := float64(p.limiter.Limit()); got != c.half {
					t.Errorf("slower: %f", got)
				}
				time.Sleep(slowdownGap)
				p.slower()
				if got := float64(p.limiter.Limit()); got != c.fourth {
					t.Errorf("slower again: %f", got)
				}
				began := time.Now()
				for time.Since(began) < 5*time.Second {
					if _, err := p.wait(t.Context()); err != nil {
						t.Fatal(err)
					}
					p.accepted()
				}
				if got := float64(p.limiter.Limit()); got < c.fourth+15 || got > 100 {
					t.Errorf("after five seconds: %f", got)
				}
				for range 100_000 {
					p.accepted()
				}
				if got := float64(p.limiter.Limit()); c.rate > 0 && got != 100 || c.rate == 0 && got < 1e9 {
					t.Errorf("at last: %f", got)
				}
			})
		})
	}
}

func TestFullQueueIsLeftInPeaceEverLonger(t *testing.T) {
	t.Parallel()
	p := newPace(0, time.Now)
	for _, want := range []time.Duration{2, 4, 8, 16, 32, 60, 60} {
		if got := p.full(); got != want*time.Second {
			t.Errorf("%s, want %d s", got, want)
		}
	}
	p.accepted()
	if got := p.full(); got != queueFullMin {
		t.Errorf("after a success: %s", got)
	}
}
