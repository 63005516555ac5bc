package smpp

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// lostError says that no answer to a request came, or that none can come.
type lostError struct {
	sent  bool // the whole request may have left
	cause error
}

// Error tells whether the request may have left.
func (e *lostError) Error() string {
	if e.sent {
		return fmt.Sprintf("the answer was lost: %v", e.cause)
	}
	return fmt.Sprintf("not submitted: %v", e.cause)
}

// Unwrap returns the cause.
func (e *lostError) Unwrap() error { return e.cause }

var (
	errTimeout  = errors.New("no answer in time; see response_timeout")
	errUnbound  = errors.New("the carrier has unbound")
	errNonsense = errors.New("the carrier's packets make no sense")
	errFlooded  = errors.New("the carrier does not read what is written")
)

const repliesQueued = 512 // answers to the carrier's requests that wait to be written

// session is one connection with a bind. One goroutine reads, one writes, one
// keeps the link alive; a request waits for its answer where it was made.
type session struct {
	conn            net.Conn
	r               *bufio.Reader
	window          int
	taken           int // places in the window that are in use; guarded by the pool
	enquire, answer time.Duration
	now             func() time.Time
	// other handles what is no answer and nothing that keeps the link up. It
	// must return at once.
	other func(*session, pdu)
	freed func(*session) // a place in the window is free again

	requests chan *call
	replies  chan []byte
	done     chan struct{}

	mu      sync.Mutex
	pending map[uint32]*call
	last    uint32 // sequence number
	err     error  // why it ended
	quiet   chan struct{}
}

// The states of a call.
const (
	queued int32 = iota
	written
	withdrawn
)

// call is one request of ours.
type call struct {
	pdu      pdu
	submit   bool // it has a place in the window
	state    atomic.Int32
	answered chan answer // with room for one
	timer    *time.Timer
}

type answer struct {
	pdu pdu
	err error
}

// start begins to write and to keep the link alive.
func (s *session) start() {
	s.requests, s.replies = make(chan *call, 2*s.window+16), make(chan []byte, repliesQueued)
	s.done, s.pending = make(chan struct{}), map[uint32]*call{}
	go s.write()
	go s.keepAlive()
}

// request sends a packet and waits for its answer. Its error is a [lostError].
func (s *session) request(ctx context.Context, command uint32, body []byte) (pdu, error) {
	c := &call{pdu: pdu{command: command, body: body}, submit: command == submitSM, answered: make(chan answer, 1)}
	if err := s.enqueue(c); err != nil {
		return pdu{}, &lostError{false, err}
	}
	select {
	case a := <-c.answered:
		return a.pdu, a.err
	case <-ctx.Done():
		if c.state.CompareAndSwap(queued, withdrawn) {
			s.finish(c.pdu.sequence, answer{})
			return pdu{}, &lostError{false, ctx.Err()}
		}
		return pdu{}, &lostError{true, ctx.Err()} // its place is free once it is answered, or in time
	}
}

// enqueue gives a call its sequence number and its place in the queue.
func (s *session) enqueue(c *call) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		if c.submit {
			s.freed(s)
		}
		return s.err
	}
	for taken := true; taken; _, taken = s.pending[s.last] {
		s.last = s.last%0x7fffffff + 1
	}
	number := s.last
	c.pdu.sequence = number
	c.timer = time.AfterFunc(s.answer, func() { s.finish(number, answer{err: errTimeout}) })
	select {
	case s.requests <- c:
		s.pending[number] = c
		return nil
	default: // those before it were given up, but the writer still stands at an older one
		c.timer.Stop()
		if c.submit {
			s.freed(s)
		}
		return errFlooded
	}
}

// finish ends a call, unless it has ended before.
func (s *session) finish(number uint32, a answer) {
	s.mu.Lock()
	c, ok := s.pending[number]
	delete(s.pending, number)
	if len(s.pending) == 0 && s.quiet != nil {
		close(s.quiet)
		s.quiet = nil
	}
	s.mu.Unlock()
	if !ok {
		return
	}
	c.timer.Stop()
	if a.err != nil {
		a.err = &lostError{!c.state.CompareAndSwap(queued, withdrawn), a.err}
	}
	c.answered <- a
	if c.submit {
		s.freed(s)
	}
}

// fail ends the session and all that waits on it. The first reason stays.
func (s *session) fail(err error) {
	s.mu.Lock()
	if s.err != nil {
		s.mu.Unlock()
		return
	}
	s.err = err
	open := make([]uint32, 0, len(s.pending))
	for number := range s.pending {
		open = append(open, number)
	}
	s.mu.Unlock()
	close(s.done)
	_ = s.conn.Close()
	for _, number := range open {
		s.finish(number, answer{err: err})
	}
}

// write writes what is queued, one packet after the other.
func (s *session) write() {
	for {
		var c *call
		var data []byte
		select {
		case <-s.done:
			return
		case data = <-s.replies:
		case c = <-s.requests:
			if !c.state.CompareAndSwap(queued, written) {
				continue
			}
			data = c.pdu.encode()
		}
		if n, err := s.put(data); err != nil {
			if c != nil && n < len(data) { // half a packet: nobody can carry it out
				c.state.Store(queued)
			}
			s.fail(err)
			return
		}
	}
}

// put writes within half the time for an answer, so that what could not be
// written is known before what was not answered.
func (s *session) put(data []byte) (int, error) {
	if err := s.conn.SetWriteDeadline(s.now().Add(s.answer / 2)); err != nil {
		return 0, err
	}
	return s.conn.Write(data)
}

// reply queues an answer to the carrier.
func (s *session) reply(p pdu) {
	select {
	case s.replies <- p.encode():
	default:
		s.fail(errFlooded)
	}
}

// keepAlive asks the carrier now and then whether it is there. A link on which
// that is not answered is no good, whatever else the carrier says on it; that
// nothing comes at all is seen where packets are read.
func (s *session) keepAlive() {
	pace := time.NewTicker(s.enquire)
	defer pace.Stop()
	for {
		select {
		case <-s.done:
			return
		case <-pace.C:
			c := &call{pdu: pdu{command: enquireLink}, answered: make(chan answer, 1)}
			if s.enqueue(c) != nil {
				continue // a session that cannot take it ends by itself
			}
			go func() {
				select {
				case a := <-c.answered:
					if errors.Is(a.err, errTimeout) {
						s.fail(errTimeout)
					}
				case <-s.done:
				}
			}()
		}
	}
}

// read reads until the session ends.
func (s *session) read() error {
	for {
		if err := s.conn.SetReadDeadline(s.now().Add(s.enquire + s.answer)); err != nil {
			return s.ended(err)
		}
		p, err := readPDU(s.r)
		if errors.Is(err, errLength) {
			_, _ = s.put(pdu{command: genericNack, status: statusCommandLength, sequence: p.sequence}.encode())
			err = errNonsense
		}
		if err == nil {
			err = s.handle(p)
		}
		if err != nil {
			return s.ended(err)
		}
	}
}

// ended fails the session and returns the first reason.
func (s *session) ended(err error) error {
	s.fail(err)
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

func (s *session) handle(p pdu) error {
	switch {
	case p.command&answerBit != 0:
		return s.answeredBy(p)
	case p.command == enquireLink:
		s.reply(pdu{command: enquireLink | answerBit, sequence: p.sequence})
	case p.command == unbind:
		_, _ = s.put(pdu{command: unbind | answerBit, sequence: p.sequence}.encode())
		return errUnbound
	default:
		s.other(s, p)
	}
	return nil
}

// answeredBy gives an answer to who waits for it. One that comes too late is
// of no use; one that fits to no request means that the two sides do not
// understand each other.
func (s *session) answeredBy(p pdu) error {
	s.mu.Lock()
	c, ok := s.pending[p.sequence]
	s.mu.Unlock()
	switch {
	case !ok && p.command == genericNack && p.sequence == 0:
		return errNonsense
	case ok && p.command != genericNack && p.command != c.pdu.command|answerBit:
		return errNonsense
	}
	s.finish(p.sequence, answer{pdu: p})
	return nil
}

// close unbinds: it lets what is under way come to its end, says good-bye and
// ends the session, all within a time.
func (s *session) close(within time.Duration) {
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	s.mu.Lock()
	quiet := make(chan struct{})
	if len(s.pending) == 0 {
		close(quiet)
	} else {
		s.quiet = quiet
	}
	s.mu.Unlock()
	select {
	case <-quiet:
		_, _ = s.request(ctx, unbind, nil)
	case <-s.done:
	case <-ctx.Done():
	}
	s.fail(net.ErrClosed)
}
