// Package modica speaks the 2FA REST API v1 of Modica Group, which its white
// labels (Optus SMS Suite, Indosat Ooredoo) speak as well: an application
// creates a challenge and answers it.
//
// It follows the vendor's pages
// https://oss.modicagroup.com/docs/es/integrations/api-documentation/2fa and
// https://sms.optus.com.au/docs/en/integrations/api-documentation/2fa; what
// those leave open, and what is decided here, is in docs/dialects/modica.md.
//
// It is NOT the vendor's messaging gateway, and it holds no rule: it reads a
// request, asks the core, and says what the core answers in the vendor's words.
package modica

import (
	"context"
	"net/http"
	"time"

	"github.com/aldaba-otp/aldaba/api"
	"github.com/aldaba-otp/aldaba/internal/httpx"
	"github.com/aldaba-otp/aldaba/internal/strictjson"
	"github.com/aldaba-otp/aldaba/otp"
)

// name is the dialect's, in profiles' aliases and in the journal.
const name = "modica"

// dialect answers the two calls.
type dialect struct {
	service *otp.Service
}

// New returns the dialect over a host.
func New(h api.Host) api.Dialect {
	d := &dialect{service: h.Service}
	post := []string{http.MethodPost}
	return api.Dialect{
		Name: name,
		Routes: []httpx.Route{
			{Methods: post, Pattern: "/rest/2fa/challenges", Handler: d.serve(otp.ScopeSend, d.challenge), Refuse: d.refuse},
			{Methods: post, Pattern: "/rest/2fa/responses", Handler: d.serve(otp.ScopeCheck, d.response), Refuse: d.refuse},
		},
		Sample: `curl -u demo:demo-password -H 'Content-Type: application/json' -d '{"destination":"+18091234567"}' $BASE/rest/2fa/challenges`,
	}
}

// act is one of the calls, once caller and body are known.
type act func(context.Context, otp.Caller, attributes) answer

// serve stands around a call: credentials first, then the format that the
// client can read, then the body.
func (d *dialect) serve(scope string, do act) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		mediaType, acceptable := negotiate(r.Header["Accept"])
		d.write(w, r, mediaType, d.answer(w, r, acceptable, scope, do))
	}
}

func (d *dialect) answer(w http.ResponseWriter, r *http.Request, acceptable bool, scope string, do act) answer {
	caller, err := d.caller(r, scope)
	if err != nil {
		return refusal(err)
	}
	if !acceptable {
		return fault(http.StatusNotAcceptable, notAcceptable)
	}
	body, status := api.ReadBody(w, r)
	if status == http.StatusRequestEntityTooLarge {
		return fault(status, tooLarge)
	}
	object, err := strictjson.Parse(body)
	if status != 0 || err != nil {
		return fault(http.StatusBadRequest, invalidJSON)
	}
	return do(r.Context(), caller, attributes{object: object, retry: api.Retry(r, body, 0)})
}

// caller finds the application behind HTTP Basic. The page answers an
// application without permission like one that is unknown.
func (d *dialect) caller(r *http.Request, scope string) (otp.Caller, error) {
	application, password, _ := httpx.BasicAuth(r)
	caller, err := d.service.Authenticate(r.Context(), otp.Modica, application, password)
	if err == nil && !caller.May(scope) {
		err = &otp.Error{Kind: otp.Forbidden, Message: "the application may not do this"}
	}
	return caller, err
}

// challenge creates a challenge: POST /challenges.
func (d *dialect) challenge(ctx context.Context, caller otp.Caller, in attributes) answer {
	req := otp.StartRequest{
		Caller: caller, Dialect: name, Profile: d.profile(caller),
		To: in.destination(), Text: in.content(), Sender: in.mask(),
		Asked:      otp.Settings{Lifetime: in.expiresIn()},
		Documented: otp.Settings{Alphabet: otp.Digits, Length: 6, Lifetime: 600 * time.Second, MaxAttempts: 5},
		Shorten:    true, // expires tells how long it lives in truth
		// The example of the vendor's page.
		DefaultText: "Your 2FA code is: " + otp.PercentCode,
		Retry:       in.retry,
	}
	if wrong := in.verdict(); wrong != "" {
		return fault(http.StatusBadRequest, wrong)
	}
	v, err := d.service.Start(ctx, req)
	switch {
	case err != nil && in.blames(otp.AsError(err)):
		return fault(http.StatusBadRequest, invalidAttrib)
	case err != nil:
		return refusal(err)
	}
	return answer{status: http.StatusCreated, view: v, body: created{
		Created: v.Created.UTC().Format(timestamp), Expires: v.Expires.UTC().Format(timestamp), ID: v.ID.String(),
	}}
}

// profile is the alias that the tenant gave to the application, or none. The
// language has no other way to name a profile.
func (d *dialect) profile(caller otp.Caller) string {
	if _, ok := d.service.Directory().Profile(caller.Tenant, name, caller.Identity); ok {
		return caller.Identity
	}
	return ""
}

// response answers a challenge: POST /responses. A challenge belongs to the
// application that created it.
func (d *dialect) response(ctx context.Context, caller otp.Caller, in attributes) answer {
	req := otp.CheckRequest{
		Caller: caller, Dialect: name, Code: in.required("code"),
		Ref: otp.Ref{ID: in.challengeID(), Owner: caller.Identity},
	}
	if wrong := in.verdict(); wrong != "" {
		return fault(http.StatusBadRequest, wrong)
	}
	_, outcome, err := d.service.Check(ctx, req)
	if err != nil && outcome != otp.OutcomeThrottled {
		return refusal(err)
	}
	return answer{status: http.StatusCreated, body: judged{Status: statusOf(outcome)}}
}
