package additiv

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/aldaba-otp/aldaba/internal/httpx"
	"github.com/aldaba-otp/aldaba/otp"
)

// noSubCode is the documented word for "nothing more to say".
const noSubCode = "NA"

// fault is one row of the table of refusals.
type fault struct {
	status        int
	code, message string
}

// faultOf is the row of a kind. What is well formed but cannot be carried out
// is 422; an Invalid of the core is too, since what the request itself got
// wrong was refused before: it speaks of the tenant's settings or templates.
func faultOf(k otp.Kind) fault {
	switch k {
	case otp.Invalid:
		return unprocessable("The key cannot be issued with the settings of this template")
	case otp.Unauthenticated:
		return fault{http.StatusUnauthorized, "Unauthorized", "A valid access token is required"}
	case otp.Forbidden:
		return fault{http.StatusForbidden, "Forbidden", "The access token does not allow this operation"}
	case otp.NotFound:
		return fault{http.StatusNotFound, "NotFound", "There is no such contact or session"}
	case otp.Ended:
		return unprocessable("The key is no longer valid")
	case otp.Inactive:
		return unprocessable("There is no such template")
	case otp.Undeliverable:
		return unprocessable("The contact cannot be reached through this channel")
	case otp.NoCredit:
		return unprocessable("The account has no balance")
	case otp.Throttled:
		return fault{http.StatusTooManyRequests, "TooManyRequests", "There were too many requests, try again later"}
	case otp.InProgress, otp.KeyReused:
		return unprocessable("The request contradicts an earlier one")
	case otp.Unavailable:
		return fault{http.StatusServiceUnavailable, "ServiceUnavailable", "The service is unavailable, try again later"}
	case otp.Internal:
	}
	return fault{http.StatusInternalServerError, "InternalServerError", "The request could not be completed"}
}

func unprocessable(message string) fault {
	return fault{http.StatusUnprocessableEntity, "UnprocessableEntity", message}
}

// faultOfStatus is the row of a request that never reached the core. The text
// of 400 is the documented one.
func faultOfStatus(status int) fault {
	switch status {
	case http.StatusBadRequest:
		return fault{status, "BadRequest", "The request was not in the required format"}
	case http.StatusNotFound:
		return faultOf(otp.NotFound)
	case http.StatusMethodNotAllowed:
		return fault{status, "MethodNotAllowed", "The resource does not support this method"}
	case http.StatusRequestEntityTooLarge:
		return fault{status, "PayloadTooLarge", "The request is too large"}
	case http.StatusRequestHeaderFieldsTooLarge:
		return fault{status, "RequestHeaderFieldsTooLarge", "The line and headers of the request are too large"}
	case http.StatusUnsupportedMediaType:
		return fault{status, "UnsupportedMediaType", "The request must not be compressed"}
	case http.StatusTooManyRequests:
		return faultOf(otp.Throttled)
	case http.StatusServiceUnavailable:
		return faultOf(otp.Unavailable)
	}
	return faultOf(otp.Internal)
}

// faultOfOutcome is the row of a key that the older verify refuses.
func faultOfOutcome(o otp.Outcome) fault {
	if o == otp.OutcomeExpired {
		return unprocessable("The key has expired")
	}
	return unprocessable("The key is not valid")
}

// verdict is the answer of check and verify.
type verdict struct {
	KeyStatus    string `json:"keyStatus"`
	AttemptsLeft int    `json:"attemptsLeft"`
}

// verdictOf is the answer to an outcome. Generated clients fail on a word that
// they do not know, so whatever is over for another reason than time is
// Invalid, without a try left.
func verdictOf(o otp.Outcome, v otp.View) verdict {
	switch o {
	case otp.OutcomeApproved:
		return verdict{"Valid", v.Unspent}
	case otp.OutcomeWrong:
		return verdict{"Invalid", v.AttemptsLeft}
	case otp.OutcomeExpired:
		return verdict{"Expired", 0}
	case otp.OutcomeUsed, otp.OutcomeExhausted, otp.OutcomeCanceled, otp.OutcomeSuperseded, otp.OutcomeVoid, otp.OutcomeThrottled:
	}
	return verdict{"Invalid", 0}
}

// writeError answers with the error object of a failure.
func writeError(w http.ResponseWriter, r *http.Request, err error) {
	var m malformed
	if errors.As(err, &m) {
		writeFault(w, r, faultOfStatus(m.status), noSubCode)
		return
	}
	e := otp.AsError(err)
	sub := noSubCode
	if e.Kind == otp.Throttled && e.Rule != "" {
		sub = e.Rule
	}
	httpx.SetRetryAfter(w.Header(), e.RetryAfter)
	writeFault(w, r, faultOf(e.Kind), sub)
}

// refuse is the [httpx.Refuse] of the dialect.
func refuse(w http.ResponseWriter, r *http.Request, what httpx.Refusal) {
	httpx.SetRetryAfter(w.Header(), what.RetryAfter)
	writeFault(w, r, faultOfStatus(what.Status), noSubCode)
}

// writeFault writes the error object, with the headers that its status asks
// for.
func writeFault(w http.ResponseWriter, r *http.Request, f fault, subCode string) {
	h := w.Header()
	switch f.status {
	case http.StatusUnauthorized:
		h.Set("WWW-Authenticate", "Bearer")
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		if h.Get("Retry-After") == "" {
			httpx.SetRetryAfter(h, time.Second)
		}
	}
	writeJSON(w, f.status, struct {
		Code          string `json:"code"`
		SubCode       string `json:"subCode"`
		Message       string `json:"message"`
		CorrelationID string `json:"correlationId"`
	}{f.code, subCode, f.message, correlationID(httpx.RequestID(r))})
}

// correlationID gives a request id the form of a GUID without dashes: its own
// digits when it is a UUID, else a digest, so that both sides can find the log
// line by what they hold.
func correlationID(requestID string) string {
	bare := strings.ToLower(strings.ReplaceAll(requestID, "-", ""))
	if raw, err := hex.DecodeString(bare); err == nil && len(raw) == 16 {
		return bare
	}
	sum := sha256.Sum256([]byte(requestID))
	return hex.EncodeToString(sum[:16])
}

func writeJSON(w http.ResponseWriter, status int, answer any) {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(answer) // strings and numbers always encode
	httpx.WriteJSON(w, status, "", bytes.TrimSuffix(b.Bytes(), []byte("\n")))
}
