package config

import (
	"slices"

	"go.yaml.in/yaml/v3"
)

// soleToken is the name of the token that stands alone, in the operators'
// journal.
const soleToken = "admin"

// The roles of operators.
const (
	RoleOwner    = "owner"    // everything
	RoleOperator = "operator" // everything but what cannot be undone, people's data and the list of tokens
	RoleAuditor  = "auditor"  // read what shows no full address and no hash
)

func (o *object) admin(file string, env Environment) (a Admin) {
	n := o.values["admin"]
	if n == nil {
		return a
	}
	m := o.r.object(n, "admin", append([]string{"listen", "tokens", "tls"}, secretKeys("token")...)...)
	if a.Listen = defaultAdminListen; m.has("listen") {
		a.Listen = m.address("listen")
	}
	a.TLS = m.tls("tls", file)
	if !m.has("tokens") || m.secret("token").key != "" {
		a.Token = m.adminToken(file, env)
	}
	names, tokens := map[string]bool{soleToken: true}, map[string]bool{a.Token: a.Token != ""}
	m.each("tokens", func(n *yaml.Node, path string) {
		t := m.r.object(n, path, append([]string{"name", "role"}, secretKeys("token")...)...)
		t.must("name", "role")
		one := AdminToken{Name: t.text("name"), Role: t.text("role"), Token: t.adminToken(file, env)}
		if t.has("name") && (!isName(one.Name) || names[one.Name]) {
			t.fail("name", "must be unique, of 1 to 64 letters, digits, dots, dashes or underscores, and not admin")
		}
		if t.has("role") && !slices.Contains([]string{RoleOwner, RoleOperator, RoleAuditor}, one.Role) {
			t.fail("role", "must be owner, operator or auditor")
		}
		if one.Token != "" && tokens[one.Token] {
			t.fail("token", "is another one's too; give each a token of its own")
		}
		names[one.Name], tokens[one.Token] = true, true
		a.Tokens = append(a.Tokens, one)
	})
	if m.has("tokens") && a.Token == "" && len(a.Tokens) == 0 {
		m.fail("tokens", "must hold a token, or leave the key out and give token")
	}
	return a
}

// adminToken reads a token, which must be worth guessing at in vain.
func (o *object) adminToken(file string, env Environment) string {
	given := o.secret("token")
	if given.key == "" {
		o.must("token")
		return ""
	}
	token, fault := given.resolve(file, env)
	if fault == "" && token != "" && bits(token) < keyBits {
		fault = keyAdvice
	}
	if fault != "" && given.value != "" {
		o.fail(given.key, "%s", fault)
	}
	return token
}

// tls reads the files of a certificate.
func (o *object) tls(key, file string) TLS {
	n := o.values[key]
	if n == nil {
		return TLS{}
	}
	t := o.r.object(n, o.at(key), "cert", "key")
	t.must("cert", "key")
	return TLS{beside(file, t.text("cert")), beside(file, t.text("key"))}
}
