package otp

import "strings"

// Some carriers name a message after the number that it goes to, or repeat the
// address in what they say. The journal outlives the address, so that is
// covered before it is written. The name by which a receipt will come must be
// found again from the journal and the address, so a cover can be taken off.

// coveredTail is how many last digits of a number are looked for: enough to be
// the subscriber's, however country and area are written.
const coveredTail = 7

// marks lists what of an address must not be shown, longest first.
func marks(to string) []string {
	if strings.Contains(to, "@") {
		return []string{to}
	}
	bare := strings.TrimPrefix(to, "+")
	if len(bare) <= coveredTail {
		return nil
	}
	return []string{bare, bare[len(bare)-coveredTail:]}
}

// covered hides an address in a text.
func covered(text, to string) string {
	for _, m := range marks(to) {
		text = strings.ReplaceAll(text, m, Mask(m))
	}
	return text
}

// uncovered is the inverse of [covered].
func uncovered(text, to string) string {
	for _, m := range marks(to) {
		text = strings.ReplaceAll(text, Mask(m), m)
	}
	return text
}

// mayHold tells whether a text may hold an address: most of what carriers say
// does not, and then nothing need be opened to find out.
func mayHold(text string) bool {
	digits := 0
	for _, c := range []byte(text) {
		if c == '@' {
			return true
		}
		if c < '0' || c > '9' {
			digits = 0
		} else if digits++; digits >= coveredTail {
			return true
		}
	}
	return false
}

// cover hides the address of a dispatch in a carrier's words.
func (d *Dispatch) cover(r *Ring, text string) string {
	if !mayHold(text) {
		return text
	}
	letter := d.letter
	if letter == nil {
		opened, _ := d.Verification.letter(r) // an address that nobody can read is not in the text either
		letter = &opened
	}
	return covered(text, letter.To)
}
