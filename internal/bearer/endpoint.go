package bearer

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// ErrInvalidClient is what Authenticate returns for an unknown client or a
// wrong secret.
var ErrInvalidClient = errors.New("invalid client")

// Busy is what Authenticate returns when the client has tried too often.
type Busy struct {
	// RetryAfter is how long to wait.
	RetryAfter time.Duration
}

// Error says so.
func (b *Busy) Error() string { return "too many attempts" }

// Client is what a credential check found.
type Client struct {
	// ID is the client's id and Tenant whose client it is.
	ID, Tenant string
	// Credential tells which of its secrets the client showed; it stands in the
	// token and is no secret.
	Credential string
	// Scopes are all that it may ask for; nil means any.
	Scopes []string
}

// Form is the shape of a token answer.
type Form uint8

const (
	// Cognito answers access_token, token_type and expires_in.
	Cognito Form = iota
	// Duende answers access_token, expires_in, token_type and scope, the last
	// one only if any scope was granted.
	Duende
)

// Endpoint is the token endpoint. It takes POST with a form; the only grant is
// client_credentials. All errors are 400 with an OAuth error code, as AWS
// Cognito and Duende answer, unless a field below says otherwise.
type Endpoint struct {
	// Authenticate checks credentials. ErrInvalidClient becomes 400, a *Busy
	// 429, and any other error 503. It may be called twice for one request
	// whose Basic credentials can be read in two ways.
	Authenticate func(ctx context.Context, id, secret string) (Client, error)
	// Keys sign the tokens.
	Keys Keys
	// Now is the clock; nil is time.Now.
	Now func() time.Time
	// TTL is how long tokens are valid; 0 is an hour.
	TTL time.Duration
	// Form is the shape of the answer.
	Form Form
	// NewID makes the ids of tokens; nil makes random ones.
	NewID func() string
}

// refusal is an OAuth error with its status.
type refusal struct {
	status int
	code   string
	wait   time.Duration
}

func invalidRequest(status int) *refusal { return &refusal{status: status, code: "invalid_request"} }

func invalidClient() *refusal {
	return &refusal{status: http.StatusBadRequest, code: "invalid_client"}
}

// ServeHTTP answers with a token or an OAuth error.
func (e *Endpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		invalidRequest(http.StatusMethodNotAllowed).write(w)
		return
	}
	claims, refused := e.grant(w, r)
	if refused != nil {
		refused.write(w)
		return
	}
	token, err := Sign(e.Keys, claims)
	if err != nil {
		unavailable().write(w)
		return
	}
	write(w, http.StatusOK, e.answer(token, claims))
}

// grant judges the request from the cheapest to the dearest question.
func (e *Endpoint) grant(w http.ResponseWriter, r *http.Request) (Claims, *refusal) {
	form, refused := readForm(w, r)
	if refused != nil {
		return Claims{}, refused
	}
	switch form["grant_type"] {
	case "":
		return Claims{}, invalidRequest(http.StatusBadRequest)
	case "client_credentials":
	default:
		return Claims{}, &refusal{status: http.StatusBadRequest, code: "unsupported_grant_type"}
	}
	pairs, refused := credentials(r, form)
	if refused != nil {
		return Claims{}, refused
	}
	client, refused := e.authenticate(r.Context(), pairs)
	if refused != nil {
		return Claims{}, refused
	}
	scope, ok := grantedScope(client.Scopes, form["scope"])
	if !ok {
		return Claims{}, &refusal{status: http.StatusBadRequest, code: "invalid_scope"}
	}
	return e.claims(client, scope, form["scope"] != ""), nil
}

func (e *Endpoint) authenticate(ctx context.Context, pairs []pair) (Client, *refusal) {
	refused := invalidClient()
	for _, p := range pairs {
		client, err := e.Authenticate(ctx, p.id, p.secret)
		busy := (*Busy)(nil)
		switch {
		case err == nil:
			return client, nil
		case errors.As(err, &busy): // the other reading may be one that is known
			refused = &refusal{http.StatusTooManyRequests, "temporarily_unavailable", max(busy.RetryAfter, 1)}
		case !errors.Is(err, ErrInvalidClient):
			return Client{}, unavailable()
		}
	}
	return Client{}, refused
}

func unavailable() *refusal {
	return &refusal{http.StatusServiceUnavailable, "temporarily_unavailable", time.Second}
}

// maxScope keeps a client that may ask for anything from asking for a token
// that fits no header.
const maxScope = 1024

// grantedScope returns the asked scopes in their order, or all of the client's
// when it asked for none. It is not ok to ask for one that it does not have.
func grantedScope(allowed []string, asked string) ([]string, bool) {
	if asked == "" {
		return allowed, true
	}
	if len(asked) > maxScope {
		return nil, false
	}
	var granted []string
	for scope := range strings.SplitSeq(asked, " ") {
		if !scopeToken(scope) || allowed != nil && !slices.Contains(allowed, scope) {
			return nil, false
		}
		if !slices.Contains(granted, scope) {
			granted = append(granted, scope)
		}
	}
	return granted, true
}

// scopeToken is the grammar of RFC 6749 section 3.3.
func scopeToken(scope string) bool {
	for _, c := range []byte(scope) {
		if c <= ' ' || c >= 0x7f || c == '"' || c == '\\' {
			return false
		}
	}
	return scope != ""
}

func (e *Endpoint) claims(client Client, scope []string, asked bool) Claims {
	now, newID := time.Now, rand.Text //nolint:forbidigo // the defaults of the fields
	if e.Now != nil {
		now = e.Now
	}
	if e.NewID != nil {
		newID = e.NewID
	}
	issued := now()
	return Claims{
		Subject: client.ID, Tenant: client.Tenant, Credential: client.Credential, Scope: scope, Asked: asked,
		Issued: issued, Expires: issued.Truncate(time.Second).Add(e.ttl()), ID: newID(),
	}
}

func (e *Endpoint) ttl() time.Duration {
	if e.TTL <= 0 {
		return time.Hour
	}
	return max(e.TTL.Truncate(time.Second), time.Second)
}

func (e *Endpoint) answer(token string, c Claims) any {
	seconds := int64(e.ttl() / time.Second)
	if e.Form == Duende {
		return struct {
			AccessToken string `json:"access_token"`
			ExpiresIn   int64  `json:"expires_in"`
			TokenType   string `json:"token_type"`
			Scope       string `json:"scope,omitempty"`
		}{token, seconds, "Bearer", strings.Join(c.Scope, " ")}
	}
	return struct {
		AccessToken string `json:"access_token"`
		TokenType   string `json:"token_type"`
		ExpiresIn   int64  `json:"expires_in"`
	}{token, "Bearer", seconds}
}

func (f *refusal) write(w http.ResponseWriter) {
	if f.wait > 0 {
		seconds := (f.wait + time.Second - 1) / time.Second
		w.Header().Set("Retry-After", strconv.FormatInt(int64(seconds), 10))
	}
	write(w, f.status, struct {
		Error string `json:"error"`
	}{f.code})
}

// write answers so that no cache keeps it (RFC 6749 section 5.1).
func write(w http.ResponseWriter, status int, answer any) {
	body, _ := json.Marshal(answer) // strings and numbers always encode
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	h.Set("Cache-Control", "no-store")
	h.Set("Pragma", "no-cache")
	w.WriteHeader(status)
	_, _ = w.Write(body)
}
