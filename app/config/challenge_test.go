package config

import (
	"errors"
	"strings"
	"testing"

	"github.com/aldaba-otp/aldaba/otp"
)

// challenging is a tenants file with one challenge.
func challenging(keys string) string {
	return "tenants: [{name: acme, challenge: {" + keys + "}}]"
}

const goodChallenge = `type: turnstile, site_key: 0x4site, secret: TOPSECRET1`

func TestAChallengesSecretRestsSealedAndComesBack(t *testing.T) {
	t.Parallel()
	with := tools(t)
	p := plan(t, parse(t, challenging(goodChallenge)), Current{}, with)
	in := after(p, Current{})
	kept := in.Tenants[0].Challenge
	if kept == nil || kept.Type != otp.Turnstile || kept.SiteKey != "0x4site" || strings.Contains(kept.Secret, "TOPSECRET") {
		t.Fatalf("kept %+v", kept)
	}
	if clear, err := with.Ring.OpenText(otp.ChallengeSecret("acme", kept), kept.Secret); err != nil || clear != "TOPSECRET1" {
		t.Errorf("opened %q, %v", clear, err)
	}
	text, err := Export(in)
	if err != nil || strings.Contains(string(text), "TOPSECRET") || !strings.Contains(string(text), "secret_sealed:") {
		t.Errorf("exported %s, %v", text, err)
	}
	diffs(t, plan(t, parse(t, string(text)), in, with))
	diffs(t, plan(t, parse(t, challenging(goodChallenge)), in, with))
	diffs(t, plan(t, parse(t, "tenants: [{name: acme, brand: A}]"), in, with), "~ tenant acme: brand")
	if p := plan(t, parse(t, "tenants: [{name: acme, brand: A}]"), in, with); p.Tenants[0].Challenge == nil {
		t.Error("a file that does not name it takes it away")
	}
	for keys, want := range map[string]string{
		`type: turnstile, site_key: 0x5site, secret: TOPSECRET2`:                      "~ tenant acme: challenge (site_key, secret)",
		`type: hcaptcha, site_key: 0x4site, secret: TOPSECRET1`:                       "~ tenant acme: challenge (type, secret)",
		`type: turnstile, site_key: 0x4site, secret: TOPSECRET1, url: "https://b.x/"`: "~ tenant acme: challenge (url, secret)",
		``: "~ tenant acme: challenge (-turnstile)",
	} {
		diffs(t, plan(t, parse(t, challenging(keys)), in, with), want)
	}
	diffs(t, plan(t, parse(t, challenging(goodChallenge)), Current{Tenants: []otp.Tenant{{Name: "acme"}}}, with), "~ tenant acme: challenge (+turnstile)")
}

func TestChallengesAreSealedAnew(t *testing.T) {
	t.Parallel()
	with := tools(t)
	in := after(plan(t, parse(t, challenging(goodChallenge)), Current{}, with), Current{})
	old := otp.TextSealedBy(in.Tenants[0].Challenge.Secret)
	if names := SealedUnder(old, in, nil); len(names) != 1 || names[0] != "the challenge of tenant acme" {
		t.Errorf("%v", names)
	}
	ring, err := with.Ring.Rotate(with.Now, with.Random, true, otp.UseSeal)
	if err != nil {
		t.Fatal(err)
	}
	next, changed, err := Reseal(ring, with.Now, with.Random, in, nil)
	if err != nil || changed != 1 || len(SealedUnder(old, next, nil)) != 0 {
		t.Errorf("%d, %v", changed, err)
	}
	c := next.Tenants[0].Challenge
	if clear, err := ring.OpenText(otp.ChallengeSecret("acme", c), c.Secret); err != nil || clear != "TOPSECRET1" {
		t.Errorf("opened %q, %v", clear, err)
	}
	if otp.TextSealedBy(in.Tenants[0].Challenge.Secret) != old {
		t.Error("the configuration in force was changed in place")
	}
}

func TestMistakesInChallenges(t *testing.T) {
	t.Parallel()
	with := tools(t)
	with.WebhookURL = func(url string) error {
		if strings.HasPrefix(url, "http:") {
			return errors.New("must be an https URL")
		}
		return nil
	}
	for keys, want := range map[string]string{
		`type: turnstile`:                                                                   "tenants[0].challenge.secret: is missing",
		`type: riddle, secret: TOPSECRET1`:                                                  "tenants[0].challenge.type: must be turnstile, hcaptcha or webhook",
		`secret: TOPSECRET1`:                                                                "tenants[0].challenge.type: must be turnstile, hcaptcha or webhook",
		`type: turnstile, secret: ""`:                                                       "tenants[0].challenge.secret: must not be empty",
		`type: turnstile, secret: "short"`:                                                  "tenants[0].challenge.secret: must be the secret that the vendor shows",
		`type: turnstile, secret: TOPSECRET1, secret_env: X`:                                "give only one of",
		`type: turnstile, secret_file: x`:                                                   "must be resolved where the file is",
		`type: turnstile, sitekey: x, secret: TOPSECRET1`:                                   "unknown key",
		`type: turnstile, secret_sealed: AAAA`:                                              "cannot be opened with this server's key ring",
		`type: webhook, secret: ` + webhookKey1:                                             "tenants[0].challenge.url: is missing",
		`type: webhook, url: "https://a.x/", secret: TOPSECRET1`:                            "must be whsec_",
		`type: webhook, url: "http://a.x/", secret: ` + webhookKey1:                         "tenants[0].challenge.url: must be an https URL",
		`type: turnstile, url: "http://a.x/", secret: TOPSECRET1`:                           "tenants[0].challenge.url: must be an https URL",
		`type: turnstile, site_key: "` + strings.Repeat("x", 257) + `", secret: TOPSECRET1`: "tenants[0].challenge.site_key: must be one line",
	} {
		f, err := ParseTenants("t.yaml", []byte(challenging(keys)), vaultSecrets)
		if err == nil {
			_, err = f.Plan(Current{}, with)
		}
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "TOPSECRET") {
			t.Errorf("%s: %v; want %s", keys, err, want)
		}
	}
}

func TestSecretsForTestsAreToldOf(t *testing.T) {
	t.Parallel()
	with := tools(t)
	for keys, told := range map[string]bool{
		`type: turnstile, secret: 1x0000000000000000000000000000000AA`:         true,
		`type: turnstile, secret: 3x0000000000000000000000000000000AA`:         true,
		`type: hcaptcha, secret: "0x0000000000000000000000000000000000000000"`: true,
		`type: turnstile, secret: 1x0000000000000000000000000000000AB`:         false,
		goodChallenge: false,
	} {
		p := plan(t, parse(t, challenging(keys)), Current{}, with)
		if got := strings.Contains(strings.Join(p.Warnings, "\n"), "for tests"); got != told {
			t.Errorf("%s: %v", keys, p.Warnings)
		}
	}
}
