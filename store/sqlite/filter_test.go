package sqlite

import (
	"context"
	"encoding/binary"
	"math/rand/v2"
	"path/filepath"
	"testing"
	"time"

	"github.com/aldaba-otp/aldaba/otp"
	"github.com/aldaba-otp/aldaba/store"
)

// digest makes keys that look like digests.
func digest(draw *rand.Rand) (key otp.Key) {
	binary.LittleEndian.PutUint64(key[:], draw.Uint64())
	binary.LittleEndian.PutUint64(key[8:], draw.Uint64())
	return key
}

func TestTheFilterForgetsNoKey(t *testing.T) {
	t.Parallel()
	draw := rand.New(rand.NewPCG(1, 2))
	keys := make([]otp.Key, filterKeys/4)
	for i := range keys {
		keys[i] = digest(draw)
	}
	var f filter
	f.add(keys[0]) // to none
	if f.absent(keys[0]) {
		t.Error("a filter that was not begun knows something")
	}
	f.begin([]rows[otp.Key, otp.Destination]{{keys[0]: {}}, {keys[1]: {}}})
	for _, key := range keys[1:] {
		f.add(key)
	}
	if f.absent(digest(draw)) {
		t.Error("a filter that is not whole knows something")
	}
	f.whole = true
	for _, key := range keys {
		if f.absent(key) {
			t.Fatalf("%x was added", key)
		}
	}
	passed := 0
	for range 100_000 {
		if !f.absent(digest(draw)) {
			passed++
		}
	}
	if passed > 100 { // a quarter of the keys sets an eighth of the bits: 1 in 4000 or so
		t.Errorf("%d of 100000 absent keys pass", passed)
	}
	if f.keys < len(keys)*99/100 || f.keys > len(keys) {
		t.Errorf("it counts %d keys of %d", f.keys, len(keys))
	}
}

// putPlaces stores destinations.
func putPlaces(t *testing.T, w otp.Store, keys ...otp.Key) {
	t.Helper()
	if err := w.Do(context.Background(), otp.Step{Decide: func(_ time.Time, s *otp.State) error {
		for _, key := range keys {
			s.Destinations.Put(key, otp.Destination{Key: key, Tenant: "acme"})
		}
		return nil
	}}); err != nil {
		t.Fatal(err)
	}
}

// places tells which destinations a step finds.
func places(t *testing.T, w otp.Store, keys ...otp.Key) (found []bool) {
	t.Helper()
	for _, key := range keys {
		if err := w.Do(context.Background(), otp.Step{Load: otp.Keys{Destinations: []otp.Key{key}}, Decide: func(_ time.Time, s *otp.State) error {
			_, ok := s.Destinations.Get(key)
			found = append(found, ok)
			return nil
		}}); err != nil {
			t.Fatal(err)
		}
	}
	return found
}

// still opens a database whose background work is done by the test alone.
func still(t *testing.T, path string) (*Engine, *store.Writer) {
	t.Helper()
	e, err := Open(context.Background(), path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	e.checkpoints.stop()
	w := store.NewWriter(e, store.Options{})
	t.Cleanup(func() { _ = w.Close() })
	return e, w
}

// further reads the file for the filter, as a round does.
func further(t *testing.T, e *Engine, s *survey) {
	t.Helper()
	if err := s.further(e, e.checkpoints.conn); err != nil {
		t.Fatal(err)
	}
}

// TestNoDestinationHidesBehindTheFilter looks for those that came to the file before
// the engine, and for those that came before, while and after it was read.
func TestNoDestinationHidesBehindTheFilter(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "a.db")
	draw := rand.New(rand.NewPCG(3, 4))
	old := make([]otp.Key, surveyed+10) // more than one look reads
	for i := range old {
		old[i] = digest(draw)
	}
	old = append(old, otp.Key{})
	_, first := still(t, path)
	putPlaces(t, first, old...)
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}

	e, w := still(t, path)
	before, during, after, none := digest(draw), digest(draw), digest(draw), digest(draw)
	all := []otp.Key{{}, old[0], old[len(old)/2], old[len(old)-2], before, during, after}
	var s survey
	putPlaces(t, w, before)
	further(t, e, &s)
	if e.places.absent(none) {
		t.Error("the filter is whole after a part of the file")
	}
	putPlaces(t, w, during)
	if err := e.flush(context.Background()); err != nil {
		t.Fatal(err)
	}
	further(t, e, &s)
	putPlaces(t, w, after)
	if err := e.flush(context.Background()); err != nil {
		t.Fatal(err)
	}
	if !e.places.absent(none) {
		t.Error("the filter does not know what is absent after all of the file")
	}
	for i, there := range places(t, w, append(all, none)...) {
		if want := i < len(all); there != want {
			t.Errorf("destination %d: %v", i, there)
		}
	}
}

// TestAFullFilterBeginsAgain, and is given up when that does not help.
func TestAFullFilterBeginsAgain(t *testing.T) {
	t.Parallel()
	e, w := still(t, filepath.Join(t.TempDir(), "a.db"))
	draw := rand.New(rand.NewPCG(5, 6))
	key, none := digest(draw), digest(draw)
	putPlaces(t, w, key)
	if err := e.flush(context.Background()); err != nil {
		t.Fatal(err)
	}
	var s survey
	further(t, e, &s)
	e.places.keys = filterKeys + 1 // as after many that came and went
	e.places.add(none)
	further(t, e, &s)
	if !e.places.whole || e.places.keys != 1 || !e.places.absent(none) {
		t.Errorf("it begins again with %d keys, whole %v", e.places.keys, e.places.whole)
	}
	e.places.whole, e.places.keys = false, filterKeys+1 // as when the file alone fills it
	for range 2 {
		further(t, e, &s)
	}
	if e.places.bits != nil || e.places.absent(none) {
		t.Error("it was not given up")
	}
	if got := places(t, w, key, none); !got[0] || got[1] {
		t.Errorf("found %v", got)
	}
}
