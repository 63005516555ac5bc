package otp

import (
	"testing"
	"time"
)

func inRow(failures int, channels ...Channel) (r Run) {
	r = Run{Failures: failures, At: noon}
	for _, c := range channels {
		r.Channels |= channelBit(c)
	}
	return r
}

// T07, T08: each bound and one microsecond or one guess past it.
func TestWrongGuessesInARowBar(t *testing.T) {
	t.Parallel()
	const day = 24 * time.Hour
	for name, c := range map[string]struct {
		run   Run
		by    guesser
		after time.Duration
		rule  string
		wait  time.Duration
	}{
		"none":                              {Run{}, guesser{}, 0, "", 0},
		"five":                              {inRow(5), guesser{}, 0, "", 0},
		"six":                               {inRow(6), guesser{}, 0, RuleDelay, 30 * time.Second},
		"six, 1 us before":                  {inRow(6), guesser{}, 30*time.Second - us, RuleDelay, us},
		"six, at the border":                {inRow(6), guesser{}, 30 * time.Second, "", 0},
		"six, at a fresh code":              {inRow(6), guesser{fresh: true}, 0, "", 0},
		"seven":                             {inRow(7), guesser{}, 0, RuleDelay, time.Minute},
		"twelve":                            {inRow(12), guesser{}, 0, RuleDelay, 32 * time.Minute},
		"thirteen":                          {inRow(13), guesser{}, 0, RuleDelay, time.Hour},
		"99":                                {inRow(99), guesser{}, 0, RuleDelay, time.Hour},
		"99, at a fresh code":               {inRow(99), guesser{fresh: true}, 0, "", 0},
		"100":                               {inRow(100, SMS), guesser{channel: SMS}, 0, RuleLock, 7 * day},
		"100, at a fresh code":              {inRow(100, SMS), guesser{channel: SMS, fresh: true}, 0, RuleLock, 7 * day},
		"100, 1 us before the trial":        {inRow(100, SMS), guesser{channel: SMS, fresh: true}, 7*day - us, RuleLock, us},
		"100, at the trial":                 {inRow(100, SMS), guesser{channel: SMS, fresh: true}, 7 * day, "", 0},
		"101":                               {inRow(101, SMS), guesser{channel: SMS, fresh: true}, 0, RuleLock, 14 * day},
		"102":                               {inRow(102, SMS), guesser{channel: SMS, fresh: true}, 0, RuleLock, 28 * day},
		"1000":                              {inRow(1000, SMS), guesser{channel: SMS, fresh: true}, 0, RuleLock, 28 * day},
		"100, without trials":               {inRow(100, SMS), guesser{channel: SMS, fresh: true, forever: true}, 365 * day, RuleLock, day},
		"100, another channel":              {inRow(100, SMS), guesser{channel: Voice, fresh: true}, 0, "", 0},
		"100, another one, not fresh":       {inRow(100, SMS), guesser{channel: Voice}, 0, RuleLock, 7 * day},
		"100, another one that failed":      {inRow(100, SMS, Voice), guesser{channel: Voice, fresh: true}, 0, RuleLock, 7 * day},
		"100, another one, without trials":  {inRow(100, SMS), guesser{channel: Voice, fresh: true, forever: true}, 0, "", 0},
		"none while slowed":                 {Run{}, guesser{hasty: true}, 0, "", 0},
		"one while slowed":                  {inRow(1), guesser{hasty: true}, 0, RuleHasty, 30 * time.Second},
		"one while slowed, at the border":   {inRow(1), guesser{hasty: true}, 30 * time.Second, "", 0},
		"one while slowed, at a fresh code": {inRow(1), guesser{hasty: true, fresh: true}, 0, "", 0},
		"eight while slowed":                {inRow(8), guesser{hasty: true}, 0, RuleHasty, time.Hour},
		"100 while slowed":                  {inRow(100, SMS), guesser{channel: SMS, hasty: true}, 0, RuleLock, 7 * day},
	} {
		if rule, wait := c.run.bars(noon.Add(c.after), c.by); rule != c.rule || wait != c.wait {
			t.Errorf("%s: got %q, %s; want %q, %s", name, rule, wait, c.rule, c.wait)
		}
	}
}

func TestTheLimitThatLastsLongestIsToldOfAGuess(t *testing.T) {
	t.Parallel()
	var d Destination
	for range 20 {
		d = d.charged(noon, 1e6)
	}
	d.Run = inRow(6)
	if rule, wait := d.mayJudge(noon, guesser{}); rule != RuleLedger || wait != 24*time.Hour {
		t.Errorf("got %s, %s", rule, wait)
	}
	if rule, wait := d.mayJudge(noon.Add(24*time.Hour), guesser{}); rule != "" || wait != 0 {
		t.Errorf("a day later: got %s, %s", rule, wait)
	}
	d.Run = inRow(100)
	if rule, wait := d.mayJudge(noon, guesser{}); rule != RuleLock || wait != 7*24*time.Hour {
		t.Errorf("locked: got %s, %s", rule, wait)
	}
}

func TestTheSubjectThatProvedTheAddressIsCountedApart(t *testing.T) {
	t.Parallel()
	owner, other := SubjectTag{1}, SubjectTag{2}
	d := Destination{}.proven(noon, owner)
	d, _ = d.failed(noon, other, SMS)
	d, _ = d.failed(noon, SubjectTag{}, Voice)
	d, _ = d.failed(noon, owner, SMS)
	if d.Run != inRow(2, SMS, Voice) || d.Own != inRow(1, SMS) {
		t.Errorf("got %+v and %+v", d.Run, d.Own)
	}
	d = d.proven(noon, SubjectTag{})
	if d.Run != (Run{}) || d.Own != (Run{}) || d.Subject != owner {
		t.Errorf("a proof without a subject leaves %+v", d)
	}
	if d = d.proven(noon, other); d.Subject != other {
		t.Errorf("the address still belongs to %v", d.Subject)
	}
	if none := (Destination{}); none.run(SubjectTag{}) != &none.Run {
		t.Error("no subject is taken for one that is not known")
	}
}

func TestAnErasedSubjectLeavesTheLongerRun(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ others, own, want int }{{3, 7, 7}, {7, 3, 7}, {0, 0, 0}} {
		d := Destination{Run: inRow(c.others), Own: inRow(c.own), Subject: SubjectTag{1}}.anonymous()
		if d.Run != inRow(c.want) || d.Own != (Run{}) || d.Subject != (SubjectTag{}) {
			t.Errorf("%+v leaves %+v", c, d)
		}
	}
}

func TestAChannelLocksOnce(t *testing.T) {
	t.Parallel()
	d, locked := Destination{Run: inRow(98)}.failed(noon, SubjectTag{}, SMS)
	if locked {
		t.Error("99 lock")
	}
	if d, locked = d.failed(noon, SubjectTag{}, SMS); !locked || d.Run.Failures != 100 {
		t.Error("100 do not lock")
	}
	if _, locked = d.failed(noon, SubjectTag{}, SMS); locked {
		t.Error("101 lock again")
	}
}

// privacyIDEA #1578: time alone cleared the counter, and guesses were unlimited.
func TestSilenceClearsNoRun(t *testing.T) { // T08
	t.Parallel()
	for failures, days := range map[int]int{0: 30, 5: 30, 6: 365, 100: 365} {
		d := Destination{Own: inRow(failures), Touched: noon}
		end := noon.AddDate(0, 0, days)
		if d.idle(end, new(Directory)) || !d.idle(end.Add(us), new(Directory)) {
			t.Errorf("after %d failures the row is not kept for %d days", failures, days)
		}
	}
}

// FuzzRuns plays guesses of an owner and of strangers and holds what may never
// happen: a guess judged within its delay, more than 100 in a row with a lock's
// exceptions, and a stranger who bars the owner.
func FuzzRuns(f *testing.F) {
	f.Add([]byte{1, 1, 1, 1, 1, 1, 1, 1, 200, 3, 7, 255}, false)
	f.Add([]byte{0x81, 0x81, 0x81, 0x81, 0x81, 0x81, 0x81, 2, 2, 2}, true)
	f.Fuzz(func(t *testing.T, moves []byte, forever bool) {
		owner, stranger := SubjectTag{1}, SubjectTag{2}
		d := Destination{}.proven(noon, owner)
		now := noon
		for _, m := range moves {
			now = now.Add(time.Duration(m>>4) * time.Duration(m>>4) * 3 * time.Minute)
			by := guesser{subject: stranger, channel: Channels()[m>>1&3], fresh: m&8 != 0, forever: forever}
			if m&1 != 0 {
				by.subject = owner
			}
			before := *d.run(by.subject)
			rule, wait := before.bars(now, by)
			if (rule == "") != (wait == 0) || wait < 0 || wait > longestTrial {
				t.Fatalf("rule %q, wait %s", rule, wait)
			}
			if wait > 0 {
				if later, still := before.bars(now.Add(wait), by); still != 0 && !forever {
					t.Fatalf("after the wait that was told it waits %s for %s", still, later)
				}
				continue
			}
			if before.locked() && before.Channels&channelBit(by.channel) != 0 && (forever || now.Sub(before.At) < trialWait) {
				t.Fatalf("%+v lets a guess through", before)
			}
			if gap := now.Sub(before.At); before.Failures >= delayFrom && !by.fresh && gap < shortestDelay {
				t.Fatalf("after %d failures a guess was judged %s later", before.Failures, gap)
			}
			other := d.Own
			if by.subject == owner {
				other = d.Run
			}
			d, _ = d.failed(now, by.subject, by.channel)
			if after := d.Own; by.subject != owner && after != other || by.subject == owner && d.Run != other {
				t.Fatal("a guess counts against somebody else")
			}
			if r := d.run(by.subject); forever && r.Failures > lockFrom+len(Channels())-1 {
				t.Fatalf("%d in a row", r.Failures)
			}
		}
	})
}
