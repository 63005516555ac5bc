package otptest

import "github.com/aldaba-otp/aldaba/otp"

// Demo returns the tenants of `aldaba dev` as values.
func Demo(ring *otp.Ring) []otp.Tenant {
	return []otp.Tenant{
		{
			Name: "acme", Home: "VE", Countries: []string{"*"}, Policy: otp.Compatible, Limits: noRates(), FraudWatch: otp.FraudWatch{Mode: otp.WatchShadow}, Guessing: otp.Guessing{NoDelay: true},
			Profiles: []otp.Profile{
				{Name: "default"},
				{
					Name:    "login",
					Aliases: map[string][]string{"danaconnect": {"824541"}, "unityvox": {"tpl1"}, "modica": {"demo"}, "additiv": {"login-sms"}},
					Fields:  []otp.Field{{Code: "COD1_EMAIL", Channel: otp.Email}, {Code: "COD1_PHONE", Channel: otp.SMS}},
				},
				{Name: "old", Aliases: map[string][]string{"danaconnect": {"824542"}}, Inactive: true},
			},
			Credentials: []otp.Credential{
				key(ring, otp.APIKey, "", "demo-key"), password(otp.DanaConnect, "demo@acme", "demo-password"),
				password(otp.OAuth2, "demo", "demo-secret"), password(otp.Modica, "demo", "demo-password"),
				key(ring, otp.UnityVox, "100200", "4D41E00J6KMXABS"),
			},
		},
		{
			Name: "globex", Home: "MX", Countries: []string{"*"}, Policy: otp.Compatible, Limits: noRates(), FraudWatch: otp.FraudWatch{Mode: otp.WatchShadow}, Guessing: otp.Guessing{NoDelay: true},
			Profiles: []otp.Profile{
				{Name: "default"},
				{
					Name:    "login",
					Aliases: map[string][]string{"danaconnect": {"900001"}, "unityvox": {"tpl1"}, "modica": {"globex"}},
					Fields:  []otp.Field{{Code: "COD1_EMAIL", Channel: otp.Email}, {Code: "COD1_PHONE", Channel: otp.SMS}},
				},
			},
			Credentials: []otp.Credential{
				key(ring, otp.APIKey, "", "globex-key"), password(otp.DanaConnect, "demo@globex", "globex-password"),
				password(otp.OAuth2, "globex", "globex-secret"), password(otp.Modica, "globex", "globex-password"),
				key(ring, otp.UnityVox, "100300", "7Q2W00ZK9LMNPAB"),
			},
		},
		{
			Name: "broke", Home: "US", Countries: []string{"*"}, Policy: otp.Compatible, Limits: noRates(), FraudWatch: otp.FraudWatch{Mode: otp.WatchShadow}, Guessing: otp.Guessing{NoDelay: true},
			Profiles:    []otp.Profile{{Name: "default"}, {Name: "login", Aliases: map[string][]string{"unityvox": {"tpl1"}}}},
			Credentials: []otp.Credential{broke(ring)},
		},
	}
}

// noRates caps no rate, so that tests may use numbers in a row.
func noRates() otp.Limits {
	off := otp.Rate{Off: true}
	return otp.Limits{Rate: off, Client: off, Checks: off}
}

// DemoContacts returns the demo's contacts by tenant and id.
func DemoContacts() map[string]map[string]otp.ContactAddresses {
	return map[string]map[string]otp.ContactAddresses{
		"acme": {
			"4711": {SMS: "+41791234567", Email: "ana@example.com", PendingSMS: "+41797654321", PendingEmail: "ana.new@example.com"},
			"4712": {Email: "luis@example.com"},
		},
		"globex": {"4711": {SMS: "+525512345678"}},
	}
}

func key(ring *otp.Ring, kind otp.CredentialType, identity, secret string) otp.Credential {
	return otp.Credential{Type: kind, Identity: identity, Hash: ring.HashKey(kind, identity, secret)}
}

func password(kind otp.CredentialType, identity, secret string) otp.Credential {
	hash, _ := Passwords{}.Hash(secret) // never fails
	return otp.Credential{Type: kind, Identity: identity, Hash: hash}
}

func broke(ring *otp.Ring) otp.Credential {
	c := key(ring, otp.UnityVox, "100201", "5E41E00J6KMXAB0")
	c.NoCredit = true
	return c
}
