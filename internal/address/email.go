package address

import (
	"strings"

	"golang.org/x/net/idna"
)

const (
	maxEmail     = 254 // bytes: RFC 5321 path of 256 without its angle brackets
	maxLocal     = 64  // bytes: RFC 5321 section 4.5.3.1.1
	maxLabel     = 63  // bytes: RFC 1035
	maxEmailText = 512 // bytes as given: an international domain shrinks or grows on its way to ASCII
)

// ParseEmail reads one bare mailbox (RFC 5321) whose local part is a dot-atom of ASCII, 1 to 64 bytes, and whose domain
// has at least two labels; international domains are taken and turned to their ASCII form (UTS 46, the profile for
// look-up). The whole has at most 254 bytes in ASCII.
//
// Quoted and non-ASCII local parts (RFC 6531), comments, display names, IP literals and dotted addresses, lists, spaces
// and control characters are refused with an error that wraps ErrInvalid: much of the mail's road cannot carry them, and
// all of them have been used to smuggle a second recipient.
//
// Send keeps the local part as given and lowers the domain. Count lowers the whole, drops a "+tag", and for gmail.com, also
// known as googlemail.com, drops the dots, as Google says that it does itself.
func ParseEmail(text string) (Address, error) {
	if len(text) > maxEmailText {
		return Address{}, invalid("an e-mail address has at most 254 bytes")
	}
	local, given, ok := strings.Cut(text, "@")
	if !ok || strings.IndexByte(given, '@') >= 0 {
		return Address{}, invalid("an e-mail address has exactly one @")
	}
	if err := checkLocal(local); err != nil {
		return Address{}, err
	}
	domain, err := readDomain(given)
	if err != nil {
		return Address{}, err
	}
	if len(local)+1+len(domain) > maxEmail {
		return Address{}, invalid("an e-mail address has at most 254 bytes")
	}
	return Address{Kind: Email, Send: local + "@" + domain, Count: countEmail(local, domain)}, nil
}

// checkLocal accepts a dot-atom: runs of atext with single dots between them.
func checkLocal(local string) error {
	if len(local) == 0 || len(local) > maxLocal {
		return invalid("the part before the @ has 1 to 64 bytes")
	}
	dot := true // a dot may not come first
	for i := range len(local) {
		c := local[i]
		if c == '.' && dot {
			return invalid("the part before the @ has single dots, none at its ends")
		}
		if dot = c == '.'; !dot && !isAtext(c) {
			return invalid("the part before the @ has ASCII letters, digits, dots and !#$%&'*+-/=?^_`{|}~ only")
		}
	}
	if dot {
		return invalid("the part before the @ has single dots, none at its ends")
	}
	return nil
}

// isAtext reports whether RFC 5322 counts c as atext.
func isAtext(c byte) bool {
	return isAlnum(c) || strings.IndexByte("!#$%&'*+-/=?^_`{|}~", c) >= 0
}

func isAlnum(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
}

// readDomain returns the domain in lower-case ASCII.
func readDomain(given string) (string, error) {
	domain, err := idna.Lookup.ToASCII(given)
	if err != nil {
		return "", invalid("the domain is no host name")
	}
	domain = strings.ToLower(domain)
	// A few inputs, broken UTF-8 among them, become a label that the same profile then refuses.
	if again, err := idna.Lookup.ToASCII(domain); err != nil || again != domain {
		return "", invalid("the domain is no host name")
	}
	// The look-up profile leaves lengths, empty labels and numbers to the resolver.
	labels, last := 0, ""
	for label := range strings.SplitSeq(domain, ".") {
		if !isHostLabel(label) {
			return "", invalid("each label of the domain has 1 to 63 letters, digits and inner hyphens")
		}
		labels, last = labels+1, label
	}
	if labels < 2 {
		return "", invalid("the domain has at least two labels")
	}
	if strings.Trim(last, "0123456789") == "" {
		return "", invalid("the domain is a name, not an IP address")
	}
	return domain, nil
}

func isHostLabel(label string) bool {
	if len(label) == 0 || len(label) > maxLabel || label[0] == '-' || label[len(label)-1] == '-' {
		return false
	}
	for i := range len(label) {
		if !isAlnum(label[i]) && label[i] != '-' {
			return false
		}
	}
	return true
}

func countEmail(local, domain string) string {
	local = strings.ToLower(local)
	if tag := strings.IndexByte(local, '+'); tag > 0 { // "+tag@" alone is a mailbox of that name
		local = local[:tag]
	}
	if domain == "googlemail.com" {
		domain = "gmail.com"
	}
	if domain == "gmail.com" {
		local = strings.ReplaceAll(local, ".", "")
	}
	return local + "@" + domain
}
