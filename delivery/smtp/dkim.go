package smtp

import (
	"crypto"
	"crypto/rsa"
	"slices"
	"strings"
	"time"

	mail "github.com/wneessen/go-mail"

	"github.com/aldaba-otp/aldaba/delivery"
)

// minRSA is the least size of a key that verifiers must accept (RFC 8301).
const minRSA = 1024

// dkimSettings say who signs (RFC 6376).
type dkimSettings struct {
	Domain   string   `json:"domain"`   // d=
	Selector string   `json:"selector"` // s=
	Key      string   `json:"key"`      // PEM: RSA (PKCS #1 or #8) or Ed25519 (PKCS #8)
	Headers  []string `json:"headers"`  // h=
}

// maxTag is how long the value of one tag may be. The library folds a longer
// one within its words, and signs it as if it had not: no verifier accepts that.
const maxTag = 71

// signedHeaders are the defaults: of those that RFC 6376 section 5.4.1
// suggests, what fits and still leaves room for oversigning.
func signedHeaders() []string {
	return []string{"From", "To", "Reply-To", "Subject", "Date", "Message-ID", "Content-Type"}
}

// oversigned returns those of the headers that are named once more than they
// are there, so that none can be added on the way (RFC 6376 section 8.15): as
// many as fit.
func oversigned(headers []string) (again []string) {
	room := maxTag - len(strings.Join(headers, ":"))
	for _, single := range []string{"From", "To", "Subject", "Reply-To", "Date", "Message-ID"} {
		signed := slices.ContainsFunc(headers, func(name string) bool { return strings.EqualFold(name, single) })
		if signed && room > len(single) {
			again = append(again, single)
			room -= len(single) + 1
		}
	}
	return again
}

// signer checks the settings and returns what makes a signer for one message.
func (d *dkimSettings) signer(f *delivery.Faults) func(now func() time.Time) *mail.DKIMSigner {
	domain, ok := domainOf(d.Domain)
	if !ok || len(domain) > maxTag {
		f.Add("dkim.domain", "must be a domain such as acme.example, of at most %d characters", maxTag)
	}
	if len(d.Selector) > 63 || !helloName(d.Selector) {
		f.Add("dkim.selector", "must be the name below _domainkey, such as mail2026")
	}
	key := d.privateKey(f)
	headers := signedHeaders()
	if len(d.Headers) > 0 {
		headers = d.Headers
	}
	for _, name := range headers {
		if !isDotAtom(name) || strings.ContainsAny(name, ".:;") {
			f.Add("dkim.headers", "must be names of headers")
		}
	}
	if len(strings.Join(headers, ":")) > maxTag {
		f.Add("dkim.headers", "must have at most %d characters, with one between two names", maxTag)
	}
	if !slices.ContainsFunc(headers, func(name string) bool { return strings.EqualFold(name, "From") }) {
		f.Add("dkim.headers", "must hold From")
	}
	return func(now func() time.Time) *mail.DKIMSigner {
		// One for each message: the library's signer notes its algorithm while
		// it signs, and is not safe for use by several at once.
		s := mail.NewDKIMSigner(domain, d.Selector, key)
		s.HeaderCanonicalization(mail.CanonicalizationRelaxed)
		s.BodyCanonicalization(mail.CanonicalizationRelaxed)
		s.SignHeaders(headers...)
		s.OversignHeaders(oversigned(headers)...)
		s.NowFunc = now
		return s
	}
}

func (d *dkimSettings) privateKey(f *delivery.Faults) crypto.Signer {
	key, err := mail.PrivKeyFromPEM([]byte(d.Key))
	if err != nil {
		f.Add("dkim.key", "must be a private key in PEM form: RSA, or Ed25519 in PKCS #8")
		return nil
	}
	if r, ok := key.(*rsa.PrivateKey); ok && r.N.BitLen() < minRSA {
		f.Add("dkim.key", "must have at least %d bits; take 2048", minRSA)
	}
	return key
}
