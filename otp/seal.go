package otp

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"
)

// errSealed says that a sealed value is damaged, moved to another record, or
// made by a key that the ring does not hold.
var errSealed = errors.New("a sealed value cannot be opened with this key ring")

// seal encrypts plain with AES-256-GCM under a key of its own record: derived
// from the ring's seal key and the record's name, so that a random nonce is
// safe for any number of records and a value cannot be moved to another one.
// The result is key id, nonce, ciphertext.
func (r *Ring) seal(now time.Time, random io.Reader, name string, plain []byte) ([]byte, error) {
	k := r.current(UseSeal, now)
	aead, err := recordCipher(k.mac, name)
	if err != nil {
		return nil, err
	}
	out := make([]byte, 4+aead.NonceSize(), 4+aead.NonceSize()+len(plain)+aead.Overhead())
	binary.BigEndian.PutUint32(out, k.id)
	if _, err := io.ReadFull(random, out[4:]); err != nil {
		return nil, fmt.Errorf("draw a nonce: %w", err)
	}
	return aead.Seal(out, out[4:], plain, []byte(name)), nil //nolint:gosec // the nonce was drawn just above
}

// open is the inverse of seal.
func (r *Ring) open(name string, sealed []byte) ([]byte, error) {
	if len(sealed) < 16 {
		return nil, errSealed
	}
	k, ok := r.byID(UseSeal, binary.BigEndian.Uint32(sealed))
	if !ok {
		return nil, errSealed
	}
	aead, err := recordCipher(k.mac, name)
	if err != nil {
		return nil, err
	}
	plain, err := aead.Open(nil, sealed[4:16], sealed[16:], []byte(name))
	if err != nil {
		return nil, errSealed
	}
	return plain, nil
}

func recordCipher(key *keyed, name string) (cipher.AEAD, error) {
	h := key.take()
	defer key.give(h)
	h.begin("aldaba seal v1 ")
	h.text = append(h.text, name...)
	block, err := aes.NewCipher(h.done())
	if err != nil {
		return nil, fmt.Errorf("seal: %w", err)
	}
	return cipher.NewGCM(block)
}

// sealJSON seals a value's JSON form.
func (r *Ring) sealJSON(now time.Time, random io.Reader, name string, value any) ([]byte, error) {
	plain, err := json.Marshal(value)
	if err != nil {
		return nil, fmt.Errorf("seal: %w", err)
	}
	return r.seal(now, random, name, plain)
}

// openJSON is the inverse of sealJSON.
func (r *Ring) openJSON(name string, sealed []byte, into any) error {
	plain, err := r.open(name, sealed)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(plain, into); err != nil {
		return fmt.Errorf("%w: %w", errSealed, err)
	}
	return nil
}
