package httpsms

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"net/http"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/aldaba-otp/aldaba/internal/clock"
)

// jwtAuth makes a token for each request, RS256 with a private key of ours, as
// Vonage asks: https://developer.vonage.com/en/getting-started/concepts/authentication
type jwtAuth struct {
	signer jose.Signer
	claims map[string]any
	now    func() time.Time
	id     func() string
}

// jwtLifetime is how long such a token is valid, Vonage's own default.
const jwtLifetime = 15 * time.Minute

func (b *builder) jwtAuth(a authSettings, clk *clock.Clock, need func(name, value string) string) authorizer {
	j := &jwtAuth{claims: map[string]any{}, now: clk.Now, id: rand.Text}
	for name, value := range a.Claims {
		j.claims[name] = b.s.fixed(&b.faults, "auth.claims."+name, value)
	}
	key := privateKey(need("private_key", a.PrivateKey))
	if key == nil {
		b.faults.Add("auth.private_key", "must be an RSA private key in PEM, of 2048 bits at least")
		return j
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: key}, (&jose.SignerOptions{}).WithType("JWT"))
	if err != nil {
		b.faults.Add("auth.private_key", "must be an RSA private key in PEM")
	}
	j.signer = signer
	return j
}

// privateKey reads PKCS #8 or PKCS #1, or returns nil.
func privateKey(text string) *rsa.PrivateKey {
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		return nil
	}
	key, err := x509.ParsePKCS1PrivateKey(block.Bytes)
	if err != nil {
		parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
		if err != nil {
			return nil
		}
		key, _ = parsed.(*rsa.PrivateKey)
	}
	if key == nil || key.N.BitLen() < 2048 {
		return nil
	}
	return key
}

func (j *jwtAuth) authorize(_ context.Context, r *http.Request, _ []byte) error {
	now := j.now()
	standard := jwt.Claims{ID: j.id(), IssuedAt: jwt.NewNumericDate(now), Expiry: jwt.NewNumericDate(now.Add(jwtLifetime))}
	token, err := jwt.Signed(j.signer).Claims(j.claims).Claims(standard).Serialize()
	if err != nil {
		return unavailable(err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	return nil
}
