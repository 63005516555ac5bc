// Package danaconnect is the dialect of the DANAConnect OTP API: version 1
// with HTTP Basic and version 2 with an access token of /oauth2/token.
//
// It is NOT a client of DANAConnect and holds no conversations of its own: a
// conversation is another name for a profile, and the fields of a request only
// say where the code goes and what the text shows. Every rule is the core's.
//
// It was made from the vendor's own pages:
//
//	https://dev.danaconnect.com/openapi/otp-reference
//	https://dev.danaconnect.com/openapi/otp-reference/v1
//	https://dev.danaconnect.com/openapi/otp-reference/v2.0
//	https://dev.danaconnect.com/developer-portal/oauth2
//	https://help.danaconnect.com/en-us/article/api-rest-one-time-password-otp-api-vnkelx
//
// What they leave open is decided in docs/dialects/danaconnect.md.
package danaconnect

import (
	"net/http"

	"github.com/aldaba-otp/aldaba/api"
	"github.com/aldaba-otp/aldaba/internal/bearer"
	"github.com/aldaba-otp/aldaba/internal/httpx"
	"github.com/aldaba-otp/aldaba/internal/strictjson"
	"github.com/aldaba-otp/aldaba/otp"
)

// name is the dialect's own, in the core and in profiles' aliases.
const name = "danaconnect"

const sample = `curl -u 'demo@acme:demo-password' -H 'Content-Type: application/json' ` +
	`-d '{"idConversation":824541,"values":[{"key":"COD1_EMAIL","value":"ana@example.com"}],` +
	`"type":1,"length":6,"secondsExpiration":300,"maximumTries":5}' $BASE/otp/1.0/send`

// New returns the dialect with both versions and the token endpoint.
func New(h api.Host) api.Dialect {
	s := &server{h}
	one, two := s.version1(), s.version2()
	routes := []httpx.Route{{
		Methods: []string{http.MethodPost}, Pattern: "/oauth2/token", Handler: h.TokenEndpoint(bearer.Cognito), Refuse: api.RefuseToken,
	}}
	routes = append(routes, s.routes(one, "/otp/1.0/", []string{"send", "generate", "request"}, []string{"verify", "validate"})...)
	// Only the names Generate and Validate are printed for version 2; the
	// bases are those of the vendor's other APIs of that version.
	for _, base := range []string{"/otp/2.0/", "/api/2.0/otp/", "/api/2.0/rest/otp/"} {
		routes = append(routes, s.routes(two, base, []string{"generate", "send"}, []string{"validate", "verify"})...)
	}
	return api.Dialect{Name: name, Routes: routes, Sample: sample}
}

// server answers in the dialect.
type server struct{ host api.Host }

// operation acts on a request whose caller is known and whose body is one
// JSON object; retry is what the core knows a repeated start by.
type operation func(v *version, r *http.Request, caller otp.Caller, body strictjson.Object, retry otp.Retry) answer

// routes are the rows of one version below one base.
func (s *server) routes(v *version, base string, sends, verifies []string) []httpx.Route {
	var rows []httpx.Route
	row := func(name, scope string, act operation) {
		rows = append(rows, httpx.Route{
			Methods: []string{http.MethodPost}, Pattern: base + name, Handler: s.handle(v, scope, act), Refuse: v.refuse,
		})
	}
	for _, name := range sends {
		row(name, otp.ScopeSend, s.send)
	}
	for _, name := range verifies {
		row(name, otp.ScopeCheck, s.verify)
	}
	return rows
}

// handle judges the credentials before it looks at the body (ruling R16).
func (s *server) handle(v *version, scope string, act operation) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		caller, err := v.identify(r, scope)
		if err != nil {
			v.write(w, v.refusal(err))
			return
		}
		body, status := api.ReadBody(w, r)
		if status != 0 {
			v.write(w, answer{status: status, code: invalidRequest})
			return
		}
		object, err := strictjson.Parse(body)
		if err != nil {
			v.write(w, malformed("the body must be one JSON object without repeated members"))
			return
		}
		v.write(w, act(v, r, caller, object, api.Retry(r, body, 0)))
	}
}
