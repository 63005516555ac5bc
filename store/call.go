package store

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/aldaba-otp/aldaba/otp"
)

// call is one step that waits for its batch.
type call struct {
	ctx    context.Context
	step   otp.Step
	queued time.Time
	done   chan struct{} // has an entry once answer stands
	answer error
	state  atomic.Int32 // waiting, then taken by a batch or left by its caller
	err    error        // of the decision
}

// tell answers the call.
func (c *call) tell(answer error) {
	c.answer = answer
	c.done <- struct{}{}
}

// The states of a call. Only a waiting one can be left: once it is taken its
// effect may come, so its caller waits for the answer.
const (
	waiting int32 = iota
	taken
	left
)

// call returns a call to be filled.
func (w *Writer) call() *call {
	if c, ok := w.spare.Get().(*call); ok {
		return c
	}
	return &call{done: make(chan struct{}, 1)}
}

// answered returns the answer of a call. The writer looks at none that it has
// answered, so the next caller may have it; one that was left is still queued.
func (w *Writer) answered(c *call) error {
	answer := c.answer
	*c = call{done: c.done}
	w.spare.Put(c)
	return answer
}

// refuse answers those who were queued behind the last batch.
func (w *Writer) refuse() {
	for {
		select {
		case c := <-w.queue:
			if c.state.CompareAndSwap(waiting, taken) {
				c.tell(unavailable(errClosed))
			}
		default:
			return
		}
	}
}
