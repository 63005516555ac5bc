package store

import (
	"encoding/binary"
	"time"

	"github.com/aldaba-otp/aldaba/otp"
)

// packer appends fields.
type packer []byte

func (p *packer) number(n int64)   { *p = binary.AppendVarint(*p, n) }
func (p *packer) time(t time.Time) { p.number(Micros(t)) }

func (p *packer) truth(b bool) {
	if b {
		*p = append(*p, 1)
	} else {
		*p = append(*p, 0)
	}
}

func (p *packer) bytes(b []byte) {
	*p = binary.AppendUvarint(*p, uint64(len(b)))
	*p = append(*p, b...)
}

func (p *packer) text(s string) {
	*p = binary.AppendUvarint(*p, uint64(len(s)))
	*p = append(*p, s...)
}

// unpacker reads fields; after the first error all of them are zero.
type unpacker struct {
	rest []byte
	err  error
}

func (u *unpacker) fail() { u.rest, u.err = nil, ErrCorrupt }

func (u *unpacker) version() {
	if len(u.rest) == 0 || u.rest[0] != packVersion {
		u.fail()
		return
	}
	u.rest = u.rest[1:]
}

func (u *unpacker) number() int64 {
	n, size := binary.Varint(u.rest)
	if size <= 0 {
		u.fail()
		return 0
	}
	u.rest = u.rest[size:]
	return n
}

func (u *unpacker) time() time.Time { return FromMicros(u.number()) }

func (u *unpacker) octet() byte {
	if len(u.rest) == 0 {
		u.fail()
		return 0
	}
	b := u.rest[0]
	u.rest = u.rest[1:]
	return b
}

func (u *unpacker) truth() bool { return u.octet() != 0 }

// more tells whether the value goes on: one from before a field was appended
// ends where that field would begin.
func (u *unpacker) more() bool { return len(u.rest) > 0 }

// count reads the length of a list; each entry takes at least a byte.
func (u *unpacker) count() int {
	n := u.number()
	if n < 0 || n > int64(len(u.rest)) {
		u.fail()
		return 0
	}
	return int(n)
}

// raw returns a part of the packed value itself.
func (u *unpacker) raw() []byte {
	n, size := binary.Uvarint(u.rest)
	if size <= 0 || n > uint64(len(u.rest)-size) {
		u.fail()
		return nil
	}
	b := u.rest[size : size+int(n)]
	u.rest = u.rest[size+int(n):]
	return b
}

func (u *unpacker) text() string { return string(u.raw()) }

func (u *unpacker) bytes() []byte {
	b := u.raw()
	if len(b) == 0 {
		return nil
	}
	return append([]byte(nil), b...)
}

// keyOrNone packs the zero key in a byte.
func (p *packer) keyOrNone(k otp.Key) {
	if k == (otp.Key{}) {
		p.bytes(nil)
	} else {
		p.bytes(k[:])
	}
}

func (u *unpacker) keyOrNone() otp.Key {
	if len(u.rest) > 0 && u.rest[0] == 0 {
		u.rest = u.rest[1:]
		return otp.Key{}
	}
	return u.key()
}

func (u *unpacker) key() (k otp.Key) {
	b := u.raw()
	if len(b) != len(k) {
		u.fail()
		return otp.Key{}
	}
	copy(k[:], b)
	return k
}
