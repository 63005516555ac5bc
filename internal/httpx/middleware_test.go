package httpx

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func TestRequestIDsAreKeptOrMade(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		given []string
		want  string
	}{
		"kept":       {[]string{"abc-DEF_1.2"}, "abc-DEF_1.2"},
		"longest":    {[]string{strings.Repeat("a", 64)}, strings.Repeat("a", 64)},
		"none":       {nil, "made"},
		"short":      {[]string{"1234567"}, "made"},
		"long":       {[]string{strings.Repeat("a", 65)}, "made"},
		"line break": {[]string{"12345678\n9"}, "made"},
		"not ASCII":  {[]string{"12345678ñ"}, "made"},
		"two":        {[]string{"12345678", "12345678"}, "made"},
	}
	for name, test := range tests {
		var inside string
		h := WithRequestID(func() string { return "made" })(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			inside = RequestID(r)
		}))
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		if test.given != nil {
			r.Header["X-Request-Id"] = test.given
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if inside != test.want || w.Header().Get("X-Request-Id") != test.want {
			t.Errorf("%s: %q inside, %q outside", name, inside, w.Header().Get("X-Request-Id"))
		}
	}
}

func TestMadeRequestIDsAreUUIDs(t *testing.T) {
	t.Parallel()
	form := regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)
	a, b := randomUUID(), randomUUID()
	if !form.MatchString(a) || a == b {
		t.Errorf("%s, %s", a, b)
	}
}

// standard serves one request through the whole chain around a Mux and
// returns the answer and the lines of the log.
func standard(t *testing.T, handler http.HandlerFunc, r *http.Request) (*httptest.ResponseRecorder, []map[string]any) {
	t.Helper()
	var text bytes.Buffer
	clock := time.Unix(1_700_000_000, 0)
	mux, err := NewMux([]Route{{Methods: []string{"POST"}, Pattern: "/s/{id}", Handler: handler, Refuse: teapot}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	h := Standard(Options{
		Log:    slog.New(slog.NewJSONHandler(&text, nil)),
		Now:    func() time.Time { clock = clock.Add(time.Second); return clock },
		NewID:  func() string { return "made" },
		Refuse: mux.Refuse,
	})(mux)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	var lines []map[string]any
	for line := range strings.Lines(text.String()) {
		var m map[string]any
		if err := json.Unmarshal([]byte(line), &m); err != nil {
			t.Fatal(err)
		}
		delete(m, "time")
		lines = append(lines, m)
	}
	if strings.Contains(text.String(), "secret") {
		t.Errorf("the log tells a secret: %s", &text)
	}
	return w, lines
}

func TestAccessLogTellsTheRouteAndNoSecret(t *testing.T) {
	t.Parallel()
	write := func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.ReadAll(r.Body)
		WriteJSON(w, http.StatusCreated, "", []byte(`{"secret":1}`))
	}
	tests := map[string]struct {
		method, target string
		handler        http.HandlerFunc
		wantMethod     string
		route          string
		status, bytes  float64
	}{
		"served":    {"POST", "/s/secret?secret=1", write, "POST", "/s/{id}", 201, 12},
		"folded":    {"POST", "//s/secret/", write, "POST", "/s/{id}", 201, 12},
		"silent":    {"POST", "/s/secret", func(http.ResponseWriter, *http.Request) {}, "POST", "/s/{id}", 200, 0},
		"refused":   {"GET", "/s/secret", write, "GET", "/s/{id}", 405, 10},
		"unmatched": {"POST", "/secret", write, "POST", "unmatched", 404, 34},
		"foreign":   {"secret", "/s/x", write, "OTHER", "/s/{id}", 405, 10},
	}
	for name, test := range tests {
		r := httptest.NewRequest(http.MethodPost, test.target, strings.NewReader("secret"))
		r.Method, r.RemoteAddr = test.method, "[2001:db8::1]:4711"
		r.Header.Set("User-Agent", "secret")
		w, lines := standard(t, test.handler, r)
		want := map[string]any{
			"level": "INFO", "msg": "request", "method": test.wantMethod, "route": test.route, "status": test.status,
			"duration": float64(time.Second), "bytes": test.bytes, "request_id": "made", "remote_ip": "2001:db8::1",
		}
		if len(lines) != 1 || !sameMap(lines[0], want) {
			t.Errorf("%s: %v, want %v", name, lines, want)
		}
		h := w.Header()
		if h.Get("Cache-Control") != "no-store" || h.Get("X-Content-Type-Options") != "nosniff" ||
			h.Get("Referrer-Policy") != "no-referrer" || h.Get("X-Request-Id") != "made" {
			t.Errorf("%s: headers %v", name, h)
		}
	}
}

func TestEarlyHintsAreNoFinalStatus(t *testing.T) {
	t.Parallel()
	seen := record(httptest.NewRecorder())
	seen.WriteHeader(http.StatusEarlyHints)
	if seen.status != 0 || record(seen) != seen {
		t.Errorf("status %d", seen.status)
	}
	seen.WriteHeader(http.StatusAccepted)
	seen.WriteHeader(http.StatusOK)
	if seen.finalStatus() != http.StatusAccepted {
		t.Errorf("final status %d", seen.finalStatus())
	}
}

func sameMap(a, b map[string]any) bool {
	for k := range b {
		if a[k] != b[k] {
			return false
		}
	}
	return len(a) == len(b)
}

func TestPanicsAreAnsweredInTheWordsOfTheRoute(t *testing.T) {
	t.Parallel()
	var none []int
	tests := map[string]struct {
		handler http.HandlerFunc
		thrown  string
		status  int
		body    string
	}{
		"value":   {func(http.ResponseWriter, *http.Request) { panic("secret") }, "string", 500, "teapot 500"},
		"error":   {func(http.ResponseWriter, *http.Request) { panic(errors.New("secret")) }, "*errors.errorString", 500, "teapot 500"},
		"runtime": {func(http.ResponseWriter, *http.Request) { none[0] = 1 }, "runtime error: index out of range [0] with length 0", 500, "teapot 500"},
		"late": {func(w http.ResponseWriter, _ *http.Request) {
			WriteJSON(w, 201, "", []byte("done"))
			panic("secret")
		}, "string", 201, "done"},
	}
	for name, test := range tests {
		w, lines := standard(t, test.handler, httptest.NewRequest(http.MethodPost, "//s/secret", nil))
		if w.Code != test.status || w.Body.String() != test.body {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
		if len(lines) != 2 || lines[0]["thrown"] != test.thrown || lines[0]["route"] != "/s/{id}" || lines[1]["status"] != float64(test.status) {
			t.Errorf("%s: log %v", name, lines)
			continue
		}
		places, _ := lines[0]["stack"].([]any)
		if len(places) == 0 || !strings.Contains(places[0].(string), "middleware_test.go:") {
			t.Errorf("%s: stack %v", name, places)
		}
	}
}

func TestAbortedHandlersStayAborted(t *testing.T) {
	t.Parallel()
	defer func() {
		if err, _ := recover().(error); !errors.Is(err, http.ErrAbortHandler) {
			t.Error("the abort was swallowed")
		}
	}()
	standard(t, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		httptest.NewRequest(http.MethodPost, "/s/x", nil))
}

func TestHandlersHaveADeadline(t *testing.T) {
	t.Parallel()
	for limit, want := range map[time.Duration]time.Duration{0: 10 * time.Second, time.Minute: time.Minute} {
		var left time.Duration
		WithDeadline(limit, nil)(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			deadline, _ := r.Context().Deadline()
			left = time.Until(deadline)
		})).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil))
		if left <= want-5*time.Second || left > want {
			t.Errorf("limit %v: %v left", limit, left)
		}
	}
}

func TestServerSpeaksHTTP2AndNoOldTLS(t *testing.T) {
	t.Parallel()
	var text bytes.Buffer
	mux, err := NewMux([]Route{{Methods: []string{"GET"}, Pattern: "/", Handler: func(w http.ResponseWriter, r *http.Request) {
		WriteJSON(w, http.StatusOK, "text/plain", []byte("HTTP/"+strconv.Itoa(r.ProtoMajor)))
		_ = http.NewResponseController(w).Flush()
	}}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(nil)
	own := &tls.Config{MinVersion: tls.VersionTLS10} // Server must raise it
	server.Config = Server(ServerOptions{
		Handler: Standard(Options{Log: slog.New(slog.DiscardHandler)})(mux), TLS: own,
		Log: slog.New(slog.NewTextHandler(&text, nil)),
	})
	server.TLS = server.Config.TLSConfig
	server.EnableHTTP2 = true
	server.StartTLS()
	t.Cleanup(server.Close)
	answer, err := server.Client().Get(server.URL + "//a/")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = answer.Body.Close() })
	body, err := io.ReadAll(answer.Body)
	if err != nil || string(body) != "HTTP/2" {
		t.Errorf("%q, %v", body, err)
	}
	if own.MinVersion != tls.VersionTLS10 || server.Config.TLSConfig.MinVersion != tls.VersionTLS12 {
		t.Error("the caller's configuration was changed, or the server's was not")
	}
	old := server.Client().Transport.(*http.Transport).TLSClientConfig.Clone()
	old.MinVersion, old.MaxVersion = tls.VersionTLS10, tls.VersionTLS11
	dialer := tls.Dialer{Config: old}
	if conn, err := dialer.DialContext(context.Background(), "tcp", server.Listener.Addr().String()); err == nil {
		_ = conn.Close()
		t.Error("TLS 1.1 is spoken")
	}
}

func TestServerLinesBecomeRecords(t *testing.T) {
	t.Parallel()
	var text bytes.Buffer
	log := Server(ServerOptions{Log: slog.New(slog.NewTextHandler(&text, &slog.HandlerOptions{
		Level:       slog.LevelDebug,
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr { return dropTime(a) },
	}))}).ErrorLog
	log.Print("http: TLS handshake error from 192.0.2.1:5: EOF")
	log.Print("http: Accept error: too many open files")
	log.Print("http: panic serving 192.0.2.1:5: secret\nstack")
	want := `level=DEBUG msg="http server" said="http: TLS handshake error from 192.0.2.1:5: EOF"
level=WARN msg="http server" said="http: Accept error: too many open files"
level=WARN msg="http server" said="http: panic serving"
`
	if text.String() != want {
		t.Errorf("%s", &text)
	}
}

func dropTime(a slog.Attr) slog.Attr {
	if a.Key == slog.TimeKey {
		return slog.Attr{}
	}
	return a
}

// TestNothingFollowsAChunkedBody: what stands behind a request with two lengths
// is not read as a request of its own.
func TestNothingFollowsAChunkedBody(t *testing.T) {
	t.Parallel()
	var asked atomic.Int64
	server := httptest.NewServer(Standard(Options{Log: slog.New(slog.DiscardHandler)})(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) })))
	defer server.Close()
	conn, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(5 * time.Second)) // a connection that is kept is the defect
	const hidden = "GET /hidden HTTP/1.1\r\nHost: x\r\n\r\n"
	_, err = fmt.Fprintf(conn, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n%s", 5+len(hidden), hidden)
	if err != nil {
		t.Fatal(err)
	}
	answers, err := io.ReadAll(conn) // the server ends the connection
	if err != nil || asked.Load() != 1 {
		t.Errorf("%d requests were done, %v: %s", asked.Load(), err, answers)
	}
}
