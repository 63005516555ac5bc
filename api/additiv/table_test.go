package additiv

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/aldaba-otp/aldaba/internal/httpx"
	"github.com/aldaba-otp/aldaba/otp"
)

const requestID = "30D3EBC0-b5cb-47b0-8898-50bbdfe4aec6"

func request() *http.Request {
	r := httptest.NewRequest("GET", "/", nil)
	r.Header.Set("X-Request-Id", requestID)
	return r
}

// object is the error object, byte for byte.
func object(code, subCode, message string) string {
	return fmt.Sprintf(`{"code":%q,"subCode":%q,"message":%q,"correlationId":"30d3ebc0b5cb47b0889850bbdfe4aec6"}`, code, subCode, message)
}

func TestEveryKindHasItsAnswer(t *testing.T) {
	t.Parallel()
	want := map[otp.Kind]string{
		otp.Internal:        "500 " + object("InternalServerError", "NA", "The request could not be completed"),
		otp.Invalid:         "422 " + object("UnprocessableEntity", "NA", "The key cannot be issued with the settings of this template"),
		otp.Unauthenticated: "401 " + object("Unauthorized", "NA", "A valid access token is required"),
		otp.Forbidden:       "403 " + object("Forbidden", "NA", "The access token does not allow this operation"),
		otp.NotFound:        "404 " + object("NotFound", "NA", "There is no such contact or session"),
		otp.Ended:           "422 " + object("UnprocessableEntity", "NA", "The key is no longer valid"),
		otp.Inactive:        "422 " + object("UnprocessableEntity", "NA", "There is no such template"),
		otp.Undeliverable:   "422 " + object("UnprocessableEntity", "NA", "The contact cannot be reached through this channel"),
		otp.NoCredit:        "422 " + object("UnprocessableEntity", "NA", "The account has no balance"),
		otp.Throttled:       "429 " + object("TooManyRequests", "a_rule", "There were too many requests, try again later"),
		otp.InProgress:      "422 " + object("UnprocessableEntity", "NA", "The request contradicts an earlier one"),
		otp.KeyReused:       "422 " + object("UnprocessableEntity", "NA", "The request contradicts an earlier one"),
		otp.Unavailable:     "503 " + object("ServiceUnavailable", "NA", "The service is unavailable, try again later"),
	}
	for _, k := range otp.Kinds() {
		rec := httptest.NewRecorder()
		writeError(rec, request(), &otp.Error{Kind: k, Message: "secret", Rule: "a_rule", Cause: fmt.Errorf("secret")})
		if got := fmt.Sprintf("%d %s", rec.Code, rec.Body); got != want[k] {
			t.Errorf("%s is answered\n%s, want\n%s", k, got, want[k])
		}
		if got, want := rec.Header().Get("Retry-After") != "", k == otp.Throttled || k == otp.Unavailable; got != want {
			t.Errorf("%s: Retry-After is there: %t, want %t", k, got, want)
		}
		if got, want := rec.Header().Get("WWW-Authenticate") == "Bearer", k == otp.Unauthenticated; got != want {
			t.Errorf("%s: WWW-Authenticate is there: %t, want %t", k, got, want)
		}
	}
}

func TestEveryOutcomeHasItsVerdict(t *testing.T) {
	t.Parallel()
	view := otp.View{AttemptsLeft: 3, Unspent: 4}
	over := verdict{"Invalid", 0}
	want := map[otp.Outcome]verdict{
		otp.OutcomeApproved: {"Valid", 4}, otp.OutcomeWrong: {"Invalid", 3}, otp.OutcomeExpired: {"Expired", 0},
		otp.OutcomeUsed: over, otp.OutcomeExhausted: over, otp.OutcomeCanceled: over, otp.OutcomeSuperseded: over, otp.OutcomeVoid: over, otp.OutcomeThrottled: over,
	}
	for _, o := range otp.Outcomes() {
		if got := verdictOf(o, view); got != want[o] {
			t.Errorf("%s is answered %+v, want %+v", o, got, want[o])
		}
		if f := faultOfOutcome(o); f.status != http.StatusUnprocessableEntity || f.code != "UnprocessableEntity" || f.message == "" {
			t.Errorf("the older verify answers %s with %+v", o, f)
		}
	}
}

func TestEveryRefusalHasItsAnswer(t *testing.T) {
	t.Parallel()
	want := map[int]string{
		400: "400 " + object("BadRequest", "NA", "The request was not in the required format"),
		404: "404 " + object("NotFound", "NA", "There is no such contact or session"),
		405: "405 " + object("MethodNotAllowed", "NA", "The resource does not support this method"),
		413: "413 " + object("PayloadTooLarge", "NA", "The request is too large"),
		415: "415 " + object("UnsupportedMediaType", "NA", "The request must not be compressed"),
		418: "500 " + object("InternalServerError", "NA", "The request could not be completed"),
		429: "429 " + object("TooManyRequests", "NA", "There were too many requests, try again later"),
		500: "500 " + object("InternalServerError", "NA", "The request could not be completed"),
		503: "503 " + object("ServiceUnavailable", "NA", "The service is unavailable, try again later"),
	}
	for status, text := range want {
		rec := httptest.NewRecorder()
		refuse(rec, request(), httpx.Refusal{Status: status, RetryAfter: 7 * time.Second, Detail: "secret"})
		if got := fmt.Sprintf("%d %s", rec.Code, rec.Body); got != text {
			t.Errorf("%d is answered\n%s, want\n%s", status, got, text)
		}
		if got := rec.Header().Get("Retry-After"); got != "7" {
			t.Errorf("%d is answered with Retry-After %q", status, got)
		}
	}
}

func TestCorrelationIDIsAGUIDWithoutDashes(t *testing.T) {
	t.Parallel()
	form := regexp.MustCompile(`^[0-9a-f]{32}$`)
	seen := map[string]bool{}
	for _, id := range []string{requestID, "", "a-request", "another_request", strings.Repeat("g", 32), strings.Repeat("a", 64)} {
		got := correlationID(id)
		if !form.MatchString(got) || seen[got] || got != correlationID(id) {
			t.Errorf("the request %q has the correlation id %q", id, got)
		}
		seen[got] = true
	}
	if got, want := correlationID(requestID), strings.ToLower(strings.ReplaceAll(requestID, "-", "")); got != want {
		t.Errorf("got %s, want the digits of the UUID, %s", got, want)
	}
}

// FuzzSoundSession holds what a path can carry: whatever passes is one segment
// of bounded length that no client or proxy takes away.
func FuzzSoundSession(f *testing.F) {
	for _, seed := range []string{"order-77/ñ", "..", "", "\x00", "\u0085", strings.Repeat("s", 129)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, id string) {
		if !soundSession(id) {
			return
		}
		text, err := json.Marshal(id)
		var back string
		if err != nil || json.Unmarshal(text, &back) != nil || back != id || len(id) > maxSession || id == ".." {
			t.Errorf("%q passes", id)
		}
	})
}
