package unityvox

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
	type pair struct{ request, verify string }
	want := map[otp.Kind]pair{
		otp.Internal:        {"500 005", "500 005"},
		otp.Invalid:         {"0 003", "0 024"},
		otp.Unauthenticated: {"0 001", "0 024"},
		otp.Forbidden:       {"0 001", "0 024"},
		otp.NotFound:        {"0 003", "0 024"},
		otp.Ended:           {"0 003", "0 024"},
		otp.Inactive:        {"0 020", "0 024"},
		otp.Undeliverable:   {"0 003", "0 024"},
		otp.NoCredit:        {"0 021", "0 024"},
		otp.Throttled:       {"429 004", "429 004"},
		otp.InProgress:      {"429 004", "429 004"},
		otp.KeyReused:       {"0 003", "0 024"},
		otp.Unavailable:     {"503 005", "503 005"},
	}
	for _, k := range otp.Kinds() {
		e := &otp.Error{Kind: k, Message: "not for the client"}
		request, verify := requestAnswer(e), verifyAnswer(e)
		if got := (pair{word(request.status, request.code), word(verify.status, verify.code)}); got != want[k] {
			t.Errorf("%s is answered %v, want %v", k, got, want[k])
		}
		for _, a := range []answer{request, verify} {
			if later := a.status == http.StatusTooManyRequests || a.status == http.StatusServiceUnavailable; later != (a.wait > 0) {
				t.Errorf("%s is answered %d with a wait of %s", k, a.status, a.wait)
			}
		}
	}
	if a := requestAnswer(&otp.Error{Kind: otp.Invalid, Field: "to"}); a.code != noNumber {
		t.Errorf("a wrong number is answered %s", a.code)
	}
}

func TestEveryOutcomeHasItsCode(t *testing.T) {
	t.Parallel()
	want := map[otp.Outcome]string{
		otp.OutcomeApproved:   "027",
		otp.OutcomeWrong:      "025",
		otp.OutcomeUsed:       "026",
		otp.OutcomeExpired:    "023",
		otp.OutcomeExhausted:  "023",
		otp.OutcomeCanceled:   "023",
		otp.OutcomeSuperseded: "023",
		otp.OutcomeVoid:       "023",
		otp.OutcomeThrottled:  "023",
	}
	for _, o := range otp.Outcomes() {
		if got := outcomeCode(o); got != want[o] {
			t.Errorf("%s is answered %q, want %q", o, got, want[o])
		}
	}
}

// The order of the members is part of the language: it is that of the samples.
func TestEveryCodeHasItsEnvelope(t *testing.T) {
	t.Parallel()
	failure := func(code, middle, text string) string {
		return `{"version":"1.00","code":"` + code + `","status":"error","resultstring":"Failure",` + middle + `"statusmessage":"` + text + `"}`
	}
	const session = `"sessionID":"9f1c",`
	for _, c := range []struct {
		answer answer
		want   string
	}{
		{answer{code: noAccount}, failure("001", "", "Invalid API Key or Account Number")},
		{answer{code: noNumber}, failure("002", "", "Invalid or empty phone_number")},
		{answer{code: notSent, session: "9f1c", hasSession: true}, failure("003", session, "Message could not be sent")},
		{answer{code: tooMany}, failure("004", "", "Too many requests")},
		{answer{code: unavailable}, failure("005", "", "Service unavailable")},
		{answer{code: tooLarge}, failure("006", "", "Request too large")},
		{answer{code: noTemplate}, failure("020", "", "Invalid or empty Message ref_id")},
		{answer{code: noBalance, session: "9f1c", hasSession: true}, failure("021", session, "No Plan or Balance in account")},
		{
			answer{code: sent, phone: "13055551234", session: "9f1c", hasSession: true},
			`{"version":"1.00","code":"022","status":"success","resultstring":"Success","phone_number":"13055551234","sessionID":"9f1c","statusmessage":"Message sent successfully"}`,
		},
		{answer{code: expired, session: "9f1c", hasSession: true}, failure("023", session, "OTP Expired")},
		{answer{code: noSession, hasSession: true}, failure("024", `"sessionID":"",`, "Invalid API / SessionId Combination - No Entry Exists")},
		{answer{code: mismatch, session: "9f1c", hasSession: true}, failure("025", session, "OTP Mismatch")},
		{answer{code: used, session: "9f1c", hasSession: true}, failure("026", session, "OTP already used")},
		{
			answer{code: matched, session: "9f1c", hasSession: true},
			`{"version":"1.00","code":"027","status":"success","resultstring":"Success","sessionID":"9f1c","statusmessage":"OTP Matched"}`,
		},
	} {
		rec := httptest.NewRecorder()
		write(rec, c.answer)
		if rec.Code != http.StatusOK || rec.Body.String() != c.want {
			t.Errorf("%s is written %d %s", c.answer.code, rec.Code, rec.Body)
		}
	}
}

func TestRefusalsBeforeTheCalls(t *testing.T) {
	t.Parallel()
	for status, want := range map[int]string{405: "405", 413: "413 006", 500: "500 005", 503: "503 005"} {
		rec := httptest.NewRecorder()
		refuse(rec, httptest.NewRequest(http.MethodGet, root, nil), httpx.Refusal{Status: status, RetryAfter: time.Minute})
		if got := (speaker{}).Hear(0, rec.Code, nil, rec.Body.Bytes()).Word; got != want {
			t.Errorf("%d is answered %q", status, got)
		}
		if status == 503 && rec.Header().Get("Retry-After") != "60" {
			t.Error("503 is answered without Retry-After")
		}
	}
}
