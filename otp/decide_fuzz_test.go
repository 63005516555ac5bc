package otp

import (
	"testing"
	"time"
)

func FuzzSettleStaysWithinItsBounds(f *testing.F) {
	f.Add(6, int64(300), 5, 0, int64(0), 0, false, false, false)
	f.Add(3, int64(3200), 1<<31-1, 12, int64(86400), 10, true, true, true)
	f.Fuzz(func(t *testing.T, length int, seconds int64, tries, profileLength int, profileSeconds int64, profileTries int, strict, shorten, mail bool) {
		const most = int64(1) << 33 // of seconds, so that durations do not wrap
		a := asked{
			request: Settings{Digits, length, time.Duration(seconds%most) * time.Second, tries},
			profile: Settings{"", profileLength, time.Duration(profileSeconds%most) * time.Second, profileTries},
			shorten: shorten, policy: Compatible, channel: SMS, purpose: Authenticate,
		}
		if strict {
			a.policy = Strict
		}
		if mail {
			a.channel, a.purpose = Email, ConfirmAddress
		}
		s, err := settle(a)
		if err != nil {
			if err.Kind != Invalid || err.Field == "" || err.Message == "" {
				t.Fatalf("refused without a reason: %+v", err)
			}
			return
		}
		if s.Length < MinLength || s.Length > MaxLength || s.MaxAttempts < 1 || s.MaxAttempts > MaxAttempts ||
			s.Lifetime < time.Second || s.Lifetime > maxLifetime {
			t.Fatalf("out of bounds: %+v", s)
		}
		if strict && s.Alphabet.space(s.Length) < strictSpace {
			t.Fatalf("strict allows %+v", s)
		}
	})
}

func FuzzLimitsAreNeverExceeded(f *testing.F) {
	f.Add([]byte{1, 200, 1, 1, 255, 3, 60, 60, 60, 60, 60, 60}, uint8(6))
	f.Fuzz(func(t *testing.T, gaps []byte, length uint8) {
		now := time.Date(2026, 1, 31, 0, 0, 0, 0, time.UTC)
		space := Digits.space(MinLength + int(length)%10)
		var d Destination
		var sends, wrongs []time.Time
		for _, gap := range gaps {
			now = now.Add(time.Duration(gap) * 7 * time.Second)
			if _, wait := d.MaySend(now); wait == 0 {
				d = d.sent(now)
				sends = append(sends, now)
			} else if wait > dayWindow {
				t.Fatalf("a send waits %v", wait)
			}
			if wait := d.MayGuess(now); wait == 0 {
				d = d.charged(now, space)
				wrongs = append(wrongs, now)
			} else if rest := d; rest.MayGuess(now.Add(wait)) != 0 {
				t.Fatalf("after the wait that was told, %v, a guess waits still", wait)
			}
		}
		within := func(times []time.Time, window time.Duration) (n int) {
			for _, at := range times {
				if now.Sub(at) < window {
					n++
				}
			}
			return n
		}
		if n := within(sends, burstWindow); n > burstSends {
			t.Fatalf("%d sends in ten minutes", n)
		}
		if n := within(sends, dayWindow); n > daySends {
			t.Fatalf("%d sends in a day", n)
		}
		if n := within(wrongs, dayWindow); n > ledgerGuesses || float64(n-1)/space >= 1.0/1000 && n > ledgerFloor {
			t.Fatalf("%d wrong guesses in a day at one in %v", n, space)
		}
	})
}
