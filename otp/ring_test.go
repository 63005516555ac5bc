package otp

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"strings"
	"sync"
	"testing"
	"time"
)

// realRing is drawn once: RSA keys take their time.
var realRing = sync.OnceValues(func() (*Ring, error) { return NewRing(noon, rand.Reader) })

func drawn(t *testing.T) *Ring {
	t.Helper()
	r, err := realRing()
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestRingComesBackFromItsFile(t *testing.T) {
	t.Parallel()
	r := drawn(t)
	data, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	back, err := ParseRing(data)
	if err != nil {
		t.Fatal(err)
	}
	id, key := r.SigningKey(noon)
	public, ok := back.VerificationKey(id)
	if again, _ := json.Marshal(back); !bytes.Equal(data, again) || back.Fingerprint() != r.Fingerprint() || !ok || !public.Equal(&key.PublicKey) {
		t.Errorf("the ring changed on its way")
	}
	if _, ok := back.VerificationKey("00000000"); ok {
		t.Error("an unknown signing key was found")
	}
	if infos := r.Keys(); len(infos) != 4 || strings.Contains(infos[0].ID, " ") {
		t.Errorf("keys %v", infos)
	}
}

func TestRotatedKeyTakesOverAfterAMinuteOrAtOnce(t *testing.T) {
	t.Parallel()
	r := drawn(t)
	for _, c := range []struct {
		atOnce    bool
		wait      time.Duration
		takesOver bool
	}{
		{false, 0, false}, {false, time.Minute - 1, false}, {false, time.Minute + time.Second, true}, {true, 0, true},
	} {
		next, err := r.Rotate(noon, rand.Reader, c.atOnce, UseCode, UseSeal)
		if err != nil {
			t.Fatal(err)
		}
		for _, use := range []Use{UseCode, UseSeal} {
			before, now := r.current(use, noon), next.current(use, noon.Add(c.wait))
			if changed := before.id != now.id; changed != c.takesOver {
				t.Errorf("%s at once %v, after %s: new key in use %v", use, c.atOnce, c.wait, changed)
			}
			if _, ok := next.byID(use, before.id); !ok {
				t.Errorf("the old key for %s is gone", use)
			}
		}
		if next.Fingerprint() != r.Fingerprint() || len(r.Keys()) != 4 || len(next.Keys()) != 6 {
			t.Error("the fingerprint or the old ring changed")
		}
	}
}

func TestIndexAndUnknownKeysDoNotRotate(t *testing.T) {
	t.Parallel()
	for _, use := range []Use{UseIndex, "", "letters"} {
		if _, err := drawn(t).Rotate(noon, rand.Reader, true, use); err == nil {
			t.Errorf("a key for %q was rotated", use)
		}
	}
}

func TestCurrentKeyIsTheYoungestThatHasBegun(t *testing.T) {
	t.Parallel()
	r := &Ring{keys: []ringKey{
		{id: 3, use: UseCode, from: noon.Add(time.Hour), secret: []byte("c")},
		{id: 1, use: UseCode, from: noon.Add(-time.Hour), secret: []byte("a")},
		{id: 2, use: UseCode, from: noon, secret: []byte("b")},
		{id: 9, use: UseSeal, from: noon, secret: []byte("s")},
		{id: 9, use: UseSign, from: noon, secret: []byte("s")},
		{id: 9, use: UseIndex, from: noon, secret: []byte("s")},
	}}
	r, err := r.ready()
	if err != nil {
		t.Fatal(err)
	}
	for after, want := range map[time.Duration]uint32{-2 * time.Hour: 1, -time.Hour: 1, -1: 1, 0: 2, time.Hour - 1: 2, time.Hour: 3} {
		if got := r.current(UseCode, noon.Add(after)).id; got != want {
			t.Errorf("at %s: key %d, want %d", after, got, want)
		}
	}
}

func TestBrokenRingFilesAreRefusedWithoutTheirSecrets(t *testing.T) {
	t.Parallel()
	good, err := json.Marshal(drawn(t))
	if err != nil {
		t.Fatal(err)
	}
	edit := func(change func(f *ringFile)) string {
		var f ringFile
		if err := json.Unmarshal(good, &f); err != nil {
			t.Fatal(err)
		}
		change(&f)
		data, _ := json.Marshal(f)
		return string(data)
	}
	const secret = "c2VjcmV0" // "secret"
	at := func(use Use, f *ringFile) *ringFileKey {
		for i := range f.Keys {
			if f.Keys[i].Use == use {
				return &f.Keys[i]
			}
		}
		return nil
	}
	for name, data := range map[string]string{
		"empty": "", "no object": "[]", "cut": string(good[:len(good)/2]), "trailing": string(good) + "x",
		"version":       edit(func(f *ringFile) { f.Version = 2 }),
		"no keys":       edit(func(f *ringFile) { f.Keys = nil }),
		"a use lacks":   edit(func(f *ringFile) { f.Keys = f.Keys[1:] }),
		"two indexes":   edit(func(f *ringFile) { k := *at(UseIndex, f); k.ID = "0000aaaa"; f.Keys = append(f.Keys, k) }),
		"id twice":      edit(func(f *ringFile) { f.Keys = append(f.Keys, *at(UseCode, f)) }),
		"bad id":        edit(func(f *ringFile) { at(UseCode, f).ID = "xyz" }),
		"short id":      edit(func(f *ringFile) { at(UseCode, f).ID = "aabb" }),
		"bad use":       edit(func(f *ringFile) { at(UseCode, f).Use = "other" }),
		"no base64":     edit(func(f *ringFile) { at(UseSeal, f).Secret = "%%%" }),
		"short secret":  edit(func(f *ringFile) { at(UseSeal, f).Secret = secret }),
		"no PKCS #8":    edit(func(f *ringFile) { at(UseSign, f).Secret = secret }),
		"sign is a key": edit(func(f *ringFile) { at(UseSign, f).Secret = at(UseCode, f).Secret }),
	} {
		if r, err := ParseRing([]byte(data)); err == nil || r != nil || strings.Contains(err.Error(), secret) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestRingNeedsRandomness(t *testing.T) {
	t.Parallel()
	if _, err := NewRing(noon, bytes.NewReader(nil)); err == nil {
		t.Error("a ring was drawn of nothing")
	}
	if _, err := drawn(t).Rotate(noon, bytes.NewReader(nil), true, UseCode); err == nil {
		t.Error("a key was drawn of nothing")
	}
	if _, err := drawn(t).seal(noon, bytes.NewReader(nil), "x", nil); err == nil {
		t.Error("a nonce was drawn of nothing")
	}
}

func TestLookUpKeysKeepTheirPartsApart(t *testing.T) {
	t.Parallel()
	r := detRing(t)
	seen := map[Key][]string{}
	for _, parts := range [][]string{{"d", "ab", "c"}, {"d", "a", "bc"}, {"d", "abc"}, {"d", "abc", ""}, {"da", "bc"}, {"d", "", "abc"}} {
		k := r.lookup(parts[0], parts[1:]...)
		if other, twice := seen[k]; twice {
			t.Errorf("%q and %q share a key", other, parts)
		}
		seen[k] = parts
	}
}

func TestSealedValueOpensOnlyInItsPlace(t *testing.T) {
	t.Parallel()
	r := detRing(t)
	sealed, err := r.seal(noon, rand.Reader, "letter 1", []byte("secret text"))
	if err != nil {
		t.Fatal(err)
	}
	if plain, err := r.open("letter 1", sealed); err != nil || string(plain) != "secret text" || bytes.Contains(sealed, plain) {
		t.Fatalf("got %q, %v", plain, err)
	}
	if again, _ := r.seal(noon, rand.Reader, "letter 1", []byte("secret text")); bytes.Equal(again, sealed) {
		t.Error("two seals of one text are equal")
	}
	if _, err := r.open("letter 2", sealed); err == nil {
		t.Error("it opened in another record")
	}
	if _, err := drawn(t).open("letter 1", sealed); err == nil {
		t.Error("it opened with another ring")
	}
	for i := range sealed {
		for bit := range 8 {
			bad := bytes.Clone(sealed)
			bad[i] ^= 1 << bit
			if _, err := r.open("letter 1", bad); err == nil {
				t.Fatalf("it opened with bit %d of byte %d turned", bit, i)
			}
		}
		if _, err := r.open("letter 1", sealed[:i]); err == nil {
			t.Fatalf("it opened after %d bytes", i)
		}
	}
	rotated := &Ring{keys: append([]ringKey{{id: 77, use: UseSeal, from: noon, secret: bytes.Repeat([]byte{9}, 32)}}, r.keys...)}
	if rotated, err = rotated.ready(); err != nil {
		t.Fatal(err)
	}
	if plain, err := rotated.open("letter 1", sealed); err != nil || string(plain) != "secret text" {
		t.Errorf("after a rotation: %q, %v", plain, err)
	}
	if err := r.openJSON("letter 1", sealed, &struct{}{}); err == nil {
		t.Error("what is no JSON was read as such")
	}
}

func TestARingWithABrokenKeyIsNone(t *testing.T) {
	t.Parallel()
	good, err := json.Marshal(drawn(t))
	if err != nil {
		t.Fatal(err)
	}
	for name, breaks := range map[string]func(*ringFile){
		"another version":  func(f *ringFile) { f.Version = 2 },
		"an id of 3 bytes": func(f *ringFile) { f.Keys[0].ID = f.Keys[0].ID[:6] },
		"an unknown use": func(f *ringFile) {
			f.Keys = append(f.Keys, ringFileKey{ID: "00000001", Use: "letters", Secret: f.Keys[0].Secret})
		},
		"no base64": func(f *ringFile) { f.Keys = append(f.Keys, ringFileKey{ID: "00000001", Use: UseCode, Secret: "!"}) },
		"a short secret": func(f *ringFile) {
			f.Keys = append(f.Keys, ringFileKey{ID: "00000001", Use: UseCode, Secret: "c2hvcnQ="})
		},
		"no key to sign": func(f *ringFile) {
			f.Keys = append(f.Keys, ringFileKey{ID: "00000001", Use: UseSign, Secret: "c2hvcnQ="})
		},
		"no key for a use":  func(f *ringFile) { f.Keys = f.Keys[1:] },
		"an id given twice": func(f *ringFile) { f.Keys = append(f.Keys, f.Keys[0]) },
	} {
		var f ringFile
		if err := json.Unmarshal(good, &f); err != nil {
			t.Fatal(err)
		}
		breaks(&f)
		broken, err := json.Marshal(f)
		if err != nil {
			t.Fatal(err)
		}
		if r, err := ParseRing(broken); err == nil {
			t.Errorf("%s: the keys are %v", name, r.Keys())
		}
	}
}

// What is named alike in two domains, or is cut otherwise, has two keys.
func TestKeysOfRowsKeepTheirDomainsApart(t *testing.T) {
	t.Parallel()
	r := detRing(t)
	seen := map[Key]string{}
	for name, key := range map[string]Key{
		"domain a": r.lookup("a", "x", "y"), "domain b": r.lookup("b", "x", "y"), "cut otherwise": r.lookup("a", "xy", ""), "one part": r.lookup("a", "xy"),
		"domain and part": r.lookup("ax", "y"),
	} {
		if other, ok := seen[key]; ok {
			t.Errorf("%s and %s have one key", name, other)
		}
		seen[key] = name
	}
}
