package bearer

import (
	"crypto/rsa"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// ErrInvalid means that a token is not one of ours, or not valid now. Which of
// it is nobody's business.
var ErrInvalid = errors.New("invalid token")

// self is the issuer and the audience of every token: the server talks to
// itself through its clients.
const self = "aldaba"

// maxToken is the longest token that is looked at. Ours are below 3 kB even
// with the longest scope.
const maxToken = 4096

// Claims are what a token says.
type Claims struct {
	// Subject is the id of the client.
	Subject string
	// Tenant is whose client it is.
	Tenant string
	// Credential tells which of the client's secrets the token was issued for;
	// "" in tokens that do not tell.
	Credential string
	// Scope are the scopes that were granted.
	Scope []string
	// Asked tells whether the client asked for the scopes by name; if not, they
	// are all that its configuration lists.
	Asked bool
	// Issued is when the token began to be valid, in whole seconds.
	Issued time.Time
	// Expires is when the token ceases to be valid, in whole seconds.
	Expires time.Time
	// ID is the token's own id.
	ID string
}

// Has tells whether the scope was granted, asked for or not.
func (c Claims) Has(scope string) bool { return slices.Contains(c.Scope, scope) }

// AskedFor tells whether the scope was granted because it was asked for.
func (c Claims) AskedFor(scope string) bool { return c.Asked && c.Has(scope) }

// Keys are the keys of the installation.
type Keys interface {
	// SigningKey returns the key that signs now, with its id; nil if there is none.
	SigningKey() (kid string, key *rsa.PrivateKey)
	// VerificationKey returns the key of that id while its tokens are honoured.
	VerificationKey(kid string) (*rsa.PublicKey, bool)
}

// wireClaims are Claims by their registered names. Audience is one string here
// while RFC 7519 also allows a list: we read our own tokens only.
type wireClaims struct {
	Issuer    string `json:"iss"`
	Audience  string `json:"aud"`
	Subject   string `json:"sub"`
	Tenant    string `json:"tenant"`
	Cred      string `json:"cred,omitempty"`
	Scope     string `json:"scope,omitempty"`
	Asked     bool   `json:"asked,omitempty"`
	Issued    int64  `json:"iat"`
	NotBefore int64  `json:"nbf"`
	Expires   int64  `json:"exp"`
	ID        string `json:"jti"`
}

// Sign makes the token of the claims. Claims that Verify would never accept are
// an error.
func Sign(keys Keys, c Claims) (string, error) {
	wire := wireClaims{
		Issuer: self, Audience: self, Subject: c.Subject, Tenant: c.Tenant, Cred: c.Credential,
		Scope: strings.Join(c.Scope, " "), Asked: c.Asked,
		Issued: c.Issued.Unix(), NotBefore: c.Issued.Unix(), Expires: c.Expires.Unix(), ID: c.ID,
	}
	if !wire.sound() || !slices.Equal(strings.Fields(wire.Scope), c.Scope) {
		return "", errors.New("bearer: the claims are incomplete")
	}
	kid, key := keys.SigningKey()
	if kid == "" || key == nil {
		return "", errors.New("bearer: no signing key")
	}
	signer, err := jose.NewSigner(
		jose.SigningKey{Algorithm: jose.RS256, Key: key},
		(&jose.SignerOptions{}).WithType("JWT").WithHeader("kid", kid))
	if err != nil {
		return "", fmt.Errorf("bearer: %w", err)
	}
	token, err := jwt.Signed(signer).Claims(wire).Serialize()
	if err != nil {
		return "", fmt.Errorf("bearer: %w", err)
	}
	if len(token) > maxToken {
		return "", errors.New("bearer: the claims are too long")
	}
	return token, nil
}

// Verify returns the claims of a token that one of the keys signed with RS256
// and that is valid at the time, without any leeway. The error is ErrInvalid.
func Verify(keys Keys, token string, now time.Time) (Claims, error) {
	found, err := verify(keys, token, now)
	return found.claims, err
}

func verify(keys Keys, token string, now time.Time) (verdict, error) {
	if len(token) > maxToken {
		return verdict{}, ErrInvalid
	}
	parsed, err := jwt.ParseSigned(token, []jose.SignatureAlgorithm{jose.RS256})
	if err != nil || len(parsed.Headers) != 1 || parsed.Headers[0].KeyID == "" {
		return verdict{}, ErrInvalid
	}
	kid := parsed.Headers[0].KeyID
	key, found := keys.VerificationKey(kid)
	if !found || key == nil {
		return verdict{}, ErrInvalid
	}
	var wire wireClaims
	if err := parsed.Claims(key, &wire); err != nil || !wire.sound() {
		return verdict{}, ErrInvalid
	}
	c := Claims{
		Subject: wire.Subject, Tenant: wire.Tenant, Credential: wire.Cred, Scope: strings.Fields(wire.Scope), Asked: wire.Asked,
		Issued: time.Unix(max(wire.Issued, wire.NotBefore), 0).UTC(), Expires: time.Unix(wire.Expires, 0).UTC(), ID: wire.ID,
	}
	if !c.validAt(now) {
		return verdict{}, ErrInvalid
	}
	return verdict{claims: c, kid: kid, key: key}, nil
}

// sound tells whether the claims are ours and complete.
func (w wireClaims) sound() bool {
	return w.Issuer == self && w.Audience == self && w.Subject != "" && w.ID != "" &&
		w.Issued > 0 && w.NotBefore >= 0 && w.Expires > w.Issued
}

// validAt includes the first moment and excludes the last, as RFC 7519 does.
func (c Claims) validAt(now time.Time) bool {
	return !now.Before(c.Issued) && now.Before(c.Expires)
}
