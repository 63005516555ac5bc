// Package password turns passwords into argon2id hashes (RFC 9106) in PHC string form and compares passwords with them.
//
// It has no cache, no queue and no limit on how many hashes are computed at once, although each takes 19 MiB and tens of
// milliseconds: that is the caller's. It sets no rule for what a good password is.
package password

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strings"

	"golang.org/x/crypto/argon2"
)

// What Hash uses: a choice of the OWASP Password Storage Cheat Sheet, with the sizes of RFC 9106.
const (
	memoryKiB = 19456
	passes    = 2
	lanes     = 1
	saltBytes = 16
	tagBytes  = 32
)

// The most that Verify lets a hash ask for, so that a forged one cannot exhaust the server.
const (
	maxMemoryKiB = 256 << 10
	maxPasses    = 10
	maxLanes     = 4
	maxBytes     = 64 // of salt, and of tag
	minSalt      = 8  // RFC 9106 section 3.1
	minTag       = 16 // 128 bits, the strength of the salt
	maxText      = 256
)

// ErrFormat is returned for a string that is no argon2id PHC string of version 19, or asks for more than 256 MiB, 10
// passes or 4 lanes. It never holds any part of the string.
var ErrFormat = errors.New("password: not an argon2id hash within bounds")

// Hasher makes hashes with salt from Rand. The zero Hasher uses crypto/rand.
type Hasher struct {
	Rand io.Reader
}

// Hash returns a PHC string of the password with a fresh 16-byte salt: "$argon2id$v=19$m=19456,t=2,p=1$SALT$TAG". Its
// only error is that of the source of randomness.
func Hash(password string) (string, error) {
	return Hasher{}.Hash(password)
}

// Hash does what the function of this name does, with salt from h.Rand.
func (h Hasher) Hash(password string) (string, error) {
	source := h.Rand
	if source == nil {
		source = rand.Reader //nolint:forbidigo // the default of the field
	}
	p := phc{memory: memoryKiB, passes: passes, lanes: lanes, salt: make([]byte, saltBytes)}
	if _, err := io.ReadFull(source, p.salt); err != nil {
		return "", fmt.Errorf("password: read salt: %w", err)
	}
	p.tag = p.compute(password, tagBytes)
	return p.String(), nil
}

// Verify reports whether password is the one that hash was made of. Tags are compared in constant time; the time as a
// whole depends on the parameters in hash. The error is ErrFormat for a hash that it cannot read, returned at once.
func Verify(hash, password string) (bool, error) {
	p, err := parse(hash)
	if err != nil {
		return false, err
	}
	got := p.compute(password, len(p.tag))
	return subtle.ConstantTimeCompare(got, p.tag) == 1, nil
}

// Valid reports whether Verify can read hash. It computes nothing.
func Valid(hash string) bool {
	_, err := parse(hash)
	return err == nil
}

// phc is a PHC string in parts.
type phc struct {
	memory, passes uint32 // KiB, count
	lanes          uint8
	salt, tag      []byte
}

func (p phc) compute(password string, size int) []byte {
	return argon2.IDKey([]byte(password), p.salt, p.passes, p.memory, p.lanes, uint32(size))
}

// String returns the only spelling of p that parse takes.
func (p phc) String() string {
	b64 := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, p.memory, p.passes, p.lanes,
		b64.EncodeToString(p.salt), b64.EncodeToString(p.tag))
}

// parse reads a PHC string. It is strict by writing what it understood and comparing: signs, leading zeros, white space,
// padding and loose base64 all differ.
func parse(hash string) (phc, error) {
	var p phc
	fields := strings.SplitN(hash, "$", 7)
	if len(hash) > maxText || len(fields) != 6 {
		return phc{}, ErrFormat
	}
	if _, err := fmt.Sscanf(fields[3], "m=%d,t=%d,p=%d", &p.memory, &p.passes, &p.lanes); err != nil {
		return phc{}, ErrFormat
	}
	var saltErr, tagErr error
	p.salt, saltErr = base64.RawStdEncoding.DecodeString(fields[4])
	p.tag, tagErr = base64.RawStdEncoding.DecodeString(fields[5])
	if saltErr != nil || tagErr != nil || !p.bounded() || p.String() != hash {
		return phc{}, ErrFormat
	}
	return p, nil
}

func (p phc) bounded() bool {
	return p.lanes >= 1 && p.lanes <= maxLanes &&
		p.passes >= 1 && p.passes <= maxPasses &&
		p.memory >= 8*uint32(p.lanes) && p.memory <= maxMemoryKiB &&
		len(p.salt) >= minSalt && len(p.salt) <= maxBytes &&
		len(p.tag) >= minTag && len(p.tag) <= maxBytes
}
