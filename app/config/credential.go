package config

import (
	"fmt"

	"go.yaml.in/yaml/v3"

	"github.com/aldaba-otp/aldaba/otp"
)

// NewCredential is a credential with its secret in clear, to be added to those
// that a tenant has.
type NewCredential struct {
	Type     otp.CredentialType
	Identity string // "" for an API key
	Secret   string
	Scopes   []string
}

// AddCredential makes a tenants file that gives one tenant, of those in an
// export, its credentials and one more. It fails when the export holds no such
// tenant.
func AddCredential(exported []byte, tenant string, c NewCredential) (*File, error) {
	all, err := ParseTenants("export", exported, nil)
	if err != nil {
		return nil, err
	}
	tenants := valueOf(all.root, "tenants")
	for i := 0; tenants != nil && i < len(tenants.Content); i++ {
		if name := valueOf(tenants.Content[i], "name"); name == nil || name.Value != tenant {
			continue
		}
		list := valueOf(tenants.Content[i], "credentials")
		if list == nil {
			list = &yaml.Node{Kind: yaml.SequenceNode}
		}
		list.Content = append(list.Content, c.node())
		return fileOf(tenant, list)
	}
	return nil, fmt.Errorf("there is no tenant %q", tenant)
}

// fileOf makes the file of one tenant's credentials.
func fileOf(tenant string, credentials *yaml.Node) (*File, error) {
	data, err := encode(mapOf("tenants", &yaml.Node{Kind: yaml.SequenceNode, Content: []*yaml.Node{
		mapOf("name", textOf(tenant), "credentials", credentials),
	}}))
	if err != nil {
		return nil, err
	}
	return ParseTenants("credential", data, nil)
}

// node writes the credential as a file gives it.
func (c NewCredential) node() *yaml.Node {
	identity, secret, _ := credentialKeys(c.Type)
	pairs := []any{"type", textOf(string(c.Type))}
	if identity != "" {
		pairs = append(pairs, identity, textOf(c.Identity))
	}
	pairs = append(pairs, secret, textOf(c.Secret))
	if len(c.Scopes) > 0 {
		list := &yaml.Node{Kind: yaml.SequenceNode}
		for _, s := range c.Scopes {
			list.Content = append(list.Content, textOf(s))
		}
		pairs = append(pairs, "scopes", list)
	}
	return mapOf(pairs...)
}

func textOf(s string) *yaml.Node {
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: s, Style: yaml.DoubleQuotedStyle}
}

// mapOf makes a mapping of keys and nodes in turn.
func mapOf(pairs ...any) *yaml.Node {
	m := &yaml.Node{Kind: yaml.MappingNode}
	for _, p := range pairs {
		switch p := p.(type) {
		case string:
			m.Content = append(m.Content, &yaml.Node{Kind: yaml.ScalarNode, Value: p})
		case *yaml.Node:
			m.Content = append(m.Content, p)
		}
	}
	return m
}

// valueOf returns the value of a mapping's key, or nil.
func valueOf(m *yaml.Node, key string) *yaml.Node {
	for i := 0; m != nil && m.Kind == yaml.MappingNode && i+1 < len(m.Content); i += 2 {
		if m.Content[i].Value == key {
			return m.Content[i+1]
		}
	}
	return nil
}
