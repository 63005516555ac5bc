package store

import (
	"log/slog"
	"sync"
	"time"
)

// clock hands out times that never go back: a code that was too late once must
// not be in time later. While the true clock is behind, because it has stepped
// back or had run ahead, the times go on at half of its pace, so that lives and
// windows end and the clock catches up.
type clock struct {
	mu     sync.Mutex
	last   time.Time
	at     time.Time // the process's own reading, with its monotonic part, when last was handed out
	behind time.Duration
	warned time.Time // by the process's own reading
}

// What is said of a clock that is behind: servers on one database may well
// differ by a second.
const (
	clockTolerance = 5 * time.Second
	clockWarning   = time.Minute
)

// next returns the time of a batch: t, or while that lies before the newest one
// something after that. local is the process's own reading.
func (c *clock) next(t, local time.Time, log *slog.Logger) time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.behind = max(0, c.last.Sub(t))
	if c.behind > 0 {
		if gone := local.Sub(c.at); gone > 0 && !c.at.IsZero() {
			c.last = c.last.Add((gone / 2).Truncate(time.Microsecond))
		}
		if c.behind > clockTolerance && local.Sub(c.warned) >= clockWarning {
			c.warned = local
			log.Warn("the clock is behind what decisions have seen; they go on at half of its pace", "behind", c.behind.String())
		}
	} else {
		c.last = t
	}
	c.at = local
	return c.last
}

func (c *clock) newest() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.last
}

func (c *clock) late() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.behind
}
