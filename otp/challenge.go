package otp

import (
	"context"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// Challenges asks whoever gave out a challenge's token what it is worth.
type Challenges interface {
	// Passed reports whether the token is that of a challenge that was passed.
	// An error means that it could not be asked, and counts as no. Who fills the
	// port logs it, without the token.
	Passed(ctx context.Context, p PassedToken) (bool, error)
}

// PassedToken is what an end user's browser was given for a passed challenge.
type PassedToken struct {
	Tenant    string
	Challenge Challenge // with its secret in clear, or "" when this ring cannot open it
	Token     string
	Client    netip.Addr // of the end user; not valid when the application does not tell it
}

// The types of challenges.
const (
	Turnstile        = "turnstile" // of Cloudflare
	HCaptcha         = "hcaptcha"
	ChallengeWebhook = "webhook" // the application judges the token itself
)

const (
	challengeTime = 5 * time.Second // what asking about a token may take
	// tokenMemory is how long a token that let a start pass lets no other pass.
	// The vendors' tokens live for minutes.
	tokenMemory = 24 * time.Hour
)

// ChallengeSecret names the secret of a tenant's challenge for [Ring.SealText],
// so that a sealed text cannot be moved to where it would be sent to others.
func ChallengeSecret(tenant string, c *Challenge) string {
	return "challenge " + tenant + " " + c.Type + " " + c.URL
}

// hint is what a refusal tells of the challenge.
func (c *Challenge) hint() *Challenge {
	if c == nil {
		return nil
	}
	return &Challenge{Type: c.Type, SiteKey: c.SiteKey}
}

func (t *Tenant) checkChallenge(f *faultList) {
	c := t.Challenge
	if c == nil {
		return
	}
	f.check(slices.Contains([]string{Turnstile, HCaptcha, ChallengeWebhook}, c.Type), ".challenge.type", "must be turnstile, hcaptcha or webhook")
	f.check(c.URL != "" || c.Type != ChallengeWebhook, ".challenge.url", "is missing; a webhook needs one")
	f.check(c.URL == "" || strings.HasPrefix(c.URL, "https://") || strings.HasPrefix(c.URL, "http://"), ".challenge.url", "must begin with https://")
	f.check(len(c.URL) <= 2048 && !hasBreaks(c.URL), ".challenge.url", "must be one line of at most 2048 bytes")
	f.check(len(c.SiteKey) <= 256 && !hasBreaks(c.SiteKey), ".challenge.site_key", "must be one line of at most 256 bytes")
	f.check(c.Secret != "", ".challenge.secret", "is missing; it is what the token is asked about with")
}

// vouch asks whether the challenge of a start was passed. Whatever goes wrong
// here leaves the start to the limits.
func (s *Service) vouch(ctx context.Context, d *draft) {
	c := d.tenant.Challenge
	if c == nil || d.req.Challenge == "" || d.test != nil || s.o.Challenges == nil {
		return
	}
	asked := PassedToken{Tenant: d.tenant.Name, Challenge: *c, Token: d.req.Challenge, Client: d.req.Client}
	asked.Challenge.Secret = ""
	if secret, err := d.ring.OpenText(ChallengeSecret(d.tenant.Name, c), c.Secret); err == nil {
		asked.Challenge.Secret = secret
	}
	ctx, cancel := context.WithTimeout(ctx, challengeTime)
	defer cancel()
	passed, err := s.o.Challenges.Passed(ctx, asked)
	d.vouched = passed && err == nil
	if d.vouched {
		d.token = d.ring.lookup("challenge", d.tenant.Name, d.req.Challenge)
	}
}

// tokens names what a step must load to know whether the token was used.
func (d *draft) tokens() []Key {
	if !d.vouched {
		return nil
	}
	return []Key{d.token}
}

// unused reports whether the token may let this start pass: it has not let
// another one pass.
func (d *draft) unused(now time.Time, st *State) bool {
	if !d.vouched {
		return false
	}
	r, used := st.Replays.Get(d.token)
	return !used || !now.Before(r.Expires)
}

// useToken notes that the token has let a start pass.
func (d *draft) useToken(now time.Time, st *State) {
	if d.vouched {
		st.Replays.Put(d.token, Replay{Key: d.token, Expires: now.Add(tokenMemory)})
	}
}
