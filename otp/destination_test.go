package otp

import (
	"math/rand/v2"
	"testing"
	"time"
)

const us = time.Microsecond

func TestSendLimitsAreExactToTheMicrosecond(t *testing.T) {
	t.Parallel()
	at := func(minutes ...int) (d Destination) {
		for _, m := range minutes {
			d = d.sent(noon.Add(time.Duration(m) * time.Minute))
		}
		return d
	}
	ten := at(0, 20, 40, 60, 80, 100, 120, 140, 160, 180)
	burst := at(0, 20, 40, 60, 80, 100, 101, 102, 103, 104)
	for name, c := range map[string]struct {
		d     Destination
		after time.Duration
		rule  string
		wait  time.Duration
	}{
		"none":                          {at(), 0, "", 0},
		"four at once":                  {at(0, 0, 0, 0), 0, "", 0},
		"five at once":                  {at(0, 0, 0, 0, 0), 0, RuleBurst, 10 * time.Minute},
		"five, 1 us before":             {at(0, 1, 2, 3, 4), 10*time.Minute - us, RuleBurst, us},
		"five, at the border":           {at(0, 1, 2, 3, 4), 10 * time.Minute, "", 0},
		"the oldest of the last five":   {at(0, 7, 8, 9, 10, 11), 16 * time.Minute, RuleBurst, time.Minute},
		"ten in a day":                  {ten, 3 * time.Hour, RuleDay, 21 * time.Hour},
		"ten, 1 us before":              {ten, 24*time.Hour - us, RuleDay, us},
		"ten, at the border":            {ten, 24 * time.Hour, "", 0},
		"both full: the longer is told": {burst, 104 * time.Minute, RuleDay, 24*time.Hour - 104*time.Minute},
	} {
		if rule, wait := c.d.MaySend(noon.Add(c.after)); rule != c.rule || wait != c.wait {
			t.Errorf("%s: got %q, %s; want %q, %s", name, rule, wait, c.rule, c.wait)
		}
	}
}

func TestBurstIsToldWhenItLastsLonger(t *testing.T) {
	t.Parallel()
	var d Destination
	for range 5 {
		d = d.sent(noon)
	}
	for range 5 {
		d = d.sent(noon.Add(24*time.Hour - time.Minute))
	}
	if rule, wait := d.MaySend(noon.Add(24*time.Hour - time.Minute)); rule != RuleBurst || wait != 10*time.Minute {
		t.Errorf("got %s, %s", rule, wait)
	}
}

func TestLedgerIsFullAfterTheGuessesOfRulingR5(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		alphabet Alphabet
		length   int
		want     int
	}{
		"3 digits": {Digits, 3, 5}, "4 digits": {Digits, 4, 10}, "5 digits": {Digits, 5, 20}, "6 digits": {Digits, 6, 20},
		"12 of alnum": {Alnum, 12, 20}, "3 of two": {"ab", 3, 5}, "3 of alnum": {Alnum, 3, 20}, "3 of 15": {"0123456789abcde", 3, 5}, "3 of 16": {"0123456789abcdef", 3, 5},
	} {
		var d Destination
		n := 0
		for ; n < 30 && d.MayGuess(noon) == 0; n++ {
			d = d.charged(noon, c.alphabet.space(c.length))
		}
		if n != c.want || d.MayGuess(noon) != 24*time.Hour {
			t.Errorf("%s: full after %d guesses for %s, want %d", name, n, d.MayGuess(noon), c.want)
		}
	}
}

// privacyIDEA #1578: once a counter's time had passed, guesses were unlimited.
func TestGuessesAgeOutOneByOne(t *testing.T) {
	t.Parallel()
	var d Destination
	for i := range 20 {
		d = d.charged(noon.Add(time.Duration(i)*time.Minute), 1e6)
	}
	for i := range 20 {
		at := noon.Add(24*time.Hour + time.Duration(i)*time.Minute)
		if wait := d.MayGuess(at.Add(-us)); wait != us {
			t.Fatalf("guess %d: 1 us early the wait is %s", i, wait)
		}
		if wait := d.MayGuess(at); wait != 0 {
			t.Fatalf("guess %d: the wait is %s", i, wait)
		}
		d = d.charged(at, 1e6) // full again
	}
}

// A naive model keeps everything and tries each future moment.
type naive struct {
	sends  []time.Time
	wrongs []Wrong
}

func (n *naive) maySend(now time.Time) bool {
	burst, day := 0, 0
	for _, t := range n.sends {
		if t.After(now.Add(-10 * time.Minute)) {
			burst++
		}
		if t.After(now.Add(-24 * time.Hour)) {
			day++
		}
	}
	return burst < 5 && day < 10
}

func (n *naive) mayGuess(now time.Time) bool {
	count, chance := 0, 0.0
	for _, w := range n.wrongs {
		if w.At.After(now.Add(-24 * time.Hour)) {
			count++
			chance += float64(w.Chance) / 1e12
		}
	}
	return count < 20 && (count < 5 || chance < 0.001-1e-15)
}

func TestLimitsAgreeWithANaiveModel(t *testing.T) {
	t.Parallel()
	spaces := []float64{1e3, 1e4, 1e5, 1e6, 185193, 1e12}
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 1))
		var d Destination
		var n naive
		now := noon
		// Half of the time in bursts, half spread over hours.
		steps := []time.Duration{0, us, time.Second, time.Minute, 30 * time.Minute, 5 * time.Hour}
		for range 120 {
			now = now.Add(steps[r.IntN(len(steps))])
			_, wait := d.MaySend(now)
			if (wait == 0) != n.maySend(now) || wait > 0 && (n.maySend(now.Add(wait-us)) || !n.maySend(now.Add(wait))) {
				t.Fatalf("seed %d: a send has to wait %s", seed, wait)
			}
			if wait == 0 {
				d, n.sends = d.sent(now), append(n.sends, now)
			}
			wait = d.MayGuess(now)
			if (wait == 0) != n.mayGuess(now) || wait > 0 && (n.mayGuess(now.Add(wait-us)) || !n.mayGuess(now.Add(wait))) {
				t.Fatalf("seed %d: a guess has to wait %s", seed, wait)
			}
			if wait == 0 {
				d = d.charged(now, spaces[r.IntN(len(spaces))])
				n.wrongs = append(n.wrongs, d.Wrongs[len(d.Wrongs)-1])
			}
		}
	}
}

func TestChangesOfADestinationLeaveTheOldOneAlone(t *testing.T) {
	t.Parallel()
	d := Destination{Sends: make([]time.Time, 1, 8), Wrongs: make([]Wrong, 1, 8), Live: append(make([]Live, 0, 8), Live{Recover, ID{1}})}
	d.sent(noon)
	d.charged(noon, 10)
	d.serving(Recover, ID{2})
	d.serving(Authenticate, ID{3})
	d.without(ID{1})
	if full := d.Sends[:2]; !full[1].IsZero() || d.Live[0] != (Live{Recover, ID{1}}) || d.Wrongs[:2][1] != (Wrong{}) {
		t.Errorf("got %+v", d)
	}
	both := d.serving(Authenticate, ID{3})
	if id, ok := both.live(Recover); !ok || id != (ID{1}) || len(both.Live) != 2 || len(both.without(ID{1}).Live) != 1 {
		t.Errorf("got %+v", both)
	}
}

func TestWhatCountsKeepsARow(t *testing.T) {
	t.Parallel()
	before := Destination{Touched: noon.Add(-time.Hour)}
	for name, after := range map[string]Destination{
		"a send": before.sent(noon), "a send to a test address": before.counting(&Verification{Spec: Spec{Test: true}}, noon),
		"a wrong guess": before.charged(noon, 1_000_000), "a right one": before.proven(noon, SubjectTag{}),
	} {
		if !after.Touched.Equal(noon) {
			t.Errorf("%s: touched at %s", name, after.Touched)
		}
	}
}
