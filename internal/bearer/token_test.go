package bearer

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// keyPair makes one key for all tests: it is the slowest thing here.
var keyPair = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
})

// moment is when the tests happen.
var moment = time.Unix(1_700_000_000, 0).UTC()

// ring is a set of keys.
type ring struct {
	mu      sync.Mutex
	kid     string
	private *rsa.PrivateKey
	public  map[string]*rsa.PublicKey
}

func newRing() *ring {
	key := keyPair()
	return &ring{kid: "k1", private: key, public: map[string]*rsa.PublicKey{"k1": &key.PublicKey}}
}

func (r *ring) SigningKey() (string, *rsa.PrivateKey) { return r.kid, r.private }

func (r *ring) VerificationKey(kid string) (*rsa.PublicKey, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	key, ok := r.public[kid]
	return key, ok
}

func (r *ring) withdraw(kid string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.public, kid)
}

func sampleClaims() Claims {
	return Claims{
		Subject: "client", Tenant: "acme", Scope: []string{"conversation:access2api", "x"}, Asked: true,
		Issued: moment, Expires: moment.Add(time.Hour), ID: "id1",
	}
}

func mustSign(t testing.TB, keys Keys, c Claims) string {
	t.Helper()
	token, err := Sign(keys, c)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func TestSignedClaimsComeBack(t *testing.T) {
	t.Parallel()
	keys := newRing()
	bare := Claims{Subject: "c", Issued: moment, Expires: moment.Add(time.Second), ID: "1"}
	for _, want := range []Claims{sampleClaims(), bare} {
		got, err := Verify(keys, mustSign(t, keys, want), moment)
		if len(got.Scope) == 0 {
			got.Scope = nil
		}
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%+v, %v, want %+v", got, err, want)
		}
	}
}

func TestTokensAreValidFromIssueUntilExpiry(t *testing.T) {
	t.Parallel()
	keys := newRing()
	token := mustSign(t, keys, sampleClaims())
	for after, want := range map[time.Duration]error{
		-time.Nanosecond: ErrInvalid, 0: nil, time.Hour - time.Nanosecond: nil, time.Hour: ErrInvalid, 2 * time.Hour: ErrInvalid,
	} {
		if _, err := Verify(keys, token, moment.Add(after)); !errors.Is(err, want) {
			t.Errorf("after %v: %v", after, err)
		}
	}
}

func TestForeignTokensAreInvalid(t *testing.T) {
	t.Parallel()
	keys := newRing()
	good := mustSign(t, keys, sampleClaims())
	parts := strings.Split(good, ".")
	forge := func(algorithm jose.SignatureAlgorithm, key any, kid string, claims any) string {
		options := &jose.SignerOptions{}
		if kid != "" {
			options.WithHeader("kid", kid)
		}
		signer, err := jose.NewSigner(jose.SigningKey{Algorithm: algorithm, Key: key}, options)
		if err != nil {
			t.Fatal(err)
		}
		token, err := jwt.Signed(signer).Claims(claims).Serialize()
		if err != nil {
			t.Fatal(err)
		}
		return token
	}
	claims := func(change string, value any) map[string]any {
		m := map[string]any{
			"iss": "aldaba", "aud": "aldaba", "sub": "c", "tenant": "t", "jti": "1",
			"iat": moment.Unix(), "nbf": moment.Unix(), "exp": moment.Unix() + 60,
		}
		m[change] = value
		if value == nil {
			delete(m, change)
		}
		return m
	}
	b64 := base64.RawURLEncoding.EncodeToString
	tests := map[string]string{
		"empty":           "",
		"words":           "a.b.c",
		"two parts":       parts[0] + "." + parts[1],
		"five parts":      good + ".a.b",
		"no signature":    parts[0] + "." + parts[1] + ".",
		"alg none":        b64([]byte(`{"alg":"none","kid":"k1"}`)) + "." + parts[1] + ".",
		"changed claims":  parts[0] + "." + b64([]byte(`{"iss":"aldaba"}`)) + "." + parts[2],
		"HS256 by public": forge(jose.HS256, keyPair().N.Bytes(), "k1", claims("", "")),
		"PS256":           forge(jose.PS256, keyPair(), "k1", claims("", "")),
		"RS512":           forge(jose.RS512, keyPair(), "k1", claims("", "")),
		"no kid":          forge(jose.RS256, keyPair(), "", claims("", "")),
		"unknown kid":     forge(jose.RS256, keyPair(), "k2", claims("", "")),
		"other issuer":    forge(jose.RS256, keyPair(), "k1", claims("iss", "x")),
		"other audience":  forge(jose.RS256, keyPair(), "k1", claims("aud", "x")),
		"audience list":   forge(jose.RS256, keyPair(), "k1", claims("aud", []string{"aldaba", "x"})),
		"no subject":      forge(jose.RS256, keyPair(), "k1", claims("sub", nil)),
		"no id":           forge(jose.RS256, keyPair(), "k1", claims("jti", nil)),
		"no expiry":       forge(jose.RS256, keyPair(), "k1", claims("exp", nil)),
		"no issue":        forge(jose.RS256, keyPair(), "k1", claims("iat", nil)),
		"issued later":    forge(jose.RS256, keyPair(), "k1", claims("iat", moment.Unix()+1)),
		"not before":      forge(jose.RS256, keyPair(), "k1", claims("nbf", moment.Unix()+1)),
		"expiry as text":  forge(jose.RS256, keyPair(), "k1", claims("exp", "9999999999")),
		"too long":        forge(jose.RS256, keyPair(), "k1", claims("x", strings.Repeat("x", maxToken))),
	}
	for name, token := range tests {
		if c, err := Verify(keys, token, moment); !errors.Is(err, ErrInvalid) || c.Subject != "" {
			t.Errorf("%s: %+v, %v", name, c, err)
		}
	}
	if _, err := Verify(keys, forge(jose.RS256, keyPair(), "k1", claims("", "")), moment); err != nil {
		t.Errorf("the unchanged forgery, which proves the others: %v", err)
	}
}

func TestClaimsThatNobodyWouldAcceptAreNotSigned(t *testing.T) {
	t.Parallel()
	noKey := newRing()
	noKey.private = nil
	tests := map[string]struct {
		keys   Keys
		change func(*Claims)
	}{
		"no key":      {noKey, func(*Claims) {}},
		"no subject":  {newRing(), func(c *Claims) { c.Subject = "" }},
		"no id":       {newRing(), func(c *Claims) { c.ID = "" }},
		"no life":     {newRing(), func(c *Claims) { c.Expires = c.Issued }},
		"no issue":    {newRing(), func(c *Claims) { c.Issued = time.Time{} }},
		"two in one":  {newRing(), func(c *Claims) { c.Scope = []string{"a b"} }},
		"empty scope": {newRing(), func(c *Claims) { c.Scope = []string{""} }},
		"too long":    {newRing(), func(c *Claims) { c.Scope = []string{strings.Repeat("x", maxToken)} }},
	}
	for name, test := range tests {
		c := sampleClaims()
		test.change(&c)
		if token, err := Sign(test.keys, c); err == nil || token != "" {
			t.Errorf("%s: signed", name)
		}
	}
}

func TestScopesThatWereNotAskedForAreTold(t *testing.T) {
	t.Parallel()
	for _, asked := range []bool{false, true} {
		c := Claims{Scope: []string{"a"}, Asked: asked}
		if !c.Has("a") || c.Has("b") || c.AskedFor("a") != asked || c.AskedFor("b") {
			t.Errorf("asked %v: %v", asked, c)
		}
	}
}

func TestVerifierForgetsExpiredTokensAndWithdrawnKeys(t *testing.T) {
	t.Parallel()
	keys, now := newRing(), moment
	v := NewVerifier(keys, func() time.Time { return now })
	token := mustSign(t, keys, sampleClaims())
	for range 2 {
		c, err := v.Verify(token)
		if err != nil || c.Scope[0] != "conversation:access2api" {
			t.Fatalf("%+v, %v", c, err)
		}
		c.Scope[0] = "changed by a caller"
	}
	now = moment.Add(time.Hour)
	if _, err := v.Verify(token); !errors.Is(err, ErrInvalid) || len(v.known) != 0 {
		t.Errorf("expired: %v, %d remembered", err, len(v.known))
	}
	now = moment
	if _, err := v.Verify(token); err != nil {
		t.Fatal(err)
	}
	keys.withdraw("k1")
	if _, err := v.Verify(token); !errors.Is(err, ErrInvalid) || len(v.known) != 0 {
		t.Errorf("withdrawn: %v, %d remembered", err, len(v.known))
	}
	for _, bad := range []string{"", "x", strings.Repeat("x", maxToken+1)} {
		if _, err := v.Verify(bad); !errors.Is(err, ErrInvalid) {
			t.Errorf("%.5q: %v", bad, err)
		}
	}
}

func TestVerifierIsBounded(t *testing.T) {
	t.Parallel()
	v := NewVerifier(newRing(), nil)
	for i := range remembered + 100 {
		c := sampleClaims()
		if i%2 == 0 {
			c.Expires = moment
		}
		v.remember([32]byte{byte(i), byte(i >> 8)}, verdict{claims: c}, moment)
	}
	if len(v.known) > remembered {
		t.Errorf("%d remembered", len(v.known))
	}
}

func TestVerifierServesManyAtOnce(t *testing.T) {
	t.Parallel()
	keys := newRing()
	v := NewVerifier(keys, func() time.Time { return moment })
	token := mustSign(t, keys, sampleClaims())
	var all sync.WaitGroup
	for i := range 4 {
		all.Go(func() {
			for range 50 {
				if _, err := v.Verify(token); err != nil {
					t.Error(err)
				}
				if _, err := v.Verify(fmt.Sprint(token, i)); !errors.Is(err, ErrInvalid) {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
}

func FuzzVerify(f *testing.F) {
	keys := newRing()
	good := mustSign(f, keys, sampleClaims())
	f.Add(good)
	f.Add("a.b.c")
	parts := strings.Split(good, ".")
	f.Fuzz(func(t *testing.T, token string) {
		_, err := Verify(keys, token, moment)
		// Whoever has no key can only repeat what was signed.
		if err == nil && !strings.HasPrefix(token, parts[0]+"."+parts[1]+".") {
			t.Fatalf("accepted %q", token)
		}
		if err != nil && !errors.Is(err, ErrInvalid) {
			t.Fatal(err)
		}
	})
}

func BenchmarkVerifierKnownToken(b *testing.B) {
	keys := newRing()
	v := NewVerifier(keys, func() time.Time { return moment })
	token := mustSign(b, keys, sampleClaims())
	b.ReportAllocs()
	for b.Loop() {
		if _, err := v.Verify(token); err != nil {
			b.Fatal(err)
		}
	}
}
