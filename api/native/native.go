// Package native is the server's own HTTP API: verifications and contacts
// under /v1, in JSON, with bearer keys, RFC 9457 problems and idempotency
// keys, as section 7 of the architecture promises to the letter.
//
// It is NOT the core: it reads and writes this one language, and every rule
// that it tells about (limits, policies, what may be guessed) is the core's.
// It sees no store, no carrier and no other dialect.
package native

import (
	_ "embed"
	"errors"
	"net/http"

	"github.com/aldaba-otp/aldaba/api"
	"github.com/aldaba-otp/aldaba/internal/httpx"
	"github.com/aldaba-otp/aldaba/otp"
)

// document describes this package's API to programs. It is written by hand;
// the tests hold it and the code against each other.
//
//go:embed openapi.json
var document string

const sample = `curl -s $BASE/v1/verifications -H 'Authorization: Bearer demo-key' -H 'Content-Type: application/json' -d '{"to":"+18091234567"}'`

// dialect answers the requests.
type dialect struct{ service *otp.Service }

// New returns the native dialect.
func New(h api.Host) api.Dialect {
	d := &dialect{h.Service}
	const all, one, contact = "/v1/verifications", "/v1/verifications/{id}", "/v1/contacts/{id}"
	return api.Dialect{Name: otp.NativeDialect, Sample: sample, Routes: []httpx.Route{
		d.route(http.MethodPost, all, otp.ScopeSend, http.StatusCreated, d.start),
		d.route(http.MethodGet, all, otp.ScopeRead, http.StatusOK, d.list),
		d.route(http.MethodGet, one, otp.ScopeRead, http.StatusOK, d.get),
		d.route(http.MethodPost, one+"/check", otp.ScopeCheck, http.StatusOK, d.check),
		d.route(http.MethodPost, one+"/resend", otp.ScopeSend, http.StatusOK, d.resend),
		d.route(http.MethodPost, one+"/next", otp.ScopeSend, http.StatusOK, d.next),
		d.route(http.MethodPost, one+"/cancel", otp.ScopeSend, http.StatusOK, d.cancel),
		d.linkRoute(),
		d.route(http.MethodPut, contact, otp.ScopeAdmin, http.StatusOK, d.putContact),
		d.route(http.MethodGet, contact, otp.ScopeRead, http.StatusOK, d.getContact),
		d.route(http.MethodDelete, contact, otp.ScopeAdmin, http.StatusNoContent, d.deleteContact),
		d.route(http.MethodPost, "/v1/lists", otp.ScopeAdmin, http.StatusOK, d.decide),
		d.route(http.MethodGet, "/v1/lists", otp.ScopeRead, http.StatusOK, d.lists),
		{Methods: []string{http.MethodGet}, Pattern: "/v1/jwks.json", Handler: d.keys, Refuse: refuse},
		{Methods: []string{http.MethodGet}, Pattern: "/v1/openapi.json", Handler: describe, Refuse: refuse},
	}}
}

// request is a call with its caller, as the operations see it.
type request struct {
	*http.Request

	w      http.ResponseWriter
	caller otp.Caller
}

// operation does one thing and returns the body of the answer.
type operation func(r request) ([]byte, error)

// route makes one row: who may call, and what success is.
func (d *dialect) route(method, pattern, scope string, success int, do operation) httpx.Route {
	serve := func(w http.ResponseWriter, r *http.Request) {
		body, err := d.perform(w, r, scope, do)
		switch {
		case err != nil:
			fail(w, success, err)
		case success == http.StatusNoContent:
			w.WriteHeader(success)
		default:
			httpx.WriteJSON(w, success, "", body)
		}
	}
	return httpx.Route{Methods: []string{method}, Pattern: pattern, Handler: serve, Refuse: refuse}
}

// fail answers what did not succeed, or has succeeded before.
func fail(w http.ResponseWriter, success int, err error) {
	var again *otp.Repeated
	if errors.As(err, &again) {
		w.Header().Set("Idempotency-Replayed", "true")
		httpx.WriteJSON(w, success, "", again.Answer)
		return
	}
	writeProblem(w, err)
}

// perform lets the caller in and acts. Nothing of a request is read before its
// credentials are judged.
func (d *dialect) perform(w http.ResponseWriter, r *http.Request, scope string, do operation) ([]byte, error) {
	key, ok := httpx.BearerToken(r)
	if !ok {
		return nil, &otp.Error{Kind: otp.Unauthenticated, Message: "an API key is needed: Authorization: Bearer KEY"}
	}
	caller, err := d.service.Authenticate(r.Context(), otp.APIKey, "", key)
	if err != nil {
		return nil, err
	}
	if !caller.May(scope) {
		return nil, &otp.Error{Kind: otp.Forbidden, Message: "the key lacks the scope " + scope}
	}
	return do(request{r, w, caller})
}

// describe serves the document, to anybody.
func describe(w http.ResponseWriter, _ *http.Request) {
	httpx.WriteJSON(w, http.StatusOK, "", []byte(document))
}
