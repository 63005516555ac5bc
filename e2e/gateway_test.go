package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// door is the public address of a server that may be killed and come back at
// another port, as the proxy in front of it is.
type door struct {
	url string
	to  atomic.Pointer[url.URL]
}

func newDoor(t *testing.T) *door {
	t.Helper()
	d := &door{}
	d.close()
	s := httptest.NewServer(&httputil.ReverseProxy{
		Rewrite:  func(r *httputil.ProxyRequest) { r.SetURL(d.to.Load()) },
		ErrorLog: log.New(io.Discard, "", 0), // a server that was killed is what it is for
	})
	t.Cleanup(s.Close)
	d.url = s.URL
	return d
}

// open leads to a server.
func (d *door) open(t *testing.T, base string) {
	t.Helper()
	to, err := url.Parse(base)
	if err != nil {
		t.Fatal(err)
	}
	d.to.Store(to)
}

// close leads nowhere: nobody listens on that port.
func (d *door) close() { d.to.Store(&url.URL{Scheme: "http", Host: "127.0.0.1:1"}) }

// handed is one copy of a message as a gateway got it.
type handed struct {
	ID, To, Text string
	Callback     string // where receipts go
	Expires      time.Time
	At           time.Time // when the gateway had read it
	name         string    // the gateway's own id of the copy
	kept         bool      // the person gets it, whatever the caller is answered
	spoiled      bool      // the person gets it, and the caller could not know
	heard        bool      // the server has heard what became of it
}

// code reads the six digits in it.
func (h *handed) code() string { return sixDigits.FindString(h.Text) }

// script answers one call of a gateway.
type script func(h *handed, w http.ResponseWriter, r *http.Request)

// gateway takes messages over HTTP as a carrier does, by a script.
type gateway struct {
	url    string
	ctx    context.Context //nolint:containedctx // ends with its test
	posts  sync.WaitGroup
	client *http.Client

	mu      sync.Mutex
	script  script // nil takes everything
	reports bool   // it says what became of what it took
	calls   []*handed
}

// newGateway starts a gateway that ends with its test. It takes everything and
// reports nothing.
func newGateway(t *testing.T) *gateway {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	g := &gateway{ctx: ctx, client: &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 64}}}
	s := httptest.NewUnstartedServer(http.HandlerFunc(g.take))
	s.Config.ErrorLog = log.New(io.Discard, "", 0) // callers are killed
	s.Start()
	g.url = s.URL
	t.Cleanup(func() {
		cancel()
		g.posts.Wait()
		g.client.CloseIdleConnections()
		s.CloseClientConnections()
		s.Close()
	})
	return g
}

// provider is the gateway in a tenants file.
func (g *gateway) provider(name string) string {
	return fmt.Sprintf(`
  - name: %s
    type: http
    url: %s/messages
    json: {id: "{{id}}", to: "{{to}}", text: "{{text}}", callback: "{{callback_url}}", expires: "{{expires}}"}
    success: {status: ["200"], id: $.id}
    receipts:
      id: $.id
      auth: {type: query, name: key, secret: k3y-of-our-choice}
      state: {path: $.state, delivered: [delivered], failed: [failed]}
`, name, g.url)
}

// follow sets the script; nil takes everything.
func (g *gateway) follow(s script) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.script = s
}

// confirm makes the gateway report what it took and takes from now on, each
// copy again and again until it is heard.
func (g *gateway) confirm() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.reports = true
	for _, h := range g.calls {
		if h.kept && !h.heard {
			g.posts.Go(func() { g.report(h) })
		}
	}
}

// mute makes it report nothing from now on.
func (g *gateway) mute() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.reports = false
}

func (g *gateway) take(w http.ResponseWriter, r *http.Request) {
	h := &handed{}
	body, err := io.ReadAll(r.Body)
	if err != nil || json.Unmarshal(body, h) != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	g.mu.Lock()
	h.At, h.name = time.Now(), fmt.Sprintf("copy-%d", len(g.calls))
	g.calls = append(g.calls, h)
	play := g.script
	g.mu.Unlock()
	if play == nil {
		play = g.accept
	}
	play(h, w, r)
}

// keep notes that the person gets the copy, although the caller cannot know.
func (g *gateway) keep(h *handed) {
	g.mu.Lock()
	defer g.mu.Unlock()
	h.kept, h.spoiled = true, true
	if g.reports {
		g.posts.Go(func() { g.report(h) })
	}
}

// accept keeps a copy, answers well, and reports.
func (g *gateway) accept(h *handed, w http.ResponseWriter, _ *http.Request) {
	g.mu.Lock()
	h.kept = true
	reports := g.reports
	g.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	_, _ = fmt.Fprintf(w, `{"id":%q}`, h.name) // a caller that is gone is what some tests are about
	if f, ok := w.(http.Flusher); ok {
		f.Flush()
	}
	if reports {
		g.posts.Go(func() { g.report(h) })
	}
}

// report says what became of a copy until it is heard.
func (g *gateway) report(h *handed) {
	pace := time.NewTicker(200 * time.Millisecond)
	defer pace.Stop()
	for !g.say(h) {
		select {
		case <-pace.C:
		case <-g.ctx.Done():
			return
		}
	}
}

// say reports once and tells whether it was heard.
func (g *gateway) say(h *handed) bool {
	r, err := http.NewRequestWithContext(g.ctx, http.MethodPost, h.Callback, strings.NewReader(fmt.Sprintf(`{"id":%q,"state":"delivered"}`, h.name)))
	if err != nil {
		return false
	}
	r.Header.Set("Content-Type", "application/json")
	answer, err := g.client.Do(r)
	if err != nil {
		return false
	}
	defer func() { _ = answer.Body.Close() }()
	_, _ = io.Copy(io.Discard, answer.Body) // the status says it all
	g.mu.Lock()
	defer g.mu.Unlock()
	h.heard = answer.StatusCode == http.StatusOK
	return h.heard
}

// all returns what was handed over so far, in order.
func (g *gateway) all() []handed {
	g.mu.Lock()
	defer g.mu.Unlock()
	list := make([]handed, len(g.calls))
	for i, h := range g.calls {
		list[i] = *h
	}
	return list
}

// kept returns the copies that people got, by their addresses.
func (g *gateway) kept() map[string][]handed {
	by := map[string][]handed{}
	for _, h := range g.all() {
		if h.kept {
			by[h.To] = append(by[h.To], h)
		}
	}
	return by
}
