package config

import (
	"errors"
	"strings"
	"testing"

	"github.com/aldaba-otp/aldaba/otp"
	"github.com/aldaba-otp/aldaba/otp/otptest"
)

func TestAllMistakesOfReadingSecretsAndPlanningAreNamedAtOnce(t *testing.T) {
	t.Parallel()
	const text = `tenants:
  - name: acme
    lenght: 3
    routes: [{channel: sms, providers: [nobody]}]
    profiles: [{name: login, length: 99}, {name: other, length: abc}]
    contacts: [{id: 1, sms: "abc"}]
    credentials:
      - {type: api_key, key: short}
      - {type: modica, application: x, password_env: NOT_THERE}
`
	want := []string{
		`f:3: tenants[0]: unknown key "lenght"`,
		`f:4: tenants[0].routes[0].providers[0]: there is no provider "nobody"`,
		`f:5: tenants[0].profiles[0].length: must be 3 to 12`,
		`f:5: tenants[0].profiles[1].length: must be a whole number`,
		`f:6: tenants[0].contacts[0].sms: is no telephone number`,
		`f:8: tenants[0].credentials[0].key: is shorter than 128 bits`,
		`f:9: tenants[0].credentials[1].password_env: the environment variable "NOT_THERE" is not set`,
	}
	env := Environment{Getenv: func(string) (string, bool) { return "", false }}
	empty := Current{Contacts: func(string) ([]otp.NamedContact, error) { return nil, nil }}
	_, err := Check("f", []byte(text), vaultSecrets, env, empty, Tools{Ring: otptest.Ring(t), Passwords: otptest.Passwords{}, Addresses: otptest.Addresses{}})
	var got Mistakes
	if !errors.As(err, &got) || len(got) != len(want) {
		t.Fatalf("got %d mistakes:\n%v", len(got), err)
	}
	for _, line := range want {
		if !strings.Contains(err.Error(), line) {
			t.Errorf("%q is missing in:\n%v", line, err)
		}
	}
	if strings.Contains(err.Error(), standIn) || strings.Contains(err.Error(), "short\"") {
		t.Errorf("a secret is told:\n%v", err)
	}
}

func TestAFileWithoutMistakesIsPlanned(t *testing.T) {
	t.Parallel()
	empty := Current{Contacts: func(string) ([]otp.NamedContact, error) { return nil, nil }}
	plan, err := Check("f", []byte("tenants: [{name: acme, profiles: [{name: login, length: 3, policy: compatible}]}]"), nil, Environment{}, empty,
		Tools{Ring: otptest.Ring(t), Passwords: otptest.Passwords{}, Addresses: otptest.Addresses{}})
	if err != nil || len(plan.Warnings) == 0 {
		t.Errorf("warnings %v, error %v", plan, err)
	}
}

// TestEachCredentialAnswersForItself: one that has a mistake, or that a command
// keeps, must not lay those of others on its neighbours.
func TestEachCredentialAnswersForItself(t *testing.T) {
	t.Parallel()
	const text = `tenants:
  - name: acme
    credentials:
      - {type: api_key, key: short}
      - {type: danaconnect, login: "", password: a-password-of-many-characters}
      - {type: modica, application: good, password: a-password-of-many-characters}
      - {type: modica, application: "", password: a-password-of-many-characters}
      - {type: oauth2, client_id: late, client_secret: a-secret-of-many-characters, scopes: ["a b"]}
`
	want := `f:4: tenants[0].credentials[0].key: ` + keyAdvice + `
f:5: tenants[0].credentials[1].login: must not be empty
f:7: tenants[0].credentials[3].application: must not be empty
f:8: tenants[0].credentials[4].scopes[0]: must be one of send, check, read, admin`
	empty := Current{Contacts: func(string) ([]otp.NamedContact, error) { return nil, nil }}
	_, err := Check("f", []byte(text), nil, Environment{}, empty, Tools{Ring: otptest.Ring(t), Passwords: otptest.Passwords{}, Addresses: otptest.Addresses{}})
	if err == nil || err.Error() != want {
		t.Errorf("got\n%v\nwant\n%s", err, want)
	}
}

func TestAFaultOfWhatCommandsKeepIsToldWhereItCanBeMended(t *testing.T) {
	t.Parallel()
	with := tools(t)
	kept := otp.Credential{Type: otp.APIKey, Name: "web", Hash: with.Ring.HashKey(otp.APIKey, "", "web"), Origin: otp.OriginCommand}
	in := Current{Tenants: []otp.Tenant{
		{Name: "acme", Credentials: []otp.Credential{kept}},
		{Name: "globex", Credentials: []otp.Credential{{Type: otp.UnityVox, Identity: "fax", Hash: "1"}}},
	}}
	for _, one := range []struct{ credentials, want string }{
		{"[{type: api_key, key: web}, {type: api_key, key: another, name: web}]", "tenants.yaml:3: tenants[0].credentials[1].name: another credential of the tenant has this name"},
		{"[{type: api_key, key: web}, {type: unityvox, account: fax, key: mine}]", "tenants.yaml:3: tenants[0].credentials[1]: this identity or key is taken already; identities are unique over all tenants"},
	} {
		_, err := parse(t, "tenants:\n  - name: acme\n    credentials: "+one.credentials).Plan(in, with)
		if err == nil || err.Error() != one.want {
			t.Errorf("%s:\ngot  %v\nwant %s", one.credentials, err, one.want)
		}
	}
}

func TestAFaultOfWhatCommandsKeepAloneIsNoLineOfAnother(t *testing.T) {
	t.Parallel()
	with := tools(t)
	in := Current{Tenants: []otp.Tenant{{Name: "acme", Credentials: []otp.Credential{{Type: otp.APIKey, Hash: "1", Name: "old", Scopes: []string{"nothing"}, Origin: otp.OriginCommand}}}}}
	_, err := parse(t, "tenants:\n  - name: acme\n    credentials: [{type: api_key, key: good}]").Plan(in, with)
	const want = "tenants.yaml:3: tenants[acme].credentials[old].scopes[0]: must be one of send, check, read, admin"
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}
