package unityvox

import (
	"encoding/json"
	"net/http"
	"time"

	"github.com/aldaba-otp/aldaba/api"
	"github.com/aldaba-otp/aldaba/internal/httpx"
	"github.com/aldaba-otp/aldaba/otp"
)

// The codes of answers. Those from 020 on are the vendor's; the others are
// ours, for what its pages never show.
const (
	noAccount   = "001"
	noNumber    = "002"
	notSent     = "003"
	tooMany     = "004"
	unavailable = "005"
	tooLarge    = "006"

	noTemplate = "020"
	noBalance  = "021"
	sent       = "022"
	expired    = "023"
	noSession  = "024"
	mismatch   = "025"
	used       = "026"
	matched    = "027"
)

// message is the fixed text of a code.
func message(code string) string {
	switch code {
	case noAccount:
		return "Invalid API Key or Account Number"
	case noNumber:
		return "Invalid or empty phone_number"
	case notSent:
		return "Message could not be sent"
	case tooMany:
		return "Too many requests"
	case tooLarge:
		return "Request too large"
	case noTemplate:
		return "Invalid or empty Message ref_id"
	case noBalance:
		return "No Plan or Balance in account"
	case sent:
		return "Message sent successfully"
	case expired:
		return "OTP Expired"
	case noSession:
		return "Invalid API / SessionId Combination - No Entry Exists"
	case mismatch:
		return "OTP Mismatch"
	case used:
		return "OTP already used"
	case matched:
		return "OTP Matched"
	}
	return "Service unavailable"
}

// envelope is every answer's body, in the order of the vendor's samples.
type envelope struct {
	Version       string  `json:"version"`
	Code          string  `json:"code"`
	Status        string  `json:"status"`
	ResultString  string  `json:"resultstring"`
	PhoneNumber   string  `json:"phone_number,omitempty"`
	SessionID     *string `json:"sessionID,omitempty"`
	StatusMessage string  `json:"statusmessage"`
}

// answer is what is to be written.
type answer struct {
	code       string
	status     int // 0 is 200: the envelope carries the verdict
	phone      string
	session    string
	hasSession bool // an empty session is told too
	wait       time.Duration
	view       otp.View // of a start
}

// write sends an answer.
func write(w http.ResponseWriter, a answer) {
	e := envelope{
		Version: "1.00", Code: a.code, Status: "error", ResultString: "Failure",
		PhoneNumber: a.phone, StatusMessage: message(a.code),
	}
	if a.code == sent || a.code == matched {
		e.Status, e.ResultString = "success", "Success"
	}
	if a.hasSession {
		e.SessionID = &a.session
	}
	body, _ := json.Marshal(e) // strings always encode
	httpx.SetRetryAfter(w.Header(), a.wait)
	api.TellClamped(w.Header(), a.view)
	if a.status == 0 {
		a.status = http.StatusOK
	}
	httpx.WriteJSON(w, a.status, "", body)
}

// busy is an answer that waiting helps against.
func busy(status int, code string, wait time.Duration) answer {
	return answer{code: code, status: status, wait: max(wait, time.Second)}
}

// requestAnswer is the table of refusals of /OTP-api.
func requestAnswer(e *otp.Error) answer {
	switch e.Kind {
	case otp.Unauthenticated, otp.Forbidden:
		return answer{code: noAccount}
	case otp.Inactive:
		return answer{code: noTemplate}
	case otp.Invalid:
		if e.Field != "to" { // the account's settings or text: no request could be better
			return answer{code: notSent}
		}
		return answer{code: noNumber}
	case otp.NoCredit:
		return answer{code: noBalance}
	case otp.Undeliverable, otp.NotFound, otp.Ended, otp.KeyReused:
		return answer{code: notSent}
	case otp.Throttled, otp.InProgress:
		return busy(http.StatusTooManyRequests, tooMany, e.RetryAfter)
	case otp.Unavailable:
		return busy(http.StatusServiceUnavailable, unavailable, e.RetryAfter)
	case otp.Internal:
	}
	return answer{code: unavailable, status: http.StatusInternalServerError}
}

// verifyAnswer is the table of refusals of /OTP-api/verify. A wrong key, an
// unknown session and another account's look alike.
func verifyAnswer(e *otp.Error) answer {
	switch e.Kind {
	case otp.Unauthenticated, otp.Forbidden, otp.NotFound, otp.Invalid, otp.Ended, otp.Inactive,
		otp.Undeliverable, otp.NoCredit, otp.KeyReused:
		return answer{code: noSession}
	case otp.Throttled, otp.InProgress:
		return busy(http.StatusTooManyRequests, tooMany, e.RetryAfter)
	case otp.Unavailable:
		return busy(http.StatusServiceUnavailable, unavailable, e.RetryAfter)
	case otp.Internal:
	}
	return answer{code: unavailable, status: http.StatusInternalServerError}
}

// outcomeCode is the table of verdicts. What has ended without being used is
// expired: that makes clients ask for a new code.
func outcomeCode(o otp.Outcome) string {
	switch o {
	case otp.OutcomeApproved:
		return matched
	case otp.OutcomeWrong:
		return mismatch
	case otp.OutcomeUsed:
		return used
	case otp.OutcomeExpired, otp.OutcomeExhausted, otp.OutcomeCanceled, otp.OutcomeSuperseded,
		otp.OutcomeVoid, otp.OutcomeThrottled:
	}
	return expired
}

// refuse answers what the calls never see. The language has no word for a
// wrong method.
func refuse(w http.ResponseWriter, _ *http.Request, what httpx.Refusal) {
	switch what.Status {
	case http.StatusMethodNotAllowed:
		w.WriteHeader(what.Status)
	case http.StatusRequestEntityTooLarge, http.StatusRequestHeaderFieldsTooLarge:
		write(w, answer{code: tooLarge, status: what.Status})
	default:
		write(w, answer{code: unavailable, status: what.Status, wait: what.RetryAfter})
	}
}
