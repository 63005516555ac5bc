package otptest

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"strings"
)

// leastForm is the least length at which an encoded form means anything.
const leastForm = 6

// Leaks looks for secrets in what a test run has written: in clear, as
// hexadecimal digits, and as base64 wherever in a longer text it begins. It
// returns where it found which, and nothing when all is well.
func Leaks(data []byte, secrets ...string) (found []string) {
	for _, secret := range secrets {
		if secret == "" {
			continue
		}
		for _, form := range forms(secret) {
			if at := bytes.Index(data, []byte(form)); at >= 0 {
				around := data[max(0, at-80):min(len(data), at+len(form)+80)]
				found = append(found, strings.ToValidUTF8(secret+" as "+form+" in "+string(around), "?"))
			}
		}
	}
	return found
}

// forms lists how a secret may stand in a text.
func forms(secret string) []string {
	digits := hex.EncodeToString([]byte(secret))
	all := []string{secret, digits, strings.ToUpper(digits)}
	for before := range 3 {
		raw := append(make([]byte, before), secret...)
		for _, encoding := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
			text := encoding.EncodeToString(raw)
			text = text[(before*8+5)/6:] // without the characters that what stands before decides too
			if len(raw)%3 != 0 {
				text = text[:len(text)-1] // and those that what follows does
			}
			if len(text) >= leastForm {
				all = append(all, text)
			}
		}
	}
	return all
}
