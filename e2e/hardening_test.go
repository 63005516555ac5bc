package e2e

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// TestRefusalsSpeakTheWordsOfTheRoute: what no handler sees is refused as the
// dialect refuses, and may not be kept by anybody.
func TestRefusalsSpeakTheWordsOfTheRoute(t *testing.T) {
	t.Parallel()
	s := start(t, engines[0])
	session, _ := additivTongue.start(s.client, fresh())
	id, _ := nativeTongue.start(s.client, fresh())
	for _, route := range surface(s.client, id, session) {
		if strings.HasPrefix(route.path, "/dev/") {
			continue
		}
		head := func(method string) string {
			return method + " " + route.path + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: " + route.authorization + "\r\n"
		}
		refused := map[string]int{ // raw requests and what they are answered
			head("PATCH") + "\r\n": 405,
			head("TRACE") + "\r\n": 405,
			head(route.method) + strings.Repeat("A: "+strings.Repeat("a", 1000)+"\r\n", 17) + "\r\n": 431,
		}
		// Some ask for the id first, and one has no body that it reads; OAuth
		// has no word for a body that is too long (RFC 6749, 5.2).
		reads := !strings.Contains(route.path, "/nobody/") && !strings.HasSuffix(route.path, "/x/verify") && !strings.HasSuffix(route.path, "/token")
		if route.method != "GET" && route.method != "DELETE" && reads {
			refused[head(route.method)+"Content-Type: application/json\r\nContent-Length: 16385\r\n\r\n"] = 413
		}
		for text, want := range refused {
			r := heard(t, s.base, text)
			known := !strings.HasPrefix(route.path, "/no/")
			if !known {
				want = 404
			}
			line, _, _ := strings.Cut(text, "\r\n")
			bodyless := want == 405 && strings.HasPrefix(route.path, "/api/get-api")
			if r.status != want || r.header.Get("Cache-Control") != "no-store" || !bodyless && !isJSONObject(r) {
				t.Errorf("%s is answered %d %v %.200s, want %d", line, r.status, r.header, r.body, want)
			}
			if want == 405 && r.header.Get("Allow") == "" {
				t.Errorf("%s: no Allow", line)
			}
		}
	}
}

func isJSONObject(r reply) bool {
	var o map[string]any
	return json.Unmarshal([]byte(r.body), &o) == nil && strings.Contains(r.header.Get("Content-Type"), "json")
}

// heard sends bytes on a connection of their own and reads the first answer.
func heard(t *testing.T, base, text string) reply {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(base, "http://"))
	if err != nil {
		t.Error(err)
		return reply{}
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(badTime))
	_, _ = io.WriteString(conn, text) // it may be answered before its end
	answer, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: strings.SplitN(text, " ", 2)[0]})
	if err != nil {
		return reply{body: err.Error()}
	}
	defer func() { _ = answer.Body.Close() }()
	body, _ := io.ReadAll(answer.Body) // the status tells what was wrong
	return reply{answer.StatusCode, answer.Header, string(body)}
}

// TestNoAnswerMayBeKept but the public keys of receipts, which are for that.
func TestNoAnswerMayBeKept(t *testing.T) {
	t.Parallel()
	s := start(t, engines[0])
	id, _ := nativeTongue.start(s.client, fresh())
	session, _ := additivTongue.start(s.client, fresh())
	for _, route := range surface(s.client, id, session) {
		for _, authorization := range []string{route.authorization, "", "Bearer nobody"} {
			for _, method := range []string{route.method, "HEAD", "OPTIONS"} {
				r := s.send(method, route.path, "", "Authorization", authorization)
				if r.header.Get("Cache-Control") != "no-store" || r.header.Get("Location") != "" || r.header.Get("X-Content-Type-Options") != "nosniff" {
					t.Errorf("%s %s is answered %d %v", method, route.path, r.status, r.header)
				}
			}
		}
	}
	if r := s.send("GET", "/v1/jwks.json", ""); r.header.Get("Cache-Control") != "public, max-age=30" {
		t.Errorf("the keys of receipts are answered %v", r.header)
	}
}

// TestNothingIsSmuggled sends requests whose end two programs would see in two
// places, with another request behind. That one, a cancel, is never carried out.
func TestNothingIsSmuggled(t *testing.T) {
	t.Parallel()
	s := start(t, engines[0])
	to := fresh()
	id, _ := nativeTongue.start(s.client, to)
	code := s.newest(to).code()
	hidden := "POST /v1/verifications/" + id + "/cancel HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer demo-key\r\nContent-Length: 0\r\n\r\n"
	post := "POST /v1/verifications HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer demo-key\r\nContent-Type: application/json\r\n"
	length := "Content-Length: " + strconv.Itoa(len("0\r\n\r\n"+hidden)) + "\r\n"
	for name, text := range map[string]string{
		"a length and chunks":           post + length + "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + hidden,
		"chunks and a length":           post + "Transfer-Encoding: chunked\r\n" + length + "\r\n0\r\n\r\n" + hidden,
		"two lengths":                   post + "Content-Length: 0\r\n" + length + "\r\n" + hidden,
		"a list of lengths":             post + "Content-Length: 0, 5\r\n\r\n" + hidden,
		"a length with a sign":          post + "Content-Length: +0\r\n\r\n" + hidden,
		"a bare LF behind a size":       post + "Transfer-Encoding: chunked\r\n\r\n0\n\r\n" + hidden,
		"a bare LF in an extension":     post + "Transfer-Encoding: chunked\r\n\r\n2;\nxx\r\n{}\r\n0\r\n\r\n" + hidden,
		"a bare CR behind a size":       post + "Transfer-Encoding: chunked\r\n\r\n0\r\r\n" + hidden,
		"a size with a sign":            post + "Transfer-Encoding: chunked\r\n\r\n-1\r\n" + hidden,
		"a size beyond 64 bits":         post + "Transfer-Encoding: chunked\r\n\r\n10000000000000000\r\n\r\n" + hidden,
		"chunked twice":                 post + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + hidden,
		"chunked as a second coding":    post + "Transfer-Encoding: identity, chunked\r\n\r\n0\r\n\r\n" + hidden,
		"a space before the colon":      post + "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n" + hidden,
		"a folded line":                 post + "Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n" + hidden,
		"a vertical tab in the coding":  post + "Transfer-Encoding: \vchunked\r\n\r\n0\r\n\r\n" + hidden,
		"chunks in HTTP/1.0":            strings.Replace(post, "HTTP/1.1", "HTTP/1.0", 1) + "Connection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + hidden,
		"a method override":             strings.Replace(post, "/v1/verifications", "/v1/verifications/"+id+"/cancel?_method=POST", 1) + "X-HTTP-Method: GET\r\nContent-Length: 7\r\n\r\n{\"a\":1}",
		"another method by an override": "GET /v1/verifications/" + id + "/cancel HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer demo-key\r\nX-HTTP-Method-Override: POST\r\nX-Method-Override: POST\r\n\r\n",
		"a proxy's CONNECT":             "CONNECT /v1/verifications/" + id + "/cancel HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer demo-key\r\n\r\n",
	} {
		conn, err := net.Dial("tcp", strings.TrimPrefix(s.base, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		_ = conn.SetDeadline(time.Now().Add(badTime))
		_, _ = io.WriteString(conn, text) // it may be answered before its end
		_ = conn.(*net.TCPConn).CloseWrite()
		answers, _ := io.ReadAll(conn) // a reset is as good as an end
		_ = conn.Close()
		if n := strings.Count(string(answers), "HTTP/1.1 "); n > 1 || strings.Contains(string(answers), "HTTP/1.1 2") {
			t.Errorf("%s: %d answers: %.300s", name, n, answers)
		}
		if v, _ := s.verification(t, id); v.Status.String() != "pending" {
			t.Fatalf("%s: what was hidden was carried out", name)
		}
	}
	if verdict, r := nativeTongue.check(s.client, id, code); verdict != approved {
		t.Errorf("afterwards the right code is answered %d %s", r.status, r.body)
	}
}

// slowConnections is how many slow ones there are: ALDABA_SLOW, else few enough
// for any machine. Times of others are judged only when it is set, on a machine
// that does nothing else.
func slowConnections() (n int, judged bool) {
	n, err := strconv.Atoi(os.Getenv("ALDABA_SLOW"))
	if err != nil || n < 1 {
		return 500, false
	}
	return n, true
}

// TestSlowConnectionsHarmNobody: connections that dribble headers or a body are
// closed in time, and meanwhile others are answered as ever.
func TestSlowConnectionsHarmNobody(t *testing.T) {
	t.Parallel()
	p := newSite(t, "").serve(t)
	p.apply(t, serveTenants)
	before := p.p99(t)
	n, judged := slowConnections()
	closed := make(chan time.Duration, n)
	var opened sync.WaitGroup
	for i := range n {
		text, longest := "GET /healthz HTTP/1.1\r\nHost: x\r\nA: ", 5*time.Second
		if i%10 == 0 {
			text, longest = "POST /v1/verifications HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer "+serveKey+"\r\nContent-Type: application/json\r\nContent-Length: 9000\r\n\r\n{", 10*time.Second
		}
		opened.Add(1)
		go func() {
			took, err := dribble(p.base, text, opened.Done)
			if err != nil {
				t.Errorf("a slow connection: %v", err)
			}
			closed <- took - longest
		}()
	}
	opened.Wait()
	during := p.p99(t)
	worst := time.Duration(0)
	for range n {
		worst = max(worst, <-closed)
	}
	t.Logf("%d slow connections: p99 of others %s before and %s meanwhile; the last was closed %s after its time", n, before, during, worst)
	if worst > 5*time.Second {
		t.Errorf("a slow connection is closed %s after its time", worst)
	}
	if judged && during > 2*before {
		t.Errorf("others are answered in %s, before in %s", during, before)
	}
}

// dribble sends a byte now and then until the server closes, and tells how long
// that took.
func dribble(base, text string, opened func()) (time.Duration, error) {
	conn, err := net.Dial("tcp", strings.TrimPrefix(base, "http://"))
	if err != nil {
		opened()
		return 0, err
	}
	defer func() { _ = conn.Close() }()
	began := time.Now()
	_, err = io.WriteString(conn, text)
	opened()
	if err != nil {
		return 0, err
	}
	ended := make(chan struct{})
	go func() {
		_, _ = io.Copy(io.Discard, conn) // until it is closed
		close(ended)
	}()
	pace := time.NewTicker(500 * time.Millisecond)
	defer pace.Stop()
	for {
		select {
		case <-ended:
			return time.Since(began), nil
		case <-pace.C:
			_, _ = io.WriteString(conn, "a") // what is closed is seen by the reader
		}
		if time.Since(began) > 30*time.Second {
			return time.Since(began), nil
		}
	}
}

// p99 makes honest requests, one after the other.
func (s served) p99(t *testing.T) time.Duration {
	t.Helper()
	var times []time.Duration
	for range 300 {
		began := time.Now()
		if r := s.begin(serveKey, fresh()); r.status != 201 {
			t.Errorf("an honest start is answered %d %s", r.status, r.body)
		}
		times = append(times, time.Since(began))
	}
	slices.Sort(times)
	return times[len(times)*99/100]
}

// TestFloodsOfHTTP2HarmNobody: streams that are reset as soon as they are opened
// (CVE-2023-44487) keep nobody from being answered, and headers that never end
// (CVE-2023-45288) end with their connection.
func TestFloodsOfHTTP2HarmNobody(t *testing.T) {
	t.Parallel()
	site := newSite(t, "", "tls: {cert: cert.pem, key: key.pem}")
	pool := site.certificate(t)
	p := site.serve(t)
	transport := p.client.http.Transport.(*http.Transport)
	transport.TLSClientConfig, transport.ForceAttemptHTTP2 = &tls.Config{RootCAs: pool}, true
	address := strings.TrimPrefix(p.base, "http://")
	p.client.base = "https://" + address
	p.apply(t, serveTenants)
	before := p.p99(t)
	_, judged := slowConnections()
	for name, flood := range map[string]func(f *http2.Framer, block []byte) error{
		"rapid reset": func(f *http2.Framer, block []byte) error {
			for id := uint32(1); id < 40_000; id += 2 {
				if err := f.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: block, EndHeaders: true, EndStream: true}); err != nil {
					return err
				}
				if err := f.WriteRSTStream(id, http2.ErrCodeCancel); err != nil {
					return err
				}
			}
			return nil
		},
		"headers without an end": func(f *http2.Framer, block []byte) error {
			if err := f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: block}); err != nil {
				return err
			}
			more := literal(strings.Repeat("a", 8000))
			for range 10_000 {
				if err := f.WriteContinuation(1, false, more); err != nil {
					return err
				}
			}
			return nil
		},
	} {
		over := make(chan error, 4)
		for range cap(over) {
			go func() { over <- floodOf(address, pool, flood) }()
		}
		during := p.p99(t)
		for range cap(over) {
			// Streams that come and go are work like any other, as long as
			// few are in work at once; headers without an end never are.
			if err := <-over; err == nil && name == "headers without an end" {
				t.Errorf("%s: the connection outlives it", name)
			}
		}
		t.Logf("%s: p99 of others %s before and %s meanwhile", name, before, during)
		if judged && during > 2*before {
			t.Errorf("%s: others are answered in %s, before in %s", name, during, before)
		}
	}
}

// literal is one header field in the plainest form of HPACK.
func literal(value string) []byte {
	var b strings.Builder
	_ = hpack.NewEncoder(&b).WriteField(hpack.HeaderField{Name: "a", Value: value, Sensitive: true}) // into memory
	return []byte(b.String())
}

// floodOf opens a connection of HTTP/2 and floods it. It returns what ended it,
// nil when the server never did.
func floodOf(address string, pool *x509.CertPool, flood func(*http2.Framer, []byte) error) error {
	conn, err := tls.Dial("tcp", address, &tls.Config{RootCAs: pool, ServerName: "127.0.0.1", NextProtos: []string{"h2"}})
	if err != nil {
		return fmt.Errorf("dial: %w", err)
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	if _, err := io.WriteString(conn, http2.ClientPreface); err != nil {
		return err
	}
	f := http2.NewFramer(conn, conn)
	if err := f.WriteSettings(); err != nil {
		return err
	}
	go func() { _, _ = io.Copy(io.Discard, conn) }() // what it says does not matter
	var block strings.Builder
	e := hpack.NewEncoder(&block)
	for _, field := range [][2]string{{":method", "GET"}, {":scheme", "https"}, {":authority", "x"}, {":path", "/healthz"}} {
		_ = e.WriteField(hpack.HeaderField{Name: field[0], Value: field[1], Sensitive: true}) // into memory
	}
	return flood(f, []byte(block.String()))
}
