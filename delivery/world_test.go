package delivery_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aldaba-otp/aldaba/delivery"
	"github.com/aldaba-otp/aldaba/internal/clock"
	"github.com/aldaba-otp/aldaba/otp"
	"github.com/aldaba-otp/aldaba/otp/otptest"
	"github.com/aldaba-otp/aldaba/store"
	"github.com/aldaba-otp/aldaba/store/memory"
)

// carrier is the outer edge: a provider that does as it is told.
type carrier struct {
	name string
	line *line
	// answers are used up one a call; the last one stays. None takes all.
	answers []answer
	// promises is how many parts a message has on which it will report.
	promises int
}

// answer is what a carrier does with a message; nil takes it.
type answer func(ctx context.Context, m delivery.Message) error

func refuse(c delivery.Class) answer {
	return func(context.Context, delivery.Message) error {
		return &delivery.Error{Class: c, Cause: errors.New("as it was told")}
	}
}

var (
	rejects, throttles = refuse(delivery.Rejected), refuse(delivery.Throttled)
	fails, loses       = refuse(delivery.Unavailable), refuse(delivery.Unknown)
)

// takes is an answer that is not the last.
func takes(context.Context, delivery.Message) error { return nil }

func panics(context.Context, delivery.Message) error { panic("no memory for the code") }

// hangs until its context ends.
func hangs(ctx context.Context, _ delivery.Message) error {
	<-ctx.Done()
	return ctx.Err()
}

// after takes a message once d has gone by, or ends with its context.
func after(d time.Duration) answer {
	return func(ctx context.Context, _ delivery.Message) error {
		select {
		case <-time.After(d):
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// line is what all carriers of a test were asked to carry, in order.
type line struct {
	mu    sync.Mutex
	calls []call
}

type call struct {
	carrier string
	message delivery.Message
	at      time.Time
}

// Send implements [delivery.Provider].
func (c *carrier) Send(ctx context.Context, m delivery.Message) (delivery.Receipt, error) {
	c.line.mu.Lock()
	c.line.calls = append(c.line.calls, call{c.name, m, time.Now()})
	var next answer
	if len(c.answers) > 0 {
		if next = c.answers[0]; len(c.answers) > 1 {
			c.answers = c.answers[1:]
		}
	}
	c.line.mu.Unlock()
	if next != nil {
		if err := next(ctx, m); err != nil {
			return delivery.Receipt{}, err
		}
	}
	if c.promises > 0 {
		r := delivery.Receipt{Expect: true}
		for n := range c.promises {
			r.IDs = append(r.IDs, receiptID(c.name, m.ID, n))
		}
		return r, nil
	}
	return delivery.Receipt{IDs: []string{"vendor-" + m.ID[:4]}}, nil
}

// receiptID is by what a carrier of a test names a part of a message.
func receiptID(carrier, message string, part int) string {
	return fmt.Sprintf("%s-%s-%d", carrier, message, part)
}

func (l *line) all() []call {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.calls)
}

// names tells which carriers were asked, in order.
func (l *line) names() string {
	var names []string
	for _, c := range l.all() {
		names = append(names, c.carrier)
	}
	return strings.Join(names, " ")
}

// house is a store that servers share, and the carriers that they share.
type house struct {
	clock  *clock.Clock
	engine *memory.Engine
	line   *line
	log    bytes.Buffer
	routes []string
	// promises is [carrier.promises] of all; shape changes the tenant.
	promises int
	shape    func(*otp.Tenant)
	tell     func(context.Context, otp.Notice) delivery.Told
	around   func(context.Context, delivery.Try, *otp.Message) (context.Context, func(error))
}

// server is a core with its courier.
type server struct {
	*otp.Service
	*house
	id      otp.ID
	courier *delivery.Courier
	writer  *store.Writer
}

// newHouse makes a store and a clock. It is called inside a bubble, whose time
// begins long before the ring.
func newHouse(routes ...string) *house {
	h := &house{clock: clock.New(time.Until(otptest.Start)), engine: memory.New(), line: &line{}, routes: routes}
	h.engine.Now = time.Now
	return h
}

// carriers maps names to carriers with their answers.
type carriers map[string][]answer

func (h *house) providers(c carriers) map[string]delivery.Provider {
	all := map[string]delivery.Provider{}
	for name, answers := range c {
		all[name] = &carrier{name: name, line: h.line, answers: answers, promises: h.promises}
	}
	return all
}

// serve starts a server on the house's store. It stops with the test unless it
// was stopped before.
func (h *house) serve(t *testing.T, n int, c carriers) *server {
	t.Helper()
	s := h.unstarted(t, n, c)
	if err := s.writer.Beat(t.Context(), s.id); err != nil {
		t.Fatal(err)
	}
	s.courier.Start(s.Service)
	return s
}

func (h *house) unstarted(t *testing.T, n int, c carriers) *server {
	t.Helper()
	log := slog.New(slog.NewTextHandler(&h.log, nil))
	s := &server{house: h, id: otp.FirstID(otptest.Start.Add(time.Duration(n) * time.Hour))}
	s.courier = delivery.New(delivery.Options{Clock: h.clock, Log: log, Tell: h.tell, Around: h.around})
	s.courier.SetProviders(h.providers(c))
	s.writer = store.NewWriter(h.engine, store.Options{Now: time.Now, Offset: h.clock.Offset})
	s.Service = otp.New(otp.Options{
		Store: s.writer, Ring: otptest.Ring(t), Courier: s.courier, Addresses: otptest.Addresses{}, Passwords: otptest.Passwords{},
		Languages: otptest.Languages{}, Now: h.clock.Now, Server: s.id,
	})
	var listed []otp.Provider
	var way []otp.Carrier
	for _, name := range h.routes {
		listed = append(listed, otp.Provider{Name: name, Type: "inbox"})
		way = append(way, otp.Carrier{Provider: name})
	}
	acme := otp.Tenant{
		Name: "acme", Home: "VE", Countries: []string{"*"},
		Limits: otp.Limits{Rate: otp.Rate{Off: true}}, FraudWatch: otp.FraudWatch{Mode: otp.WatchOff},
		Routes: []otp.Route{{Channel: otp.SMS, Providers: way}},
	}
	if h.shape != nil {
		h.shape(&acme)
	}
	d, err := otp.NewDirectory([]otp.Tenant{acme}, listed)
	if err != nil {
		t.Fatal(err)
	}
	s.SetDirectory(d)
	t.Cleanup(func() {
		s.stop(0)
		if err := s.writer.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// stop stops the courier within a time, and returns how long it took.
func (s *server) stop(within time.Duration) time.Duration {
	begin := time.Now()
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	s.courier.Stop(ctx)
	return time.Since(begin)
}

// send starts a verification of the n-th number.
func (s *server) send(t *testing.T, n int) otp.ID {
	t.Helper()
	v, err := s.Start(t.Context(), otp.StartRequest{
		Caller: otp.Caller{Tenant: "acme", Identity: "key 1"}, Dialect: otp.NativeDialect, To: fmt.Sprintf("+58412%07d", n),
	})
	if err != nil {
		t.Fatalf("start: %v", err)
	}
	return v.ID
}

// rest lets everything run that is due.
func rest() { synctest.Wait() }

// pass lets time go by, inside a bubble.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// tries tells the journal of a verification without its start.
func (h *house) tries(t *testing.T, id otp.ID) string {
	t.Helper()
	events, err := h.engine.Events(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, e := range events {
		if e.Kind != otp.EventStarted {
			lines = append(lines, strings.TrimSpace(string(e.Kind)+" "+e.Detail))
		}
	}
	return strings.Join(lines, ", ")
}

// outbox counts the messages that wait, of whichever server.
func (h *house) outbox(t *testing.T) int {
	t.Helper()
	return len(h.rows(t))
}

// rows returns the outbox.
func (h *house) rows(t *testing.T) []otp.Message {
	t.Helper()
	synctest.Wait()
	defer func() { h.engine.Now = time.Now }()
	h.engine.Now = func() time.Time { return time.Now().Add(24 * time.Hour) } // everybody is dead then
	all, err := h.engine.Orphans(t.Context(), otp.ID{}, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// inBubble runs a test in a bubble: its time is fake, and it fails when a
// goroutine is left.
func inBubble(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	otptest.Ring(t) // drawn outside, as its time is real
	synctest.Test(t, f)
}
