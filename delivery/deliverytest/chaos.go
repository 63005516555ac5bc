package deliverytest

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"
)

// Mode is how a [Chaos] server misbehaves.
type Mode int

// The modes. Those about certificates only make a difference over TLS.
const (
	Well            Mode = iota // the handler answers
	Slow                        // reads the request, then never answers
	Reset                       // reads the request, then resets the connection
	Drip                        // answers 200 and a body without end, a byte at a time
	Huge                        // answers 200 and 10 MB
	WrongName                   // its certificate is for another name
	Expired                     // its certificate has expired
	Untrusted                   // its certificate is from an authority that nobody knows
	ThrottleSeconds             // 429, Retry-After in seconds (RetryAfter)
	ThrottleDate                // 429, Retry-After as a date, RetryAfter from now
	ErrorBody                   // 200, and a body that tells of an error and repeats the request
	Redirect                    // 302 to the address that RedirectTo was given
	Garbage                     // what is no HTTP, repeating the request
)

// AllModes lists the modes in which a provider must not say that a message was
// taken, whatever its protocol.
func AllModes() []Mode {
	return []Mode{Slow, Reset, WrongName, Expired, Untrusted, ThrottleSeconds, ThrottleDate, Redirect, Garbage}
}

// String names a mode.
func (m Mode) String() string {
	return [...]string{
		"well", "slow", "reset", "drip", "huge", "wrong name", "expired", "untrusted", "throttle seconds", "throttle date", "error body",
		"redirect", "garbage",
	}[m]
}

// RetryAfter is what the throttling modes ask for.
const RetryAfter = 17 * time.Second

// Call is a request that a [Chaos] server has read.
type Call struct {
	Method, Path, Query string
	Header              http.Header
	Body                []byte
}

// Chaos is an HTTP server on the loopback interface that misbehaves as it is
// told. It ends with its test.
type Chaos struct {
	URL string // https://127.0.0.1:PORT or http://127.0.0.1:PORT
	CA  []byte // PEM of the authority to trust over TLS

	handler http.Handler
	certs   map[Mode]*tls.Certificate
	stop    chan struct{}

	mu       sync.Mutex
	mode     Mode
	location string
	calls    []Call
}

// NewChaos starts a server with TLS; the handler answers in mode [Well]. Its
// requests have their bodies.
func NewChaos(t testing.TB, handler http.Handler) *Chaos {
	t.Helper()
	c := &Chaos{handler: handler, stop: make(chan struct{})}
	c.certify(t)
	c.start(t, (*httptest.Server).StartTLS)
	return c
}

// NewPlainChaos starts a server without TLS.
func NewPlainChaos(t testing.TB, handler http.Handler) *Chaos {
	t.Helper()
	c := &Chaos{handler: handler, stop: make(chan struct{})}
	c.start(t, (*httptest.Server).Start)
	return c
}

func (c *Chaos) start(t testing.TB, start func(*httptest.Server)) {
	s := httptest.NewUnstartedServer(c)
	s.Config.SetKeepAlivesEnabled(false) // each call shakes hands anew
	s.TLS = &tls.Config{GetConfigForClient: c.handshake, MinVersion: tls.VersionTLS12}
	s.Config.ErrorLog = log.New(io.Discard, "", 0) // broken calls are what this server is for
	start(s)
	c.URL = s.URL
	t.Cleanup(func() {
		close(c.stop)
		s.Close()
	})
}

// Set tells the server how to behave from now on.
func (c *Chaos) Set(m Mode) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.mode = m
}

// RedirectTo sets the mode [Redirect] and where to.
func (c *Chaos) RedirectTo(url string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.mode, c.location = Redirect, url
}

// Calls returns the requests that were read so far.
func (c *Chaos) Calls() []Call {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]Call(nil), c.calls...)
}

// ServeHTTP implements [http.Handler].
func (c *Chaos) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	c.mu.Lock()
	c.calls = append(c.calls, Call{r.Method, r.URL.Path, r.URL.RawQuery, r.Header.Clone(), body})
	mode, location := c.mode, c.location
	c.mu.Unlock()
	r.Body = io.NopCloser(bytes.NewReader(body))
	switch mode {
	case Slow:
		c.wait(r)
	case Reset:
		c.hijack(w, nil)
	case Drip:
		c.drip(w)
	case Huge:
		_, _ = w.Write(bytes.Repeat([]byte(`{"id":"huge"} `), 10<<20/14)) // the client hangs up before the end
	case ThrottleSeconds:
		w.Header().Set("Retry-After", "17")
		w.WriteHeader(http.StatusTooManyRequests)
	case ThrottleDate:
		w.Header().Set("Retry-After", time.Now().Add(RetryAfter).UTC().Format(http.TimeFormat))
		w.WriteHeader(http.StatusTooManyRequests)
	case ErrorBody:
		w.Header().Set("Content-Type", "application/json")
		told := map[string]any{"status": "error", "error": map[string]string{"code": "E17", "message": "refused: " + string(body)}}
		_ = json.NewEncoder(w).Encode(told)
	case Redirect:
		http.Redirect(w, r, location, http.StatusFound)
	case Garbage:
		c.hijack(w, append([]byte("\x00\x01\x02 "), body...))
	default:
		c.handler.ServeHTTP(w, r)
	}
}

// wait ends with the request, or with the test.
func (c *Chaos) wait(r *http.Request) {
	select {
	case <-r.Context().Done():
	case <-c.stop:
	}
}

// drip goes past the server, which would end the answer well once the client
// hangs up.
func (c *Chaos) drip(w http.ResponseWriter) {
	conn, _, err := w.(http.Hijacker).Hijack()
	if err != nil {
		return
	}
	defer conn.Close()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	_, err = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1000000\r\n\r\n")
	for err == nil {
		select {
		case <-tick.C:
			_, err = io.WriteString(conn, " ")
		case <-c.stop:
			return
		}
	}
}

// hijack writes what is given past HTTP, and closes; without anything it
// resets the connection.
func (c *Chaos) hijack(w http.ResponseWriter, raw []byte) {
	conn, _, err := w.(http.Hijacker).Hijack()
	if err != nil {
		return
	}
	defer conn.Close()
	if raw != nil {
		_, _ = conn.Write(raw)
		return
	}
	under := conn
	if secure, ok := conn.(*tls.Conn); ok {
		under = secure.NetConn()
	}
	if tcp, ok := under.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // RST instead of FIN
	}
	_ = under.Close()
}

// handshake picks the certificate for the mode.
func (c *Chaos) handshake(*tls.ClientHelloInfo) (*tls.Config, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	cert, ok := c.certs[c.mode]
	if !ok {
		cert = c.certs[Well]
	}
	return &tls.Config{Certificates: []tls.Certificate{*cert}, MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}}, nil
}

// certify makes an authority, what it signs, and a certificate of another
// authority.
func (c *Chaos) certify(t testing.TB) {
	now := time.Now()
	ca, other := newAuthority(t), newAuthority(t)
	c.CA = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: ca.cert.Raw})
	c.certs = map[Mode]*tls.Certificate{
		Well:      ca.sign(t, "localhost", net.IPv4(127, 0, 0, 1), now.Add(time.Hour)),
		WrongName: ca.sign(t, "other.example", nil, now.Add(time.Hour)),
		Expired:   ca.sign(t, "localhost", net.IPv4(127, 0, 0, 1), now.Add(-time.Minute)),
		Untrusted: other.sign(t, "localhost", net.IPv4(127, 0, 0, 1), now.Add(time.Hour)),
	}
}

// authority signs certificates.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t testing.TB) authority {
	t.Helper()
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Test authority"}, NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	key := newKey(t)
	raw, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(raw)
	if err != nil {
		t.Fatal(err)
	}
	return authority{cert, key}
}

func (a authority) sign(t testing.TB, name string, ip net.IP, until time.Time) *tls.Certificate {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name}, NotBefore: until.Add(-2 * time.Hour), NotAfter: until,
		DNSNames: []string{name}, KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	if ip != nil {
		template.IPAddresses = []net.IP{ip}
	}
	key := newKey(t)
	raw, err := x509.CreateCertificate(rand.Reader, template, a.cert, &key.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Certificate{Certificate: [][]byte{raw}, PrivateKey: key}
}

func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}
