package otp_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aldaba-otp/aldaba/otp"
	"github.com/aldaba-otp/aldaba/store"
	"github.com/aldaba-otp/aldaba/store/memory"
	"github.com/aldaba-otp/aldaba/store/storetest/world"
)

// alone is a watched world whose server has its store for itself.
func alone(t testing.TB) *world.World {
	t.Helper()
	w, _ := watched(t)
	if err := w.LearnPrefixes(t.Context()); err != nil {
		t.Fatal(err)
	}
	return w
}

// rows counts the prefixes that have a row.
func rows(t testing.TB, w *world.World) int {
	t.Helper()
	all, err := w.Store.ScanCounters(t.Context(), otp.Key{}, 1000)
	if err != nil {
		t.Fatal(err)
	}
	return len(all)
}

// TestAFewStartsToAPrefixHaveNoRow and are counted all the same: of 500 starts
// twenty pass, one after the other and all at once.
func TestAFewStartsToAPrefixHaveNoRow(t *testing.T) {
	t.Parallel()
	w := alone(t)
	if sent := pump(t, w, 0, 4); sent != 4 || rows(t, w) != 0 {
		t.Errorf("%d sent, %d rows", sent, rows(t, w))
	}
	if sent := pump(t, w, 4, 496); sent != 16 || rows(t, w) != 1 {
		t.Errorf("%d more sent, %d rows; want 16 and 1", sent, rows(t, w))
	}
	for range 20 {
		w := alone(t)
		var all sync.WaitGroup
		var sent atomic.Int64
		for i := range 64 {
			all.Go(func() {
				if _, err := w.Start(context.Background(), vendor(line(i))); err == nil {
					sent.Add(1)
				}
			})
		}
		all.Wait()
		if sent.Load() != 20 {
			t.Fatalf("%d of 64 at once were sent, want 20", sent.Load())
		}
	}
}

// TestApprovalsBeforeThereIsARowCount: what came back of the first starts is
// folded into the row with them.
func TestApprovalsBeforeThereIsARowCount(t *testing.T) {
	t.Parallel()
	w := alone(t)
	for i := range 4 {
		v, code := start(t, w, vendor(line(i)))
		check(t, w, v, code, otp.OutcomeApproved)
	}
	if sent := pump(t, w, 4, 100); sent != 37 { // four of 41 are below a tenth
		t.Errorf("%d more sent, want 37", sent)
	}
}

// TestAStopWritesDownWhatHasNoRow, so that the next process knows it.
func TestAStopWritesDownWhatHasNoRow(t *testing.T) {
	t.Parallel()
	w := alone(t)
	pump(t, w, 0, 3)
	if err := w.KeepPrefixes(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := w.LearnPrefixes(t.Context()); err != nil { // as the next process does
		t.Fatal(err)
	}
	if sent := pump(t, w, 3, 100); sent != 17 || rows(t, w) != 1 {
		t.Errorf("%d more sent, %d rows; want 17 and 1", sent, rows(t, w))
	}
}

// TestWhatDoesNotCountIsTakenBack: neither starts to known numbers nor refused
// ones use up what is kept in memory, and a window ends there too.
func TestWhatDoesNotCountIsTakenBack(t *testing.T) {
	t.Parallel()
	w := alone(t)
	v, code := start(t, w, vendor(line(0)))
	check(t, w, v, code, otp.OutcomeApproved)
	w.Clock.Advance(25 * time.Hour)
	for range 5 {
		start(t, w, vendor(line(0)))
	}
	refusedBy(t, w, vendor(line(0)), otp.RuleBurst)
	if n := rows(t, w); n != 0 {
		t.Errorf("%d rows after starts to a known number", n)
	}
	if sent := pump(t, w, 1, 100); sent != 20 {
		t.Errorf("%d sent, want 20", sent)
	}
	names := []string{}
	all, _, err := w.Conversions(t.Context(), "acme", otp.Key{}, 10)
	for _, c := range all {
		names = append(names, c.Name)
	}
	if err != nil || !slices.Contains(names, "prefix +58412123") {
		t.Errorf("got %q, %v", names, err)
	}
}

// TestWhatHasNoRowIsShown among what has one, page by page.
func TestWhatHasNoRowIsShown(t *testing.T) {
	t.Parallel()
	w := alone(t)
	for i := range 30 {
		start(t, w, vendor(fmt.Sprintf("+58412%03d0001", 100+i)))
	}
	pump(t, w, 0, 10) // this one has a row
	for _, limit := range []int{1, 7, 100} {
		var names []string
		for after, more := (otp.Key{}), true; more; more = after != (otp.Key{}) {
			page, next, err := w.Conversions(t.Context(), "acme", after, limit)
			if err != nil || len(page) > limit {
				t.Fatalf("%d entries, %v", len(page), err)
			}
			for _, c := range page {
				names = append(names, c.Name)
			}
			after = next
		}
		slices.Sort(names)
		if n := len(names); n != 30 || len(slices.Compact(names)) != n {
			t.Errorf("limit %d: %d names, %q", limit, n, names)
		}
	}
}

// TestAnotherServerIsToldWhatHadNoRow: when one comes, what the first kept in
// memory is added to the rows, also where the other has made one meanwhile, and
// from then on nothing is kept there until it has left.
func TestAnotherServerIsToldWhatHadNoRow(t *testing.T) {
	t.Parallel()
	w := alone(t)
	pump(t, w, 0, 4)
	other, _ := second(w)
	for i := range 2 {
		if _, err := other.Start(t.Context(), vendor(line(100+i))); err != nil {
			t.Fatal(err)
		}
	}
	w.Engine.FailWith(memory.Trouble{Begin: &store.Failure{Class: store.Down, Cause: errors.New("gone")}})
	if err := w.SharePrefixes(t.Context()); otp.KindOf(err) != otp.Unavailable {
		t.Errorf("without the store: %v", err)
	}
	w.Engine.FailWith(memory.Trouble{})
	for range 2 { // the second time there is nothing left to tell
		if err := w.SharePrefixes(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	start(t, w, vendor("+584129990001"))
	if n := rows(t, w); n != 2 {
		t.Errorf("%d rows, want one for each prefix", n)
	}
	if sent := pump(t, w, 4, 100); sent != 14 {
		t.Errorf("%d more sent, want 14 of 20", sent)
	}
	if err := w.LearnPrefixes(t.Context()); err != nil {
		t.Fatal(err)
	}
	start(t, w, vendor("+584129990002"))
	start(t, w, vendor("+584129980001"))
	if n := rows(t, w); n != 2 {
		t.Errorf("%d rows, want those that there were", n)
	}
	if sent := pump(t, w, 200, 10); sent != 0 {
		t.Errorf("%d sent to a prefix that is closed", sent)
	}
}
