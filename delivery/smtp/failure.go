package smtp

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/textproto"

	"github.com/aldaba-otp/aldaba/delivery"
)

// stage is how far a dialogue has come.
type stage uint8

const (
	connecting stage = iota
	greeting
	encrypting
	authenticating
	clearing   // RSET
	sending    // MAIL
	addressing // RCPT
	opening    // DATA
	writing    // the text
	ending     // the final dot
)

// String returns what the relay was asked, for errors.
func (s stage) String() string {
	return [...]string{"the connection", "the greeting", "STARTTLS", "AUTH", "RSET", "MAIL", "RCPT", "DATA", "the text", "the message"}[s]
}

// failure is a dialogue that did not end well.
type failure struct {
	stage stage
	err   error
	final bool // the final dot may have reached the relay
}

// reply returns the relay's own answer, if that is what went wrong.
func (f *failure) reply() (reply, bool) {
	var said *textproto.Error
	if !errors.As(f.err, &said) {
		return reply{}, false
	}
	r := parseReply(said.Code, said.Msg)
	return r, r.code/100 == 4 || r.code/100 == 5
}

// broken reports whether the connection is of no more use. 421 says that the
// relay closes it (RFC 5321 section 3.8).
func (f *failure) broken() bool {
	if errors.Is(f.err, errNoUTF8) {
		return false
	}
	r, refused := f.reply()
	return !refused || r.code == 421 || f.stage < sending
}

// verdict is the failure in the courier's words; nil gives nil. It repeats no
// word of the relay's: relays put the address into their refusals.
func (f *failure) verdict(ctx context.Context) error {
	if f == nil {
		return nil
	}
	if r, refused := f.reply(); refused {
		return &delivery.Error{
			Class: classify(f.stage, r), Code: delivery.Word(r.word()),
			Cause: fmt.Errorf("the relay refuses %s with %d", f.stage, r.code),
		}
	}
	e := &delivery.Error{Class: delivery.Unavailable}
	if f.final {
		e.Class = delivery.Unknown
	}
	e.Code, e.Cause = f.describe(ctx)
	if errors.Is(f.err, errNoUTF8) {
		e.Class = delivery.Rejected
	}
	return e
}

// describe names what is wrong with the connection.
func (f *failure) describe(ctx context.Context) (code string, cause error) {
	var (
		unknown   x509.UnknownAuthorityError
		name      x509.HostnameError
		invalid   x509.CertificateInvalidError
		untrusted *tls.CertificateVerificationError
		record    tls.RecordHeaderError
		garbled   textproto.ProtocolError
		said      *textproto.Error
		late      net.Error
	)
	switch {
	case ctx.Err() != nil:
		return "timeout", fmt.Errorf("the time is over at %s: %w", f.stage, ctx.Err())
	case errors.As(f.err, &late) && late.Timeout(): // a dialer notes the deadline a moment before its context
		return "timeout", fmt.Errorf("the time is over at %s: %w", f.stage, context.DeadlineExceeded)
	case errors.Is(f.err, errNoSTARTTLS):
		return "starttls", f.err
	case errors.Is(f.err, errNoAuth):
		return "auth", f.err
	case errors.Is(f.err, errNoUTF8):
		return "5.6.7", f.err
	case errors.Is(f.err, errNoise), errors.Is(f.err, errTooMuch), errors.As(f.err, &garbled), errors.As(f.err, &said):
		return "protocol", fmt.Errorf("what the relay answers to %s is no SMTP", f.stage)
	case errors.As(f.err, &name):
		return "certificate_name", errors.New("the relay's certificate is for another name; set tls_server_name, or repair the certificate")
	case errors.As(f.err, &invalid) && invalid.Reason == x509.Expired:
		return "certificate_expired", errors.New("the relay's certificate is not valid at this time; renew it, or set this machine's clock")
	case errors.As(f.err, &unknown):
		return "certificate_authority", errors.New("the relay's certificate is of an unknown authority; set tls_ca_file")
	case errors.As(f.err, &untrusted), errors.As(f.err, &invalid):
		return "certificate", errors.New("the relay's certificate is not good for a server")
	case errors.As(f.err, &record), f.stage == encrypting:
		return "tls", errors.New("the TLS handshake failed; look whether tls fits the port (587: starttls, 465: implicit)")
	case f.stage == connecting:
		return "connect", fmt.Errorf("there is no connection to the relay: %w", f.err)
	}
	return "connection", fmt.Errorf("the connection was lost at %s", f.stage)
}
