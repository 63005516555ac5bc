package e2e

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net"
	"net/http"
	"net/mail"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aldaba-otp/aldaba/internal/spareport"
)

// envCounterparts set to "required" makes a missing counterpart a failure.
const envCounterparts = "ALDABA_COUNTERPARTS"

// missing skips a test whose counterpart is not on this machine.
func missing(t *testing.T, what string) {
	t.Helper()
	if os.Getenv(envCounterparts) == "required" {
		t.Fatalf("%s is missing; scripts/setup.sh installs it", what)
	}
	t.Skipf("needs %s", what)
}

// program returns the path of a program, or skips.
func program(t *testing.T, name, where string) string {
	t.Helper()
	for _, folder := range append(filepath.SplitList(os.Getenv("PATH")), "/usr/sbin", "/usr/bin") {
		path := filepath.Join(folder, name)
		if s, err := os.Stat(path); err == nil && !s.IsDir() {
			return path
		}
	}
	missing(t, where)
	return ""
}

// modules returns the folder of npm's packages that has one, or skips.
// scripts/setup.sh fills it.
func modules(t *testing.T, name string) string {
	t.Helper()
	folder := os.Getenv("ALDABA_NPM")
	if cache, err := os.UserCacheDir(); folder == "" && err == nil {
		folder = filepath.Join(cache, "aldaba", "npm")
	}
	modules := filepath.Join(folder, "node_modules")
	if _, err := os.Stat(filepath.Join(modules, name, "package.json")); err != nil {
		missing(t, "npm's package "+name+" (scripts/setup.sh; or a folder with node_modules in ALDABA_NPM)")
	}
	return modules
}

// freePort is one that nobody listens on now.
func freePort(t *testing.T) string { t.Helper(); return strconv.Itoa(spareport.For(t)) }

// beside runs a counterpart beside the test and kills it at the test's end.
// Each line that it prints goes to hear.
func beside(t *testing.T, cmd *exec.Cmd, hear func(line []byte)) {
	t.Helper()
	var mu sync.Mutex
	var said bytes.Buffer
	out, in := io.Pipe()
	cmd.Stdout, cmd.Stderr = in, in
	cmd.WaitDelay = time.Second
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			mu.Lock()
			fmt.Fprintln(&said, lines.Text())
			mu.Unlock()
			hear(lines.Bytes())
		}
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // it was killed
		_ = in.Close()
		<-ended
		if t.Failed() {
			t.Logf("%s said:\n%s", filepath.Base(cmd.Path), said.String())
		}
	})
}

// listens waits until somebody listens on a port.
func listens(t *testing.T, port string) {
	t.Helper()
	eventually(t, 30*time.Second, "somebody listens on port "+port, func() bool {
		conn, err := net.Dial("tcp", "127.0.0.1:"+port)
		if err != nil {
			return false
		}
		_ = conn.Close()
		return true
	})
}

// phones are what a counterpart's people have in hand.
type phones struct {
	mu    sync.Mutex
	texts map[string][]string // by bare number or mailbox
}

func newPhones() *phones { return &phones{texts: map[string][]string{}} }

func bare(address string) string { return strings.TrimPrefix(address, "+") }

func (p *phones) show(to, text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.texts[bare(to)] = append(p.texts[bare(to)], text)
}

func (p *phones) read(to string) []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]string(nil), p.texts[bare(to)]...)
}

// center is testdata/smsc.js at work.
type center struct {
	*phones

	port string

	mu        sync.Mutex
	binds     int
	receipts  int
	elsewhere int // receipts over another bind than the message's
}

func newCenter(t *testing.T) *center {
	t.Helper()
	cmd := exec.Command(program(t, "node", "node (Debian's nodejs)"), "testdata/smsc.js")
	cmd.Env = append(os.Environ(), "NODE_PATH="+modules(t, "smpp"))
	c := &center{phones: newPhones()}
	port := make(chan string, 1)
	beside(t, cmd, func(line []byte) {
		var said struct {
			Event, To, Text string
			Port, Binds     int
			Elsewhere       bool
		}
		if json.Unmarshal(line, &said) != nil {
			return
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		switch said.Event {
		case "port":
			port <- fmt.Sprint(said.Port)
		case "bind":
			c.binds = said.Binds
		case "text":
			c.show(said.To, said.Text)
		case "receipt":
			c.receipts++
			if said.Elsewhere {
				c.elsewhere++
			}
		}
	})
	limit := time.NewTimer(30 * time.Second)
	defer limit.Stop()
	select {
	case c.port = <-port:
	case <-limit.C:
		t.Fatal("the short message centre does not start")
	}
	return c
}

// bound waits until so many binds are up.
func (c *center) bound(t *testing.T, n int) {
	t.Helper()
	eventually(t, 30*time.Second, fmt.Sprintf("%d binds are up", n), func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		return c.binds >= n
	})
}

// kannelConf is a gateway with one user, bound to a short message centre.
const kannelConf = `
group = core
admin-port = %[2]s
admin-password = admin-secret
smsbox-port = %[3]s
box-allow-ip = 127.0.0.1
dlr-storage = internal

group = smsc
smsc = smpp
smsc-id = npm
host = 127.0.0.1
port = %[1]s
transceiver-mode = true
smsc-username = aldaba
smsc-password = hush-hus
system-type = ""

group = smsbox
bearerbox-host = 127.0.0.1
bearerbox-port = %[3]s
sendsms-port = %[4]s

group = sendsms-user
username = tester
password = tester-secret
concatenation = true
max-messages = 10
`

// newKannel starts Kannel before a centre and returns the address of its HTTP
// interface.
func newKannel(t *testing.T, c *center) string {
	t.Helper()
	bearer, sms := program(t, "bearerbox", "Debian's kannel"), program(t, "smsbox", "Debian's kannel")
	admin, between, port := freePort(t), freePort(t), freePort(t)
	conf := filepath.Join(t.TempDir(), "kannel.conf")
	if err := os.WriteFile(conf, fmt.Appendf(nil, kannelConf, c.port, admin, between, port), 0o600); err != nil {
		t.Fatal(err)
	}
	quiet := func([]byte) {}
	beside(t, exec.Command(bearer, "-v", "1", conf), quiet)
	listens(t, between)
	beside(t, exec.Command(sms, "-v", "1", conf), quiet)
	listens(t, port)
	c.bound(t, 1)
	return "http://127.0.0.1:" + port
}

// maildir starts aiosmtpd and returns its address and what shows its mail.
func maildir(t *testing.T) (address string, read func(to string) []string) {
	t.Helper()
	port, folder := freePort(t), filepath.Join(t.TempDir(), "mail")
	cmd := exec.Command(program(t, "aiosmtpd", "Debian's python3-aiosmtpd"),
		"-n", "-u", "-l", "127.0.0.1:"+port, "-c", "aiosmtpd.handlers.Mailbox", folder)
	beside(t, cmd, func([]byte) {})
	listens(t, port)
	return "127.0.0.1:" + port, func(to string) []string {
		files, err := filepath.Glob(folder + "/new/*")
		if err != nil {
			t.Fatal(err)
		}
		var texts []string
		for _, name := range files {
			data, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			if at, text := mailOf(t, data); at == to {
				texts = append(texts, text)
			}
		}
		return texts
	}
}

// mailOf reads whom a mail is for and its plain text.
func mailOf(t *testing.T, data []byte) (to, text string) {
	t.Helper()
	m, err := mail.ReadMessage(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	boxes, err := m.Header.AddressList("To")
	if err != nil || len(boxes) != 1 {
		t.Fatalf("a mail is for %v: %v", boxes, err)
	}
	kind, words, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/alternative" {
		t.Fatalf("a mail is %s: %v", kind, err)
	}
	part, err := multipart.NewReader(m.Body, words["boundary"]).NextPart() // the first is the plainest
	if err != nil {
		t.Fatal(err)
	}
	plain, err := io.ReadAll(part)
	if err != nil {
		t.Fatal(err)
	}
	return boxes[0].Address, string(plain)
}

// maildev starts npm's maildev and returns its address and what its REST
// interface shows.
func maildev(t *testing.T) (address string, read func(to string) []string) {
	t.Helper()
	node := program(t, "node", "node (Debian's nodejs)")
	script := filepath.Join(modules(t, "maildev"), "maildev", "bin", "maildev")
	port, web := freePort(t), freePort(t)
	cmd := exec.Command(node, script, "--ip", "127.0.0.1", "--web-ip", "127.0.0.1", "--smtp", port, "--web", web, "--mail-directory", t.TempDir())
	beside(t, cmd, func([]byte) {})
	listens(t, port)
	listens(t, web)
	rest := newClient(t, "http://127.0.0.1:"+web)
	return "127.0.0.1:" + port, func(to string) []string {
		var mails []struct {
			Text string
			To   []struct{ Address string }
		}
		if r := rest.send(http.MethodGet, "/email", ""); r.status != http.StatusOK || json.Unmarshal([]byte(r.body), &mails) != nil {
			t.Fatalf("maildev answers %d %s", r.status, r.body)
		}
		var texts []string
		for _, m := range mails {
			if len(m.To) == 1 && m.To[0].Address == to {
				texts = append(texts, m.Text)
			}
		}
		return texts
	}
}
