package httpsms

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aldaba-otp/aldaba/delivery"
	"github.com/aldaba-otp/aldaba/internal/clock"
)

// TestSigV4 signs what AWS has published signatures of.
func TestSigV4(t *testing.T) {
	t.Parallel()
	at := time.Date(2015, 8, 30, 12, 36, 0, 0, time.UTC)
	signer := func(service string) sigv4 {
		return sigv4{
			access: "AKIDEXAMPLE", secret: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", region: "us-east-1", service: service,
			now: func() time.Time { return at },
		}
	}
	const form = "application/x-www-form-urlencoded"
	cases := []struct {
		name, service, method, url, kind, body, want string
	}{
		// The suite that AWS gave away as aws-sig-v4-test-suite.
		{"get-vanilla", "service", "GET", "https://example.amazonaws.com/", "", "", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"},
		{"post-vanilla", "service", "POST", "https://example.amazonaws.com/", "", "", "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"},
		{
			"get-vanilla-query-order-key-case", "service", "GET", "https://example.amazonaws.com/?Param2=value2&Param1=value1", "", "",
			"b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
		},
		{"post-x-www-form-urlencoded", "service", "POST", "https://example.amazonaws.com/", form, "Param1=value1", "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a"},
		// The example of the developer's guide.
		{
			"ListUsers", "iam", "GET", "https://iam.amazonaws.com/?Action=ListUsers&Version=2010-05-08", form + "; charset=utf-8", "",
			"5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7",
		},
	}
	for _, c := range cases {
		r := httptest.NewRequestWithContext(t.Context(), c.method, c.url, strings.NewReader(c.body))
		if c.kind != "" {
			r.Header.Set("Content-Type", c.kind)
		}
		if err := signer(c.service).authorize(t.Context(), r, []byte(c.body)); err != nil {
			t.Fatal(err)
		}
		if got := r.Header.Get("Authorization"); !strings.HasSuffix(got, "Signature="+c.want) {
			t.Errorf("%s: %s", c.name, got)
		}
	}
}

// openWith opens a gateway on an HTTP server.
func openWith(t *testing.T, url string, c *clock.Clock, more map[string]any) delivery.Provider {
	t.Helper()
	configured := map[string]any{"url": url + "/send", "json": map[string]any{"text": "{{text}}"}, "success": map[string]any{"id": "$.id"}}
	for key, v := range more {
		configured[key] = v
	}
	p, err := open(delivery.Settings{Name: "g", Values: configured, Clock: c, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func short(c *clock.Clock) delivery.Message {
	return delivery.Message{ID: "m", Channel: "sms", To: "+18091234567", Body: "hello", Expires: c.Now().Add(time.Minute)}
}

// issuer gives tokens that are valid for a minute, and a gateway that takes
// the newest one only.
type issuer struct {
	*httptest.Server
	tokens, sent atomic.Int32
	refuse       atomic.Bool // no tokens
	stale        atomic.Bool // 401 to everything
}

func newIssuer(t *testing.T) *issuer {
	t.Helper()
	i := &issuer{}
	i.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if r.URL.Path == "/send" {
			i.sent.Add(1)
			if i.stale.Load() || r.Header.Get("Authorization") != "Bearer token-"+string('0'+rune(i.tokens.Load())) {
				w.WriteHeader(http.StatusUnauthorized)
				return
			}
			_, _ = io.WriteString(w, `{"id":"1"}`)
			return
		}
		id, secret, _ := r.BasicAuth()
		if i.refuse.Load() || r.FormValue("grant_type") != "client_credentials" || r.FormValue("scope") != "sms" || id != "me" || secret != "s3cret" {
			w.WriteHeader(http.StatusUnauthorized)
			_, _ = io.WriteString(w, `{"error":"invalid_client s3cret"}`)
			return
		}
		_, _ = io.WriteString(w, `{"access_token":"token-`+string('0'+rune(i.tokens.Add(1)))+`","token_type":"Bearer","expires_in":60}`)
	}))
	t.Cleanup(i.Close)
	return i
}

func (i *issuer) provider(t *testing.T, c *clock.Clock) delivery.Provider {
	t.Helper()
	return openWith(t, i.URL, c, map[string]any{"auth": map[string]any{
		"type": "oauth2", "token_url": i.URL + "/token", "client_id": "me", "client_secret": "s3cret", "scope": "sms",
	}})
}

func TestOAuth2TokensAreKeptAndRenewed(t *testing.T) {
	t.Parallel()
	i, c := newIssuer(t), clock.New(0)
	p := i.provider(t, c)
	send := func() error {
		_, err := p.Send(t.Context(), short(c))
		return err
	}
	var all sync.WaitGroup
	for range 8 { // all at once: one asks
		all.Go(func() {
			if err := send(); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if n := i.tokens.Load(); n != 1 {
		t.Errorf("%d tokens for eight messages", n)
	}
	c.Advance(31 * time.Second) // half a minute before its end it is not used any more
	if err := send(); err != nil || i.tokens.Load() != 2 {
		t.Errorf("%v, %d tokens", err, i.tokens.Load())
	}
	i.tokens.Add(1) // the gateway takes another one only: it was revoked
	i.sent.Store(0)
	if err := send(); err != nil || i.tokens.Load() != 4 || i.sent.Load() != 2 {
		t.Errorf("%v, %d tokens, %d requests", err, i.tokens.Load(), i.sent.Load())
	}
	i.stale.Store(true)
	i.sent.Store(0)
	if err := send(); delivery.ClassOf(err) != delivery.Unavailable || i.sent.Load() != 2 {
		t.Errorf("a gateway that refuses every token: %v after %d requests", err, i.sent.Load())
	}
}

func TestOAuth2WithoutTokens(t *testing.T) {
	t.Parallel()
	i, c := newIssuer(t), clock.New(0)
	i.refuse.Store(true)
	_, err := i.provider(t, c).Send(t.Context(), short(c))
	var e *delivery.Error
	if !errors.As(err, &e) || e.Class != delivery.Unavailable || e.Code != "token" || strings.Contains(err.Error(), "s3cret") {
		t.Errorf("%v", err)
	}
	if i.sent.Load() != 0 {
		t.Error("the message was sent")
	}
}

// TestAnOAuth2WaiterEndsWithItsContext keeps one caller at the issuer.
func TestAnOAuth2WaiterEndsWithItsContext(t *testing.T) {
	t.Parallel()
	asked := make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // or the server does not notice who leaves
		close(asked)
		<-r.Context().Done()
	}))
	t.Cleanup(s.Close)
	c := clock.New(0)
	p := openWith(t, s.URL, c, map[string]any{"auth": map[string]any{"type": "oauth2", "token_url": s.URL, "client_id": "me", "client_secret": "s"}})
	first, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() {
		_, err := p.Send(first, short(c))
		ended <- err
	}()
	<-asked
	second, stop := context.WithCancel(t.Context())
	stop()
	if _, err := p.Send(second, short(c)); delivery.ClassOf(err) != delivery.Unavailable {
		t.Errorf("the second: %v", err)
	}
	cancel()
	if err := <-ended; delivery.ClassOf(err) != delivery.Unavailable {
		t.Errorf("the first: %v", err)
	}
}

// TestHMAC signs what the gateway checks by itself.
func TestHMAC(t *testing.T) {
	t.Parallel()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		mac := hmac.New(sha256.New, []byte("k"))
		mac.Write([]byte(r.Header.Get("X-Time") + ".POST./send." + string(body)))
		if r.Header.Get("X-Signature") != "v1="+hex.EncodeToString(mac.Sum(nil)) || r.Header.Get("X-Time") == "" {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		_, _ = io.WriteString(w, `{"id":"1"}`)
	}))
	t.Cleanup(s.Close)
	c := clock.New(0)
	auth := map[string]any{
		"type": "hmac", "header": "X-Signature", "secret": "k", "prefix": "v1=", "timestamp_header": "X-Time",
		"message": "{{timestamp}}.{{method}}.{{path}}.{{body}}",
	}
	if _, err := openWith(t, s.URL, c, map[string]any{"auth": auth}).Send(t.Context(), short(c)); err != nil {
		t.Error(err)
	}
	auth["secret"] = "l"
	if _, err := openWith(t, s.URL, c, map[string]any{"auth": auth}).Send(t.Context(), short(c)); delivery.ClassOf(err) != delivery.Unavailable {
		t.Error(err)
	}
}

func TestKeysInQueryAndHeader(t *testing.T) {
	t.Parallel()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("api key") != "a&b" && r.Header.Get("X-Key") != "a&b" {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		_, _ = io.WriteString(w, `{"id":"1"}`)
	}))
	t.Cleanup(s.Close)
	c := clock.New(0)
	for _, auth := range []map[string]any{{"type": "query", "name": "api key", "value": "{{secret.k}}"}, {"type": "header", "name": "X-Key", "value": "{{secret.k}}"}} {
		more := map[string]any{"auth": auth, "secrets": map[string]any{"k": "a&b"}}
		if _, err := openWith(t, s.URL, c, more).Send(t.Context(), short(c)); err != nil {
			t.Errorf("%v: %v", auth["type"], err)
		}
	}
}
