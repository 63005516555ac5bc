package config

import (
	"regexp"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/aldaba-otp/aldaba/otp"
)

// tenantKeys are the keys of a tenant, in the order in which they are written.
func tenantKeys() []string {
	return []string{"name", "brand", "home", "countries", "policy", "locale", "max_lifetime", "retention", "journal_retention", "currency", "guessing", "limits", "fraud_watch", "lists", "challenge", "routes", "senders", "sender_policy", "profiles", "templates", "webhooks", "test_addresses", "allow_test_addresses", "contacts", "credentials"}
}

func (r *reader) tenant(n *yaml.Node, path string) tenantEntry {
	o := r.object(n, path, tenantKeys()...)
	o.must("name")
	e := tenantEntry{path: path, line: n.Line}
	for _, key := range tenantKeys() {
		if o.has(key) {
			e.given = append(e.given, key)
		}
	}
	e.tenant = otp.Tenant{
		Name: o.text("name"), Brand: o.text("brand"), Home: o.text("home"), Countries: o.texts("countries"),
		Policy: otp.Policy(o.text("policy")), Locale: o.locale("locale"), MaxLifetime: o.duration("max_lifetime"),
		Retention: o.duration("retention"), Journal: o.duration("journal_retention"),
		Currency: o.text("currency"), Guessing: o.guessing("guessing"), Limits: o.limits("limits"), FraudWatch: o.fraudWatch("fraud_watch"),
	}
	e.tenant.SenderPolicy = otp.SenderPolicy(o.text("sender_policy"))
	e.tenant.AllowTestAddresses = o.flag("allow_test_addresses", false)
	e.challenge = o.challenge("challenge")
	t := &e.tenant
	o.each("lists", func(n *yaml.Node, path string) { t.Lists = append(t.Lists, r.listEntry(n, path)) })
	o.each("routes", func(n *yaml.Node, path string) { t.Routes = append(t.Routes, r.route(n, path)) })
	o.each("senders", func(n *yaml.Node, path string) { t.Senders = append(t.Senders, r.sender(n, path)) })
	o.each("profiles", func(n *yaml.Node, path string) { t.Profiles = append(t.Profiles, r.profile(n, path)) })
	o.each("templates", func(n *yaml.Node, path string) { t.Templates = append(t.Templates, r.template(n, path)) })
	o.each("test_addresses", func(n *yaml.Node, path string) { t.TestAddresses = append(t.TestAddresses, r.testAddress(n, path)) })
	o.each("webhooks", func(n *yaml.Node, path string) { e.webhooks = append(e.webhooks, r.webhook(n, path)) })
	o.each("credentials", func(n *yaml.Node, path string) { e.credentials = append(e.credentials, r.credential(n, path)) })
	ids := map[string]int{}
	o.each("contacts", func(n *yaml.Node, path string) {
		c := r.contact(n, path)
		if first, twice := ids[c.ID]; twice && c.ID != "" {
			r.fail(n.Line, path+".id", "another contact, in line %d, has this id", first)
		}
		ids[c.ID] = n.Line
		e.contacts = append(e.contacts, c)
	})
	return e
}

// guessing reads a tenant's bounds of wrong guesses.
func (o *object) guessing(key string) otp.Guessing {
	n := o.values[key]
	if n == nil {
		return otp.Guessing{}
	}
	g := o.r.object(n, o.at(key), "delay", "min_checks", "alert_above", "slow_above", "trials")
	return otp.Guessing{
		NoDelay:   !g.flag("delay", true),
		MinChecks: g.whole("min_checks"), AlertAbove: g.whole("alert_above"), SlowAbove: g.whole("slow_above"), NoTrials: !g.flag("trials", true),
	}
}

// locale reads a language tag.
func (o *object) locale(key string) string {
	text := o.text(key)
	if text != "" && !regexp.MustCompile(`^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*$`).MatchString(text) {
		o.fail(key, "must be a language tag, such as en or es-MX")
	}
	return text
}

func (r *reader) profile(n *yaml.Node, path string) otp.Profile {
	o := r.object(n, path, "name", "aliases", "fields", "active", "policy", "alphabet", "length", "lifetime", "max_attempts", "resend", "purpose", "sender", "plan", "receipt", "repeat_window", "link", "uniform")
	o.must("name")
	var plan []otp.Leg
	o.each("plan", func(n *yaml.Node, path string) { plan = append(plan, r.leg(n, path)) })
	return otp.Profile{
		Name: o.text("name"), Aliases: o.aliases("aliases"), Fields: o.fields("fields"), Inactive: !o.flag("active", true),
		Policy: otp.Policy(o.text("policy")), Alphabet: otp.Alphabet(o.text("alphabet")), Length: o.whole("length"),
		Lifetime: o.positive("lifetime"), MaxAttempts: o.whole("max_attempts"), Resend: o.text("resend"),
		Purpose: o.text("purpose"), Sender: o.text("sender"), Plan: plan, Receipt: o.flag("receipt", false),
		RepeatWindow: o.window("repeat_window"), Link: o.text("link"), Uniform: o.flag("uniform", false),
	}
}

// window reads a duration of which 0 means never, which is kept as below zero:
// the dialect's own window is what stands for nothing.
func (o *object) window(key string) time.Duration {
	before := len(o.r.mistakes)
	d := o.duration(key)
	if d == 0 && o.has(key) && len(o.r.mistakes) == before {
		return -1
	}
	return d
}

// aliases reads the names by which dialects know a profile. A dialect's name
// is checked by [File.Plan], which knows the dialects.
func (o *object) aliases(key string) map[string][]string {
	n := o.values[key]
	if n == nil {
		return nil
	}
	dialects := o.r.mapping(n, o.at(key))
	all := make(map[string][]string)
	for _, dialect := range dialects.order {
		all[dialect] = dialects.texts(dialect)
	}
	return all
}

// fields reads a mapping whose order decides which address is used.
func (o *object) fields(key string) (all []otp.Field) {
	n := o.values[key]
	if n == nil {
		return nil
	}
	codes := o.r.mapping(n, o.at(key))
	for _, code := range codes.order {
		all = append(all, otp.Field{Code: code, Channel: otp.Channel(codes.text(code))})
	}
	return all
}

func (r *reader) template(n *yaml.Node, path string) otp.Template {
	o := r.object(n, path, "profile", "channel", "locale", "subject", "text", "domain", "app_hash", "params")
	o.must("text")
	return otp.Template{
		Profile: o.text("profile"), Channel: otp.Channel(o.text("channel")), Locale: o.locale("locale"),
		Subject: o.text("subject"), Text: o.text("text"), Domain: o.text("domain"), AppHash: o.text("app_hash"), Params: o.words("params"),
	}
}

// words reads a mapping of texts.
func (o *object) words(key string) map[string]string {
	n := o.values[key]
	if n == nil {
		return nil
	}
	given := o.r.mapping(n, o.at(key))
	all := make(map[string]string)
	for _, name := range given.order {
		all[name] = given.text(name)
	}
	return all
}

// contactEntry is a contact as it was given.
type contactEntry struct {
	ID        string
	Addresses otp.ContactAddresses
	path      string
}

func (r *reader) contact(n *yaml.Node, path string) contactEntry {
	o := r.object(n, path, "id", "sms", "email", "pending_sms", "pending_email")
	o.must("id")
	c := contactEntry{ID: o.text("id"), path: path, Addresses: otp.ContactAddresses{
		SMS: o.text("sms"), Email: o.text("email"), PendingSMS: o.text("pending_sms"), PendingEmail: o.text("pending_email"),
	}}
	if c.ID != "" && !otp.IsContactID(c.ID) {
		o.fail("id", "must be 1 to 64 bytes of UTF-8 without control characters")
	}
	return c
}

// moment reads a time of RFC 3339.
func (o *object) moment(key string) time.Time {
	if !o.has(key) {
		return time.Time{}
	}
	at, err := time.Parse(time.RFC3339, o.text(key))
	if err != nil || at.IsZero() {
		o.fail(key, "must be a time such as 2026-12-31T00:00:00Z")
		return time.Time{}
	}
	return at.UTC()
}

// credentialEntry is a credential as it was given.
type credentialEntry struct {
	path   string
	kept   otp.Credential // without its hash
	secret secret
}

// credential returns the credential with a hash.
func (c *credentialEntry) credential(hash string) otp.Credential {
	full := c.kept
	full.Hash = hash
	return full
}

// credentialKeys tells under which keys a type has its identity and its secret.
func credentialKeys(t otp.CredentialType) (identity, secret string, known bool) {
	switch t {
	case otp.APIKey:
		return "", "key", true
	case otp.DanaConnect:
		return "login", "password", true
	case otp.OAuth2:
		return "client_id", "client_secret", true
	case otp.Modica:
		return "application", "password", true
	case otp.UnityVox:
		return "account", "key", true
	}
	return "", "", false
}

func (r *reader) credential(n *yaml.Node, path string) credentialEntry {
	o := r.mapping(n, path)
	o.must("type")
	c := credentialEntry{path: path}
	c.kept.Type = otp.CredentialType(o.text("type"))
	identity, name, ok := credentialKeys(c.kept.Type)
	if !ok {
		if o.has("type") {
			o.fail("type", "must be api_key, danaconnect, oauth2, modica or unityvox")
		}
		return c
	}
	known := append([]string{"type"}, secretKeys(name, asHash)...)
	known = append(known, "scopes", "name", "expires", "from", "origin", "revoked")
	if identity != "" {
		known = append(known, identity)
		o.must(identity)
		c.kept.Identity = o.text(identity)
	}
	if c.kept.Type == otp.UnityVox {
		known = append(known, "credit")
		c.kept.NoCredit = !o.flag("credit", true)
	}
	o.allow(known...)
	c.kept.Scopes, c.kept.Name, c.kept.From = o.texts("scopes"), o.text("name"), o.networks("from")
	c.kept.Expires, c.kept.Revoked = o.moment("expires"), o.moment("revoked")
	if c.kept.Origin = otp.Origin(o.text("origin")); c.kept.Origin == otp.OriginFile {
		c.kept.Origin = "" // one form of it, so that equal ones compare equal
	}
	if c.secret = o.secret(name, asHash); c.secret.key == "" {
		o.must(name)
	}
	return c
}
