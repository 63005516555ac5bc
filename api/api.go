// Package api is the gallery of dialects: the HTTP languages in which
// applications ask for verifications. Here stands what all of them share: what
// a dialect is, what it is given, the size of a body, and access tokens.
//
// A dialect reads a request of its language, asks the core, and writes the
// answer in the vendor's words. It holds no rule of its own, and sees no
// store, no carrier and no other dialect.
package api

import (
	"context"
	"crypto/rsa"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/aldaba-otp/aldaba/internal/bearer"
	"github.com/aldaba-otp/aldaba/internal/httpx"
	"github.com/aldaba-otp/aldaba/otp"
)

// BodyLimit is the most bytes that any request may carry.
const BodyLimit = 16 << 10

// Dialect is one language, ready to be mounted at the root of a listener.
type Dialect struct {
	Name   string // of its folder
	Routes []httpx.Route
	// Sample is a curl command against the demo tenants that starts a
	// verification, with $BASE for the address of the server.
	Sample string
}

// Source makes the contexts of requests that tell the core which address each
// comes from, as the operator's proxies say: for everything that asks for
// credentials.
func Source(p httpx.Proxies) func(*http.Request) context.Context {
	return func(r *http.Request) context.Context { return otp.WithSource(r.Context(), p.Client(r)) }
}

// Host is what a dialect is given.
type Host struct {
	Service *otp.Service
	tokens  *bearer.Verifier
}

// NewHost returns the host of dialects over a service.
func NewHost(s *otp.Service) Host {
	return Host{Service: s, tokens: bearer.NewVerifier(ringKeys{s}, s.Now)}
}

// ringKeys reads the signing keys from the ring in force.
type ringKeys struct{ s *otp.Service }

// SigningKey returns the id and key that sign tokens now.
func (k ringKeys) SigningKey() (string, *rsa.PrivateKey) { return k.s.Ring().SigningKey(k.s.Now()) }

// VerificationKey returns the public half of a key by its id.
func (k ringKeys) VerificationKey(id string) (*rsa.PublicKey, bool) {
	return k.s.Ring().VerificationKey(id)
}

// TokenLife is how long an access token is good for (ruling R13).
const TokenLife = time.Hour

// TokenEndpoint returns the OAuth 2.0 token endpoint for the client
// credentials of all tenants, answering in a vendor's form (RFC 6749 section
// 4.4, ruling R13).
func (h Host) TokenEndpoint(form bearer.Form) http.HandlerFunc {
	e := &bearer.Endpoint{Authenticate: h.client, Keys: ringKeys{h.Service}, Now: h.Service.Now, TTL: TokenLife, Form: form}
	return e.ServeHTTP
}

// RefuseToken answers what the token endpoint never sees, in OAuth's form as the
// endpoint itself does.
func RefuseToken(w http.ResponseWriter, _ *http.Request, what httpx.Refusal) {
	word := "invalid_request"
	switch {
	case what.Status == http.StatusServiceUnavailable:
		word = "temporarily_unavailable"
	case what.Status >= http.StatusInternalServerError:
		word = "server_error"
	}
	httpx.SetRetryAfter(w.Header(), what.RetryAfter)
	httpx.WriteJSON(w, what.Status, "", []byte(`{"error":"`+word+`"}`))
}

// client asks the core for the owner of client credentials.
func (h Host) client(ctx context.Context, id, secret string) (bearer.Client, error) {
	caller, err := h.Service.Authenticate(ctx, otp.OAuth2, id, secret)
	switch e := otp.AsError(err); {
	case err == nil:
		return bearer.Client{ID: id, Tenant: caller.Tenant, Credential: caller.Credential, Scopes: caller.Scopes}, nil
	case e.Kind == otp.Unauthenticated:
		return bearer.Client{}, bearer.ErrInvalidClient
	case e.Kind == otp.Throttled:
		return bearer.Client{}, &bearer.Busy{RetryAfter: e.RetryAfter}
	}
	return bearer.Client{}, err
}

// TokenCaller returns the caller behind the request's access token and what
// the token says. A token of a client that was taken out of the configuration
// is void. Errors: an [otp.Error] of kind Unauthenticated.
func (h Host) TokenCaller(r *http.Request) (otp.Caller, bearer.Claims, error) {
	text, ok := httpx.BearerToken(r)
	if !ok {
		return otp.Caller{}, bearer.Claims{}, &otp.Error{Kind: otp.Unauthenticated, Message: "no access token"}
	}
	claims, err := h.tokens.Verify(text)
	if err != nil {
		return otp.Caller{}, claims, &otp.Error{Kind: otp.Unauthenticated, Message: "the access token is not valid", Cause: err}
	}
	caller, err := h.Service.Vouch(r.Context(), otp.OAuth2, claims.Subject, claims.Credential)
	if err == nil && caller.Tenant != claims.Tenant {
		err = &otp.Error{Kind: otp.Unauthenticated, Message: "the access token is of another tenant"}
	}
	return caller, claims, err
}

// TellClamped names in the header X-Policy-Clamped the settings of a started
// verification that were cut to the bounds of the policy, or that are honoured
// although they are weak. The vendors' answers have no place for it.
func TellClamped(h http.Header, v otp.View) {
	if len(v.Weak) > 0 {
		h.Set("X-Policy-Clamped", strings.Join(v.Weak, ", "))
	}
}

// ReadBody reads a request's body of up to [BodyLimit] bytes. Instead of an
// error it returns the status that the dialect must refuse with: 413, 415, or
// 400 for a body that broke off; 0 is success.
func ReadBody(w http.ResponseWriter, r *http.Request) (body []byte, status int) {
	body, err := httpx.ReadBody(w, r, BodyLimit)
	switch {
	case err == nil:
		return body, 0
	case errors.Is(err, httpx.ErrTooLarge):
		return nil, http.StatusRequestEntityTooLarge
	case errors.Is(err, httpx.ErrUnsupportedEncoding):
		return nil, http.StatusUnsupportedMediaType
	}
	return nil, http.StatusBadRequest
}
