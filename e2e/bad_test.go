package e2e

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// badTime bounds the answer to a bad request on a busy machine.
const badTime = 5 * time.Second

// surface is every route of every dialect, with the demo's credentials, so
// that a bad request reaches the very handler.
func surface(c *client, id, session string) []surfaceRoute {
	key, dana, modica := "Bearer demo-key", basicAuth("demo@acme", "demo-password"), basicAuth("demo", "demo-password")
	v2, additiv := "Bearer "+c.token("/oauth2/token", "conversation:access2api"), "Bearer "+c.token("/connect/token", "")
	contact := "/v1.0/contacts/" + session[:strings.Index(session, "/")] + "/verification-key/"
	one := "/v1/verifications/" + id
	return []surfaceRoute{
		{"POST", "/v1/verifications", key},
		{"GET", "/v1/verifications", key},
		{"GET", one, key},
		{"POST", one + "/check", key},
		{"POST", "/v1/verifications/nobody/resend", key},
		{"POST", "/v1/verifications/nobody/cancel", key},
		{"PUT", "/v1/contacts/77", key},
		{"GET", "/v1/contacts/77", key},
		{"DELETE", "/v1/contacts/78", key},
		{"GET", "/v1/openapi.json", ""},
		{"POST", "/otp/1.0/send", dana},
		{"POST", "/otp/1.0/verify", dana},
		{"POST", "/otp/2.0/generate", v2},
		{"POST", "/otp/2.0/validate", v2},
		{"POST", "/oauth2/token", ""},
		{"POST", "/connect/token", ""},
		{"POST", contact + "send", additiv},
		{"POST", contact + "verify", additiv},
		{"POST", contact + "pending-communication-channel/send", additiv},
		{"GET", "/v1.0/contacts/" + session + "/verification-key/x/check", additiv},
		{"POST", "/v1.0/contacts/" + session + "/verification-key/x/verify", additiv},
		{"POST", "/rest/2fa/challenges", modica},
		{"POST", "/rest/2fa/responses", modica},
		{"POST", "/api/get-api/v1/OTP-api", ""},
		{"PUT", "/api/get-api/v1/OTP-api/verify", ""},
		{"GET", "/api/get-api/v1/OTP-api/verify", ""},
		{"GET", "/healthz", ""},
		{"GET", "/readyz", ""},
		{"POST", "/dev/clock", ""},
		{"PUT", "/dev/simulator", ""},
		{"GET", "/no/such/path", ""},
	}
}

type surfaceRoute struct{ method, path, authorization string }

// badBodies are bodies that nobody may act upon.
func badBodies(code string) map[string]string {
	var zipped bytes.Buffer
	w := gzip.NewWriter(&zipped)
	_, _ = w.Write(bytes.Repeat([]byte(" "), 4<<20)) // into memory
	_ = w.Close()
	return map[string]string{
		"a megabyte of string":  `{"code":"` + strings.Repeat("1", 1<<20) + `"}`,
		"20,000 levels":         `{"code":` + strings.Repeat("[", 20_000) + strings.Repeat("]", 20_000) + `}`,
		"6,000 levels":          `{"code":` + strings.Repeat("[", 6_000) + strings.Repeat("]", 6_000) + `}`,
		"100,000 objects":       strings.Repeat(`{"a":`, 100_000),
		"10,000 codes":          `{"code":["` + strings.Repeat(code+`","`, 10_000) + `"]}`,
		"100,000 members":       `{` + strings.Repeat(`"a":1,`, 100_000) + `"b":1}`,
		"a bomb":                zipped.String(),
		"UTF-16":                "\xff\xfe{\x00}\x00",
		"NUL":                   "\x00\x00\x00",
		"half a string":         `{"code":"` + code,
		"a surrogate":           `{"code":"\ud800"}`,
		"a huge number":         `{"code":1e999999999,"idRequest":1e308,"length":99999999999999999999}`,
		"negative numbers":      `{"idConversation":-1,"type":-1,"length":-2147483649,"secondsExpiration":-1,"values":[]}`,
		"wrong types":           `{"to":{},"code":[],"values":{},"fieldValues":[],"destination":1,"challenge_id":{},"channel":7}`,
		"nulls":                 `{"to":null,"code":null,"values":null,"otp":null,"requestId":null,"key":null}`,
		"line breaks":           `{"to":"+18091234567\r\nX: y","destination":"+1809\n"}`,
		"two numbers":           `{"to":"+18091234567,+18097654321","destination":"+18091234567;+18097654321"}`,
		"percent signs":         "%%%=%zz&%=%&;;;&otp_code=%00&sessionid=%ff%fe",
		"a form of many fields": strings.Repeat("otp_code="+code+"&", 3000),
	}
}

// TestBadInputIsRefusedEverywhere sends every bad body to every route under
// every type: never 5xx, never long, never an effect.
func TestBadInputIsRefusedEverywhere(t *testing.T) {
	t.Parallel()
	s := start(t, engines[0])
	to := fresh()
	id, _ := nativeTongue.start(s.client, to)
	code := s.newest(to).code()
	session, _ := additivTongue.start(s.client, fresh())
	sent := len(s.inbox("", "&limit=100000"))
	types := []string{"application/json", form, "multipart/form-data; boundary=x", "text/plain", ""}
	type job struct {
		route surfaceRoute
		name  string
		kind  string
		body  string
	}
	jobs := make(chan job)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for j := range jobs {
				began := time.Now()
				r := s.send(j.route.method, j.route.path, j.body, "Authorization", j.route.authorization, "Content-Type", j.kind)
				if r.status >= 500 || time.Since(began) > badTime {
					t.Errorf("%s %s with %s as %q: %d %.200s after %v", j.route.method, j.route.path, j.name, j.kind, r.status, r.body, time.Since(began))
				}
			}
		})
	}
	bodies := badBodies(code)
	n := 0
	for _, route := range surface(s.client, id, session) {
		for name, body := range bodies {
			jobs <- job{route, name, types[n%len(types)], body}
			n++
			if route.method != "GET" { // JSON is what most of them read
				jobs <- job{route, name, types[0], body}
				n++
			}
		}
	}
	close(jobs)
	all.Wait()
	t.Logf("%d bad bodies", n)
	v, d := s.verification(t, id)
	if v.Attempts != 0 || len(d.Wrongs) != 0 || len(s.inbox("", "&limit=100000")) != sent {
		t.Errorf("%d tries are spent, %d wrong guesses charged, messages: %+v", v.Attempts, len(d.Wrongs), s.inbox("")[0])
	}
	if verdict, r := nativeTongue.check(s.client, id, code); verdict != approved {
		t.Errorf("afterwards the right code is answered %d %s", r.status, r.body)
	}
}

// TestWrongMethodsAndPathsAreRefusedEverywhere uses raw requests, which a
// client of net/http would not send.
func TestWrongMethodsAndPathsAreRefusedEverywhere(t *testing.T) {
	t.Parallel()
	s := start(t, engines[0])
	to := fresh()
	id, _ := nativeTongue.start(s.client, to)
	code := s.newest(to).code()
	session, _ := additivTongue.start(s.client, fresh())
	for _, route := range surface(s.client, id, session) {
		path := route.path
		for _, line := range []string{
			"HEAD " + path, "OPTIONS " + path, "TRACE " + path, "PATCH " + path, "FOO " + path, route.method + " " + path + "/..",
			route.method + " " + path + "/%00", route.method + " " + path + "/%2e%2e/%2e%2e/etc/passwd", route.method + " " + path + "%ff",
			route.method + " //" + path + "//", route.method + " " + path + "?" + strings.Repeat("a=1&", 2000), route.method + " " + path + "?%zz=%",
			route.method + " " + path + "?code=" + code + "&code=000000", route.method + " " + strings.Repeat("/../", 50) + path,
			route.method + " " + path + "/" + strings.Repeat("9", 10_000), route.method + " " + strings.ToUpper(path),
		} {
			status, body := raw(t, s.base, line+" HTTP/1.1\r\nHost: x\r\nAuthorization: "+route.authorization+"\r\nX-HTTP-Method-Override: POST\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
			if status == 0 || status >= 500 && status != http.StatusNotImplemented || status/100 == 3 {
				t.Errorf("%.150s is answered %d %.200s", line, status, body)
			}
		}
	}
	v, d := s.verification(t, id)
	if v.Attempts != 0 || len(d.Wrongs) != 0 {
		t.Errorf("%d tries are spent, %d wrong guesses charged", v.Attempts, len(d.Wrongs))
	}
	if verdict, r := nativeTongue.check(s.client, id, code); verdict != approved {
		t.Errorf("afterwards the right code is answered %d %s", r.status, r.body)
	}
}

// raw sends bytes and reads the status and the beginning of the answer; 0 when
// the connection ends without one.
func raw(t *testing.T, base, text string) (status int, body string) {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(base, "http://"))
	if err != nil {
		t.Error(err)
		return 0, ""
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(badTime))
	if _, err := io.WriteString(conn, text); err != nil {
		return 0, err.Error()
	}
	answer, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: strings.SplitN(text, " ", 2)[0]})
	if err != nil {
		return 0, err.Error()
	}
	defer func() { _ = answer.Body.Close() }()
	start, _ := io.ReadAll(io.LimitReader(answer.Body, 2000)) // only shown
	return answer.StatusCode, string(start)
}

// TestEndlessAndForgedBodiesEnd: what never ends is cut, and what could be read
// in two ways is refused.
func TestEndlessAndForgedBodiesEnd(t *testing.T) {
	t.Parallel()
	s := start(t, engines[0])
	id, _ := nativeTongue.start(s.client, fresh())
	session, _ := additivTongue.start(s.client, fresh())
	var all sync.WaitGroup
	for _, route := range surface(s.client, id, session) {
		if route.method != "GET" {
			all.Go(func() { endless(t, s.base, route) })
		}
	}
	all.Wait()
	for name, text := range map[string]string{
		"two lengths":         "POST /v1/verifications HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nContent-Length: 5\r\n\r\n{}",
		"a length and chunks": "POST /v1/verifications HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
		"a negative length":   "POST /v1/verifications HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
		"no host":             "POST /v1/verifications HTTP/1.1\r\n\r\n",
		"long headers":        "GET /healthz HTTP/1.1\r\nHost: x\r\nA: " + strings.Repeat("a", 64<<10) + "\r\n\r\n",
		"no protocol":         "hello\r\n\r\n",
	} {
		if status, body := raw(t, s.base, text); status/100 != 4 && status != http.StatusNotImplemented {
			t.Errorf("%s: answered %d %s", name, status, body)
		}
	}
	if status, _ := raw(t, s.base, "POST /v1/verifications HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer demo-key\r\nContent-Type: application/json\r\nContent-Length: 1073741824\r\n\r\n{"); status != http.StatusRequestEntityTooLarge {
		t.Errorf("a declared gigabyte is answered %d", status)
	}
	if r := s.send("GET", "/readyz", ""); r.status != 200 {
		t.Errorf("afterwards /readyz is answered %d", r.status)
	}
}

// endless sends chunks until the server has had enough.
func endless(t *testing.T, base string, route surfaceRoute) {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(base, "http://"))
	if err != nil {
		t.Error(err)
		return
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(2 * badTime))
	_, _ = fmt.Fprintf(conn, "%s %s HTTP/1.1\r\nHost: x\r\nAuthorization: %s\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n",
		route.method, route.path, route.authorization)
	chunk := fmt.Sprintf("%x\r\n%s\r\n", 4096, strings.Repeat(" ", 4096))
	const bound = 64 << 20 // the server must have cut it long before
	written, began := 0, time.Now()
	for ; err == nil && written < bound; written += len(chunk) {
		_, err = io.WriteString(conn, chunk)
	}
	if took := time.Since(began); err == nil || took > badTime {
		t.Errorf("%s %s takes a body of %d bytes in %v: %v", route.method, route.path, written, took, err)
	}
}
