package challenge_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"

	"github.com/aldaba-otp/aldaba/internal/challenge"
)

const (
	token  = "T0KEN-of-the-browser"
	secret = "0x4AAAAAAAsecret"
)

// vendor answers siteverify and keeps the form that it was posted.
func vendor(t *testing.T, status int, answer string) (at string, posted func() url.Values) {
	t.Helper()
	got := make(chan url.Values, 1)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost || r.Header.Get("Content-Type") != "application/x-www-form-urlencoded" || r.ParseForm() != nil {
			w.WriteHeader(http.StatusBadRequest)
		}
		got <- r.PostForm
		w.WriteHeader(status)
		_, _ = io.WriteString(w, answer)
	}))
	t.Cleanup(s.Close)
	return s.URL, func() url.Values { return <-got }
}

func TestVendorsAreAskedAsTheyDocument(t *testing.T) {
	t.Parallel()
	q := challenge.Question{Secret: secret, SiteKey: "0x4site", Token: token, Client: netip.MustParseAddr("::ffff:192.0.2.7")}
	type ask func(context.Context, challenge.Doer, challenge.Question) (bool, error)
	for name, c := range map[string]struct {
		ask     ask
		sitekey string
	}{"turnstile": {challenge.Turnstile, ""}, "hcaptcha": {challenge.HCaptcha, "0x4site"}} {
		at, posted := vendor(t, 200, `{"success":true,"challenge_ts":"2026-01-02T03:04:05Z","hostname":"app.example","error-codes":[]}`)
		mine := q
		mine.URL = at
		if passed, err := c.ask(t.Context(), http.DefaultClient, mine); !passed || err != nil {
			t.Errorf("%s: %v, %v", name, passed, err)
		}
		f := posted()
		if f.Get("secret") != secret || f.Get("response") != token || f.Get("remoteip") != "192.0.2.7" || f.Get("sitekey") != c.sitekey {
			t.Errorf("%s was posted %v", name, f)
		}
	}
}

// doer keeps where a call would go.
type doer struct{ to string }

func (d *doer) Do(r *http.Request) (*http.Response, error) {
	d.to = r.URL.String()
	return nil, errors.New("not here")
}

func TestVendorsAreWhereTheyDocument(t *testing.T) {
	t.Parallel()
	var d doer
	_, _ = challenge.Turnstile(t.Context(), &d, challenge.Question{})
	if d.to != "https://challenges.cloudflare.com/turnstile/v0/siteverify" {
		t.Error(d.to)
	}
	_, _ = challenge.HCaptcha(t.Context(), &d, challenge.Question{})
	if d.to != "https://api.hcaptcha.com/siteverify" {
		t.Error(d.to)
	}
}

func TestOnlyAClearYesPasses(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		status int
		answer string
		passed bool
		err    string // what the error says; "" for none
	}{
		"passed":              {200, `{"success":true}`, true, ""},
		"not passed":          {200, `{"success":false,"error-codes":["invalid-input-response"]}`, false, ""},
		"no codes":            {200, `{"success":false}`, false, ""},
		"used, by Cloudflare": {200, `{"success":false,"error-codes":["timeout-or-duplicate"]}`, false, ""},
		"used, by hCaptcha":   {200, `{"success":false,"error-codes":["already-seen-response"]}`, false, ""},
		"our secret is wrong": {200, `{"success":false,"error-codes":["invalid-input-secret"]}`, false, "refused with invalid-input-secret"},
		"they are broken":     {200, `{"success":false,"error-codes":["invalid-input-response","internal-error"]}`, false, "refused with internal-error"},
		"a code with a token": {200, `{"success":false,"error-codes":["no ` + token + `"]}`, false, "an error code that is none"},
		"a failure":           {500, `{"success":true}`, false, "answered 500"},
		"a redirect":          {302, `{"success":true}`, false, "answered 302"},
		"no JSON":             {200, token, false, "is not the JSON object"},
		"nothing said":        {200, `{}`, false, "is not the JSON object"},
		"a word":              {200, `{"success":"true"}`, false, "is not the JSON object"},
		"cut":                 {200, `{"success":true,"x":"` + strings.Repeat("x", 17<<10) + `"}`, false, "is not the JSON object"},
	} {
		at, _ := vendor(t, c.status, c.answer)
		passed, err := challenge.Turnstile(t.Context(), http.DefaultClient, challenge.Question{URL: at, Secret: secret, Token: token})
		if passed != c.passed || (err != nil) != (c.err != "") || err != nil && !strings.Contains(err.Error(), c.err) {
			t.Errorf("%s: %v, %v", name, passed, err)
		}
		if err != nil && (strings.Contains(err.Error(), token) || strings.Contains(err.Error(), secret)) {
			t.Errorf("%s: the error tells %v", name, err)
		}
	}
}

func TestAnApplicationIsAsked(t *testing.T) {
	t.Parallel()
	var ids []string
	for name, c := range map[string]struct {
		status int
		answer string
		err    error
		passed bool
		fails  bool
	}{
		"passed":        {200, `{"passed":true}`, nil, true, false},
		"not passed":    {200, `{"passed":false}`, nil, false, false},
		"nothing said":  {200, `{"ok":true}`, nil, false, true},
		"another code":  {201, `{"passed":true}`, nil, false, true},
		"not reachable": {0, "", errors.New("no route"), false, true},
	} {
		post := func(_ context.Context, to, key, id string, payload []byte) (int, []byte, error) {
			const want = `{"token":"` + token + `","client_ip":"2001:db8::1","tenant":"acme"}`
			if to != "https://app.example/judge" || key != secret || string(payload) != want {
				t.Errorf("%s: posted %s to %s", name, payload, to)
			}
			ids = append(ids, id)
			return c.status, []byte(c.answer), c.err
		}
		passed, err := challenge.Application(t.Context(), post, challenge.Question{
			URL: "https://app.example/judge", Secret: secret, Token: token, Tenant: "acme", Client: netip.MustParseAddr("2001:db8::1"),
		})
		if passed != c.passed || (err != nil) != c.fails {
			t.Errorf("%s: %v, %v", name, passed, err)
		}
	}
	for _, id := range ids {
		if id != ids[0] || !strings.HasPrefix(id, "chl_") || strings.Contains(id, token) {
			t.Errorf("ids %v", ids)
		}
	}
}

func FuzzAnswer(f *testing.F) {
	for _, seed := range []string{`{"success":true}`, `{"success":false,"error-codes":["timeout-or-duplicate"]}`, `{"passed":true}`, `[]`, ``} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		post := func(context.Context, string, string, string, []byte) (int, []byte, error) { return 200, body, nil }
		if passed, err := challenge.Application(t.Context(), post, challenge.Question{}); passed && (err != nil || !strings.Contains(strings.ToLower(string(body)), "true")) {
			t.Errorf("%q passed, %v", body, err)
		}
		if passed, err := challenge.Turnstile(t.Context(), canned(body), challenge.Question{}); passed && (err != nil || !strings.Contains(strings.ToLower(string(body)), "true")) {
			t.Errorf("%q passed, %v", body, err)
		} else if err != nil && len(err.Error()) > 100 {
			t.Errorf("%q: %v", body, err)
		}
	})
}

// canned answers each call with the same body.
type canned []byte

func (c canned) Do(*http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(strings.NewReader(string(c)))}, nil
}
