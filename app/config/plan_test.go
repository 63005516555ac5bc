package config

import (
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aldaba-otp/aldaba/otp"
	"github.com/aldaba-otp/aldaba/otp/otptest"
)

// salted hashes like argon2id does: never twice alike.
type salted struct{ drawn *atomic.Int64 }

func (s salted) Hash(password string) (string, error) {
	return fmt.Sprintf("salted$%d$%s", s.drawn.Add(1), password), nil
}

func (salted) Verify(hash, password string) (bool, error) {
	parts := strings.SplitN(hash, "$", 3)
	if len(parts) != 3 || parts[0] != "salted" {
		return false, errors.New("no hash")
	}
	return parts[2] == password, nil
}

func tools(t *testing.T) Tools {
	t.Helper()
	return Tools{
		Ring: otptest.Ring(t), Passwords: salted{new(atomic.Int64)}, Addresses: otptest.Addresses{}, ShortKeys: true,
		Now: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Random: rand.Reader,
		Dialects: []string{"additiv", "danaconnect", "modica", "native", "unityvox"},
		Providers: func(p otp.Provider) error {
			if p.Type != "inbox" && p.Type != "vault" {
				return otp.Mistakes{{Path: "type", Message: "there is no such type"}}
			}
			return nil
		},
	}
}

// contactsOf makes a listing of a map.
func contactsOf(all map[string][]otp.NamedContact) func(string) ([]otp.NamedContact, error) {
	return func(tenant string) ([]otp.NamedContact, error) { return all[tenant], nil }
}

// after returns the configuration in force once a plan is applied.
func after(p *Plan, before Current) Current {
	all := map[string][]otp.NamedContact{}
	for i := range p.Tenants {
		name := p.Tenants[i].Name
		if before.Contacts != nil {
			all[name], _ = before.Contacts(name)
		}
		for _, c := range p.Contacts {
			if c.Tenant != name {
				continue
			}
			all[name] = slices.DeleteFunc(slices.Clone(all[name]), func(o otp.NamedContact) bool { return o.ID == c.ID })
			if !c.Delete {
				all[name] = append(all[name], otp.NamedContact{ID: c.ID, Configured: true, Addresses: c.Addresses})
			}
		}
	}
	return Current{p.Providers, p.Tenants, contactsOf(all)}
}

func plan(t *testing.T, f *File, c Current, with Tools) *Plan {
	t.Helper()
	p, err := f.Plan(c, with)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func diffs(t *testing.T, p *Plan, want ...string) {
	t.Helper()
	if !slices.Equal(p.Diff, want) {
		t.Errorf("the difference is\n%s", strings.Join(p.Diff, "\n"))
	}
}

func TestTheExampleIsAppliedOnceAndForAll(t *testing.T) {
	t.Parallel()
	f, with := good(t), tools(t)
	if err := f.Resolve(environment()); err != nil {
		t.Fatal(err)
	}
	p := plan(t, f, Current{}, with)
	diffs(t, p, "+ provider sandbox", "+ provider spare", "+ provider carrier", "+ tenant acme", "+ contact acme/4711")
	golden(t, "good/warnings.txt", strings.Join(p.Warnings, "\n")+"\n")
	tenant := p.Tenants[0]
	login, old, brief := tenant.Profiles[1], tenant.Profiles[2], tenant.Profiles[3]
	if !slices.Equal(login.Fields, []otp.Field{{Code: "COD1_EMAIL", Channel: otp.Email}, {Code: "COD1_PHONE", Channel: otp.SMS}}) {
		t.Errorf("fields %v", login.Fields)
	}
	if !old.Inactive || login.Inactive || old.Aliases["danaconnect"][1] != "0012" || brief.Lifetime != 5*time.Minute || tenant.Profiles[4].Lifetime != 3200*time.Second {
		t.Errorf("profiles %+v", tenant.Profiles)
	}
	keys := tenant.Credentials
	if keys[0].Hash != with.Ring.HashKey(otp.APIKey, "", "demo-key") || keys[4].Hash != with.Ring.HashKey(otp.UnityVox, "100200", "0042") || !keys[4].NoCredit || keys[3].NoCredit {
		t.Errorf("credentials %+v", keys)
	}
	again := plan(t, f, after(p, Current{}), with)
	diffs(t, again)
	if len(again.Contacts) != 0 || !same(again.Tenants, p.Tenants) {
		t.Error("applying twice changes something")
	}
}

// base is the configuration in force of the tests below.
func base(t *testing.T, with Tools) Current {
	t.Helper()
	f := parse(t, `providers: [{name: sandbox, type: inbox}, {name: spare, type: inbox, rate: 5, word: TOPSECRET}]
tenants:
  - name: acme
    home: VE
    brand: Acme
    countries: [VE, MX]
    max_lifetime: 10m
    routes: [{channel: sms, providers: [sandbox]}]
    profiles: [{name: default}, {name: login, length: 6}]
    templates: [{profile: login, channel: sms, text: "TOPSECRET {{code}}"}]
    credentials: [{type: api_key, key: TOPSECRET}, {type: modica, application: demo, password: TOPSECRET}]
    contacts: [{id: 1, sms: "+41791234567"}, {id: 2, email: ana@example.com}]
  - name: globex
    credentials: [{type: modica, application: globex, password: TOPSECRET}]
`)
	c := after(plan(t, f, Current{}, with), Current{})
	listed, _ := c.Contacts("acme")
	c.Contacts = contactsOf(map[string][]otp.NamedContact{"acme": append(listed, otp.NamedContact{ID: "app", Addresses: otp.ContactAddresses{Email: "luis@example.com"}})})
	return c
}

func TestOnlyKeysThatAreGivenChange(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		text     string
		diff     []string
		contacts []ContactChange
	}{
		"nothing":          {"tenants: [{name: acme}]", nil, nil},
		"no lists":         {"providers: []\ntenants: []", nil, nil},
		"a new tenant":     {"tenants: [{name: initech}]", []string{"+ tenant initech"}, nil},
		"a text cleared":   {`tenants: [{name: acme, brand: "", home: MX}]`, []string{"~ tenant acme: brand, home (VE -> MX)"}, nil},
		"a list cleared":   {"tenants: [{name: acme, templates: [], routes: []}]", []string{"~ tenant acme: routes, templates (-login/sms/*)"}, nil},
		"lifetime cleared": {"tenants: [{name: acme, max_lifetime: 0}]", []string{"~ tenant acme: max_lifetime (10m0s -> none)"}, nil},
		"profiles": {
			"tenants: [{name: acme, profiles: [{name: login, length: 8, active: false}, {name: more}]}]",
			[]string{"~ tenant acme: profiles (login: active true -> false, length 6 -> 8, +more, -default)"},
			nil,
		},
		"order":                {"tenants: [{name: acme, profiles: [{name: login, length: 6}, {name: default}]}]", []string{"~ tenant acme: profiles (order)"}, nil},
		"credentials replaced": {"tenants: [{name: acme, credentials: [{type: modica, application: demo, password: TOPSECRET2}, {type: oauth2, client_id: x, client_secret: TOPSECRET}]}]", []string{"~ tenant acme: credentials (modica demo: secret, +oauth2 x, -api_key)"}, nil},
		"credentials repeated": {"tenants: [{name: acme, credentials: [{type: api_key, key: TOPSECRET}, {type: modica, application: demo, password: TOPSECRET}]}]", nil, nil},
		"a credential bounded": {"tenants: [{name: acme, credentials: [{type: api_key, key: TOPSECRET, scopes: [send], expires: 2027-01-02T03:04:05Z, from: [10.0.0.0/8, 2001:db8::/32, 192.0.2.1]}, {type: modica, application: demo, password: TOPSECRET, origin: file}]}]", []string{"~ tenant acme: credentials (api_key: scopes, expires, from)"}, nil},
		"a second password":    {"tenants: [{name: acme, credentials: [{type: api_key, key: TOPSECRET}, {type: modica, application: demo, password: TOPSECRET}, {type: modica, application: demo, password: TOPSECRET2, name: next}]}]", []string{"~ tenant acme: credentials (+modica demo next)"}, nil},
		"a credential moves":   {"tenants: [{name: globex, credentials: []}, {name: acme, credentials: [{type: api_key, key: TOPSECRET}, {type: modica, application: demo, password: TOPSECRET}, {type: modica, application: globex, password: TOPSECRET}]}]", []string{"~ tenant globex: credentials (-modica globex)", "~ tenant acme: credentials (+modica globex)"}, nil},
		"a provider":           {"providers: [{name: spare, type: inbox, rate: 6, word: TOPSECRET}, {name: third, type: inbox}]", []string{"~ provider spare: rate", "+ provider third"}, nil},
		"a provider repeated":  {"providers: [{name: spare, word: TOPSECRET, type: inbox, rate: 5}]", nil, nil},
		"contacts": {
			"tenants: [{name: acme, contacts: [{id: 1, sms: '+41 79 123 45 67'}, {id: app, sms: 0412-1234567}, {id: 3}]}]",
			[]string{"~ contact acme/app", "+ contact acme/3", "- contact acme/2"},
			[]ContactChange{
				{Tenant: "acme", ID: "app", Addresses: otp.ContactAddresses{SMS: "+584121234567"}},
				{Tenant: "acme", ID: "3"},
				{Tenant: "acme", ID: "2", Delete: true},
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			with := tools(t)
			in := base(t, with)
			p := plan(t, parse(t, c.text), in, with)
			diffs(t, p, c.diff...)
			if !slices.Equal(p.Contacts, c.contacts) {
				t.Errorf("contacts %+v", p.Contacts)
			}
			if strings.Contains(strings.Join(p.Diff, " "), "TOPSECRET") {
				t.Error("the difference tells a secret")
			}
			diffs(t, plan(t, parse(t, c.text), after(p, in), with))
		})
	}
}

func TestMistakesOfMergingAreFoundInTheFile(t *testing.T) {
	t.Parallel()
	const secret = "TOPSECRET"
	for name, c := range map[string]struct{ text, want string }{
		"provider":    {"providers:\n  - name: x\n    type: smtp\n", "tenants.yaml:3: providers[0].type: there is no such type"},
		"no provider": {"tenants:\n  - name: globex\n    routes:\n      - channel: sms\n        providers: [spare, nobody]\n", `tenants.yaml:5: tenants[0].routes[0].providers[1]: there is no provider "nobody"`},
		"another's identity": {
			"tenants:\n  - name: acme\n    credentials:\n      - {type: modica, application: globex, password: TOPSECRET}\n",
			"tenants.yaml:4: tenants[0].credentials[0]: this identity or key is taken already; identities are unique over all tenants",
		},
		"left alone": {"tenants:\n  - name: globex\n  - name: acme\n    profiles: []\n", `tenants.yaml:3: tenants[acme].templates[0].profile: there is no profile "login"`},
		"dialect": {
			"tenants:\n  - name: acme\n    profiles:\n      - name: login\n        aliases:\n          unityvocs: [x]\n",
			`tenants.yaml:6: tenants[0].profiles[0].aliases.unityvocs: unknown dialect "unityvocs"; did you mean "unityvox"?`,
		},
		"hashes": {
			"tenants:\n  - name: acme\n    credentials:\n      - {type: api_key, key_hash: TOPSECRET}\n      - {type: modica, application: m, password_hash: TOPSECRET}\n      - {type: api_key, key: short}\n",
			"tenants.yaml:4: tenants[0].credentials[0].key_hash: is not what an export prints here\ntenants.yaml:5: tenants[0].credentials[1].password_hash: is not what an export prints here\n" +
				"tenants.yaml:6: tenants[0].credentials[2].key: " + keyAdvice,
		},
		"addresses":  {"tenants:\n  - name: acme\n    contacts:\n      - {id: 1, sms: ana@example.com, pending_email: TOPSECRET}\n", "tenants.yaml:4: tenants[0].contacts[0].sms: is no telephone number\ntenants.yaml:4: tenants[0].contacts[0].pending_email: is no e-mail address"},
		"unresolved": {"providers: [{name: x, type: vault, auth: {token_file: /etc/passwd}}]\ntenants: [{name: acme, credentials: [{type: api_key, key_env: HOME}]}]", "tenants.yaml:1: providers[0].auth.token_file: must be resolved where the file is; the server reads no files and variables for it\ntenants.yaml:2: tenants[0].credentials[0].key_env: must be resolved where the file is; the server reads no files and variables for it"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			with := tools(t)
			with.ShortKeys = true
			in := base(t, with)
			with.ShortKeys = false
			_, err := parse(t, c.text).Plan(in, with)
			if err == nil || err.Error() != c.want || strings.Contains(err.Error(), secret) {
				t.Errorf("%v", err)
			}
		})
	}
}

func TestTroubleOfOthersIsNoMistake(t *testing.T) {
	t.Parallel()
	with := tools(t)
	in := base(t, with)
	in.Contacts = func(string) ([]otp.NamedContact, error) { return nil, errors.New("store is down") }
	_, err := parse(t, "tenants: [{name: acme, contacts: []}]").Plan(in, with)
	var mistakes Mistakes
	if err == nil || errors.As(err, &mistakes) {
		t.Errorf("%v", err)
	}
	if _, err := Export(in); err == nil {
		t.Error("exported without contacts")
	}
}

func TestPlanningChangesNothing(t *testing.T) {
	t.Parallel()
	with := tools(t)
	in := base(t, with)
	before := fmt.Sprintf("%+v %+v", in.Providers, in.Tenants)
	plan(t, parse(t, "providers: [{name: spare, type: inbox}]\ntenants: [{name: acme, home: MX, profiles: [], templates: []}]"), in, with)
	if fmt.Sprintf("%+v %+v", in.Providers, in.Tenants) != before {
		t.Error("the configuration in force was changed")
	}
}

func TestAnExportIsTakenBackWithoutADifference(t *testing.T) {
	t.Parallel()
	with := tools(t)
	with.Passwords = otptest.Passwords{}
	all := map[string][]otp.NamedContact{}
	for tenant, contacts := range otptest.DemoContacts() {
		for id, a := range contacts {
			all[tenant] = append(all[tenant], otp.NamedContact{ID: id, Configured: true, Addresses: a})
		}
	}
	in := Current{[]otp.Provider{{Name: "sandbox", Type: "inbox", Settings: map[string]any{"a": 5.0, "b": "0012", "c": []any{"x", true, 1.5}, "d": map[string]any{"k": "v: #"}}}, {Name: "vault", Type: "vault", Settings: map[string]any{
		"password_sealed": sealed(t, with, "provider vault password", "TOPSECRET"), "tls_ca_file": "/etc/ca.pem",
		"auth": map[string]any{"type": "bearer", "token_sealed": sealed(t, with, "provider vault auth.token", "TOPSECRET")},
	}}}, otptest.Demo(with.Ring), contactsOf(all)}
	acme := &in.Tenants[0]
	acme.Brand, acme.MaxLifetime, acme.Locale = "true", time.Hour, "no"
	acme.Routes = []otp.Route{
		{Channel: otp.SMS, Prefix: "+52", Providers: carriers("sandbox", "vault"), Sender: "+525512345678", Hedge: 20 * time.Second},
		{Channel: otp.SMS, Countries: []string{"NO", "GT"}, Providers: []otp.Carrier{
			{Provider: "sandbox", Weight: 3, Priority: 1, Sender: "0012"}, {Provider: "vault", Priority: 1},
		}},
		{Channel: otp.Voice, Providers: carriers("vault")},
	}
	acme.Senders, acme.SenderPolicy = []otp.Sender{{Sender: "ACME", Countries: []string{"VE", "NO"}}, {Sender: "true"}}, otp.RefuseSender
	acme.Webhooks = []otp.Webhook{
		{URL: "https://app.example.com/a?b=c#d", Secret: sealed(t, with, otp.WebhookSecret("acme", "https://app.example.com/a?b=c#d"), webhookKey1), Events: []otp.EventKind{otp.EventApproved, otp.EventFailed}},
		{URL: "https://app.example.com/b", Secret: sealed(t, with, otp.WebhookSecret("acme", "https://app.example.com/b"), webhookKey2), Previous: sealed(t, with, otp.WebhookSecret("acme", "https://app.example.com/b"), webhookKey1)},
	}
	acme.Templates = []otp.Template{{Profile: "login", Channel: otp.Email, Locale: "es", Subject: " - é: 'x' ", Text: "  line one \n\n\ttwo: {{code}} # \u00a0\U0001F511\n"}, {Channel: otp.SMS, Text: "{{code}}", Domain: "login.example.com", Params: map[string]string{"dlt_entity_id": "0012", "empty": "", "yes": "no: #"}}, {Profile: "login", Channel: otp.SMS, Text: "{{code}}", AppHash: "FA+9qCX9VSu"}}
	acme.Profiles = append(acme.Profiles, otp.Profile{Name: "0012", Policy: otp.Strict, Alphabet: "01#\"", Length: 12, Lifetime: 90 * time.Second, MaxAttempts: 3, Resend: "new", Purpose: otp.Recover, Sender: "0012", Plan: []otp.Leg{{Channel: otp.SMS, Wait: 90 * time.Second}, {Channel: otp.Voice}}})
	acme.Credentials[0].Scopes = []string{"send", "check"}
	all["acme"] = append(all["acme"], otp.NamedContact{ID: "app", Addresses: otp.ContactAddresses{Email: "app@example.com"}})

	text, err := Export(in)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(text), "app@example.com") {
		t.Error("a contact that an application put is exported")
	}
	with.ShortKeys = false
	f, err := ParseTenants("export.yaml", text, vaultSecrets)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	diffs(t, plan(t, f, in, with))
	fresh := plan(t, f, Current{}, with)
	if !same(fresh.Tenants, in.Tenants) || !same(fresh.Providers, in.Providers) || len(fresh.Contacts) != 3 {
		t.Errorf("a fresh server gets something else:\n%s", text)
	}
	if none, err := Export(Current{}); err != nil {
		t.Error(err)
	} else if _, err := ParseTenants("none", none, nil); err != nil {
		t.Errorf("%v\n%s", err, none)
	}
}

func TestWeakSettingsAreNamed(t *testing.T) {
	t.Parallel()
	tenant := otp.Tenant{Name: "acme", Routes: []otp.Route{
		{Channel: otp.SMS, Providers: []otp.Carrier{{Provider: "a", Weight: 3}, {Provider: "b", Weight: 1}}},
		{Channel: otp.Voice, Providers: []otp.Carrier{{Provider: "a", Weight: 3}, {Provider: "b", Priority: 1}, {Provider: "c", Weight: 2}}},
	}, Profiles: []otp.Profile{
		{Name: "open"},
		{Name: "fine", Length: 6, Lifetime: 10 * time.Minute},
		{Name: "letters", Alphabet: otp.Alnum, Length: 4},
		{Name: "short", Length: 3},
		{Name: "bits", Alphabet: "01"},
		{Name: "long", Lifetime: 11 * time.Minute},
		{Name: "brief", Lifetime: 29 * time.Second},
		{Name: "strict", Policy: otp.Strict, Length: 4},
	}}
	const advice = " does nothing; give those that are to share messages the same priority"
	want := []string{
		"tenant acme, route 1 (sms): the weight of provider a" + advice,
		"tenant acme, route 1 (sms): the weight of provider b" + advice,
		"tenant acme, route 2 (voice): the weight of provider c" + advice,
		"tenant acme, profile short: a code is one of only 1000; a million are needed to withstand guessing",
		"tenant acme, profile bits: a code is one of only 64; a million are needed to withstand guessing",
		"tenant acme, profile long: a lifetime of 11m0s is longer than 10m0s",
		"tenant acme, profile brief: a lifetime of 29s is shorter than 30s",
	}
	if got := Warnings(&tenant, false); !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}

// carriers are providers of a route, in order.
func carriers(names ...string) (all []otp.Carrier) {
	for _, n := range names {
		all = append(all, otp.Carrier{Provider: n})
	}
	return all
}

func TestOpenLimitsAreWarnedOf(t *testing.T) {
	t.Parallel()
	priced := []otp.Route{{Channel: otp.SMS, Providers: []otp.Carrier{{Provider: "a", Price: 1}}}}
	for name, c := range map[string]struct {
		tenant otp.Tenant
		dev    bool
		want   string // part of the only warning, or ""
	}{
		"no cap":        {otp.Tenant{Routes: priced}, false, "a spend cap is not set"},
		"a cap":         {otp.Tenant{Routes: priced, Limits: otp.Limits{DayMoney: 1}}, false, ""},
		"no prices":     {otp.Tenant{Routes: []otp.Route{{Providers: []otp.Carrier{{Provider: "a"}}}}}, false, ""},
		"unwatched":     {otp.Tenant{Countries: []string{"*"}, FraudWatch: otp.FraudWatch{Mode: otp.WatchOff}}, false, "fraud_watch is off"},
		"at home":       {otp.Tenant{Countries: []string{"VE"}, FraudWatch: otp.FraudWatch{Mode: otp.WatchOff}}, false, ""},
		"looked on":     {otp.Tenant{Countries: []string{"*"}, FraudWatch: otp.FraudWatch{Mode: otp.WatchShadow}}, false, ""},
		"unbounded":     {otp.Tenant{Limits: otp.Limits{Rate: otp.Rate{Off: true}}}, false, "limits.rate is off"},
		"a developer's": {otp.Tenant{Limits: otp.Limits{Rate: otp.Rate{Off: true}}}, true, ""},
		"no route":      {otp.Tenant{Name: "acme", Routes: []otp.Route{}}, false, "tenant acme has no routes: nothing can be sent"},
		"its inbox":     {otp.Tenant{Routes: []otp.Route{}}, true, ""},
	} {
		if c.tenant.Routes == nil {
			c.tenant.Routes = []otp.Route{{Channel: otp.SMS, Providers: carriers("a")}}
		}
		got := Warnings(&c.tenant, c.dev)
		if len(got) != map[bool]int{true: 0, false: 1}[c.want == ""] || c.want != "" && !strings.Contains(got[0], c.want) {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}
