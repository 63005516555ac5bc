package native

import (
	"encoding/base64"
	"net/http"

	"github.com/aldaba-otp/aldaba/internal/httpx"
	"github.com/aldaba-otp/aldaba/otp"
)

// keyCache is how long others may keep the key set: half of the minute that a
// rotated key is shown before it signs, so that nobody meets an unknown one.
const keyCache = "public, max-age=30"

// jwk is the JSON form of an Ed25519 key (RFC 8037).
type jwk struct {
	Type      string `json:"kty"`
	Curve     string `json:"crv"`
	ID        string `json:"kid"`
	Use       string `json:"use"`
	Algorithm string `json:"alg"`
	X         string `json:"x"`
}

// keySet is the JSON form of many (RFC 7517).
type keySet struct {
	Keys []jwk `json:"keys"`
}

// keys serves what receipts are checked with, to anybody. The keys of access
// tokens are not among them: those are for this server alone, and nobody may
// take one for a receipt.
func (d *dialect) keys(w http.ResponseWriter, _ *http.Request) {
	var set keySet
	for _, k := range d.service.ReceiptKeys() {
		set.Keys = append(set.Keys, jwk{"OKP", "Ed25519", k.ID, "sig", "EdDSA", base64.RawURLEncoding.EncodeToString(k.Key)})
	}
	w.Header().Set("Cache-Control", keyCache)
	httpx.WriteJSON(w, http.StatusOK, "application/jwk-set+json", encode(set))
}

// payment reads what a code authorises; absent is nil. Its values are judged by
// the core.
func (f *faults) payment() *otp.Payment {
	given := f.texts("payment")
	if given == nil {
		return nil
	}
	p := &otp.Payment{Amount: given["amount"], Currency: given["currency"], Payee: given["payee"]}
	for _, name := range []string{"amount", "currency", "payee"} {
		delete(given, name)
	}
	if len(given) > 0 {
		f.add("payment", "has a member that is not known; amount, currency and payee are")
	}
	return p
}

// flag reads true or false; absent is false.
func (f *faults) flag(name string) bool {
	v, given := f.given(name)
	if !given {
		return false
	}
	on, ok := v.Truth()
	if !ok {
		f.add(name, "must be true or false")
	}
	return on
}
