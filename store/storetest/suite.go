// Package storetest is what every storage engine has to prove: one suite of
// facts, driven through the group-commit writer with plain steps.
//
// It is a test helper and never part of the binary. It knows none of the
// core's rules; facts about those belong to the core's service over an engine.
package storetest

import (
	"context"
	"crypto/rand"
	mathrand "math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/aldaba-otp/aldaba/otp"
	"github.com/aldaba-otp/aldaba/store"
)

// Options says what an engine can do besides the facts that all must keep.
type Options struct {
	// Reopen closes the engine and opens what it kept; nil when it keeps
	// nothing.
	Reopen func(t *testing.T, e store.Engine) store.Engine
	// Second opens a second server on the same database; nil when an engine
	// has its database for itself. Closing either leaves the other alone.
	Second func(t *testing.T, e store.Engine) store.Engine
	// Writers is how many writer goroutines the engine stands; 1.
	Writers int
	// Unstorable makes a contact that the engine refuses; nil when it stores
	// everything.
	Unstorable func() otp.Contact
	// AtRest closes the engine and returns all bytes of its database, and those
	// of them in which records live, after the engine's own cleaning: not its
	// logs. It is nil when an engine keeps nothing, and returns nothing when the
	// bytes are not to be had.
	AtRest func(t *testing.T, e store.Engine) (all, live []byte)
	// Rounds is how often each race is run; 3.
	Rounds int
}

// Run proves the facts on the engines that open returns, each of them empty.
// The suite closes them.
func Run(t *testing.T, open func(t *testing.T) store.Engine, opts Options) {
	if opts.Rounds <= 0 {
		opts.Rounds = 3
	}
	s := &suite{open: open, opts: opts}
	for _, facts := range []map[string]func(*testing.T){s.recordFacts(), s.erasureFacts(), s.restFacts(), s.stepFacts(), s.linkFacts(), s.raceFacts(), s.readFacts(), s.fleetFacts(), s.serviceFacts(), s.limitFacts()} {
		for name, fact := range facts {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				fact(t)
			})
		}
	}
}

// suite holds what the facts need.
type suite struct {
	open func(t *testing.T) store.Engine
	opts Options
}

// writer opens an engine of its own for one fact.
func (s *suite) writer(t *testing.T) *store.Writer {
	t.Helper()
	return s.over(t, s.open(t))
}

func (s *suite) over(t *testing.T, e store.Engine) *store.Writer {
	t.Helper()
	w := store.NewWriter(e, store.Options{Writers: s.opts.Writers, Floor: floor(e)})
	t.Cleanup(func() {
		if err := w.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return w
}

// pair opens two servers on one database, or one twice when an engine has its
// database for itself.
func (s *suite) pair(t *testing.T) [2]*store.Writer {
	t.Helper()
	e := s.open(t)
	w := s.over(t, e)
	if s.opts.Second == nil {
		return [2]*store.Writer{w, w}
	}
	return [2]*store.Writer{w, s.over(t, s.opts.Second(t, e))}
}

// floor asks an engine that saves its time for it.
func floor(e store.Engine) time.Time {
	if f, ok := e.(interface{ Floor() time.Time }); ok {
		return f.Floor()
	}
	return time.Time{}
}

// do carries out one step that must succeed.
func do(t *testing.T, w otp.Store, keys otp.Keys, decide func(s *otp.State)) {
	t.Helper()
	err := w.Do(context.Background(), otp.Step{Load: keys, Decide: func(_ time.Time, s *otp.State) error {
		decide(s)
		return nil
	}})
	if err != nil {
		t.Fatalf("step: %v", err)
	}
}

// crowd runs n callers at once, half of them on each server, and fails on any
// error.
func crowd(t *testing.T, servers [2]*store.Writer, n int, call func(i int, w *store.Writer) error) {
	t.Helper()
	start := make(chan struct{})
	var done sync.WaitGroup
	for i := range n {
		done.Go(func() {
			<-start
			if err := call(i, servers[i%2]); err != nil {
				t.Errorf("caller %d: %v", i, err)
			}
		})
	}
	close(start)
	done.Wait()
	if t.Failed() {
		t.FailNow()
	}
}

// together queues the steps behind one that holds the writer, so that most of
// them share a batch, and returns their errors.
func together(w otp.Store, steps ...otp.Step) []error {
	errs := make([]error, len(steps))
	var started, done sync.WaitGroup
	started.Add(len(steps))
	release := make(chan struct{})
	held := make(chan struct{})
	var once sync.Once
	done.Go(func() {
		_ = w.Do(context.Background(), otp.Step{Decide: func(time.Time, *otp.State) error {
			once.Do(func() { close(held) })
			<-release
			return nil
		}})
	})
	<-held
	for i, step := range steps {
		done.Go(func() {
			started.Done()
			errs[i] = w.Do(context.Background(), step)
		})
	}
	started.Wait()
	close(release)
	done.Wait()
	return errs
}

// newID draws an ID born at any time of a day.
func newID() otp.ID {
	id := otp.FirstID(time.UnixMilli(1_800_000_000_000 + mathrand.Int64N(86_400_000)))
	_, _ = rand.Read(id[9:])
	return id
}

func newKey() (k otp.Key) {
	_, _ = rand.Read(k[:])
	return k
}
