package gsm7

import (
	"encoding/binary"
	"unicode/utf16"
)

// EncodeUCS2 writes a text in UTF-16, big endian. What is no character becomes
// U+FFFD.
func EncodeUCS2(text string) []byte {
	units := utf16.Encode([]rune(text))
	out := make([]byte, 0, 2*len(units))
	for _, u := range units {
		out = binary.BigEndian.AppendUint16(out, u)
	}
	return out
}

// DecodeUCS2 reads UTF-16, big endian. Half a surrogate pair becomes U+FFFD,
// and so does an odd octet at the end.
func DecodeUCS2(octets []byte) string {
	units := make([]uint16, 0, len(octets)/2+1)
	for ; len(octets) >= 2; octets = octets[2:] {
		units = append(units, binary.BigEndian.Uint16(octets))
	}
	if len(octets) > 0 {
		units = append(units, 0xfffd)
	}
	return string(utf16.Decode(units))
}

// EncodeLatin1 writes a text in ISO/IEC 8859-1. It returns false when a
// character is not in it; control characters other than line breaks and tabs
// are not.
func EncodeLatin1(text string) ([]byte, bool) {
	out := make([]byte, 0, len(text))
	for _, r := range text {
		if r > 0xff || r >= 0x7f && r < 0xa0 || r < ' ' && r != '\n' && r != '\r' && r != '\t' {
			return nil, false
		}
		out = append(out, byte(r))
	}
	return out, true
}

// DecodeLatin1 reads ISO/IEC 8859-1.
func DecodeLatin1(octets []byte) string {
	runes := make([]rune, len(octets))
	for i, c := range octets {
		runes[i] = rune(c)
	}
	return string(runes)
}
