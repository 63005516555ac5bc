package hook_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/aldaba-otp/aldaba/internal/hook"
)

// secret is not one of anybody.
const secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

// received is one call as the other side saw it.
type received struct {
	header http.Header
	body   []byte
}

// serve answers each call as told.
func serve(t *testing.T, status int, header http.Header, body string) (url string, calls <-chan received) {
	t.Helper()
	got := make(chan received, 8)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		payload, _ := io.ReadAll(r.Body)
		got <- received{r.Header, payload}
		for name, values := range header {
			w.Header()[name] = values
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}))
	t.Cleanup(s.Close)
	return s.URL, got
}

func TestAnEventIsSignedAsTheLibraryExpects(t *testing.T) {
	t.Parallel()
	url, calls := serve(t, http.StatusOK, nil, `{"id":"x"}`)
	payload := []byte(`{"type":"message.send","data":{"body":"Su código ✓"}}`)
	answer, err := hook.Post(t.Context(), http.DefaultClient, url, hook.Secrets{Current: secret}, "msg_1", time.Now(), payload)
	if err != nil || answer.Status != http.StatusOK || string(answer.Body) != `{"id":"x"}` || answer.After != 0 {
		t.Fatalf("%+v, %v", answer, err)
	}
	got := <-calls
	if string(got.body) != string(payload) || got.header.Get("Webhook-Id") != "msg_1" || got.header.Get("Content-Type") != "application/json" {
		t.Errorf("%s, %v", got.body, got.header)
	}
	verifier, err := standardwebhooks.NewWebhook(secret)
	if err != nil {
		t.Fatal(err)
	}
	if err := verifier.Verify(got.body, got.header); err != nil {
		t.Error(err)
	}
	if err := verifier.Verify(append(got.body, ' '), got.header); err == nil {
		t.Error("a changed body is verified")
	}
}

// TestBothSecretsSign: while a secret is changed, whoever has either one of them
// accepts a call, in either direction, and nobody else does.
func TestBothSecretsSign(t *testing.T) {
	t.Parallel()
	const young, other = "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", "whsec_BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBA="
	both := hook.Secrets{Current: young, Previous: secret}
	url, calls := serve(t, http.StatusOK, nil, "")
	if _, err := hook.Post(t.Context(), http.DefaultClient, url, both, "msg_1", time.Now(), []byte("{}")); err != nil {
		t.Fatal(err)
	}
	got := <-calls
	for key, want := range map[string]bool{young: true, secret: true, other: false} {
		verifier, err := standardwebhooks.NewWebhook(key)
		if err != nil {
			t.Fatal(err)
		}
		if err := verifier.Verify(got.body, got.header); (err == nil) != want {
			t.Errorf("with %s: %v", key, err)
		}
	}
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for _, c := range []struct {
		secrets hook.Secrets
		want    error
	}{{both, nil}, {hook.Secrets{Current: secret, Previous: young}, nil}, {hook.Secrets{Current: young}, hook.ErrForged}, {hook.Secrets{Current: young, Previous: other}, hook.ErrForged}} {
		if err := hook.Verify(c.secrets, signed(t, now, "{}"), []byte("{}"), now); !errors.Is(err, c.want) {
			t.Errorf("with %v: %v", c.secrets, err)
		}
	}
	if _, err := hook.Post(t.Context(), http.DefaultClient, url, hook.Secrets{Current: young, Previous: "whsec_?"}, "msg_1", now, nil); err == nil {
		t.Error("a malformed previous secret signs")
	}
}

// TestTheExampleOfTheSpecification takes its figures from the libraries' tests.
func TestTheExampleOfTheSpecification(t *testing.T) {
	t.Parallel()
	url, calls := serve(t, http.StatusOK, nil, "")
	at := time.Unix(1614265330, 0)
	if _, err := hook.Post(t.Context(), http.DefaultClient, url, hook.Secrets{Current: secret}, "msg_p5jXN8AQM9LWM0D4loKWxJek", at, []byte(`{"test": 2432232314}`)); err != nil {
		t.Fatal(err)
	}
	if got := (<-calls).header.Get("Webhook-Signature"); got != "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=" {
		t.Errorf("signature %s", got)
	}
}

func TestAnswersAreToldAsTheyAre(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for after, want := range map[string]time.Duration{
		"": 0, "17": 17 * time.Second, "Fri, 02 Jan 2026 03:04:22 GMT": 17 * time.Second, "Fri, 02 Jan 2026 03:04:04 GMT": 0,
		"-1": 0, "soon": 0, "99999999": 24 * time.Hour, "99999999999999999999": 0, "Fri, 02 Jan 2099 03:04:22 GMT": 24 * time.Hour,
	} {
		url, _ := serve(t, http.StatusTooManyRequests, http.Header{"Retry-After": {after}}, "")
		answer, err := hook.Post(t.Context(), http.DefaultClient, url, hook.Secrets{Current: secret}, "msg_1", now, nil)
		if err != nil || answer.Status != http.StatusTooManyRequests || answer.After != want {
			t.Errorf("Retry-After %q: %+v, %v; want %v", after, answer, err, want)
		}
	}
}

func TestAnAnswersBodyIsBounded(t *testing.T) {
	t.Parallel()
	url, _ := serve(t, http.StatusOK, nil, strings.Repeat("x", 1<<20))
	answer, err := hook.Post(t.Context(), http.DefaultClient, url, hook.Secrets{Current: secret}, "msg_1", time.Now(), nil)
	if err != nil || len(answer.Body) != 64<<10 {
		t.Errorf("%d bytes, %v", len(answer.Body), err)
	}
}

func TestABrokenBodyDoesNotUndoTheStatus(t *testing.T) {
	t.Parallel()
	url, _ := serve(t, http.StatusOK, http.Header{"Content-Length": {"100"}}, "short")
	answer, err := hook.Post(t.Context(), http.DefaultClient, url, hook.Secrets{Current: secret}, "msg_1", time.Now(), nil)
	if err != nil || answer.Status != http.StatusOK || answer.Body != nil {
		t.Errorf("%+v, %v", answer, err)
	}
}

func TestErrorsHoldNoPartOfTheURLOrTheSecret(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ url, secret string }{{"https://app.example/\x00s3cret", secret}, {"https://app.example/", "whsec_s3cret!"}} {
		if _, err := hook.Post(t.Context(), http.DefaultClient, c.url, hook.Secrets{Current: c.secret}, "msg_1", time.Now(), nil); err == nil || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%q: %v", c.url, err)
		}
	}
}

func TestSecretsHaveOneForm(t *testing.T) {
	t.Parallel()
	of := func(n int) string { return "whsec_" + base64.StdEncoding.EncodeToString(make([]byte, n)) }
	for text, want := range map[string]bool{
		secret: true, of(24): true, of(64): true, of(23): false, of(65): false, "": false, "whsec_": false, strings.TrimPrefix(secret, "whsec_"): false,
		"whsec_not base64 at all, whatever its length": false, of(32) + "\n": false, strings.TrimRight(of(32), "="): false,
	} {
		if err := hook.CheckSecret(text); (err == nil) != want {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// signed makes the headers of a call, by the library.
func signed(t *testing.T, at time.Time, body string) http.Header {
	t.Helper()
	signer, err := standardwebhooks.NewWebhook(secret)
	if err != nil {
		t.Fatal(err)
	}
	signature, err := signer.Sign("evt_1", at, []byte(body))
	if err != nil {
		t.Fatal(err)
	}
	return http.Header{"Webhook-Id": {"evt_1"}, "Webhook-Timestamp": {strconv.FormatInt(at.Unix(), 10)}, "Webhook-Signature": {signature}}
}

func TestOnlySignedCallsOfNowAreVerified(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	const body = `{"id":"x"}`
	change := func(name, value string) http.Header {
		h := signed(t, now, body)
		h.Set(name, value)
		return h
	}
	good := signed(t, now, body).Get("Webhook-Signature")
	for name, c := range map[string]struct {
		header http.Header
		body   string
		want   bool
	}{
		"as it should be":             {signed(t, now, body), body, true},
		"five minutes old":            {signed(t, now.Add(-5*time.Minute), body), body, true},
		"older":                       {signed(t, now.Add(-5*time.Minute-time.Second), body), body, false},
		"five minutes ahead":          {signed(t, now.Add(5*time.Minute), body), body, true},
		"further ahead":               {signed(t, now.Add(5*time.Minute+time.Second), body), body, false},
		"another body":                {signed(t, now, body), `{"id":"y"}`, false},
		"another id":                  {change("Webhook-Id", "evt_2"), body, false},
		"another time":                {change("Webhook-Timestamp", strconv.FormatInt(now.Unix()+1, 10)), body, false},
		"no number":                   {change("Webhook-Timestamp", "now"), body, false},
		"the largest number":          {change("Webhook-Timestamp", "9223372036854775807"), body, false},
		"the smallest number":         {change("Webhook-Timestamp", "-9223372036854775808"), body, false},
		"no signature":                {change("Webhook-Signature", ""), body, false},
		"a signature without version": {change("Webhook-Signature", strings.TrimPrefix(good, "v1,")), body, false},
		"a newer version":             {change("Webhook-Signature", "v2,"+strings.TrimPrefix(good, "v1,")), body, false},
		"one of two":                  {change("Webhook-Signature", "v1,AAAA "+good), body, true},
		"no headers":                  {http.Header{}, body, false},
	} {
		err := hook.Verify(hook.Secrets{Current: secret}, c.header, []byte(c.body), now)
		if c.want && err != nil || !c.want && !errors.Is(err, hook.ErrForged) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestTheNodeLibraryAgrees has npm's standardwebhooks verify what is posted
// here, and sign what is verified here.
func TestTheNodeLibraryAgrees(t *testing.T) {
	t.Parallel()
	const script = `
const { Webhook } = require("standardwebhooks");
const call = JSON.parse(require("fs").readFileSync(0, "utf8"));
const hook = new Webhook(call.secret);
hook.verify(call.body, call.headers);
let forged = false;
try { hook.verify(call.body + " ", call.headers); } catch { forged = true; }
const at = new Date(), body = '{"id":"✓"}';
const headers = { "webhook-id": "evt_7", "webhook-timestamp": String(Math.floor(at / 1000)), "webhook-signature": hook.sign("evt_7", at, body) };
console.log(JSON.stringify({ forged, body, headers }));
`
	node(t, `require("standardwebhooks")`, nil)
	url, calls := serve(t, http.StatusOK, nil, "")
	if _, err := hook.Post(t.Context(), http.DefaultClient, url, hook.Secrets{Current: secret}, "msg_1", time.Now(), []byte(`{"body":"Su código ✓"}`)); err != nil {
		t.Fatal(err)
	}
	got, headers := <-calls, map[string]string{}
	for name := range got.header {
		headers[strings.ToLower(name)] = got.header.Get(name)
	}
	input, err := json.Marshal(map[string]any{"secret": secret, "body": string(got.body), "headers": headers})
	if err != nil {
		t.Fatal(err)
	}
	var said struct {
		Forged  bool              `json:"forged"`
		Body    string            `json:"body"`
		Headers map[string]string `json:"headers"`
	}
	if err := json.Unmarshal(node(t, script, input), &said); err != nil {
		t.Fatal(err)
	}
	if !said.Forged {
		t.Error("the library takes a changed body")
	}
	back := http.Header{}
	for name, value := range said.Headers {
		back.Set(name, value)
	}
	if err := hook.Verify(hook.Secrets{Current: secret}, back, []byte(said.Body), time.Now()); err != nil {
		t.Errorf("what the library signed: %v", err)
	}
}

// node runs a script; without input it only tells whether it could.
func node(t *testing.T, script string, input []byte) []byte {
	t.Helper()
	command := exec.CommandContext(t.Context(), "node", "-e", script)
	command.Env = os.Environ()
	if root, err := exec.CommandContext(t.Context(), "npm", "root", "-g").Output(); err == nil && os.Getenv("NODE_PATH") == "" {
		command.Env = append(command.Env, "NODE_PATH="+strings.TrimSpace(string(root)))
	}
	command.Stdin = strings.NewReader(string(input))
	out, err := command.Output()
	if err != nil && input == nil {
		t.Skip("needs node and the npm package standardwebhooks 1.1.1 (npm install -g standardwebhooks@1.1.1, or name its folder in NODE_PATH)")
	}
	if err != nil {
		t.Fatalf("node: %v", err)
	}
	return out
}

func FuzzVerify(f *testing.F) {
	f.Add("evt_1", "1614265330", "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=", []byte(`{"test": 2432232314}`))
	f.Add("", "", "", []byte(nil))
	f.Add("a", "-1", "v1 v1, ,v1 v2,x", []byte("{}"))
	f.Fuzz(func(t *testing.T, id, at, signature string, body []byte) {
		h := http.Header{"Webhook-Id": {id}, "Webhook-Timestamp": {at}, "Webhook-Signature": {signature}}
		if err := hook.Verify(hook.Secrets{Current: "whsec_" + strings.Repeat("A", 32)}, h, body, time.Unix(1614265330, 0)); !errors.Is(err, hook.ErrForged) {
			t.Fatalf("%v: nobody has signed this", err)
		}
	})
}
