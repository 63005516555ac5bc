package smtp

import (
	"context"
	"errors"
	"net"
	"net/textproto"
	"strings"
	"time"

	wire "github.com/wneessen/go-mail/smtp"
)

const (
	// maxReplies bounds what a relay may say, TLS included, while it takes one
	// message; an honest one says a few hundred bytes, and its certificates.
	maxReplies = 256 << 10
	// farewell is how long the closing of an idle connection may take.
	farewell = 5 * time.Second
)

var (
	errNoise   = errors.New("the relay spoke out of turn")
	errTooMuch = errors.New("the relay's answer is too long")
	errNoUTF8  = errors.New("the relay does not offer SMTPUTF8, which this address needs")
)

// session is one connection to a relay. It is used by one Send at a time.
type session struct {
	meter  *meter
	client *wire.Client
	dirty  bool // a transaction was refused and waits to be cleared
	expiry *time.Timer
}

// meter is a connection that reads no more than it has left.
type meter struct {
	net.Conn
	left int
}

// Read implements [io.Reader].
func (m *meter) Read(p []byte) (int, error) {
	if m.left <= 0 {
		return 0, errTooMuch
	}
	n, err := m.Conn.Read(p[:min(len(p), m.left)])
	m.left -= n
	return n, err
}

// within runs a dialogue that ends with ctx: the connection is closed below
// it, at whatever stage it is.
func (s *session) within(ctx context.Context, dialogue func() *failure) *failure {
	s.meter.left = maxReplies
	stop := context.AfterFunc(ctx, s.kill)
	f := dialogue()
	if !stop() && f == nil {
		s.dirty = true // what was said was said in time, but the connection is gone
	}
	return f
}

// kill closes the connection at once.
func (s *session) kill() { _ = s.meter.Close() }

// quit takes leave of the relay, without waiting for its answer.
func (s *session) quit() {
	stop := time.AfterFunc(farewell, s.kill)
	defer stop.Stop()
	_ = s.client.Text.PrintfLine("QUIT")
	_ = s.client.Close()
}

// step is one command with its answer. An answer that was there before the
// command is not an answer to it: taken as one, every later answer would be
// read as that of the command after, up to a "250" for a message that nobody
// has.
func (s *session) step(at stage, command func() error) *failure {
	if s.client.Text.R.Buffered() > 0 {
		return &failure{stage: at, err: errNoise}
	}
	if err := command(); err != nil {
		return &failure{stage: at, err: err}
	}
	return nil
}

// carry hands a letter over and returns what the relay said to it.
func (s *session) carry(ctx context.Context, l *letter) (reply string, f *failure) {
	f = s.within(ctx, func() (f *failure) {
		reply, f = s.transact(l)
		return f
	})
	return reply, f
}

func (s *session) transact(l *letter) (string, *failure) {
	if s.dirty {
		if f := s.step(clearing, s.client.Reset); f != nil {
			return "", f
		}
		s.dirty = false
	}
	if l.utf8 {
		if offered, _ := s.client.Extension("SMTPUTF8"); !offered {
			return "", &failure{stage: addressing, err: errNoUTF8}
		}
	}
	// Asked for only where it is needed: a relay must not pass a message that
	// came with SMTPUTF8 to a server without it (RFC 6531 section 3.2).
	s.client.SkipSMTPUTF8(!l.utf8)
	s.dirty = true
	if f := s.step(sending, func() error { return s.client.Mail("<" + l.from + ">") }); f != nil {
		return "", f
	}
	if f := s.step(addressing, func() error { return s.client.Rcpt("<" + l.to + ">") }); f != nil {
		return "", f
	}
	reply, f := s.write(l)
	s.dirty = f != nil
	return reply, f
}

// write sends the letter and its final dot. From there on the message may have
// been taken whatever happens to the connection.
func (s *session) write(l *letter) (string, *failure) {
	if s.client.Text.R.Buffered() > 0 {
		return "", &failure{stage: opening, err: errNoise}
	}
	w, err := s.client.Data()
	if err != nil {
		return "", &failure{stage: opening, err: err}
	}
	if _, err := w.Write(l.data); err != nil {
		return "", &failure{stage: writing, err: err}
	}
	if s.client.Text.R.Buffered() > 0 {
		return "", &failure{stage: writing, err: errNoise}
	}
	err = w.Close()
	var said *textproto.Error
	switch {
	case err == nil:
		if answered, ok := w.(*wire.DataCloser); ok {
			return answered.ServerResponse(), nil
		}
		return "", nil
	case errors.As(err, &said) && said.Code/100 == 2: // RFC 5321 section 4.2.1: the first digit decides
		return said.Msg, nil
	}
	return "", &failure{stage: ending, err: err, final: true}
}

// hasWord reports whether a list of words holds one, in whatever case.
func hasWord(list, word string) bool {
	for one := range strings.FieldsSeq(list) {
		if strings.EqualFold(one, word) {
			return true
		}
	}
	return false
}
