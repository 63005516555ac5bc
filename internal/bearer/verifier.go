package bearer

import (
	"crypto/rsa"
	"crypto/sha256"
	"slices"
	"sync"
	"time"
)

// remembered is how many verified tokens a Verifier keeps.
const remembered = 4096

// Verifier verifies tokens and remembers the valid ones, for the same few come
// with every request and a signature costs more than the rest of it. It may be
// used from many goroutines.
type Verifier struct {
	keys Keys
	now  func() time.Time

	mu    sync.RWMutex
	known map[[sha256.Size]byte]verdict
}

// verdict is what was found about a token. It holds only as long as the key is
// still honoured under its id.
type verdict struct {
	claims Claims
	kid    string
	key    *rsa.PublicKey
}

// NewVerifier returns a Verifier with nothing remembered; a nil clock is
// time.Now.
func NewVerifier(keys Keys, now func() time.Time) *Verifier {
	if now == nil {
		now = time.Now //nolint:forbidigo // the default
	}
	return &Verifier{keys: keys, now: now, known: map[[sha256.Size]byte]verdict{}}
}

// Verify does what the function Verify does, now. A token is forgotten when it
// expires or its key is withdrawn.
func (v *Verifier) Verify(token string) (Claims, error) {
	if len(token) > maxToken {
		return Claims{}, ErrInvalid
	}
	sum, now := sha256.Sum256([]byte(token)), v.now()
	v.mu.RLock()
	found, ok := v.known[sum]
	v.mu.RUnlock()
	if ok {
		if found.claims.validAt(now) && v.honoured(found) {
			return found.copy(), nil
		}
		v.forget(sum)
	}
	found, err := verify(v.keys, token, now)
	if err != nil {
		return Claims{}, err
	}
	v.remember(sum, found, now)
	return found.copy(), nil
}

func (v *Verifier) honoured(found verdict) bool {
	key, ok := v.keys.VerificationKey(found.kid)
	return ok && key != nil && (key == found.key || key.Equal(found.key))
}

// copy keeps callers from writing into what is remembered.
func (d verdict) copy() Claims {
	c := d.claims
	c.Scope = slices.Clone(c.Scope)
	return c
}

func (v *Verifier) forget(sum [sha256.Size]byte) {
	v.mu.Lock()
	defer v.mu.Unlock()
	delete(v.known, sum)
}

// remember keeps the bound by looking at a few others, which a map yields in
// random order: the expired ones go, or else one that is still good.
func (v *Verifier) remember(sum [sha256.Size]byte, fresh verdict, now time.Time) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if len(v.known) >= remembered {
		looked := 0
		for other, d := range v.known {
			looked++
			if last := looked == 16; last && len(v.known) >= remembered || !d.claims.validAt(now) {
				delete(v.known, other)
			}
			if looked == 16 {
				break
			}
		}
	}
	v.known[sum] = fresh
}
