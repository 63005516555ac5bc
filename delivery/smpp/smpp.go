// Package smpp is a provider for a carrier's short message centre over SMPP
// 3.4 (Short Message Peer to Peer Protocol Specification v3.4, Issue 1.2, SMS
// Forum 1999), or 5.0 where a carrier insists: the codec, the sessions, and the
// provider on top of them. docs/operations/smpp.md is its guide.
//
// It submits, and takes delivery receipts in. It does not query, replace or
// cancel, sends no broadcast and nothing to lists, and messages of telephones
// are acknowledged and dropped.
package smpp

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aldaba-otp/aldaba/delivery"
	"github.com/aldaba-otp/aldaba/internal/clock"
)

// Type returns the gallery's entry.
func Type() delivery.Type {
	return delivery.Type{Name: "smpp", Secrets: []string{"password"}, Open: func(s delivery.Settings) (delivery.Provider, error) {
		o, err := read(s.Values)
		if err != nil {
			return nil, err
		}
		return open(o, s.Clock, s.Log), nil
	}}
}

// Provider is one carrier. It implements [delivery.Provider] and
// [delivery.Runner].
type Provider struct {
	o      settings
	clock  *clock.Clock
	log    *slog.Logger
	dial   func(context.Context) (net.Conn, error)
	now    func() time.Time // real time, for sockets and for the pace
	jitter func() float64   // in [0, 1)

	pool  pool
	ids   *ids
	pace  *pace
	up    atomic.Int64
	why   atomic.Pointer[string] // why no bind is up
	taken chan struct{}          // a place for each receipt that is being noted
	busy  sync.WaitGroup         // the goroutines that note them
}

// noted bounds how many receipts are being noted at once; the carrier is asked
// to repeat those above it.
const noted = 256

func open(o settings, c *clock.Clock, log *slog.Logger) *Provider {
	p := &Provider{
		o: o, clock: c, log: log, jitter: rand.Float64, taken: make(chan struct{}, noted),
		now: time.Now, //nolint:forbidigo // deadlines of sockets go by real time, which no clock of ours turns
	}
	p.dial = p.connect
	p.pace = newPace(o.Rate, p.now)
	p.ids = newIDs(o.ReceiptID, func(form string) {
		log.Info("the ids of this carrier's receipts are written in another base than those of its answers; set receipt_id to what was found", "receipt_id", form)
	})
	p.because("not started")
	return p
}

// Status returns how many binds are up, and how many there should be.
func (p *Provider) Status() (up, want int) {
	want = p.o.Binds
	if p.o.Bind == "pair" {
		want *= 2
	}
	return int(p.up.Load()), want
}

func (p *Provider) because(why string) { p.why.Store(&why) }

// connect opens a connection to the carrier.
func (p *Provider) connect(ctx context.Context) (net.Conn, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", p.o.Address)
	if err != nil || p.o.tls == nil {
		return conn, err
	}
	secure := tls.Client(conn, p.o.tls)
	if err := secure.HandshakeContext(ctx); err != nil {
		_ = conn.Close()
		return nil, err
	}
	return secure, nil
}

// Send implements [delivery.Provider]. The parts of a long message are
// submitted in turn. When one fails, the whole message has failed in that
// part's class: a phone does not show a message that lacks a part, and as its
// parts are numbered by the message's id, a later try completes it. That costs
// more, so that parts behind the first wait for a carrier that asks for time.
func (p *Provider) Send(ctx context.Context, m delivery.Message) (delivery.Receipt, error) {
	parts, err := p.o.parts(m, p.clock.Now())
	if err != nil {
		return delivery.Receipt{}, &delivery.Error{Class: delivery.Rejected, Cause: err}
	}
	var r delivery.Receipt
	for n, part := range parts {
		submit := p.submit
		if n > 0 {
			submit = p.complete
		}
		id, err := submit(ctx, part)
		if err != nil {
			return delivery.Receipt{}, err
		}
		if id != "" {
			r.IDs = append(r.IDs, id)
		}
	}
	r.Expect = p.o.registered == everyReceipt && len(r.IDs) > 0
	return r, nil
}

// How often a part behind the first is submitted in one call, and the time
// between when the carrier asks for none.
const (
	partTries = 3
	partGap   = time.Second
)

// complete hands over a part of a message of which another was taken, and waits
// for a carrier that is out of order or asks for time while the call has any.
func (p *Provider) complete(ctx context.Context, part short) (string, error) {
	for try := 1; ; try++ {
		id, err := p.submit(ctx, part)
		var e *delivery.Error
		if !errors.As(err, &e) {
			return id, err
		}
		passing := e.Class == delivery.Throttled || e.Class == delivery.Unavailable
		if !passing || try == partTries || !p.pause(ctx, max(e.After, partGap)) {
			e.Partly = true
			return "", e
		}
	}
}

// pause waits for d, unless ctx ends before.
func (p *Provider) pause(ctx context.Context, d time.Duration) bool {
	if end, ok := ctx.Deadline(); ok && end.Sub(p.now()) <= d {
		return false
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// submit hands one part over and returns the id that reports will name.
func (p *Provider) submit(ctx context.Context, part short) (string, error) {
	if p.pool.empty() { // told before the pace makes it wait
		return "", p.down()
	}
	if after, err := p.pace.wait(ctx); err != nil {
		return "", &delivery.Error{Class: delivery.Throttled, After: after, Cause: err}
	}
	s, err := p.pool.acquire(ctx)
	switch {
	case errors.Is(err, errNoBind):
		return "", p.down()
	case err != nil:
		return "", &delivery.Error{Class: delivery.Throttled, Cause: errors.New("the window is full; the carrier answers slowly")}
	}
	ticket, id := p.ids.begin(), ""
	defer func() {
		if id == "" {
			p.ids.end(ticket, "", "")
		}
	}()
	a, err := s.request(ctx, submitSM, part.encode())
	if err != nil {
		return "", lost(err)
	}
	if a.status != statusOK || a.command == genericNack {
		return "", p.refused(s, a.status)
	}
	p.pace.accepted()
	raw, err := decodeID(a.body)
	if err != nil {
		return "", &delivery.Error{Class: delivery.Unknown, Cause: err}
	}
	id = p.ids.end(ticket, raw, part.to.digits)
	return id, nil
}

// down is the error of a carrier without a bind.
func (p *Provider) down() error {
	return &delivery.Error{Class: delivery.Unavailable, Cause: fmt.Errorf("%w: %s", errNoBind, *p.why.Load())}
}

// lost is the error of a request without an answer.
func lost(err error) error {
	var l *lostError
	if errors.As(err, &l) && !l.sent {
		return &delivery.Error{Class: delivery.Unavailable, Cause: err}
	}
	return &delivery.Error{Class: delivery.Unknown, Cause: err}
}

// refused is the error of a status, after what follows from it for the pace
// and for the session.
func (p *Provider) refused(s *session, code uint32) error {
	one := judged(p.o.statuses, code)
	if code == statusOK { // a generic_nack without a reason
		one = status{"", delivery.Unknown}
	}
	e := &delivery.Error{Class: one.class, Code: delivery.Word(one.name), Cause: errors.New("the carrier refused it")}
	switch code {
	case statusThrottled:
		p.pace.slower()
		e.After = slowdownGap
	case statusQueueFull:
		e.After = p.pace.full()
	case statusBind:
		s.fail(errors.New("the carrier has forgotten the bind"))
	}
	return e
}
