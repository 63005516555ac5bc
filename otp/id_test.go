package otp

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"strings"
	"testing"
	"time"
)

var noon = time.Date(2026, 1, 31, 12, 0, 0, 123_456_000, time.UTC)

func TestIDHasTheLayoutOfRFC9562(t *testing.T) {
	t.Parallel()
	// RFC 9562 appendix A.6: 2022-02-22T19:22:22Z, rand_a CC3, rand_b 18C4DC0C0C07398F.
	random := []byte{0x0c, 0xc3, 0x18, 0xc4, 0xdc, 0x0c, 0x0c, 0x07, 0x39, 0x8f}
	id, err := newID(time.UnixMilli(0x017F22E279B0), bytes.NewReader(random))
	if err != nil || id.String() != "017f22e2-79b0-7cc3-98c4-dc0c0c07398f" {
		t.Errorf("got %s, %v", id, err)
	}
}

func TestIDIsVersion7WhateverIsDrawn(t *testing.T) {
	t.Parallel()
	for _, b := range []byte{0x00, 0x55, 0xff} {
		id, err := newID(noon, bytes.NewReader(bytes.Repeat([]byte{b}, 10)))
		if err != nil || id[6]>>4 != 7 || id[8]>>6 != 2 || !id.Born().Equal(noon.Truncate(time.Millisecond)) {
			t.Errorf("%x: got %s, %v, born %s", b, id, err, id.Born())
		}
	}
}

func TestIDNeedsRandomness(t *testing.T) {
	t.Parallel()
	if _, err := newID(noon, bytes.NewReader(make([]byte, 9))); err == nil {
		t.Error("an id was made of too few random bytes")
	}
}

func TestIDsAreInOrderOfTheirBirth(t *testing.T) {
	t.Parallel()
	var before ID
	for i := range 1000 {
		at := noon.Add(time.Duration(i) * time.Millisecond)
		id, _ := newID(at, rand.Reader)
		first := FirstID(at)
		if bytes.Compare(before[:], first[:]) >= 0 || bytes.Compare(first[:], id[:]) > 0 {
			t.Fatalf("%s, border %s, %s are out of order", before, first, id)
		}
		before = id
	}
}

func TestIDBeforeTheEpochIsBornAtTheEpoch(t *testing.T) {
	t.Parallel()
	if born := FirstID(time.Unix(-5, 0)).Born(); born.UnixMilli() != 0 {
		t.Errorf("born %s", born)
	}
}

func TestOnlyTheFormOfAnIDIsParsed(t *testing.T) {
	t.Parallel()
	const good = "017f22e2-79b0-7cc3-98c4-dc0c0c07398f"
	for text, want := range map[string]bool{
		good: true, strings.ToUpper(good): true, "00000000-0000-0000-0000-000000000000": true,
		"": false, good[:35]: false, good + "0": false, "{" + good + "}": false,
		strings.ReplaceAll(good, "-", ""):       false,
		"017f22e27-9b0-7cc3-98c4-dc0c0c07398f":  false,
		"017f22e2-79b0-7cc3-98c4-dc0c0c07398g":  false,
		"017f22e2-79b0-7cc3-98c4-dc0c0c0739-8f": false,
		"017f22e2_79b0_7cc3_98c4_dc0c0c07398f":  false,
	} {
		id, ok := ParseID(text)
		if ok != want || ok && id.String() != strings.ToLower(text) {
			t.Errorf("%q: got %s, %v", text, id, ok)
		}
	}
	if id, ok := ParseHex("017F22E279B07CC398C4DC0C0C07398F"); !ok || id.String() != good || id.Hex() != "017f22e279b07cc398c4dc0c0c07398f" {
		t.Errorf("got %s, %v", id, ok)
	}
	if _, ok := ParseHex(good); ok {
		t.Error("dashes were read as digits")
	}
}

func FuzzParseID(f *testing.F) {
	f.Add("017f22e2-79b0-7cc3-98c4-dc0c0c07398f")
	f.Add("017F22E279B07CC398C4DC0C0C07398F")
	f.Fuzz(func(t *testing.T, s string) {
		if id, ok := ParseID(s); ok && id.String() != strings.ToLower(s) {
			t.Errorf("%q became %s", s, id)
		}
		if id, ok := ParseHex(s); ok && id.Hex() != strings.ToLower(s) {
			t.Errorf("%q became %s", s, id.Hex())
		}
	})
}

// detRing is a ring whose keys are the same in each run; it signs nothing.
func detRing(t testing.TB) *Ring {
	t.Helper()
	r := &Ring{}
	for i, use := range Uses() {
		r.keys = append(r.keys, ringKey{id: uint32(i + 1), use: use, from: noon.Add(-time.Hour), secret: bytes.Repeat([]byte{byte(i + 1)}, 32)})
	}
	r, err := r.ready()
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestPermutationMapsTheRangeOntoItself(t *testing.T) {
	t.Parallel()
	p, err := detRing(t).Permutation("acme")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[int64]int64{}
	check := func(n int64) {
		m := p.Shuffle(n)
		if other, twice := seen[m]; twice || m < 1 || m > 1<<31-1 || p.Restore(m) != n {
			t.Fatalf("%d becomes %d (also of %d), restored %d", n, m, other, p.Restore(m))
		}
		seen[m] = n
	}
	for n := int64(1); n <= 20_000; n++ {
		check(n)
		check(1<<31 - n)
	}
}

func TestPermutationHidesNeighboursAndDiffersByTenant(t *testing.T) {
	t.Parallel()
	r := detRing(t)
	a, _ := r.Permutation("acme")
	again, _ := r.Permutation("acme")
	b, _ := r.Permutation("globex")
	equal, near := 0, 0
	for n := int64(1); n <= 10_000; n++ {
		if a.Shuffle(n) != again.Shuffle(n) {
			t.Fatal("a tenant's permutation changed")
		}
		if a.Shuffle(n) == b.Shuffle(n) {
			equal++
		}
		if d := a.Shuffle(n+1) - a.Shuffle(n); d > -1000 && d < 1000 {
			near++
		}
	}
	if equal > 2 || near > 10 {
		t.Errorf("%d of 10000 are equal for two tenants, %d neighbours stay near", equal, near)
	}
}

func FuzzPermutation(f *testing.F) {
	f.Add([]byte{0, 0, 0, 1}, "acme")
	f.Fuzz(func(t *testing.T, b []byte, tenant string) {
		if len(b) < 4 {
			return
		}
		n := int64(binary.BigEndian.Uint32(b) & (1<<31 - 1))
		if n == 0 {
			return
		}
		p, err := detRing(t).Permutation(tenant)
		if err != nil {
			t.Fatal(err)
		}
		if m := p.Shuffle(n); !inRange(m) || p.Restore(m) != n {
			t.Errorf("%d becomes %d and %d", n, m, p.Restore(m))
		}
	})
}
