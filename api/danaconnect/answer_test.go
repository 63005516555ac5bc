package danaconnect

import (
	"encoding/json"
	"errors"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/aldaba-otp/aldaba/internal/httpx"
	"github.com/aldaba-otp/aldaba/otp"
)

func TestOutcomes(t *testing.T) {
	t.Parallel()
	want := map[otp.Outcome]code{
		otp.OutcomeApproved: 1, otp.OutcomeWrong: 2, otp.OutcomeUsed: 5, otp.OutcomeExpired: 3, otp.OutcomeExhausted: 4,
		otp.OutcomeCanceled: 3, otp.OutcomeSuperseded: 3, otp.OutcomeVoid: 3, otp.OutcomeThrottled: 4,
	}
	for _, o := range otp.Outcomes() {
		w, ok := want[o]
		if got := ofOutcome(o); !ok || got != w {
			t.Errorf("%s is %d, want %d", o, got, w)
		}
		if (ofOutcome(o) == success) != (o == otp.OutcomeApproved) {
			t.Errorf("%s reads as success", o)
		}
	}
	if got := ofOutcome(0); got != internalError {
		t.Errorf("no outcome is %d", got)
	}
}

func TestKinds(t *testing.T) {
	t.Parallel()
	type pair struct {
		status int
		code   code
	}
	want := map[otp.Kind]pair{
		otp.Internal: {500, 99}, otp.Invalid: {400, 9}, otp.Unauthenticated: {401, 10}, otp.Forbidden: {401, 10}, otp.NotFound: {200, 6},
		otp.Ended: {200, 3}, otp.Inactive: {200, 7}, otp.Undeliverable: {200, 8}, otp.NoCredit: {200, 8}, otp.Throttled: {429, 11},
		otp.InProgress: {400, 9}, otp.KeyReused: {400, 9}, otp.Unavailable: {503, 99},
	}
	for _, k := range otp.Kinds() {
		w, ok := want[k]
		if status, c := ofKind(k); !ok || status != w.status || c != w.code {
			t.Errorf("%s is %d %d, want %v", k, status, c, w)
		}
	}
	if status, c := ofKind(200); status != 500 || c != internalError {
		t.Errorf("an unknown kind is %d %d", status, c)
	}
}

func TestDescriptions(t *testing.T) {
	t.Parallel()
	seen := map[string]code{}
	for _, c := range []code{
		success, wrongOTP, expired, tooManyAttempts, alreadyUsed, unknownRequest,
		noConversation, notSent, invalidRequest, unauthenticated, tooManyRequests, internalError,
	} {
		if other, twice := seen[c.String()]; twice {
			t.Errorf("%d and %d read the same", c, other)
		}
		seen[c.String()] = c
	}
}

// TestRefusals proves that no text of the core's reaches a caller but what
// names a member of the request.
func TestRefusals(t *testing.T) {
	t.Parallel()
	s := &server{}
	for _, c := range []struct {
		err    error
		v1, v2 string
		status int
	}{
		{
			&otp.Error{Kind: otp.Invalid, Field: "lifetime", Message: "must be at most 600 seconds"},
			`{"responseCode":"09","responseDescription":"secondsExpiration must be at most 600 seconds"}`,
			`{"code":9,"description":"expiresInSeconds must be at most 600 seconds"}`, 400,
		},
		{
			&otp.Error{Kind: otp.Invalid, Field: "purpose", Message: "secret"},
			`{"responseCode":"08","responseDescription":"OTP could not be sent"}`, `{"code":8,"description":"OTP could not be sent"}`, 200,
		},
		{
			&otp.Error{Kind: otp.Invalid, Field: "to"},
			`{"responseCode":"08","responseDescription":"OTP could not be sent"}`, `{"code":8,"description":"OTP could not be sent"}`, 200,
		},
		{
			&otp.Error{Kind: otp.Invalid, Field: "to", Also: []*otp.Error{{Kind: otp.Invalid, Field: "max_attempts", Message: "must be fewer"}}},
			`{"responseCode":"09","responseDescription":"maximumTries must be fewer"}`, `{"code":9,"description":"maxAttempts must be fewer"}`, 400,
		},
		{
			&otp.Error{Kind: otp.Invalid, Field: "alphabet", Message: "is weak"},
			`{"responseCode":"09","responseDescription":"type is weak"}`, `{"code":9,"description":"type is weak"}`, 400,
		},
		{errors.New("secret"), `{"responseCode":"99","responseDescription":"Internal error"}`, `{"code":99,"description":"Internal error"}`, 500},
		{
			&otp.Error{Kind: otp.Unavailable, Message: "secret"},
			`{"responseCode":"99","responseDescription":"Internal error"}`, `{"code":99,"description":"Internal error"}`, 503,
		},
	} {
		for v, want := range map[*version]string{s.version1(): c.v1, s.version2(): c.v2} {
			rec := httptest.NewRecorder()
			v.write(rec, v.refusal(c.err))
			if rec.Code != c.status || rec.Body.String() != want {
				t.Errorf("%v is %d %s, want %d %s", c.err, rec.Code, rec.Body, c.status, want)
			}
			if (rec.Code == 503) != (rec.Header().Get("Retry-After") == "1") {
				t.Errorf("%d with Retry-After %q", rec.Code, rec.Header().Get("Retry-After"))
			}
		}
	}
}

func TestRefuse(t *testing.T) {
	t.Parallel()
	v := (&server{}).version1()
	for status, want := range map[int]string{405: "09", 413: "09", 429: "11", 500: "99", 503: "99"} {
		rec := httptest.NewRecorder()
		v.refuse(rec, nil, httpx.Refusal{Status: status, RetryAfter: 7 * time.Second, Detail: "hidden"})
		var e struct{ ResponseCode string }
		if err := json.Unmarshal(rec.Body.Bytes(), &e); err != nil || e.ResponseCode != want || rec.Code != status {
			t.Errorf("%d is %d %s", status, rec.Code, rec.Body)
		}
	}
}
