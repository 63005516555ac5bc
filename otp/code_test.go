package otp

import (
	"bytes"
	"encoding/binary"
	"math"
	"strings"
	"testing"
)

// sample is a derivation that all tests vary.
func sample() derivation {
	return derivation{id: ID{1, 2, 3}, salt: []byte("0123456789abcdef"), purpose: Authenticate, alphabet: Digits, length: 6}
}

var codeKey = &keyed{key: bytes.Repeat([]byte{7}, 32)}

// CVE-2021-23451 (otp-generator): codes came from a weak source.
func TestCodesAreUniformAtEachPosition(t *testing.T) {
	t.Parallel()
	const n = 100_000
	for _, alphabet := range []Alphabet{Digits, Alnum, "abc", "0123456789ABCDEF"} {
		d := sample()
		d.alphabet = alphabet
		set := alphabet.Characters()
		counts := make([][256]int, d.length)
		for i := range n {
			binary.BigEndian.PutUint64(d.id[:], uint64(i))
			for at, c := range []byte(d.derive(codeKey)) {
				counts[at][c]++
			}
		}
		// The mean of chi-square is its degrees of freedom; five deviations above
		// is less than one run in a million. The seed is fixed: it cannot flake.
		free := float64(len(set) - 1)
		border := free + 5*math.Sqrt(2*free) + 5
		for at := range counts {
			chi, total := 0.0, 0
			for _, c := range []byte(set) {
				expected := float64(n) / float64(len(set))
				chi += math.Pow(float64(counts[at][c])-expected, 2) / expected
				total += counts[at][c]
			}
			if chi > border || total != n {
				t.Errorf("%s, position %d: chi-square %.1f, want at most %.1f; %d of %d in the alphabet", alphabet, at, chi, border, total, n)
			}
		}
	}
}

// CVE-2026-8760 after CVE-2024-11178 (Login with OTP): no code began with 0, so
// that there were 900,000 of them.
func TestLeadingZerosAreKept(t *testing.T) {
	t.Parallel()
	d, zeros := sample(), 0
	for i := range 10_000 {
		binary.BigEndian.PutUint64(d.id[:], uint64(i))
		if code := d.derive(codeKey); len(code) != 6 {
			t.Fatalf("code %q", code)
		} else if code[0] == '0' {
			zeros++
		}
	}
	if zeros < 900 || zeros > 1100 {
		t.Errorf("%d of 10000 begin with 0", zeros)
	}
}

func TestEachInputChangesTheCode(t *testing.T) {
	t.Parallel()
	base := sample()
	base.length, base.alphabet = 12, Alnum // 57^12: no accident
	if again := base.derive(codeKey); again != base.derive(codeKey) {
		t.Fatal("a derivation is not the same twice")
	}
	seen := map[string]string{base.derive(codeKey): "the sample"}
	for name, change := range map[string]func(d *derivation){
		"id":              func(d *derivation) { d.id[15] ^= 1 },
		"salt":            func(d *derivation) { d.salt = []byte("0123456789abcdeg") },
		"generation":      func(d *derivation) { d.generation = 1 },
		"purpose":         func(d *derivation) { d.purpose = Recover },
		"context":         func(d *derivation) { d.context = []byte{1} },
		"purpose/context": func(d *derivation) { d.purpose, d.context = d.purpose[:11], []byte(d.purpose[11:]) },
		"salt/purpose":    func(d *derivation) { d.salt, d.purpose = append(bytes.Clone(d.salt), 'a'), d.purpose[1:] },
		"alphabet":        func(d *derivation) { d.alphabet = alnumSet + "-" },
	} {
		d := base
		change(&d)
		code := d.derive(codeKey)
		if other, twice := seen[code]; twice {
			t.Errorf("%s and %s give the same code", name, other)
		}
		seen[code] = name
	}
	if _, same := seen[base.derive(&keyed{key: bytes.Repeat([]byte{8}, 32)})]; same {
		t.Error("another key gives the same code")
	}
	d := base
	d.length = 11
	if strings.HasPrefix(base.derive(codeKey), d.derive(codeKey)) {
		t.Error("a shorter code is the beginning of the longer one")
	}
}

func TestCodesOfAllLengthsAndAlphabets(t *testing.T) {
	t.Parallel()
	var printable []byte
	for c := byte('!'); c <= '~'; c++ {
		printable = append(printable, c)
	}
	for size := 2; size <= len(printable); size++ {
		alphabet := Alphabet(printable[:size])
		if fault := alphabetFault(alphabet); fault != "" {
			t.Fatalf("%d characters: %s", size, fault)
		}
		for length := MinLength; length <= MaxLength; length++ {
			d := sample()
			d.alphabet, d.length = alphabet, length
			if code := d.derive(codeKey); len(code) != length || strings.Trim(code, string(alphabet)) != "" {
				t.Errorf("%d of %d characters: %q", length, size, code)
			}
			if want := math.Pow(float64(size), float64(length)); alphabet.space(length) != want {
				t.Errorf("space %g, want %g", alphabet.space(length), want)
			}
		}
	}
}

func TestAlnumHoldsNoLookAlikes(t *testing.T) {
	t.Parallel()
	if len(alnumSet) != 57 || strings.ContainsAny(alnumSet, "IOl01") || alphabetFault(Alnum) != "" {
		t.Errorf("alphabet %q", alnumSet)
	}
}

// GHSA-rmmc-8cqj-hfp3 (otpauth): a single right digit was accepted.
func TestOnlyTheSameCodeIsTheSame(t *testing.T) {
	t.Parallel()
	for guess, want := range map[string]bool{"012345": true, "12345": false, "0123456": false, "": false, "012346": false, " 012345": false, "٠12345": false} {
		if sameCode("012345", guess) != want {
			t.Errorf("%q: not %v", guess, want)
		}
	}
}
