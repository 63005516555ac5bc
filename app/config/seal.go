package config

import (
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/aldaba-otp/aldaba/otp"
)

// cannotOpen says what to do with a text that another ring, or another name,
// was sealed under.
const cannotOpen = "cannot be opened with this server's key ring under this name; give the secret itself"

// providerSecret names a setting for [otp.Ring.SealText], so that a sealed text
// cannot be moved to another setting, where it might be shown or sent.
func providerSecret(provider, path string) string { return "provider " + provider + " " + path }

// held is a secret that is kept: its sealed form, "" when it rests in clear,
// and what is in it.
type held struct{ sealed, clear string }

// openSettings returns settings with their secrets in clear, the secrets by
// their paths, and the paths of those that cannot be opened.
func openSettings(ring *otp.Ring, p otp.Provider, secrets patterns) (open map[string]any, all map[string]held, closed []string) {
	all = make(map[string]held)
	open = secrets.rewrite("", p.Settings, func(path, form, text string) (string, string) {
		if form != asSealed {
			all[path] = held{clear: text}
			return form, text
		}
		clear, err := ring.OpenText(providerSecret(p.Name, path), text)
		if err != nil {
			closed = append(closed, path)
			return form, text
		}
		all[path] = held{text, clear}
		return "", clear
	})
	return open, all, closed
}

// OpenSettings returns a provider's settings with its secrets in clear, as its
// type takes them. The secrets are those of the type, see [Secrets].
func OpenSettings(ring *otp.Ring, p otp.Provider, secrets []string) (map[string]any, error) {
	open, _, closed := openSettings(ring, p, patternsOf(secrets))
	if len(closed) > 0 {
		return nil, fmt.Errorf("the sealed setting %s cannot be opened with this key ring; apply the provider anew", strings.Join(closed, ", "))
	}
	return open, nil
}

// provider checks a provider and returns the form in which it is kept, with its
// secrets sealed. What is the same secret as before keeps its sealed form, so
// that applying a file twice changes nothing.
func (p *planner) provider(path string, given, old otp.Provider) (otp.Provider, error) {
	secrets := p.file.secrets.of(given.Type)
	open, mine, closed := openSettings(p.tools.Ring, given, secrets)
	for _, at := range closed {
		p.fail(path+"."+at+asSealed, cannotOpen)
	}
	if p.tools.Providers != nil && len(closed) == 0 {
		p.checkProvider(path, otp.Provider{Name: given.Name, Type: given.Type, Settings: open})
	}
	_, before, _ := openSettings(p.tools.Ring, old, secrets)
	var err error
	given.Settings = secrets.rewrite("", given.Settings, func(at, form, text string) (string, string) {
		if was := before[at]; was.sealed != "" && was.clear == mine[at].clear {
			return asSealed, was.sealed
		}
		if form == asSealed {
			return form, text
		}
		sealed, fault := p.seal(providerSecret(given.Name, at), text)
		err = errors.Join(err, fault)
		return asSealed, sealed
	})
	return given, err
}

func (p *planner) seal(name, text string) (string, error) {
	sealed, err := p.tools.Ring.SealText(p.tools.Now, p.tools.Random, name, text)
	if err != nil {
		return "", fmt.Errorf("config: seal a secret: %w", err)
	}
	return sealed, nil
}

// webhooks checks webhooks and seals their secrets.
func (p *planner) webhooks(e *tenantEntry, old []otp.Webhook) (all []otp.Webhook, err error) {
	for i := range e.webhooks {
		given := &e.webhooks[i]
		w := given.kept
		if p.tools.WebhookURL != nil {
			if err := p.tools.WebhookURL(w.URL); err != nil {
				p.fail(given.path+".url", "%v", err)
			}
		}
		var before otp.Webhook
		if at := slices.IndexFunc(old, func(o otp.Webhook) bool { return o.URL == w.URL }); at >= 0 {
			before = old[at]
		}
		name := otp.WebhookSecret(e.tenant.Name, w.URL)
		if w.Secret, err = p.sealedSecret(name, given.path, given.secret, before.Secret, webhookSecretFault); err != nil {
			return nil, err
		}
		if w.Previous, err = p.sealedSecret(name, given.path, given.previous, before.Previous, webhookSecretFault); err != nil {
			return nil, err
		}
		all = append(all, w)
	}
	return all, nil
}

// sealedSecret returns the sealed form of a secret: that of before when it is
// the same, "" after a mistake. fault judges one that is given in clear.
func (p *planner) sealedSecret(name, path string, given secret, before string, fault func(string) string) (string, error) {
	if given.key == "" {
		return "", nil // the core says so
	}
	path += "." + given.key
	if strings.HasSuffix(given.key, asSealed) {
		clear, err := p.tools.Ring.OpenText(name, given.value)
		if err != nil {
			p.fail(path, cannotOpen)
			return "", nil
		}
		if p.holds(name, before, clear) {
			return before, nil
		}
		return given.value, nil
	}
	if what := fault(given.value); what != "" {
		p.fail(path, "%s", what)
		return "", nil
	}
	if p.holds(name, before, given.value) {
		return before, nil
	}
	return p.seal(name, given.value)
}

// holds tells whether a sealed text is the same secret.
func (p *planner) holds(name, sealed, secret string) bool {
	if sealed == "" {
		return false
	}
	clear, err := p.tools.Ring.OpenText(name, sealed)
	return err == nil && clear == secret
}

// The bounds of a webhook's key in bytes, by Standard Webhooks 1.0.0.
const (
	minWebhookKey = 24
	maxWebhookKey = 64
)

// webhookSecretFault tells what is wrong with the secret of a webhook.
func webhookSecretFault(secret string) string {
	text, ok := strings.CutPrefix(secret, "whsec_")
	key, err := base64.StdEncoding.DecodeString(text)
	if !ok || err != nil || len(key) < minWebhookKey || len(key) > maxWebhookKey || strings.ContainsAny(text, "\r\n") {
		return "must be whsec_ and 24 to 64 random bytes in base64; make one with `aldaba webhook secret`"
	}
	return ""
}
