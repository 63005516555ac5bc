package otp

import (
	"context"
	"crypto/rand"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Addresses reads telephone numbers and e-mail addresses. It is filled by
// package app, so that the core imports no metadata.
type Addresses interface {
	// Parse reads an address as people write it; home is the country of
	// national numbers. The error never echoes the address.
	Parse(text, home string) (Address, error)
	// Country returns the ISO 3166 country of an E.164 number, or "".
	Country(number string) string
	// Kind returns what an E.164 number is for, by its numbering plan.
	Kind(number string) LineKind
}

// Address is one line or mailbox.
type Address struct {
	Email bool
	Send  string // the form to send to: +18091234567, ana@example.com
	Count string // the form to count by: all spellings of one line share it
}

// Passwords hashes and checks passwords (argon2id). Calls are expensive; the
// core bounds and remembers them.
type Passwords interface {
	Hash(password string) (string, error)
	Verify(hash, password string) (bool, error)
}

// Languages chooses a language (BCP 47).
type Languages interface {
	// Match returns the best of supported for the preferences, of which each is
	// a tag or an Accept-Language value; the first supported one when none fits.
	Match(supported []string, preferences []string) string
}

// Courier carries committed messages. Accept is called after the commit and
// must not block.
type Courier interface {
	Accept(Dispatch)
}

// Dispatch is a committed message with the verification it belongs to.
type Dispatch struct {
	Message      Message
	Verification Verification
	// Origin is the context of the request that made it, for what it carries
	// and not for its end; nil after a crash.
	Origin context.Context //nolint:containedctx // a trace goes through the queue with its message
	letter *Letter         // of the start that made it; opened from the record when nil
}

// Options are what a [Service] is made of. Store, Ring, Courier, Addresses,
// Passwords and Languages must be given.
type Options struct {
	Store     Store
	Ring      *Ring
	Courier   Courier
	Addresses Addresses
	Passwords Passwords
	Languages Languages
	// Challenges is asked about tokens of challenges; nil passes none.
	Challenges Challenges
	// Now is the clock for what is decided outside of a step, such as the time
	// in a new id. Decisions use the store's.
	Now  func() time.Time
	Rand io.Reader
	// Server names this process; messages are born in its keeping.
	Server ID
	// Inbox names the provider of tenants without routes; "" refuses them.
	Inbox string
	// Issuer names this server in receipts; "" is "aldaba".
	Issuer string
	// ReceiptLife is how long a receipt is good for, in whole seconds; 0 is
	// DefaultReceiptLife.
	ReceiptLife time.Duration
	// Configuration changes the lists of tenants; nil refuses it.
	Configuration Configuration
	// Observe, if not nil, is told of each event after its commit. It must not
	// block.
	Observe func(*Event)
}

// Service is the core: all its methods may be called at once.
type Service struct {
	o         Options
	ring      atomic.Pointer[Ring]
	directory atomic.Pointer[Directory]
	guard     *passwordGuard
	strangers *passwordGuard // of logins that nobody has
	sources   SourceGuard
	uses      credentialUses
	numbers   numberBlocks
	ratios    ratios
	pulse     pulse
	leases    leases
	colds     colds
	blanks    atomic.Pointer[blanks]
	once      toldOnce
	hears     sync.Map // of a webhook, when that it hears was last written
	running   sync.Map // idempotency keys in work, by [Key]
}

// New returns a service that knows no tenant yet.
func New(o Options) *Service {
	if o.Now == nil {
		o.Now = time.Now //nolint:forbidigo // the default of the field
	}
	if o.Rand == nil {
		o.Rand = rand.Reader //nolint:forbidigo // the default of the field
	}
	s := &Service{o: o, guard: newPasswordGuard(o.Passwords, o.Now), strangers: newStrangerGuard(o.Passwords, o.Now)}
	s.ratios.tenants = make(map[string]*ratio)
	s.numbers.next = make(map[string]numberBlock)
	s.ring.Store(o.Ring)
	s.directory.Store(&Directory{})
	return s
}

// SetDirectory puts another configuration in force.
func (s *Service) SetDirectory(d *Directory) {
	s.uses.adopt(d)
	s.directory.Store(d)
}

// Directory returns the configuration in force.
func (s *Service) Directory() *Directory { return s.directory.Load() }

// SetRing puts another key ring in force. It must hold the keys of the one
// before.
func (s *Service) SetRing(r *Ring) { s.ring.Store(r) }

// Ring returns the key ring in force.
func (s *Service) Ring() *Ring { return s.ring.Load() }

// Now returns the service's clock.
func (s *Service) Now() time.Time { return s.o.Now().UTC() }

// newID draws an id born now.
func (s *Service) newID() (ID, error) { return newID(s.Now(), s.o.Rand) }

// UnusedID returns an id that names nothing and never will: for dialects whose
// answers carry an id even when no verification was made.
func (s *Service) UnusedID() ID {
	id, err := s.newID()
	if err != nil { // without randomness no verification can be born either
		return FirstID(s.Now())
	}
	return id
}

// destinationKey names the row of one address of a tenant.
func (r *Ring) destinationKey(tenant string, a Address) Key {
	kind := "phone"
	if a.Email {
		kind = "email"
	}
	return r.lookup("destination", tenant, kind, a.Count)
}

func (r *Ring) handleKey(tenant, dialect, name string) Key {
	return r.lookup("handle", tenant, dialect, name)
}

func (r *Ring) contactKey(tenant, id string) Key { return r.lookup("contact", tenant, id) }

// testMark ends the detail of every event of a test address.
const testMark = "test"

// event makes a journal line of a verification and counts it.
func (v *Verification) event(kind EventKind, now time.Time, actor, detail string) Event {
	e := Event{Verification: v.ID, N: v.Events, Tenant: v.Tenant, At: now, Kind: kind, Dialect: v.Spec.Dialect, Actor: actor, Detail: detail}
	e.Facts = Facts{Channel: v.channel(), Country: v.Spec.Country, Since: now.Sub(v.Spec.Created), Test: v.Spec.Test, Decoy: v.Spec.Decoy}
	if v.Spec.Test {
		e.Detail = strings.TrimSpace(detail + " " + testMark)
	}
	if v.Spec.Decoy {
		e.Detail = strings.TrimSpace(e.Detail + " " + DecoyMark)
	}
	v.Events++
	return e
}
