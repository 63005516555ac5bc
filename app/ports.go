package app

import (
	"strings"
	"sync"

	"github.com/aldaba-otp/aldaba/internal/address"
	"github.com/aldaba-otp/aldaba/internal/locale"
	"github.com/aldaba-otp/aldaba/internal/password"
	"github.com/aldaba-otp/aldaba/otp"
)

// Addresses fills the core's port with libphonenumber's metadata and IDNA. The
// zero value has no plans made ready, and takes its time over each number.
type Addresses struct{ Plans *address.Plans }

// Parse implements [otp.Addresses].
func (Addresses) Parse(text, home string) (otp.Address, error) {
	a, err := address.Parse(text, home)
	if err != nil {
		return otp.Address{}, err
	}
	return otp.Address{Email: a.Kind == address.Email, Send: a.Send, Count: a.Count}, nil
}

// Country implements [otp.Addresses].
func (a Addresses) Country(number string) string { return a.Plans.Country(number) }

// Kind implements [otp.Addresses].
func (a Addresses) Kind(number string) otp.LineKind {
	return otp.LineKind(a.Plans.Kind(number).String())
}

// Passwords fills the core's port with argon2id.
type Passwords struct{}

// Hash implements [otp.Passwords].
func (Passwords) Hash(text string) (string, error) { return password.Hash(text) }

// Verify implements [otp.Passwords].
func (Passwords) Verify(hash, text string) (bool, error) { return password.Verify(hash, text) }

// languages fills the core's port with BCP 47 matching; matchers are kept,
// since a tenant's list of languages seldom changes.
type languages struct{ matchers sync.Map } // joined list to *locale.Matcher

// maxMatchers bounds the memory of matchers.
const maxMatchers = 1000

// Match implements [otp.Languages].
func (l *languages) Match(supported, preferences []string) string {
	key := strings.Join(supported, ",")
	found, ok := l.matchers.Load(key)
	if !ok {
		m, err := locale.NewMatcher(supported)
		if err != nil {
			return supported[0]
		}
		n := 0
		l.matchers.Range(func(any, any) bool { n++; return n < maxMatchers })
		if n >= maxMatchers {
			l.matchers.Clear()
		}
		l.matchers.Store(key, m)
		found = m
	}
	best, _ := found.(*locale.Matcher).Match(preferences...)
	return best
}
