package e2e

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf16"
)

// inputs are T28 to T33 and T38; T34 to T36 stand in attack_bounds_test.go.
func inputs() []attack {
	return append([]attack{
		{"T28", "a code as array, object, number, with spaces, in other digits, with NUL, of 1 MB ...", codeForms},
		{"T29", "a member twice, in other letters, two documents, BOM, UTF-16, 100,000 levels, 1,000,000 members", bodyForms},
		{"T30", "different codes in query, body and header; a form's field twice", manyPlaces},
		{"T31", "other content types, gzip, a bomb, a declared gigabyte, an endless body", contentTypes},
		{"T32", "attempts, expires_at, tenant, status, code and price in a start", massAssignment},
		{"T33", "neighbours of ids, other case, /../, %00, 10 kB, negative, 2^32", strangeIDs},
	}, boundsAttacks()...)
}

// byHand runs an attack over each dialect at once in requests written by hand.
func (s *siege) byHand(attack func(h hand)) {
	s.tokens()
	var all sync.WaitGroup
	for _, h := range hands {
		all.Go(func() { attack(h) })
	}
	all.Wait()
}

// digitsOf writes a code in the digits that begin at zero.
func digitsOf(code string, zero rune) string {
	return strings.Map(func(r rune) rune { return zero + r - '0' }, code)
}

// forms are values that a code may not have; each holds the right one somehow.
func forms(right string) []string {
	return []string{
		`""`, "null", "[]", "{}", "true", "1.0", "1e5", "012345", `"1"`, `"1234567890123"`, strings.TrimLeft(right, "0") + ".0", strings.TrimLeft(right, "0"),
		`["` + right + `"]`, `["` + strings.Repeat(right+`","`, 10_000) + `"]`, `{"code":"` + right + `"}`, `" ` + right + ` "`, `"` + right[:3] + " " + right[3:] + `"`,
		`"` + digitsOf(right, '０') + `"`, `"` + digitsOf(right, '٠') + `"`, `"` + right + `\u0000"`, `"\u0000` + right + `"`, `"` + right + `\n"`, `"+` + right + `"`,
		`"` + right + strings.Repeat("0", 1<<20) + `"`, `"%` + right + `"`, `"` + right + `\u200b"`, `"*"`, `"%"`, `"' OR '1'='1"`,
	}
}

func codeForms(s *siege) figures {
	var tried, counted, refused atomic.Int64
	s.byHand(func(h hand) {
		for i := range forms("123456") {
			to := fresh()
			id, m := s.begin(h.tongue, to)
			value := forms(m.code())[i]
			began := time.Now()
			r := h.post(s.c[0], id, "", h.body(id, value, ""))
			tried.Add(1)
			got := s.toll(to)
			if h.approves(r) || r.status >= 500 || r.status == 0 || got.approved != 0 || got.evaluated > 1 || time.Since(began) > badTime {
				s.Errorf("%s: %.60s is answered %d %.200s; %s", h.name, value, r.status, r.body, got)
			}
			counted.Add(int64(got.evaluated))
			if r.status >= 400 {
				refused.Add(1)
			}
			if v := s.guess(h.tongue, 0, id, m.code()); v != approved {
				s.Errorf("%s: after %.60s the right code is answered %s", h.name, value, v)
			}
		}
	})
	return figures{over: "all 6", counted: fmt.Sprintf("%d values: approved 0, refused %d, judged as one wrong guess %d", tried.Load(), refused.Load(), counted.Load())}
}

func utf16Of(text string) string {
	var b bytes.Buffer
	b.WriteString("\xff\xfe")
	for _, u := range utf16.Encode([]rune(text)) {
		b.Write([]byte{byte(u), byte(u >> 8)})
	}
	return b.String()
}

func bodyForms(s *siege) figures {
	var tried atomic.Int64
	s.byHand(func(h hand) {
		to := fresh()
		id, m := s.begin(h.tongue, to)
		right := fmt.Sprintf("%q", m.code())
		good := h.body(id, right, "")
		for _, body := range []string{
			h.body(id, `"000000"`, fmt.Sprintf(`,%q:%s`, h.codeName, right)), h.body(id, right, fmt.Sprintf(`,%q:"000000"`, h.codeName)),
			h.body(id, right, fmt.Sprintf(`,%q:%s`, h.codeName, right)), strings.Replace(good, `"`+h.codeName+`"`, `"`+strings.ToUpper(h.codeName[:1])+h.codeName[1:]+`"`, 1),
			good + "x", good + good, good + "\n[]", "\ufeff" + good, utf16Of(good), "[" + good + "]", good[:len(good)-1], good[1:], strings.ReplaceAll(good, `"`, "'"),
			h.body(id, strings.Repeat("[", 100_000), ""), h.body(id, right, `,"x":`+strings.Repeat("[", 100_000)+strings.Repeat("]", 100_000)),
			h.body(id, right, strings.Repeat(`,"a":1`, 1_000_000)), "/*" + good + "*/" + good, h.body(id, right, ","), "\xff" + good, "",
		} {
			began := time.Now()
			r := h.post(s.c[0], id, "", body)
			tried.Add(1)
			if h.approves(r) || r.status >= 500 || r.status == 0 || time.Since(began) > badTime {
				s.Errorf("%s: %.150q is answered %d %.200s after %v", h.name, body, r.status, r.body, time.Since(began))
			}
		}
		if got := s.toll(to); got.evaluated != 0 {
			s.Errorf("%s: %s", h.name, got)
		}
		if v := s.guess(h.tongue, 0, id, m.code()); v != approved {
			s.Errorf("%s: the right code afterwards is answered %s", h.name, v)
		}
	})
	return figures{over: "all 6", counted: fmt.Sprintf("%d bodies with the right code in them: approved 0, evaluated 0", tried.Load())}
}

// manyPlaces gives the wrong code where the dialect reads it and the right one
// everywhere else.
func manyPlaces(s *siege) figures {
	var tried, judged atomic.Int64
	s.byHand(func(h hand) {
		to := fresh()
		id, m := s.begin(h.tongue, to)
		query := "?" + h.codeName + "=" + m.code() + "&code=" + m.code() + "&otp=" + m.code()
		for _, headers := range [][]string{nil, {"X-Code", m.code()}, {"X-Otp", m.code(), "Cookie", "code=" + m.code()}} {
			r := h.post(s.c[0], id, query, h.body(id, fmt.Sprintf("%q", wrongCode(m.code())), ""), headers...)
			tried.Add(1)
			if h.approves(r) || r.status >= 500 {
				s.Errorf("%s: the right code elsewhere is answered %d %s", h.name, r.status, r.body)
			}
		}
		if h.name == unityvoxTongue.name {
			for _, fields := range []string{"otp_code=000000&otp_code=" + m.code(), "otp_code=" + m.code() + "&otp_code=000000", "otp_code[]=" + m.code()} {
				r := s.c[0].send(http.MethodPost, h.checkPath(id), unityvoxKey+"&sessionid="+id+"&"+fields, "Content-Type", form)
				if h.approves(r) {
					s.Errorf("%s: %s is answered %s", h.name, fields, r.body)
				}
			}
		}
		got := s.toll(to)
		judged.Add(int64(got.evaluated))
		if got.evaluated > 3 || got.approved != 0 {
			s.Errorf("%s: 3 requests with two codes each: %s", h.name, got)
		}
		if r := h.post(s.c[0], id, "?"+h.codeName+"=000000", h.body(id, fmt.Sprintf("%q", m.code()), "")); s.toll(to).evaluated > got.evaluated+1 {
			s.Errorf("%s: one request was judged twice: %d %s", h.name, r.status, r.body)
		}
	})
	return figures{over: "all 6", counted: fmt.Sprintf("%d requests with two codes: approved 0, judged once each %d; UnityVox's form fields twice: not judged", tried.Load(), judged.Load())}
}

// resident is the memory that a process holds, in kB.
func resident(s *siege, p *process) int {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		s.Skip("the memory of a process is read from /proc")
	}
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			n, err := strconv.Atoi(strings.Fields(rest)[0])
			if err != nil {
				s.Fatal(err)
			}
			return n
		}
	}
	s.Fatalf("no memory in %s", status)
	return 0
}

func zipped(text string) string {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = w.Write([]byte(text)) // into memory
	_ = w.Close()
	return b.String()
}

func contentTypes(s *siege) figures {
	before := resident(s, s.processes[0])
	bomb := zipped(strings.Repeat(" ", 64<<20))
	var tried, bodies atomic.Int64
	s.byHand(func(h hand) {
		to := fresh()
		id, m := s.begin(h.tongue, to)
		good := h.body(id, fmt.Sprintf("%q", m.code()), "")
		auth := h.auth(s.c[0])
		for _, coding := range []string{"gzip", "deflate", "br", "identity, gzip", "x-gzip"} {
			for _, body := range []string{zipped(good), good, bomb} {
				r := s.c[0].send(http.MethodPost, h.checkPath(id), body, "Authorization", auth, "Content-Type", jsonType, "Content-Encoding", coding)
				tried.Add(1)
				if h.approves(r) || r.status >= 500 {
					s.Errorf("%s: a body in %s is answered %d %s", h.name, coding, r.status, r.body)
				}
			}
		}
		path := h.checkPath(id)
		head := fmt.Sprintf("POST %s HTTP/1.1\r\nHost: x\r\nAuthorization: %s\r\nContent-Type: application/json\r\n", path, auth)
		if status, body := raw(s.T, s.c[0].base, head+"Content-Length: 1073741824\r\n\r\n{"); status/100 != 4 {
			s.Errorf("%s: a declared gigabyte is answered %d %s", h.name, status, body)
		}
		endless(s.T, s.c[0].base, surfaceRoute{"POST", path, auth})
		bodies.Add(2)
		if got := s.toll(to); got.evaluated != 0 {
			s.Errorf("%s: %s", h.name, got)
		}
		if h.name == nativeTongue.name { // the others document that they do not look at it
			for _, kind := range []string{"", "text/plain", form, "multipart/form-data; boundary=x", "application/json; charset=utf-16", "application/xml", "application/jsonx"} {
				if r := s.c[0].send(http.MethodPost, path, good, "Authorization", auth, "Content-Type", kind); r.status != http.StatusUnsupportedMediaType {
					s.Errorf("native: %q is answered %d %s", kind, r.status, r.body)
				}
			}
		}
		if v := s.guess(h.tongue, 0, id, m.code()); v != approved {
			s.Errorf("%s: the right code afterwards is answered %s", h.name, v)
		}
	})
	grown := resident(s, s.processes[0]) - before
	if grown > 128<<10 {
		s.Errorf("the process grew by %d kB", grown)
	}
	return figures{over: "all 6", counted: fmt.Sprintf("%d compressed bodies, %d endless: evaluated 0, memory %+d kB; native other types 415", tried.Load(), bodies.Load(), grown)}
}

func massAssignment(s *siege) figures {
	var refused, ignored atomic.Int64
	members := []string{
		`"attempts":-100`, `"attempts_left":1000`, `"attemptsLeft":1000`, `"expires_at":"2099-01-01T00:00:00Z"`, `"expires":"2099-01-01T00:00:00Z"`, `"tenant":"globex"`,
		`"otp":"123123"`, `"code":"123123"`, `"key":"123123"`, `"price":"0"`, `"id":"019c1346-5a22-7a3e-8d6f-2f1c1b0a9e77"`, `"sends":-5`, `"status":"approved"`, `"policy":"none"`,
	}
	s.byHand(func(h hand) {
		if h.startBody == nil {
			return // additiv: a body of its own
		}
		for _, member := range members {
			if h.name == nativeTongue.name && strings.HasPrefix(member, `"code"`) {
				continue // the application's own code, which is documented
			}
			to := fresh()
			id, r := h.begin(s.c[0], to, ","+member)
			if id == "" {
				refused.Add(1)
				if r.status/100 != 4 {
					s.Errorf("%s: a start with %s is answered %d %s", h.name, member, r.status, r.body)
				}
				continue
			}
			ignored.Add(1)
			m := s.c[0].newest(to)
			v := s.look(m.Verification)
			if left := s.untilEnd(m.Verification); v.Status != "pending" || v.Left != tries || left > 10*time.Minute || m.code() == "123123" || m.Tenant != "acme" {
				s.Errorf("%s: %s made it %+v, %v left, of %s", h.name, member, v, left, m.Tenant)
			}
		}
	})
	return figures{
		over:    "5; additiv's start has two members, both its own (T23)",
		counted: fmt.Sprintf("%d members: refused %d, passed over with no effect %d", refused.Load()+ignored.Load(), refused.Load(), ignored.Load()),
	}
}

// strangeIDs gives the right code with ids that are nearly its own.
func strangeIDs(s *siege) figures {
	var tried atomic.Int64
	over := s.over(func(l tongue, to string) {
		id, m := s.begin(l, to)
		last := func(d byte) string { return id[:len(id)-1] + string(rune('0'+(id[len(id)-1]-'0'+d)%10)) }
		ids := []string{last(1), last(2), last(9), id + "0", "0" + id, id[:len(id)-1], "-" + strings.TrimLeft(id, "0"), "4294967296", "-1", "0", "%00", id + "%00", strings.Repeat("9", 10_000), id + "%20", "..", "*"}
		if l.name == nativeTongue.name {
			ids = append(ids, "nobody/../"+id, id+"/../"+id, "%2e%2e/"+id)
		}
		for _, other := range slices.Compact(ids) {
			if l.name == danaconnectTongue.name && strings.Trim(other, "-0123456789") != "" {
				continue // no number: refused as JSON
			}
			if l.name == additivTongue.name && !strings.Contains(other, "/sessions/") {
				other = "4711/sessions/" + other
			}
			v, r := l.check(s.c[0], other, m.code())
			tried.Add(1)
			if v == approved || r.status >= 500 || r.status == 0 {
				s.Errorf("%s: the id %.60q is answered %d %.200s", l.name, other, r.status, r.body)
			}
		}
		if v, r := l.check(s.c[0], strings.ToUpper(id), wrongCode(m.code())); v == approved || r.status >= 500 {
			s.Errorf("%s: the id in capitals is answered %d %s", l.name, r.status, r.body)
		}
		if got := s.toll(to); got.evaluated > 1 { // capitals may name the same, see the dialects' pages
			s.Errorf("%s: %s", l.name, got)
		}
		if v := s.guess(l, 0, id, m.code()); v != approved {
			s.Errorf("%s: the right code afterwards is answered %s", l.name, v)
		}
	})
	return figures{over: over, counted: fmt.Sprintf("%d ids: approved 0, charged 0", tried.Load())}
}
