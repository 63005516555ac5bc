package config

import (
	"testing"

	"github.com/aldaba-otp/aldaba/otp"
)

func TestACountryThatThereIsNotIsAMistakeOfTheFile(t *testing.T) {
	t.Parallel()
	with := tools(t)
	with.Country = func(code string) bool { return code == "VE" || code == "GB" }
	_, err := parse(t, `providers: [{name: box, type: inbox}]
tenants:
  - name: acme
    home: UK
    countries: [GB, EL, ZZ]
    routes:
      - {channel: sms, countries: [VE], providers: [box]}
      - {channel: sms, countries: [VE, QQ], providers: [box]}
    senders: [{sender: "123", countries: [XX]}]
    lists: [{match: VE, verdict: allow}, {match: UK, verdict: block}]
  - {name: globex, home: VE, countries: ["*"]}
`).Plan(Current{}, with)
	const want = `tenants.yaml:4: tenants[0].home: there is no country "UK" in ISO 3166; did you mean "GB"?
tenants.yaml:5: tenants[0].countries[1]: there is no country "EL" in ISO 3166; did you mean "GR"?
tenants.yaml:5: tenants[0].countries[2]: there is no country "ZZ" in ISO 3166
tenants.yaml:8: tenants[0].routes[1].countries[1]: there is no country "QQ" in ISO 3166
tenants.yaml:9: tenants[0].senders[0].countries[0]: there is no country "XX" in ISO 3166
tenants.yaml:10: tenants[0].lists[1].match: there is no country "UK" in ISO 3166; did you mean "GB"?`
	if err == nil || err.Error() != want {
		t.Errorf("got\n%v\nwant\n%s", err, want)
	}
}

// TestAStoredCountryStaysInForce: an older version let it in, and neither a start
// nor another change is to fail because of it.
func TestAStoredCountryStaysInForce(t *testing.T) {
	t.Parallel()
	with := tools(t)
	with.Country = func(code string) bool { return code == "VE" }
	stored := otp.Tenant{Name: "acme", Home: "UK", Countries: []string{"UK", "ZZ"}}
	if _, err := otp.NewDirectory([]otp.Tenant{stored}, nil); err != nil {
		t.Errorf("a server with it does not start: %v", err)
	}
	got := plan(t, parse(t, `tenants: [{name: acme, brand: ACME}]`), Current{Tenants: []otp.Tenant{stored}}, with)
	if got.Tenants[0].Home != "UK" || got.Tenants[0].Brand != "ACME" {
		t.Errorf("got %+v", got.Tenants[0])
	}
}
