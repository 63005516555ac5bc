package otp

import (
	"strings"
	"testing"
)

func TestCoveredHidesAddresses(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ text, to, want string }{
		{"", "+584121234567", ""},
		{"accepted", "+584121234567", "accepted"},
		{"584121234567", "+584121234567", "5841*****567"},
		{"id-584121234567-3", "+584121234567", "id-5841*****567-3"},
		{"04121234567", "+584121234567", "041212*****"},
		{"123456", "+584121234567", "123456"}, // one short of a tail
		{"to ana@example.com: 550", "ana@example.com", "to a***@example.com: 550"},
		{"1234567", "+1234567", "1234567"}, // too short to be anybody's
		{"1234567", "", "1234567"},
	} {
		if got := covered(c.text, c.to); got != c.want {
			t.Errorf("covered(%q, %q) = %q, want %q", c.text, c.to, got, c.want)
		}
		if got := uncovered(c.want, c.to); got != c.text {
			t.Errorf("uncovered(%q, %q) = %q", c.want, c.to, got)
		}
	}
}

func TestMayHold(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{"": false, "123456": false, "1234567": true, "123456-7": false, "a@b": true, "x1234567y": true} {
		if got := mayHold(text); got != want {
			t.Errorf("mayHold(%q) = %v", text, got)
		}
	}
}

// FuzzCovered proves that no digit of an address stays readable, that what
// needs no cover is left alone, and that a cover can be taken off again.
func FuzzCovered(f *testing.F) {
	f.Add("id-584121234567-1234567", "+584121234567")
	f.Add("4141412345674141", "+584141414141")
	f.Add("a@b.c a@b.c", "a@b.c")
	f.Fuzz(func(t *testing.T, text, to string) {
		bare := strings.TrimPrefix(to, "+")
		if !strings.Contains(to, "@") && strings.Trim(bare, "0123456789") != "" || strings.Contains(text, "*") || strings.Contains(to, "*") || strings.HasPrefix(to, "@") {
			return // no address, or a text that no carrier's id has
		}
		got := covered(text, to)
		for _, m := range marks(to) {
			if strings.Contains(got, m) && Mask(m) != m {
				t.Errorf("covered(%q, %q) = %q", text, to, got)
			}
		}
		if back := uncovered(got, to); back != text {
			t.Errorf("covered(%q, %q) = %q, uncovered %q", text, to, got, back)
		}
		if got != text && !mayHold(text) {
			t.Errorf("mayHold(%q) is false and yet %q is in it", text, to)
		}
	})
}
