package store

import (
	"encoding/binary"
	"errors"
	"testing"
)

// TestACountIsOfWhatIsThere: each entry of a list takes a byte, so that a damaged
// value costs no memory.
func TestACountIsOfWhatIsThere(t *testing.T) {
	t.Parallel()
	for n, want := range map[int64]int{0: 0, 2: 2, 3: 3, 4: 0, -1: 0, 1 << 62: 0} {
		u := unpacker{rest: append(binary.AppendVarint(nil, n), 1, 2, 3)}
		if got := u.count(); got != want || (u.err != nil) != (want != int(n)) {
			t.Errorf("%d of 3: %d, %v", n, got, u.err)
		}
	}
	for what, rest := range map[string][]byte{"no key": {3, 1, 2, 3}, "a number that ends": {0x80}, "a part above the rest": {4, 1, 2, 3}, "nothing": {}} {
		u := unpacker{rest: rest}
		if key := u.key(); !errors.Is(u.err, ErrCorrupt) || key != [16]byte{} {
			t.Errorf("%s: %v, %v", what, key, u.err)
		}
	}
	for what, read := range map[string]func(*unpacker){
		"a number": func(u *unpacker) { u.number() }, "a time": func(u *unpacker) { u.time() }, "a count": func(u *unpacker) { u.count() },
	} {
		u := unpacker{rest: []byte{0x80}}
		if read(&u); !errors.Is(u.err, ErrCorrupt) || u.more() {
			t.Errorf("%s that ends: %v", what, u.err)
		}
	}
}
