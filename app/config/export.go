package config

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/aldaba-otp/aldaba/otp"
)

const exportHeader = `# Configuration of an Aldaba server, as "aldaba apply" takes it back.
# It is confidential: addresses of contacts and settings of providers that are
# not named as secrets stand here in clear. Keys and passwords of applications
# are here as hashes (_hash), secrets of providers, webhooks and challenges sealed (_sealed);
# a sealed secret and the hash of a key are worth something only with the
# server's own key ring.
`

// Export writes a configuration as YAML that [ParseTenants] and [File.Plan]
// take back without a difference. Of the contacts, those that came with a
// configuration are written.
func Export(c Current) ([]byte, error) {
	var w writer
	providers, tenants := list(), list()
	for _, p := range c.Providers {
		providers.Content = append(providers.Content, w.provider(p))
	}
	for i := range c.Tenants {
		var contacts []otp.NamedContact
		if c.Contacts != nil {
			var err error
			if contacts, err = c.Contacts(c.Tenants[i].Name); err != nil {
				return nil, fmt.Errorf("config: list the contacts of tenant %s: %w", c.Tenants[i].Name, err)
			}
		}
		tenants.Content = append(tenants.Content, w.tenant(&c.Tenants[i], contacts))
	}
	if err := errors.Join(w.faults...); err != nil {
		return nil, err
	}
	root := mapping()
	root.put("providers", providers)
	root.put("tenants", tenants)
	body, err := encode(root.node())
	if err != nil {
		return nil, err
	}
	return append([]byte(exportHeader), body...), nil
}

// writer builds nodes and remembers what could not be written.
type writer struct{ faults []error }

// pairs is a mapping under construction.
type pairs yaml.Node

func mapping() *pairs { return &pairs{Kind: yaml.MappingNode, Tag: "!!map"} }

func list() *yaml.Node {
	return &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq"}
}

func (p *pairs) node() *yaml.Node { return (*yaml.Node)(p) }

func (p *pairs) put(key string, value *yaml.Node) {
	p.Content = append(p.Content, text(key), value)
}

// some puts a text that is not empty.
func (p *pairs) some(key, value string) {
	if value != "" {
		p.put(key, text(value))
	}
}

// number puts a number that is not zero.
func (p *pairs) number(key string, value int) {
	if value != 0 {
		p.put(key, &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!int", Value: strconv.Itoa(value)})
	}
}

func (p *pairs) duration(key string, d time.Duration) {
	if d != 0 {
		p.put(key, text(d.String()))
	}
}

func (p *pairs) moment(key string, at time.Time) {
	if !at.IsZero() {
		p.put(key, text(at.UTC().Format(time.RFC3339Nano)))
	}
}

func (p *pairs) no(key string, is bool) {
	if is {
		p.put(key, &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!bool", Value: "false"})
	}
}

func (p *pairs) yes(key string, is bool) {
	if is {
		p.put(key, &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!bool", Value: "true"})
	}
}

// texts puts a short list in one line.
func (p *pairs) texts(key string, values []string) {
	if len(values) > 0 {
		p.put(key, line(values))
	}
}

func line(values []string) *yaml.Node {
	l := list()
	l.Style = yaml.FlowStyle
	for _, v := range values {
		l.Content = append(l.Content, text(v))
	}
	return l
}

// text is quoted unless it is a plain word; the emitter alone would bend some
// texts with line breaks and outer spaces.
func text(s string) *yaml.Node {
	n := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: s}
	plain := func(c rune) bool {
		return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.ContainsRune("_-./", c)
	}
	if strings.ContainsFunc(s, func(c rune) bool { return !plain(c) }) {
		n.Style = yaml.DoubleQuotedStyle
	}
	return n
}

func each[T any](p *pairs, key string, all []T, write func(*T) *pairs) {
	if len(all) == 0 {
		return
	}
	l := list()
	for i := range all {
		l.Content = append(l.Content, write(&all[i]).node())
	}
	p.put(key, l)
}

func (w *writer) provider(p otp.Provider) *yaml.Node {
	m := mapping()
	m.put("name", text(p.Name))
	m.put("type", text(p.Type))
	for _, key := range slices.Sorted(maps.Keys(p.Settings)) {
		var n yaml.Node
		if err := n.Encode(p.Settings[key]); err != nil {
			w.faults = append(w.faults, fmt.Errorf("config: export provider %s: setting %s cannot be written", p.Name, key))
			continue
		}
		m.put(key, bare(&n))
	}
	return m.node()
}

func (w *writer) tenant(t *otp.Tenant, contacts []otp.NamedContact) *yaml.Node {
	m := mapping()
	m.put("name", text(t.Name))
	m.some("brand", t.Brand)
	m.some("home", t.Home)
	m.texts("countries", t.Countries)
	m.some("policy", string(t.Policy))
	m.some("locale", t.Locale)
	m.duration("max_lifetime", t.MaxLifetime)
	m.duration("retention", t.Retention)
	m.duration("journal_retention", t.Journal)
	each(m, "routes", t.Routes, exportRoute)
	each(m, "senders", t.Senders, func(s *otp.Sender) *pairs {
		o := mapping()
		o.put("sender", text(s.Sender))
		o.texts("countries", s.Countries)
		return o
	})
	m.some("sender_policy", string(t.SenderPolicy))
	m.some("currency", t.Currency)
	if g := &t.Guessing; *g != (otp.Guessing{}) {
		o := mapping()
		o.number("min_checks", g.MinChecks)
		o.number("alert_above", g.AlertAbove)
		o.number("slow_above", g.SlowAbove)
		o.no("delay", g.NoDelay)
		o.no("trials", g.NoTrials)
		m.put("guessing", o.node())
	}
	if o := exportLimits(&t.Limits); len(o.Content) > 0 {
		m.put("limits", o.node())
	}
	if o := exportFraudWatch(&t.FraudWatch); len(o.Content) > 0 {
		m.put("fraud_watch", o.node())
	}
	each(m, "lists", t.Lists, exportListEntry)
	if t.Challenge != nil {
		m.put("challenge", exportChallenge(t.Challenge).node())
	}
	each(m, "profiles", t.Profiles, exportProfile)
	each(m, "templates", t.Templates, exportTemplate)
	each(m, "webhooks", t.Webhooks, func(w *otp.Webhook) *pairs {
		o := mapping()
		o.put("url", text(w.URL))
		o.put("secret"+asSealed, text(w.Secret))
		if w.Previous != "" {
			o.put("previous_secret"+asSealed, text(w.Previous))
		}
		var events []string
		for _, kind := range w.Events {
			events = append(events, string(kind))
		}
		o.texts("events", events)
		return o
	})
	each(m, "test_addresses", t.TestAddresses, func(a *otp.TestAddress) *pairs {
		o := mapping()
		o.some("address", a.Address)
		o.some("pattern", a.Pattern)
		o.put("code", text(a.Code))
		o.put("until", text(a.Until))
		return o
	})
	m.yes("allow_test_addresses", t.AllowTestAddresses)
	contacts = slices.DeleteFunc(slices.Clone(contacts), func(c otp.NamedContact) bool { return !c.Configured })
	each(m, "contacts", contacts, func(c *otp.NamedContact) *pairs {
		o := mapping()
		o.put("id", text(c.ID))
		o.some("sms", c.Addresses.SMS)
		o.some("email", c.Addresses.Email)
		o.some("pending_sms", c.Addresses.PendingSMS)
		o.some("pending_email", c.Addresses.PendingEmail)
		return o
	})
	each(m, "credentials", t.Credentials, func(c *otp.Credential) *pairs { return w.credential(t.Name, c) })
	return m.node()
}

func exportRoute(r *otp.Route) *pairs {
	m := mapping()
	m.put("channel", text(string(r.Channel)))
	m.some("prefix", r.Prefix)
	m.texts("countries", r.Countries)
	providers := list()
	providers.Style = yaml.FlowStyle
	for _, c := range r.Providers {
		if c == (otp.Carrier{Provider: c.Provider}) {
			providers.Content = append(providers.Content, text(c.Provider))
			continue
		}
		providers.Style = 0 // one a line
		one := mapping()
		one.put("provider", text(c.Provider))
		one.number("weight", c.Weight)
		one.number("priority", c.Priority)
		one.some("sender", c.Sender)
		if c.Price != 0 {
			one.put("price", text(c.Price.String()))
		}
		providers.Content = append(providers.Content, one.node())
	}
	m.put("providers", providers)
	m.some("sender", r.Sender)
	m.duration("hedge", r.Hedge)
	return m
}

func exportTemplate(t *otp.Template) *pairs {
	m := mapping()
	m.some("profile", t.Profile)
	m.some("channel", string(t.Channel))
	m.some("locale", t.Locale)
	m.some("subject", t.Subject)
	m.put("text", text(t.Text))
	m.some("domain", t.Domain)
	m.some("app_hash", t.AppHash)
	if len(t.Params) > 0 {
		params := mapping()
		for _, name := range slices.Sorted(maps.Keys(t.Params)) {
			params.put(name, text(t.Params[name]))
		}
		m.put("params", params.node())
	}
	return m
}

func exportProfile(p *otp.Profile) *pairs {
	m := mapping()
	m.put("name", text(p.Name))
	if len(p.Aliases) > 0 {
		aliases := mapping()
		for _, dialect := range slices.Sorted(maps.Keys(p.Aliases)) {
			aliases.put(dialect, line(p.Aliases[dialect]))
		}
		m.put("aliases", aliases.node())
	}
	if len(p.Fields) > 0 {
		fields := mapping()
		for _, f := range p.Fields {
			fields.put(f.Code, text(string(f.Channel)))
		}
		m.put("fields", fields.node())
	}
	m.no("active", p.Inactive)
	m.some("policy", string(p.Policy))
	m.some("alphabet", string(p.Alphabet))
	m.number("length", p.Length)
	m.duration("lifetime", p.Lifetime)
	m.number("max_attempts", p.MaxAttempts)
	m.some("resend", p.Resend)
	m.some("purpose", p.Purpose)
	m.some("sender", p.Sender)
	each(m, "plan", p.Plan, func(l *otp.Leg) *pairs {
		o := mapping()
		o.put("channel", text(string(l.Channel)))
		o.duration("wait", l.Wait)
		return o
	})
	m.yes("receipt", p.Receipt)
	m.some("link", p.Link)
	if p.RepeatWindow < 0 {
		m.put("repeat_window", text("0s"))
	} else {
		m.duration("repeat_window", p.RepeatWindow)
	}
	m.yes("uniform", p.Uniform)
	return m
}

func (w *writer) credential(tenant string, c *otp.Credential) *pairs {
	m := mapping()
	m.put("type", text(string(c.Type)))
	identity, secret, ok := credentialKeys(c.Type)
	if !ok {
		w.faults = append(w.faults, fmt.Errorf("config: export tenant %s: it has a credential of an unknown type", tenant))
	}
	if identity != "" {
		m.put(identity, text(c.Identity))
	}
	m.put(secret+asHash, text(c.Hash))
	m.texts("scopes", c.Scopes)
	m.no("credit", c.NoCredit)
	m.some("name", c.Name)
	m.moment("expires", c.Expires)
	var from []string
	for _, network := range c.From {
		from = append(from, network.String())
	}
	m.texts("from", from)
	if c.ByCommand() {
		m.put("origin", text(string(c.Origin)))
	}
	m.moment("revoked", c.Revoked)
	return m
}
