package delivery

import (
	"cmp"
	"slices"
	"sync"
	"time"
)

// When a breaker opens and closes. A provider may be broken in one country and
// fine in the others, so there is one for each (provider, country).
const (
	breakerMemory   = 64               // last results that count
	breakerWindow   = 5 * time.Minute  // and how long each counts
	breakerLeast    = 10               // results before anything is judged
	breakerFailures = 0.5              // share of failures that opens
	breakerInARow   = 5                // failures in a row that open
	breakerSilent   = 20               // receipts due before silence is judged
	breakerHeard    = 0.2              // share of receipts below which it opens
	breakerRest     = 5 * time.Second  // before the first probe; doubled up to breakerRestMax
	breakerRestMax  = 20 * time.Second // so that what waits goes within a minute of a recovery
	breakerProbes   = 3                // real messages at once, and successes that close
	breakerProbeGap = 2 * time.Second  // between probes, so that they stay few
)

// Why a breaker is open.
const (
	failing = "errors"
	silent  = "no receipts"
)

// breakers are the circuit breakers of one server. They live in memory: a new
// process finds out for itself.
type breakers struct {
	mu  sync.Mutex
	all map[place]*breaker
}

// place is what a breaker judges.
type place struct{ provider, country string }

// breaker is the state of one place. Its methods are pure in the time they are
// given.
type breaker struct {
	results []result // of tries, oldest first
	row     int      // failures in a row
	due     []result // receipts: good when one came
	open    bool
	why     string
	until   time.Time // open: no probe before
	rest    time.Duration
	probes  int // under way
	probed  time.Time
	good    int // successful probes since it opened
}

// result is one thing that counts.
type result struct {
	at   time.Time
	good bool
}

func newBreakers() *breakers { return &breakers{all: make(map[place]*breaker)} }

// with runs f on a place's breaker.
func (b *breakers) with(p place, f func(*breaker)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	one, ok := b.all[p]
	if !ok {
		one = &breaker{}
		b.all[p] = one
	}
	f(one)
}

// admit tells whether a message may go to a place now, and whether it is a
// probe; a probe's result must be told.
func (b *breakers) admit(p place, now time.Time) (ok, probe bool) {
	b.with(p, func(one *breaker) { ok, probe = one.admit(now) })
	return ok, probe
}

// tried notes the result of a try and reports whether the breaker turned.
func (b *breakers) tried(p place, now time.Time, good, probe bool) (turned bool) {
	b.with(p, func(one *breaker) {
		was := one.open
		one.tried(now, good, probe)
		turned = one.open != was
	})
	return turned
}

// heard notes that a receipt that was due came or did not, and reports whether
// the breaker turned.
func (b *breakers) heard(p place, now time.Time, good bool) (turned bool) {
	b.with(p, func(one *breaker) {
		was := one.open
		one.heard(now, good)
		turned = one.open != was
	})
	return turned
}

// ready tells whether a message could go to a place now.
func (b *breakers) ready(p place, now time.Time) (ok bool) {
	b.with(p, func(one *breaker) { ok = one.ready(now) })
	return ok
}

func (b *breaker) ready(now time.Time) bool {
	pause := now.Sub(b.probed) < breakerProbeGap && b.good == 0
	return !b.open || !now.Before(b.until) && b.probes < breakerProbes && !pause
}

func (b *breaker) admit(now time.Time) (ok, probe bool) {
	if !b.open || !b.ready(now) {
		return !b.open, false
	}
	b.probes++
	b.probed = now
	return true, true
}

func (b *breaker) tried(now time.Time, good, probe bool) {
	if probe {
		b.probes--
	}
	if b.open {
		// A first try that was made all the same counts when it went well. One
		// that is silent is judged by its receipts alone.
		if probe && !good || good && b.why != silent {
			b.probe(now, good)
		}
		return
	}
	b.results = remember(b.results, now, good)
	b.row++
	if good {
		b.row = 0
	}
	bad, all := count(b.results, now)
	if b.row >= breakerInARow || all >= breakerLeast && float64(bad) >= breakerFailures*float64(all) {
		b.trip(now, failing)
	}
}

// probe judges a message that was let through an open breaker.
func (b *breaker) probe(now time.Time, good bool) {
	if !good {
		b.trip(now, b.why)
		return
	}
	if b.good++; b.good >= breakerProbes {
		*b = breaker{probes: b.probes}
	}
}

func (b *breaker) heard(now time.Time, good bool) {
	if b.open {
		if good && b.why == silent {
			b.probe(now, true)
		}
		return
	}
	b.due = remember(b.due, now, good)
	if missing, all := count(b.due, now); all >= breakerSilent && float64(all-missing) < breakerHeard*float64(all) {
		b.trip(now, silent)
	}
}

// trip opens the breaker, or keeps it open for longer.
func (b *breaker) trip(now time.Time, why string) {
	b.rest = min(max(2*b.rest, breakerRest), breakerRestMax)
	*b = breaker{open: true, why: why, until: now.Add(b.rest), rest: b.rest, probes: b.probes}
}

func remember(all []result, now time.Time, good bool) []result {
	all = append(all, result{now, good})
	if len(all) > breakerMemory {
		all = slices.Delete(all, 0, len(all)-breakerMemory)
	}
	return all
}

// count returns how many of the results that still count are bad, and all.
func count(results []result, now time.Time) (bad, all int) {
	for _, r := range results {
		if now.Sub(r.at) > breakerWindow {
			continue
		}
		all++
		if !r.good {
			bad++
		}
	}
	return bad, all
}

// BreakerState tells about one circuit breaker, for metrics and people.
type BreakerState struct {
	Provider, Country string
	Open              bool
	Why               string    // of an open one: "errors" or "no receipts"
	Until             time.Time // of an open one: when it lets a probe through
}

// Breakers returns the state of every breaker that has judged anything, in
// order of provider and country.
func (c *Courier) Breakers() []BreakerState {
	c.breakers.mu.Lock()
	defer c.breakers.mu.Unlock()
	list := make([]BreakerState, 0, len(c.breakers.all))
	for p, b := range c.breakers.all {
		list = append(list, BreakerState{p.provider, p.country, b.open, b.why, b.until})
	}
	slices.SortFunc(list, func(x, y BreakerState) int {
		return cmp.Or(cmp.Compare(x.Provider, y.Provider), cmp.Compare(x.Country, y.Country))
	})
	return list
}
