package e2e

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/aldaba-otp/aldaba/app"
)

// Secrets of the tenants' challenges.
const (
	turnstileSecret = "0x4AAAAAAA-turnstile-s3cret"
	hcaptchaSecret  = "ES_hcaptcha-s3cret"
)

// verifiers stands in for Turnstile, hCaptcha and an application: a token that
// begins with "good" is passed once, and about "slow" nothing is said in time.
type verifiers struct {
	mu   sync.Mutex
	used map[string]bool
	end  chan struct{}
	ips  []string
}

func newVerifiers(t *testing.T) (*verifiers, string) {
	t.Helper()
	j := &verifiers{used: map[string]bool{}, end: make(chan struct{})}
	mux := http.NewServeMux()
	for path, secret := range map[string]string{"/turnstile": turnstileSecret, "/hcaptcha": hcaptchaSecret} {
		mux.HandleFunc("POST "+path, func(w http.ResponseWriter, r *http.Request) {
			if r.PostFormValue("secret") != secret {
				_, _ = io.WriteString(w, `{"success":false,"error-codes":["invalid-input-secret"]}`)
				return
			}
			_, _ = fmt.Fprintf(w, `{"success":%t,"error-codes":["timeout-or-duplicate"]}`, j.passes(r.PostFormValue("response"), r.PostFormValue("remoteip")))
		})
	}
	verifier, err := standardwebhooks.NewWebhook(hookSecret)
	if err != nil {
		t.Fatal(err)
	}
	mux.HandleFunc("POST /own", func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if err := verifier.Verify(body, r.Header); err != nil {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		token, rest, _ := strings.Cut(strings.TrimPrefix(string(body), `{"token":"`), `","client_ip":"`)
		ip, tenant, _ := strings.Cut(rest, `"`)
		_, _ = fmt.Fprintf(w, `{"passed":%t}`, j.passes(token, ip) && tenant == `,"tenant":"own"}`)
	})
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	t.Cleanup(func() { close(j.end) })
	return j, s.URL
}

func (j *verifiers) passes(token, ip string) bool {
	if token == "slow" {
		<-j.end
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.ips = append(j.ips, ip)
	if j.used[token] {
		return false
	}
	j.used[token] = true
	return strings.HasPrefix(token, "good")
}

const challenged = `
  - name: %[1]s
    countries: ["*"]
    limits: {client: 1/1h}
    challenge: {type: %[2]s, site_key: site-of-%[1]s, url: "%[3]s", secret: "%[4]s"}
    credentials: [{type: api_key, key: key-of-%[1]s}]
`

// TestAChallengeLetsAStartPassThatTheLimitsOfClientsRefuse goes the whole way of
// a browser, once by each type of challenge.
func TestAChallengeLetsAStartPassThatTheLimitsOfClientsRefuse(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, e engine) {
		j, at := newVerifiers(t)
		path := filepath.Join(t.TempDir(), "tenants.yaml")
		file := "tenants:" + fmt.Sprintf(challenged, "turn", "turnstile", at+"/turnstile", turnstileSecret) +
			fmt.Sprintf(challenged, "hcap", "hcaptcha", at+"/hcaptcha", hcaptchaSecret) +
			fmt.Sprintf(challenged, "own", "webhook", at+"/own", hookSecret) +
			fmt.Sprintf(challenged, "wrong", "turnstile", at+"/turnstile", "another-s3cret")
		if err := os.WriteFile(path, []byte(file), 0o600); err != nil {
			t.Fatal(err)
		}
		var log lockedBuilder
		s := run(t, app.DevOptions{
			Data: folder(t), Database: e.database(t), Apply: []string{path},
			Log: slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		})
		const ip = "198.51.100.77"
		var said strings.Builder
		begin := func(tenant, token string) reply {
			body := fmt.Sprintf(`{"to":%q,"client_ip":%q,"challenge":%q}`, fresh(), ip, token)
			if token == "" {
				body = fmt.Sprintf(`{"to":%q,"client_ip":%q}`, fresh(), ip)
			}
			r := s.send("POST", "/v1/verifications", body, "Authorization", "Bearer key-of-"+tenant, "Content-Type", "application/json")
			said.WriteString(r.body)
			return r
		}
		for tenant, kind := range map[string]string{"turn": "turnstile", "hcap": "hcaptcha", "own": "webhook", "wrong": "turnstile"} {
			if r := begin(tenant, ""); r.status != http.StatusCreated {
				t.Fatalf("%s: the first start: %d %s", tenant, r.status, r.body)
			}
			hint := fmt.Sprintf(`"challenge":{"type":"%s","site_key":"site-of-%s"}`, kind, tenant)
			for _, token := range []string{"", "bad-t0ken-" + tenant} {
				if r := begin(tenant, token); r.status != http.StatusTooManyRequests || !strings.Contains(r.body, hint) {
					t.Errorf("%s, token %q: %d %s", tenant, token, r.status, r.body)
				}
			}
			want := http.StatusCreated
			if tenant == "wrong" {
				want = http.StatusTooManyRequests
			}
			if r := begin(tenant, "good-t0ken-"+tenant); r.status != want {
				t.Errorf("%s: with a good token %d %s", tenant, r.status, r.body)
			}
			if r := begin(tenant, "good-t0ken-"+tenant); r.status != http.StatusTooManyRequests {
				t.Errorf("%s: the token again %d %s", tenant, r.status, r.body)
			}
		}
		before := time.Now()
		if r := begin("turn", "slow"); r.status != http.StatusTooManyRequests || time.Since(before) > 9*time.Second {
			t.Errorf("nobody answers: %d %s after %s", r.status, r.body, time.Since(before))
		}
		s.stop()
		for _, ips := range j.ips {
			if ips != ip {
				t.Errorf("told of %q", ips)
			}
		}
		for _, secret := range []string{"t0ken", "s3cret", hookSecret, ip, at} {
			if strings.Contains(log.String(), secret) || strings.Contains(said.String(), secret) {
				t.Errorf("log or answers hold %q", secret)
			}
		}
		for _, why := range []string{"refused with invalid-input-secret", "there was no answer in time"} {
			if !strings.Contains(log.String(), why) {
				t.Errorf("the log does not say %q", why)
			}
		}
	})
}

// lockedBuilder is a text that many write.
type lockedBuilder struct {
	mu   sync.Mutex
	text strings.Builder
}

func (b *lockedBuilder) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *lockedBuilder) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}
