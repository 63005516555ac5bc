package delivery

import (
	"testing"
	"time"
)

func TestBreakerOpensOnFailures(t *testing.T) {
	t.Parallel()
	at := func(s int) time.Time { return time.Unix(int64(s), 0) }
	for _, c := range []struct {
		name  string
		tries string // . good, x bad, one a second
		open  bool
	}{
		{"none", "", false},
		{"four bad ones in a row", "xxxx", false},
		{"five bad ones in a row", "xxxxx", true},
		{"a good one in between", "xxxx.xxxx", false},
		{"half of ten", "x.x.x.x.x.", true},
		{"half of eight are too few to tell", "x.x.x.x.", false},
		{"four of ten", "x.x.x.x...", false},
		{"good ones", "....................", false},
	} {
		var b breaker
		for i, r := range c.tries {
			b.tried(at(i), r == '.', false)
		}
		if b.open != c.open {
			t.Errorf("%s: open %v", c.name, b.open)
		}
	}
}

func TestBreakerForgets(t *testing.T) {
	t.Parallel()
	var b breaker
	now := time.Unix(0, 0)
	for range 4 {
		b.tried(now, false, false)
		b.tried(now, true, false)
	}
	later := now.Add(breakerWindow + time.Second)
	b.tried(later, false, false)
	b.tried(later, false, false)
	if b.open {
		t.Error("failures of long ago count")
	}
}

func TestBreakerLetsFewProbesThroughAndCloses(t *testing.T) {
	t.Parallel()
	var b breaker
	now := time.Unix(0, 0)
	for range breakerInARow {
		b.tried(now, false, false)
	}
	if ok, _ := b.admit(now.Add(breakerRest - 1)); ok {
		t.Error("admitted before the rest was over")
	}
	now = now.Add(breakerRest)
	if ok, probe := b.admit(now); !ok || !probe {
		t.Error("no probe")
	}
	if ok, _ := b.admit(now); ok {
		t.Error("two probes at once before any went well")
	}
	b.tried(now, false, true)
	if ok, _ := b.admit(now.Add(2*breakerRest - 1)); ok {
		t.Error("the rest does not grow")
	}
	now = now.Add(2 * breakerRest)
	for n := range breakerProbes {
		if ok, probe := b.admit(now); !ok || !probe {
			t.Fatalf("probe %d was not admitted", n)
		}
		b.tried(now, true, true)
	}
	if b.open || b.probes != 0 {
		t.Errorf("%+v", b)
	}
	for range 20 { // the rest never grows beyond its bound
		b.trip(now, "errors")
	}
	if b.rest != breakerRestMax {
		t.Errorf("rest %s", b.rest)
	}
}

func TestBreakerOpensOnSilence(t *testing.T) {
	t.Parallel()
	now := time.Unix(0, 0)
	for _, c := range []struct {
		good, all int
		open      bool
	}{{0, 19, false}, {0, 20, true}, {3, 20, true}, {4, 20, false}, {20, 20, false}} {
		var b breaker
		for i := range c.all {
			b.heard(now, i < c.good)
		}
		if b.open != c.open || c.open && b.why != "no receipts" {
			t.Errorf("%+v: %+v", c, b)
		}
	}
}

func TestASilentProviderIsJudgedByItsReceipts(t *testing.T) {
	t.Parallel()
	var b breaker
	now := time.Unix(0, 0)
	for range breakerSilent {
		b.heard(now, false)
	}
	now = now.Add(breakerRest)
	for range 10 {
		_, probe := b.admit(now)
		b.tried(now, true, probe)
		now = now.Add(breakerProbeGap)
	}
	if !b.open {
		t.Error("it closed although nothing was heard")
	}
	for range breakerProbes {
		b.heard(now, true)
	}
	if b.open {
		t.Error("it stays open although receipts come")
	}
}

// TestABreakerClosesByWhatOpenedIt: receipts close what silence opened, and one
// that is missing closes nothing.
func TestABreakerClosesByWhatOpenedIt(t *testing.T) {
	t.Parallel()
	now := time.Unix(0, 0)
	var silence, errs breaker
	for range breakerSilent {
		silence.heard(now, false)
	}
	for range breakerInARow {
		errs.tried(now, false, false)
	}
	for range 10 * breakerProbes {
		silence.heard(now, false)
		errs.heard(now, true)
	}
	if !silence.open || !errs.open {
		t.Errorf("silence %+v, errors %+v", silence, errs)
	}
}

func TestABreakerRemembersNoMoreThanItsBound(t *testing.T) {
	t.Parallel()
	var all []result
	now := time.Unix(0, 0)
	for n := range 3 * breakerMemory {
		all = remember(all, now.Add(time.Duration(n)), n%2 == 0)
		if len(all) != min(n+1, breakerMemory) || !all[len(all)-1].at.Equal(now.Add(time.Duration(n))) {
			t.Fatalf("after %d results %d are left", n+1, len(all))
		}
	}
}
