package gsm7

import (
	"slices"
	"unicode/utf16"
)

// limits returns how many octets of an encoded text one message holds, and
// how many each part of a longer one does beside the six octets of a user data
// header with an 8-bit reference: 140 octets, or 160 septets, in all.
func (e Encoding) limits() (single, part int) {
	if e == GSM7 {
		return 160, 153
	}
	return 140, 134
}

// unit returns how many octets of an encoded text one unit of its size takes.
func (e Encoding) unit() int {
	if e == UCS2 {
		return 2
	}
	return 1
}

// Split cuts an encoded text into the parts of a short message, at least one.
// It cuts no escape from its character and no surrogate pair. The parts share
// memory with data.
func Split(data []byte, e Encoding) [][]byte {
	single, part := e.limits()
	if len(data) <= single {
		return [][]byte{data}
	}
	var parts [][]byte
	for len(data) > part {
		cut := part
		switch {
		case e == GSM7 && data[cut-1] == escape:
			cut--
		case e == UCS2 && data[cut-2]&0xfc == 0xd8: // the first half of a pair
			cut -= 2
		}
		parts = append(parts, data[:cut:cut])
		data = data[cut:]
	}
	return append(parts, data)
}

// Size is what a text costs as a short message.
type Size struct {
	Encoding Encoding // GSM7, or UCS2 when a character forces it
	Units    int      // septets, or 16-bit units; without the headers of parts
	Parts    int      // short messages, at least 1
	// Forced are the characters that are not in the default alphabet and force
	// UCS2, each once.
	Forced []rune
	// Double are the characters that take two units, each once: those of the
	// extension table, or those outside of the Basic Multilingual Plane.
	Double []rune
}

// Choose returns the cheapest encoding that every phone reads: GSM7 or UCS2.
func Choose(text string) Encoding {
	for _, r := range text {
		if n, _ := septets(r); n == 0 {
			return UCS2
		}
	}
	return GSM7
}

// Count tells what a text costs in the encoding that [Choose] returns.
func Count(text string) Size {
	s := Size{Encoding: Choose(text)}
	for _, r := range text {
		n, _ := septets(r)
		if n == 0 {
			s.Forced = addOnce(s.Forced, r)
		}
		if s.Encoding == UCS2 {
			n = utf16.RuneLen(r)
		}
		if n == 2 {
			s.Double = addOnce(s.Double, r)
		}
	}
	data, _ := Encode(text)
	if s.Encoding == UCS2 {
		data = EncodeUCS2(text)
	}
	s.Units, s.Parts = len(data)/s.Encoding.unit(), len(Split(data, s.Encoding))
	return s
}

func addOnce(list []rune, r rune) []rune {
	if slices.Contains(list, r) {
		return list
	}
	return append(list, r)
}
