package delivery

import "time"

// A decoy's message is told as taken after a time in which a provider might
// have taken it.
const (
	feignMin = 50 * time.Millisecond
	feignMax = 500 * time.Millisecond
)

// feign does for a decoy what [Courier.round] does for a message, but asks
// nobody: the courier and the store have the same work at about the same times
// after the start, and the plan goes on as ever.
func (c *Courier) feign(j *job) {
	if j.feigned == nil {
		attempt := c.service.Feign(&j.dispatch)
		j.feigned = &attempt
		c.later(c.o.Clock.Now().Add(feignMin+time.Duration(c.o.Jitter()*float64(feignMax-feignMin))), j)
		return
	}
	attempt := *j.feigned
	j.feigned = nil // the plan's next leg is another message
	c.report(j, attempt)
}
