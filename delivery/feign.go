package delivery

import "time"

// A decoy's message is told as taken after a time in which a provider might
// have taken it.
const (
	feignMin = 50 * time.Millisecond
	feignMax = 500 * time.Millisecond
)

// feign does for a decoy what [Courier.round] does for a message, but asks
// nobody: the store has the same work at about the same time after the start,
// and the plan goes on as ever.
func (c *Courier) feign(j *job) {
	if !j.feigned {
		j.feigned = true
		c.later(c.o.Clock.Now().Add(feignMin+time.Duration(c.o.Jitter()*float64(feignMax-feignMin))), j)
		return
	}
	j.feigned = false // the plan's next leg is another message
	c.report(j, c.service.Feign(&j.dispatch))
}
