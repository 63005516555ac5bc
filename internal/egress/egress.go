// Package egress is the HTTP client for URLs that operators and tenants set:
// it cannot be talked into calling the server's own network. See the OWASP
// cheat sheet on server-side request forgery.
//
// A name is resolved for each connection, every address it has is checked, and
// the connection goes to an address that was checked, so a name that changes
// its mind in between wins nothing. Redirects are not followed, proxies of the
// environment are not used, certificates are always verified, the time and
// the answer are bounded.
//
// It retries nothing, keeps no cookies and knows no signature.
package egress

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/netip"
	"sync/atomic"
	"time"
)

// Defaults of [Options].
const (
	DefaultTimeout   = 10 * time.Second
	DefaultMaxAnswer = 64 << 10
)

// Options are what a client may do. The zero value calls public addresses by
// https alone.
type Options struct {
	// Allow are the operator's own networks: their addresses are let through
	// although they are not public, and by plain http too.
	Allow []netip.Prefix
	// Timeout bounds a call from resolving the name to the end of the answer;
	// 0 is [DefaultTimeout].
	Timeout time.Duration
	// MaxAnswer is how many bytes of an answer's body can be read; 0 is
	// [DefaultMaxAnswer].
	MaxAnswer int64
	// Roots are the certificate authorities to trust instead of the system's.
	Roots *x509.CertPool
	// Resolver resolves names; nil is the system's.
	Resolver Resolver
}

// Resolver resolves names as [net.Resolver] does.
type Resolver interface {
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

// Client calls URLs that were set by others. It keeps connections and may be
// used by many at once.
type Client struct {
	http      *http.Client
	allow     []netip.Prefix
	maxAnswer int64
}

// New returns a client.
func New(o Options) *Client {
	o.Timeout = cmp.Or(o.Timeout, DefaultTimeout)
	if o.Resolver == nil {
		o.Resolver = net.DefaultResolver
	}
	return &Client{
		http: &http.Client{
			Transport:     byScheme{secure: transport(o, false), plain: transport(o, true)},
			Timeout:       o.Timeout,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		allow:     o.Allow,
		maxAnswer: cmp.Or(o.MaxAnswer, DefaultMaxAnswer),
	}
}

// transport makes connections of one scheme. Plain ones go to networks that
// are allowed and nowhere else: what is sent in clear stays in the house.
func transport(o Options, plain bool) *http.Transport {
	d := &dialer{allow: o.Allow, resolver: o.Resolver, timeout: o.Timeout, plain: plain}
	return &http.Transport{
		Proxy:                  nil, // one of the environment would be asked to connect unguarded
		DialContext:            d.dial,
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: o.Roots},
		TLSHandshakeTimeout:    o.Timeout,
		ForceAttemptHTTP2:      true,
		MaxIdleConns:           64,
		MaxIdleConnsPerHost:    16,
		IdleConnTimeout:        30 * time.Second, // soon enough to notice that a name has moved
		MaxResponseHeaderBytes: 32 << 10,
		DisableCompression:     true, // a small answer cannot unfold into a big one
	}
}

// byScheme sends each request over the transport of its scheme.
type byScheme struct{ secure, plain *http.Transport }

// RoundTrip implements [http.RoundTripper].
func (t byScheme) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Scheme == "https" {
		return t.secure.RoundTrip(r)
	}
	return t.plain.RoundTrip(r)
}

// Do calls. A redirect is an answer like any other; reading more of an answer
// than is allowed gives [ErrAnswerTooLong]. Every error is an [*Error].
func (c *Client) Do(r *http.Request) (*http.Response, error) {
	host := r.URL.Hostname()
	if err := checkURL(r.URL, c.allow); err != nil {
		return nil, err
	}
	var sent atomic.Bool
	trace := &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { sent.Store(true) }}
	answer, err := c.http.Do(r.WithContext(httptrace.WithClientTrace(r.Context(), trace))) //nolint:gosec // the guard is in the dialler
	if err != nil {
		return nil, failed(host, sent.Load(), err)
	}
	answer.Body = &body{ReadCloser: answer.Body, host: host, left: c.maxAnswer}
	return answer, nil
}

// body is an answer's body with a bound.
type body struct {
	io.ReadCloser
	host string
	left int64
}

// Read implements [io.Reader].
func (b *body) Read(p []byte) (int, error) {
	if int64(len(p)) > b.left+1 {
		p = p[:b.left+1]
	}
	n, err := b.ReadCloser.Read(p)
	if int64(n) > b.left {
		n, err = int(b.left), ErrAnswerTooLong
	}
	b.left -= int64(n)
	if err != nil && err != io.EOF { //nolint:errorlint // readers return it bare
		err = failed(b.host, true, err)
	}
	return n, err
}
