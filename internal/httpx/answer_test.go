package httpx

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"
	"time"
)

func TestProblemsHaveAFixedOrder(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		problem Problem
		body    string
		wait    string
	}{
		"full": {
			Problem{Type: "https://x/y", Title: "T", Status: 429, Detail: "<d>", Instance: "/i", Rule: "sends", RetryAfter: 1500 * time.Millisecond},
			`{"type":"https://x/y","title":"T","status":429,"detail":"<d>","instance":"/i","rule":"sends","retry_after":2}`, "2",
		},
		"challenge": {
			Problem{Status: 429, RetryAfter: time.Second, Challenge: &Challenge{"turnstile", "0x4<"}},
			`{"title":"Too Many Requests","status":429,"retry_after":1,"challenge":{"type":"turnstile","site_key":"0x4<"}}`, "1",
		},
		"bare":          {Problem{Status: 404}, `{"title":"Not Found","status":404}`, ""},
		"zero":          {Problem{}, `{"title":"Internal Server Error","status":500}`, ""},
		"short wait":    {Problem{Status: 503, RetryAfter: 1}, `{"title":"Service Unavailable","status":503,"retry_after":1}`, "1"},
		"whole wait":    {Problem{Status: 503, RetryAfter: time.Minute}, `{"title":"Service Unavailable","status":503,"retry_after":60}`, "60"},
		"negative wait": {Problem{Status: 503, RetryAfter: -time.Minute}, `{"title":"Service Unavailable","status":503}`, ""},
	}
	for name, test := range tests {
		w := httptest.NewRecorder()
		WriteProblem(w, test.problem)
		if w.Body.String() != test.body || w.Header().Get("Retry-After") != test.wait {
			t.Errorf("%s: %s, wait %q", name, w.Body, w.Header().Get("Retry-After"))
		}
	}
}

func TestWriteJSONTellsTypeAndLength(t *testing.T) {
	t.Parallel()
	w := httptest.NewRecorder()
	WriteJSON(w, http.StatusCreated, "", []byte(`{"ñ":1}`))
	h := w.Header()
	if w.Code != 201 || h.Get("Content-Type") != "application/json" || h.Get("Content-Length") != "8" || w.Body.String() != `{"ñ":1}` {
		t.Errorf("%d %v %s", w.Code, h, w.Body)
	}
}

func TestBodiesAreReadUpToTheLimit(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		body     io.Reader
		length   int64
		encoding string
		want     string
		err      error
	}{
		"within":           {strings.NewReader("12345678"), 8, "", "12345678", nil},
		"chunked within":   {strings.NewReader("12345678"), -1, "", "12345678", nil},
		"identity":         {strings.NewReader("1"), 1, "Identity", "1", nil},
		"none":             {nil, 0, "", "", nil},
		"declared":         {iotest.ErrReader(errors.New("was read")), 1 << 30, "", "", ErrTooLarge},
		"chunked too long": {strings.NewReader("123456789"), -1, "", "", ErrTooLarge},
		"lying length":     {strings.NewReader("123456789"), 2, "", "12", nil}, // a server hands on no more than was declared
		"broken":           {iotest.ErrReader(io.ErrUnexpectedEOF), -1, "", "", ErrUnreadable},
		"gzip":             {iotest.ErrReader(errors.New("was read")), 8, "gzip", "", ErrUnsupportedEncoding},
		"gzip behind":      {strings.NewReader("1"), 1, "identity, gzip", "", ErrUnsupportedEncoding},
	}
	for name, test := range tests {
		r := httptest.NewRequest(http.MethodPost, "/", test.body)
		r.ContentLength = test.length
		if test.encoding != "" {
			r.Header.Set("Content-Encoding", test.encoding)
		}
		got, err := ReadBody(httptest.NewRecorder(), r, 8)
		if string(got) != test.want || !errors.Is(err, test.err) {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}

func TestAcceptIsWeighed(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		headers []string
		best    string
		named   bool
		ok      bool
	}{
		"none":              {nil, "application/json", false, true},
		"empty":             {[]string{""}, "application/json", false, true},
		"nonsense":          {[]string{"json, /, a/, ;q=1"}, "application/json", false, true},
		"any":               {[]string{"*/*"}, "application/json", false, true},
		"named":             {[]string{"application/json"}, "application/json", true, true},
		"named second":      {[]string{"text/xml"}, "text/xml", true, true},
		"case":              {[]string{"Text/XML;Q=0.5"}, "text/xml", true, true},
		"major":             {[]string{"text/*"}, "text/xml", false, true},
		"named before any":  {[]string{"*/*, text/xml"}, "text/xml", true, true},
		"weights":           {[]string{"application/json;q=0.2, text/xml;q=0.3"}, "text/xml", true, true},
		"two lines":         {[]string{"application/json;q=0.2", "text/xml;q=0.3"}, "text/xml", true, true},
		"any but":           {[]string{"*/*, application/json;q=0"}, "text/xml", false, true},
		"parameters":        {[]string{`application/json;v="a,b;q=0";q=0.9, text/*;q=0.8`}, "application/json", true, true},
		"other":             {[]string{"image/png"}, "", false, false},
		"refused":           {[]string{"*/*;q=0"}, "", false, false},
		"bad weight":        {[]string{"application/json;q=2, text/xml;q=0.1, text/xml;q=1e-1, text/xml;q=NaN"}, "text/xml", true, true},
		"equal by own name": {[]string{"text/xml, application/json"}, "application/json", true, true},
		"browser":           {[]string{"text/html,application/xhtml+xml,text/xml;q=0.9,*/*;q=0.8"}, "text/xml", true, true},
	}
	for name, test := range tests {
		best, named, ok := Accepts(test.headers, "application/json", "text/xml")
		if best != test.best || named != test.named || ok != test.ok {
			t.Errorf("%s: %q %v %v", name, best, named, ok)
		}
	}
	if _, _, ok := Accepts(nil); ok {
		t.Error("nothing was offered and something accepted")
	}
}

func FuzzAccepts(f *testing.F) {
	f.Add(`text/*;q=0.5, "a\",b"/c;q=1`)
	f.Fuzz(func(t *testing.T, header string) {
		best, named, ok := Accepts([]string{header}, "a/b", "c/d")
		if ok != (best != "") || named && !ok {
			t.Fatalf("%q: %q %v %v", header, best, named, ok)
		}
	})
}

func TestBearerTokensAreTakenFromOneHeader(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		lines []string
		token string
	}{
		"plain":       {[]string{"Bearer abc.d-e_f~+/=="}, "abc.d-e_f~+/=="},
		"case":        {[]string{"bEARER abc"}, "abc"},
		"spaces":      {[]string{"Bearer   abc "}, "abc"},
		"none":        {nil, ""},
		"two lines":   {[]string{"Bearer abc", "Bearer abc"}, ""},
		"basic":       {[]string{"Basic abc"}, ""},
		"no token":    {[]string{"Bearer "}, ""},
		"only scheme": {[]string{"Bearer"}, ""},
		"two tokens":  {[]string{"Bearer abc def"}, ""},
		"list":        {[]string{"Bearer abc, Basic def"}, ""},
		"padding":     {[]string{"Bearer =="}, ""},
		"inner =":     {[]string{"Bearer a=b"}, ""},
		"not ASCII":   {[]string{"Bearer añb"}, ""},
	}
	for name, test := range tests {
		r := &http.Request{Header: http.Header{"Authorization": test.lines}}
		token, ok := BearerToken(r)
		if token != test.token || ok != (test.token != "") {
			t.Errorf("%s: %q, %v", name, token, ok)
		}
	}
}

func TestBasicAuthIsTakenFromOneHeader(t *testing.T) {
	t.Parallel()
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.SetBasicAuth("a", "b:c")
	if name, password, ok := BasicAuth(r); name != "a" || password != "b:c" || !ok {
		t.Errorf("%q %q %v", name, password, ok)
	}
	r.Header.Add("Authorization", "Basic Yjpj")
	if _, _, ok := BasicAuth(r); ok {
		t.Error("two headers are taken")
	}
}

// TestEndlessBodiesCloseTheConnection talks to a real server in plain bytes.
func TestEndlessBodiesCloseTheConnection(t *testing.T) {
	t.Parallel()
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := ReadBody(w, r, 16); errors.Is(err, ErrTooLarge) {
			RefuseWithProblem(w, r, Refusal{Status: http.StatusRequestEntityTooLarge})
		}
	})
	server := httptest.NewUnstartedServer(nil)
	server.Config = Server(ServerOptions{Handler: h})
	server.Start()
	t.Cleanup(server.Close)
	conn, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	_, _ = io.WriteString(conn, "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n20\r\n"+strings.Repeat("x", 32)+"\r\n")
	answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = answer.Body.Close() })
	if answer.StatusCode != http.StatusRequestEntityTooLarge || !answer.Close {
		t.Errorf("status %d, close %v", answer.StatusCode, answer.Close)
	}
}
