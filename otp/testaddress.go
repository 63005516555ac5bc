package otp

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// The bounds of test addresses.
const (
	maxTestAddresses = 100 // each start of the tenant looks at all of them
	maxTestDays      = 366 // from the day on which the list is applied
	// minTestDigits is how much of a number a pattern must name, so that no
	// slip of the pen makes a country's numbers test numbers.
	minTestDigits = 6
)

// TestAddress is an address, or some, of a tenant's own tests: a fixed code
// proves it, nothing is ever sent to it, and no limit of an address counts.
// Either Address or Pattern is given.
type TestAddress struct {
	Address string `json:"address,omitempty"` // in the form to send to
	Pattern string `json:"pattern,omitempty"` // "+1500555*", or "*@test.example"
	Code    string `json:"code"`
	Until   string `json:"until"` // its last day (UTC), as 2027-01-31
}

// ends is the moment after its last day.
func (a *TestAddress) ends() (time.Time, error) {
	day, err := time.Parse(time.DateOnly, a.Until)
	return day.AddDate(0, 0, 1), err
}

// Ended tells whether its last day is over, so that it is an ordinary address.
func (a *TestAddress) Ended(now time.Time) bool {
	end, err := a.ends()
	return err != nil || !now.Before(end)
}

// TooFar tells what is wrong with an end that is applied at now, or "". It is
// no part of the check of a whole configuration, which must hold at any time.
func (a *TestAddress) TooFar(now time.Time) string {
	if end, err := a.ends(); err == nil && end.Sub(now) > (maxTestDays+1)*24*time.Hour {
		return fmt.Sprintf("must be at most %d days ahead", maxTestDays)
	}
	return ""
}

// covers tells whether the address is one of these. The form to send to
// decides: what is only counted as the same line is not meant.
func (a *TestAddress) covers(to Address) bool {
	if a.Address != "" {
		return a.Address == to.Send
	}
	if domain, ok := strings.CutPrefix(a.Pattern, "*@"); ok {
		_, of, _ := strings.Cut(to.Send, "@")
		return to.Email && of == domain
	}
	return !to.Email && strings.HasPrefix(to.Send, strings.TrimSuffix(a.Pattern, "*"))
}

// test returns the test address that a tenant's address is at now, or nil. A
// literal one goes before a pattern.
func (t *Tenant) test(to Address, now time.Time) (found *TestAddress) {
	for i := range t.TestAddresses {
		a := &t.TestAddresses[i]
		if (found == nil || found.Address == "" && a.Address != "") && a.covers(to) && !a.Ended(now) {
			found = a
		}
	}
	return found
}

func (t *Tenant) checkTestAddresses(f *faultList) {
	all := t.TestAddresses
	f.check(len(all) <= maxTestAddresses, ".test_addresses", "must be at most %d; a pattern covers many", maxTestAddresses)
	f.check(len(all) == 0 || t.Policy != Strict || t.AllowTestAddresses, ".test_addresses",
		"is refused under the strict policy, since a fixed code is no proof; set allow_test_addresses: true if this tenant's strict policy is to bear it")
	for i := range all {
		a, at := &all[i], fmt.Sprintf(".test_addresses[%d]", i)
		switch {
		case (a.Address == "") == (a.Pattern == ""):
			f.add(at, "must have either an address or a pattern")
		case a.Address != "":
			f.check(isTestAddress(a.Address), at+".address", "must be a number such as +15005550006, or an e-mail address")
		default:
			f.check(isTestPattern(a.Pattern), at+".pattern",
				`must be + with at least %d digits and a * at its end, such as "+1500555*", or "*@" with a whole domain, such as "*@test.example"`, minTestDigits)
		}
		twice := slices.ContainsFunc(all[:i], func(o TestAddress) bool { return o.Address == a.Address && o.Pattern == a.Pattern })
		f.check(!twice, at, "stands in the list already")
		f.check(ownAlphabet(a.Code) != "" && len(a.Code) >= MinLength && len(a.Code) <= MaxLength, at+".code",
			"must be %d to %d letters and digits", MinLength, MaxLength)
		_, err := a.ends()
		f.check(err == nil, at+".until", "must be its last day, such as 2027-01-31")
	}
}

// isNumber tells whether text is + and digits, in number between the bounds.
func isNumber(text string, least, most int) bool {
	digits, plus := strings.CutPrefix(text, "+")
	return plus && len(digits) >= least && len(digits) <= most && strings.Trim(digits, "0123456789") == ""
}

func isTestAddress(text string) bool {
	if local, domain, mail := strings.Cut(text, "@"); mail {
		return local != "" && !strings.Contains(local, "*") && isDomain(domain)
	}
	return isNumber(text, 7, 15)
}

func isTestPattern(text string) bool {
	if domain, mail := strings.CutPrefix(text, "*@"); mail {
		return isDomain(domain)
	}
	head, open := strings.CutSuffix(text, "*")
	return open && isNumber(head, minTestDigits, 14)
}

// testing makes a start whose address is a test address one of a test.
func (d *draft) testing(now time.Time) {
	if len(d.tenant.TestAddresses) > 0 {
		d.test = d.tenant.test(d.address, now)
	}
}

// fixed gives a test address its code, whatever the request and the profile
// say of codes: the length of a code is about guessing, and a code that is
// known to many cannot be guessed any better.
func (d *draft) fixed() {
	if d.test != nil {
		d.req.Code = d.test.Code
		d.settings.Alphabet, d.settings.Length = ownAlphabet(d.test.Code), len(d.test.Code)
	}
}
