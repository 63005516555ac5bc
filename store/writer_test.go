package store_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aldaba-otp/aldaba/otp"
	"github.com/aldaba-otp/aldaba/store"
	"github.com/aldaba-otp/aldaba/store/memory"
)

var errCause = errors.New("cause")

// count adds one to the counter under a key.
func count(key otp.Key) otp.Step {
	return otp.Step{Load: otp.Keys{Counters: []otp.Key{key}}, Decide: func(_ time.Time, s *otp.State) error {
		c, _ := s.Counters.Get(key)
		s.Counters.Put(key, otp.Counter{Key: key, Value: c.Value + 1})
		return nil
	}}
}

// counted reads the counter.
func counted(t *testing.T, w otp.Store, key otp.Key) (n int64) {
	t.Helper()
	err := w.Do(context.Background(), otp.Step{Load: otp.Keys{Counters: []otp.Key{key}}, Decide: func(_ time.Time, s *otp.State) error {
		c, _ := s.Counters.Get(key)
		n = c.Value
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// over starts a writer that ends with the test.
func over(t *testing.T, e store.Engine, opts store.Options) *store.Writer {
	t.Helper()
	w := store.NewWriter(e, opts)
	t.Cleanup(func() { _ = w.Close() })
	return w
}

// kindOf is the kind of an error and no kind at all for none.
func kindOf(err error) otp.Kind {
	if err == nil {
		return 255
	}
	return otp.KindOf(err)
}

// hold keeps the writer busy until the returned function is called.
func hold(w *store.Writer) (release func()) {
	held, wait, done := make(chan struct{}), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		_ = w.Do(context.Background(), otp.Step{Decide: func(time.Time, *otp.State) error {
			close(held)
			<-wait
			return nil
		}})
	}()
	<-held
	return sync.OnceFunc(func() { close(wait); <-done })
}

func TestFullQueueIsUnavailable(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := store.NewWriter(memory.New(), store.Options{Queue: 2})
		release := hold(w)
		errs := make(chan error, 3)
		for range 2 {
			go func() { errs <- w.Do(t.Context(), count(otp.Key{1})) }()
		}
		synctest.Wait() // both wait in the queue
		if err := w.Do(t.Context(), count(otp.Key{1})); kindOf(err) != otp.Unavailable || otp.AsError(err).RetryAfter <= 0 {
			t.Errorf("got %v", err)
		}
		release()
		if err := errors.Join(<-errs, <-errs); err != nil {
			t.Error(err)
		}
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	})
}

func TestStepThatWaitedTooLongIsUnavailable(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := store.NewWriter(memory.New(), store.Options{})
		release := hold(w)
		errs := make(chan error, 1)
		go func() { errs <- w.Do(t.Context(), count(otp.Key{1})) }()
		time.Sleep(store.MaxWait + time.Second) // of the bubble's clock
		release()
		if err := <-errs; kindOf(err) != otp.Unavailable {
			t.Errorf("got %v", err)
		}
		if n := counted(t, w, otp.Key{1}); n != 0 {
			t.Errorf("counted %d", n)
		}
		_ = w.Close()
	})
}

func TestCallerWhoLeavesEarlyLeavesNothing(t *testing.T) {
	t.Parallel()
	w := over(t, memory.New(), store.Options{})
	release := hold(w)
	ctx, cancel := context.WithCancel(context.Background())
	time.AfterFunc(0, cancel)
	if err := w.Do(ctx, count(otp.Key{1})); kindOf(err) != otp.Unavailable || !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	release()
	if n := counted(t, w, otp.Key{1}); n != 0 {
		t.Errorf("counted %d", n)
	}
}

// failing returns an engine whose next commits fail with f.
func failing(f store.Failure, lost bool, times int) *memory.Engine {
	e := memory.New()
	e.FailWith(memory.Trouble{Commit: func(*otp.Records) *store.Failure { return &f }, Lost: lost, Times: times})
	return e
}

func TestCommitInDoubtIsAskedFor(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		lost  bool // the commit took place
		tells bool // the store can tell
		want  otp.Kind
		count int64
	}{
		{name: "committed", lost: true, tells: true, want: 255, count: 1},
		{name: "not committed", tells: true, want: 255, count: 1}, // it is run again
		{name: "nobody can tell", lost: true, want: otp.Unavailable, count: 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				asked := 0
				e := failing(store.Failure{Class: store.InDoubt, Cause: errCause, Committed: func(context.Context) (bool, error) {
					if asked++; !c.tells || asked < 3 {
						return false, errCause
					}
					return c.lost, nil
				}}, c.lost, 1)
				w := store.NewWriter(e, store.Options{})
				if err := w.Do(t.Context(), count(otp.Key{1})); kindOf(err) != c.want {
					t.Errorf("got %v", err)
				}
				if n := counted(t, w, otp.Key{1}); n != c.count {
					t.Errorf("counted %d", n)
				}
				if doubts := w.Stats().Doubts; (doubts == 1) == c.tells {
					t.Errorf("%d doubts", doubts)
				}
				_ = w.Close()
			})
		})
	}
}

func TestConflictIsTriedAgain(t *testing.T) {
	t.Parallel()
	w := over(t, failing(store.Failure{Class: store.Again, Cause: errCause}, false, 3), store.Options{})
	if err := w.Do(context.Background(), count(otp.Key{1})); err != nil {
		t.Error(err)
	}
	if n := counted(t, w, otp.Key{1}); n != 1 {
		t.Errorf("counted %d", n)
	}
}

func TestEndlessConflictIsUnavailable(t *testing.T) {
	t.Parallel()
	w := over(t, failing(store.Failure{Class: store.Again, Cause: errCause}, false, 0), store.Options{})
	if err := w.Do(context.Background(), count(otp.Key{1})); kindOf(err) != otp.Unavailable || !errors.Is(err, errCause) {
		t.Errorf("got %v", err)
	}
}

func TestStoreThatIsDownIsUnavailableUntilItIsUp(t *testing.T) {
	t.Parallel()
	e := memory.New()
	e.FailWith(memory.Trouble{Begin: &store.Failure{Class: store.Down, Cause: errCause}})
	w := over(t, e, store.Options{})
	if err := w.Do(context.Background(), count(otp.Key{1})); kindOf(err) != otp.Unavailable {
		t.Errorf("got %v", err)
	}
	if err := w.Ping(context.Background()); !errors.Is(err, errCause) {
		t.Errorf("ping: %v", err)
	}
	e.FailWith(memory.Trouble{})
	if n := counted(t, w, otp.Key{1}); n != 0 {
		t.Errorf("counted %d", n)
	}
}

func TestBrokenStoreIsNeverUsedAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := failing(store.Failure{Class: store.Broken, Cause: errCause}, false, 1)
		w := store.NewWriter(e, store.Options{MaxBatch: 1})
		release := hold(w)
		errs := make(chan error, 3)
		for range 3 {
			go func() { errs <- w.Do(t.Context(), count(otp.Key{1})) }()
		}
		synctest.Wait() // all of them are queued when the first meets the failure
		release()
		for range 3 {
			if err := <-errs; kindOf(err) != otp.Unavailable {
				t.Errorf("got %v", err)
			}
		}
		if err := w.Do(t.Context(), count(otp.Key{1})); kindOf(err) != otp.Unavailable {
			t.Errorf("got %v", err)
		}
		if !errors.Is(w.Broken(), errCause) || w.Stats().Commits != 0 {
			t.Errorf("broken %v, stats %+v", w.Broken(), w.Stats())
		}
		_ = w.Close()
	})
}

func TestRecordThatCannotBeStoredFailsAlone(t *testing.T) {
	t.Parallel()
	e, bad := memory.New(), otp.Key{13}
	e.FailWith(memory.Trouble{Commit: func(r *otp.Records) *store.Failure {
		for c := range r.Counters.Changed() {
			if c.Key == bad {
				return &store.Failure{Class: store.Data, Cause: errCause}
			}
		}
		return nil
	}})
	w := over(t, e, store.Options{})
	release := hold(w)
	var failures atomic.Int64
	var started, done sync.WaitGroup
	for i := range 20 {
		started.Add(1)
		done.Go(func() {
			started.Done()
			if err := w.Do(context.Background(), count(otp.Key{byte(i)})); err != nil {
				failures.Add(1)
				if i != 13 || kindOf(err) != otp.Internal {
					t.Errorf("step %d: %v", i, err)
				}
			}
		})
	}
	started.Wait()
	release()
	done.Wait()
	if failures.Load() != 1 {
		t.Errorf("%d failed", failures.Load())
	}
}

func TestBatchOfOneCommitsEachStep(t *testing.T) {
	t.Parallel()
	w := over(t, memory.New(), store.Options{MaxBatch: 1})
	var done sync.WaitGroup
	for range 20 {
		done.Go(func() {
			if err := w.Do(context.Background(), count(otp.Key{1})); err != nil {
				t.Error(err)
			}
		})
	}
	done.Wait()
	if got := w.Stats(); got.Commits != 20 || got.Steps != 20 || counted(t, w, otp.Key{1}) != 20 {
		t.Errorf("got %+v", got)
	}
}

func TestCloseEndsEveryCaller(t *testing.T) {
	t.Parallel()
	for range 50 {
		w := store.NewWriter(memory.New(), store.Options{})
		var done sync.WaitGroup
		for range 8 {
			done.Go(func() {
				for w.Do(context.Background(), count(otp.Key{1})) == nil {
					continue
				}
			})
		}
		if err := w.Close(); err != nil {
			t.Error(err)
		}
		done.Wait()
		if err := w.Do(context.Background(), count(otp.Key{1})); kindOf(err) != otp.Unavailable {
			t.Errorf("got %v", err)
		}
	}
}

// TestNoTimeIsBeforeTheFloor: what an earlier process decided by is not undone by
// a clock that was set back while the server was down.
func TestNoTimeIsBeforeTheFloor(t *testing.T) {
	t.Parallel()
	floor := time.Now().Add(time.Hour).Truncate(time.Microsecond)
	w := over(t, memory.New(), store.Options{Floor: floor})
	var seen time.Time
	if err := w.Do(t.Context(), otp.Step{Decide: func(now time.Time, _ *otp.State) error { seen = now; return nil }}); err != nil {
		t.Fatal(err)
	}
	if seen.Before(floor) || seen.After(floor.Add(time.Minute)) || w.Behind() < 59*time.Minute {
		t.Errorf("a decision sees %s, %s behind; the floor is %s", seen, w.Behind(), floor)
	}
}

// listing is an engine that keeps what it was asked to load, or fails.
type listing struct {
	*memory.Engine

	keys otp.Keys
	err  error
}

func (l *listing) Begin(ctx context.Context, keys otp.Keys) (store.Batch, error) {
	if l.err != nil {
		return nil, l.err
	}
	l.keys = keys
	return l.Engine.Begin(ctx, keys)
}

// TestAnEngineIsAskedForEachKeyOnceInOrder, since locks are taken in it.
func TestAnEngineIsAskedForEachKeyOnceInOrder(t *testing.T) {
	t.Parallel()
	keys, ids := []otp.Key{{3}, {1}, {2}, {1}, {0xff}, {0, 9}}, []otp.ID{{3}, {1}, {2}, {1}, {0xff}, {0, 9}}
	e := &listing{Engine: memory.New()}
	load := otp.Keys{Replays: keys, Handles: keys, Destinations: keys, Counters: keys, Contacts: keys, Verifications: ids, Messages: ids}
	if err := over(t, e, store.Options{}).Do(t.Context(), otp.Step{Load: load, Decide: func(time.Time, *otp.State) error { return nil }}); err != nil {
		t.Fatal(err)
	}
	for i, got := range [][]otp.Key{e.keys.Replays, e.keys.Handles, e.keys.Destinations, e.keys.Counters, e.keys.Contacts} {
		if want := []otp.Key{{0, 9}, {1}, {2}, {3}, {0xff}}; !slices.Equal(got, want) {
			t.Errorf("kind %d: %v", i, got)
		}
	}
	for i, got := range [][]otp.ID{e.keys.Verifications, e.keys.Messages} {
		if want := []otp.ID{{0, 9}, {1}, {2}, {3}, {0xff}}; !slices.Equal(got, want) {
			t.Errorf("ids %d: %v", i, got)
		}
	}
}

// TestAFailureWithoutAClassIsUnavailable: nothing was committed.
func TestAFailureWithoutAClassIsUnavailable(t *testing.T) {
	t.Parallel()
	e := &listing{Engine: memory.New(), err: errors.New("out of memory")}
	if err := over(t, e, store.Options{}).Do(t.Context(), count(otp.Key{1})); kindOf(err) != otp.Unavailable || !errors.Is(err, e.err) {
		t.Errorf("got %v", err)
	}
}
