package otp

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"hash"
	"sync"
)

// keyed is HMAC-SHA-256 under one key, for many callers. To make one costs more
// than to hash what this package hashes, so those that were used are used again.
type keyed struct {
	key  []byte
	free sync.Pool // of *hasher
}

// hasher hashes one text at a time.
type hasher struct {
	mac  hash.Hash
	text []byte
	sum  [sha256.Size]byte
}

// take returns a hasher with an empty text. It is given back after use.
func (k *keyed) take() *hasher {
	h, ok := k.free.Get().(*hasher)
	if !ok {
		h = &hasher{mac: hmac.New(sha256.New, k.key), text: make([]byte, 0, 192)}
	}
	return h
}

// give takes a hasher back without what it hashed, which may be secret.
func (k *keyed) give(h *hasher) {
	h.begin("")
	clear(h.sum[:])
	k.free.Put(h)
}

// begin begins another text.
func (h *hasher) begin(with string) {
	clear(h.text)
	h.text = append(h.text[:0], with...)
}

func (h *hasher) number(n uint32) { h.text = binary.BigEndian.AppendUint32(h.text, n) }

// part adds a text behind its length, so that no two lists of parts spell the
// same.
func (h *hasher) part(p string) {
	h.number(uint32(len(p)))
	h.text = append(h.text, p...)
}

// done hashes the text. The sum is good until the next one or give.
func (h *hasher) done() []byte {
	h.mac.Reset()
	h.mac.Write(h.text)
	return h.mac.Sum(h.sum[:0])
}
