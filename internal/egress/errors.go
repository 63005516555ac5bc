package egress

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"os"
)

// ErrRefused is the target for errors.Is of every call that the guard refused.
var ErrRefused = errors.New("egress: refused")

// ErrAnswerTooLong says that there is more of an answer than is allowed.
var ErrAnswerTooLong = errors.New("egress: the answer is too long")

// Error is a call that got no answer. Its text names what went wrong and the
// host, and nothing that came from the network or stood in the rest of the
// URL, where people like to keep secrets. Unwrap gives the cause, whose text
// may hold both.
type Error struct {
	Host string // without its port
	What string // such as "the certificate has expired"
	// Sent says that a connection was there, so that the other side may have
	// taken the request.
	Sent  bool
	cause error
}

// Error returns the host and what went wrong.
func (e *Error) Error() string {
	if e.Host == "" {
		return e.What
	}
	return e.Host + ": " + e.What
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.cause }

// refused is what the guard says.
func refused(host, rule string) *Error { return &Error{Host: host, What: rule, cause: ErrRefused} }

// failed puts the error of a call into words of our own: those of the standard
// library quote the URL and, for an answer that is no HTTP, the answer.
func failed(host string, sent bool, err error) *Error {
	var ours *Error
	if errors.As(err, &ours) {
		return &Error{Host: host, What: ours.What, Sent: sent, cause: err}
	}
	return &Error{Host: host, What: what(sent, err), Sent: sent, cause: err}
}

func what(sent bool, err error) string {
	var (
		name      *net.DNSError
		otherHost x509.HostnameError
		invalid   x509.CertificateInvalidError
		unknown   x509.UnknownAuthorityError
		alert     tls.AlertError
		record    tls.RecordHeaderError
		verify    *tls.CertificateVerificationError
	)
	switch {
	case errors.Is(err, ErrAnswerTooLong):
		return "the answer is too long"
	case errors.Is(err, context.Canceled):
		return "the call was canceled"
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded):
		if sent {
			return "there was no answer in time"
		}
		return "there was no connection in time"
	case errors.As(err, &name):
		return "the name cannot be resolved"
	case errors.As(err, &otherHost):
		return "the certificate is for another name"
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return "the certificate has expired or is not valid yet"
	case errors.As(err, &unknown):
		return "the certificate is from an unknown authority"
	case errors.Is(err, http.ErrSchemeMismatch):
		return "there is no TLS at this port"
	case errors.As(err, &verify), errors.As(err, &alert), errors.As(err, &record):
		return "the TLS handshake failed"
	case !sent:
		return "there is no connection"
	}
	return "the answer was lost or is no HTTP"
}
