package otp

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Sender is one name or number that a tenant may show as the sender of a text.
type Sender struct {
	Sender    string   `json:"sender"`
	Countries []string `json:"countries,omitempty"` // ISO 3166; empty means all
}

// SenderPolicy decides about a request whose sender is not the tenant's in the
// number's country. A sender is never cut to fit.
type SenderPolicy string

// The policies about senders.
const (
	ReplaceSender SenderPolicy = "replace" // by the tenant's own there, else the provider's
	RefuseSender  SenderPolicy = "refuse"  // the start is refused
)

// senderFault tells what is wrong with a sender: it is a name of 1 to 11
// characters, a short code of 3 to 8 digits, or a number with + (3GPP TS 23.040
// section 9.1.2.5 gives an alphanumeric address 11 characters; the marks are
// those of Modica's mask).
func senderFault(s string) string {
	number, isNumber := strings.CutPrefix(s, "+")
	digits := strings.Trim(number, "0123456789") == ""
	switch {
	case isNumber && digits && len(number) >= 7 && len(number) <= 15:
		return ""
	case !isNumber && digits && len(s) >= 3 && len(s) <= 8:
		return ""
	case isNumber || digits:
		return "must be a number such as +12025550123, or a short code of 3 to 8 digits"
	case len(s) > 11:
		return "must be at most 11 characters"
	}
	for _, c := range []byte(s) {
		if !(strings.IndexByte(" _.-&", c) >= 0 || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z') {
			return "must be of letters of A to Z, digits, spaces and _ . - &, or a number with +"
		}
	}
	if strings.TrimSpace(s) != s {
		return "must not begin or end with a space"
	}
	return ""
}

// isAlphanumeric tells a name from a number or a short code.
func isAlphanumeric(sender string) bool { return strings.Trim(sender, "+0123456789") != "" }

// showsNames tells whether telephones of a country can be shown a name: carriers
// of the North American plan's United States, Canada and Puerto Rico do not.
func showsNames(country string) bool { return country != "US" && country != "CA" && country != "PR" }

// may tells whether the tenant may show a sender in a country.
func (t *Tenant) may(sender, country string) bool {
	if isAlphanumeric(sender) && !showsNames(country) {
		return false
	}
	return len(t.Senders) == 0 || slices.ContainsFunc(t.Senders, func(s Sender) bool { return s.Sender == sender && s.serves(country) })
}

func (s *Sender) serves(country string) bool {
	return len(s.Countries) == 0 || slices.Contains(s.Countries, country)
}

// checkSender refuses what is no sender at all and, by the tenant's policy, one
// that it may not show to the number.
func (t *Tenant) checkSender(channel Channel, sender, country string) *Error {
	if sender == "" || channel == Email {
		return nil
	}
	if fault := senderFault(sender); fault != "" {
		return invalid("sender", "%s", fault)
	}
	if t.SenderPolicy == RefuseSender && !t.may(sender, country) {
		return &Error{Kind: Invalid, Field: "sender", Rule: "sender", Message: "is not one that the tenant may show in this country"}
	}
	return nil
}

// sender chooses what is shown: what was asked for where it is allowed, else
// the tenant's own for the country, else the route's, else "" for the
// provider's own. The tenant's own are for telephones.
func (t *Tenant) sender(channel Channel, asked, country, route string) string {
	if channel == Email {
		return cmp.Or(asked, route)
	}
	if asked != "" && t.may(asked, country) {
		return asked
	}
	var general string
	for _, s := range t.Senders {
		switch {
		case !t.may(s.Sender, country):
		case len(s.Countries) > 0:
			return s.Sender
		case general == "":
			general = s.Sender
		}
	}
	if general == "" && route != "" && (!isAlphanumeric(route) || showsNames(country)) {
		return route
	}
	return general
}

func (t *Tenant) checkSenders(f *faultList) {
	for i, s := range t.Senders {
		at := fmt.Sprintf(".senders[%d]", i)
		f.check(senderFault(s.Sender) == "", at+".sender", "%s", senderFault(s.Sender))
		for j, c := range s.Countries {
			here := fmt.Sprintf("%s.countries[%d]", at, j)
			f.check(isCountry(c), here, "must be an ISO 3166 code in capitals, such as MX")
			f.check(showsNames(c) || !isAlphanumeric(s.Sender), here, "has telephones that show no names; give a number or a short code")
		}
	}
	f.check(t.SenderPolicy == "" || t.SenderPolicy == ReplaceSender || t.SenderPolicy == RefuseSender, ".sender_policy", "must be replace or refuse")
}
