package e2e

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/aldaba-otp/aldaba/otp/otptest"
)

// linkTenants is acme whose e-mails lead to a page of its application.
func linkTenants(provider, page string) string {
	return "providers:" + provider + `
tenants:
  - name: acme
    home: VE
    routes: [{channel: email, providers: [carrier]}]
    profiles: [{name: default, link: "` + page + `/verify"}]
    credentials:
      - {type: api_key, key: ` + serveKey + `}
`
}

// landing is the application's page: it shows a button, whoever asks, and keeps
// what it could have logged.
type landing struct {
	mu   sync.Mutex
	seen strings.Builder
}

func (l *landing) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	l.mu.Lock()
	defer l.mu.Unlock()
	fmt.Fprintln(&l.seen, r.Method, r.URL, r.Header)
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = w.Write([]byte(`<!DOCTYPE html><title>Confirm</title><button>Confirm</button>`))
}

// TestALinkInAMailSurvivesScanners sends a link by a mail server that others
// wrote, opens it as scanners of mail do, and redeems it as a person does. Then
// it looks for the token in everything that a run writes but the mail itself.
func TestALinkInAMailSurvivesScanners(t *testing.T) {
	t.Parallel()
	address, read := maildir(t)
	spans := &sink{}
	collector := httptest.NewServer(spans)
	defer collector.Close()
	page := &landing{}
	app := httptest.NewServer(page)
	defer app.Close()
	s := newSite(t, "", "log: {level: debug}", fmt.Sprintf("traces: {endpoint: %q, sample: 1}", collector.URL))
	p := s.serve(t)
	p.apply(t, linkTenants(smtpProvider(address), app.URL))
	written := map[string]string{}

	const to = "ana.quispe@example.com"
	started := withKey(p.client, "POST", "/v1/verifications", fmt.Sprintf(`{"to":%q,"purpose":"confirm_address","locale":"es"}`, to))
	id := started.member("id")
	var texts []string
	eventually(t, 20*time.Second, "the mail arrives", func() bool {
		texts = read(to)
		return len(texts) > 0
	})
	link := regexp.MustCompile(`(?m)^(` + regexp.QuoteMeta(app.URL) + `/verify)#token=([A-Za-z0-9_-]{43})\r?$`).FindStringSubmatch(texts[0])
	if started.status != 201 || len(texts) != 1 || link == nil {
		t.Fatalf("a start is answered %d %s; what arrived is %q", started.status, started.body, texts)
	}
	token := link[2]
	raw, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, 10*time.Second, "the hand-over is noted", func() bool { return p.heardOf(id, "sent") })

	for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodOptions} {
		scanner := newClient(t, app.URL)
		if r := scanner.send(method, "/verify#token="+token, "", "User-Agent", "Mozilla/5.0 (scanner)"); r.status != 200 {
			t.Errorf("%s of the page is answered %d", method, r.status)
		}
		for _, target := range []string{"/v1/links/redeem", "/v1/links/redeem?token=" + token} {
			if r := withKey(p.client, method, target, ""); r.status != http.StatusMethodNotAllowed {
				t.Errorf("%s %s is answered %d %s", method, target, r.status, r.body)
			}
		}
	}
	look := withKey(p.client, "GET", "/v1/verifications/"+id, "")
	if look.member("status") != "pending" || look.member("attempts_left") != "5" {
		t.Errorf("after the scanners it is %s", look.body)
	}
	redeem := func(token, more string) reply {
		return withKey(p.client, "POST", "/v1/links/redeem", fmt.Sprintf(`{"token":%q%s}`, token, more))
	}
	stranger := redeem(token[:22]+strings.Repeat("A", 21), "")
	person := redeem(token, `,"purpose":"confirm_address","receipt":true`)
	again := redeem(token, "")
	if stranger.status != 404 || person.status != 200 || person.member("outcome") != "approved" || person.member("id") != id || person.member("receipt") == "" {
		t.Errorf("a stranger is answered %d %s, the person %d %s", stranger.status, stranger.body, person.status, person.body)
	}
	if again.member("outcome") != "used" {
		t.Errorf("the second time it is answered %d %s", again.status, again.body)
	}

	look = withKey(p.client, "GET", "/v1/verifications/"+id, "")
	var seen struct{ Timeline []struct{ Event string } }
	if err := json.Unmarshal([]byte(look.body), &seen); err != nil || len(seen.Timeline) != 3 || seen.Timeline[2].Event != "approved" {
		t.Errorf("the timeline is %s", look.body)
	}
	written["answers"] = started.body + stranger.body + person.body + again.body + look.body
	admin := func(method, path, body string) string {
		return p.admin.send(method, path, body, "Authorization", "Bearer "+adminToken).body
	}
	whose := fmt.Sprintf(`{"tenant":"acme","to":%q}`, to)
	written["trace"], written["personal data"] = admin("POST", "/admin/trace", whose), admin("POST", "/admin/personal-data", whose)
	written["export"], written["metrics"] = admin("GET", "/admin/export", ""), admin("GET", "/metrics", "")
	written["database at work"] = bytesBelow(t, s.dir, "aldaba.db")
	if status := p.end(t, syscall.SIGTERM); status != 0 {
		t.Errorf("it ends with %d", status)
	}
	written["log"], written["database"] = p.said(), bytesBelow(t, s.dir, "aldaba.db")
	spans.mu.Lock()
	written["spans"] = string(spans.seen)
	spans.mu.Unlock()
	page.mu.Lock()
	written["log of the page"] = page.seen.String()
	page.mu.Unlock()
	if !strings.Contains(written["log"], "/v1/links/redeem") {
		t.Error("the log does not tell of the calls")
	}
	for name, text := range written {
		if text == "" {
			t.Errorf("%s: nothing was written", name)
		}
		for _, leak := range otptest.Leaks([]byte(text), token, string(raw[16:])) {
			t.Errorf("%s: %s", name, leak)
		}
		t.Logf("%s: %d bytes", name, len(text))
	}
}
