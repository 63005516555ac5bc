package metrics

import (
	"maps"
	"strings"
	"sync"
	"sync/atomic"
)

// family is one metric with labels. A set of labels that was met before is
// found without a lock and without garbage, since every event passes here; a
// new one copies the map, which happens max times at most.
type family[T any] struct {
	labels []string
	max    int
	series func(values ...string) T
	other  func() T // the series of what is too much; made when it is needed
	mu     sync.Mutex
	begun  atomic.Int64 // series that [family.begin] made, which stand beside max
	known  atomic.Pointer[map[Labels]T]
}

func newFamily[T any](labels []string, most int, series func(values ...string) T) *family[T] {
	f := &family[T]{labels: labels, max: most, series: series}
	f.known.Store(&map[Labels]T{})
	f.other = sync.OnceValue(func() T {
		values := make([]string, len(labels))
		for i := range values {
			values[i] = "other"
		}
		return series(values...)
	})
	return f
}

// of returns the series of a set of labels.
func (f *family[T]) of(l Labels) T {
	known := *f.known.Load()
	if one, ok := known[l]; ok {
		return one
	}
	if f.full(known) {
		return f.other()
	}
	return f.learn(l)
}

// full tells whether events have brought as many series as they may.
func (f *family[T]) full(known map[Labels]T) bool { return len(known)-int(f.begun.Load()) >= f.max }

func (f *family[T]) learn(l Labels) T {
	f.mu.Lock()
	defer f.mu.Unlock()
	known := *f.known.Load()
	if one, ok := known[l]; ok {
		return one
	}
	if f.full(known) {
		return f.other()
	}
	more := maps.Clone(known)
	one := f.add(more, l)
	f.known.Store(&more)
	return one
}

// begin makes series before their first event, max of them at most, and all
// with one copy of the map. They leave the room of those that events bring as
// it is.
func (f *family[T]) begin(all []Labels) {
	f.mu.Lock()
	defer f.mu.Unlock()
	more := maps.Clone(*f.known.Load())
	for _, l := range all {
		if _, ok := more[l]; ok {
			continue
		}
		if f.begun.Load() >= int64(f.max) {
			break
		}
		f.add(more, l)
		f.begun.Add(1)
	}
	f.known.Store(&more)
}

// add makes the series of a set of labels and notes it in known.
func (f *family[T]) add(known map[Labels]T, l Labels) T {
	l = l.kept()
	values := make([]string, len(f.labels))
	for i, name := range f.labels {
		values[i] = strings.ToValidUTF8(l.value(name), "_") // the library panics at others
	}
	one := f.series(values...)
	known[l] = one
	return one
}
