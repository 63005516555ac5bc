package store_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/aldaba-otp/aldaba/otp"
	"github.com/aldaba-otp/aldaba/store"
	"github.com/aldaba-otp/aldaba/store/memory"
)

func TestCloseLeavesNoStepWithoutAnAnswer(t *testing.T) {
	t.Parallel()
	for range 50 {
		w := store.NewWriter(memory.New(), store.Options{MaxBatch: 3})
		var callers sync.WaitGroup
		begun := make(chan struct{}, 8)
		for range cap(begun) {
			callers.Go(func() {
				step := otp.Step{Decide: func(time.Time, *otp.State) error { return nil }}
				err := w.Do(context.Background(), step)
				begun <- struct{}{}
				for err == nil {
					err = w.Do(context.Background(), step) // which nothing ends but an answer
				}
				if otp.KindOf(err) != otp.Unavailable {
					t.Errorf("got %v", err)
				}
			})
		}
		<-begun
		if err := w.Close(); err != nil {
			t.Error(err)
		}
		callers.Wait()
	}
}
