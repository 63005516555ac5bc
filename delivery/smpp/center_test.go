package smpp

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aldaba-otp/aldaba/delivery"
	"github.com/aldaba-otp/aldaba/internal/clock"
)

// center is a message centre that does as it is told. It takes what comes and
// answers with ids 1, 2, 3 and so on, unless its fields say otherwise.
type center struct {
	mu      sync.Mutex
	refuse  uint32                        // status of binds
	greet   func(c *peer, q pdu) bool     // before a bind's answer; false leaves that out
	submit  func(c *peer, q pdu, m short) // instead of the usual answer
	silent  bool                          // leaves enquire_link without an answer
	submits []short
	binds   []bind
	closed  bool
	peers   chan *peer // each after its bind
	answers chan pdu   // what it is answered
}

// peer is one connection of it.
type peer struct {
	*center
	conn    net.Conn
	command uint32 // of its bind
}

func newCenter() *center {
	return &center{peers: make(chan *peer, 1000), answers: make(chan pdu, 10_000)}
}

// tell changes how it behaves.
func (c *center) tell(change func(*center)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	change(c)
}

// dial is a connection to it.
func (c *center) dial(context.Context) (net.Conn, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil, errors.New("connection refused")
	}
	near, far := net.Pipe()
	go (&peer{center: c, conn: far}).serve()
	return near, nil
}

func (c *peer) serve() {
	defer c.conn.Close()
	r := bufio.NewReader(c.conn)
	for {
		q, err := readPDU(r)
		if err != nil {
			return
		}
		if q.command&answerBit != 0 {
			c.answers <- q
			continue
		}
		c.answer(q)
	}
}

func (c *peer) answer(q pdu) {
	c.mu.Lock()
	refuse, silent, greet := c.refuse, c.silent, c.greet
	c.mu.Unlock()
	switch q.command {
	case bindTransceiver, bindTransmitter, bindReceiver:
		b, _ := decodeBind(q.body)
		c.tell(func(x *center) { x.binds = append(x.binds, b) })
		c.command = q.command
		if greet != nil && !greet(c, q) {
			return
		}
		c.send(pdu{command: q.command | answerBit, status: refuse, sequence: q.sequence, body: []byte("center\x00")})
		if refuse == statusOK {
			c.peers <- c
		}
	case submitSM:
		c.submitted(q)
	case enquireLink:
		if !silent {
			c.send(pdu{command: enquireLink | answerBit, sequence: q.sequence})
		}
	default:
		c.send(pdu{command: q.command | answerBit, sequence: q.sequence})
	}
}

func (c *peer) submitted(q pdu) {
	m, err := decodeShort(q.body)
	if err != nil {
		c.send(pdu{command: genericNack, status: statusCommandLength, sequence: q.sequence})
		return
	}
	c.mu.Lock()
	do := c.center.submit
	c.mu.Unlock()
	if do == nil {
		do = takes
	}
	do(c, q, m)
}

// takes is the usual answer.
func takes(c *peer, q pdu, m short) {
	c.mu.Lock()
	c.submits = append(c.submits, m)
	id := fmt.Sprint(len(c.submits))
	c.mu.Unlock()
	c.send(pdu{command: submitSM | answerBit, sequence: q.sequence, body: appendText(nil, id)})
}

// says answers with a status.
func says(status uint32) func(*peer, pdu, short) {
	return func(c *peer, q pdu, _ short) {
		c.send(pdu{command: submitSM | answerBit, status: status, sequence: q.sequence})
	}
}

// silence takes a message and says nothing.
func silence(c *peer, _ pdu, m short) { c.tell(func(x *center) { x.submits = append(x.submits, m) }) }

func (c *peer) send(p pdu) { _, _ = c.conn.Write(p.encode()) }

// receipt sends a receipt for an id.
func (c *peer) receipt(sequence uint32, id, stat string) {
	c.send(pdu{command: deliverSM, sequence: sequence, body: short{
		class: classReceipt, from: address{1, 1, "18091234567"}, text: []byte("id:" + id + " sub:001 dlvrd:001 stat:" + stat + " err:000 text:"),
	}.encode()})
}

// bodies are the texts that phones show, in the order in which they came.
func (c *center) bodies() (all []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, m := range c.submits {
		all = append(all, phone(m))
	}
	return all
}

// lines is a log that is kept, and that tells each bind and its end.
type lines struct {
	slog.Handler
	mu    sync.Mutex
	text  strings.Builder
	bound chan struct{}
	down  chan struct{} // a bind is down, or did not come up
}

func newLines() *lines {
	l := &lines{bound: make(chan struct{}, 1000), down: make(chan struct{}, 1000)}
	l.Handler = slog.NewTextHandler(l, &slog.HandlerOptions{Level: slog.LevelDebug})
	return l
}

// Write is where the text handler writes.
func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	n, err := l.text.Write(p)
	if strings.Contains(string(p), "msg=bound ") {
		l.bound <- struct{}{}
	}
	if strings.Contains(string(p), "the bind is down") {
		l.down <- struct{}{}
	}
	return n, err
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// desk is a sink that keeps what it is given.
type desk struct {
	mu      sync.Mutex
	err     error
	hold    chan struct{} // when not nil, it waits for its end
	reports []delivery.Report
}

func (d *desk) note(ctx context.Context, r delivery.Report) error {
	d.mu.Lock()
	hold := d.hold
	d.mu.Unlock()
	if hold != nil {
		select {
		case <-hold:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.err == nil {
		d.reports = append(d.reports, r)
	}
	return d.err
}

func (d *desk) all() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	var words []string
	for _, r := range d.reports {
		words = append(words, r.ID+" "+r.State.String()+" "+r.Code)
	}
	return strings.Join(words, ", ")
}

// line is a provider with its carrier, its sink and its log.
type line struct {
	*Provider
	center *center
	desk   *desk
	log    *lines
	stop   func() // ends Run and waits for it; it may be called twice
}

// begin runs a provider against a center until the test ends, without waiting
// for its bind. The center is changed before.
func begin(t testing.TB, more map[string]any, change ...func(*center)) *line {
	t.Helper()
	l := &line{center: newCenter(), desk: &desk{}, log: newLines()}
	for _, f := range change {
		f(l.center)
	}
	l.Provider = open(with(t, more), clock.New(0), slog.New(l.log))
	l.dial, l.jitter = l.center.dial, func() float64 { return 0.5 }
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		l.Run(ctx, l.desk.note)
	}()
	l.stop = func() {
		cancel()
		<-ended
	}
	t.Cleanup(l.stop)
	return l
}

// up waits for a bind and returns the center's end of it.
func (l *line) up() *peer {
	<-l.log.bound
	return <-l.center.peers
}

// start is begin with one bind up.
func start(t testing.TB, more map[string]any) (*line, *peer) {
	t.Helper()
	l := begin(t, more)
	return l, l.up()
}

// send sends a text and returns the receipt, and the class and code of the
// error in words, or "".
func (l *line) send(ctx context.Context, body string) (delivery.Receipt, string) {
	m := delivery.Message{ID: "m-" + body, To: "+18091234567", From: "Acme", Body: body, Expires: time.Now().Add(5 * time.Minute)}
	r, err := l.Send(ctx, m)
	var e *delivery.Error
	switch {
	case err == nil:
		return r, ""
	case !errors.As(err, &e):
		return r, err.Error()
	}
	return r, strings.TrimSpace(e.Class.String() + " " + e.Code)
}
