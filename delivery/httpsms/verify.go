package httpsms

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/aldaba-otp/aldaba/delivery"
)

// verifier tells whether a call is the gateway's.
type verifier interface {
	genuine(r *http.Request, body []byte) bool
}

// secretQuery is a secret in the URL that the gateway was given.
type secretQuery struct{ name, secret string }

func (v secretQuery) genuine(r *http.Request, _ []byte) bool {
	return same(r.URL.Query().Get(v.name), v.secret)
}

type secretHeader struct{ name, secret string }

func (v secretHeader) genuine(r *http.Request, _ []byte) bool {
	return same(r.Header.Get(v.name), v.secret)
}

type basicCredentials struct{ username, password string }

func (v basicCredentials) genuine(r *http.Request, _ []byte) bool {
	username, password, ok := r.BasicAuth()
	return same(username, v.username) && same(password, v.password) && ok
}

// verifier reads how calls prove that they are the gateway's. There is none
// that lets everybody report.
func (b *builder) verifier(a *receiptAuthSettings, s delivery.Settings) verifier {
	const path = "receipts.auth"
	if a == nil {
		b.faults.Add(path, "must be given: without it anybody could report")
		return nil
	}
	secret := b.s.fixed(&b.faults, path+".secret", a.Secret)
	if secret == "" && a.Type != "ed25519" {
		b.faults.Add(path+".secret", "must be given")
	}
	switch a.Type {
	case "query":
		if a.Name == "" {
			b.faults.Add(path+".name", "must be the name of a query parameter")
		}
		return secretQuery{a.Name, secret}
	case "header":
		if !headerName.MatchString(a.Name) {
			b.faults.Add(path+".name", "must be the name of a header")
		}
		return secretHeader{a.Name, secret}
	case "basic":
		username := b.s.fixed(&b.faults, path+".username", a.Username)
		if username == "" {
			b.faults.Add(path+".username", "must be given")
		}
		return basicCredentials{username, secret}
	case "hmac":
		return b.signedBody(a, s, secret)
	case "ed25519":
		return b.ed25519Body(a, s)
	case "jwt":
		return &signedToken{a.Issuer, a.PayloadHash, a.URLHash, []byte(secret), s.CallbackURL, s.Clock.Now}
	}
	b.faults.Add(path+".type", "must be query, header, basic, hmac, ed25519 or jwt")
	return nil
}

// inbound is what signatures over calls have in common.
type inbound struct {
	timestamp string        // header with the time of signing, or ""
	tolerance time.Duration // how far it may be off
	public    string        // our URL as the gateway knows it, without a query
	constant  values
	now       func() time.Time
}

// inboundNames are the placeholders of what is signed.
func inboundNames() []string { return []string{"url", "params", "query", "body", "body_sha256"} }

func (b *builder) inbound(a *receiptAuthSettings, s delivery.Settings) inbound {
	if (a.Timestamp == "") != (a.Tolerance == 0) {
		b.faults.Add("receipts.auth.tolerance", "must be given with timestamp, and only then")
	}
	return inbound{a.Timestamp, a.Tolerance, s.CallbackURL, b.s.constant, s.Clock.Now}
}

// fresh tells whether a call was signed lately.
func (i *inbound) fresh(r *http.Request) bool {
	if i.timestamp == "" {
		return true
	}
	n, err := strconv.ParseInt(r.Header.Get(i.timestamp), 10, 64)
	return err == nil && i.now().Sub(time.Unix(n, 0)).Abs() <= i.tolerance
}

// value is what stands for a placeholder of what is signed. The URL is our
// public one: behind a proxy the request does not tell it.
func (i *inbound) value(r *http.Request, body []byte) values {
	return func(name string) string {
		switch name {
		case "url":
			return i.url(r)
		case "query":
			return r.URL.RawQuery
		case "params":
			form, err := url.ParseQuery(string(body))
			if err != nil {
				return ""
			}
			return sortedParams(form)
		}
		return signedValue(name, r.Header, body, i.constant)
	}
}

func (i *inbound) url(r *http.Request) string { return withQuery(i.public, r) }

func withQuery(public string, r *http.Request) string {
	if r.URL.RawQuery == "" {
		return public
	}
	return public + "?" + r.URL.RawQuery
}

// signedBody is an HMAC in a header.
type signedBody struct {
	inbound
	signer
}

func (b *builder) signedBody(a *receiptAuthSettings, s delivery.Settings, secret string) verifier {
	switch a.Key {
	case "":
	case "sha256": // Telegram's key is the hash of the token
		sum := sha256.Sum256([]byte(secret))
		secret = string(sum[:])
	default:
		b.faults.Add("receipts.auth.key", "must be sha256 or not given")
	}
	signer := b.signer(signSettings{
		path: "receipts.auth", header: a.Header, algorithm: a.Algorithm, encoding: a.Encoding, prefix: a.Prefix,
		message: a.Message, secret: secret, names: inboundNames(),
	})
	return &signedBody{b.inbound(a, s), *signer}
}

func (v *signedBody) genuine(r *http.Request, body []byte) bool {
	message, err := v.message.expand(v.value(r, body), nil)
	return err == nil && v.fresh(r) && same(r.Header.Get(v.header), v.signature(message))
}

// ed25519Body is a signature by the vendor's key.
type ed25519Body struct {
	inbound
	header  string
	message template
	key     ed25519.PublicKey
}

func (b *builder) ed25519Body(a *receiptAuthSettings, s delivery.Settings) verifier {
	key, err := base64.StdEncoding.DecodeString(b.s.fixed(&b.faults, "receipts.auth.public_key", a.PublicKey))
	if err != nil || len(key) != ed25519.PublicKeySize {
		b.faults.Add("receipts.auth.public_key", "must be an Ed25519 public key in base64")
	}
	if !headerName.MatchString(a.Header) {
		b.faults.Add("receipts.auth.header", "must be the name of the header with the signature")
	}
	return &ed25519Body{b.inbound(a, s), a.Header, b.signed("receipts.auth.message", a.Message, inboundNames()), key}
}

func (v *ed25519Body) genuine(r *http.Request, body []byte) bool {
	message, err := v.message.expand(v.value(r, body), nil)
	if err != nil || len(v.key) != ed25519.PublicKeySize || !v.fresh(r) {
		return false
	}
	signature, err := base64.StdEncoding.DecodeString(r.Header.Get(v.header))
	return err == nil && ed25519.Verify(v.key, []byte(message), signature)
}

// signedToken is a JWT, HS256, that may hold hashes of what it is sent with.
type signedToken struct {
	issuer, payloadHash, urlHash string // claims; "" when not used
	secret                       []byte
	public                       string
	now                          func() time.Time
}

// tokenHeaders are where vendors put it; a bearer token, or by itself.
func tokenHeaders() []string { return []string{"Authorization", "MessageBird-Signature-JWT"} }

func (v *signedToken) genuine(r *http.Request, body []byte) bool {
	for _, name := range tokenHeaders() {
		text := r.Header.Get(name)
		if scheme, token, found := strings.Cut(text, " "); found && strings.EqualFold(scheme, "bearer") {
			text = token
		}
		if text != "" && len(text) < 8<<10 && v.valid(text, r, body) {
			return true
		}
	}
	return false
}

func (v *signedToken) valid(text string, r *http.Request, body []byte) bool {
	token, err := jwt.ParseSigned(text, []jose.SignatureAlgorithm{jose.HS256})
	if err != nil {
		return false
	}
	var standard jwt.Claims
	claims := map[string]any{}
	if token.Claims(v.secret, &standard, &claims) != nil {
		return false
	}
	if standard.ValidateWithLeeway(jwt.Expected{Issuer: v.issuer, Time: v.now()}, time.Minute) != nil {
		return false
	}
	// Vendors leave the hash of an empty body out.
	hashed := func(claim string, of []byte, mayMiss bool) bool {
		sum := sha256.Sum256(of)
		text, _ := claims[claim].(string)
		return claim == "" || same(strings.ToLower(text), hex.EncodeToString(sum[:])) || mayMiss && claims[claim] == nil
	}
	return hashed(v.payloadHash, body, len(body) == 0) && hashed(v.urlHash, []byte(withQuery(v.public, r)), false)
}
