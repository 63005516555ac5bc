package smtp

import (
	"net/mail"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/aldaba-otp/aldaba/internal/address"
)

const (
	maxName    = 100 // characters of a display name
	maxSubject = 400 // characters
	maxLocal   = 64  // bytes: RFC 5321 section 4.5.3.1.1
)

// clean reports whether a text may stand in a header or a command: valid
// UTF-8, no control character (C0, DEL, C1), no line or paragraph separator,
// and none of the marks that turn the direction of what follows, with which a
// name can be made to look like another.
func clean(text string) bool {
	return utf8.ValidString(text) && !strings.ContainsFunc(text, func(r rune) bool {
		return unicode.IsControl(r) || r == '\u2028' || r == '\u2029' || r == '\ufeff' || r >= '\u202a' && r <= '\u202e'
	})
}

// parseRecipient reads one bare mailbox and tells whether it needs SMTPUTF8
// (RFC 6531). An international domain becomes A-labels, so that an address
// with an ASCII local part never needs it.
func parseRecipient(text string) (box string, utf8Needed, ok bool) {
	if !clean(text) {
		return "", false, false
	}
	if a, err := address.ParseEmail(text); err == nil {
		return a.Send, false, true
	}
	local, domain, found := strings.Cut(text, "@")
	if !found || !isUnicodeDotAtom(local) {
		return "", false, false
	}
	domain, ok = domainOf(domain)
	return local + "@" + domain, true, ok
}

// domainOf returns a domain with at least two labels in ASCII.
func domainOf(text string) (string, bool) {
	a, err := address.ParseEmail("x@" + text)
	if err != nil {
		return "", false
	}
	return strings.TrimPrefix(a.Send, "x@"), true
}

// parseMailbox reads "NAME <ADDRESS>" or "ADDRESS" and serialises the address
// anew. The address is ASCII: a sender that few relays can carry is of no use.
func parseMailbox(text string) (mail.Address, bool) {
	if !clean(text) {
		return mail.Address{}, false
	}
	read, err := mail.ParseAddress(text)
	if err != nil || read.Name != "" && !isName(read.Name) {
		return mail.Address{}, false
	}
	a, err := address.ParseEmail(read.Address)
	return mail.Address{Name: read.Name, Address: a.Send}, err == nil
}

// isName reports whether a text may be shown as a sender: nothing that could
// be taken for an address, and no encoded word (RFC 2047), which some programs
// decode even inside quotes.
func isName(text string) bool {
	return text != "" && utf8.RuneCountInString(text) <= maxName && clean(text) &&
		!strings.ContainsAny(text, "@<>") && !strings.Contains(text, "=?")
}

// isDotAtom reports whether a text is a dot-atom of ASCII (RFC 5322 section
// 3.2.3).
func isDotAtom(text string) bool {
	return isUnicodeDotAtom(text) && strings.IndexFunc(text, func(r rune) bool { return r >= utf8.RuneSelf }) < 0
}

// isUnicodeDotAtom is the same with the characters that RFC 6532 adds, of
// which only letters, marks and digits are taken.
func isUnicodeDotAtom(text string) bool {
	if len(text) == 0 || text[0] == '.' || text[len(text)-1] == '.' || strings.Contains(text, "..") {
		return false
	}
	limit := maxLocal
	if !strings.ContainsFunc(text, func(r rune) bool { return r >= utf8.RuneSelf }) {
		limit = maxHello
	}
	return len(text) <= limit && utf8.ValidString(text) && !strings.ContainsFunc(text, func(r rune) bool {
		if r >= utf8.RuneSelf {
			return !unicode.IsLetter(r) && !unicode.IsMark(r) && !unicode.IsDigit(r)
		}
		return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("!#$%&'*+-/=?^_`{|}~.", r)
	})
}
