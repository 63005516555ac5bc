package store_test

import (
	"sync"
	"testing"
	"time"

	"github.com/aldaba-otp/aldaba/otp"
	"github.com/aldaba-otp/aldaba/store"
	"github.com/aldaba-otp/aldaba/store/memory"
)

func TestEachTransactionIsObserved(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	steps, batches := 0, 0
	w := store.NewWriter(memory.New(), store.Options{Observe: func(c store.Committed) {
		mu.Lock()
		defer mu.Unlock()
		if c.Took < 0 || c.Steps < 1 {
			t.Errorf("%+v", c)
		}
		steps, batches = steps+c.Steps, batches+1
	}})
	t.Cleanup(func() { _ = w.Close() })
	var all sync.WaitGroup
	for i := range byte(20) {
		all.Go(func() {
			if err := w.Do(t.Context(), count(otp.Key{i})); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	// What changes nothing is no transaction.
	if err := w.Do(t.Context(), otp.Step{Decide: func(time.Time, *otp.State) error { return nil }}); err != nil {
		t.Error(err)
	}
	stats := w.Stats()
	mu.Lock()
	defer mu.Unlock()
	if steps != 20 || int64(batches) != stats.Commits || stats.Steps != 20 || w.Waiting() != 0 {
		t.Errorf("%d steps in %d transactions; counted %+v, waiting %d", steps, batches, stats, w.Waiting())
	}
}
