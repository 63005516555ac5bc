package webhook_test

import (
	"errors"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/aldaba-otp/aldaba/delivery"
	"github.com/aldaba-otp/aldaba/delivery/deliverytest"
	"github.com/aldaba-otp/aldaba/internal/clock"
)

// reporter opens a provider that takes receipts.
func reporter(t testing.TB, c *clock.Clock) delivery.Callback {
	t.Helper()
	p, err := open(map[string]any{"url": "https://app.example/", "secret": secret, "receipts": true}, c)
	if err != nil {
		t.Fatal(err)
	}
	back, ok := p.(delivery.Callback)
	if !ok {
		t.Fatal("it takes no callbacks")
	}
	return back
}

// call is signed as the application would.
func call(t testing.TB, at time.Time, body string) *http.Request {
	t.Helper()
	signer, err := standardwebhooks.NewWebhook(secret)
	if err != nil {
		t.Fatal(err)
	}
	signature, err := signer.Sign("rcpt_1", at, []byte(body))
	if err != nil {
		t.Fatal(err)
	}
	return &http.Request{Method: http.MethodPost, Header: http.Header{
		"Webhook-Id": {"rcpt_1"}, "Webhook-Timestamp": {strconv.FormatInt(at.Unix(), 10)}, "Webhook-Signature": {signature},
	}}
}

// TestASecretChangesOver: an application that has the old secret only takes what is
// signed with both, and its receipts are taken.
func TestASecretChangesOver(t *testing.T) {
	t.Parallel()
	const young = "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
	w := start(t, map[string]any{"secret": young, "previous_secret": secret, "receipts": true})
	if _, err := w.provider.Send(t.Context(), deliverytest.Message()); err != nil {
		t.Error(err)
	}
	const body = `{"id":"m1","state":"delivered"}`
	back, ok := w.provider.(delivery.Callback)
	if !ok {
		t.Fatal("it takes no callbacks")
	}
	if reports, _, err := back.Callback(call(t, time.Now(), body), []byte(body)); err != nil || len(reports) != 1 {
		t.Errorf("%v, %v", reports, err)
	}
	after, err := open(map[string]any{"url": "https://app.example/", "secret": young, "receipts": true}, clock.New(0))
	if err != nil {
		t.Fatal(err)
	}
	back, ok = after.(delivery.Callback)
	if !ok {
		t.Fatal("it takes no callbacks")
	}
	if _, _, err := back.Callback(call(t, time.Now(), body), []byte(body)); !errors.Is(err, delivery.ErrForged) {
		t.Errorf("without the old secret: %v", err)
	}
	_, err = open(map[string]any{"url": "https://app.example/", "secret": secret, "previous_secret": "whsec_short"}, clock.New(0))
	if err == nil || !strings.Contains(err.Error(), "previous_secret: must be whsec_") {
		t.Errorf("a malformed one: %v", err)
	}
}

func TestReceiptsAreReported(t *testing.T) {
	t.Parallel()
	back := reporter(t, clock.New(0))
	for body, want := range map[string]delivery.Report{
		`{"id":"m1","state":"delivered"}`:                                   {ID: "m1", State: delivery.Delivered},
		`{"id":"m1","state":"en_route","code":"queued"}`:                    {ID: "m1", State: delivery.EnRoute, Code: "queued"},
		`{"id":"m1","state":"failed","code":"30003","note":"unknown"}`:      {ID: "m1", State: delivery.Failed, Code: "30003"},
		`{"id":"m1","state":"failed","code":"call +18091234567"}`:           {ID: "m1", State: delivery.Failed},
		`{"id":"m1","state":"failed","code":17}`:                            {ID: "m1", State: delivery.Failed},
		`{"id":"m","state":"delivered","timestamp":"2026-01-02T03:04:05Z"}`: {ID: "m", State: delivery.Delivered, At: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)},
	} {
		reports, reply, err := back.Callback(call(t, time.Now(), body), []byte(body))
		if err != nil || len(reports) != 1 || reports[0] != want || len(reply.Body) != 0 {
			t.Errorf("%s: %+v, %+v, %v", body, reports, reply, err)
		}
	}
}

func TestReceiptsThatCannotBeReadAreNoForgeries(t *testing.T) {
	t.Parallel()
	back := reporter(t, clock.New(0))
	for _, body := range []string{
		``, `[]`, `{`, `{}`, `{"id":"m1"}`, `{"state":"delivered"}`, `{"id":"","state":"delivered"}`, `{"id":"a b","state":"delivered"}`, `{"id":1,"state":"failed"}`,
		`{"id":"m1","state":"DELIVERED"}`, `{"id":"m1","state":"unknown"}`, `{"id":"m1","state":2}`, `{"id":"m1","id":"m2","state":"failed"}`,
		`{"id":"m1","state":"failed","timestamp":"yesterday"}`, `{"id":"m1","state":"failed","timestamp":17}`,
		`{"id":"` + strings.Repeat("x", 129) + `","state":"failed"}`,
	} {
		reports, _, err := back.Callback(call(t, time.Now(), body), []byte(body))
		if err == nil || errors.Is(err, delivery.ErrForged) || reports != nil {
			t.Errorf("%s: %+v, %v", body, reports, err)
		}
	}
}

func TestForgedReceiptsAreRefused(t *testing.T) {
	t.Parallel()
	back := reporter(t, clock.New(0))
	const body = `{"id":"m1","state":"delivered"}`
	unsigned := &http.Request{Method: http.MethodPost, Header: http.Header{}}
	for name, r := range map[string]*http.Request{
		"unsigned": unsigned, "of an hour ago": call(t, time.Now().Add(-time.Hour), body), "of the future": call(t, time.Now().Add(time.Hour), body),
		"of another body": call(t, time.Now(), body+" "),
	} {
		if reports, _, err := back.Callback(r, []byte(body)); !errors.Is(err, delivery.ErrForged) || reports != nil {
			t.Errorf("%s: %+v, %v", name, reports, err)
		}
	}
}

func TestReceiptsAreJudgedByTheApplicationsTime(t *testing.T) {
	t.Parallel()
	const body = `{"id":"m1","state":"delivered"}`
	if _, _, err := reporter(t, clock.New(time.Hour)).Callback(call(t, time.Now(), body), []byte(body)); err != nil {
		t.Errorf("under a clock that was turned: %v", err)
	}
}

func TestReceiptsAreASetting(t *testing.T) {
	t.Parallel()
	w := start(t, map[string]any{"receipts": true})
	if r, err := w.provider.Send(t.Context(), deliverytest.Message()); err != nil || !r.Expect {
		t.Errorf("%+v, %v", r, err)
	}
	if _, ok := w.provider.(delivery.Callback); !ok {
		t.Error("with receipts it takes no callbacks")
	}
	if _, ok := start(t, nil).provider.(delivery.Callback); ok {
		t.Error("without receipts it takes callbacks")
	}
}

func FuzzCallback(f *testing.F) {
	for _, body := range []string{
		`{"id":"m1","state":"delivered"}`, `{"id":"m1","state":"failed","code":"30003","timestamp":"2026-01-02T03:04:05+01:00"}`, `{`, `{"id":"\u0000","state":""}`,
	} {
		f.Add(body)
	}
	back := reporter(f, clock.New(0))
	f.Fuzz(func(t *testing.T, body string) {
		reports, _, err := back.Callback(call(t, time.Now(), body), []byte(body))
		if errors.Is(err, delivery.ErrForged) {
			t.Fatal("a signed call is called a forgery")
		}
		for _, r := range reports {
			if err != nil || r.ID == "" || len(r.ID) > 128 || strings.ContainsAny(r.ID, " \r\n\x00") || r.State < delivery.EnRoute || r.State > delivery.Failed ||
				delivery.Word(r.Code) != r.Code {
				t.Fatalf("%q: %+v, %v", body, r, err)
			}
		}
		if err == nil && len(reports) != 1 {
			t.Fatalf("%q: %d reports", body, len(reports))
		}
		forged := call(t, time.Now(), body)
		if _, _, err := back.Callback(forged, []byte(body+" ")); !errors.Is(err, delivery.ErrForged) {
			t.Fatalf("%q: a changed body is not a forgery: %v", body, err)
		}
	})
}
