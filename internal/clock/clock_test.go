package clock_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aldaba-otp/aldaba/internal/clock"
)

func TestAdvancingWakesWhoWaits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := clock.New(0)
		start := time.Now()
		done := make(chan error)
		go func() { done <- c.Wait(t.Context(), start.Add(time.Hour)) }()
		synctest.Wait()
		c.Advance(59 * time.Minute)
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		if passed := time.Since(start); passed != time.Minute {
			t.Errorf("it waited %v, want 1m", passed)
		}
	})
}

func TestTheClockNeverGoesBack(t *testing.T) {
	t.Parallel()
	c := clock.New(time.Minute)
	c.Advance(-time.Hour)
	if c.Offset() != time.Minute {
		t.Errorf("offset is %v", c.Offset())
	}
}

func TestWaitingEndsWithTheContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := clock.New(0).Wait(ctx, time.Now().Add(time.Hour)); err == nil {
		t.Error("it waited to the end")
	}
}
