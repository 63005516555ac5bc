package otp

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"
)

// Use tells what a key of the ring is for.
type Use string

// The uses of keys. Index never rotates, since it finds addresses, API keys
// and handles again; the others do.
const (
	UseCode  Use = "code"  // derives codes
	UseSeal  Use = "seal"  // encrypts addresses and letters at rest
	UseSign  Use = "sign"  // RSA key of access tokens (RS256); that of receipts is derived from it
	UseIndex Use = "index" // look-up keys and the permutation of DANAConnect's numbers
)

// Uses lists every use.
func Uses() []Use { return []Use{UseCode, UseSeal, UseSign, UseIndex} }

// rotationDelay is how long a rotated key waits before servers use it, so that
// each of them has read the file by then.
const rotationDelay = time.Minute

// Ring holds the keys that live outside of the database. It is immutable:
// Rotate returns another ring.
type Ring struct {
	keys  []ringKey
	index *keyed
}

// ringKey is one key. From is when it begins to be used for new records; older
// keys of the same use stay for what they made.
type ringKey struct {
	id     uint32
	use    Use
	from   time.Time
	secret []byte // 32 bytes, or PKCS #8 of an RSA key for sign
	mac    *keyed // under secret
	sign   *rsa.PrivateKey
	attest ed25519.PrivateKey // derived from a sign key
}

// ringFile is the form on disk.
type ringFile struct {
	Version int           `json:"version"`
	Keys    []ringFileKey `json:"keys"`
}

type ringFileKey struct {
	ID     string    `json:"id"`
	Use    Use       `json:"use"`
	From   time.Time `json:"from"`
	Secret string    `json:"secret"`
}

// NewRing draws a ring with one key of each use, valid at once.
func NewRing(now time.Time, random io.Reader) (*Ring, error) {
	r := &Ring{}
	for _, use := range Uses() {
		k, err := drawKey(use, now, random)
		if err != nil {
			return nil, err
		}
		r.keys = append(r.keys, k)
	}
	return r.ready()
}

// drawKey makes one key.
func drawKey(use Use, from time.Time, random io.Reader) (ringKey, error) {
	var raw [36]byte
	if _, err := io.ReadFull(random, raw[:]); err != nil {
		return ringKey{}, fmt.Errorf("draw a key: %w", err)
	}
	k := ringKey{id: binary.BigEndian.Uint32(raw[:4]) | 1, use: use, from: from.UTC().Truncate(time.Second), secret: raw[4:]}
	if use != UseSign {
		return k, nil
	}
	var err error
	if k.sign, err = rsa.GenerateKey(rand.Reader, 2048); err != nil { //nolint:forbidigo // the standard library ignores any other source
		return ringKey{}, fmt.Errorf("draw a signing key: %w", err)
	}
	k.secret, err = x509.MarshalPKCS8PrivateKey(k.sign)
	k.attest = attestKey(k.secret)
	return k, err
}

// ParseRing reads the form that [Ring.MarshalJSON] writes.
func ParseRing(data []byte) (*Ring, error) {
	var f ringFile
	if err := json.Unmarshal(data, &f); err != nil || f.Version != 1 {
		return nil, errors.New("the key ring is not a file made by `aldaba key generate`")
	}
	r := &Ring{}
	for _, fk := range f.Keys {
		k, err := fk.parse()
		if err != nil {
			return nil, err
		}
		r.keys = append(r.keys, k)
	}
	return r.ready()
}

func (fk ringFileKey) parse() (ringKey, error) {
	id, err := hex.DecodeString(fk.ID)
	if err != nil || len(id) != 4 {
		return ringKey{}, fmt.Errorf("key ring: %q is no key id", fk.ID)
	}
	k := ringKey{id: binary.BigEndian.Uint32(id), use: fk.Use, from: fk.From}
	if !slices.Contains(Uses(), fk.Use) {
		return ringKey{}, fmt.Errorf("key ring: key %s has an unknown use %q", fk.ID, fk.Use)
	}
	if k.secret, err = base64.StdEncoding.DecodeString(fk.Secret); err != nil {
		return ringKey{}, fmt.Errorf("key ring: the secret of key %s is not base64", fk.ID)
	}
	if fk.Use != UseSign {
		if len(k.secret) != 32 {
			return ringKey{}, fmt.Errorf("key ring: the secret of key %s is not 32 bytes", fk.ID)
		}
		return k, nil
	}
	parsed, err := x509.ParsePKCS8PrivateKey(k.secret)
	if err != nil {
		return ringKey{}, fmt.Errorf("key ring: key %s is no PKCS #8 key", fk.ID)
	}
	var ok bool
	if k.sign, ok = parsed.(*rsa.PrivateKey); !ok {
		return ringKey{}, fmt.Errorf("key ring: key %s is no RSA key", fk.ID)
	}
	k.attest = attestKey(k.secret)
	return k, nil
}

// ready checks the ring and orders it by age.
func (r *Ring) ready() (*Ring, error) {
	slices.SortStableFunc(r.keys, func(a, b ringKey) int { return a.from.Compare(b.from) })
	for _, use := range Uses() {
		ids := map[uint32]bool{}
		n := 0
		for _, k := range r.keys {
			if k.use != use {
				continue
			}
			if n++; ids[k.id] {
				return nil, fmt.Errorf("key ring: two keys for %q are named %s", use, k.name())
			}
			ids[k.id] = true
		}
		if n == 0 || use == UseIndex && n > 1 {
			return nil, fmt.Errorf("key ring: it has %d keys for %q", n, use)
		}
	}
	for i := range r.keys {
		r.keys[i].mac = &keyed{key: r.keys[i].secret}
	}
	r.index = r.current(UseIndex, time.Time{}).mac
	return r, nil
}

// MarshalJSON writes the form on disk. It holds the secrets.
func (r *Ring) MarshalJSON() ([]byte, error) {
	f := ringFile{Version: 1}
	for _, k := range r.keys {
		f.Keys = append(f.Keys, ringFileKey{k.name(), k.use, k.from, base64.StdEncoding.EncodeToString(k.secret)})
	}
	return json.MarshalIndent(f, "", "  ")
}

func (k ringKey) name() string { return fmt.Sprintf("%08x", k.id) }

// Rotate returns a ring with one more key of each given use, which takes over
// a minute from now, or at once.
func (r *Ring) Rotate(now time.Time, random io.Reader, atOnce bool, uses ...Use) (*Ring, error) {
	next := &Ring{keys: slices.Clone(r.keys)}
	from := now.Add(rotationDelay + time.Second - 1) // cut to seconds later
	if atOnce {
		from = now
	}
	for _, use := range uses {
		if use == UseIndex || !slices.Contains(Uses(), use) {
			return nil, fmt.Errorf("a key for %q cannot be rotated; code, seal and sign can", use)
		}
		k, err := drawKey(use, from, random)
		if err != nil {
			return nil, err
		}
		next.keys = append(next.keys, k)
	}
	return next.ready()
}

// KeyInfo is what may be shown of a key.
type KeyInfo struct {
	ID   string    `json:"id"`
	Use  Use       `json:"use"`
	From time.Time `json:"from"`
}

// Keys lists the ring without its secrets, oldest first.
func (r *Ring) Keys() []KeyInfo {
	var all []KeyInfo
	for _, k := range r.keys {
		all = append(all, KeyInfo{k.name(), k.use, k.from})
	}
	return all
}

// Fingerprint names the ring by its index key. The database keeps it, so that
// a server with another ring is refused.
func (r *Ring) Fingerprint() string {
	k := r.lookup("ring fingerprint")
	return hex.EncodeToString(k[:])
}

// current returns the key in use at now: the youngest that has begun, or the
// oldest when none has.
func (r *Ring) current(use Use, now time.Time) ringKey {
	var found ringKey
	for _, k := range r.keys {
		if k.use == use && (found.secret == nil || !k.from.After(now)) {
			found = k
		}
	}
	return found
}

func (r *Ring) byID(use Use, id uint32) (ringKey, bool) {
	for _, k := range r.keys {
		if k.use == use && k.id == id {
			return k, true
		}
	}
	return ringKey{}, false
}

// SigningKey returns the id and key that sign access tokens at now.
func (r *Ring) SigningKey(now time.Time) (string, *rsa.PrivateKey) {
	k := r.current(UseSign, now)
	return k.name(), k.sign
}

// VerificationKey returns the public key of a signing key by its id.
func (r *Ring) VerificationKey(id string) (*rsa.PublicKey, bool) {
	for _, k := range r.keys {
		if k.use == UseSign && k.name() == id {
			return &k.sign.PublicKey, true
		}
	}
	return nil, false
}

// mac is HMAC-SHA-256 under the index key over a domain and its parts, each
// behind its length.
func (r *Ring) mac(domain string, parts ...string) [sha256.Size]byte {
	h := r.index.take()
	defer r.index.give(h)
	h.begin("aldaba index v1 ")
	h.part(domain)
	for _, p := range parts {
		h.part(p)
	}
	return [sha256.Size]byte(h.done())
}

// lookup is the first half of mac: a [Key] that tells nothing of its parts.
func (r *Ring) lookup(domain string, parts ...string) Key {
	sum := r.mac(domain, parts...)
	return Key(sum[:16])
}
