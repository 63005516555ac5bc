package otp

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// Origin tells who keeps a credential, see docs/adr/0011.
type Origin string

// The origins.
const (
	OriginFile    Origin = "file"    // a tenants file; the default
	OriginCommand Origin = "command" // the admin API; a tenants file leaves it alone
)

// samePasswords bounds how many passwords an identity has at once: each is one
// dear evaluation more for a wrong one.
const samePasswords = 3

// Credential lets an application in. Identities belong to one tenant within
// their type; one may have several secrets at once, so that they can be changed
// without a break.
type Credential struct {
	Type     CredentialType `json:"type"`
	Identity string         `json:"identity,omitempty"` // login, client id, application or account
	Hash     string         `json:"hash"`               // see [CredentialType.HasPassword]
	Scopes   []string       `json:"scopes,omitempty"`   // empty means all
	NoCredit bool           `json:"no_credit,omitempty"`
	Name     string         `json:"name,omitempty"`   // unique within the tenant, for people
	Expires  time.Time      `json:"expires,omitzero"` // good before, not at; zero is for ever
	// From are the networks that it is good from; empty means everywhere.
	From   []netip.Prefix `json:"from,omitempty"`
	Origin Origin         `json:"origin,omitempty"` // file when empty
	// Revoked is when it was taken out of use; it is kept so that a file which
	// still names it does not bring it back.
	Revoked time.Time `json:"revoked,omitzero"`
}

// ByCommand reports whether the credential is kept by commands.
func (c *Credential) ByCommand() bool { return c.Origin == OriginCommand }

// Mark tells the credential from all others, in tokens and lists: 16
// hexadecimal digits that reveal nothing of the secret.
func (c *Credential) Mark() string {
	sum := sha256.Sum256([]byte("aldaba credential\x00" + string(c.Type) + "\x00" + c.Identity + "\x00" + c.Hash))
	return hex.EncodeToString(sum[:8])
}

// Label is the name for people, or the mark of a credential without one.
func (c *Credential) Label() string {
	if c.Name != "" {
		return c.Name
	}
	return c.Mark()
}

// admits tells whether the credential is good at a time and from a source; one
// with networks is good from no source that is not known.
func (c *Credential) admits(source netip.Addr, now time.Time) bool {
	if !c.Revoked.IsZero() || !c.Expires.IsZero() && !now.Before(c.Expires) {
		return false
	}
	return len(c.From) == 0 || slices.ContainsFunc(c.From, func(p netip.Prefix) bool { return p.Contains(source) })
}

func (c *Credential) check(f *faultList, at string) {
	f.check(slices.Contains(CredentialTypes(), c.Type), at+".type", "must be api_key, danaconnect, oauth2, modica or unityvox")
	f.check(c.Hash != "", at, "has no key or password")
	f.check((c.Identity == "") == (c.Type == APIKey), at, "must name whom it lets in: login, client_id, application or account")
	f.check(len(c.Identity) <= 128 && !hasBreaks(c.Identity), at, "has a name of more than 128 characters or with a line break")
	f.check(c.Name == "" || isName(c.Name), at+".name", "must be 1 to 64 letters, digits, dots, dashes or underscores")
	f.check(c.Origin == "" || c.Origin == OriginFile || c.Origin == OriginCommand, at+".origin", "must be file or command")
	for i, p := range c.From {
		f.check(p.IsValid() && p == p.Masked() && !p.Addr().Is4In6(), fmt.Sprintf("%s.from[%d]", at, i), "must be a network such as 10.0.0.0/8, or an address")
	}
	for i, s := range c.Scopes {
		ok := slices.Contains(Scopes(), s) || c.Type == OAuth2 && s != "" && !strings.ContainsAny(s, " \"\\")
		f.check(ok, fmt.Sprintf("%s.scopes[%d]", at, i), "must be one of %s", strings.Join(Scopes(), ", "))
	}
}

// checkNames refuses two credentials of one name.
func checkNames(f *faultList, all []Credential) {
	named := make(map[string]bool)
	for i := range all {
		name := all[i].Name
		f.check(name == "" || !named[name], fmt.Sprintf(".credentials[%d].name", i), "another credential of the tenant has this name")
		named[name] = true
	}
}
