package otp

import (
	"cmp"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"time"
)

// A receipt is a signed proof of one approval, for services that trust the
// server and not whoever hands it to them: a JWT (RFC 7519) signed with Ed25519
// (RFC 8037). It depends on the verification, the key and two settings alone,
// and Ed25519 draws nothing, so the same approval gives the same bytes.

// The defaults of what a receipt says, and the bounds of its life.
const (
	defaultIssuer      = "aldaba"
	DefaultReceiptLife = 5 * time.Minute
	MinReceiptLife     = 10 * time.Second
	MaxReceiptLife     = time.Hour // a retired key must not take good receipts along, see retireSignDelay
)

// receiptType keeps a receipt from being taken for another token of the same
// issuer (RFC 8725, section 3.11).
const receiptType = "verification-receipt+jwt"

// receiptClaims are what a receipt says: never the address, nor the
// application's own name of its user, which may be one.
type receiptClaims struct {
	Issuer       string `json:"iss"`
	Audience     string `json:"aud"` // the tenant
	Subject      string `json:"sub"` // see [Ring.pseudonym]
	ID           string `json:"jti"` // the verification's: it is approved once
	Issued       int64  `json:"iat"`
	Expires      int64  `json:"exp"`
	Verification string `json:"verification_id"`
	Purpose      string `json:"purpose"`
	Channel      string `json:"channel"`     // of the last message
	Approved     int64  `json:"approved_at"` // seconds since 1970
	// Payment is the digest of what was authorised, in base64url without
	// padding; see [Payment.digest].
	Payment string `json:"payment,omitempty"`
}

// receiptHeader is the JOSE header (RFC 7515).
type receiptHeader struct {
	Algorithm string `json:"alg"`
	Type      string `json:"typ"`
	Key       string `json:"kid"`
}

// receipt signs the proof of an approved verification.
func (s *Service) receipt(ring *Ring, v *Verification) string {
	approved := v.Ended.Unix()
	claims := receiptClaims{
		Issuer: cmp.Or(s.o.Issuer, defaultIssuer), Audience: v.Tenant, Subject: ring.pseudonym(v.Tenant, v.Destination), ID: v.ID.String(),
		Issued: approved, Expires: approved + int64(s.receiptLife()/time.Second),
		Verification: v.ID.String(), Purpose: v.Spec.Purpose, Channel: string(v.channel()), Approved: approved,
		Payment: base64.RawURLEncoding.EncodeToString(v.Spec.Context),
	}
	k := ring.current(UseSign, v.Ended)
	signed := encodePart(receiptHeader{"EdDSA", receiptType, k.name()}) + "." + encodePart(claims)
	return signed + "." + base64.RawURLEncoding.EncodeToString(ed25519.Sign(k.attest, []byte(signed)))
}

func encodePart(part any) string {
	text, _ := json.Marshal(part) // texts and numbers always encode
	return base64.RawURLEncoding.EncodeToString(text)
}

// pseudonym names an address in receipts: the same for one tenant as long as
// the ring lives, and unlike that of any other tenant. It tells neither the
// address nor the name of its row.
func (r *Ring) pseudonym(tenant string, destination Key) string {
	k := r.lookup("receipt", tenant, string(destination[:]))
	return hex.EncodeToString(k[:])
}

// attestKey derives the Ed25519 key that signs receipts from the drawn key of
// access tokens. So every ring has one, it rotates with the other, and an older
// server reads the same file.
func attestKey(secret []byte) ed25519.PrivateKey {
	h := hmac.New(sha256.New, secret)
	h.Write([]byte("aldaba receipt v1"))
	return ed25519.NewKeyFromSeed(h.Sum(nil))
}

// ReceiptKey is a public key that receipts are checked with.
type ReceiptKey struct {
	ID  string // kid in the header of a receipt
	Key ed25519.PublicKey
}

// ReceiptKeys lists the keys that receipts which are good now may be signed
// with, and those that are about to sign some, oldest first. One that was
// replaced goes when its last receipt has expired, so that who stole it later
// can do nothing with it.
func (s *Service) ReceiptKeys() []ReceiptKey {
	last := s.Now().Add(-s.receiptLife() - rotationDelay) // servers' clocks differ a little
	var all []ReceiptKey
	for _, k := range s.Ring().keys {
		if k.use != UseSign {
			continue
		}
		if !k.from.After(last) {
			all = nil // it replaced the ones before, long ago
		}
		all = append(all, ReceiptKey{k.name(), k.attest.Public().(ed25519.PublicKey)}) //nolint:forcetypeassert // documented by crypto/ed25519
	}
	return all
}

func (s *Service) receiptLife() time.Duration { return cmp.Or(s.o.ReceiptLife, DefaultReceiptLife) }
