package config

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aldaba-otp/aldaba/otp"
)

// Current is the configuration in force.
type Current struct {
	Providers []otp.Provider
	Tenants   []otp.Tenant
	// Contacts returns all contacts of a tenant. It is asked only about
	// tenants in force; nil means that there are none.
	Contacts func(tenant string) ([]otp.NamedContact, error)
}

// Tools are what checking and hashing takes.
type Tools struct {
	Ring      *otp.Ring
	Passwords otp.Passwords
	Addresses otp.Addresses
	// Now and Random are what secrets are sealed with.
	Now    time.Time
	Random io.Reader
	// ShortKeys admits API keys of less than 128 bits.
	ShortKeys bool
	// Providers checks a provider's type and settings, with their secrets in
	// clear; nil checks nothing. It
	// may return [otp.Mistakes] with paths below the provider.
	Providers func(p otp.Provider) error
	// WebhookURL judges the address of a webhook; nil lets the core's rules
	// suffice. Its error holds no part of the address but its host.
	WebhookURL func(url string) error
	// Country tells whether a code of two capitals is that of a country; nil
	// admits any.
	Country func(code string) bool
	// Dialects are the names that aliases may be for; nil admits any.
	Dialects []string
	// Templates names what is dear or idle in a tenant's templates, one warning
	// a line; nil names nothing.
	Templates func(t *otp.Tenant) []string
}

// ContactChange is one contact to put, with Configured set, or to delete.
type ContactChange struct {
	Tenant, ID string
	Delete     bool
	Addresses  otp.ContactAddresses
}

// Plan is what applying a file comes to.
type Plan struct {
	// Providers and Tenants are the complete new configuration: that in force,
	// with what is new at the end.
	Providers []otp.Provider
	Tenants   []otp.Tenant
	Contacts  []ContactChange
	// Diff tells in lines for people what changes; it is empty when nothing
	// does. It never holds a secret, a hash or an address.
	Diff []string
	// Warnings name the weak settings of the tenants in the file, and what is
	// to be said about templates that the file brings.
	Warnings []string
}

// planner merges one file into one configuration.
type planner struct {
	file    *File
	current Current
	tools   Tools
	r       *reader
	plan    *Plan
	// origins tells by a tenant's name, for each of its credentials in the
	// plan, which one of the file it is: -1 is one that commands keep.
	origins map[string][]int
}

// Plan merges the file into the configuration in force and checks the result:
// each key given for a tenant replaces that key whole, a provider replaces
// that of its name, and everything else stays. Nothing is changed by it.
//
// The error is [Mistakes], unless hashing or listing contacts failed.
func (f *File) Plan(c Current, t Tools) (*Plan, error) {
	p := &planner{file: f, current: c, tools: t, r: newReader(f.name), plan: &Plan{}, origins: make(map[string][]int)}
	f.unresolved(p.r)
	if err := p.r.mistakes.err(); err != nil {
		return nil, err
	}
	if err := p.providers(); err != nil {
		return nil, err
	}
	p.plan.Tenants = slices.Clone(c.Tenants)
	for i := range f.read.tenants {
		if err := p.tenant(&f.read.tenants[i]); err != nil {
			return nil, err
		}
	}
	p.check()
	if err := p.r.mistakes.err(); err != nil {
		return nil, err
	}
	return p.plan, nil
}

func (p *planner) fail(path, format string, args ...any) {
	p.r.fail(p.file.line(path), path, format, args...)
}

func (p *planner) note(format string, args ...any) {
	p.plan.Diff = append(p.plan.Diff, fmt.Sprintf(format, args...))
}

// providers merges the providers.
func (p *planner) providers() error {
	p.plan.Providers = slices.Clone(p.current.Providers)
	for i, given := range p.file.read.providers {
		at := slices.IndexFunc(p.plan.Providers, func(old otp.Provider) bool { return old.Name == given.Name })
		var old otp.Provider
		if at >= 0 {
			old = p.plan.Providers[at]
		}
		kept, err := p.provider(fmt.Sprintf("providers[%d]", i), given, old)
		if err != nil {
			return err
		}
		switch {
		case at < 0:
			p.plan.Providers = append(p.plan.Providers, kept)
			p.note("+ provider %s", kept.Name)
		case !same(old, kept):
			p.note("~ provider %s: %s", kept.Name, strings.Join(providerDiff(old, kept, p.file.secrets.of(kept.Type)), ", "))
			p.plan.Providers[at] = kept
		}
	}
	return nil
}

func (p *planner) checkProvider(path string, given otp.Provider) {
	err := p.tools.Providers(given)
	var faults otp.Mistakes
	if !errors.As(err, &faults) {
		if err != nil {
			p.fail(path, "%v", err)
		}
		return
	}
	for _, fault := range faults {
		at := strings.TrimSuffix(path+"."+strings.TrimPrefix(fault.Path, "."), ".")
		p.fail(at, "%s", fault.Message)
	}
}

// tenant merges one tenant of the file.
func (p *planner) tenant(e *tenantEntry) error {
	name := e.tenant.Name
	at := slices.IndexFunc(p.plan.Tenants, func(t otp.Tenant) bool { return t.Name == name })
	old := otp.Tenant{Name: name}
	if at >= 0 {
		old = p.plan.Tenants[at]
	}
	merged := old
	e.over(&merged)
	p.dialects(e)
	p.countries(e)
	if e.has("test_addresses") {
		p.testAddresses(e)
	}
	if e.has("credentials") {
		var err error
		if merged.Credentials, err = p.credentials(e, old.Credentials); err != nil {
			return err
		}
	}
	if e.has("challenge") {
		var err error
		if merged.Challenge, err = p.challenge(e, old.Challenge); err != nil {
			return err
		}
	}
	if e.has("webhooks") {
		var err error
		if merged.Webhooks, err = p.webhooks(e, old.Webhooks); err != nil {
			return err
		}
	}
	if at < 0 {
		p.plan.Tenants = append(p.plan.Tenants, merged)
		p.note("+ tenant %s", name)
	} else if p.plan.Tenants[at] = merged; !same(old, merged) {
		p.note("~ tenant %s: %s", name, strings.Join(tenantDiff(&old, &merged), ", "))
	}
	p.plan.Warnings = append(p.plan.Warnings, Warnings(&merged, p.tools.ShortKeys)...)
	p.plan.Warnings = append(p.plan.Warnings, TestWarnings(&merged, p.tools.Now)...)
	if e.has("templates") && p.tools.Templates != nil {
		p.plan.Warnings = append(p.plan.Warnings, p.tools.Templates(&merged)...)
	}
	if e.has("contacts") {
		return p.contacts(e, merged.Home, at >= 0)
	}
	return nil
}

// over puts the keys given for a tenant over what it has.
func (e *tenantEntry) over(t *otp.Tenant) {
	new := &e.tenant
	for _, key := range e.given {
		switch key {
		case "brand":
			t.Brand = new.Brand
		case "home":
			t.Home = new.Home
		case "countries":
			t.Countries = new.Countries
		case "policy":
			t.Policy = new.Policy
		case "locale":
			t.Locale = new.Locale
		case "max_lifetime":
			t.MaxLifetime = new.MaxLifetime
		case "retention":
			t.Retention = new.Retention
		case "journal_retention":
			t.Journal = new.Journal
		case "currency":
			t.Currency = new.Currency
		case "guessing":
			t.Guessing = new.Guessing
		case "limits":
			t.Limits = new.Limits
		case "fraud_watch":
			t.FraudWatch = new.FraudWatch
		case "lists":
			t.Lists = new.Lists
		case "routes":
			t.Routes = new.Routes
		case "senders":
			t.Senders = new.Senders
		case "sender_policy":
			t.SenderPolicy = new.SenderPolicy
		case "profiles":
			t.Profiles = new.Profiles
		case "templates":
			t.Templates = new.Templates
		case "test_addresses":
			t.TestAddresses = new.TestAddresses
		case "allow_test_addresses":
			t.AllowTestAddresses = new.AllowTestAddresses
		}
	}
}

// dialects refuses aliases for dialects that nobody speaks.
func (p *planner) dialects(e *tenantEntry) {
	if p.tools.Dialects == nil {
		return
	}
	for i := range e.tenant.Profiles {
		for _, dialect := range slices.Sorted(maps.Keys(e.tenant.Profiles[i].Aliases)) {
			if fault := unknownKey(dialect, p.tools.Dialects); fault != "" {
				p.fail(fmt.Sprintf("%s.profiles[%d].aliases.%s", e.path, i, dialect), "%s", strings.Replace(fault, "unknown key", "unknown dialect", 1))
			}
		}
	}
}

// check has the core check the merged configuration. The tenants of the file
// come last, so that what collides with another tenant is told of the file.
func (p *planner) check() {
	entries := make(map[string]*tenantEntry)
	for i := range p.file.read.tenants {
		entries[p.file.read.tenants[i].tenant.Name] = &p.file.read.tenants[i]
	}
	tenants := slices.Clone(p.plan.Tenants)
	slices.SortStableFunc(tenants, func(a, b otp.Tenant) int {
		inFile := func(t otp.Tenant) int {
			if entries[t.Name] != nil {
				return 1
			}
			return 0
		}
		return inFile(a) - inFile(b)
	})
	_, err := otp.NewDirectory(tenants, p.plan.Providers)
	var faults otp.Mistakes
	if !errors.As(err, &faults) {
		if err != nil {
			p.fail("", "%v", err)
		}
		return
	}
	var more Mistakes
	for _, fault := range faults {
		path, line := fault.Path, p.file.line(fault.Path)
		if m := regexp.MustCompile(`^tenants\[(\d+)\](.*)$`).FindStringSubmatch(path); m != nil {
			i, err := strconv.Atoi(m[1])
			if err != nil || i >= len(tenants) {
				continue
			}
			path, line = p.place(entries[tenants[i].Name], tenants[i].Name, m[2])
		}
		if len(more) < mistakesNamed && !p.r.told(path) {
			more = append(more, Mistake{p.file.name, line, path, fault.Message})
		}
	}
	p.r.mistakes = append(p.r.mistakes, more...)
}

// place tells where a value of a merged tenant comes from: from the file, with
// the file's path, or from the configuration in force.
func (p *planner) place(e *tenantEntry, name, below string) (path string, line int) {
	inForce := "tenants[" + name + "]" + below
	if e == nil {
		return inForce, 0
	}
	key := strings.TrimPrefix(below, ".")
	if end := strings.IndexAny(key, ".["); end >= 0 {
		key = key[:end]
	}
	if key == "credentials" && e.has(key) {
		return p.credentialPlace(e, name, below)
	}
	if e.has(key) || key == "" {
		return e.path + below, p.file.line(e.path + below)
	}
	// The file's change made a mistake of what it left alone.
	return inForce, e.line
}
