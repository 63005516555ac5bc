package smtp

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aldaba-otp/aldaba/delivery"
	"github.com/aldaba-otp/aldaba/internal/spareport"
)

// run starts a program that listens on a port, waits for that, and ends it
// with the test.
func run(t testing.TB, port int, program string, args ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	c := exec.CommandContext(ctx, program, args...)
	var said bytes.Buffer
	c.Stdout, c.Stderr = &said, &said
	c.WaitDelay = time.Second
	if err := c.Start(); err != nil {
		cancel()
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		_ = c.Wait()
		t.Logf("%s used %v of processor time", program, c.ProcessState.UserTime()+c.ProcessState.SystemTime())
		if t.Failed() {
			t.Logf("%s said:\n%s", program, said.String())
		}
	})
	for tick := time.NewTicker(20 * time.Millisecond); ; <-tick.C {
		conn, err := net.Dial("tcp", "127.0.0.1:"+strconv.Itoa(port))
		if err == nil {
			_ = conn.Close()
			return
		}
		if ctx.Err() != nil {
			t.Fatalf("%s does not listen: %v", program, err)
		}
	}
}

// aiosmtpd starts Debian's python3-aiosmtpd and returns its address and the
// Maildir that it writes to.
func aiosmtpd(t testing.TB, args ...string) (address, maildir string) {
	t.Helper()
	const program = "/usr/bin/aiosmtpd"
	if _, err := os.Stat(program); err != nil {
		t.Skip("Debian's python3-aiosmtpd is not here: apt install python3-aiosmtpd")
	}
	port := spareport.For(t)
	address, maildir = "127.0.0.1:"+strconv.Itoa(port), filepath.Join(t.TempDir(), "mail")
	args = append(args, "-n", "-u", "-l", address, "-c", "aiosmtpd.handlers.Mailbox", maildir)
	run(t, port, program, args...)
	return address, maildir
}

// mailsIn reads a Maildir; aiosmtpd writes lines that end with LF.
func mailsIn(t testing.TB, maildir string) (mails []string) {
	t.Helper()
	files, err := filepath.Glob(maildir + "/new/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		mails = append(mails, strings.ReplaceAll(strings.ReplaceAll(string(text), "\r\n", "\n"), "\n", "\r\n"))
	}
	return mails
}

func TestWithAiosmtpdOverTLS(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	cert := a.certificate(t, "127.0.0.1", time.Hour)
	der, err := x509.MarshalECPrivateKey(cert.PrivateKey.(*ecdsa.PrivateKey))
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	certFile, keyFile := filepath.Join(folder, "cert.pem"), filepath.Join(folder, "key.pem")
	for name, block := range map[string]*pem.Block{
		certFile: {Type: "CERTIFICATE", Bytes: cert.Certificate[0]}, keyFile: {Type: "EC PRIVATE KEY", Bytes: der},
	} {
		if err := os.WriteFile(name, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	key := signingKeys(t)[0]
	for mode, args := range map[string][]string{
		"starttls": {"--tlscert", certFile, "--tlskey", keyFile},
		"implicit": {"--smtpscert", certFile, "--smtpskey", keyFile},
	} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			address, maildir := aiosmtpd(t, args...)
			settings := plainly(address, given{
				"tls": mode, "tls_ca_file": a.file, "dkim": map[string]any{"domain": "acme.example", "selector": "mail2026", "key": key.pem},
			})
			p := opened(t, settings)
			m := letterTo("ñandú@bücher.example")
			m.Subject, m.Body = "Su código", ".\nSu código es 482913.\n..\n"+strings.Repeat("ñ", 3000)
			if _, err := p.Send(t.Context(), m); err != nil {
				t.Fatal(err)
			}
			mails := mailsIn(t, maildir)
			if len(mails) != 1 {
				t.Fatalf("%d mails arrived", len(mails))
			}
			// The server puts its own lines in front.
			signed := mails[0][strings.Index(mails[0], "DKIM-Signature:"):]
			if got := read(t, signed); got.text != m.Body || !strings.Contains(got.html, ">482913</strong>") {
				t.Errorf("it arrived as %+v", got)
			}
			delete(settings, "tls_ca_file")
			_, err := opened(t, settings).Send(t.Context(), m)
			classed(t, err, delivery.Unavailable, "certificate_authority")
		})
	}
}

func TestWithAiosmtpdInMass(t *testing.T) {
	t.Parallel()
	address, maildir := aiosmtpd(t)
	p := opened(t, plainly(address))
	const messages = 1000
	began := time.Now()
	var sends sync.WaitGroup
	for worker := range 8 {
		sends.Go(func() {
			for i := worker; i < messages; i += 8 {
				m := letterTo(fmt.Sprintf("a%d@example.com", i))
				m.ID = fmt.Sprintf("id-%d", i)
				if _, err := p.Send(t.Context(), m); err != nil {
					t.Error(err)
				}
			}
		})
	}
	sends.Wait()
	took := time.Since(began)
	seen := map[string]int{}
	for _, m := range mailsIn(t, maildir) {
		seen[read(t, m).header.Get("Message-Id")]++
	}
	for id, n := range seen {
		if n != 1 {
			t.Errorf("%s arrived %d times", id, n)
		}
	}
	if len(seen) != messages {
		t.Errorf("%d of %d arrived", len(seen), messages)
	}
	t.Logf("%d messages to aiosmtpd in %v: %.0f/s, none lost, none twice", messages, took.Round(time.Millisecond), messages/took.Seconds())
}

// TestWithMaildev needs npm's maildev 2.2.1; MAILDEV names its program.
func TestWithMaildev(t *testing.T) {
	t.Parallel()
	program := os.Getenv("MAILDEV")
	if program == "" {
		found, err := exec.LookPath("maildev")
		if err != nil {
			t.Skip("npm's maildev is not here: npm install maildev@2.2.1 outside of the repository and set MAILDEV to node_modules/.bin/maildev")
		}
		program = found
	}
	port, web := spareport.For(t), spareport.For(t)
	run(t, port, program, "--ip", "127.0.0.1", "--web-ip", "127.0.0.1", "--smtp", strconv.Itoa(port), "--web", strconv.Itoa(web),
		"--incoming-user", "user", "--incoming-pass", "hunter2-secret", "--mail-directory", t.TempDir())
	address := "127.0.0.1:" + strconv.Itoa(port)
	_, err := opened(t, plainly(address, given{"username": "user", "password": "wrong-password"})).Send(t.Context(), letterTo("ana@example.com"))
	classed(t, err, delivery.Unavailable, "535")
	p := opened(t, plainly(address, given{"username": "user", "password": "hunter2-secret"}))
	m := letterTo("ana@bücher.example")
	m.Subject, m.From, m.Body = "Su código está aquí: 日本語", "Peña & <Söhne>", "Su código es 482913."
	_, err = p.Send(t.Context(), m)
	classed(t, err, delivery.Rejected, "bad_sender")
	m.From = "Peña & Söhne"
	if _, err := p.Send(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	type box struct{ Address, Name string }
	var mails []struct {
		Subject, Text, HTML string
		From, To            []box
		Envelope            struct{ To []box }
		Headers             map[string]any
	}
	resp, err := http.Get("http://127.0.0.1:" + strconv.Itoa(web) + "/email")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(body, &mails); err != nil || len(mails) != 1 {
		t.Fatalf("%d mails: %v\n%s", len(mails), err, body)
	}
	got := mails[0]
	if got.Subject != m.Subject || strings.TrimSpace(got.Text) != m.Body || got.From[0].Name != m.From || got.From[0].Address != "no-reply@acme.example" {
		t.Errorf("it arrived as %+v", got)
	}
	// It shows A-labels as what they stand for.
	if len(got.Envelope.To) != 1 || got.Envelope.To[0].Address != m.To || got.Headers["auto-submitted"] != "auto-generated" {
		t.Errorf("envelope %+v, headers %v", got.Envelope, got.Headers)
	}
}

// BenchmarkSend is messages a second to a relay in this process.
func BenchmarkSend(b *testing.B) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go polite(conn)
		}
	}()
	p := opened(b, plainly(l.Addr().String()))
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := p.Send(b.Context(), letterTo("ana@example.com")); err != nil {
				b.Error(err)
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "msg/s")
}
