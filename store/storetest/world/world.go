// Package world makes a ready core for tests: the reference store, a courier
// that listens, a clock that is set by hand, and the demo's tenants. Only the
// outer edges are fake; every rule is the real one.
//
// It is for tests alone: product code never imports it.
package world

import (
	"context"
	"slices"
	"sync"
	"testing"

	"github.com/aldaba-otp/aldaba/otp"
	"github.com/aldaba-otp/aldaba/otp/otptest"
	"github.com/aldaba-otp/aldaba/store"
	"github.com/aldaba-otp/aldaba/store/memory"
)

// World is a core with everything around it.
type World struct {
	*otp.Service

	Clock   *otptest.Clock
	Courier *Courier
	Store   *store.Writer
	Engine  *memory.Engine // nil when another engine was given
}

// Options change what a world is made of; the zero value is the demo.
type Options struct {
	Tenants []otp.Tenant // nil is [otptest.Demo]
	Engine  store.Engine // nil is a new reference store
	// NoInbox leaves tenants without routes undeliverable.
	NoInbox bool
	// Observe is that of [otp.Options].
	Observe func(*otp.Event)
	// Challenges is that of [otp.Options].
	Challenges otp.Challenges
}

// New returns a world that ends with the test.
func New(tb testing.TB, o Options) *World {
	tb.Helper()
	w := &World{Clock: otptest.NewClock(otptest.Start), Courier: &Courier{}}
	engine := o.Engine
	if engine == nil {
		w.Engine = memory.New()
		w.Engine.Now = w.Clock.Now
		engine = w.Engine
	}
	w.Store = store.NewWriter(engine, store.Options{Now: w.Clock.Now})
	ring := otptest.Ring(tb)
	inbox := "inbox"
	if o.NoInbox {
		inbox = ""
	}
	w.Service = otp.New(otp.Options{
		Store: w.Store, Ring: ring, Courier: w.Courier, Addresses: otptest.Addresses{}, Passwords: otptest.Passwords{}, Languages: otptest.Languages{},
		Now: w.Clock.Now, Server: otp.FirstID(otptest.Start), Inbox: inbox, Observe: o.Observe,
		Configuration: w, Challenges: o.Challenges,
	})
	w.Courier.service = w.Service
	tb.Cleanup(func() {
		if err := w.Store.Close(); err != nil {
			tb.Errorf("close the store: %v", err)
		}
	})
	if o.Tenants == nil {
		o.Tenants = otptest.Demo(ring)
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
	for tenant, contacts := range otptest.DemoContacts() {
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

// ChangeLists implements [otp.Configuration] over what is in force.
func (w *World) ChangeLists(_ context.Context, tenant, _ string, change func([]otp.ListEntry) []otp.ListEntry) error {
	tenants := slices.Clone(w.Directory().Tenants())
	for i := range tenants {
		if tenants[i].Name == tenant {
			tenants[i].Lists = change(tenants[i].Lists)
		}
	}
	d, err := otp.NewDirectory(tenants, nil)
	if err != nil {
		return &otp.Error{Kind: otp.Invalid, Message: err.Error()}
	}
	w.SetDirectory(d)
	return nil
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
