package config

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/aldaba-otp/aldaba/otp"
)

// File is a parsed tenants file. Which keys were given for a tenant is kept,
// since only those replace what is in force.
type File struct {
	name    string
	secrets Secrets
	root    *yaml.Node
	read    *contents
}

// contents are the values of a file.
type contents struct {
	providers []otp.Provider
	tenants   []tenantEntry
	lines     map[string]int
}

// tenantEntry is what a file says about one tenant.
type tenantEntry struct {
	path        string
	line        int
	given       []string // keys, in the order of [tenantKeys]
	tenant      otp.Tenant
	challenge   *challengeEntry // nil when there is none, or none any more
	webhooks    []webhookEntry
	credentials []credentialEntry
	contacts    []contactEntry
}

func (e *tenantEntry) has(key string) bool { return slices.Contains(e.given, key) }

// ParseTenants reads a tenants file and checks everything that can be checked
// without the configuration in force. The secrets are those of the types of
// providers that there are. The error is [Mistakes].
func ParseTenants(file string, data []byte, secrets Secrets) (*File, error) {
	r := newReader(file)
	root := r.document(data)
	if root == nil || len(r.mistakes) > 0 {
		return nil, r.mistakes.err()
	}
	f := &File{name: file, secrets: secrets, root: root}
	f.read = r.contents(root, secrets)
	f.checkAlone(r)
	if err := r.mistakes.err(); err != nil {
		return nil, err
	}
	return f, nil
}

// contents reads the whole document.
func (r *reader) contents(root *yaml.Node, secrets Secrets) *contents {
	c := &contents{lines: r.lines}
	o := r.object(root, "", "providers", "tenants")
	o.each("providers", func(n *yaml.Node, path string) { c.providers = append(c.providers, r.provider(n, path, secrets)) })
	o.each("tenants", func(n *yaml.Node, path string) { c.tenants = append(c.tenants, r.tenant(n, path)) })
	return c
}

// checkAlone has the core check the file's tenants by themselves, so that all
// mistakes of a file are found at once. What depends on the configuration in
// force waits for [File.Plan].
func (f *File) checkAlone(r *reader) {
	if len(r.mistakes) >= mistakesNamed {
		return
	}
	tenants := make([]otp.Tenant, len(f.read.tenants))
	for i, entry := range f.read.tenants {
		t := entry.tenant
		t.Challenge = entry.challenge.unsealed()
		for j := range entry.webhooks {
			t.Webhooks = append(t.Webhooks, entry.webhooks[j].unsealed())
		}
		for j, c := range entry.credentials {
			// A key has no hash yet; those of UnityVox may share an identity.
			t.Credentials = append(t.Credentials, c.credential(fmt.Sprintf("%d.%d", i, j)))
		}
		tenants[i] = t
	}
	_, err := otp.NewDirectory(tenants, f.read.providers)
	var faults otp.Mistakes
	if !errors.As(err, &faults) {
		return
	}
	later := regexp.MustCompile(`\.routes\[\d+\]\.providers\[\d+\]: there is no provider `)
	template := regexp.MustCompile(`^tenants\[(\d+)\]\.templates\[\d+\]\.profile$`)
	var more Mistakes
	for _, fault := range faults[:min(len(faults), 4*mistakesNamed)] {
		if later.MatchString(fault.Path + ": " + fault.Message) {
			continue
		}
		if m := template.FindStringSubmatch(fault.Path); m != nil {
			if i, err := strconv.Atoi(m[1]); err == nil && !f.read.tenants[i].has("profiles") {
				continue
			}
		}
		if len(more) < mistakesNamed && !r.told(fault.Path) {
			more = append(more, Mistake{f.name, f.line(fault.Path), fault.Path, fault.Message})
		}
	}
	r.mistakes = append(r.mistakes, more...)
}

// line finds a path's line, or that of the nearest value around it.
func (f *File) line(path string) int {
	for path != "" {
		if line, ok := f.read.lines[path]; ok {
			return line
		}
		path = path[:max(strings.LastIndexAny(path, ".["), 0)]
	}
	return 0
}

// Locate gives mistakes of the same document in another form, such as those
// that a server found in what [File.Encode] made, the lines of this file.
func (f *File) Locate(mistakes Mistakes) Mistakes {
	all := slices.Clone(mistakes)
	for i := range all {
		all[i].File, all[i].Line = f.name, f.line(all[i].Path)
	}
	return all
}

// Tenants returns the tenants as the file alone has them, without credentials
// and contacts. What the configuration in force adds is unknown here.
func (f *File) Tenants() []otp.Tenant {
	all := make([]otp.Tenant, len(f.read.tenants))
	for i := range f.read.tenants {
		all[i] = f.read.tenants[i].tenant
	}
	return all
}

// Name returns the name the file was parsed under.
func (f *File) Name() string { return f.name }

// elsewhere visits the keys of the document that say where a secret is to be
// read, NAME_file and NAME_env: m.Content[at] is the key. They stand in
// credentials, webhooks, challenges, and where a provider's type has secrets.
func (f *File) elsewhere(visit func(m *yaml.Node, at int, name, path string)) {
	holder := func(m *yaml.Node, path string) {
		for i := 0; m.Kind == yaml.MappingNode && i+1 < len(m.Content); i += 2 {
			key := m.Content[i].Value
			if name := strings.TrimSuffix(strings.TrimSuffix(key, fromFile), fromEnv); name != key {
				visit(m, i, name, path+"."+key)
			}
		}
	}
	each := func(n *yaml.Node, key, path string, visit func(m *yaml.Node, path string)) {
		for i := 0; n != nil && i+1 < len(n.Content); i += 2 {
			if n.Content[i].Value != key {
				continue
			}
			for j, entry := range n.Content[i+1].Content {
				visit(entry, fmt.Sprintf("%s%s[%d]", path, key, j))
			}
		}
	}
	each(f.root, "providers", "", func(p *yaml.Node, path string) {
		if t := valueOf(p, "type"); t != nil {
			f.secrets.of(t.Value).elsewhere(p, path, visit)
		}
	})
	each(f.root, "tenants", "", func(t *yaml.Node, path string) {
		single(t, "challenge", path, holder)
		each(t, "webhooks", path+".", holder)
		each(t, "credentials", path+".", holder)
	})
}

// elsewhere visits the keys below a mapping of settings that say where a secret
// is to be read.
func (p patterns) elsewhere(m *yaml.Node, path string, visit func(m *yaml.Node, at int, name, path string)) {
	for i := 0; len(p) > 0 && m.Kind == yaml.MappingNode && i+1 < len(m.Content); i += 2 {
		key := m.Content[i].Value
		switch name, form, secret := p.secret(key); {
		case !secret:
			p.below(key).elsewhere(m.Content[i+1], path+"."+key, visit)
		case form == fromFile || form == fromEnv:
			visit(m, i, name, path+"."+key)
		}
	}
}

// Resolve replaces each NAME_file and NAME_env by NAME with what stands there,
// a file without its trailing newline. Relative paths start at the folder of
// the tenants file. The error is [Mistakes].
func (f *File) Resolve(env Environment) error {
	r := newReader(f.name)
	f.resolve(r, env, "")
	if err := r.mistakes.err(); err != nil {
		return err
	}
	again := newReader(f.name)
	f.read = again.contents(f.root, f.secrets)
	return again.mistakes.err()
}

// resolve puts secrets in place of their files and variables. One that cannot
// be had is a mistake; standIn takes its place unless it is empty.
func (f *File) resolve(r *reader, env Environment, standIn string) {
	f.elsewhere(func(m *yaml.Node, at int, name, path string) {
		key, value := m.Content[at], m.Content[at+1]
		text, fault := secret{key.Value, value.Value}.resolve(f.name, env)
		if fault != "" {
			r.fail(key.Line, path, "%s", fault)
			if text = standIn; text == "" {
				return
			}
		}
		key.Value = name
		m.Content[at+1] = &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: text, Style: yaml.DoubleQuotedStyle, Line: value.Line}
	})
}

// Encode returns the file as YAML again, for a running server's admin API.
// Call [File.Resolve] first. The result holds secrets in clear.
func (f *File) Encode() ([]byte, error) {
	r := newReader(f.name)
	f.unresolved(r)
	if err := r.mistakes.err(); err != nil {
		return nil, err
	}
	return encode(bare(f.root))
}

// unresolved reports the secrets that still stand elsewhere: a server never
// reads files or variables for somebody who sends it a configuration.
func (f *File) unresolved(r *reader) {
	f.elsewhere(func(m *yaml.Node, at int, _, path string) {
		r.fail(m.Content[at].Line, path, "must be resolved where the file is; the server reads no files and variables for it")
	})
}

// bare copies a node without comments and styles: what people wrote for
// people may say more than is to be sent.
func bare(n *yaml.Node) *yaml.Node {
	c := &yaml.Node{Kind: n.Kind, Tag: cmp.Or(n.Tag, n.ShortTag()), Value: n.Value}
	if n.Kind == yaml.ScalarNode && n.ShortTag() == "!!str" {
		c.Style = yaml.DoubleQuotedStyle
	}
	for _, child := range n.Content {
		c.Content = append(c.Content, bare(child))
	}
	return c
}
