package danaconnect

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/aldaba-otp/aldaba/api"
	"github.com/aldaba-otp/aldaba/internal/httpx"
	"github.com/aldaba-otp/aldaba/otp"
)

// code is the verdict of an answer: two digits of text in version 1, a number
// in version 2. The vendor prints the first one only; the others are ours and
// stay as they are.
type code int

const (
	success         code = 1
	wrongOTP        code = 2
	expired         code = 3
	tooManyAttempts code = 4
	alreadyUsed     code = 5
	unknownRequest  code = 6
	noConversation  code = 7
	notSent         code = 8
	invalidRequest  code = 9
	unauthenticated code = 10
	tooManyRequests code = 11
	internalError   code = 99
)

// String returns the description.
func (c code) String() string {
	switch c {
	case success:
		return "Success"
	case wrongOTP:
		return "Invalid OTP"
	case expired:
		return "OTP expired"
	case tooManyAttempts:
		return "Maximum attempts exceeded"
	case alreadyUsed:
		return "OTP already used"
	case unknownRequest:
		return "OTP request not found"
	case noConversation:
		return "Conversation not found or inactive"
	case notSent:
		return "OTP could not be sent"
	case invalidRequest:
		return "Invalid request"
	case unauthenticated:
		return "Authentication error"
	case tooManyRequests:
		return "Too many requests"
	}
	return "Internal error"
}

// ofOutcome is the code of a judged guess; its status is 200. A request that
// was taken back or replaced has no code of its own: like an expired one it is
// over without having been used.
func ofOutcome(o otp.Outcome) code {
	switch o {
	case otp.OutcomeApproved:
		return success
	case otp.OutcomeWrong:
		return wrongOTP
	case otp.OutcomeUsed:
		return alreadyUsed
	case otp.OutcomeExpired, otp.OutcomeCanceled, otp.OutcomeSuperseded, otp.OutcomeVoid:
		return expired
	case otp.OutcomeExhausted, otp.OutcomeThrottled:
		return tooManyAttempts
	}
	return internalError
}

// ofKind is the status and code of a refused or failed operation.
func ofKind(k otp.Kind) (status int, c code) {
	switch k {
	case otp.Invalid:
		return http.StatusBadRequest, invalidRequest
	case otp.Unauthenticated, otp.Forbidden:
		return http.StatusUnauthorized, unauthenticated
	case otp.NotFound:
		return http.StatusOK, unknownRequest
	case otp.Ended:
		return http.StatusOK, expired
	case otp.Inactive:
		return http.StatusOK, noConversation
	case otp.Undeliverable, otp.NoCredit:
		return http.StatusOK, notSent
	case otp.Throttled:
		return http.StatusTooManyRequests, tooManyRequests
	case otp.InProgress, otp.KeyReused: // of idempotency keys, which the dialect lacks
		return http.StatusBadRequest, invalidRequest
	case otp.Unavailable:
		return http.StatusServiceUnavailable, internalError
	case otp.Internal:
	}
	return http.StatusInternalServerError, internalError
}

// answer is what either version says; its zero members are not written.
type answer struct {
	status       int
	code         code
	text         string   // instead of the code's own description
	number       int64    // version 1's idRequest
	id           string   // version 2's requestId
	conversation string   // conversationRequestId
	view         otp.View // of a start
	wait         time.Duration
}

// malformed refuses a request for its form.
func malformed(fault string) answer {
	return answer{status: http.StatusBadRequest, code: invalidRequest, text: fault}
}

// refusal is the answer to an error of the core.
func (v *version) refusal(err error) answer {
	e := otp.AsError(err)
	a := answer{wait: e.RetryAfter}
	a.status, a.code = ofKind(e.Kind)
	if e.Kind != otp.Invalid {
		return a
	}
	for _, fault := range append([]*otp.Error{e}, e.Also...) {
		if member := v.member(fault.Field); member != "" {
			a.text = member + " " + fault.Message
			return a
		}
	}
	// No member is out of form: the values hold no address that could be used
	// (ruling R11), or the conversation's settings let nothing be sent.
	return answer{status: http.StatusOK, code: notSent}
}

// member is what this version calls a field of the core's.
func (v *version) member(field string) string {
	switch field {
	case "alphabet":
		return "type"
	case "length":
		return "length"
	case "lifetime":
		return v.life
	case "max_attempts":
		return v.tries
	case "variables":
		return v.values
	}
	return ""
}

// refuse answers what no handler saw: wrong methods and failures.
func (v *version) refuse(w http.ResponseWriter, _ *http.Request, what httpx.Refusal) {
	a := answer{status: what.Status, code: invalidRequest, wait: what.RetryAfter}
	switch {
	case what.Status == http.StatusTooManyRequests:
		a.code = tooManyRequests
	case what.Status >= http.StatusInternalServerError:
		a.code = internalError
	}
	v.write(w, a)
}

// write sends an answer.
func (v *version) write(w http.ResponseWriter, a answer) {
	if a.text == "" {
		a.text = a.code.String()
	}
	api.TellClamped(w.Header(), a.view)
	switch a.status {
	case http.StatusUnauthorized:
		w.Header().Set("WWW-Authenticate", v.challenge)
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		httpx.SetRetryAfter(w.Header(), max(a.wait, time.Second))
	}
	body, _ := json.Marshal(v.encode(a)) // numbers and strings always encode
	httpx.WriteJSON(w, a.status, "", body)
}

// envelope1 is version 1's form of an answer.
func envelope1(a answer) any {
	return struct {
		ID           int64  `json:"idRequest,omitempty"`
		Code         string `json:"responseCode"`
		Description  string `json:"responseDescription"`
		Conversation string `json:"conversationRequestId,omitempty"`
	}{a.number, fmt.Sprintf("%02d", int(a.code)), a.text, a.conversation}
}

// envelope2 is version 2's form of an answer.
func envelope2(a answer) any {
	return struct {
		ID           string `json:"requestId,omitempty"`
		Code         int    `json:"code"`
		Description  string `json:"description"`
		Conversation string `json:"conversationRequestId,omitempty"`
	}{a.id, int(a.code), a.text, a.conversation}
}
