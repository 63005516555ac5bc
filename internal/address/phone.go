package address

import (
	"strconv"
	"strings"
	"unicode"

	"github.com/nyaruka/phonenumbers"
)

const (
	maxPhoneText   = 64 // bytes, as written
	minPhoneDigits = 7
	maxPhoneDigits = 15 // ITU-T E.164, country code included
)

// ParsePhone reads one phone number. A plain E.164 number ("+18091234567", 7 to 15 digits) is taken as it stands.
// Anything else is read as people write it: spaces, dashes, dots, slashes, parentheses, full-width digits, "00" for the
// plus, a trunk "(0)" after the country code, a global "tel:" URI without parameters (RFC 3966), and, when home is an
// ISO 3166 alpha-2 code, forms dialled within that country.
//
// Letters, extensions, control and invisible characters, more than one number, more than 64 bytes and national forms
// without a known home are refused with an error that wraps ErrInvalid. Numbering plans help to read a number; a number
// that they find impossible is not refused for it, because they age.
func ParsePhone(text, home string) (Address, error) {
	send := text
	if !isE164(text) {
		var err error
		if send, err = readPhone(text, strings.ToUpper(home)); err != nil {
			return Address{}, err
		}
	}
	return Address{Kind: Phone, Send: send, Count: countPhone(send)}, nil
}

// isE164 reports whether s is a plus and 7 to 15 ASCII digits of which the first is not 0.
func isE164(s string) bool {
	if len(s) < 1+minPhoneDigits || len(s) > 1+maxPhoneDigits || s[0] != '+' || s[1] == '0' {
		return false
	}
	for i := 1; i < len(s); i++ {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}

// readPhone turns a number as written into E.164.
func readPhone(text, home string) (string, error) {
	if len(text) > maxPhoneText {
		return "", invalid("a phone number has at most 64 bytes")
	}
	text, uri := cutTel(text)
	w, err := scan(text)
	if err != nil {
		return "", err
	}
	if uri && !w.plus {
		return "", invalid("a tel URI holds a global number, with a plus")
	}
	send, err := w.resolve(home)
	if err != nil {
		return "", err
	}
	if !isE164(send) {
		return "", invalid("a phone number has 7 to 15 digits and no country code begins with 0")
	}
	return send, nil
}

// cutTel removes the scheme of a tel URI and reports whether there was one.
func cutTel(text string) (string, bool) {
	const scheme = "tel:"
	if len(text) >= len(scheme) && strings.EqualFold(text[:len(scheme)], scheme) {
		return text[len(scheme):], true
	}
	return text, false
}

// written is what remains of a number once its punctuation has been understood.
type written struct {
	plus   bool
	digits string
	trunk  int // index in digits of a "(0)" that has digits before it, or 0
}

// scan reads punctuation and digits. Letters are refused here, because the metadata library would read them as the keys
// of a telephone ("1305xxxxxxxx" as 130599999999).
func scan(text string) (written, error) {
	var w written
	digits := make([]byte, 0, maxPhoneText)
	open := -1 // where in digits the open parenthesis stands
	for _, r := range text {
		c, err := plain(r)
		if err != nil {
			return w, err
		}
		switch {
		case c == '+':
			if w.plus || len(digits) > 0 {
				return w, invalid("a plus stands only at the start of a phone number")
			}
			w.plus = true
		case c == '(':
			if open >= 0 {
				return w, invalid("parentheses in a phone number do not nest")
			}
			open = len(digits)
		case c == ')':
			if open < 0 {
				return w, invalid("parentheses in a phone number come in pairs")
			}
			if open > 0 && string(digits[open:]) == "0" {
				if w.trunk > 0 {
					return w, invalid("a phone number has one (0) at most")
				}
				w.trunk = open
			}
			open = -1
		case c >= '0' && c <= '9':
			digits = append(digits, c)
		}
	}
	if open >= 0 {
		return w, invalid("parentheses in a phone number come in pairs")
	}
	w.digits = string(digits)
	return w, nil
}

// plain folds a character to the ASCII that it stands for: a digit, '+', '(', ')' or ' ' for all that only separates.
// Full-width forms fold as Unicode's NFKC folds them; other digits are refused, for a reader could not compare them.
func plain(r rune) (byte, error) {
	if r >= 0xFF01 && r <= 0xFF5E { // full-width ASCII
		r -= 0xFF01 - '!'
	}
	switch {
	case r >= '0' && r <= '9', r == '+', r == '(', r == ')':
		return byte(r), nil
	case r == '-', r == '.', r == '/', unicode.Is(unicode.Zs, r):
		return ' ', nil
	case r >= 0x2010 && r <= 0x2015, r == 0x2212, r == 0x30FC: // hyphens and dashes, minus, Japanese long mark
		return ' ', nil
	case unicode.IsLetter(r):
		return 0, invalid("a phone number has no letters and no extension")
	case r == ',' || r == ';':
		return 0, invalid("only one phone number, without extension or parameters")
	}
	return 0, invalid("a phone number has digits, spaces, dashes, dots, slashes and parentheses only")
}

// resolve gives the number an E.164 shape; its length is the caller's to check.
func (w written) resolve(home string) (string, error) {
	if w.plus {
		return international(w.digits, w.trunk)
	}
	if send, ok := w.dialledAbroad(home); ok {
		return send, nil
	}
	if strings.HasPrefix(w.digits, "00") {
		return international(w.digits[2:], w.trunk-2)
	}
	if w.trunk > 0 {
		return "", invalid("(0) stands only after a country code")
	}
	number, err := phonenumbers.Parse(w.digits, home)
	if err != nil {
		return "", invalid("a phone number without country code needs a known home country")
	}
	return phonenumbers.Format(number, phonenumbers.E164), nil
}

// dialledAbroad reads digits that begin with the home country's own prefix for calls abroad, which may be longer than
// "00" (Australia: 0011) or quite different (United States: 011). It is asked before "00" is taken for a plus, or an
// Australian's 0011 49 would become +11 49.
func (w written) dialledAbroad(home string) (string, bool) {
	if home == "" {
		return "", false
	}
	number, err := phonenumbers.ParseAndKeepRawInput(w.digits, home)
	if err != nil || number.GetCountryCodeSource() != phonenumbers.PhoneNumber_FROM_NUMBER_WITH_IDD {
		return "", false
	}
	if w.trunk == 0 {
		return phonenumbers.Format(number, phonenumbers.E164), true
	}
	code := strconv.Itoa(int(number.GetCountryCode()))
	if !strings.HasSuffix(w.digits[:w.trunk], code) {
		return "", false
	}
	send, err := international(code+w.digits[w.trunk:], len(code))
	return send, err == nil
}

// international puts the plus before digits and drops the trunk zero that was written as "(0)" at index trunk.
func international(digits string, trunk int) (string, error) {
	if trunk <= 0 {
		return "+" + digits, nil
	}
	code := digits[:trunk]
	if !isCallingCode(code) {
		return "", invalid("(0) stands only after a country code")
	}
	switch code {
	case "39", "225", "229", "242", "378":
		// In these plans the zero is part of the number and is dialled from abroad (Italy since 1998).
		return "+" + digits, nil
	}
	return "+" + code + digits[trunk+1:], nil
}
