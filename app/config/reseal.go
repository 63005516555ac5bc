package config

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/aldaba-otp/aldaba/otp"
)

// Reseal seals the secrets of providers, webhooks and challenges anew that rest under
// another key than the one in use, in copies, and returns how many it found.
// One that cannot be opened stays as it is and is named in the error.
func Reseal(ring *otp.Ring, now time.Time, random io.Reader, c Current, secrets Secrets) (_ Current, changed int, err error) {
	again := func(of, name, sealed string) string {
		next, fault := ring.ResealText(now, random, name, sealed)
		if fault != nil {
			err = errors.Join(err, fmt.Errorf("the secret of %s: %w", of, fault))
			return sealed
		}
		if next != sealed {
			changed++
		}
		return next
	}
	c.Providers, c.Tenants = slices.Clone(c.Providers), slices.Clone(c.Tenants)
	for i := range c.Providers {
		p := &c.Providers[i]
		p.Settings = secrets.of(p.Type).rewrite("", p.Settings, func(path, form, text string) (string, string) {
			if form == asSealed {
				text = again("provider "+p.Name, providerSecret(p.Name, path), text)
			}
			return form, text
		})
	}
	for i := range c.Tenants {
		t := &c.Tenants[i]
		t.Webhooks = slices.Clone(t.Webhooks)
		for j := range t.Webhooks {
			w := &t.Webhooks[j]
			w.Secret = again("a webhook of tenant "+t.Name, otp.WebhookSecret(t.Name, w.URL), w.Secret)
			if w.Previous != "" {
				w.Previous = again("a webhook of tenant "+t.Name, otp.WebhookSecret(t.Name, w.URL), w.Previous)
			}
		}
		if t.Challenge != nil {
			c := *t.Challenge
			c.Secret = again("the challenge of tenant "+t.Name, otp.ChallengeSecret(t.Name, &c), c.Secret)
			t.Challenge = &c
		}
	}
	return c, changed, err
}

// SealedUnder names what of a configuration is sealed under a key of the ring.
func SealedUnder(key string, c Current, secrets Secrets) (names []string) {
	for i := range c.Providers {
		p, found := &c.Providers[i], false
		secrets.of(p.Type).rewrite("", p.Settings, func(_, form, text string) (string, string) {
			found = found || form == asSealed && otp.TextSealedBy(text) == key
			return form, text
		})
		if found {
			names = append(names, "provider "+p.Name)
		}
	}
	for i := range c.Tenants {
		t := &c.Tenants[i]
		if slices.ContainsFunc(t.Webhooks, func(w otp.Webhook) bool {
			return otp.TextSealedBy(w.Secret) == key || otp.TextSealedBy(w.Previous) == key
		}) {
			names = append(names, "a webhook of tenant "+t.Name)
		}
		if t.Challenge != nil && otp.TextSealedBy(t.Challenge.Secret) == key {
			names = append(names, "the challenge of tenant "+t.Name)
		}
	}
	return names
}
