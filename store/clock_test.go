package store

import (
	"log/slog"
	"strings"
	"testing"
	"time"
)

func TestAClockThatStepsBackGoesOnAtHalfOfItsPace(t *testing.T) {
	t.Parallel()
	var said strings.Builder
	log := slog.New(slog.NewTextHandler(&said, nil))
	noon := time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)
	c := clock{last: noon.Add(-time.Hour)} // as an earlier process left it
	for _, step := range []struct {
		clock, local time.Duration // since noon
		want         time.Duration
		behind       time.Duration
	}{
		{0, 0, 0, 0},
		{time.Hour, time.Second, time.Hour, 0}, // a leap ahead
		{2 * time.Second, 2 * time.Second, time.Hour + time.Second/2, time.Hour - 2*time.Second}, // and back
		{2 * time.Second, 2 * time.Second, time.Hour + time.Second/2, time.Hour - 2*time.Second + time.Second/2},
		{62 * time.Second, 62 * time.Second, time.Hour + 30*time.Second + time.Second/2, time.Hour - 62*time.Second + time.Second/2},
		{2 * time.Hour, 2 * time.Hour, 2 * time.Hour, 0},
		{2*time.Hour - 3*time.Second, 2*time.Hour + time.Second, 2*time.Hour + time.Second/2, 3 * time.Second},
	} {
		if got := c.next(noon.Add(step.clock), noon.Add(step.local), log).Sub(noon); got != step.want || c.late() != step.behind {
			t.Errorf("at %s it is %s and %s behind, want %s and %s", step.clock, got, c.late(), step.want, step.behind)
		}
	}
	if n := strings.Count(said.String(), "the clock is behind"); n != 2 { // once a minute, and not for seconds
		t.Errorf("it is said %d times: %s", n, &said)
	}
	if !c.newest().Equal(noon.Add(2*time.Hour + time.Second/2)) {
		t.Errorf("the newest is %s", c.newest())
	}
}

// TestAClockThatIsBehindFromTheStart stands still at what an earlier process left
// until there is a pace to halve.
func TestAClockThatIsBehindFromTheStart(t *testing.T) {
	t.Parallel()
	noon := time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)
	c := clock{last: noon.Add(time.Hour)}
	for second, want := range []time.Duration{0, time.Second / 2, time.Second} {
		now := noon.Add(time.Duration(second) * time.Second)
		if got := c.next(now, now, slog.New(slog.DiscardHandler)).Sub(noon.Add(time.Hour)); got != want {
			t.Errorf("after %d seconds: %s, want %s", second, got, want)
		}
	}
}
