package otp

import (
	"math"
	"slices"
	"time"
)

// The limits of one (tenant, destination), exact: the row holds the times of
// the last sends and wrong guesses themselves.
const (
	keptSends  = 10
	keptWrongs = 20

	burstSends  = 5
	burstWindow = 10 * time.Minute
	daySends    = keptSends
	dayWindow   = 24 * time.Hour

	// A full ledger is 20 wrong guesses or an accumulated guessing chance of
	// 1/1000 in 24 hours, whichever is first, but never fewer than 5 guesses
	// (ruling R5).
	ledgerGuesses = keptWrongs
	ledgerFloor   = 5
	chanceUnit    = 1_000_000_000_000 // of Wrong.Chance
	ledgerChance  = chanceUnit / 1000
)

// The names of the rules, as refusals and the journal tell them.
const (
	RuleBurst    = "sends_per_destination_10m"
	RuleDay      = "sends_per_destination_24h"
	RuleCooldown = "sends_per_verification_60s"
	RuleSends    = "sends_per_verification"
	RuleLedger   = "wrong_guesses_per_destination_24h"
	RuleDelay    = "wrong_guesses_in_a_row"
	RuleLock     = "wrong_guesses_lock"
	RuleHasty    = "wrong_guesses_per_tenant_slow"
	RuleRatio    = "wrong_guesses_per_tenant_10m"
)

// MaySend tells whether one more message may go to the destination at now.
// Otherwise it names the rule and how long to wait.
func (d *Destination) MaySend(now time.Time) (rule string, wait time.Duration) {
	if rule, wait = windowFull(d.Sends, now, burstSends, burstWindow, RuleBurst); wait > 0 {
		if r, w := windowFull(d.Sends, now, daySends, dayWindow, RuleDay); w > wait {
			return r, w
		}
		return rule, wait
	}
	return windowFull(d.Sends, now, daySends, dayWindow, RuleDay)
}

// windowFull tells whether the last n times all lie within window before now.
func windowFull(times []time.Time, now time.Time, n int, window time.Duration, rule string) (string, time.Duration) {
	if len(times) < n {
		return "", 0
	}
	if wait := times[len(times)-n].Add(window).Sub(now); wait > 0 {
		return rule, wait
	}
	return "", 0
}

// sent returns the destination with one more send.
func (d Destination) sent(now time.Time) Destination {
	d.Sends = last(append(slices.Clone(d.Sends), now), keptSends)
	d.Touched = now
	return d
}

// counting returns the destination with one more send of a verification. Those
// of a test address do not count: nothing is sent.
func (d Destination) counting(v *Verification, now time.Time) Destination {
	if v.Spec.Test {
		d.Touched = now
		return d
	}
	return d.sent(now)
}

// MayGuess tells whether a guess may be judged at now. Otherwise it returns
// how long it takes until enough wrong guesses are a day old.
func (d *Destination) MayGuess(now time.Time) (wait time.Duration) {
	var counted []Wrong
	var chance uint64
	for _, w := range d.Wrongs {
		if now.Sub(w.At) < dayWindow {
			counted = append(counted, w)
			chance += w.Chance
		}
	}
	for i := 0; full(len(counted)-i, chance); i++ {
		wait = counted[i].At.Add(dayWindow).Sub(now)
		chance -= counted[i].Chance
	}
	return wait
}

func full(guesses int, chance uint64) bool {
	return guesses >= ledgerGuesses || guesses >= ledgerFloor && chance >= ledgerChance
}

// charged returns the destination with one more wrong guess at a code out of
// space.
func (d Destination) charged(now time.Time, space float64) Destination {
	chance := uint64(math.Ceil(chanceUnit / max(space, 1)))
	d.Wrongs = last(append(slices.Clone(d.Wrongs), Wrong{now, chance}), keptWrongs)
	d.Touched = now
	return d
}

// live returns the pending verification that serves a purpose.
func (d *Destination) live(purpose string) (ID, bool) {
	for _, l := range d.Live {
		if l.Purpose == purpose {
			return l.ID, true
		}
	}
	return ID{}, false
}

// serving returns the destination with id serving a purpose.
func (d Destination) serving(purpose string, id ID) Destination {
	kept := slices.DeleteFunc(slices.Clone(d.Live), func(l Live) bool { return l.Purpose == purpose })
	d.Live = append(kept, Live{purpose, id})
	return d
}

// without returns the destination with id serving nothing, neither a purpose
// nor a start that comes again.
func (d Destination) without(id ID) Destination {
	if d.LastStart.ID == id {
		d.LastStart = LastStart{}
	}
	d.Live = slices.DeleteFunc(slices.Clone(d.Live), func(l Live) bool { return l.ID == id })
	return d
}

// forgiven returns the destination without its sends and wrong guesses.
func (d Destination) forgiven() Destination {
	d.Sends, d.Wrongs, d.Run, d.Own, d.Decoys = nil, nil, Run{}, Run{}, DecoyGuesses{}
	return d
}

// idle reports whether nothing in the row counts any more. A row stays at least
// as long as the verifications of its address, which are found by it, as long as
// the address is allowed or blocked, and as long as the fraud watch knows it.
func (d *Destination) idle(now time.Time, dir *Directory) bool {
	if d.verdict(now) != Unlisted || dir.knows(now, d) {
		return false
	}
	kept := max(retention, dir.retention(d.Tenant))
	if d.remembers() {
		kept = max(kept, runRetention)
	}
	return now.Sub(d.Touched) > kept
}

// last keeps the newest n of a list.
func last[T any](list []T, n int) []T {
	if len(list) > n {
		return list[len(list)-n:]
	}
	return list
}
