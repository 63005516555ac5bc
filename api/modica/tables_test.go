package modica

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/aldaba-otp/aldaba/internal/httpx"
	"github.com/aldaba-otp/aldaba/otp"
)

func TestEveryKindHasItsAnswer(t *testing.T) {
	t.Parallel()
	want := map[otp.Kind]string{
		otp.Internal:        "500 unavailable",
		otp.Invalid:         "400 send_failed", // what the request gave is told apart before
		otp.Unauthenticated: "401",
		otp.Forbidden:       "401",
		otp.NotFound:        "400 invalid_attrib",
		otp.Ended:           "400 invalid_attrib",
		otp.Inactive:        "400 send_failed",
		otp.Undeliverable:   "400 send_failed",
		otp.NoCredit:        "400 send_failed",
		otp.Throttled:       "429 rate_limited",
		otp.InProgress:      "429 rate_limited",
		otp.KeyReused:       "400 invalid_attrib",
		otp.Unavailable:     "503 unavailable",
	}
	for _, k := range otp.Kinds() {
		a := refusal(&otp.Error{Kind: k, Message: "not for the client"})
		got := word(a.status, "")
		if f, ok := a.body.(failed); ok {
			got = word(a.status, f.Error)
		}
		if got != want[k] {
			t.Errorf("%s is answered %q, want %q", k, got, want[k])
		}
		if later := a.status == http.StatusTooManyRequests || a.status == http.StatusServiceUnavailable; later != (a.wait > 0) {
			t.Errorf("%s is answered %d with a wait of %s", k, a.status, a.wait)
		}
	}
}

func TestEveryOutcomeHasItsStatus(t *testing.T) {
	t.Parallel()
	want := map[otp.Outcome]string{
		otp.OutcomeApproved:   "success",
		otp.OutcomeWrong:      "failed",
		otp.OutcomeUsed:       "failed",
		otp.OutcomeExpired:    "expired",
		otp.OutcomeExhausted:  "failed",
		otp.OutcomeCanceled:   "failed",
		otp.OutcomeSuperseded: "failed",
		otp.OutcomeVoid:       "failed",
		otp.OutcomeThrottled:  "failed",
	}
	for _, o := range otp.Outcomes() {
		if got := statusOf(o); got != want[o] {
			t.Errorf("%s is answered %q, want %q", o, got, want[o])
		}
	}
}

func TestAccept(t *testing.T) {
	t.Parallel()
	const none = ""
	for accept, want := range map[string]string{
		"*/*":                                   plainType,
		"application/*":                         plainType,
		"application/json;q=0.1":                plainType,
		"application/json; charset=utf-8":       plainType,
		vendorType:                              vendorType,
		vendorType + ";q=0.5":                   vendorType,
		"Application/VND.modica.2FA.v1+JSON":    vendorType,
		"application/json, " + vendorType:       vendorType,
		vendorType + ";q=0.5, application/json": plainType,
		vendorType + ";q=0, */*":                plainType,
		"application/*, application/json;q=0":   vendorType,
		"text/html, */*;q=0.1":                  plainType,
		"nonsense":                              plainType,
		"application/vnd.modica.2fa.v2+json":    none,
		"text/html":                             none,
		"*/*;q=0":                               none,
	} {
		got, ok := negotiate([]string{accept})
		if ok != (want != none) || ok && got != want {
			t.Errorf("%s is answered in %q, %t", accept, got, ok)
		}
	}
	if got, ok := negotiate(nil); got != plainType || !ok {
		t.Errorf("no Accept is answered in %q, %t", got, ok)
	}
}

func TestRefusalsBeforeTheCalls(t *testing.T) {
	t.Parallel()
	d := &dialect{service: otp.New(otp.Options{})}
	for status, want := range map[int]string{
		405: `{"error":"not_allowed"}`, 413: `{"error":"too_large"}`, 500: `{"error":"unavailable"}`, 503: `{"error":"unavailable"}`,
	} {
		rec := httptest.NewRecorder()
		r := post(challenges, "")
		r.Header.Set("X-Request-Id", "not-a-uuid")
		d.refuse(rec, r, httpx.Refusal{Status: status, RetryAfter: time.Minute})
		if _, ok := otp.ParseID(rec.Header().Get(requestIDHeader)); !ok || rec.Code != status || rec.Body.String() != want {
			t.Errorf("%d is answered %d %s with the request id %q", status, rec.Code, rec.Body, rec.Header().Get(requestIDHeader))
		}
		if status == 503 && rec.Header().Get("Retry-After") != "60" {
			t.Error("503 is answered without Retry-After")
		}
	}
}
