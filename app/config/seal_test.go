package config

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aldaba-otp/aldaba/otp"
)

// Two secrets of webhooks.
const (
	webhookKey1 = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	webhookKey2 = "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
)

// sealed seals a text as it rests.
func sealed(t *testing.T, with Tools, name, text string) string {
	t.Helper()
	s, err := with.Ring.SealText(with.Now, with.Random, name, text)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestSecretsOfProvidersRestSealed(t *testing.T) {
	t.Parallel()
	f, with := good(t), tools(t)
	seen := map[string]any{}
	with.Providers = func(p otp.Provider) error {
		seen[p.Name] = p.Settings
		return nil
	}
	if err := f.Resolve(environment()); err != nil {
		t.Fatal(err)
	}
	p := plan(t, f, Current{}, with)
	open := map[string]any{"password": "TOPSECRET1", "auth": map[string]any{"type": "bearer", "token": "TOPSECRET2"}, "tls_ca_file": "ca.pem"}
	if !same(seen["carrier"], open) {
		t.Errorf("the type is asked about %v", seen["carrier"])
	}
	kept := p.Providers[2]
	if text := fmt.Sprint(kept, p.Tenants[0].Webhooks); strings.Contains(text, "TOPSECRET") || strings.Contains(text, "whsec_") {
		t.Errorf("secrets rest in clear: %s", text)
	}
	got, err := OpenSettings(with.Ring, kept, vaultSecrets("vault"))
	if err != nil || !same(got, open) {
		t.Errorf("opened: %v, %v", got, err)
	}
	if clear, err := with.Ring.OpenText(otp.WebhookSecret("acme", "https://app.example.com/hooks"), p.Tenants[0].Webhooks[0].Secret); err != nil || clear != webhookKey1 {
		t.Errorf("the webhook's secret is %q, %v", clear, err)
	}
	kept.Name = "other"
	if _, err := OpenSettings(with.Ring, kept, vaultSecrets("vault")); err == nil || !strings.Contains(err.Error(), "auth.token, password") {
		t.Errorf("secrets of another provider are opened: %v", err)
	}
}

// secretive is the configuration in force of the tests below.
func secretive(t *testing.T, with Tools) Current {
	t.Helper()
	f := parse(t, `providers:
  - {name: v, type: vault, url: a, password: TOPSECRET, auth: {token: TOPSECRET, type: x}, headers: {x-key: TOPSECRET}}
tenants:
  - name: acme
    webhooks: [{url: "https://a.example/TOPSECRET", secret: `+webhookKey1+`}, {url: "https://b.example/", secret: `+webhookKey2+`}]
`)
	return after(plan(t, f, Current{}, with), Current{})
}

func TestSealedSecretsAreComparedByWhatTheyHold(t *testing.T) {
	t.Parallel()
	const hooks = `{url: "https://b.example/", secret: ` + webhookKey2 + `}`
	for name, c := range map[string]struct {
		text string
		diff []string
	}{
		"the same": {
			"providers: [{name: v, type: vault, url: a, password: TOPSECRET, auth: {token: TOPSECRET, type: x}, headers: {x-key: TOPSECRET}}]\ntenants: [{name: acme, webhooks: [{url: 'https://a.example/TOPSECRET', secret: " + webhookKey1 + "}, " + hooks + "]}]",
			nil,
		},
		"another secret below": {
			"providers: [{name: v, type: vault, url: a, password: TOPSECRET, auth: {token: TOPSECRET2, type: x}, headers: {x-key: TOPSECRET}}]",
			[]string{"~ provider v: auth.token"},
		},
		"secrets leave and come": {
			"providers: [{name: v, type: vault, url: b, auth: {type: x}, headers: {x-key: TOPSECRET, y-key: TOPSECRET}}]",
			[]string{"~ provider v: auth.token, headers.y-key, password, url"},
		},
		"a type without secrets": {"providers: [{name: v, type: inbox, url: a}]", []string{"~ provider v: auth, headers, password_sealed, type"}},
		"a webhook's secret": {
			"tenants: [{name: acme, webhooks: [{url: 'https://a.example/TOPSECRET', secret: " + webhookKey2 + "}, " + hooks + "]}]",
			[]string{"~ tenant acme: webhooks (a.example: secret)"},
		},
		"a webhook's secret changes over": {
			"tenants: [{name: acme, webhooks: [{url: 'https://a.example/TOPSECRET', secret: " + webhookKey2 + ", previous_secret: " + webhookKey1 + "}, " + hooks + "]}]",
			[]string{"~ tenant acme: webhooks (a.example: secret, previous_secret)"},
		},
		"a webhook's address and events": {
			"tenants: [{name: acme, webhooks: [{url: 'https://a.example/TOPSECRET2', secret: " + webhookKey1 + ", events: [approved]}, " + hooks + "]}]",
			[]string{"~ tenant acme: webhooks (a.example: url, secret, events)"},
		},
		"a webhook goes": {"tenants: [{name: acme, webhooks: [" + hooks + "]}]", []string{"~ tenant acme: webhooks (-a.example)"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			with := tools(t)
			in := secretive(t, with)
			p := plan(t, parse(t, c.text), in, with)
			diffs(t, p, c.diff...)
			if strings.Contains(strings.Join(p.Diff, " "), "TOPSECRET") {
				t.Error("the difference tells a secret")
			}
			diffs(t, plan(t, parse(t, c.text), after(p, in), with))
		})
	}
}

func TestARotatedRingKeepsWhatIsSealed(t *testing.T) {
	t.Parallel()
	with := tools(t)
	in := secretive(t, with)
	before, err := Export(in)
	if err != nil {
		t.Fatal(err)
	}
	with.Now = with.Now.Add(time.Hour)
	if with.Ring, err = with.Ring.Rotate(with.Now, with.Random, true, otp.UseSeal); err != nil {
		t.Fatal(err)
	}
	again := parse(t, "providers: [{name: v, type: vault, url: a, password: TOPSECRET, auth: {token: TOPSECRET, type: x}, headers: {x-key: TOPSECRET}}]")
	diffs(t, plan(t, again, in, with))
	diffs(t, plan(t, parse(t, string(before)), in, with))
}

func TestSealedTextsOpenOnlyWhereTheyWereSealed(t *testing.T) {
	t.Parallel()
	with := tools(t)
	in := secretive(t, with)
	text := in.Providers[0].Settings["password_sealed"].(string)
	hook := in.Tenants[0].Webhooks[0].Secret
	file := parse(t, `providers:
  - {name: w, type: vault, password_sealed: `+text+`}
  - {name: v, type: vault, headers: {password_sealed: `+text+`}}
tenants:
  - name: acme
    webhooks:
      - {url: "https://c.example/", secret_sealed: `+hook+`, previous_secret_sealed: `+hook+`}
      - {url: "https://d.example/", secret: whsec_c2hvcnQ=, previous_secret: whsec_c2hvcnQ=}
`)
	with.WebhookURL = func(string) error { return fmt.Errorf("is not welcome") }
	_, err := file.Plan(in, with)
	want := strings.Join([]string{
		"tenants.yaml:2: providers[0].password_sealed: " + cannotOpen,
		"tenants.yaml:3: providers[1].headers.password_sealed: " + cannotOpen,
		"tenants.yaml:7: tenants[0].webhooks[0].url: is not welcome",
		"tenants.yaml:7: tenants[0].webhooks[0].secret_sealed: " + cannotOpen,
		"tenants.yaml:7: tenants[0].webhooks[0].previous_secret_sealed: " + cannotOpen,
		"tenants.yaml:8: tenants[0].webhooks[1].url: is not welcome",
		"tenants.yaml:8: tenants[0].webhooks[1].secret: must be whsec_ and 24 to 64 random bytes in base64; make one with `aldaba webhook secret`",
		"tenants.yaml:8: tenants[0].webhooks[1].previous_secret: must be whsec_ and 24 to 64 random bytes in base64; make one with `aldaba webhook secret`",
	}, "\n")
	if err == nil || err.Error() != want {
		t.Errorf("%v", err)
	}
}

func TestOnlyNamedSettingsAreReadFromElsewhere(t *testing.T) {
	t.Parallel()
	f := parse(t, `providers:
  - {name: a, type: inbox, tls_ca_file: /etc/ca.pem, auth: {token_env: HOME}}
  - {name: b, type: vault, headers: {X-Key_env: ACME_KEY, X-Other: 0012}, other: {password_file: kept}}
`)
	if err := f.Resolve(environment()); err != nil {
		t.Fatal(err)
	}
	want := []map[string]any{
		{"tls_ca_file": "/etc/ca.pem", "auth": map[string]any{"token_env": "HOME"}},
		{"headers": map[string]any{"X-Key": "demo-key", "X-Other": "0012"}, "other": map[string]any{"password_file": "kept"}},
	}
	for i := range want {
		if !same(f.read.providers[i].Settings, want[i]) {
			t.Errorf("settings %d are %v", i, f.read.providers[i].Settings)
		}
	}
}

func TestWebhookSecretsHaveTheirForm(t *testing.T) {
	t.Parallel()
	for secret, good := range map[string]bool{
		webhookKey1: true, webhookKey2: true, "whsec_" + strings.Repeat("A", 84) + "AA==": false, "whsec_" + strings.Repeat("AAAA", 21) + "AA==": true,
		"whsec_": false, "": false, strings.TrimPrefix(webhookKey1, "whsec_"): false, webhookKey1 + "\n": false, "whsec_" + strings.Repeat("AAAA", 7) + "AAA": false,
	} {
		if fault := webhookSecretFault(secret); (fault == "") != good {
			t.Errorf("%q: %q", secret, fault)
		}
	}
}

func FuzzOpenSettings(f *testing.F) {
	f.Add("password", "password_sealed", "AAAA")
	f.Add("auth.*", "auth", "")
	f.Add("*.*", "x_sealed", "=")
	f.Fuzz(func(t *testing.T, pattern, key, text string) {
		ring := tools(t).Ring
		p := otp.Provider{Name: "p", Settings: map[string]any{key: text, "auth": map[string]any{key: text}}}
		secrets := patternsOf([]string{pattern})
		open, all, closed := openSettings(ring, p, secrets)
		if len(open) != len(p.Settings) && len(closed) == 0 && key != "auth" {
			t.Errorf("settings were lost: %v of %v", open, p.Settings)
		}
		for path, h := range all {
			if h.sealed != "" {
				t.Errorf("%s was opened although nobody sealed it", path)
			}
		}
	})
}
