package config

import (
	"encoding/hex"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/aldaba-otp/aldaba/otp"
)

// credentials hashes what was given. What fits the hash in force keeps it, so
// that applying a file twice changes nothing. What commands keep stays as it
// is: a file neither removes it nor, since it knows nothing of a rotation or a
// revocation, brings it back (docs/adr/0011). Only an export, which says
// whose a credential is, gives it again.
func (p *planner) credentials(e *tenantEntry, old []otp.Credential) ([]otp.Credential, error) {
	var all []otp.Credential
	var origins []int
	given := make(map[string]bool)
	for i := range e.credentials {
		entry := &e.credentials[i]
		before := slices.DeleteFunc(slices.Clone(old), func(c otp.Credential) bool {
			return c.Type != entry.kept.Type || c.Identity != entry.kept.Identity
		})
		hash, err := p.hash(entry, before)
		if err != nil {
			return nil, err
		}
		if hash == "" {
			continue
		}
		c := entry.credential(hash)
		at := slices.IndexFunc(before, func(b otp.Credential) bool { return b.Hash == hash })
		if at >= 0 && before[at].ByCommand() && !c.ByCommand() {
			p.plan.Warnings = append(p.plan.Warnings, fmt.Sprintf(
				"tenant %s, credential %s: was changed by a command and stays so; take it out of the file", e.tenant.Name, before[at].Label()))
			continue
		}
		given[c.Mark()] = true
		all, origins = append(all, c), append(origins, i)
	}
	for i := range old {
		if old[i].ByCommand() && !given[old[i].Mark()] {
			all, origins = append(all, old[i]), append(origins, -1)
		}
	}
	p.origins[e.tenant.Name] = origins
	return all, nil
}

// credentialPlace tells where a credential of the plan stands, or what below it
// does. The plan leaves out what has a mistake already and holds besides what
// commands keep, so that its numbers are not the file's. When one of those is
// at fault, what the file calls by its name is.
func (p *planner) credentialPlace(e *tenantEntry, name, below string) (path string, line int) {
	m := regexp.MustCompile(`^\.credentials\[(\d+)\](.*)$`).FindStringSubmatch(below)
	origins := p.origins[name]
	if m == nil {
		return e.path + below, p.file.line(e.path + below)
	}
	at, err := strconv.Atoi(m[1])
	if err != nil || at >= len(origins) {
		return e.path + below, p.file.line(e.path + below)
	}
	i := origins[at]
	if i < 0 {
		t := slices.IndexFunc(p.plan.Tenants, func(t otp.Tenant) bool { return t.Name == name })
		label := p.plan.Tenants[t].Credentials[at].Label()
		if i = slices.IndexFunc(e.credentials, func(c credentialEntry) bool { return c.kept.Name == label }); i < 0 {
			return "tenants[" + name + "].credentials[" + label + "]" + m[2], p.file.line(e.path + ".credentials")
		}
	}
	path = e.credentials[i].path + m[2]
	return path, p.file.line(path)
}

// hash returns the form in which a secret is kept, or "" after a mistake.
func (p *planner) hash(c *credentialEntry, before []otp.Credential) (string, error) {
	given, kind := c.secret, c.kept.Type
	path := c.path + "." + given.key
	known := slices.ContainsFunc(before, func(b otp.Credential) bool { return b.Hash == given.value })
	switch {
	case strings.HasSuffix(given.key, asHash) && known:
		return given.value, nil
	case strings.HasSuffix(given.key, asHash):
		if !p.isHash(kind, given.value) {
			p.fail(path, "is not what an export prints here")
			return "", nil
		}
		return given.value, nil
	case kind.HasPassword():
		return p.hashPassword(given.value, before)
	case kind == otp.APIKey && !p.tools.ShortKeys && bits(given.value) < keyBits:
		p.fail(path, "%s", keyAdvice)
		return "", nil
	}
	return p.tools.Ring.HashKey(kind, c.kept.Identity, given.value), nil
}

func (p *planner) isHash(kind otp.CredentialType, hash string) bool {
	if kind.HasPassword() {
		_, err := p.tools.Passwords.Verify(hash, "")
		return err == nil
	}
	raw, err := hex.DecodeString(hash)
	return err == nil && len(raw) == 32 && hash == strings.ToLower(hash)
}

func (p *planner) hashPassword(password string, before []otp.Credential) (string, error) {
	for _, b := range before {
		// A hash that cannot be read fits nothing and is replaced.
		if ok, err := p.tools.Passwords.Verify(b.Hash, password); err == nil && ok {
			return b.Hash, nil
		}
	}
	hash, err := p.tools.Passwords.Hash(password)
	if err != nil {
		return "", fmt.Errorf("config: hash a password: %w", err)
	}
	return hash, nil
}

// contacts compares the contacts given with those that came with an earlier
// configuration. Contacts that an application has put stay, unless the file
// names the same id.
func (p *planner) contacts(e *tenantEntry, home string, inForce bool) error {
	old := map[string]otp.NamedContact{}
	var configured []string
	if p.current.Contacts != nil && inForce {
		all, err := p.current.Contacts(e.tenant.Name)
		if err != nil {
			return fmt.Errorf("config: list the contacts of tenant %s: %w", e.tenant.Name, err)
		}
		for _, c := range all {
			old[c.ID] = c
			if c.Configured {
				configured = append(configured, c.ID)
			}
		}
	}
	given := map[string]bool{}
	for _, c := range e.contacts {
		given[c.ID] = true
		addresses := p.addresses(c, home)
		before, known := old[c.ID]
		if known && before.Configured && before.Addresses == addresses {
			continue
		}
		sign := "+"
		if known {
			sign = "~"
		}
		p.note("%s contact %s/%s", sign, e.tenant.Name, c.ID)
		p.plan.Contacts = append(p.plan.Contacts, ContactChange{Tenant: e.tenant.Name, ID: c.ID, Addresses: addresses})
	}
	slices.Sort(configured)
	for _, id := range configured {
		if !given[id] {
			p.note("- contact %s/%s", e.tenant.Name, id)
			p.plan.Contacts = append(p.plan.Contacts, ContactChange{Tenant: e.tenant.Name, ID: id, Delete: true})
		}
	}
	return nil
}

// addresses brings a contact's addresses into the form they are kept in.
func (p *planner) addresses(c contactEntry, home string) otp.ContactAddresses {
	a := c.Addresses
	for _, one := range []struct {
		key  string
		text *string
		mail bool
	}{{"sms", &a.SMS, false}, {"email", &a.Email, true}, {"pending_sms", &a.PendingSMS, false}, {"pending_email", &a.PendingEmail, true}} {
		if *one.text == "" {
			continue
		}
		parsed, err := p.tools.Addresses.Parse(*one.text, home)
		switch {
		case err != nil || parsed.Email != one.mail:
			want := "telephone number"
			if one.mail {
				want = "e-mail address"
			}
			p.fail(c.path+"."+one.key, "is no %s", want)
		default:
			*one.text = parsed.Send
		}
	}
	return a
}
