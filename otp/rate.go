package otp

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Rate allows N acts in each Per, Burst of them at once: the generic cell rate
// algorithm (GCRA, ITU-T I.371), which keeps one time a key. The zero Rate is
// none given; a Rate that is Off bounds nothing.
type Rate struct {
	N     int
	Per   time.Duration
	Burst int // N when zero
	Off   bool
}

// maxRateSpan bounds Per, and with it how long a row stays.
const maxRateSpan = 30 * 24 * time.Hour

// ParseRate reads "20/1h", "50/1s burst 3000" or "off".
func ParseRate(text string) (Rate, error) {
	fault := errors.New(`must be a rate such as "20/1h", "50/1s burst 3000", or "off"`)
	if text == "off" {
		return Rate{Off: true}, nil
	}
	text, burst, bursts := strings.Cut(text, " burst ")
	count, span, ok := strings.Cut(text, "/")
	if !ok {
		return Rate{}, fault
	}
	n, err := strconv.Atoi(count)
	if err != nil {
		return Rate{}, fault
	}
	per, err := time.ParseDuration(span)
	if err != nil {
		return Rate{}, fault
	}
	r := Rate{N: n, Per: per}
	if bursts {
		if r.Burst, err = strconv.Atoi(burst); err != nil || r.Burst < 1 {
			return Rate{}, fault
		}
	}
	if r.N < 1 || r.N > 1_000_000 || r.Burst > 1_000_000 || r.Per < time.Second || r.Per > maxRateSpan || r.interval() == 0 {
		return Rate{}, fmt.Errorf("%w; 1 to 1000000 in 1s to 720h", fault)
	}
	return r, nil
}

// String is the inverse of [ParseRate]; "" for none given.
func (r Rate) String() string {
	switch {
	case r.Off:
		return "off"
	case r.N == 0:
		return ""
	case r.Burst != 0:
		return fmt.Sprintf("%d/%s burst %d", r.N, r.Per, r.Burst)
	}
	return fmt.Sprintf("%d/%s", r.N, r.Per)
}

// MarshalText implements [encoding.TextMarshaler].
func (r Rate) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText implements [encoding.TextUnmarshaler].
func (r *Rate) UnmarshalText(text []byte) (err error) {
	if len(text) > 0 {
		*r, err = ParseRate(string(text))
	}
	return err
}

// or returns the rate, or another one when none was given.
func (r Rate) or(other Rate) Rate {
	if r == (Rate{}) {
		return other
	}
	return r
}

// bounds reports whether there is a rate.
func (r Rate) bounds() bool { return r.N > 0 && !r.Off }

// interval is how long one act takes to be forgotten.
func (r Rate) interval() time.Duration { return r.Per / time.Duration(r.N) }

// wait tells how long it takes until one more act is allowed, given the
// theoretical arrival time of the row.
func (r Rate) wait(now, next time.Time) time.Duration {
	if next.Before(now) {
		next = now
	}
	return max(0, next.Add(r.interval()).Sub(now)-r.window())
}

// window is how long a whole burst takes to be forgotten: what goes beyond 292
// years, which a [time.Duration] cannot hold, is as long as that.
func (r Rate) window() time.Duration {
	burst := time.Duration(cmp.Or(r.Burst, r.N))
	if r.interval() > math.MaxInt64/burst {
		return math.MaxInt64
	}
	return burst * r.interval()
}

// Lasting reports whether a burst takes so long to be forgotten that the rate
// cannot be held to the letter: 100 years.
func (r Rate) Lasting() bool { return r.bounds() && r.window() > 100*365*24*time.Hour }

// spend returns the theoretical arrival time after one more act.
func (r Rate) spend(now, next time.Time) time.Time {
	if next.Before(now) {
		next = now
	}
	return next.Add(r.interval())
}

// used is how many acts the row still remembers.
func (r Rate) used(now, next time.Time) int {
	if !next.After(now) {
		return 0
	}
	return int((next.Sub(now) + r.interval() - 1) / r.interval())
}
