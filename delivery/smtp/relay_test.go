package smtp

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"encoding/base64"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
)

// action is what the test's relay does instead of, or after, an answer.
type action int

const (
	answer action = iota // and go on
	hangUp               // answer, if there is something to say, and close
	mute                 // say nothing until the connection is closed
)

// posted is one message that the relay took.
type posted struct {
	mailFrom string   // the command's line
	rcptTo   []string // the commands' lines
	data     string   // as on the wire, dots taken back
}

// testRelay is an SMTP server that is as strict as a server may be: a line
// ends with CRLF and with nothing else, a message with CRLF.CRLF.
type testRelay struct {
	t        *testing.T
	address  string
	greeting string
	offers   []string // lines of EHLO
	secrets  *tls.Config
	implicit bool
	injected string // said in clear, right behind the answer to STARTTLS

	mu       sync.Mutex
	script   func(verb, line string) (string, action) // "" and answer: as usual
	posts    []posted
	commands []string
	opened   int
	conns    map[net.Conn]bool
}

// startRelay starts a relay on a free port. Options change it before.
func startRelay(t *testing.T, options ...func(*testRelay)) *testRelay {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &testRelay{
		t: t, address: l.Addr().String(), greeting: "220 relay.test ESMTP\r\n", conns: map[net.Conn]bool{},
		offers: []string{"PIPELINING", "8BITMIME", "SMTPUTF8", "ENHANCEDSTATUSCODES"},
	}
	for _, o := range options {
		o(r)
	}
	var served sync.WaitGroup
	served.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			served.Go(func() { r.serve(conn) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		r.hangUpAll()
		served.Wait()
	})
	return r
}

// act sets what the relay does from now on.
func (r *testRelay) act(script func(verb, line string) (string, action)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.script = script
}

// at has the relay do one thing at one command.
func (r *testRelay) at(verb, reply string, a action) {
	r.act(func(v, _ string) (string, action) {
		if v == verb {
			return reply, a
		}
		return "", answer
	})
}

// hangUpAll closes all connections.
func (r *testRelay) hangUpAll() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for c := range r.conns {
		_ = c.Close()
	}
}

func (r *testRelay) took() []posted {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.posts)
}

func (r *testRelay) said(verb string) (lines []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range r.commands {
		if v, _, _ := strings.Cut(c, " "); v == verb {
			lines = append(lines, c)
		}
	}
	return lines
}

func (r *testRelay) connections() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.opened
}

// dialogue is one connection of the relay's.
type dialogue struct {
	*testRelay
	conn    net.Conn
	in      *bufio.Reader
	current posted
	state   string // "", "mail", "rcpt"
}

func (r *testRelay) serve(conn net.Conn) {
	r.mu.Lock()
	r.opened++
	r.conns[conn] = true
	script := r.script
	r.mu.Unlock()
	defer func() {
		_ = conn.Close()
		r.mu.Lock()
		delete(r.conns, conn)
		r.mu.Unlock()
	}()
	d := &dialogue{testRelay: r, conn: conn}
	if r.implicit {
		d.conn = tls.Server(conn, r.secrets)
	}
	d.in = bufio.NewReader(d.conn)
	greeting := r.greeting
	if script != nil {
		reply, a := script("connect", "")
		if reply != "" {
			greeting = reply
		}
		if a == mute {
			_, _ = io.Copy(io.Discard, d.in)
			return
		}
		if a == hangUp {
			_, _ = io.WriteString(d.conn, reply)
			return
		}
	}
	_, _ = io.WriteString(d.conn, greeting)
	for d.command() {
	}
}

// line reads up to CRLF; anything else stays within the line.
func (d *dialogue) line() (string, error) {
	var b []byte
	for {
		part, err := d.in.ReadBytes('\n')
		b = append(b, part...)
		if err != nil {
			return string(b), err
		}
		if bytes.HasSuffix(b, []byte("\r\n")) {
			return string(b[:len(b)-2]), nil
		}
	}
}

func (d *dialogue) command() bool {
	line, err := d.line()
	if err != nil {
		return false
	}
	verb, rest, _ := strings.Cut(line, " ")
	verb = strings.ToUpper(verb)
	d.mu.Lock()
	d.commands = append(d.commands, line)
	d.mu.Unlock()
	if handled, more := d.scripted(verb, line); handled {
		return more
	}
	switch verb {
	case "EHLO":
		d.say("250-relay.test\r\n")
		for _, o := range d.offers {
			if _, secure := d.conn.(*tls.Conn); o != "STARTTLS" || !secure {
				d.say("250-" + o + "\r\n")
			}
		}
		d.say("250 HELP\r\n")
	case "STARTTLS":
		d.say("220 2.0.0 go\r\n" + d.injected)
		d.conn = tls.Server(d.conn, d.secrets)
		d.in, d.state = bufio.NewReader(d.conn), ""
	case "AUTH":
		d.auth(rest)
	case "DATA":
		return d.data()
	case "QUIT":
		d.say("221 2.0.0 bye\r\n")
		return false
	default:
		d.transaction(verb, line)
	}
	return true
}

// transaction answers the commands that make an envelope.
func (d *dialogue) transaction(verb, line string) {
	switch {
	case verb == "MAIL" && d.state == "":
		d.current, d.state = posted{mailFrom: line}, "mail"
		d.say("250 2.1.0 ok\r\n")
	case verb == "RCPT" && d.state != "":
		d.current.rcptTo, d.state = append(d.current.rcptTo, line), "rcpt"
		d.say("250 2.1.5 ok\r\n")
	case verb == "RSET":
		d.state = ""
		d.say("250 2.0.0 ok\r\n")
	default:
		d.say("503 5.5.1 out of order\r\n")
	}
}

func (d *dialogue) scripted(verb, line string) (handled, more bool) {
	d.mu.Lock()
	script := d.script
	d.mu.Unlock()
	if script == nil {
		return false, true
	}
	reply, a := script(verb, line)
	switch {
	case a == mute:
		_, _ = io.Copy(io.Discard, d.in)
		return true, false
	case reply != "" || a == hangUp:
		d.say(reply)
		return true, a == answer
	}
	return false, true
}

func (d *dialogue) say(text string) { _, _ = io.WriteString(d.conn, text) }

func (d *dialogue) data() bool {
	if d.state != "rcpt" {
		d.say("503 5.5.1 no recipient\r\n")
		return true
	}
	d.say("354 go on\r\n")
	var text strings.Builder
	for {
		line, err := d.line()
		if err != nil {
			return false
		}
		if line == "." {
			break
		}
		text.WriteString(strings.TrimPrefix(line, ".") + "\r\n")
	}
	d.state = ""
	handled, more := d.scripted(".", "")
	d.mu.Lock()
	defer d.mu.Unlock()
	if handled {
		return more
	}
	d.current.data = text.String()
	d.posts = append(d.posts, d.current)
	d.say("250 2.0.0 Ok: queued as 4XyZ12ab\r\n")
	return true
}

// auth takes "user" with "hunter2-secret".
func (d *dialogue) auth(how string) {
	mechanism, initial, _ := strings.Cut(how, " ")
	ask := func(challenge string) string {
		d.say("334 " + base64.StdEncoding.EncodeToString([]byte(challenge)) + "\r\n")
		line, _ := d.line()
		text, _ := base64.StdEncoding.DecodeString(line)
		return string(text)
	}
	given, _ := base64.StdEncoding.DecodeString(initial)
	ok := false
	switch mechanism {
	case "PLAIN":
		ok = string(given) == "\x00user\x00hunter2-secret"
	case "LOGIN":
		name, password := ask("Username:"), ask("Password:")
		ok = name == "user" && password == "hunter2-secret"
	case "CRAM-MD5": // the digest is HMAC-MD5 of the challenge, computed beforehand
		ok = ask("<1@relay.test>") == "user 91103a14336abe75ed0c0efd4e2319c2"
	case "XOAUTH2":
		ok = string(given) == "user=user\x01auth=Bearer hunter2-secret\x01\x01"
	}
	if ok {
		d.say("235 2.7.0 welcome\r\n")
	} else {
		d.say("535 5.7.8 no\r\n")
	}
}
