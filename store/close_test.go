package store

import (
	"context"
	"testing"
	"testing/synctest"
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

// closable is an engine that can be closed and nothing else.
type closable struct{ Engine }

// Close implements [Engine].
func (closable) Close() error { return nil }

// Nothing ends the waiting of the courier's reports but an answer.
func TestStepThatQueuedBehindTheLastBatchIsAnswered(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := &Writer{Engine: closable{}, opts: Options{Now: time.Now}, queue: make(chan *call, 2), closed: make(chan struct{}), ended: make(chan struct{})}
		answers := make(chan error, 2)
		step := otp.Step{Decide: func(time.Time, *otp.State) error { return nil }}
		leaving, leave := context.WithCancel(t.Context())
		go func() { answers <- w.Do(context.Background(), step) }()
		go func() { answers <- w.Do(leaving, step) }()
		synctest.Wait()
		leave()
		if err := <-answers; otp.KindOf(err) != otp.Unavailable { // its call stays in the queue
			t.Errorf("who left got %v", err)
		}
		if err := w.Close(); err != nil {
			t.Error(err)
		}
		if err := <-answers; otp.KindOf(err) != otp.Unavailable {
			t.Errorf("got %v; want a refusal", err)
		}
	})
}
