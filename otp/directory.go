package otp

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Mistake is one fault of a configuration, with the path of the value, such as
// "tenants[0].profiles[1].length".
type Mistake struct{ Path, Message string }

// Mistakes are all faults of a configuration, found at once.
type Mistakes []Mistake

// Error lists them, one a line.
func (m Mistakes) Error() string {
	lines := make([]string, len(m))
	for i, one := range m {
		lines[i] = one.Path + ": " + one.Message
	}
	return strings.Join(lines, "\n")
}

// Directory is an immutable snapshot of all tenants, ready for look-ups.
type Directory struct {
	tenants     map[string]*Tenant
	providers   map[string]Provider
	credentials map[credentialKey][]credentialRef
	profiles    map[profileKey]*Profile
	listens     bool            // some tenant has a webhook
	priced      map[string]bool // tenants with a price in a route, or with limits of a day
	anyPriced   bool
	hashes      []string // of all passwords, to hold those of unknown logins against
	texts       texts
}

type credentialKey struct {
	kind CredentialType
	name string // identity, or the hash of an API key
}

type credentialRef struct {
	tenant     *Tenant
	credential *Credential
	mark       string         // see [Credential.Mark]
	identity   string         // for the journal
	use        *credentialUse // of the service that has the directory in force
}

type profileKey struct{ tenant, dialect, alias string }

// NewDirectory checks and indexes a configuration. It returns [Mistakes] when
// there are any, with the paths of a document {providers: [], tenants: []}.
func NewDirectory(tenants []Tenant, providers []Provider) (*Directory, error) {
	d := &Directory{
		tenants: make(map[string]*Tenant), providers: make(map[string]Provider),
		credentials: make(map[credentialKey][]credentialRef), profiles: make(map[profileKey]*Profile),
		priced: make(map[string]bool), texts: builtinTexts(),
	}
	var faults Mistakes
	for i, p := range providers {
		if _, twice := d.providers[p.Name]; twice || !isName(p.Name) {
			faults = append(faults, Mistake{fmt.Sprintf("providers[%d].name", i), "must be unique, of 1 to 64 letters, digits, dots, dashes or underscores"})
		}
		d.providers[p.Name] = p
	}
	for i := range tenants {
		t := tenants[i]
		path := fmt.Sprintf("tenants[%d]", i)
		if _, twice := d.tenants[t.Name]; twice {
			faults = append(faults, Mistake{path + ".name", "another tenant has this name"})
		}
		d.tenants[t.Name] = &t
		d.listens = d.listens || len(t.Webhooks) > 0
		t.limits, t.fraud, t.list = t.Limits.with(defaultLimits()), t.FraudWatch.filled(), listOf(t.Lists)
		t.texts = d.texts
		for j := range t.Templates {
			d.texts.add(t.Templates[j].Subject, t.Templates[j].Text)
		}
		d.priced[t.Name] = t.hasPrices() || t.limits.DayMessages > 0 || t.limits.DayMoney > 0
		d.anyPriced = d.anyPriced || d.priced[t.Name]
		faults = append(faults, t.check(path)...)
		faults = append(faults, d.index(&t, path)...)
	}
	if len(faults) > 0 {
		return nil, faults
	}
	return d, nil
}

// index enters a tenant's credentials and profiles and names what collides.
func (d *Directory) index(t *Tenant, path string) (faults Mistakes) {
	for i := range t.Routes {
		for j, c := range t.Routes[i].Providers {
			if _, ok := d.providers[c.Provider]; !ok {
				faults = append(faults, Mistake{fmt.Sprintf("%s.routes[%d].providers[%d]", path, i, j), fmt.Sprintf("there is no provider %q", c.Provider)})
			}
		}
	}
	for i := range t.Credentials {
		faults = append(faults, d.indexCredential(t, i, path)...)
	}
	for i := range t.Profiles {
		p := &t.Profiles[i]
		d.profiles[profileKey{t.Name, "", p.Name}] = p
		for _, dialect := range slices.Sorted(maps.Keys(p.Aliases)) {
			for _, alias := range p.Aliases[dialect] {
				key := profileKey{t.Name, dialect, alias}
				if _, twice := d.profiles[key]; twice {
					faults = append(faults, Mistake{fmt.Sprintf("%s.profiles[%d].aliases.%s", path, i, dialect), fmt.Sprintf("another profile has the alias %q", alias)})
				}
				d.profiles[key] = p
			}
		}
	}
	return faults
}

// indexCredential enters a credential that is not revoked.
func (d *Directory) indexCredential(t *Tenant, i int, path string) Mistakes {
	c := &t.Credentials[i]
	if !c.Revoked.IsZero() {
		return nil
	}
	key := credentialKey{c.Type, cmp.Or(c.Identity, c.Hash)}
	others := d.credentials[key]
	path = fmt.Sprintf("%s.credentials[%d]", path, i)
	// An identity may have several secrets, all of one tenant.
	if len(others) > 0 && (c.Type == APIKey || others[0].tenant.Name != t.Name) {
		return Mistakes{{path, "this identity or key is taken already; identities are unique over all tenants"}}
	}
	if len(others) >= samePasswords && c.Type.HasPassword() {
		return Mistakes{{path, fmt.Sprintf("an identity has at most %d passwords at once; revoke an older one", samePasswords)}}
	}
	if c.Type.HasPassword() {
		d.hashes = append(d.hashes, c.Hash)
	}
	identity := c.Identity
	if c.Type == APIKey {
		identity = "key " + c.Hash[:min(8, len(c.Hash))]
	}
	d.credentials[key] = append(others, credentialRef{tenant: t, credential: c, mark: c.Mark(), identity: identity})
	return nil
}

// Tenant returns a tenant by its name.
func (d *Directory) Tenant(name string) (*Tenant, bool) {
	t, ok := d.tenants[name]
	return t, ok
}

// Tenants returns all tenants in order of their names.
func (d *Directory) Tenants() []Tenant {
	var all []Tenant
	for _, name := range slices.Sorted(maps.Keys(d.tenants)) {
		all = append(all, *d.tenants[name])
	}
	return all
}

// Providers returns all providers in order of their names.
func (d *Directory) Providers() []Provider {
	var all []Provider
	for _, name := range slices.Sorted(maps.Keys(d.providers)) {
		all = append(all, d.providers[name])
	}
	return all
}

// Profile returns the profile that a dialect of a tenant knows by alias.
func (d *Directory) Profile(tenant, dialect, alias string) (*Profile, bool) {
	p, ok := d.profiles[profileKey{tenant, dialect, alias}]
	return p, ok
}

// DefaultProfile returns the profile named "default", or an empty one.
func (d *Directory) DefaultProfile(tenant string) *Profile {
	if p, ok := d.profiles[profileKey{tenant, "", "default"}]; ok {
		return p
	}
	return &Profile{Name: "default"}
}

// brand is how the tenant calls itself in texts.
func (t *Tenant) brand() string { return cmp.Or(t.Brand, t.Name) }

// locale is the tenant's default language.
func (t *Tenant) locale() string { return cmp.Or(t.Locale, "en") }

// policyFor tells which policy a request in a dialect is under. The native API
// is strict unless its profile says otherwise; a tenant's policy speaks of its
// vendor dialects.
func (t *Tenant) policyFor(dialect string, p *Profile) Policy {
	if dialect == NativeDialect {
		return cmp.Or(p.Policy, Strict)
	}
	return cmp.Or(p.Policy, t.Policy, Compatible)
}

// NativeDialect is the name of Aldaba's own API.
const NativeDialect = "native"

// allows reports whether the tenant may send to a country.
func (t *Tenant) allows(country string) bool {
	if len(t.Countries) == 0 {
		return country != "" && country == t.Home
	}
	return slices.Contains(t.Countries, "*") || country != "" && slices.Contains(t.Countries, country)
}
