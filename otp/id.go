package otp

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"time"
)

// ID names a record that has a time of birth: a verification, a message, a
// server. It is a UUID of version 7 (RFC 9562 section 5.7): 48 bits of Unix
// milliseconds, then 74 random bits, so that records born together lie
// together on disk and a neighbour still cannot be guessed.
type ID [16]byte

// Key names a record that is found by something from outside, such as an
// address or an idempotency key. It is the first half of an HMAC-SHA-256
// under the ring's index key, so that a stolen table tells nothing.
type Key [16]byte

// newID draws an ID born at now.
func newID(now time.Time, random io.Reader) (ID, error) {
	var id ID
	if _, err := io.ReadFull(random, id[6:]); err != nil {
		return ID{}, fmt.Errorf("draw an id: %w", err)
	}
	id.stamp(now)
	return id, nil
}

// stamp writes the time, version and variant fields.
func (id *ID) stamp(t time.Time) {
	var ms [8]byte
	binary.BigEndian.PutUint64(ms[:], uint64(max(t.UnixMilli(), 0)))
	copy(id[:6], ms[2:])
	id[6] = id[6]&0x0f | 0x70
	id[8] = id[8]&0x3f | 0x80
}

// FirstID returns the smallest ID that can be born at t. It serves as a border
// in scans over time: every ID below it is older.
func FirstID(t time.Time) ID {
	var id ID
	id.stamp(t)
	return id
}

// Born returns the millisecond at which the ID was drawn, in UTC.
func (id ID) Born() time.Time {
	var ms [8]byte
	copy(ms[2:], id[:6])
	return time.UnixMilli(int64(binary.BigEndian.Uint64(ms[:]))).UTC()
}

// IsZero reports whether the ID names nothing.
func (id ID) IsZero() bool { return id == ID{} }

// String returns the 36 character form with dashes, in lower case.
func (id ID) String() string {
	var b [36]byte
	hex.Encode(b[0:8], id[0:4])
	hex.Encode(b[9:13], id[4:6])
	hex.Encode(b[14:18], id[6:8])
	hex.Encode(b[19:23], id[8:10])
	hex.Encode(b[24:36], id[10:16])
	b[8], b[13], b[18], b[23] = '-', '-', '-', '-'
	return string(b[:])
}

// Hex returns the 32 hexadecimal digits without dashes.
func (id ID) Hex() string { return hex.EncodeToString(id[:]) }

// ParseID reads the form with dashes, in either case. It accepts any UUID, so
// that an ID which was never drawn here is simply unknown.
func ParseID(s string) (ID, bool) {
	if len(s) != 36 || s[8] != '-' || s[13] != '-' || s[18] != '-' || s[23] != '-' {
		return ID{}, false
	}
	return ParseHex(s[0:8] + s[9:13] + s[14:18] + s[19:23] + s[24:36])
}

// ParseHex reads the 32 digits without dashes, in either case.
func ParseHex(s string) (ID, bool) {
	var id ID
	if len(s) != 32 {
		return ID{}, false
	}
	if _, err := hex.Decode(id[:], []byte(s)); err != nil {
		return ID{}, false
	}
	return id, true
}
