package config

import (
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

// testAddresses judges what needs the clock and the rules of addresses. It is
// done only when they are given: a list that was fine once is kept.
func (p *planner) testAddresses(e *tenantEntry) {
	for i := range e.tenant.TestAddresses {
		a, at := &e.tenant.TestAddresses[i], fmt.Sprintf("%s.test_addresses[%d]", e.path, i)
		if fault := a.TooFar(p.tools.Now); fault != "" {
			p.fail(at+".until", "%s", fault)
		}
		if a.Address != "" && !p.plainly(a.Address) {
			p.fail(at+".address", "must be an address as it is sent to: + and digits alone, or a box with its domain in small letters")
		}
		if domain, mail := strings.CutPrefix(a.Pattern, "*@"); mail && !p.plainly("a@"+domain) {
			p.fail(at+".pattern", "must have a domain as it is sent to, in small letters")
		}
	}
}

// plainly tells whether an address stands there as it is sent to, which is how
// test addresses are compared. No country is assumed: a test address is to be
// plain to everybody.
func (p *planner) plainly(text string) bool {
	parsed, err := p.tools.Addresses.Parse(text, "")
	return err == nil && parsed.Send == text
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
