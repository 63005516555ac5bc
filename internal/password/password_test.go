package password

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
)

// cheap is "secret" under m=64,t=1,p=1, so that tests of the form cost nothing.
func cheap(tb testing.TB) string {
	tb.Helper()
	p := phc{memory: 64, passes: 1, lanes: 1, salt: []byte("0123456789abcdef")}
	p.tag = p.compute("secret", tagBytes)
	return p.String()
}

func TestOnlyTheSamePasswordVerifies(t *testing.T) {
	t.Parallel()
	hash, err := Hash("contraseña")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(hash, "$argon2id$v=19$m=19456,t=2,p=1$") || !Valid(hash) {
		t.Fatalf("Hash = %q", hash)
	}
	for password, want := range map[string]bool{"contraseña": true, "contrasena": false, "": false, "contraseña ": false} {
		if got, err := Verify(hash, password); err != nil || got != want {
			t.Errorf("Verify(%q) = %v, %v; want %v", password, got, err, want)
		}
	}
}

func TestEachHashHasItsOwnSalt(t *testing.T) {
	t.Parallel()
	a, errA := Hash("secret")
	b, errB := Hash("secret")
	if errA != nil || errB != nil || a == b {
		t.Errorf("Hash = %q, %v and %q, %v", a, errA, b, errB)
	}
}

func TestHashNeedsAWholeSalt(t *testing.T) {
	t.Parallel()
	h := Hasher{Rand: bytes.NewReader(make([]byte, saltBytes-1))}
	if hash, err := h.Hash("secret"); hash != "" || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("Hash = %q, %v", hash, err)
	}
}

// TestHashesOfOtherToolsVerify uses two vectors of the reference implementation (phc-winner-argon2, src/test.c).
func TestHashesOfOtherToolsVerify(t *testing.T) {
	t.Parallel()
	const reference = "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4"
	const lanes2 = "$argon2id$v=19$m=256,t=2,p=2$c29tZXNhbHQ$bQk8UB/VmZZF4Oo79iDXuL5/0ttZwg2f/5U52iv1cDc"
	for _, hash := range []string{reference, lanes2} {
		right, err := Verify(hash, "password")
		wrong, _ := Verify(hash, "Password")
		if !right || err != nil || wrong {
			t.Errorf("Verify(%q) = %v, %v; wrong one %v", hash, right, err, wrong)
		}
	}
}

func TestStringsOutOfFormOrBoundsAreRefused(t *testing.T) {
	t.Parallel()
	good := cheap(t)
	swap := func(from, to string) string { return strings.Replace(good, from, to, 1) }
	tests := map[string]string{
		"empty":           "",
		"plain text":      "secret",
		"bcrypt":          "$2b$10$abcdefghijklmnopqrstuv",
		"argon2i":         swap("argon2id", "argon2i"),
		"old version":     swap("v=19", "v=16"),
		"no version":      swap("$v=19", ""),
		"memory over":     swap("m=64", "m=262145"),
		"memory overflow": swap("m=64", "m=4294967360"),
		"memory under":    swap("m=64", "m=7"),
		"no passes":       swap("t=1", "t=0"),
		"passes over":     swap("t=1", "t=11"),
		"no lanes":        swap("p=1", "p=0"),
		"lanes over":      swap("p=1", "p=5"),
		"lanes overflow":  swap("p=1", "p=257"),
		"sign":            swap("m=64", "m=+64"),
		"leading zero":    swap("m=64", "m=064"),
		"space":           swap("m=64", "m= 64"),
		"order":           swap("m=64,t=1", "t=1,m=64"),
		"key id":          swap("p=1", "p=1,keyid=x"),
		"short salt":      swap("MDEyMzQ1Njc4OWFiY2RlZg", "MDEy"),
		"short tag":       good[:len(good)-30],
		"long salt":       swap("MDEy", strings.Repeat("MDEy", 20)),
		"padding":         good + "=",
		"line end":        good + "\n",
		"line in tag":     good[:len(good)-4] + "\n" + good[len(good)-4:],
		"trailing field":  good + "$",
		"thousands":       good + strings.Repeat("A", 5000),
		"leading junk":    "x" + good,
		"URL alphabet":    swap("MDEyMzQ1", "MDEy-_Q1"),
	}
	for name, hash := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if ok, err := Verify(hash, "secret"); ok || !errors.Is(err, ErrFormat) || Valid(hash) {
				t.Errorf("Verify(%q) = %v, %v; Valid %v", hash, ok, err, Valid(hash))
			}
		})
	}
	if ok, err := Verify(good, "secret"); !ok || err != nil {
		t.Errorf("Verify(%q) = %v, %v", good, ok, err)
	}
}

func FuzzValid(f *testing.F) {
	f.Add(cheap(f))
	f.Add("$argon2id$v=19$m=262144,t=10,p=4$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4")
	f.Fuzz(func(t *testing.T, hash string) {
		p, err := parse(hash)
		if err != nil {
			return
		}
		if !p.bounded() || p.String() != hash {
			t.Fatalf("parse(%q) = %+v", hash, p)
		}
	})
}

func BenchmarkVerify(b *testing.B) {
	hash, err := Hash("secret")
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		_, _ = Verify(hash, "secret")
	}
}
