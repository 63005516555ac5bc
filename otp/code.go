package otp

import (
	"crypto/subtle"
	"math"
)

// Alphabet names the characters a code is drawn from.
type Alphabet string

// The alphabets that profiles and requests may name.
const (
	Digits Alphabet = "digits" // 0 to 9, leading zeros kept
	Alnum  Alphabet = "alnum"  // both cases and digits without I, O, l, 0 and 1
)

// alnumSet is the set that DANAConnect prints for its type 2; it holds no two
// characters that look alike.
const alnumSet = "ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz23456789"

// Characters returns the alphabet's characters. A name that is not one of the
// constants stands for itself: its own characters are the alphabet.
func (a Alphabet) Characters() string {
	switch a {
	case Digits:
		return "0123456789"
	case Alnum:
		return alnumSet
	}
	return string(a)
}

// The bounds of every code, whatever the policy.
const (
	MinLength = 3
	MaxLength = 12
)

// space returns alphabet^length, the number of codes that are equally likely.
func (a Alphabet) space(length int) float64 {
	return math.Pow(float64(len(a.Characters())), float64(length))
}

// derivation is all that a code depends on besides the key. Changing any of it
// gives an independent code.
type derivation struct {
	id         ID
	salt       []byte
	generation int
	purpose    string
	context    []byte // digest of what the code is bound to, empty for none
	alphabet   Alphabet
	length     int
}

// derive computes the code: HMAC-SHA-256 in counter mode as the source of
// random bytes (after NIST SP 800-108), then rejection sampling, so that each
// of the alphabet^length codes is equally likely.
func (d derivation) derive(key *keyed) string {
	set := d.alphabet.Characters()
	border := 256 - 256%len(set) // bytes from here on would favour the first characters
	code := make([]byte, 0, MaxLength)
	h := key.take()
	defer key.give(h)
	for counter := uint32(1); len(code) < d.length; counter++ {
		d.feed(h, counter)
		for _, b := range h.done() {
			if int(b) < border && len(code) < d.length {
				code = append(code, set[int(b)%len(set)])
			}
		}
	}
	return string(code)
}

// feed writes one counter block. Every variable part is preceded by its
// length, so that no two derivations can spell the same input.
func (d derivation) feed(h *hasher, counter uint32) {
	h.begin("aldaba code v1")
	h.number(counter)
	h.text = append(h.text, d.id[:]...)
	h.part(string(d.salt))
	h.part(d.purpose)
	h.part(string(d.context))
	h.part(string(d.alphabet))
	h.number(uint32(d.generation))
	h.number(uint32(d.length))
}

// sameCode compares without telling by its time where two codes differ.
func sameCode(a, b string) bool {
	return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1
}
