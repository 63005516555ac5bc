package httpx

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strconv"
	"time"
)

// WriteJSON writes a whole answer. An empty contentType is application/json. A
// failed write means that the client is gone, which is nobody's error.
func WriteJSON(w http.ResponseWriter, status int, contentType string, body []byte) {
	if contentType == "" {
		contentType = "application/json"
	}
	h := w.Header()
	values := [2]string{contentType, strconv.Itoa(len(body))} // one room for both lists
	h["Content-Type"] = values[:1:1]
	h["Content-Length"] = values[1:]
	w.WriteHeader(status)
	_, _ = w.Write(body)
}

// SetRetryAfter sets the header Retry-After to whole seconds, rounded up, at
// least 1. A wait of 0 or less sets nothing.
func SetRetryAfter(h http.Header, wait time.Duration) {
	if wait > 0 {
		h.Set("Retry-After", strconv.FormatInt(wholeSeconds(wait), 10))
	}
}

func wholeSeconds(wait time.Duration) int64 {
	seconds := int64(wait / time.Second)
	if wait%time.Second > 0 {
		seconds++
	}
	return seconds
}

// Problem is an RFC 9457 problem document. Its members are written in the
// order of the fields, the empty ones left out.
type Problem struct {
	// Type is a URI that names the kind of problem; empty is "about:blank".
	Type string
	// Title is the kind of problem in words; empty is the status in words.
	Title string
	// Status is the HTTP status, 500 when it is 0.
	Status int
	// Detail is a sentence about this occurrence.
	Detail string
	// Instance is a URI that names this occurrence.
	Instance string
	// Rule is the name of the rule that refused.
	Rule string
	// RetryAfter is how long to wait. It is written as whole seconds, in the
	// member retry_after and in the header Retry-After.
	RetryAfter time.Duration
	// Challenge is what the end user may pass to be let in, or nil.
	Challenge *Challenge
	// Errors are the faults of single members of the request.
	Errors []FieldError
}

// Challenge is how an end user shows that he is no program.
type Challenge struct {
	Type    string `json:"type"`
	SiteKey string `json:"site_key,omitempty"` // that the page shows it with
}

// FieldError is the fault of one member of a request.
type FieldError struct {
	Field  string `json:"field"`
	Detail string `json:"detail"` // holds nothing of the member's value
}

// WriteProblem writes the problem as application/problem+json.
func WriteProblem(w http.ResponseWriter, p Problem) {
	if p.Status == 0 {
		p.Status = http.StatusInternalServerError
	}
	if p.Title == "" {
		p.Title = http.StatusText(p.Status)
	}
	wire := struct {
		Type       string `json:"type,omitempty"`
		Title      string `json:"title,omitempty"`
		Status     int    `json:"status"`
		Detail     string `json:"detail,omitempty"`
		Instance   string `json:"instance,omitempty"`
		Rule       string `json:"rule,omitempty"`
		RetryAfter int64  `json:"retry_after,omitempty"`

		Challenge *Challenge `json:"challenge,omitempty"`

		Errors []FieldError `json:"errors,omitempty"`
	}{p.Type, p.Title, p.Status, p.Detail, p.Instance, p.Rule, wholeSeconds(max(p.RetryAfter, 0)), p.Challenge, p.Errors}
	var body bytes.Buffer
	encoder := json.NewEncoder(&body)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(wire) // strings and numbers always encode
	SetRetryAfter(w.Header(), p.RetryAfter)
	WriteJSON(w, p.Status, "application/problem+json", bytes.TrimSuffix(body.Bytes(), []byte("\n")))
}

// RefuseWithProblem is the Refuse that writes problems.
func RefuseWithProblem(w http.ResponseWriter, _ *http.Request, what Refusal) {
	WriteProblem(w, Problem{Status: what.Status, Detail: what.Detail, RetryAfter: what.RetryAfter})
}

// NotFound answers 404 with a problem: for paths that belong to no API.
func NotFound(w http.ResponseWriter, _ *http.Request) {
	WriteProblem(w, Problem{Status: http.StatusNotFound})
}
