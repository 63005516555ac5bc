// Package otptest holds what tests of and over the core share: a ring, the
// demo's tenants, a clock that is set by hand, and the ports, real except for
// passwords. A whole core over the reference store is package world's.
//
// It is for tests alone: product code never imports it.
package otptest

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aldaba-otp/aldaba/internal/address"
	"github.com/aldaba-otp/aldaba/internal/locale"
	"github.com/aldaba-otp/aldaba/otp"
)

// Start is when every world's clock begins.
var Start = time.Date(2026, 1, 31, 9, 5, 7, 0, time.UTC)

// ring is drawn once: an RSA key takes its time.
var ring = sync.OnceValues(func() (*otp.Ring, error) { return otp.NewRing(Start.Add(-time.Hour), seed{}) })

// Ring returns the ring that all worlds share.
func Ring(tb testing.TB) *otp.Ring {
	tb.Helper()
	r, err := ring()
	if err != nil {
		tb.Fatalf("draw a ring: %v", err)
	}
	return r
}

// seed gives the same bytes each time, so that transcripts stay the same.
type seed struct{}

// Read implements [io.Reader].
func (seed) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = byte(i*7 + 1)
	}
	return len(p), nil
}

// Clock is set by hand.
type Clock struct {
	mu  sync.Mutex
	now time.Time
}

// NewClock returns a clock that stands at t.
func NewClock(t time.Time) *Clock { return &Clock{now: t} }

// Now returns the time.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Advance moves the clock forward.
func (c *Clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// WrongCode returns a code of the same form that differs from the right one in
// every character.
func WrongCode(right string) string {
	return strings.Map(func(r rune) rune {
		if r == '2' {
			return '3'
		}
		return '2'
	}, right)
}

// Addresses is the real reader of addresses.
type Addresses struct{}

// Parse implements [otp.Addresses].
func (Addresses) Parse(text, home string) (otp.Address, error) {
	a, err := address.Parse(text, home)
	return otp.Address{Email: a.Kind == address.Email, Send: a.Send, Count: a.Count}, err
}

// Country implements [otp.Addresses].
func (Addresses) Country(number string) string { return address.Country(number) }

// Kind implements [otp.Addresses].
func (Addresses) Kind(number string) otp.LineKind {
	return otp.LineKind(address.KindOf(number).String())
}

// Languages is the real chooser of languages.
type Languages struct{}

// Match implements [otp.Languages].
func (Languages) Match(supported, preferences []string) string {
	m, err := locale.NewMatcher(supported)
	if err != nil {
		return supported[0]
	}
	best, _ := m.Match(preferences...)
	return best
}

// Passwords stands in for argon2id, which would take 20 ms a check.
type Passwords struct{}

// Hash implements [otp.Passwords].
func (Passwords) Hash(password string) (string, error) {
	sum := sha256.Sum256([]byte(password))
	return "test$" + hex.EncodeToString(sum[:]), nil
}

// Verify implements [otp.Passwords].
func (p Passwords) Verify(hash, password string) (bool, error) {
	want, err := p.Hash(password)
	return subtle.ConstantTimeCompare([]byte(hash), []byte(want)) == 1, err
}
