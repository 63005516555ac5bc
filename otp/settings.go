package otp

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// Purposes of a verification. A code for one purpose supersedes none of
// another.
const (
	Authenticate   = "authenticate"
	ConfirmAddress = "confirm_address"
	Recover        = "recover"
)

// Purposes lists every purpose.
func Purposes() []string { return []string{Authenticate, ConfirmAddress, Recover, AuthorizePayment} }

// mayWait reports whether a code for the purpose may live longer when it goes by
// e-mail, as a letter that is read later.
func mayWait(purpose string) bool { return purpose == ConfirmAddress || purpose == Recover }

// The bounds that hold for everybody (rulings R1 to R3 of the wire, security
// table 8.1).
const (
	// MaxAttempts is the most guesses that are judged, whatever was asked for.
	MaxAttempts = 10
	// maxLifetime is the longest life of any code.
	maxLifetime = 24 * time.Hour
	// compatibleLifetime and strictLifetime bound the life of a dialect whose
	// answer tells the expiry, unless the tenant says otherwise.
	compatibleLifetime = time.Hour
	strictLifetime     = 10 * time.Minute
	// strictMinimum is the shortest life under the strict policy.
	strictMinimum = 30 * time.Second
	// strictSpace is six digits; NIST counts them as 20 bits.
	strictSpace = 1e6
	// longLifeLength is asked of codes that live longer, by e-mail.
	longLifeLength = 8
)

// Settings decide what a code looks like and how long it lives. In a request a
// zero field is open.
type Settings struct {
	Alphabet    Alphabet
	Length      int
	Lifetime    time.Duration
	MaxAttempts int
}

// over returns s with its open fields taken from below.
func (s Settings) over(below Settings) Settings {
	return Settings{
		Alphabet:    cmp.Or(s.Alphabet, below.Alphabet),
		Length:      cmp.Or(s.Length, below.Length),
		Lifetime:    cmp.Or(s.Lifetime, below.Lifetime),
		MaxAttempts: cmp.Or(s.MaxAttempts, below.MaxAttempts),
	}
}

// nobodySaid is what is left when request, profile and dialect are silent.
func nobodySaid() Settings { return Settings{Digits, 6, 5 * time.Minute, 5} }

// asked is what settle decides on.
type asked struct {
	request, profile, dialect Settings
	shorten                   bool // a longer life is cut to the ceiling instead of refused
	policy                    Policy
	ceiling                   time.Duration // of the tenant, 0 for the policy's own
	channel                   Channel
	purpose                   string
}

// settle decides the effective settings: the request's, else the profile's,
// else the dialect's, within the policy's bounds.
func settle(a asked) (Settings, *Error) {
	s := a.request.over(a.profile).over(a.dialect).over(nobodySaid())
	if s.MaxAttempts < 1 {
		return s, invalid("max_attempts", "must be at least 1")
	}
	s.MaxAttempts = min(s.MaxAttempts, MaxAttempts)
	if s.Length < MinLength || s.Length > MaxLength {
		return s, invalid("length", "must be %d to %d", MinLength, MaxLength)
	}
	if fault := alphabetFault(s.Alphabet); fault != "" {
		return s, invalid("alphabet", "%s", fault)
	}
	if s.Lifetime < time.Second {
		return s, invalid("lifetime", "must be at least 1 second")
	}
	ceiling := a.lifetimeCeiling()
	if s.Lifetime > ceiling && a.shorten {
		s.Lifetime = ceiling
	}
	if s.Lifetime > ceiling {
		return s, invalid("lifetime", "must be at most %d seconds", int(ceiling.Seconds()))
	}
	if a.policy == Strict {
		return s, s.strict()
	}
	return s, nil
}

// cut names the settings that somebody asked for and did not get in full.
func (a asked) cut(got Settings) []string {
	wanted := a.request.over(a.profile).over(a.dialect).over(nobodySaid())
	var all []string
	if wanted.MaxAttempts > got.MaxAttempts {
		all = append(all, "max_attempts")
	}
	if wanted.Lifetime > got.Lifetime {
		all = append(all, "lifetime")
	}
	return all
}

// lifetimeCeiling is the longest life that the policy allows.
func (a asked) lifetimeCeiling() time.Duration {
	switch {
	case a.policy == Strict && a.channel == Email && mayWait(a.purpose):
		return cmp.Or(a.ceiling, maxLifetime)
	case a.policy == Strict:
		return min(cmp.Or(a.ceiling, strictLifetime), strictLifetime)
	case a.shorten:
		return cmp.Or(a.ceiling, compatibleLifetime)
	}
	return maxLifetime
}

// strict holds the floors of the strict policy.
func (s Settings) strict() *Error {
	space := s.Alphabet.space(s.Length)
	switch {
	case space < strictSpace:
		return invalid("length", "gives fewer than a million codes, which the strict policy refuses")
	case s.Lifetime < strictMinimum:
		return invalid("lifetime", "must be at least %d seconds", int(strictMinimum.Seconds()))
	case s.Lifetime > strictLifetime && s.Length < longLifeLength:
		return invalid("length", "must be at least 8 for a life of more than %d seconds", int(strictLifetime.Seconds()))
	}
	return nil
}

// weak names the settings that the strict policy would not have allowed on a
// channel for a purpose, for the journal.
func (s Settings) weak(channel Channel, purpose string) []string {
	var all []string
	space, letter := s.Alphabet.space(s.Length), channel == Email && mayWait(purpose)
	long := s.Lifetime > strictLifetime
	if space < strictSpace || long && letter && s.Length < longLifeLength {
		all = append(all, "length")
	}
	if long && !letter || s.Lifetime < strictMinimum {
		all = append(all, "lifetime")
	}
	return slices.Clip(all)
}

// doubtful are the settings of a start that its caller should know about.
type doubtful struct {
	weak []string // strict would not have allowed them
	cut  []string // they were asked for beyond the bounds
}

// names lists them, each once, in a fixed order.
func (d doubtful) names() []string {
	if d.weak == nil && d.cut == nil {
		return nil
	}
	var all []string
	for _, name := range []string{"max_attempts", "length", "lifetime"} {
		if slices.Contains(d.weak, name) || slices.Contains(d.cut, name) {
			all = append(all, name)
		}
	}
	return all
}

// detail is what the journal says of them.
func (d doubtful) detail() string {
	var parts []string
	if len(d.weak) > 0 {
		parts = append(parts, "weak: "+strings.Join(d.weak, ", "))
	}
	if len(d.cut) > 0 {
		parts = append(parts, "cut: "+strings.Join(d.cut, ", "))
	}
	return strings.Join(parts, "; ")
}
