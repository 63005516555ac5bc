package otp

import (
	"slices"
	"time"
)

// How wrong guesses in a row are answered, of one address and tenant over all
// verifications and dialects (NIST SP 800-63B-4, 3.2.2; why each bound is as it
// is stands in docs/adr/0009-guess-locks.md).
const (
	// From delayFrom on, each wrong guess makes the next one at the same code
	// wait, doubling from the shortest to the longest delay.
	delayFrom     = 6
	shortestDelay = 30 * time.Second
	longestDelay  = time.Hour

	// lockFrom closes the channel of the address on which it was reached.
	lockFrom = 100
	// A lock that nobody releases lets one guess at a fresh code be judged after
	// trialWait; each wrong one doubles the wait, up to longestTrial.
	trialWait    = 7 * 24 * time.Hour
	longestTrial = 4 * trialWait

	// runRetention is how long a row stays that nothing touches and whose wrong
	// guesses in a row still count, so that silence alone clears none of them.
	runRetention = 365 * 24 * time.Hour
)

// Run is a number of wrong guesses in a row.
type Run struct {
	Failures int
	At       time.Time // of the last one
	Channels uint8     // on which they happened, bit by bit in the order of [Channels]
}

// SubjectTag stands for a subject in a destination's row: a keyed digest, so
// that the row names nobody. The zero tag is that of no subject.
type SubjectTag [8]byte

func (r *Ring) subjectTag(tenant, subject string) (tag SubjectTag) {
	if subject != "" {
		key := r.lookup("subject", tenant, subject)
		copy(tag[:], key[:])
	}
	return tag
}

// guesser says in whose name a guess is made, and how.
type guesser struct {
	subject SubjectTag
	channel Channel
	fresh   bool // no guess at the verification was judged yet
	hasty   bool // too many of the tenant's guesses are wrong: the delay begins with the first
	prompt  bool // the tenant's guesses wait for no delay
	forever bool // the tenant's locks wait for a release and open for no trial
	decoy   bool // it is made at a decoy
}

// run returns the guesses that count together with those of a subject. Those of
// the subject that proved the address last are counted apart from those of all
// others, so that nobody locks him out who starts in another name.
func (d *Destination) run(subject SubjectTag) *Run {
	if subject != (SubjectTag{}) && subject == d.Subject {
		return &d.Own
	}
	return &d.Run
}

// mayJudge tells whether a guess may be judged at now. Otherwise it names the
// rule that lasts longest and how long to wait.
func (d *Destination) mayJudge(now time.Time, g guesser) (rule string, wait time.Duration) {
	if g.decoy {
		d = d.withDecoys()
	}
	if w := d.MayGuess(now); w > 0 {
		rule, wait = RuleLedger, w
	}
	if r, w := d.run(g.subject).bars(now, g); w > wait {
		return r, w
	}
	return rule, wait
}

// bars tells how long a run of wrong guesses keeps a guess from being judged.
//
// Below the lock the first guess at each verification waits for nothing: codes
// cost messages, which are few, and the person who got the message is right at
// the first guess. A lock lets it through on a channel that has not failed.
func (r *Run) bars(now time.Time, g guesser) (rule string, wait time.Duration) {
	from := delayFrom
	rule = RuleDelay
	if g.hasty {
		from, rule = 1, RuleHasty
	}
	switch {
	case r.locked():
		if g.fresh && r.Channels&channelBit(g.channel) == 0 {
			return "", 0
		}
		if g.forever {
			return RuleLock, dayWindow // as good as any: waiting does not help
		}
		rule, wait = RuleLock, r.trialAt().Sub(now)
	case !g.fresh && !g.prompt && r.Failures >= from:
		wait = r.At.Add(doubled(shortestDelay, r.Failures-from, longestDelay)).Sub(now)
	}
	if wait <= 0 {
		return "", 0
	}
	return rule, wait
}

func (r *Run) locked() bool { return r.Failures >= lockFrom }

// trialAt is when a lock lets one guess at a fresh code be judged.
func (r *Run) trialAt() time.Time {
	return r.At.Add(doubled(trialWait, r.Failures-lockFrom, longestTrial))
}

// doubled returns first doubled n times, at most most.
func doubled(first time.Duration, n int, most time.Duration) time.Duration {
	for ; n > 0 && first < most; n-- {
		first *= 2
	}
	return min(first, most)
}

func channelBit(c Channel) uint8 { return 1 << max(slices.Index(Channels(), c), 0) }

// failed returns the destination with one more wrong guess in a row, and
// whether it locked.
func (d Destination) failed(now time.Time, subject SubjectTag, channel Channel) (after Destination, locks bool) {
	r := d.run(subject)
	r.Failures, r.At, r.Channels = r.Failures+1, now, r.Channels|channelBit(channel)
	return d, r.Failures == lockFrom
}

// proven returns the destination without wrong guesses in a row, after a right
// one in the name of a subject.
func (d Destination) proven(now time.Time, subject SubjectTag) Destination {
	d.Run, d.Own = Run{}, Run{}
	if subject != (SubjectTag{}) {
		d.Subject = subject
	}
	d.ApprovedAt, d.Touched = now, now
	return d
}

// anonymous returns the destination without the digest of its subject. Of the
// two runs the longer one stays, so that nobody gains a guess.
func (d Destination) anonymous() Destination {
	if d.Own.Failures > d.Run.Failures {
		d.Run = d.Own
	}
	d.Own, d.Subject = Run{}, SubjectTag{}
	return d
}

// remembers reports whether wrong guesses in a row still count.
func (d *Destination) remembers() bool {
	return d.Run.Failures >= delayFrom || d.Own.Failures >= delayFrom
}
