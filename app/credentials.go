package app

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/aldaba-otp/aldaba/internal/httpx"
	"github.com/aldaba-otp/aldaba/otp"
	"github.com/aldaba-otp/aldaba/store"
)

// NewCredential asks for a credential.
type NewCredential struct {
	Tenant   string             `json:"tenant"`
	Type     otp.CredentialType `json:"type"`
	Identity string             `json:"identity,omitempty"` // not for an API key
	Name     string             `json:"name,omitempty"`     // made up when empty
	Scopes   []string           `json:"scopes,omitempty"`   // empty is all
	Expires  time.Time          `json:"expires,omitzero"`
	From     []netip.Prefix     `json:"from,omitempty"`
}

// MadeCredential is a fresh credential, with its secret for the only time.
type MadeCredential struct {
	Name     string `json:"name"`
	Identity string `json:"identity,omitempty"`
	Secret   string `json:"secret"`
	// OldName and OldExpires are those of the one that it takes the place of.
	OldName    string    `json:"old_name,omitempty"`
	OldExpires time.Time `json:"old_expires,omitzero"`
}

// CredentialInfo is what operators see of a credential.
type CredentialInfo struct {
	Name     string             `json:"name"` // or its mark
	Type     otp.CredentialType `json:"type"`
	Identity string             `json:"identity,omitempty"`
	Scopes   []string           `json:"scopes,omitempty"`
	From     []netip.Prefix     `json:"from,omitempty"`
	Origin   otp.Origin         `json:"origin"`
	Expires  time.Time          `json:"expires,omitzero"`
	Revoked  time.Time          `json:"revoked,omitzero"`
	LastUsed time.Time          `json:"last_used,omitzero"` // to ten minutes
	State    string             `json:"state"`              // good, expired or revoked
}

// MaxOverlap is how long the old secret may stay good after a rotation.
const MaxOverlap = 90 * 24 * time.Hour

// changeTenant changes one tenant by a function that may be called again when
// another change comes between.
func (a *App) changeTenant(ctx context.Context, name string, change func(t *otp.Tenant) error) error {
	for {
		err := a.changeTenantOnce(ctx, name, change)
		if !errors.Is(err, store.ErrStale) {
			return err
		}
	}
}

func (a *App) changeTenantOnce(ctx context.Context, name string, change func(t *otp.Tenant) error) error {
	now, version, err := a.current(ctx)
	if err != nil {
		return err
	}
	at := slices.IndexFunc(now.Tenants, func(t otp.Tenant) bool { return t.Name == name })
	if at < 0 {
		return &otp.Error{Kind: otp.NotFound, Message: fmt.Sprintf("there is no tenant %q", name)}
	}
	t := &now.Tenants[at]
	t.Credentials = retired(t.Credentials, a.Clock.Now())
	if err := change(t); err != nil {
		return err
	}
	if _, err := otp.NewDirectory(now.Tenants, now.Providers); err != nil {
		var faults otp.Mistakes
		if errors.As(err, &faults) {
			return &otp.Error{Kind: otp.Invalid, Message: faults[0].Message}
		}
		return err
	}
	body, err := json.Marshal(t)
	if err != nil {
		return err
	}
	if _, err := a.Store.WriteDocuments(ctx, version, []store.Document{{Kind: kindTenant, Name: name, Body: body}}); err != nil {
		return err
	}
	return a.reload(ctx)
}

// retired turns what commands keep and time has ended into revoked ones: they
// count no longer among the secrets of their identity, and a file does not
// bring them back.
func retired(all []otp.Credential, now time.Time) []otp.Credential {
	all = slices.Clone(all)
	for i := range all {
		if c := &all[i]; c.ByCommand() && c.Revoked.IsZero() && !c.Expires.IsZero() && !now.Before(c.Expires) {
			c.Revoked = c.Expires
		}
	}
	return all
}

// hashed gives a credential a fresh secret and, if it has none, a name.
func (a *App) hashed(c *otp.Credential) (secret string, err error) {
	if secret, err = NewSecret(c.Type); err != nil {
		return "", err
	}
	if c.Type.HasPassword() {
		c.Hash, err = Passwords{}.Hash(secret)
	} else {
		c.Hash = a.Service.Ring().HashKey(c.Type, c.Identity, secret)
	}
	c.Name = cmp.Or(c.Name, string(c.Type)+"-"+c.Mark()[:6])
	return secret, err
}

// AddCredential makes a credential that a tenants file leaves alone.
// Errors: Invalid, NotFound, Unavailable.
func (a *App) AddCredential(ctx context.Context, n NewCredential) (MadeCredential, error) {
	if !slices.Contains(otp.CredentialTypes(), n.Type) || (n.Identity == "") != (n.Type == otp.APIKey) {
		return MadeCredential{}, &otp.Error{Kind: otp.Invalid, Message: "give a type (api_key, danaconnect, oauth2, modica, unityvox) and, for every type but api_key, an identity"}
	}
	if !n.Expires.IsZero() && !n.Expires.After(a.Clock.Now()) {
		return MadeCredential{}, &otp.Error{Kind: otp.Invalid, Message: "expires must be in the future"}
	}
	c := otp.Credential{
		Type: n.Type, Identity: n.Identity, Name: n.Name, Scopes: n.Scopes, Expires: n.Expires.UTC(), From: n.From, Origin: otp.OriginCommand,
	}
	secret, err := a.hashed(&c)
	if err != nil {
		return MadeCredential{}, err
	}
	err = a.changeTenant(ctx, n.Tenant, func(t *otp.Tenant) error {
		t.Credentials = append(t.Credentials, c)
		return nil
	})
	if err != nil {
		return MadeCredential{}, err
	}
	tell(ctx, n.Tenant, "credential %s", c.Name)
	return MadeCredential{Name: c.Name, Identity: c.Identity, Secret: secret}, nil
}

// RotateCredential makes a new secret under the name of a credential, which is
// good for the overlap yet, under a name of its own.
// Errors: Invalid, NotFound, Unavailable.
func (a *App) RotateCredential(ctx context.Context, tenant, name string, overlap time.Duration) (MadeCredential, error) {
	if overlap < 0 || overlap > MaxOverlap {
		return MadeCredential{}, &otp.Error{Kind: otp.Invalid, Message: fmt.Sprintf("the overlap must be 0 to %s", MaxOverlap)}
	}
	var made MadeCredential
	err := a.changeTenant(ctx, tenant, func(t *otp.Tenant) error {
		now := a.Clock.Now().UTC()
		old, err := findCredential(t, name)
		if err == nil && (!old.Revoked.IsZero() || !old.Expires.IsZero() && !now.Before(old.Expires)) {
			err = &otp.Error{Kind: otp.Invalid, Message: "this credential is no longer good; make a new one with `aldaba credential new`"}
		}
		if err != nil {
			return err
		}
		fresh := *old
		fresh.Origin, fresh.Expires = otp.OriginCommand, time.Time{}
		secret, err := a.hashed(&fresh)
		if err != nil {
			return err
		}
		old.Origin = otp.OriginCommand
		old.Name = fresh.Name[:min(len(fresh.Name), 57)] + "-" + old.Mark()[:6]
		if end := now.Add(overlap); old.Expires.IsZero() || end.Before(old.Expires) {
			old.Expires = end
		}
		made = MadeCredential{Name: fresh.Name, Identity: fresh.Identity, Secret: secret, OldName: old.Name, OldExpires: old.Expires}
		t.Credentials = retired(append(t.Credentials, fresh), now)
		return nil
	})
	if err != nil {
		return MadeCredential{}, err
	}
	tell(ctx, tenant, "credential %s; the old one, %s, expires %s", made.Name, made.OldName, made.OldExpires.Format(time.RFC3339))
	return made, nil
}

// RevokeCredential takes a credential out of use, at once here and within a
// second on every other server. Errors: NotFound, Unavailable.
func (a *App) RevokeCredential(ctx context.Context, tenant, name string) error {
	err := a.changeTenant(ctx, tenant, func(t *otp.Tenant) error {
		c, err := findCredential(t, name)
		if err == nil && c.Revoked.IsZero() {
			c.Revoked, c.Origin = a.Clock.Now().UTC(), otp.OriginCommand
			c.Name = c.Label() // so that it can be told apart in lists
		}
		return err
	})
	if err == nil {
		tell(ctx, tenant, "credential %s", name)
	}
	return err
}

// findCredential returns the credential that people call so: by its name, its
// mark, or its identity if only one is good under it.
func findCredential(t *otp.Tenant, name string) (*otp.Credential, error) {
	var byIdentity []*otp.Credential
	for i := range t.Credentials {
		c := &t.Credentials[i]
		if c.Label() == name || c.Mark() == name {
			return c, nil
		}
		if c.Identity == name && c.Revoked.IsZero() {
			byIdentity = append(byIdentity, c)
		}
	}
	switch len(byIdentity) {
	case 1:
		return byIdentity[0], nil
	case 0:
		return nil, &otp.Error{Kind: otp.NotFound, Message: fmt.Sprintf("tenant %s has no credential %q; see `aldaba credential list %s`", t.Name, name, t.Name)}
	}
	return nil, &otp.Error{Kind: otp.Invalid, Message: fmt.Sprintf("several credentials are of %q; give the name that `aldaba credential list %s` shows", name, t.Name)}
}

// Credentials lists a tenant's credentials. Errors: NotFound, Unavailable.
func (a *App) Credentials(ctx context.Context, tenant string) ([]CredentialInfo, error) {
	t, ok := a.Service.Directory().Tenant(tenant)
	if !ok {
		return nil, &otp.Error{Kind: otp.NotFound, Message: fmt.Sprintf("there is no tenant %q", tenant)}
	}
	used, err := a.Service.LastUses(ctx, t.Credentials)
	if err != nil {
		return nil, err
	}
	now, all := a.Clock.Now(), make([]CredentialInfo, len(t.Credentials))
	for i, c := range t.Credentials {
		all[i] = CredentialInfo{
			Name: c.Label(), Type: c.Type, Identity: c.Identity, Scopes: c.Scopes, From: c.From, Origin: cmp.Or(c.Origin, otp.OriginFile),
			Expires: c.Expires, Revoked: c.Revoked, LastUsed: used[i], State: "good",
		}
		switch {
		case !c.Revoked.IsZero():
			all[i].State = "revoked"
		case !c.Expires.IsZero() && !now.Before(c.Expires):
			all[i].State = "expired"
		}
	}
	return all, nil
}

// adminCredentials answers GET /admin/credentials?tenant=NAME.
func (a *App) adminCredentials(w http.ResponseWriter, r *http.Request) {
	all, err := a.Credentials(r.Context(), r.URL.Query().Get("tenant"))
	if err != nil {
		a.adminRefuse(w, err)
		return
	}
	adminAnswer(w, map[string]any{"credentials": all})
}

// adminNewCredential answers POST /admin/credentials.
func (a *App) adminNewCredential(w http.ResponseWriter, r *http.Request) {
	var asked NewCredential
	if !adminBodyInto(w, r, &asked, `give {"tenant":"NAME","type":"api_key"}, and what you like of identity, name, scopes, expires and from`) {
		return
	}
	tell(r.Context(), asked.Tenant, "")
	a.answerMade(w, func() (MadeCredential, error) { return a.AddCredential(r.Context(), asked) })
}

// adminRotateCredential answers POST /admin/credentials/rotate.
func (a *App) adminRotateCredential(w http.ResponseWriter, r *http.Request) {
	asked := struct {
		Tenant  string `json:"tenant"`
		Name    string `json:"name"`
		Overlap string `json:"overlap"`
	}{Overlap: "24h"}
	const form = `give {"tenant":"NAME","name":"NAME","overlap":"24h"}`
	if !adminBodyInto(w, r, &asked, form) {
		return
	}
	overlap, err := time.ParseDuration(asked.Overlap)
	if err != nil {
		httpx.WriteProblem(w, httpx.Problem{Status: http.StatusBadRequest, Detail: form})
		return
	}
	tell(r.Context(), asked.Tenant, "")
	a.answerMade(w, func() (MadeCredential, error) {
		return a.RotateCredential(r.Context(), asked.Tenant, asked.Name, overlap)
	})
}

func (a *App) answerMade(w http.ResponseWriter, do func() (MadeCredential, error)) {
	made, err := do()
	if err != nil {
		a.adminRefuse(w, err)
		return
	}
	adminAnswer(w, made)
}

// adminRevokeCredential answers POST /admin/credentials/revoke.
func (a *App) adminRevokeCredential(w http.ResponseWriter, r *http.Request) {
	var asked struct {
		Tenant string `json:"tenant"`
		Name   string `json:"name"`
	}
	if !adminBodyInto(w, r, &asked, `give {"tenant":"NAME","name":"NAME"}`) {
		return
	}
	tell(r.Context(), asked.Tenant, "")
	if err := a.RevokeCredential(r.Context(), asked.Tenant, strings.TrimSpace(asked.Name)); err != nil {
		a.adminRefuse(w, err)
		return
	}
	adminAnswer(w, map[string]bool{"revoked": true})
}
