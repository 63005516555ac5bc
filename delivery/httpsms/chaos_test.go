package httpsms_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aldaba-otp/aldaba/delivery"
	"github.com/aldaba-otp/aldaba/internal/clock"
)

// refusal asserts that the error is a refusal of a class, and tells nothing.
func refusal(t *testing.T, err error, class delivery.Class) *delivery.Error {
	t.Helper()
	var e *delivery.Error
	if !errors.As(err, &e) || e.Class != class {
		t.Fatalf("%v is not %v", err, class)
	}
	if holdsAny(err.Error(), []string{"482913", "8091234567", "Your code", "tellnobody", "/send"}) {
		t.Errorf("the error tells too much: %v", err)
	}
	return e
}

// TestAnswersThatAreTrouble covers row T47 of the list of attacks.
func TestAnswersThatAreTrouble(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("482913 ", 10<<20/7)
	var bomb bytes.Buffer
	z := gzip.NewWriter(&bomb)
	_, _ = io.WriteString(z, `{"id":"`+strings.Repeat("0", 50<<20)+`"}`)
	_ = z.Close()
	cases := []struct {
		name   string
		answer http.HandlerFunc
		class  delivery.Class
		code   string
		after  time.Duration
	}{
		{"200 with an error in its body", text(200, "application/json", `{"error":"no such number +18091234567"}`), delivery.Unknown, "", 0},
		{"10 MB", text(200, "application/json", long), delivery.Unknown, "", 0},
		{"10 MB of an error", text(500, "application/json", long), delivery.Unavailable, "500", 0},
		{"no JSON", text(202, "application/json", `{"id": 482913`), delivery.Unknown, "", 0},
		{"two JSON values", text(202, "application/json", `{"id":"a"}{"id":"b"}`), delivery.Unknown, "", 0},
		{"nothing", text(202, "application/json", ``), delivery.Unknown, "", 0},
		{"an id that is none", text(202, "application/json", `{"id":"a b\nc"}`), delivery.Unknown, "", 0},
		{"429 with seconds", retry(429, "7"), delivery.Throttled, "429", 7 * time.Second},
		{"429 with a date", retry(429, "Fri, 02 Jan 2026 03:05:05 GMT"), delivery.Throttled, "429", time.Minute},
		{"429 with a date that is over", retry(429, "Thu, 01 Jan 2026 00:00:00 GMT"), delivery.Throttled, "429", 0},
		{"429 with a year", retry(429, "31536000"), delivery.Throttled, "429", time.Hour},
		{"503 with seconds", retry(503, "3"), delivery.Unavailable, "503", 3 * time.Second},
		{"401", text(401, "text/plain", "482913"), delivery.Unavailable, "401", 0},
		{"402", text(402, "text/plain", ""), delivery.Unavailable, "402", 0},
		{"404", text(404, "text/plain", ""), delivery.Rejected, "404", 0},
		{"408", text(408, "text/plain", ""), delivery.Unavailable, "408", 0},
		{"422", text(422, "text/plain", ""), delivery.Rejected, "422", 0},
		{"a gzip bomb", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			_, _ = w.Write(bomb.Bytes())
		}, delivery.Unknown, "", 0},
		{"half an answer", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100")
			_, _ = io.WriteString(w, `{"id":"4`)
			panic(http.ErrAbortHandler)
		}, delivery.Unknown, "", 0},
		{"reset after the request", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, delivery.Unknown, "", 0},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			gateway := newServer(t)
			gateway.say(c.answer)
			p := must(t, plain(gateway.URL), "", stopped())
			_, err := p.Send(t.Context(), message())
			e := refusal(t, err, c.class)
			if e.Code != c.code || e.After != c.after {
				t.Errorf("code %q after %v", e.Code, e.After)
			}
			if gateway.count() != 1 {
				t.Errorf("it was sent %d times", gateway.count())
			}
		})
	}
}

func retry(status int, after string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", after)
		w.WriteHeader(status)
	}
}

// TestLongAnswersCostLittle sends a hundred messages to a gateway that answers
// 10 MB each.
func TestLongAnswersCostLittle(t *testing.T) { //nolint:paralleltest // it measures memory
	long := bytes.Repeat([]byte("x"), 1<<20)
	gateway := newServer(t)
	gateway.say(func(w http.ResponseWriter, r *http.Request) {
		for range 10 {
			if _, err := w.Write(long); err != nil {
				return
			}
		}
	})
	p := must(t, plain(gateway.URL), "", stopped())
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range 100 {
		if _, err := p.Send(t.Context(), message()); err == nil {
			t.Fatal("it was taken")
		}
	}
	runtime.ReadMemStats(&after)
	if each := (after.TotalAlloc - before.TotalAlloc) / 100; each > 1<<20 {
		t.Errorf("each answer took %d bytes", each)
	}
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	t.Parallel()
	var reached atomic.Bool
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached.Store(true) }))
	t.Cleanup(other.Close)
	gateway := newServer(t)
	for _, status := range []int{301, 302, 303, 307, 308} {
		gateway.say(func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, other.URL, status) })
		_, err := must(t, plain(gateway.URL), "", stopped()).Send(t.Context(), message())
		refusal(t, err, delivery.Unavailable)
	}
	if reached.Load() {
		t.Error("it was followed")
	}
}

func TestNobodyListens(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	_ = l.Close()
	_, err = must(t, plain("http://"+address), "", stopped()).Send(t.Context(), message())
	refusal(t, err, delivery.Unavailable)
}

func TestMetadataServicesAreNotReached(t *testing.T) {
	t.Parallel()
	for _, host := range []string{"169.254.169.254", "[fe80::1]", "0.0.0.0", "[::ffff:169.254.169.254]"} {
		configured := plain("http://" + host)
		configured["insecure_http"] = true
		_, err := must(t, configured, "", stopped()).Send(t.Context(), message())
		if e := refusal(t, err, delivery.Unavailable); !strings.Contains(e.Error(), "link-local") {
			t.Errorf("%s: %v", host, err)
		}
	}
}

// TestSlowGateways are given up: by their own timeout and by the caller.
func TestSlowGateways(t *testing.T) {
	t.Parallel()
	gateway := newServer(t)
	gateway.say(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	configured := plain(gateway.URL)
	configured["timeout"] = "50ms"
	_, err := must(t, configured, "", clock.New(0)).Send(t.Context(), message())
	refusal(t, err, delivery.Unknown)

	ctx, cancel := context.WithCancel(t.Context())
	gateway.say(func(_ http.ResponseWriter, r *http.Request) {
		cancel()
		<-r.Context().Done()
	})
	_, err = must(t, plain(gateway.URL), "", clock.New(0)).Send(ctx, message())
	refusal(t, err, delivery.Unknown)
	_, err = must(t, plain(gateway.URL), "", clock.New(0)).Send(ctx, message())
	refusal(t, err, delivery.Unavailable) // nothing was sent any more
}

// TestAGetIsNotRepeated breaks the connection of a second GET after its
// request: net/http would send it again on a connection that was kept.
func TestAGetIsNotRepeated(t *testing.T) {
	t.Parallel()
	gateway := newServer(t)
	configured := map[string]any{"method": "GET", "url": gateway.URL + "/send", "query": map[string]any{"to": "{{to}}", "text": "{{text}}"}}
	p := must(t, configured, "", stopped())
	gateway.say(text(200, "text/plain", "ok"))
	if _, err := p.Send(t.Context(), message()); err != nil {
		t.Fatal(err)
	}
	gateway.say(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	_, err := p.Send(t.Context(), message())
	refusal(t, err, delivery.Unknown)
	if gateway.count() != 2 {
		t.Errorf("%d requests for two messages", gateway.count())
	}
}

// certificate makes one for a name, signed by itself.
func certificate(t *testing.T, name string, until time.Time) (tls.Certificate, string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "gateway"}, NotBefore: until.Add(-48 * time.Hour), NotAfter: until,
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	if ip := net.ParseIP(name); ip != nil {
		c.IPAddresses = []net.IP{ip}
	} else {
		c.DNSNames = []string{name}
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

// TestCertificates covers wrong names, expiry, unknown authorities, and a
// gateway with an authority of its own over HTTP/2.
func TestCertificates(t *testing.T) {
	t.Parallel()
	tomorrow, yesterday := time.Now().Add(24*time.Hour), time.Now().Add(-24*time.Hour)
	cases := []struct {
		name, host string
		until      time.Time
		trusted    bool
		word       string
	}{
		{"valid", "127.0.0.1", tomorrow, true, ""},
		{"expired", "127.0.0.1", yesterday, true, "expired"},
		{"another name", "gateway.example", tomorrow, true, "another name"},
		{"unknown authority", "127.0.0.1", tomorrow, false, "authority"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			made, authority := certificate(t, c.host, c.until)
			var protocol atomic.Value
			gateway := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				protocol.Store(r.Proto)
				text(202, "application/json", `{"id":"m-1"}`)(w, r)
			}))
			gateway.EnableHTTP2 = true
			gateway.TLS = &tls.Config{Certificates: []tls.Certificate{made}}
			gateway.Config.ErrorLog = nil
			gateway.StartTLS()
			t.Cleanup(gateway.Close)
			configured := plain(gateway.URL)
			if c.trusted {
				configured["ca"] = authority
			}
			_, err := must(t, configured, "", clock.New(0)).Send(t.Context(), message())
			if c.word == "" {
				if err != nil || protocol.Load() != "HTTP/2.0" {
					t.Errorf("%v over %v", err, protocol.Load())
				}
				return
			}
			if e := refusal(t, err, delivery.Unavailable); !strings.Contains(e.Error(), c.word) {
				t.Errorf("%v does not name the reason %q", err, c.word)
			}
			if protocol.Load() != nil {
				t.Error("the message was sent")
			}
		})
	}
}
