package config

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/aldaba-otp/aldaba/otp"
)

func (r *reader) testAddress(n *yaml.Node, path string) otp.TestAddress {
	o := r.object(n, path, "address", "pattern", "code", "until")
	o.must("code", "until")
	return otp.TestAddress{Address: o.text("address"), Pattern: o.text("pattern"), Code: o.text("code"), Until: o.text("until")}
}

// testAddresses brings the test addresses of a file into the form in which
// addresses are compared, and judges their ends, which is done only when they
// are given: a list that was fine once is kept.
func (p *planner) testAddresses(e *tenantEntry, t *otp.Tenant) {
	all := make([]otp.TestAddress, len(t.TestAddresses))
	for i, a := range t.TestAddresses {
		at := fmt.Sprintf("%s.test_addresses[%d]", e.path, i)
		if fault := a.TooFar(p.tools.Now); fault != "" {
			p.fail(at+".until", "%s", fault)
		}
		if a.Address != "" {
			// Without a country: a test address is to be plain to everybody.
			parsed, err := p.tools.Addresses.Parse(a.Address, "")
			if err != nil {
				p.fail(at+".address", "must be a number such as +15005550006, or an e-mail address")
			}
			a.Address = cmp.Or(parsed.Send, a.Address)
		}
		if domain, mail := strings.CutPrefix(a.Pattern, "*@"); mail {
			if parsed, err := p.tools.Addresses.Parse("a@"+domain, ""); err == nil {
				a.Pattern = "*" + strings.TrimPrefix(parsed.Send, "a")
			}
		}
		all[i] = a
	}
	if len(all) > 0 {
		t.TestAddresses = all
	}
}

// TestWarnings says which addresses of a tenant a fixed code proves, and until
// when; nothing when it has none. Addresses are masked.
func TestWarnings(t *otp.Tenant, now time.Time) (all []string) {
	for i := range t.TestAddresses {
		a := &t.TestAddresses[i]
		if a.Ended(now) {
			all = append(all, fmt.Sprintf("tenant %s: the test address %s is an ordinary one since the end of %s; take it out", t.Name, testName(a), a.Until))
			continue
		}
		all = append(all, fmt.Sprintf("tenant %s: %s is a test address until the end of %s: a fixed code proves it, and nothing is sent", t.Name, testName(a), a.Until))
	}
	return all
}

// testName is what may be shown of a test address.
func testName(a *otp.TestAddress) string {
	if a.Address != "" {
		return otp.Mask(a.Address)
	}
	return a.Pattern
}
