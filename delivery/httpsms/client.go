package httpsms

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"syscall"
	"time"
)

// answerLimit is how much of an answer is read.
const answerLimit = 64 << 10

// maxAfter bounds how long a gateway can ask us to wait.
const maxAfter = time.Hour

var errTooLong = errors.New("the answer is longer than 64 KiB")

// client reads how the gateway is connected to: no proxy, no redirects, no
// compressed answers.
func (b *builder) client() *http.Client {
	dialer := &net.Dialer{Timeout: 5 * time.Second, Control: guard}
	t := &http.Transport{
		DialContext: dialer.DialContext, ForceAttemptHTTP2: true, TLSHandshakeTimeout: 5 * time.Second,
		MaxIdleConnsPerHost: 64, IdleConnTimeout: 30 * time.Second, MaxResponseHeaderBytes: answerLimit,
		DisableCompression: true, TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12},
		// On a kept connection that breaks, net/http sends a GET again by itself:
		// the message could arrive twice.
		DisableKeepAlives: b.s.Method == http.MethodGet,
	}
	if b.s.CA != "" {
		t.TLSClientConfig.RootCAs = x509.NewCertPool()
		if !t.TLSClientConfig.RootCAs.AppendCertsFromPEM([]byte(b.s.CA)) {
			b.faults.Add("ca", "must be certificates in PEM")
		}
	}
	return &http.Client{
		Transport:     t,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// guard refuses addresses at which no gateway is, but the metadata service of
// a cloud may be. It sees the address after resolution.
func guard(_, address string, _ syscall.RawConn) error {
	ap, err := netip.ParseAddrPort(address)
	if err != nil {
		return err
	}
	if ip := ap.Addr().Unmap(); ip.IsLinkLocalUnicast() || ip.IsMulticast() || ip.IsUnspecified() {
		return errForbidden
	}
	return nil
}

var errForbidden = errors.New("link-local and multicast addresses are not connected to")

// reason says in words of ours why there is no answer: net/http quotes URLs,
// and what a server wrote.
func reason(err error) string {
	var invalid x509.CertificateInvalidError
	var wrongName x509.HostnameError
	var unknown x509.UnknownAuthorityError
	var dns *net.DNSError
	var op *net.OpError
	var timeout net.Error
	switch {
	case errors.As(err, &invalid):
		if invalid.Reason == x509.Expired {
			return "the gateway's certificate has expired, or is not valid yet"
		}
		return "the gateway's certificate is not valid"
	case errors.As(err, &wrongName):
		return "the gateway's certificate is for another name"
	case errors.As(err, &unknown):
		return "the gateway's certificate is of an unknown authority; ca names one"
	case errors.Is(err, errForbidden):
		return errForbidden.Error()
	case errors.Is(err, context.Canceled):
		return context.Canceled.Error()
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return "no answer in time"
	case errors.As(err, &dns):
		return "the gateway's name cannot be resolved"
	case errors.As(err, &op) && op.Op == "dial":
		return "the gateway cannot be connected to"
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "the connection was lost"
	}
	return "there was no HTTP answer"
}

// readAnswer reads a body that may be long, broken or slow.
func readAnswer(body io.Reader) ([]byte, error) {
	text, err := io.ReadAll(io.LimitReader(body, answerLimit+1))
	if err != nil {
		return nil, errors.New(reason(err))
	}
	if len(text) > answerLimit {
		return nil, errTooLong
	}
	return text, nil
}

// retryAfter reads both forms, RFC 9110 section 10.2.3; 0 when there is none.
func retryAfter(h http.Header, now time.Time) time.Duration {
	text := h.Get("Retry-After")
	if n, err := strconv.ParseUint(text, 10, 31); err == nil {
		return min(time.Duration(n)*time.Second, maxAfter)
	}
	if at, err := http.ParseTime(text); err == nil {
		return min(max(at.Sub(now), 0), maxAfter)
	}
	return 0
}
