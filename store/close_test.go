package store

import (
	"context"
	"testing"
	"time"

	"github.com/aldaba-otp/aldaba/otp"
)

// The step came past the look at closed, and then the goroutines ended.
func TestStepThatQueuesBehindTheLastBatchIsRefused(t *testing.T) {
	t.Parallel()
	w := &Writer{opts: Options{Now: time.Now}, queue: make(chan *call, 1), closed: make(chan struct{}), ended: make(chan struct{})}
	close(w.ended)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	err := w.Do(ctx, otp.Step{Decide: func(time.Time, *otp.State) error { return nil }})
	if otp.KindOf(err) != otp.Unavailable || ctx.Err() != nil {
		t.Errorf("got %v, context %v; want a refusal at once", err, ctx.Err())
	}
}
