package otp

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
)

// Permutation maps the numbers 1 to 2^31-1 onto themselves under a key, so
// that a counter can be shown without its neighbours being guessable
// (DANAConnect's idRequest).
type Permutation struct{ block cipher.Block }

// Permutation returns the one that belongs to a tenant. It never changes.
func (r *Ring) Permutation(tenant string) (*Permutation, error) {
	sum := r.mac("permutation", tenant)
	block, err := aes.NewCipher(sum[:])
	if err != nil {
		return nil, err
	}
	return &Permutation{block}, nil
}

const feistelRounds = 8

// Shuffle maps n, which must lie in 1 to 2^31-1. It is a Feistel network over
// 32 bits that is walked until it falls into the range again (Black and
// Rogaway, "Ciphers with arbitrary finite domains", 2002): two walks on average.
func (p *Permutation) Shuffle(n int64) int64 {
	for {
		left, right := uint16(n>>16), uint16(n)
		for round := range feistelRounds {
			left, right = right, left^p.round(round, right)
		}
		if n = int64(left)<<16 | int64(right); inRange(n) {
			return n
		}
	}
}

// Restore is the inverse of Shuffle.
func (p *Permutation) Restore(n int64) int64 {
	for {
		left, right := uint16(n>>16), uint16(n)
		for round := feistelRounds - 1; round >= 0; round-- {
			left, right = right^p.round(round, left), left
		}
		if n = int64(left)<<16 | int64(right); inRange(n) {
			return n
		}
	}
}

func inRange(n int64) bool { return n >= 1 && n <= 1<<31-1 }

func (p *Permutation) round(round int, half uint16) uint16 {
	var b [aes.BlockSize]byte
	b[0] = byte(round)
	binary.BigEndian.PutUint16(b[1:], half)
	p.block.Encrypt(b[:], b[:])
	return binary.BigEndian.Uint16(b[:])
}
