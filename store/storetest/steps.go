package storetest

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aldaba-otp/aldaba/otp"
	"github.com/aldaba-otp/aldaba/store"
)

// stepFacts are about what a step promises to its maker.
func (s *suite) stepFacts() map[string]func(*testing.T) {
	return map[string]func(*testing.T){
		"an error from a decision writes nothing and harms no other": s.decisionFails,
		"a panic in a decision is that step's error":                 s.decisionPanics,
		"a record that was not named cannot be read":                 s.notNamed,
		"missing records are absent and no error":                    s.missing,
		"a context that is over before the batch leaves nothing":     s.canceled,
		"time never goes back":                                       s.time,
		"a record that cannot be stored fails only its own step":     s.unstorable,
		"reopening keeps everything":                                 s.reopen,
		"a step that changes nothing commits nothing":                s.idle,
	}
}

// among runs a defective step among good ones and returns its error. The good
// ones must be kept, the records of the defective one must not.
func (s *suite) among(t *testing.T, w *store.Writer, end func() error) error {
	t.Helper()
	bad := fullSet()
	good := make([]set, 12)
	steps := []otp.Step{{Load: bad.keys(), Decide: func(_ time.Time, st *otp.State) error {
		bad.put(st)
		st.Journal(fullEvent(bad.Verification.ID, 1))
		return end()
	}}}
	for i := range good {
		good[i] = fullSet()
		steps = append(steps, otp.Step{Load: good[i].keys(), Decide: func(_ time.Time, st *otp.State) error {
			good[i].put(st)
			return nil
		}})
	}
	errs := together(w, steps...)
	for i, x := range good {
		if errs[i+1] != nil {
			t.Fatalf("step %d: %v", i, errs[i+1])
		}
		same(t, x.fetch(t, w), x)
	}
	same(t, bad.fetch(t, w), set{})
	events, err := w.Events(context.Background(), bad.Verification.ID)
	if err != nil || len(events) != 0 {
		t.Fatalf("events %v, error %v", events, err)
	}
	return errs[0]
}

func (s *suite) decisionFails(t *testing.T) {
	refusal := errors.New("no")
	if err := s.among(t, s.writer(t), func() error { return refusal }); !errors.Is(err, refusal) {
		t.Fatalf("got %v", err)
	}
}

func (s *suite) decisionPanics(t *testing.T) {
	defect := errors.New("defect")
	err := s.among(t, s.writer(t), func() error { panic(defect) })
	if !errors.Is(err, defect) || otp.KindOf(err) != otp.Internal {
		t.Fatalf("got %v", err)
	}
}

func (s *suite) notNamed(t *testing.T) {
	w, x := s.writer(t), fullSet()
	do(t, w, otp.Keys{}, x.put)
	err := w.Do(context.Background(), otp.Step{Decide: func(_ time.Time, st *otp.State) error {
		st.Contacts.Get(x.Contact.Key)
		return nil
	}})
	if err == nil || otp.KindOf(err) != otp.Internal {
		t.Fatalf("got %v", err)
	}
}

func (s *suite) missing(t *testing.T) {
	w, x := s.writer(t), fullSet()
	same(t, x.fetch(t, w), set{})
	ctx := context.Background()
	if found, err := w.Verifications(ctx, newID()); len(found) != 0 || err != nil {
		t.Fatalf("verifications: %v, %v", found, err)
	}
	if _, ok, err := w.Destination(ctx, newKey()); ok || err != nil {
		t.Fatalf("destination: %v, %v", ok, err)
	}
	if _, ok, err := w.Contact(ctx, newKey()); ok || err != nil {
		t.Fatalf("contact: %v, %v", ok, err)
	}
	if _, ok, err := w.Handle(ctx, newKey()); ok || err != nil {
		t.Fatalf("handle: %v, %v", ok, err)
	}
	if events, err := w.Events(ctx, newID()); len(events) != 0 || err != nil {
		t.Fatalf("events: %v, %v", events, err)
	}
}

func (s *suite) canceled(t *testing.T) {
	w, x := s.writer(t), fullSet()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	err := w.Do(ctx, otp.Step{Load: x.keys(), Decide: func(_ time.Time, st *otp.State) error {
		x.put(st)
		return nil
	}})
	if err == nil || otp.KindOf(err) != otp.Unavailable || !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v", err)
	}
	same(t, x.fetch(t, w), set{})
}

func (s *suite) time(t *testing.T) {
	var offset atomic.Int64
	offset.Store(int64(time.Hour))
	w := store.NewWriter(s.open(t), store.Options{Offset: func() time.Duration { return time.Duration(offset.Load()) }})
	defer w.Close()
	now := func() (seen time.Time) {
		err := w.Do(context.Background(), otp.Step{Decide: func(now time.Time, _ *otp.State) error {
			seen = now
			return nil
		}})
		if err != nil {
			t.Fatal(err)
		}
		return seen
	}
	first := now()
	offset.Store(0) // the clock steps back by an hour
	second := now()
	if second.Before(first) || second.Location() != time.UTC || second != second.Truncate(time.Microsecond) {
		t.Fatalf("%v, then %v", first, second)
	}
	offset.Store(int64(2 * time.Hour))
	if third := now(); third.Sub(first) < time.Hour-time.Minute {
		t.Fatalf("the offset was not added: %v, then %v", first, third)
	}
}

func (s *suite) unstorable(t *testing.T) {
	if s.opts.Unstorable == nil {
		t.Skip("the engine stores everything")
	}
	w := s.writer(t)
	bad := s.opts.Unstorable()
	good := make([]set, 12)
	steps := []otp.Step{{Decide: func(_ time.Time, st *otp.State) error {
		st.Contacts.Put(bad.Key, bad)
		return nil
	}}}
	for i := range good {
		good[i] = fullSet()
		steps = append(steps, otp.Step{Decide: func(_ time.Time, st *otp.State) error {
			good[i].put(st)
			return nil
		}})
	}
	errs := together(w, steps...)
	if errs[0] == nil || otp.KindOf(errs[0]) != otp.Internal {
		t.Fatalf("got %v", errs[0])
	}
	for i, x := range good {
		if errs[i+1] != nil {
			t.Fatalf("step %d: %v", i, errs[i+1])
		}
		same(t, x.fetch(t, w), x)
	}
	if _, ok, err := w.Contact(context.Background(), bad.Key); ok || err != nil {
		t.Fatalf("the record is there: %v, %v", ok, err)
	}
}

func (s *suite) reopen(t *testing.T) {
	if s.opts.Reopen == nil {
		t.Skip("the engine keeps nothing, as it declares")
	}
	ctx, e, x := context.Background(), s.open(t), fullSet()
	w := store.NewWriter(e, store.Options{Writers: s.opts.Writers})
	do(t, w, otp.Keys{}, func(st *otp.State) {
		x.put(st)
		st.Journal(fullEvent(x.Verification.ID, 1))
	})
	version, err := w.WriteDocuments(ctx, 0, []store.Document{{Kind: "tenant", Name: "acme", Body: []byte("{}")}})
	if err != nil {
		t.Fatal(err)
	}
	last := w.Last()
	again := s.opts.Reopen(t, e)
	if _, ok := again.(interface{ Floor() time.Time }); ok && floor(again).Before(last) {
		t.Fatalf("the floor is %v, the last time used %v", floor(again), last)
	}
	w = s.over(t, again)
	same(t, x.fetch(t, w), x)
	events, err := w.Events(ctx, x.Verification.ID)
	if err != nil {
		t.Fatal(err)
	}
	same(t, events, []otp.Event{fullEvent(x.Verification.ID, 1)})
	docs, v, err := w.ReadDocuments(ctx)
	if err != nil || len(docs) != 1 || v != version {
		t.Fatalf("documents %v, version %d, error %v", docs, v, err)
	}
}

func (s *suite) idle(t *testing.T) {
	w, x := s.writer(t), fullSet()
	x.fetch(t, w)
	if got := w.Stats(); got.Commits != 0 {
		t.Fatalf("got %+v", got)
	}
}
