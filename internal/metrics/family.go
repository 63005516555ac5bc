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
	if len(known) >= f.max {
		return f.other()
	}
	return f.learn(l)
}

func (f *family[T]) learn(l Labels) T {
	f.mu.Lock()
	defer f.mu.Unlock()
	known := *f.known.Load()
	if one, ok := known[l]; ok {
		return one
	}
	if len(known) >= f.max {
		return f.other()
	}
	l = l.kept()
	values := make([]string, len(f.labels))
	for i, name := range f.labels {
		values[i] = strings.ToValidUTF8(l.value(name), "_") // the library panics at others
	}
	one := f.series(values...)
	more := maps.Clone(known)
	more[l] = one
	f.known.Store(&more)
	return one
}
