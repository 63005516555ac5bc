package smpp

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/aldaba-otp/aldaba/delivery"
)

const (
	backoffMin  = time.Second
	backoffMax  = time.Minute
	settled     = 10 * time.Second // a bind that has lasted so long counts as good
	goodBye     = 3 * time.Second  // for what is under way, and for unbinding, at the end
	refusedStep = 3                // a refused bind counts for so many failures: accounts get locked
)

// refusedError says that the carrier refused a bind.
type refusedError struct{ name string }

// Error tells what to check.
func (e *refusedError) Error() string {
	switch e.name {
	case "ESME_RBINDFAIL", "ESME_RINVPASWD", "ESME_RINVSYSID":
		return "bind refused with " + e.name + "; check system_id, password and the address that the carrier permits"
	case "ESME_RALYBND":
		return "bind refused with " + e.name + "; lower binds, or end the other client with this system_id"
	}
	return "bind refused with " + e.name
}

// Run implements [delivery.Runner]: it keeps the binds up until ctx ends.
func (p *Provider) Run(ctx context.Context, sink delivery.Sink) {
	if p.o.readable {
		p.log.Warn("this carrier is reached without TLS: password and codes can be read on the way", "address", p.o.Address)
	}
	var links sync.WaitGroup
	for range p.o.Binds {
		if p.o.Bind == "pair" {
			links.Go(func() { p.keep(ctx, bindTransmitter, sink) })
			links.Go(func() { p.keep(ctx, bindReceiver, sink) })
			continue
		}
		links.Go(func() { p.keep(ctx, bindTransceiver, sink) })
	}
	links.Wait()
	p.busy.Wait()
}

// keep keeps one bind up. It waits before each further try, with full jitter.
func (p *Provider) keep(ctx context.Context, command uint32, sink delivery.Sink) {
	for failures := 0; ; {
		began := p.now()
		bound, err := p.serve(ctx, command, sink)
		if ctx.Err() != nil {
			return
		}
		p.because(err.Error())
		var refused *refusedError
		switch {
		case bound && p.now().Sub(began) >= settled:
			failures = 0
		case errors.As(err, &refused):
			failures += refusedStep
		default:
			failures++
		}
		wait := time.Duration(p.jitter() * float64(min(backoffMin<<min(failures, 6), backoffMax)))
		p.log.Warn("the bind is down", "bound", bound, "again_in", wait.Round(time.Millisecond).String(), "error", err)
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return
		}
	}
}

// serve is one session from its connection to its end.
func (p *Provider) serve(ctx context.Context, command uint32, sink delivery.Sink) (bound bool, err error) {
	s, err := p.bind(ctx, command)
	if err != nil {
		return false, err
	}
	s.other = func(s *session, q pdu) { p.incoming(ctx, s, q, sink) }
	s.start()
	p.up.Add(1)
	defer p.up.Add(-1)
	if command != bindReceiver {
		p.pool.add(s)
		defer p.pool.remove(s)
	}
	p.log.Info("bound", "address", p.o.Address)
	ended := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(ended)
		p.because("stopped")
		p.pool.remove(s)
		s.close(goodBye)
	})
	err = s.read()
	if !stop() {
		<-ended
	}
	return true, err
}

// bind connects and binds.
func (p *Provider) bind(ctx context.Context, command uint32) (*session, error) {
	ctx, cancel := context.WithTimeout(ctx, p.o.ConnectTimeout)
	defer cancel()
	conn, err := p.dial(ctx)
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	r := bufio.NewReader(conn)
	err = p.greet(conn, r, command)
	if !stop() && err == nil {
		err = ctx.Err()
	}
	if err != nil {
		_ = conn.Close()
		return nil, err
	}
	return &session{
		conn: conn, r: r, window: p.o.Window, enquire: p.o.EnquireLink, answer: p.o.ResponseTimeout, now: p.now,
		freed: p.pool.release, last: 1,
	}, nil
}

// greet sends the bind request and reads up to its answer.
func (p *Provider) greet(conn net.Conn, r *bufio.Reader, command uint32) error {
	if err := conn.SetDeadline(p.now().Add(p.o.ConnectTimeout)); err != nil {
		return err
	}
	b := bind{systemID: p.o.SystemID, password: p.o.Password, systemType: p.o.SystemType, version: p.o.version}
	if _, err := conn.Write(pdu{command: command, sequence: 1, body: b.encode()}.encode()); err != nil {
		return fmt.Errorf("bind: %w", err)
	}
	for range 16 { // some say a few things first
		q, err := readPDU(r)
		switch {
		case err != nil:
			return fmt.Errorf("bind: no answer: %w", err)
		case q.command == enquireLink:
			if _, err := conn.Write(pdu{command: enquireLink | answerBit, sequence: q.sequence}.encode()); err != nil {
				return fmt.Errorf("bind: %w", err)
			}
		case (q.command == command|answerBit || q.command == genericNack) && q.status != statusOK:
			return &refusedError{judged(p.o.statuses, q.status).name}
		case q.command == command|answerBit:
			return conn.SetDeadline(time.Time{})
		}
	}
	return fmt.Errorf("bind: no answer: %w", errNonsense)
}
