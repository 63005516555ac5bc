package native

import (
	"cmp"
	"errors"
	"net/http"
	"time"

	"github.com/aldaba-otp/aldaba/internal/httpx"
	"github.com/aldaba-otp/aldaba/otp"
)

// problemBase begins the type of every problem. A type is a name to compare
// with, not a page.
const problemBase = "urn:aldaba:problem:"

// row is a kind of problem: status, the end of its type, title.
type row struct {
	status int
	name   string
	title  string
}

// ofKind is the total table from the core's refusals to problems.
func ofKind(k otp.Kind) row {
	switch k {
	case otp.Invalid:
		return row{http.StatusUnprocessableEntity, k.String(), "The request has faults"}
	case otp.Unauthenticated:
		return row{http.StatusUnauthorized, k.String(), "The API key is missing or wrong"}
	case otp.Forbidden:
		return row{http.StatusForbidden, k.String(), "The API key may not do this"}
	case otp.NotFound:
		return row{http.StatusNotFound, k.String(), "Not known here"}
	case otp.Ended:
		return row{http.StatusConflict, k.String(), "The verification has ended"}
	case otp.Inactive:
		return row{http.StatusUnprocessableEntity, k.String(), "No active profile of this name"}
	case otp.Undeliverable:
		return row{http.StatusUnprocessableEntity, k.String(), "Cannot be sent to this address"}
	case otp.NoCredit:
		return row{http.StatusPaymentRequired, k.String(), "The account has no balance"}
	case otp.Throttled:
		return row{http.StatusTooManyRequests, k.String(), "A limit is reached"}
	case otp.InProgress:
		return row{http.StatusConflict, k.String(), "The same request is still in work"}
	case otp.KeyReused:
		return row{http.StatusUnprocessableEntity, k.String(), "The Idempotency-Key belongs to another request"}
	case otp.Unavailable:
		return row{http.StatusServiceUnavailable, k.String(), "The server cannot do this now"}
	case otp.Internal:
	}
	return row{http.StatusInternalServerError, otp.Internal.String(), "The server failed"}
}

// ofStatus is the table of what HTTP itself refuses, before the core is asked.
func ofStatus(status int) row {
	switch status {
	case http.StatusBadRequest:
		return row{status, "malformed", "The request cannot be read"}
	case http.StatusMethodNotAllowed:
		return row{status, "method_not_allowed", "The path has no such method"}
	case http.StatusRequestEntityTooLarge:
		return row{status, "too_large", "The body is too large"}
	case http.StatusRequestHeaderFieldsTooLarge:
		return row{status, "headers_too_large", "The line and headers of the request are too large"}
	case http.StatusUnsupportedMediaType:
		return row{status, "unsupported_media_type", "The body is not application/json"}
	case http.StatusServiceUnavailable:
		return ofKind(otp.Unavailable)
	}
	return ofKind(otp.Internal)
}

// refusedBody is a request that could not be read.
type refusedBody struct {
	status int
	detail string
	errors []httpx.FieldError
}

// Error returns what was wrong; it holds nothing of the body.
func (e *refusedBody) Error() string { return e.detail }

// brieflyDown is how long to wait when nobody said.
const brieflyDown = time.Second

// problemOf says a refusal or a failure as a problem document.
func problemOf(err error) httpx.Problem {
	var unread *refusedBody
	if errors.As(err, &unread) {
		return ofStatus(unread.status).problem(unread.detail, unread.errors)
	}
	e := otp.AsError(err)
	p := ofKind(e.Kind).problem(e.Message, fieldErrors(e))
	p.Rule, p.RetryAfter = e.Rule, e.RetryAfter
	if c := e.Challenge; c != nil {
		p.Challenge = &httpx.Challenge{Type: c.Type, SiteKey: c.SiteKey}
	}
	switch e.Kind {
	case otp.Internal:
		p.Detail, p.Errors = "", nil // its text is for the operator alone
	case otp.Throttled, otp.Unavailable, otp.InProgress:
		p.RetryAfter = cmp.Or(e.RetryAfter, brieflyDown)
	}
	return p
}

func (r row) problem(detail string, faults []httpx.FieldError) httpx.Problem {
	if len(faults) > 0 && r.name == otp.Invalid.String() {
		detail = "" // errors says it
	}
	return httpx.Problem{Type: problemBase + r.name, Title: r.title, Status: r.status, Detail: detail, Errors: faults}
}

// fieldErrors lists the fields at fault.
func fieldErrors(e *otp.Error) []httpx.FieldError {
	var all []httpx.FieldError
	for _, one := range append([]*otp.Error{e}, e.Also...) {
		if one.Field != "" {
			all = append(all, httpx.FieldError{Field: one.Field, Detail: one.Message})
		}
	}
	return all
}

func writeProblem(w http.ResponseWriter, err error) {
	p := problemOf(err)
	if p.Status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", "Bearer")
	}
	httpx.WriteProblem(w, p)
}

// refuse answers what no operation ever sees: wrong methods and panics.
func refuse(w http.ResponseWriter, _ *http.Request, what httpx.Refusal) {
	p := ofStatus(what.Status).problem(what.Detail, nil)
	p.RetryAfter = what.RetryAfter
	httpx.WriteProblem(w, p)
}
