package e2e

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/aldaba-otp/aldaba/otp/otptest"
)

// sink takes spans as a collector does, and keeps their bytes.
type sink struct {
	mu   sync.Mutex
	seen []byte
}

func (s *sink) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	s.mu.Lock()
	s.seen = append(s.seen, body...)
	s.mu.Unlock()
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
	}
}

// TestNothingThatIsWrittenHoldsASecret is T76: it speaks all languages and looks
// for every code, key and address in everything that a run writes but the
// message itself: log, metrics, spans, exports, the answers of the admin
// interface, and the files of the database, in clear, hexadecimal and base64.
//
// CVE-2026-77264, HackerOne 777957 (MTN): an answer held the secret.
func TestNothingThatIsWrittenHoldsASecret(t *testing.T) {
	t.Parallel()
	spans := &sink{}
	collector := httptest.NewServer(spans)
	defer collector.Close()
	s := newSite(t, "", "log: {level: debug}", fmt.Sprintf("traces: {endpoint: %q, sample: 1}", collector.URL))
	p := s.serve(t)
	p.apply(t, serveTenants)
	const code = "Wq7Zx9Kp3Mn5"
	keys := []string{serveKey, "demo-password", "demo-secret", "4D41E00J6KMXABS", adminToken, code, "zz-wrong-key-zz"}
	var addresses []string
	for i := range 10 {
		to, mail := fresh(), fmt.Sprintf("zoraida.quispe%d@example.com", i)
		addresses = append(addresses, to[1:], mail)
		for _, l := range tongues {
			if id, _ := l.start(p.client, to); id != "" {
				l.check(p.client, id, code)
			}
		}
		keys = append(keys, p.client.token("/connect/token", ""), p.client.token("/oauth2/token", "conversation:access2api"))
		made := withKey(p.client, "POST", "/v1/verifications", fmt.Sprintf(`{"to":%q,"code":%q}`, mail, code))
		if made.status != 201 {
			t.Fatalf("a start is answered %d %s", made.status, made.body)
		}
		withKey(p.client, "POST", "/v1/verifications/"+made.member("id")+"/check", `{"code":"`+code+`"}`)
		p.send("GET", "/v1/verifications?to=%2B"+to[1:], "", "Authorization", "Bearer zz-wrong-key-zz")
	}
	admin := func(method, path, body string) string {
		t.Helper()
		r := p.admin.send(method, path, body, "Authorization", "Bearer "+adminToken)
		if r.status != 200 {
			t.Errorf("%s %s is answered %d %s", method, path, r.status, r.body)
		}
		return r.body
	}
	last := fmt.Sprintf(`{"tenant":"acme","to":%q}`, addresses[len(addresses)-1])
	personal := admin("POST", "/admin/personal-data", last) // holds the address that it was asked for, and no other
	written := map[string]string{
		"export": admin("GET", "/admin/export", ""), "metrics": admin("GET", "/metrics", ""), "stats": admin("GET", "/admin/stats", ""),
		"keys": admin("GET", "/admin/keys/status", ""), "trace": admin("POST", "/admin/trace", last), "erase": admin("POST", "/admin/erase", last),
	}
	working := bytesBelow(t, s.dir, "aldaba.db") // with its log, while the server works
	if status := p.end(t, syscall.SIGTERM); status != 0 {
		t.Errorf("it ends with %d", status)
	}
	written["log"], written["database"], written["database at work"] = p.said(), bytesBelow(t, s.dir, "aldaba.db"), working
	spans.mu.Lock()
	written["spans"] = string(spans.seen)
	spans.mu.Unlock()
	written["personal data"] = strings.ReplaceAll(personal, addresses[len(addresses)-1], "")
	for name, text := range written {
		if text == "" {
			t.Errorf("%s: nothing was written", name)
		}
		for _, leak := range otptest.Leaks([]byte(text), append(keys, addresses...)...) {
			t.Errorf("%s: %s", name, leak)
		}
		t.Logf("%s: %d bytes", name, len(text))
	}
	t.Logf("%d secrets and addresses looked for", len(keys)+len(addresses))
}

// bytesBelow reads the files of a folder whose names begin as said.
func bytesBelow(t *testing.T, dir, prefix string) string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, prefix+"*"))
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(data)
	}
	return all.String()
}
