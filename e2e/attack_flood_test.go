package e2e

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// floods are T59 and T60.
func floods() []attack {
	return []attack{
		{"T59", "use up a victim's messages and guesses from other addresses, then let the victim log in", burnQuota},
		{"T60", "slow headers and bodies, 64 kB headers, smuggling, rapid reset, CONTINUATION flood, TRACE, method override", transportAttacks},
	}
}

// burnQuota: the attacker starts and guesses at the victim's number through the
// application. What the victim holds stays good or comes back within a day, and
// another address of his is not touched.
func burnQuota(s *siege) figures {
	attacker := &siege{T: s.T, world: s.world, c: slices.Clone(s.c)}
	attacker.scatter(200)
	var mu sync.Mutex
	waits := map[string]string{}
	over := s.over(func(l tongue, to string) {
		live, m := s.begin(l, to)
		thief := l
		if l.name == nativeTongue.name { // natively a newer start of one purpose supersedes, see T24
			thief = modicaTongue
		}
		for range 12 { // starts until the quota is gone, and a guess at each
			if id, _ := thief.start(attacker.c[0], to); id != "" {
				thief.check(attacker.c[0], id, "000000")
			}
		}
		_, r := l.start(s.c[0], to)
		if r.status != http.StatusTooManyRequests || r.header.Get("Retry-After") == "" {
			s.Errorf("%s: with its quota gone a start is answered %d %v %s", l.name, r.status, r.header, r.body)
		}
		mu.Lock()
		waits[l.name] = r.header.Get("Retry-After") + " s"
		mu.Unlock()
		if v := s.guess(l, 0, live, m.code()); v != approved {
			s.Errorf("%s: the victim's live code is answered %s", l.name, v)
		}
		if l.name != modicaTongue.name && l.name != unityvoxTongue.name {
			if _, mail := s.begin(l, "victim"+to[1:]+"@example.com"); mail.Channel != "email" {
				s.Errorf("%s: the victim's other address is answered with %+v", l.name, mail)
			}
		}
	})
	s.advance(24*time.Hour + time.Second)
	to := fresh() // guesses burnt until the ledger is full: the victim waits a day at most
	s.wear(nativeTongue, to, 8)
	if id, _ := nativeTongue.start(s.c[0], to); id != "" {
		s.Errorf("with a full ledger a start is taken")
	}
	s.advance(24*time.Hour + time.Second)
	id, m := s.begin(nativeTongue, to)
	if v := s.guess(nativeTongue, 0, id, m.code()); v != approved {
		s.Errorf("a day later the right code is answered %s", v)
	}
	return figures{over: over, counted: fmt.Sprintf("live codes of victims good in all; wait for a new one %v; mail open; a burnt ledger is open after 24 h", waits)}
}

// slow opens connections that send a byte a second until the server has had
// enough, and returns how long the last one was kept.
func slow(s *siege, base string, n int, head string) time.Duration {
	began := time.Now()
	var all sync.WaitGroup
	var mu sync.Mutex
	var longest time.Duration
	for i := range n {
		all.Go(func() {
			from := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 2, byte(i/200), byte(1+i%200))}, Timeout: 20 * time.Second}
			conn, err := from.Dial("tcp", strings.TrimPrefix(base, "http://"))
			if err != nil {
				s.Errorf("a slow connection is not taken: %v", err)
				return
			}
			defer func() { _ = conn.Close() }()
			opened := time.Now()
			_, err = io.WriteString(conn, head)
			gone := make(chan struct{})
			go func() {
				defer close(gone)
				_, _ = io.Copy(io.Discard, conn) // until the server closes it
			}()
			drip := time.NewTicker(time.Second)
			defer drip.Stop()
			for err == nil && time.Since(opened) < 40*time.Second {
				select {
				case <-gone:
					err = io.EOF
				case <-drip.C:
					_, err = conn.Write([]byte("a"))
				}
			}
			mu.Lock()
			defer mu.Unlock()
			longest = max(longest, time.Since(opened))
		})
	}
	all.Wait()
	if longest > 20*time.Second {
		s.Errorf("a slow connection was kept for %v, all of them for %v", longest, time.Since(began))
	}
	return longest
}

var oneFlood sync.Mutex // ten thousand sockets of one engine are as many as a process may have

func transportAttacks(s *siege) figures {
	if s.full {
		oneFlood.Lock()
		defer oneFlood.Unlock()
	}
	base := s.c[0].base
	quiet := honest(s, "globex-key")
	<-time.After(time.Duration(s.pick(500, 5000)) * time.Millisecond) // a measurement without an attack
	_, calm := quiet()
	loud := honest(s, "globex-key")
	n := s.pick(300, 9000)
	var headers, bodies time.Duration
	var all sync.WaitGroup
	all.Go(func() { headers = slow(s, base, n, "POST /v1/verifications HTTP/1.1\r\nHost: x\r\nX-Slow: ") })
	all.Go(func() {
		if !s.full {
			return // it takes the ten seconds that a request may have
		}
		bodies = slow(s, base, n/10, "POST /v1/verifications HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer demo-key\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{")
	})
	all.Wait()
	pairs, busy := loud()
	s.unmoved(calm, busy)
	smuggled := s.smuggle(base)
	h2 := s.abuseHTTP2()
	return figures{over: "the transport, which all share", counted: fmt.Sprintf(
		"%d slow headers closed within %v, %s; %d honest pairs, p99 %v, before %v; %s; %s",
		n, headers.Round(time.Second), map[bool]string{true: fmt.Sprintf("%d slow bodies within %v", n/10, bodies.Round(time.Second)), false: "slow bodies in the full form only"}[s.full], pairs, busy.Round(time.Millisecond), calm.Round(time.Millisecond), smuggled, h2)}
}

// smuggle sends what two readers could read in two ways, with a start for a
// victim behind it, and other misuse of HTTP/1.1.
func (s *siege) smuggle(base string) string {
	victim := "+18095550142" // replaced in each case by one of its own
	inner := fmt.Sprintf(`{"to":%q}`, victim)
	hidden := fmt.Sprintf("POST /v1/verifications HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer demo-key\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(inner), inner)
	head := "POST /v1/verifications HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer demo-key\r\nContent-Type: application/json\r\n"
	cases := map[string]string{
		"CL and TE":               head + fmt.Sprintf("Content-Length: %d\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 5+len(hidden)) + hidden,
		"TE and CL":               head + "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n" + fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(hidden), hidden),
		"two CL":                  head + fmt.Sprintf("Content-Length: 2\r\nContent-Length: %d\r\n\r\n{}", 2+len(hidden)) + hidden,
		"bare LF in chunk size":   head + "Transfer-Encoding: chunked\r\n\r\n2;\n{}\r\n0\r\n\r\n" + hidden,
		"bare LF ends chunk line": head + "Transfer-Encoding: chunked\r\n\r\n2\n{}\n0\n\n" + hidden,
		"space before colon":      head + "Content-Length : 2\r\n\r\n{}" + hidden,
		"folded TE":               head + "Transfer-Encoding:\r\n chunked\r\nContent-Length: 2\r\n\r\n{}" + hidden,
		"unknown TE":              head + "Transfer-Encoding: xchunked\r\n\r\n{}" + hidden,
		"TE twice":                head + "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n" + hidden,
		"negative CL":             head + "Content-Length: -1\r\n\r\n" + hidden,
		"64 kB of headers":        "POST /v1/verifications HTTP/1.1\r\nHost: x\r\nX-A: " + strings.Repeat("a", 64<<10) + "\r\n\r\n" + hidden,
		"NUL in a header":         head + "X-A: a\x00b\r\nContent-Length: 0\r\n\r\n" + hidden,
		"two hosts":               "POST /v1/verifications HTTP/1.1\r\nHost: x\r\nHost: y\r\nContent-Length: 0\r\n\r\n" + hidden,
		"TRACE":                   "TRACE /v1/verifications HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n" + hidden,
		"CONNECT":                 "CONNECT 127.0.0.1:22 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n" + hidden,
	}
	for name, text := range cases {
		own := fresh()
		status, body := s.wire(base, strings.ReplaceAll(text, victim, own))
		if status/100 != 4 && status != http.StatusNotImplemented {
			s.Errorf("%s is answered %d %.200s", name, status, body)
		}
		if sent := len(s.c[0].inbox(own)); sent != 0 {
			s.Errorf("%s: what was hidden behind it was done: %.300s", name, body)
		}
	}
	withKey(s.c[0], "PUT", "/v1/contacts/8181", `{"sms":"+18095558181"}`)
	for _, name := range []string{"X-HTTP-Method-Override", "X-Method-Override", "X-HTTP-Method"} {
		s.c[0].send("POST", "/v1/contacts/8181", "", "Authorization", "Bearer demo-key", name, "DELETE")
		s.c[0].send("GET", "/v1/contacts/8181?_method=DELETE", "", "Authorization", "Bearer demo-key", name, "DELETE")
	}
	if r := withKey(s.c[0], "GET", "/v1/contacts/8181", ""); r.status != http.StatusOK {
		s.Errorf("a method was overridden: %d %s", r.status, r.body)
	}
	return fmt.Sprintf("%d ways to smuggle: hidden requests done 0", len(cases))
}

// wire sends bytes and reads all answers until the server ends the connection or
// has nothing more to say, so that a second request in them has its time.
func (s *siege) wire(base, text string) (status int, answers string) {
	conn, err := net.Dial("tcp", strings.TrimPrefix(base, "http://"))
	if err != nil {
		s.Error(err)
		return 0, ""
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(time.Second))
	_, _ = io.WriteString(conn, text) // the server may have closed it before its end
	all, _ := io.ReadAll(conn)        // to the end or the deadline
	_, _ = fmt.Sscanf(string(all), "HTTP/1.1 %d", &status)
	return status, string(all)
}

// abuseHTTP2 resets streams as soon as they are open, and never ends a block of
// headers. Afterwards the server works and has not grown.
func (s *siege) abuseHTTP2() string {
	h := newStronghold(s, true)
	h.code(s)
	before := resident(s, h.process)
	resets := s.pick(2000, 100_000)
	h.frames(s, resets, func(f *http2.Framer, i int, block []byte) error {
		stream := uint32(2*i + 1)
		if err := f.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: block, EndHeaders: true, EndStream: true}); err != nil {
			return err
		}
		return f.WriteRSTStream(stream, http2.ErrCodeCancel)
	})
	continued := h.frames(s, 2000, func(f *http2.Framer, i int, block []byte) error {
		if i == 0 {
			return f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: block, EndStream: true})
		}
		return f.WriteContinuation(1, false, bytes.Repeat([]byte{0, 1, 'a', 1, 'b'}, 3000))
	})
	if continued == 2000 {
		s.Errorf("a block of headers of 30 MB was read to its end")
	}
	grown := resident(s, h.process) - before
	if grown > 96<<10 {
		s.Errorf("the process grew by %d kB", grown)
	}
	if id, code := h.code(s); nativeVerdict(&h, id, code) != approved {
		s.Errorf("afterwards the right code is not approved")
	}
	return fmt.Sprintf("HTTP/2: %d resets, CONTINUATION cut after %d frames at most, memory %+d kB", resets, continued, grown)
}

func nativeVerdict(h *stronghold, id, code string) verdict {
	v, _ := nativeTongue.check(h.client, id, code)
	return v
}

// frames writes frames on a fresh connection until the server ends it, and
// returns how many were written.
func (h *stronghold) frames(s *siege, n int, write func(f *http2.Framer, i int, block []byte) error) (written int) {
	address := strings.TrimPrefix(h.client.base, "https://")
	conn, err := tls.Dial("tcp", address, h.roots)
	if err != nil {
		s.Error(err)
		return 0
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	go func() { _, _ = io.Copy(io.Discard, conn) }()
	_, err = io.WriteString(conn, http2.ClientPreface)
	f := http2.NewFramer(conn, nil)
	if err == nil {
		err = f.WriteSettings()
	}
	var block bytes.Buffer
	fields := hpack.NewEncoder(&block)
	for _, one := range [][2]string{{":method", "GET"}, {":scheme", "https"}, {":authority", address}, {":path", "/v1/openapi.json"}} {
		_ = fields.WriteField(hpack.HeaderField{Name: one[0], Value: one[1]}) // into memory
	}
	for err == nil && written < n {
		if err = write(f, written, block.Bytes()); err == nil {
			written++
		}
	}
	return written
}
