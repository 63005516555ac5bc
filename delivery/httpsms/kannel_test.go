package httpsms_test

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aldaba-otp/aldaba/delivery"
	"github.com/aldaba-otp/aldaba/internal/clock"
	"github.com/aldaba-otp/aldaba/internal/spareport"
)

// kannelConfig is a Kannel whose SMSC is the test: the driver "fake" listens,
// and writes one line for each message.
const kannelConfig = `
group = core
admin-port = %d
admin-password = none
smsbox-port = %d
box-allow-ip = 127.0.0.1
log-level = 4
dlr-storage = internal

group = smsc
smsc = fake
smsc-id = fake
port = %d
connect-allow-ip = 127.0.0.1

group = smsbox
bearerbox-host = 127.0.0.1
sendsms-port = %d
sendsms-interface = 127.0.0.1
log-level = 4
http-request-retry = 0

group = sendsms-user
username = tester
password = foobar

group = sms-service
keyword = default
text = none
`

// ports finds free ones.
func ports(t *testing.T, n int) (free []any) {
	t.Helper()
	for range n {
		free = append(free, spareport.For(t))
	}
	return free
}

// begin starts a program that ends with the test.
func begin(t *testing.T, name string, arguments ...string) {
	t.Helper()
	c := exec.Command(name, arguments...)
	c.Dir = t.TempDir()
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = c.Process.Kill()
		_ = c.Wait()
	})
}

// dial tries until somebody listens.
func dial(t *testing.T, port any) net.Conn {
	t.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); <-tick.C {
		if c, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port)); err == nil {
			return c
		}
	}
	t.Fatal("Kannel does not listen")
	return nil
}

// program finds one outside of the user's path too.
func program(name string) string {
	if path, err := exec.LookPath(name); err == nil {
		return path
	}
	if path := "/usr/sbin/" + name; fileThere(path) {
		return path
	}
	return ""
}

func fileThere(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// TestKannel sends through a real Kannel to an SMSC of ours, and takes its
// delivery reports in.
func TestKannel(t *testing.T) {
	t.Parallel()
	bearerbox, smsbox := program("bearerbox"), program("smsbox")
	if bearerbox == "" || smsbox == "" {
		t.Skip("Kannel is not here: apt-get install kannel")
	}
	p := ports(t, 4)
	file := filepath.Join(t.TempDir(), "kannel.conf")
	if err := os.WriteFile(file, fmt.Appendf(nil, kannelConfig, p...), 0o600); err != nil {
		t.Fatal(err)
	}
	begin(t, bearerbox, file)
	smsc := dial(t, p[2])
	defer func() { _ = smsc.Close() }()
	_ = dial(t, p[1]).Close()
	begin(t, smsbox, file)
	_ = dial(t, p[3]).Close()

	var provider delivery.Provider
	reports := make(chan delivery.Report, 10)
	public := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		all, _, err := provider.(delivery.Callback).Callback(r, nil)
		if err != nil {
			t.Errorf("a report: %v", err)
		}
		for _, report := range all {
			reports <- report
		}
	}))
	t.Cleanup(public.Close)
	configured := map[string]any{
		"preset": "kannel", "base_url": fmt.Sprintf("http://127.0.0.1:%d", p[3]), "from": "Acme",
		"vars": map[string]any{"username": "tester"}, "secrets": map[string]any{"password": "foobar", "callback_key": "s3cret"},
	}
	provider = must(t, configured, public.URL+"/receipts/kannel", clock.New(0))
	lines := bufio.NewReader(smsc)
	for _, body := range []string{"Your code is 482913 @ Acme & Co.", "Su código ✓ 482913"} {
		m := message()
		m.Body, m.Expires = body, time.Now().Add(5*time.Minute)
		receipt, err := provider.Send(t.Context(), m)
		if err != nil || !receipt.Expect || len(receipt.IDs) != 1 {
			t.Fatalf("%+v %v", receipt, err)
		}
		_ = smsc.SetReadDeadline(time.Now().Add(20 * time.Second))
		line, err := lines.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		if got := spoken(t, line); got != body {
			t.Errorf("the SMSC got %q of %q", got, line)
		}
		told := map[delivery.State]bool{} // Kannel calls twice, in any order
		for range 2 {
			select {
			case r := <-reports:
				told[r.State] = r.ID == receipt.IDs[0]
			case <-time.After(20 * time.Second):
				t.Fatalf("told only %v", told)
			}
		}
		if !told[delivery.EnRoute] || !told[delivery.Delivered] {
			t.Errorf("told %v", told)
		}
	}
	configured["secrets"] = map[string]any{"password": "wrong-one", "callback_key": "s3cret"}
	_, err := must(t, configured, "", clock.New(0)).Send(t.Context(), message())
	if delivery.ClassOf(err) != delivery.Unavailable || strings.Contains(err.Error(), "wrong-one") {
		t.Errorf("a wrong password: %v", err)
	}
}

// spoken reads the text of a line of the fake SMSC: FROM TO text TEXT, or FROM
// TO data with UCS-2 escaped as in a URL.
func spoken(t *testing.T, line string) string {
	t.Helper()
	parts := strings.SplitN(strings.TrimSuffix(line, "\n"), " ", 4)
	if len(parts) < 4 {
		t.Fatalf("the SMSC got %q", line)
	}
	if parts[2] == "text" {
		return parts[3]
	}
	raw, err := url.QueryUnescape(parts[3])
	if err != nil {
		t.Fatal(err)
	}
	var runes []rune
	for i := 0; i+1 < len(raw); i += 2 {
		runes = append(runes, rune(raw[i])<<8|rune(raw[i+1]))
	}
	return string(runes)
}
