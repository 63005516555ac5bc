// Package otptest makes a ready core for tests: the reference store, a courier
// that listens, a clock that is set by hand, and the demo's tenants. Only the
// outer edges are fake; every rule is the real one.
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
	"github.com/aldaba-otp/aldaba/store"
	"github.com/aldaba-otp/aldaba/store/memory"
)

// World is a core with everything around it.
type World struct {
	*otp.Service

	Clock   *Clock
	Courier *Courier
	Store   *store.Writer
	Engine  *memory.Engine // nil when another engine was given
}

// Options change what a world is made of; the zero value is the demo.
type Options struct {
	Tenants []otp.Tenant // nil is [Demo]
	Engine  store.Engine // nil is a new reference store
	// NoInbox leaves tenants without routes undeliverable.
	NoInbox bool
}

// Start is when every world's clock begins.
var Start = time.Date(2026, 1, 31, 9, 5, 7, 0, time.UTC)

// New returns a world that ends with the test.
func New(tb testing.TB, o Options) *World {
	tb.Helper()
	w := &World{Clock: NewClock(Start), Courier: &Courier{}}
	engine := o.Engine
	if engine == nil {
		w.Engine = memory.New()
		w.Engine.Now = w.Clock.Now
		engine = w.Engine
	}
	w.Store = store.NewWriter(engine, store.Options{Now: w.Clock.Now})
	ring := Ring(tb)
	inbox := "inbox"
	if o.NoInbox {
		inbox = ""
	}
	w.Service = otp.New(otp.Options{
		Store: w.Store, Ring: ring, Courier: w.Courier, Addresses: Addresses{}, Passwords: Passwords{}, Languages: Languages{},
		Now: w.Clock.Now, Server: otp.FirstID(Start), Inbox: inbox, ShortKeys: true,
	})
	w.Courier.service = w.Service
	tb.Cleanup(func() {
		if err := w.Store.Close(); err != nil {
			tb.Errorf("close the store: %v", err)
		}
	})
	if o.Tenants == nil {
		o.Tenants = Demo(ring)
	}
	w.Configure(tb, o.Tenants)
	return w
}

// Configure puts another configuration in force and keeps the demo's contacts.
func (w *World) Configure(tb testing.TB, tenants []otp.Tenant) {
	tb.Helper()
	d, err := otp.NewDirectory(tenants, nil)
	if err != nil {
		tb.Fatalf("configuration: %v", err)
	}
	w.SetDirectory(d)
	for tenant, contacts := range DemoContacts() {
		for id, a := range contacts {
			if _, ok := d.Tenant(tenant); !ok {
				continue
			}
			if _, err := w.PutContact(tb.Context(), tenant, id, a, true); err != nil {
				tb.Fatalf("contact %s of %s: %v", id, tenant, err)
			}
		}
	}
}

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

// Courier keeps what it is handed.
type Courier struct {
	service *otp.Service
	mu      sync.Mutex
	all     []otp.Dispatch
}

// Accept implements [otp.Courier].
func (c *Courier) Accept(d otp.Dispatch) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.all = append(c.all, d)
}

// Dispatches returns everything that was handed over, oldest first.
func (c *Courier) Dispatches() []otp.Dispatch {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]otp.Dispatch(nil), c.all...)
}

// Last returns the newest message, rendered.
func (c *Courier) Last(tb testing.TB) otp.Text {
	tb.Helper()
	all := c.Dispatches()
	if len(all) == 0 {
		tb.Fatal("no message was sent")
	}
	text, err := c.service.Render(&all[len(all)-1])
	if err != nil {
		tb.Fatalf("render: %v", err)
	}
	return text
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
