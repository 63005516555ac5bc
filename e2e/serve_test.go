package e2e

import (
	"crypto/tls"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/aldaba-otp/aldaba/store/storetest/pgcluster"
)

func TestServeRefusesToStartWithoutItsKeyRing(t *testing.T) {
	t.Parallel()
	s := newSite(t, "")
	keys := filepath.Join(s.dir, "keys.json")
	if err := os.Rename(keys, keys+".away"); err != nil {
		t.Fatal(err)
	}
	status, out, text := tell(t, "serve", "--config", s.config)
	if status != 1 || out != "" || !strings.Contains(text, "aldaba key generate") {
		t.Errorf("without a ring it ends with %d, %q, %q", status, out, text)
	}
	if status, _, text := tell(t, "key", "generate", "--out", keys); status != 0 {
		t.Fatalf("key generate ends with %d: %s", status, text)
	}
	p := s.serve(t)
	if status := p.end(t, syscall.SIGTERM); status != 0 {
		t.Fatalf("it ends with %d: %s", status, p.said())
	}
	if err := os.Rename(keys+".away", keys); err != nil {
		t.Fatal(err)
	}
	status, _, text = tell(t, "serve", "--config", s.config)
	if status != 1 || !strings.Contains(text, "another key ring") {
		t.Errorf("with another ring it ends with %d, %q", status, text)
	}
}

func TestServeHasNoDeveloperCalls(t *testing.T) {
	t.Parallel()
	p := newSite(t, "").serve(t)
	for _, call := range []string{
		"GET /dev/inbox", "DELETE /dev/inbox", "POST /dev/clock", "GET /dev/clock", "DELETE /dev/limits", "PUT /dev/simulator",
		"GET /admin/export", "POST /admin/apply", "GET /dev/", "GET /dev/../dev/inbox",
	} {
		method, path, _ := strings.Cut(call, " ")
		if r := p.send(method, path, ""); r.status != http.StatusNotFound || r.header.Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s is answered %d %s", call, r.status, r.body)
		}
	}
}

func TestAdminTakesItsTokenAlone(t *testing.T) {
	t.Parallel()
	p := newSite(t, "").serve(t)
	p.apply(t, serveTenants)
	calls := []string{"POST /admin/apply", "GET /admin/export", "GET /admin/keys", "POST /admin/keys/rotate"}
	for _, call := range calls {
		method, path, _ := strings.Cut(call, " ")
		for _, authorization := range []string{"", "Bearer " + serveKey, "Bearer " + adminToken[1:], "Basic " + adminToken, basicAuth("admin", adminToken)} {
			if r := p.admin.send(method, path, serveTenants, "Authorization", authorization); r.status != 401 || r.header.Get("WWW-Authenticate") == "" {
				t.Errorf("%s with %q is answered %d %s", call, authorization, r.status, r.body)
			}
		}
	}
	exported := p.admin.send("GET", "/admin/export", "", "Authorization", "Bearer "+adminToken)
	for _, secret := range []string{serveKey, "demo-password", "demo-secret", "4D41E00J6KMXABS", adminToken} {
		if exported.status != 200 || strings.Contains(exported.body, secret) {
			t.Errorf("the export is answered %d with the secret %s", exported.status, secret)
		}
	}
	again := p.admin.send("POST", "/admin/apply", exported.body, "Authorization", "Bearer "+adminToken)
	if again.status != 200 || again.member("changes") != "[]" {
		t.Errorf("the export, applied, is answered %d %s", again.status, again.body)
	}
	if r := p.begin(serveKey, fresh()); r.status != 201 {
		t.Errorf("a start is answered %d %s", r.status, r.body)
	}
	before := p.admin.send("GET", "/admin/keys", "", "Authorization", "Bearer "+adminToken).body
	if r := p.admin.send("POST", "/admin/keys/rotate", `{"uses":["code"],"activate":true}`, "Authorization", "Bearer "+adminToken); r.status != 200 ||
		len(r.body) <= len(before) {
		t.Errorf("rotate is answered %d %s", r.status, r.body)
	}
}

func TestAChangeReachesBothServersWithinASecond(t *testing.T) {
	t.Parallel()
	s := newSite(t, postgres(t))
	p := [2]served{s.serve(t), s.serve(t)}
	p[0].apply(t, serveTenants)
	for i, key := range []string{"5b1e9d3c7a2f4e6081b3d5f7092a4c6e8091", "c4e6a8091b3d5f72094b6d8fa1c3e5072941", "e80a2c4f6173958bdf01a3c5e7092b4d6f81"} {
		p[i%2].apply(t, "tenants:\n  - {name: acme, credentials: [{type: api_key, key: "+key+"}]}\n")
		began := time.Now()
		if r := p[i%2].begin(key, fresh()); r.status != 201 {
			t.Errorf("the server that was told answers %d %s", r.status, r.body)
		}
		eventually(t, 5*time.Second, "the other server knows the key", func() bool { return p[1-i%2].begin(key, fresh()).status == 201 })
		if took := time.Since(began); took > time.Second {
			t.Errorf("it took %v", took)
		} else {
			t.Logf("it took %v", took.Round(time.Millisecond))
		}
		if r := p[1-i%2].begin(serveKey, fresh()); r.status != 401 {
			t.Errorf("the revoked key is answered %d", r.status)
		}
	}
}

func TestServeSpeaksTLS(t *testing.T) {
	t.Parallel()
	s := newSite(t, "", "tls: {cert: cert.pem, key: key.pem}")
	pool := s.certificate(t)
	p := s.serve(t)
	transport := p.client.http.Transport.(*http.Transport)
	transport.TLSClientConfig, transport.ForceAttemptHTTP2 = &tls.Config{RootCAs: pool}, true
	p.client.base = strings.Replace(p.client.base, "http:", "https:", 1)
	p.apply(t, serveTenants)
	if r := p.begin(serveKey, fresh()); r.status != 201 {
		t.Errorf("over TLS a start is answered %d %s", r.status, r.body)
	}
	transport.TLSClientConfig = &tls.Config{RootCAs: pool, MaxVersion: tls.VersionTLS11} // it must be refused
	transport.CloseIdleConnections()
	if r := p.begin(serveKey, fresh()); r.status != 0 {
		t.Errorf("over TLS 1.1 a start is answered %d %s", r.status, r.body)
	}
}

func TestServeDrains(t *testing.T) {
	t.Parallel()
	s := newSite(t, "")
	p := s.serve(t)
	p.apply(t, serveTenants)
	if p.begin(serveKey, fresh()).status != 201 {
		t.Fatal("it does not start")
	}
	// Callers go on over connections that are open, until they are closed.
	var mu sync.Mutex
	var all sync.WaitGroup
	status := map[int]int{}
	for range 8 {
		all.Go(func() {
			for last := 1; last != 0; {
				last = p.begin(serveKey, fresh()).status
				mu.Lock()
				status[last]++
				mu.Unlock()
			}
		})
	}
	ready := newClient(t, p.base)
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	eventually(t, 5*time.Second, "it is not ready any more", func() bool { return ready.send("GET", "/readyz", "").status == 503 })
	if r := ready.send("GET", "/healthz", ""); r.status != 200 {
		t.Errorf("while draining /healthz is answered %d", r.status)
	}
	all.Wait()
	if code := p.status(t); code != 0 {
		t.Errorf("it ends with %d: %s", code, p.said())
	}
	delete(status, 201)
	if n := status[0]; n != 8 || len(status) != 1 {
		t.Errorf("answers beside 201, and ends of connections: %v", status)
	}
	// What was acknowledged is there, and the database was closed in order.
	again := s.serve(t)
	if r := again.begin(serveKey, fresh()); r.status != 201 {
		t.Errorf("afterwards a start is answered %d", r.status)
	}
}

// withKey speaks natively with the client's key.
func withKey(c *client, method, path, body string) reply {
	return c.send(method, path, body, "Authorization", "Bearer "+c.key, "Content-Type", "application/json")
}

func TestLogsHoldNoSecret(t *testing.T) {
	t.Parallel()
	s := newSite(t, "", "log: {level: debug}")
	p := s.serve(t)
	p.apply(t, serveTenants)
	secrets := []string{serveKey, "demo-password", "demo-secret", "4D41E00J6KMXABS", adminToken, "guess918273", "918273", "zz-wrong-key", "example.com", "ana.secret"}
	for i := range 40 {
		to := fresh()
		secrets = append(secrets, to[1:], to[5:])
		for _, l := range tongues {
			id, _ := l.start(p.client, to)
			if id != "" {
				l.check(p.client, id, "918273")
			}
		}
		secrets = append(secrets, p.client.token("/connect/token", ""), p.client.token("/oauth2/token", "conversation:access2api"))
		made := withKey(p.client, "POST", "/v1/verifications", fmt.Sprintf(`{"to":"ana.secret%d@example.com","code":"guess918273"}`, i))
		withKey(p.client, "POST", "/v1/verifications/"+made.member("id")+"/check", `{"code":"918273"}`)
		p.send("GET", "/api/get-api/v1/OTP-api/verify?"+unityvoxKey+"&sessionid=x&otp_code=918273", "")
		p.send("GET", "/v1/verifications?to=%2B"+to[1:], "", "Authorization", "Bearer zz-wrong-key")
		p.send("GET", "/no/such/path/918273?key="+serveKey, "")
		p.send("918273", "/v1/verifications", "")
		p.send("POST", "/v1/verifications", `{"code":"918273"`, "X-Request-Id", "bad id 918273 "+serveKey)
	}
	if status := p.end(t, syscall.SIGTERM); status != 0 {
		t.Errorf("it ends with %d", status)
	}
	// The digits of a time may be those of a code.
	log := regexp.MustCompile(`"time":"[^"]*"`).ReplaceAllString(p.said(), `"time":""`)
	requests := 0
	for line := range strings.Lines(log) {
		var entry map[string]any
		if err := json.Unmarshal([]byte(line), &entry); err != nil {
			t.Errorf("no JSON: %s", line)
			continue
		}
		if entry["msg"] == "request" {
			requests++
		}
	}
	for _, secret := range secrets {
		if at := strings.Index(log, secret); at >= 0 && secret != "" {
			t.Errorf("the log holds %q: %s", secret, log[max(0, at-200):min(len(log), at+100)])
		}
	}
	for _, route := range []string{"/v1/verifications/{id}/check", "/otp/1.0/verify", "/rest/2fa/responses", "/v1.0/contacts/"} {
		if !strings.Contains(log, `"route":"`+route) {
			t.Errorf("the log has no route %s: %.2000s", route, log)
		}
	}
	t.Logf("%d lines of requests, %d bytes, %d secrets looked for", requests, len(log), len(secrets))
}

// TestWithoutPostgreSQLNothingIsApproved stops the database below a server and
// starts it again.
func TestWithoutPostgreSQLNothingIsApproved(t *testing.T) {
	t.Parallel()
	base := pgcluster.StartOwn(t, pgcluster.Options{})
	s := start(t, engine{"postgres", func(t *testing.T) string { return base.URL(t) }})
	type pending struct {
		l        tongue
		id, code string
	}
	var all []pending
	for _, l := range tongues {
		to := fresh()
		id, _ := l.start(s.client, to)
		all = append(all, pending{l, id, s.newest(to).code()})
	}
	words := map[string]string{
		"native": `"status":503`, "danaconnect v1": `"responseCode":"99"`, "danaconnect v2": `"code":99`,
		"additiv": `ServiceUnavailable`, "modica": `unavailable`, "unityvox": `"005"`,
	}
	for _, signal := range []syscall.Signal{syscall.SIGINT, syscall.SIGQUIT} {
		if err := base.Kill(signal); err != nil {
			t.Fatal(err)
		}
		for _, p := range all {
			v, r := p.l.check(s.client, p.id, p.code)
			if v != unavailable || r.header.Get("Retry-After") == "" || !strings.Contains(r.body, words[p.l.name]) {
				t.Errorf("%s: without a database the right code is answered %d %v %s", p.l.name, r.status, r.header, r.body)
			}
			if _, r := p.l.start(s.client, fresh()); r.status != 503 || r.header.Get("Retry-After") == "" {
				t.Errorf("%s: without a database a start is answered %d %v %s", p.l.name, r.status, r.header, r.body)
			}
		}
		if r := s.send("GET", "/readyz", ""); r.status != 503 {
			t.Errorf("/readyz is answered %d", r.status)
		}
		if r := s.send("GET", "/healthz", ""); r.status != 200 {
			t.Errorf("/healthz is answered %d", r.status)
		}
		if err := base.Restart(); err != nil {
			t.Fatal(err)
		}
		eventually(t, 20*time.Second, "it is ready again", func() bool { return s.send("GET", "/readyz", "").status == 200 })
	}
	for _, p := range all {
		if v, r := p.l.check(s.client, p.id, p.code); v != approved {
			t.Errorf("%s: with its database again the right code is answered %d %s", p.l.name, r.status, r.body)
		}
		if v, _ := p.l.check(s.client, p.id, p.code); v == approved {
			t.Errorf("%s: it is approved twice", p.l.name)
		}
	}
}
