package config

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/aldaba-otp/aldaba/otp"
)

// same compares two values in the form in which they are kept, in which an
// empty list is no list and 5 is 5.0.
func same(a, b any) bool {
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	return errX == nil && errY == nil && bytes.Equal(x, y)
}

// providerDiff names the settings that differ, never their values.
func providerDiff(old, new otp.Provider, secrets patterns) []string {
	names := map[string]bool{}
	if old.Type != new.Type {
		names["type"] = true
	}
	secrets.differing("", old.Settings, new.Settings, names)
	return slices.Sorted(maps.Keys(names))
}

// differing names the settings that differ below a path. A secret has one name
// in all its forms.
func (p patterns) differing(at string, old, new map[string]any, names map[string]bool) {
	for _, settings := range []map[string]any{old, new} {
		for key := range settings {
			if same(old[key], new[key]) {
				continue
			}
			before, wasMap := old[key].(map[string]any)
			after, isMap := new[key].(map[string]any)
			if wasMap && isMap {
				p.below(key).differing(join(at, key), before, after, names)
				continue
			}
			if name, _, secret := p.secret(key); secret {
				key = name
			}
			names[join(at, key)] = true
		}
	}
}

// tenantDiff names the keys that differ, with what differs in them.
func tenantDiff(old, new *otp.Tenant) (all []string) {
	add := func(key string, differs bool, detail ...string) {
		if !differs {
			return
		}
		if len(detail) > 0 {
			key += " (" + strings.Join(detail, ", ") + ")"
		}
		all = append(all, key)
	}
	add("brand", old.Brand != new.Brand)
	add("home", old.Home != new.Home, arrow(old.Home, new.Home))
	add("countries", !slices.Equal(old.Countries, new.Countries))
	add("policy", old.Policy != new.Policy, arrow(old.Policy, new.Policy))
	add("locale", old.Locale != new.Locale, arrow(old.Locale, new.Locale))
	add("max_lifetime", old.MaxLifetime != new.MaxLifetime, arrow(old.MaxLifetime, new.MaxLifetime))
	add("retention", old.Retention != new.Retention, arrow(old.Retention, new.Retention))
	add("journal_retention", old.Journal != new.Journal, arrow(old.Journal, new.Journal))
	add("routes", !same(old.Routes, new.Routes))
	add("senders", !same(old.Senders, new.Senders))
	add("currency", old.Currency != new.Currency, arrow(old.Currency, new.Currency))
	add("guessing", old.Guessing != new.Guessing)
	add("limits", !same(old.Limits, new.Limits))
	add("fraud_watch", !same(old.FraudWatch, new.FraudWatch))
	add("lists", !same(old.Lists, new.Lists), named(old.Lists, new.Lists, func(e *otp.ListEntry) string { return e.Match }, nil)...)
	add("challenge", !same(old.Challenge, new.Challenge), challengeDiff(old.Challenge, new.Challenge)...)
	add("sender_policy", old.SenderPolicy != new.SenderPolicy, arrow(old.SenderPolicy, new.SenderPolicy))
	add("profiles", !same(old.Profiles, new.Profiles), named(old.Profiles, new.Profiles, profileName, profileDiff)...)
	add("templates", !same(old.Templates, new.Templates), named(old.Templates, new.Templates, templateName, nil)...)
	add("webhooks", !same(old.Webhooks, new.Webhooks), named(old.Webhooks, new.Webhooks, webhookName, webhookDiff)...)
	add("test_addresses", !same(old.TestAddresses, new.TestAddresses), named(old.TestAddresses, new.TestAddresses, testName, nil)...)
	add("allow_test_addresses", old.AllowTestAddresses != new.AllowTestAddresses, arrow(old.AllowTestAddresses, new.AllowTestAddresses))
	add("credentials", !same(old.Credentials, new.Credentials), named(old.Credentials, new.Credentials, credentialName, credentialDiff)...)
	return all
}

// arrow shows a value before and after.
func arrow[T comparable](old, new T) string {
	show := func(v T) string {
		var none T
		if v == none {
			return "none"
		}
		return fmt.Sprint(v)
	}
	return show(old) + " -> " + show(new)
}

// named compares lists whose entries have names: +added, -removed, and changed
// ones with what changed. Entries that share a name are compared together.
func named[T any](old, new []T, name func(*T) string, detail func(old, new *T) string) (all []string) {
	group := func(list []T) (groups map[string][]T, order []string) {
		groups = make(map[string][]T)
		for i := range list {
			n := name(&list[i])
			if groups[n] == nil {
				order = append(order, n)
			}
			groups[n] = append(groups[n], list[i])
		}
		return groups, order
	}
	before, oldOrder := group(old)
	after, newOrder := group(new)
	for _, n := range newOrder {
		switch a, b := before[n], after[n]; {
		case a == nil:
			all = append(all, "+"+n)
		case same(a, b):
		case detail != nil && len(a) == 1 && len(b) == 1:
			all = append(all, n+": "+detail(&a[0], &b[0]))
		default:
			all = append(all, "~"+n)
		}
	}
	for _, n := range oldOrder {
		if after[n] == nil {
			all = append(all, "-"+n)
		}
	}
	if len(all) == 0 {
		return []string{"order"}
	}
	return all
}

func profileName(p *otp.Profile) string { return p.Name }

func templateName(t *otp.Template) string {
	return cmp.Or(t.Profile, "*") + "/" + cmp.Or(string(t.Channel), "*") + "/" + cmp.Or(t.Locale, "*")
}

func credentialName(c *otp.Credential) string {
	return strings.Join(strings.Fields(string(c.Type)+" "+c.Identity+" "+c.Name), " ")
}

// credentialDiff names what changes of a credential, never its secret.
func credentialDiff(old, new *otp.Credential) string {
	var all []string
	for _, part := range []struct {
		name    string
		differs bool
	}{
		{"secret", old.Hash != new.Hash},
		{"scopes", !slices.Equal(old.Scopes, new.Scopes)},
		{"expires", !old.Expires.Equal(new.Expires)},
		{"from", !slices.Equal(old.From, new.From)},
		{"credit", old.NoCredit != new.NoCredit},
		{"origin", old.ByCommand() != new.ByCommand()},
		{"revoked", !old.Revoked.Equal(new.Revoked)},
	} {
		if part.differs {
			all = append(all, part.name)
		}
	}
	return strings.Join(all, ", ")
}

// webhookName is the host: path and query of such an address are often a
// secret themselves.
func webhookName(w *otp.Webhook) string {
	u, err := url.Parse(w.URL)
	if err != nil {
		return "webhook"
	}
	return u.Hostname()
}

func webhookDiff(old, new *otp.Webhook) string {
	var all []string
	for _, part := range []struct {
		name    string
		differs bool
	}{{"url", old.URL != new.URL}, {"secret", old.Secret != new.Secret}, {"previous_secret", old.Previous != new.Previous}, {"events", !slices.Equal(old.Events, new.Events)}} {
		if part.differs {
			all = append(all, part.name)
		}
	}
	return strings.Join(all, ", ")
}

func windowWord(p *otp.Profile) string {
	switch {
	case p.RepeatWindow < 0:
		return "off"
	case p.RepeatWindow > 0:
		return p.RepeatWindow.String()
	}
	return ""
}

// profileDiff tells how a profile changes.
func profileDiff(old, new *otp.Profile) string {
	var all []string
	add := func(key string, differs bool, change string) {
		if differs {
			all = append(all, strings.TrimSpace(key+" "+change))
		}
	}
	add("aliases", !same(old.Aliases, new.Aliases), "")
	add("fields", !same(old.Fields, new.Fields), "")
	add("active", old.Inactive != new.Inactive, fmt.Sprintf("%t -> %t", !old.Inactive, !new.Inactive))
	add("policy", old.Policy != new.Policy, arrow(old.Policy, new.Policy))
	add("alphabet", old.Alphabet != new.Alphabet, arrow(old.Alphabet, new.Alphabet))
	add("length", old.Length != new.Length, arrow(old.Length, new.Length))
	add("lifetime", old.Lifetime != new.Lifetime, arrow(old.Lifetime, new.Lifetime))
	add("max_attempts", old.MaxAttempts != new.MaxAttempts, arrow(old.MaxAttempts, new.MaxAttempts))
	add("resend", old.Resend != new.Resend, arrow(old.Resend, new.Resend))
	add("purpose", old.Purpose != new.Purpose, arrow(old.Purpose, new.Purpose))
	add("sender", old.Sender != new.Sender, arrow(old.Sender, new.Sender))
	add("repeat_window", old.RepeatWindow != new.RepeatWindow, arrow(windowWord(old), windowWord(new)))
	add("plan", !slices.Equal(old.Plan, new.Plan), "")
	add("receipt", old.Receipt != new.Receipt, fmt.Sprintf("%t -> %t", old.Receipt, new.Receipt))
	add("link", old.Link != new.Link, arrow(old.Link, new.Link))
	add("uniform", old.Uniform != new.Uniform, fmt.Sprintf("%t -> %t", old.Uniform, new.Uniform))
	return strings.Join(all, ", ")
}
