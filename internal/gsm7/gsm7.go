// Package gsm7 turns texts into what short messages carry, and counts what
// they cost: the GSM 7-bit default alphabet with its extension table (3GPP TS
// 23.038, sections 6.2.1 and 6.2.1.1), UCS-2, Latin-1, and the parts of a long
// message (3GPP TS 23.040, section 9.2.3.24.1).
//
// Septets stand unpacked, one in an octet, as SMPP and HTTP gateways want them.
// The package knows no national language tables: what is in none of its
// alphabets goes as UCS-2.
package gsm7

import (
	"strings"
	"unicode/utf8"
)

// Encoding is how the characters of a short message are written.
type Encoding uint8

// The encodings.
const (
	GSM7   Encoding = iota + 1 // the default alphabet, a septet in each octet
	UCS2                       // UTF-16, big endian; phones take its surrogate pairs too
	Latin1                     // ISO/IEC 8859-1
)

// String returns the name used in settings.
func (e Encoding) String() string {
	if e < GSM7 || e > Latin1 {
		return "unknown"
	}
	return [...]string{"gsm7", "ucs2", "latin1"}[e-GSM7]
}

// escape announces a character of the extension table.
const escape = 0x1b

// alphabet holds the 128 characters of the default alphabet in their order.
// The place of the escape is taken by U+001B, which is no character of it.
const alphabet = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞ\x1bÆæßÉ" +
	" !\"#¤%&'()*+,-./0123456789:;<=>?" +
	"¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§" +
	"¿abcdefghijklmnopqrstuvwxyzäöñüà"

// extension holds the characters of the extension table, extensionCodes their
// septets after the escape.
const (
	extension      = "\f^{}\\[~]|€"
	extensionCodes = "\x0a\x14\x28\x29\x2f\x3c\x3d\x3e\x40\x65"
)

// septets returns how many septets a character takes, 0 when it has none, and
// the last of them.
func septets(r rune) (n int, code byte) {
	switch {
	case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '%' && r <= '?', r == ' ':
		return 1, byte(r) // what most texts are made of stands at its place of ASCII
	case r == escape || r == utf8.RuneError:
		return 0, 0
	}
	if i := index(alphabet, r); i >= 0 {
		return 1, byte(i)
	}
	if i := index(extension, r); i >= 0 {
		return 2, extensionCodes[i]
	}
	return 0, 0
}

// index returns which character of s r is, or -1.
func index(s string, r rune) int {
	at := strings.IndexRune(s, r)
	if at < 0 {
		return -1
	}
	return utf8.RuneCountInString(s[:at])
}

// Encode writes a text in the default alphabet. It returns false when a
// character is in neither table.
func Encode(text string) ([]byte, bool) {
	out := make([]byte, 0, len(text)+2)
	for _, r := range text {
		n, code := septets(r)
		switch n {
		case 0:
			return nil, false
		case 2:
			out = append(out, escape)
		}
		out = append(out, code)
	}
	return out, true
}

// Decode reads septets as a phone does (TS 23.038): an escape before a code
// that the extension table lacks is left out, two escapes are a space, and so
// is one at the end. An octet above 0x7f becomes U+FFFD.
func Decode(septets []byte) string {
	basic := []rune(alphabet)
	var b strings.Builder
	for i := 0; i < len(septets); i++ {
		code := septets[i]
		if code == escape {
			i++
			if i == len(septets) || septets[i] == escape {
				b.WriteByte(' ')
				continue
			}
			code = septets[i]
			if at := strings.IndexByte(extensionCodes, code); at >= 0 {
				b.WriteRune([]rune(extension)[at])
				continue
			}
		}
		if code > 0x7f {
			b.WriteRune(utf8.RuneError)
			continue
		}
		b.WriteRune(basic[code])
	}
	return b.String()
}
