// Package additiv speaks the language of additiv's "DFS OTP Services API": a
// code is sent to a contact that the tenant knows by a number, under a session,
// and is checked by contact, session and key.
//
// The documents that it follows are https://api.additiv.com/onetimepassword
// (operations, members, error object), https://api.additiv.com/ (clients,
// tokens, connect/token) and https://api.additiv.com/contactidentity (a sibling
// of the same family). Paths and words that those pages leave open are listed
// in docs/dialects/additiv.md, with the reason for each choice.
//
// It is NOT a contact store and NOT an identity server: contacts and client
// credentials are the tenant's configuration, user tokens do not exist, and no
// rule about codes, tries or limits stands here; those are the core's.
package additiv

import (
	"net/http"
	"slices"
	"time"

	"github.com/aldaba-otp/aldaba/api"
	"github.com/aldaba-otp/aldaba/internal/bearer"
	"github.com/aldaba-otp/aldaba/internal/httpx"
	"github.com/aldaba-otp/aldaba/otp"
)

const name = "additiv"

// The paths. Those of check and verify are documented, the others are ours,
// built in the same manner.
const (
	contactPath = "/v1.0/contacts/{contact}/"
	keyPath     = contactPath + "sessions/{session}/verification-key/{key}/"
	tokenPath   = "/connect/token"
)

// sendPaths are the spellings under which a code is sent.
func sendPaths() []string {
	return []string{"verification-key/send", "verification-key", "send-verification-key"}
}

// pendingPaths are the spellings under which a code is sent to an address that
// is about to become the contact's.
func pendingPaths() []string {
	return []string{
		"verification-key/send-pending-communication-channels",
		"verification-key/pending-communication-channels/send",
		"verification-key/pending-communication-channel/send",
		"verification-key/send/pending",
	}
}

// documented are the settings of the dialect where the profile says nothing
// (ruling R14).
func documented() otp.Settings {
	return otp.Settings{Alphabet: otp.Digits, Length: 6, Lifetime: 5 * time.Minute, MaxAttempts: 5}
}

// sample sends a code to the demo's first contact; the token is fetched inline.
const sample = `curl -s -X POST -H "Authorization: Bearer $(curl -s -d 'grant_type=client_credentials&client_id=demo&client_secret=demo-secret' $BASE/connect/token | sed 's/.*"access_token":"\([^"]*\)".*/\1/')"` +
	` -H 'Content-Type: application/json' -d '{"sessionId":"order-77","channel":"Sms"}' $BASE/v1.0/contacts/4711/verification-key/send`

// dialect serves the operations.
type dialect struct{ host api.Host }

// New returns the dialect over a host.
func New(h api.Host) api.Dialect {
	d := &dialect{h}
	routes := []httpx.Route{
		{Methods: []string{http.MethodPost}, Pattern: tokenPath, Handler: h.TokenEndpoint(bearer.Duende), Refuse: api.RefuseToken},
		d.route(http.MethodGet, keyPath+"check", d.check),
		d.route(http.MethodPost, keyPath+"verify", d.verify),
		d.route(http.MethodPost, contactPath+"verification-key/verify", d.verifyOld),
	}
	for _, path := range sendPaths() {
		routes = append(routes, d.route(http.MethodPost, contactPath+path, d.send))
	}
	for _, path := range pendingPaths() {
		routes = append(routes, d.route(http.MethodPost, contactPath+path, d.sendPending))
	}
	return api.Dialect{Name: name, Routes: routes, Sample: sample}
}

// operation serves a request or tells why not.
type operation func(w http.ResponseWriter, r *http.Request) error

func (d *dialect) route(method, pattern string, serve operation) httpx.Route {
	handler := func(w http.ResponseWriter, r *http.Request) {
		if err := serve(w, r); err != nil {
			writeError(w, r, err)
		}
	}
	return httpx.Route{Methods: []string{method}, Pattern: pattern, Handler: handler, Refuse: refuse}
}

// danaScope is what the same clients ask for DANAConnect's API; it allows
// nothing here.
const danaScope = "conversation:access2api"

// caller returns who asks, if its token allows the scope. A client whose
// configuration lists no scopes needs none (ruling R13). One that lists scopes
// by this server's names needs the operation's own; one that lists names of
// its own, such as those of the vendor's identity server, needs one of them.
// Both the configuration of today and the token must have it.
func (d *dialect) caller(r *http.Request, scope string) (otp.Caller, error) {
	caller, claims, err := d.host.TokenCaller(r)
	if err != nil || len(caller.Scopes) == 0 {
		return caller, err
	}
	named := caller.NamesScopes()
	allowed := slices.ContainsFunc(caller.Scopes, func(s string) bool {
		return claims.Has(s) && (s == scope || !named && s != danaScope)
	})
	if !allowed {
		return caller, &otp.Error{Kind: otp.Forbidden, Message: "the token lacks the scope of this operation"}
	}
	return caller, nil
}
