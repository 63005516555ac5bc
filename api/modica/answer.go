package modica

import (
	"encoding/json"
	"net/http"
	"time"

	"github.com/aldaba-otp/aldaba/api"
	"github.com/aldaba-otp/aldaba/internal/httpx"
	"github.com/aldaba-otp/aldaba/otp"
)

// The error codes. The first four are of the vendor's family; the others stand
// for statuses that its pages never show.
const (
	invalidJSON   = "invalid_json"
	missingAttrib = "missing_attrib"
	invalidAttrib = "invalid_attrib"
	sendFailed    = "send_failed"

	rateLimited   = "rate_limited"
	notAcceptable = "not_acceptable"
	notAllowed    = "not_allowed"
	tooLarge      = "too_large"
	unavailable   = "unavailable"
)

// The formats of answers.
const (
	vendorType = "application/vnd.modica.2fa.v1+json"
	plainType  = "application/json"
)

// timestamp is RFC 3339 in UTC with whole seconds.
const timestamp = "2006-01-02T15:04:05Z"

// requestIDHeader stands on every answer and holds a UUID.
const requestIDHeader = "X-Modica-Request-Id"

// created is the answer to a new challenge.
type created struct {
	Created string `json:"created"`
	Expires string `json:"expires"`
	ID      string `json:"id"`
}

// judged is the answer to a response.
type judged struct {
	Status string `json:"status"`
}

// failed is the answer to what was not done.
type failed struct {
	Error string `json:"error"`
}

// answer is what is to be written. One without a body tells by its status.
type answer struct {
	status int
	body   any
	wait   time.Duration
	view   otp.View // of a start
}

func fault(status int, code string) answer {
	return answer{status: status, body: failed{code}}
}

// refusal says an error of the core in the vendor's words.
func refusal(err error) answer {
	e := otp.AsError(err)
	status, code := kindOf(e)
	if status == http.StatusUnauthorized {
		return answer{status: status}
	}
	a := fault(status, code)
	if status == http.StatusTooManyRequests || status == http.StatusServiceUnavailable {
		a.wait = max(e.RetryAfter, time.Second)
	}
	return a
}

// kindOf is the table of refusals.
func kindOf(e *otp.Error) (status int, code string) {
	switch e.Kind {
	case otp.Invalid:
		return http.StatusBadRequest, sendFailed // of the operator's settings, see blames
	case otp.NotFound, otp.Ended, otp.KeyReused:
		return http.StatusBadRequest, invalidAttrib
	case otp.Inactive, otp.Undeliverable, otp.NoCredit:
		return http.StatusBadRequest, sendFailed
	case otp.Unauthenticated, otp.Forbidden:
		return http.StatusUnauthorized, ""
	case otp.Throttled, otp.InProgress:
		return http.StatusTooManyRequests, rateLimited
	case otp.Unavailable:
		return http.StatusServiceUnavailable, unavailable
	case otp.Internal:
	}
	return http.StatusInternalServerError, unavailable
}

// statusOf is the table of verdicts. The vendor publishes no list; its pages
// speak of failed and of expired codes only.
func statusOf(o otp.Outcome) string {
	switch o {
	case otp.OutcomeApproved:
		return "success"
	case otp.OutcomeExpired:
		return "expired"
	case otp.OutcomeWrong, otp.OutcomeUsed, otp.OutcomeExhausted, otp.OutcomeCanceled,
		otp.OutcomeSuperseded, otp.OutcomeVoid, otp.OutcomeThrottled:
	}
	return "failed"
}

// negotiate chooses the format of the answer. The vendor's own type is given
// only to those who ask for it by name.
func negotiate(accept []string) (mediaType string, ok bool) {
	best, named, ok := httpx.Accepts(accept, vendorType, plainType)
	if !ok {
		return plainType, false
	}
	if !named {
		if _, _, plain := httpx.Accepts(accept, plainType); plain {
			return plainType, true
		}
	}
	return best, true
}

// write sends an answer.
func (d *dialect) write(w http.ResponseWriter, r *http.Request, mediaType string, a answer) {
	w.Header().Set(requestIDHeader, d.requestID(r))
	httpx.SetRetryAfter(w.Header(), a.wait)
	api.TellClamped(w.Header(), a.view)
	if a.status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", `Basic realm="Modica"`)
	}
	if a.body == nil {
		w.WriteHeader(a.status)
		return
	}
	body, _ := json.Marshal(a.body) // strings always encode
	httpx.WriteJSON(w, a.status, mediaType, body)
}

// requestID is the server's own name for the request when that has the form
// which the vendor's clients expect.
func (d *dialect) requestID(r *http.Request) string {
	id := httpx.RequestID(r)
	if _, ok := otp.ParseID(id); !ok {
		return d.service.UnusedID().String()
	}
	return id
}

// refuse answers what the calls never see.
func (d *dialect) refuse(w http.ResponseWriter, r *http.Request, what httpx.Refusal) {
	mediaType, _ := negotiate(r.Header["Accept"])
	a := fault(what.Status, unavailable)
	a.wait = what.RetryAfter
	switch what.Status {
	case http.StatusMethodNotAllowed:
		a = fault(what.Status, notAllowed)
	case http.StatusRequestEntityTooLarge, http.StatusRequestHeaderFieldsTooLarge:
		a = fault(what.Status, tooLarge)
	}
	d.write(w, r, mediaType, a)
}
