package config

import (
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/aldaba-otp/aldaba/otp"
)

// challengeEntry is a tenant's challenge as it was given.
type challengeEntry struct {
	path   string
	kept   otp.Challenge // without its secret
	secret secret
}

// challenge reads how end users of a tenant may show that they are no programs;
// an empty mapping takes it away.
func (o *object) challenge(key string) *challengeEntry {
	n := o.values[key]
	if n == nil {
		return nil
	}
	c := o.r.object(n, o.at(key), append([]string{"type", "site_key", "url"}, secretKeys("secret", asSealed)...)...)
	if c.faulty || len(c.order) == 0 {
		return nil
	}
	return &challengeEntry{
		path:   c.path,
		kept:   otp.Challenge{Type: c.text("type"), SiteKey: c.text("site_key"), URL: c.text("url")},
		secret: c.secret("secret", asSealed),
	}
}

// unsealed is the challenge for a check of its form.
func (c *challengeEntry) unsealed() *otp.Challenge {
	if c == nil {
		return nil
	}
	full := c.kept
	full.Secret = c.secret.key
	return &full
}

// challenge checks a challenge and seals its secret.
func (p *planner) challenge(e *tenantEntry, old *otp.Challenge) (*otp.Challenge, error) {
	given := e.challenge
	if given == nil {
		return nil, nil
	}
	c := given.kept
	if c.URL != "" && p.tools.WebhookURL != nil {
		if err := p.tools.WebhookURL(c.URL); err != nil {
			p.fail(given.path+".url", "%v", err)
		}
	}
	before := ""
	if old != nil && old.Type == c.Type && old.URL == c.URL { // else it is sealed under another name
		before = old.Secret
	}
	fault := challengeSecretFault
	if c.Type == otp.ChallengeWebhook {
		fault = webhookSecretFault
	}
	var err error
	c.Secret, err = p.sealedSecret(otp.ChallengeSecret(e.tenant.Name, &c), given.path, given.secret, before, fault)
	if err == nil && given.secret.key == "secret" && isTestSecret(given.secret.value) {
		p.plan.Warnings = append(p.plan.Warnings, "tenant "+e.tenant.Name+", challenge: this is a secret of the vendor's for tests, with which no token shows anything")
	}
	return &c, err
}

// challengeSecretFault tells what is wrong with a vendor's secret.
func challengeSecretFault(secret string) string {
	if len(secret) < 8 || len(secret) > 512 || strings.ContainsAny(secret, " \t\r\n") {
		return "must be the secret that the vendor shows beside the site key, in one line"
	}
	return ""
}

// isTestSecret knows the secrets that pass, or refuse, whatever they are shown:
// https://developers.cloudflare.com/turnstile/troubleshooting/testing/ and
// https://docs.hcaptcha.com/#integration-testing-test-keys.
func isTestSecret(secret string) bool {
	zeros := strings.TrimRight(strings.TrimLeft(secret, "123"), "A")
	return len(secret) >= 35 && strings.HasPrefix(zeros, "x") && strings.Trim(zeros, "x0") == "" || secret == "0x0000000000000000000000000000000000000000"
}

func exportChallenge(c *otp.Challenge) *pairs {
	o := mapping()
	o.put("type", text(c.Type))
	o.some("site_key", c.SiteKey)
	o.some("url", c.URL)
	o.put("secret"+asSealed, text(c.Secret))
	return o
}

// challengeDiff names what differs, never the secret or the URL.
func challengeDiff(old, new *otp.Challenge) []string {
	switch {
	case old == nil && new == nil:
		return nil
	case old == nil:
		return []string{"+" + new.Type}
	case new == nil:
		return []string{"-" + old.Type}
	}
	var all []string
	for _, part := range []struct {
		name    string
		differs bool
	}{{"type", old.Type != new.Type}, {"site_key", old.SiteKey != new.SiteKey}, {"url", old.URL != new.URL}, {"secret", old.Secret != new.Secret}} {
		if part.differs {
			all = append(all, part.name)
		}
	}
	return all
}

// single visits a mapping below a key of another one.
func single(m *yaml.Node, key, path string, visit func(m *yaml.Node, path string)) {
	if n := valueOf(m, key); n != nil {
		visit(n, path+"."+key)
	}
}
