package config

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aldaba-otp/aldaba/otp"
)

// planOf plans a file of one tenant over what is in force.
func planOf(t *testing.T, text string, c Current) (*Plan, error) {
	t.Helper()
	f, err := ParseTenants("tenants.yaml", []byte(text), nil)
	if err != nil {
		t.Fatal(err)
	}
	return f.Plan(c, tools(t))
}

func TestEndsAndFormsAreJudgedWhenGiven(t *testing.T) {
	t.Parallel()
	const item = "tenants:\n  - name: acme\n    test_addresses:\n      - "
	for text, want := range map[string]string{
		"{address: '+15005550006', code: 123456, until: 2027-01-03}":     "",
		"{address: '+15005550006', code: 123456, until: 2027-01-04}":     "[0].until: must be at most 366 days ahead",
		"{address: '+15005550006', code: 123456, until: 1999-01-01}":     "",
		"{address: '+44012345678901', code: 123456, until: 2026-02-03}":  "",
		"{address: '+99915005550006', code: 123456, until: 2026-02-03}":  "",
		"{address: 'qa@xn--a.b', code: 123456, until: 2026-02-03}":       "[0].address: must be an address as it is sent to",
		"{address: 'q a@test.example', code: 123456, until: 2026-02-03}": "[0].address: must be an address as it is sent to",
		"{pattern: '*@xn--a.b', code: 123456, until: 2026-02-03}":        "[0].pattern: must have a domain as it is sent to",
	} {
		switch _, err := planOf(t, item+text+"\n", Current{}); {
		case want == "" && err != nil:
			t.Errorf("%s: %v", text, err)
		case want != "" && (err == nil || !strings.Contains(err.Error(), "tenants.yaml:4: tenants[0].test_addresses"+want)):
			t.Errorf("%s: got %v, want %s", text, err, want)
		}
	}
}

func TestTestAddressesAreKeptAsTheyAreCompared(t *testing.T) {
	t.Parallel()
	f := good(t)
	if err := f.Resolve(environment()); err != nil {
		t.Fatal(err)
	}
	p := plan(t, f, Current{}, tools(t))
	want := []otp.TestAddress{
		{Address: "+15005550006", Code: "123456", Until: "2026-12-31"},
		{Pattern: "+1500556*", Code: "000000", Until: "2027-01-03"},
		{Pattern: "*@test.example", Code: "abc", Until: "2025-01-01"},
	}
	if got := p.Tenants[0].TestAddresses; !slices.Equal(got, want) {
		t.Errorf("%+v", got)
	}
}

func TestTestAddressesInTheDifferenceAreMasked(t *testing.T) {
	t.Parallel()
	const text = "tenants:\n  - name: acme\n    test_addresses:\n      - {address: '+15005550006', code: 123456, until: 2026-12-31}\n" +
		"    profiles:\n      - {name: p, repeat_window: 0}\n"
	c := Current{Tenants: []otp.Tenant{{
		Name: "acme", TestAddresses: []otp.TestAddress{{Pattern: "+1500556*", Code: "1", Until: "2025-01-01"}},
		Profiles: []otp.Profile{{Name: "p"}},
	}}}
	p, err := planOf(t, text, c)
	if err != nil {
		t.Fatal(err)
	}
	diffs(t, p, "~ tenant acme: profiles (p: repeat_window none -> off), test_addresses (++150*****006, -+1500556*)")
	if p.Tenants[0].Profiles[0].RepeatWindow >= 0 {
		t.Error("0 is not never")
	}
}

// TestAListThatIsOverStaysInForce applies something else years later.
func TestAListThatIsOverStaysInForce(t *testing.T) {
	t.Parallel()
	c := Current{Tenants: []otp.Tenant{{Name: "acme", TestAddresses: []otp.TestAddress{
		{Address: "+15005550006", Code: "123456", Until: "2020-01-01"}, {Pattern: "+1500556*", Code: "123456", Until: "2099-01-01"},
	}}}}
	p, err := planOf(t, "tenants:\n  - {name: acme, brand: Acme}\n", c)
	if err != nil || !same(p.Tenants[0].TestAddresses, c.Tenants[0].TestAddresses) {
		t.Errorf("%+v, %v", p, err)
	}
	_, err = planOf(t, "tenants:\n  - {name: acme, policy: strict}\n", c)
	if err == nil || !strings.Contains(err.Error(), "tenants[acme].test_addresses: is refused under the strict policy") {
		t.Errorf("strict: %v", err)
	}
}

func TestTestAddressesAreLoud(t *testing.T) {
	t.Parallel()
	tenant := otp.Tenant{Name: "acme", TestAddresses: []otp.TestAddress{
		{Address: "+15005550006", Code: "123456", Until: "2026-03-01"}, {Pattern: "*@test.example", Code: "987654", Until: "2026-02-28"},
	}}
	want := []string{
		"tenant acme: +150*****006 is a test address until the end of 2026-03-01: a fixed code proves it, and nothing is sent",
		"tenant acme: the test address *@test.example is an ordinary one since the end of 2026-02-28; take it out",
	}
	if got := TestWarnings(&tenant, time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)); !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
	if got := TestWarnings(&otp.Tenant{}, time.Time{}); len(got) > 0 {
		t.Errorf("%q", got)
	}
}
