// Package inbox is a provider that keeps messages in memory instead of sending
// them: for `aldaba dev`, the console and tests. Its simulator lets it fail,
// delay and pretend receipts like a carrier.
//
// It is a real member of the delivery gallery, not a mock: messages reach it
// by the same road as any other provider. It keeps nothing across a restart.
package inbox

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/aldaba-otp/aldaba/delivery"
	"github.com/aldaba-otp/aldaba/internal/clock"
)

// kept bounds how many messages an inbox holds; older ones are dropped.
const kept = 10_000

// Simulator is how the provider behaves.
type Simulator struct {
	Fail  string        // "unavailable", "rejected", "throttled" or ""
	Delay time.Duration // before each answer
	// Receipt is what it reports of each message: "delivered", "failed", or
	// "none" for a promised receipt that never comes.
	Receipt string
}

// Type returns the gallery's entry. All providers of the type fill one inbox, so
// that there is one place to look.
func Type(b *Inbox) delivery.Type {
	return delivery.Type{Name: "inbox", Open: func(s delivery.Settings) (delivery.Provider, error) {
		var none struct{}
		return b.Port(), delivery.Decode(s.Values, &none).Err()
	}}
}

// Inbox keeps the messages of all its ports.
type Inbox struct {
	clock *clock.Clock

	mu        sync.Mutex
	messages  []delivery.Message // the oldest stands where the next one comes, once there are kept
	next      int                // where the next message comes
	count     int                // of all that ever came
	simulator Simulator
}

// Port is the provider: one way into an inbox. Its receipts come back through
// it alone.
type Port struct {
	b *Inbox

	mu     sync.Mutex
	failed []string // ids that are to be reported as failed
	more   chan struct{}
}

// Port returns another way into the inbox.
func (b *Inbox) Port() *Port { return &Port{b: b, more: make(chan struct{}, 1)} }

// New returns an empty inbox whose delays follow the clock.
func New(c *clock.Clock) *Inbox {
	return &Inbox{clock: c, simulator: Simulator{Receipt: "delivered"}}
}

// Send implements [delivery.Provider].
func (p *Port) Send(ctx context.Context, m delivery.Message) (delivery.Receipt, error) {
	b, s := p.b, p.b.Simulator()
	if s.Delay > 0 {
		if err := b.clock.Wait(ctx, b.clock.Now().Add(s.Delay)); err != nil {
			return delivery.Receipt{}, &delivery.Error{Class: delivery.Unknown, Cause: err}
		}
	}
	if class, ok := classes(s.Fail); ok {
		return delivery.Receipt{}, &delivery.Error{Class: class, Cause: errors.New("as the simulator was told")}
	}
	id := m.ID + "." + strconv.Itoa(b.keep(m)) // tries of one message are told apart
	if s.Receipt == "failed" {
		p.report(id)
	}
	return delivery.Receipt{IDs: []string{id}, Expect: s.Receipt != "delivered", Delivered: s.Receipt == "delivered"}, nil
}

// keep adds a message and returns how many there are.
func (b *Inbox) keep(m delivery.Message) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.messages) < kept {
		b.messages = append(b.messages, m)
	} else {
		b.messages[b.next] = m
	}
	b.next = (b.next + 1) % kept
	b.count++
	return b.count
}

// Run implements [delivery.Runner]: it reports messages as failed when the
// simulator was told so.
func (p *Port) Run(ctx context.Context, sink delivery.Sink) {
	for {
		for _, id := range p.take() {
			err := sink(ctx, delivery.Report{ID: id, State: delivery.Failed, At: p.b.clock.Now(), Code: "simulated"})
			if err != nil && ctx.Err() == nil {
				p.report(id)
				_ = p.b.clock.Wait(ctx, p.b.clock.Now().Add(time.Second)) // an early end only means another try
			}
		}
		select {
		case <-p.more:
		case <-ctx.Done():
			return
		}
	}
}

// take returns the ids that are to be reported, once.
func (p *Port) take() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	ids := p.failed
	p.failed = nil
	return ids
}

// report has an id reported as failed.
func (p *Port) report(id string) {
	p.mu.Lock()
	p.failed = append(p.failed, id)
	p.mu.Unlock()
	select {
	case p.more <- struct{}{}:
	default: // Run is called already
	}
}

func classes(fail string) (delivery.Class, bool) {
	switch fail {
	case "unavailable":
		return delivery.Unavailable, true
	case "rejected":
		return delivery.Rejected, true
	case "throttled":
		return delivery.Throttled, true
	}
	return 0, false
}

// Valid reports whether the simulator can be set so.
func (s Simulator) Valid() bool {
	_, known := classes(s.Fail)
	return (s.Fail == "" || known) && s.Delay >= 0 && s.Delay <= time.Hour &&
		slices.Contains([]string{"delivered", "failed", "none"}, s.Receipt)
}

// Simulator returns how the provider behaves now.
func (b *Inbox) Simulator() Simulator {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.simulator
}

// Simulate sets how the provider behaves from now on.
func (b *Inbox) Simulate(s Simulator) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.simulator = s
}

// List returns the newest messages first, at most limit, of one address and
// one tenant; an empty text does not filter.
func (b *Inbox) List(to, tenant string, limit int) []delivery.Message {
	b.mu.Lock()
	defer b.mu.Unlock()
	found := []delivery.Message{}
	all := len(b.messages)
	for i := 1; i <= all && len(found) < limit; i++ {
		m := b.messages[(b.next-i+all)%all]
		if (to == "" || m.To == to) && (tenant == "" || m.Tenant == tenant) {
			found = append(found, m)
		}
	}
	return found
}

// Clear empties the inbox.
func (b *Inbox) Clear() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.messages, b.next = nil, 0
}
