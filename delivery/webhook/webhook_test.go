package webhook_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/aldaba-otp/aldaba/delivery"
	"github.com/aldaba-otp/aldaba/delivery/deliverytest"
	"github.com/aldaba-otp/aldaba/delivery/webhook"
	"github.com/aldaba-otp/aldaba/internal/clock"
)

const (
	secret     = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	apiKey     = "k3y-of-the-application"
	pathSecret = "p4th-of-the-application"
)

// application is what an operator would write: it verifies, tells repeats by
// the id, and keeps what it took.
type application struct {
	mu       sync.Mutex
	answer   func(http.ResponseWriter) bool // true when it has answered
	taken    map[string]string              // webhook-id: text
	payloads []string
	faults   []string
}

func (a *application) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	body, _ := io.ReadAll(r.Body)
	verifier, err := standardwebhooks.NewWebhook(secret)
	if err == nil {
		err = verifier.Verify(body, r.Header)
	}
	if err != nil {
		a.faults = append(a.faults, err.Error())
	}
	if got := r.Header.Get("X-Api-Key"); got != apiKey {
		a.faults = append(a.faults, "X-Api-Key: "+got)
	}
	if a.answer != nil && a.answer(w) {
		return
	}
	var event struct{ Data struct{ ID, Body string } }
	if err := json.Unmarshal(body, &event); err != nil || event.Data.ID != r.Header.Get("Webhook-Id") {
		a.faults = append(a.faults, fmt.Sprintf("id %q in %s: %v", event.Data.ID, body, err))
	}
	a.taken[event.Data.ID] = event.Data.Body
	a.payloads = append(a.payloads, string(body))
}

// status makes it answer so.
func (a *application) status(code int, header, body string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.answer = func(w http.ResponseWriter) bool {
		if header != "" {
			w.Header().Set("Retry-After", header)
		}
		w.WriteHeader(code)
		_, _ = io.WriteString(w, body)
		return true
	}
}

func (a *application) heal() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.answer = nil
}

func (a *application) bodies() (all []string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, text := range a.taken {
		all = append(all, text)
	}
	return all
}

// world is a provider and its application.
type world struct {
	*application
	provider delivery.Provider
	server   *deliverytest.Chaos
}

// start opens a provider; what is given changes its settings.
func start(t *testing.T, change map[string]any) world {
	t.Helper()
	a := &application{taken: map[string]string{}}
	server := deliverytest.NewChaos(t, a)
	values := map[string]any{
		"url": server.URL + "/" + pathSecret, "secret": secret, "allow": []any{"127.0.0.0/8"}, "ca": string(server.CA),
		"headers": map[string]any{"X-Env": "test"}, "secret_headers": map[string]any{"x-api-key": apiKey},
	}
	for key, value := range change {
		values[key] = value
	}
	p, err := open(values, clock.New(0))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if len(a.faults) > 0 {
			t.Errorf("the application complains: %q", a.faults)
		}
	})
	return world{a, p, server}
}

func open(values map[string]any, c *clock.Clock) (delivery.Provider, error) {
	return webhook.Type().Open(delivery.Settings{Name: "app", Values: values, Clock: c, Log: slog.New(slog.DiscardHandler)})
}

func TestProvider(t *testing.T) {
	t.Parallel()
	deliverytest.Run(t, func(t *testing.T) deliverytest.Harness {
		w := start(t, nil)
		return deliverytest.Harness{
			Provider: w.provider,
			Refuse: func(c delivery.Class) bool {
				codes := map[delivery.Class]int{delivery.Rejected: 422, delivery.Throttled: 429, delivery.Unavailable: 503}
				w.status(codes[c], "", deliverytest.Message().Body)
				return true
			},
			Heal:    w.heal,
			Slow:    func() { w.server.Set(deliverytest.Slow) },
			Garble:  func() { w.server.Set(deliverytest.Garbage) },
			Carried: w.bodies,
			Repeats: true,
			Secrets: []string{secret, apiKey, pathSecret},
		}
	})
}

func TestTheApplicationGetsTheWholeMessage(t *testing.T) {
	t.Parallel()
	w := start(t, nil)
	m := deliverytest.Message()
	m.Created, m.Expires = time.Date(2026, 1, 2, 3, 4, 5, 678000000, time.UTC), time.Date(2026, 1, 2, 3, 9, 5, 0, time.FixedZone("", 3600))
	m.Channel, m.To, m.Subject, m.Body, m.Params = "email", "ana@example.com", "Su código", "Su código es 482913 ✓\n<b>", map[string]string{"template": "otp"}
	if _, err := w.provider.Send(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	var got, want any
	if err := json.Unmarshal([]byte(w.payloads[0]), &got); err != nil {
		t.Fatal(err)
	}
	const expected = `{"type":"message.send","timestamp":"2026-01-02T03:04:05.678Z","data":{
		"id":"0198c0de-0000-7000-8000-000000000001","verification_id":"0198c0de-0000-7000-8000-000000000002","tenant":"acme",
		"channel":"email","to":"ana@example.com","country":"DO","from":"Acme","subject":"Su código","body":"Su código es 482913 ✓\n<b>",
		"code":"482913","brand":"Acme","locale":"en","params":{"template":"otp"},"expires_at":"2026-01-02T02:09:05Z"}}`
	if err := json.Unmarshal([]byte(expected), &want); err != nil {
		t.Fatal(err)
	}
	if a, b := fmt.Sprint(got), fmt.Sprint(want); a != b {
		t.Errorf("got  %s\nwant %s", a, b)
	}
	if call := w.server.Calls()[0]; call.Method != http.MethodPost || call.Header.Get("X-Env") != "test" {
		t.Errorf("%+v", call)
	}
}

func TestEachStatusHasItsClass(t *testing.T) {
	t.Parallel()
	classes := map[delivery.Class][]int{
		delivery.Rejected:    {400, 402, 406, 409, 410, 411, 413, 414, 415, 422, 451, 499},
		delivery.Throttled:   {429},
		delivery.Unavailable: {300, 301, 302, 307, 308, 304, 401, 403, 404, 405, 407, 408, 421, 425, 426, 500, 501, 502, 503, 504, 529, 599, 600, 999},
	}
	w := start(t, nil)
	for class, codes := range classes {
		for _, code := range codes {
			w.status(code, "", "")
			_, err := w.provider.Send(t.Context(), deliverytest.Message())
			var e *delivery.Error
			if !errors.As(err, &e) || e.Class != class || e.Code != fmt.Sprint(code) {
				t.Errorf("%d: %v, want %v", code, err, class)
			}
		}
	}
	for _, code := range []int{200, 201, 202, 204, 299} {
		w.status(code, "", "")
		if _, err := w.provider.Send(t.Context(), deliverytest.Message()); err != nil {
			t.Errorf("%d: %v", code, err)
		}
	}
}

func TestTheApplicationMayAskToWait(t *testing.T) {
	t.Parallel()
	w := start(t, nil)
	for code, want := range map[int]time.Duration{429: 9 * time.Second, 503: 9 * time.Second, 422: 0} {
		w.status(code, "9", "")
		_, err := w.provider.Send(t.Context(), deliverytest.Message())
		var e *delivery.Error
		if !errors.As(err, &e) || e.After != want {
			t.Errorf("%d: %+v, want %v", code, e, want)
		}
	}
}

// patience is the timeout for a mode: short where it will run out, but long
// enough for a handshake on a busy machine.
func patience(m deliverytest.Mode) map[string]any {
	if m == deliverytest.Slow || m == deliverytest.Drip {
		return map[string]any{"timeout": "2s"}
	}
	return nil
}

func TestApplicationsThatMisbehaveAreClassed(t *testing.T) {
	t.Parallel()
	want := map[deliverytest.Mode]delivery.Class{
		deliverytest.Slow: delivery.Unknown, deliverytest.Reset: delivery.Unknown, deliverytest.Garbage: delivery.Unknown,
		deliverytest.WrongName: delivery.Unavailable, deliverytest.Expired: delivery.Unavailable, deliverytest.Untrusted: delivery.Unavailable,
		deliverytest.ThrottleSeconds: delivery.Throttled, deliverytest.ThrottleDate: delivery.Throttled, deliverytest.Redirect: delivery.Unavailable,
	}
	for _, mode := range deliverytest.AllModes() {
		t.Run(mode.String(), func(t *testing.T) {
			t.Parallel()
			w := start(t, patience(mode))
			w.server.RedirectTo(w.server.URL + "/elsewhere")
			w.server.Set(mode)
			m := deliverytest.Message()
			_, err := w.provider.Send(t.Context(), m)
			var e *delivery.Error
			if !errors.As(err, &e) || e.Class != want[mode] {
				t.Fatalf("%v, want %v", err, want[mode])
			}
			off := (deliverytest.RetryAfter - e.After).Abs()
			if mode == deliverytest.ThrottleSeconds && off != 0 || mode == deliverytest.ThrottleDate && off > 10*time.Second {
				t.Errorf("it waits %v", e.After)
			}
			for _, hidden := range []string{m.Code, m.To[1:], secret, apiKey, pathSecret, "elsewhere"} {
				if strings.Contains(err.Error(), hidden) {
					t.Errorf("%q tells %q", err, hidden)
				}
			}
			if n := len(w.server.Calls()); n > 1 {
				t.Errorf("%d calls", n)
			}
		})
	}
}

// TestTakenIsTakenWhateverTheBody has answers of 200 that tell of something
// else: the status alone counts, as Standard Webhooks says.
func TestTakenIsTakenWhateverTheBody(t *testing.T) {
	t.Parallel()
	for _, mode := range []deliverytest.Mode{deliverytest.ErrorBody, deliverytest.Huge, deliverytest.Drip} {
		t.Run(mode.String(), func(t *testing.T) {
			t.Parallel()
			w := start(t, patience(mode))
			w.server.Set(mode)
			r, err := w.provider.Send(t.Context(), deliverytest.Message())
			if err != nil || !slices.Equal(r.IDs, []string{deliverytest.Message().ID}) {
				t.Errorf("%+v, %v", r, err)
			}
		})
	}
}

func TestTheReceiptsIDIsTheApplicationsOrTheMessages(t *testing.T) {
	t.Parallel()
	w := start(t, nil)
	own := deliverytest.Message().ID
	for body, want := range map[string]string{
		`{"id":"app-17"}`: "app-17", `{"id":"wamid.HBgLMTgwOT=="}`: "wamid.HBgLMTgwOT==", ``: own, `ok`: own, `[]`: own, `{}`: own, `{"id":17}`: own,
		`{"id":""}`: own, `{"id":"a b"}`: own, `{"id":"a\nb"}`: own, `{"id":"ñ"}`: own, `{"id":"a","id":"b"}`: own,
		`{"id":"sent 482913"}`: own, `{"id":"x482913"}`: own, `{"id":"to-18091234567"}`: own,
		`{"id":"` + strings.Repeat("x", 128) + `"}`: strings.Repeat("x", 128), `{"id":"` + strings.Repeat("x", 129) + `"}`: own,
	} {
		w.status(http.StatusAccepted, "", body)
		r, err := w.provider.Send(t.Context(), deliverytest.Message())
		if err != nil || !slices.Equal(r.IDs, []string{want}) || r.Expect || r.Delivered {
			t.Errorf("%s: %+v, %v; want %s", body, r, err, want)
		}
	}
}

func TestTheHouseIsNotCalledUnlessItIsAllowed(t *testing.T) {
	t.Parallel()
	w := start(t, nil)
	port := w.server.URL[strings.LastIndex(w.server.URL, ":"):]
	p, err := open(map[string]any{"url": "https://localhost" + port, "secret": secret, "ca": string(w.server.CA)}, clock.New(0))
	if err != nil {
		t.Fatal(err)
	}
	_, err = p.Send(t.Context(), deliverytest.Message())
	if delivery.ClassOf(err) != delivery.Unavailable || !strings.Contains(err.Error(), "localhost: resolves to an address that is loopback") {
		t.Error(err)
	}
	if n := len(w.server.Calls()); n != 0 {
		t.Errorf("%d calls", n)
	}
}

// TestATurnedClockDoesNotMakeSignaturesStale is about `aldaba dev`.
func TestATurnedClockDoesNotMakeSignaturesStale(t *testing.T) {
	t.Parallel()
	a := &application{taken: map[string]string{}}
	server := deliverytest.NewChaos(t, a)
	p, err := open(map[string]any{
		"url": server.URL, "secret": secret, "allow": []any{"127.0.0.1"}, "ca": string(server.CA), "headers": map[string]any{"X-Api-Key": apiKey},
	}, clock.New(24*time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Send(t.Context(), deliverytest.Message()); err != nil || len(a.faults) != 0 {
		t.Errorf("%v, %q", err, a.faults)
	}
}

func TestMistakesInSettingsAreToldAtOnce(t *testing.T) {
	t.Parallel()
	_, err := open(map[string]any{
		"url": "http://u:p@10.0.0.1/" + pathSecret, "secret": "hunter2", "allow": []any{"10.0.0.1/8", "192.168.0.0/16"}, "ca": "none", "timeout": "1m",
		"headers":        map[string]any{"Host": "x", "Webhook-Id": "x", "a b": "x", "X-A": "x\r\nY: z", "x-b": "1"},
		"secret_headers": map[string]any{"X-B": "2"}, "channel": "sms",
	}, clock.New(0))
	var faults delivery.Faults
	if !errors.As(err, &faults) {
		t.Fatal(err)
	}
	var paths []string
	for _, f := range faults {
		paths = append(paths, f.Path)
		if !strings.HasPrefix(f.Message, "must ") && !strings.HasPrefix(f.Message, "is ") {
			t.Errorf("%s: %s", f.Path, f.Message)
		}
	}
	want := []string{
		"channel", "allow[0]", "url", "secret", "timeout", "ca", "headers.Host", "headers.Webhook-Id", "headers.X-A", "headers.a b", "secret_headers.X-B",
	}
	if !slices.Equal(paths, want) {
		t.Errorf("got  %q\nwant %q", paths, want)
	}
	if text := err.Error(); strings.Contains(text, "hunter2") || strings.Contains(text, pathSecret) {
		t.Errorf("it tells a secret: %s", text)
	}
	if _, err := open(map[string]any{}, clock.New(0)); err == nil || !strings.Contains(err.Error(), "url: must be given") {
		t.Error(err)
	}
}

func TestURLsOfTheHouseAreNoSettings(t *testing.T) {
	t.Parallel()
	for _, url := range []string{
		"https://127.0.0.1/", "https://[::1]/", "https://10.0.0.1/", "https://172.16.0.1/", "https://192.168.0.1/", "https://169.254.169.254/",
		"https://[fd00::1]/", "https://[::ffff:127.0.0.1]/", "https://0.0.0.0/", "https://2130706433/", "https://0177.0.0.1/", "gopher://app.example/",
		"file:///etc/passwd", "https://app.example:22/", "https://app.example:25/", "https://app.example:6379/", "https://u:p@app.example/",
		"http://app.example/", "https://127.0.0.1:8081/",
	} {
		_, err := open(map[string]any{"url": url, "secret": secret}, clock.New(0))
		var faults delivery.Faults
		if !errors.As(err, &faults) || len(faults) != 1 || faults[0].Path != "url" {
			t.Errorf("%s: %v", url, err)
		}
	}
}
