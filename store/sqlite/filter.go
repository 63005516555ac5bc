package sqlite

import (
	"encoding/binary"

	"zombiezen.com/go/sqlite"

	"github.com/aldaba-otp/aldaba/otp"
)

// Most starts are for numbers without a record, and to learn from the file that a
// key is absent costs as much as reading it. So the engine keeps a Bloom filter of
// the destinations that the file has: a key that it does not hold is absent, one
// that it holds is looked up.
const (
	filterBits = 1 << 23 // 1 MiB
	// filterKeys is how many keys it takes: then one in forty absent ones is looked
	// up in vain. For a file with more destinations there is no filter.
	filterKeys = 1 << 20
	// surveyed is how many keys are read from the file at once.
	surveyed = 1 << 14
)

// filter holds at least all keys of destinations in the file, once it is whole. A
// deleted one stays in it. The engine's lock guards it.
type filter struct {
	bits  []uint64 // nil while nothing was begun
	keys  int      // in it
	whole bool     // all keys that the file had when it was begun were added
}

// absent tells for certain that the file has no such destination, or nothing.
func (f *filter) absent(key otp.Key) bool { return f.whole && !f.has(key) }

// has tells whether all bits of a key stand. A key is a digest, so its own bits are
// as good as those of a hash.
func (f *filter) has(key otp.Key) bool {
	for i := 0; i < len(key); i += 4 {
		bit := binary.LittleEndian.Uint32(key[i:]) % filterBits
		if f.bits[bit/64]&(1<<(bit%64)) == 0 {
			return false
		}
	}
	return true
}

func (f *filter) add(key otp.Key) {
	if f.bits == nil || f.has(key) {
		return
	}
	f.keys++
	for i := 0; i < len(key); i += 4 {
		bit := binary.LittleEndian.Uint32(key[i:]) % filterBits
		f.bits[bit/64] |= 1 << (bit % 64)
	}
}

// begin empties the filter and takes in what is on its way to the file.
func (f *filter) begin(layers []rows[otp.Key, otp.Destination]) {
	*f = filter{bits: make([]uint64, filterBits/64)}
	for _, layer := range layers {
		for key := range layer {
			f.add(key)
		}
	}
}

// survey is how far the file was read for the filter.
type survey struct {
	begun, over bool
	last        []byte // the key that was read last
}

// further reads some more keys from the file into the engine's filter, until it is
// whole. It begins again when deleted keys may have filled it.
func (s *survey) further(e *Engine, c *conn) error {
	e.mu.Lock()
	full, whole := e.places.keys > filterKeys, e.places.whole
	switch {
	case s.begun && full && !whole: // the file alone has too many
		e.places, s.over = filter{}, true
	case !s.over && (!s.begun || full):
		e.places.begin(layers(e, destinationsOf))
		s.begun, s.last, whole = true, nil, false
	}
	e.mu.Unlock()
	if s.over || whole {
		return nil
	}
	keys, err := c.destinationKeys(s.last, surveyed)
	if err != nil {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, key := range keys {
		e.places.add(key)
		s.last = append(s.last[:0], key[:]...)
	}
	e.places.whole = len(keys) < surveyed
	return nil
}

// destinationKeys lists some keys behind one.
func (c *conn) destinationKeys(after []byte, limit int) (keys []otp.Key, err error) {
	err = c.rows("SELECT key FROM destination WHERE key > ? ORDER BY key LIMIT ?", func(s *sqlite.Stmt) {
		s.BindBytes(1, after)
		bindLimit(s, 2, limit)
	}, func(s *sqlite.Stmt) error {
		var key otp.Key
		err := fixed(s, 0, key[:])
		keys = append(keys, key)
		return err
	})
	return keys, err
}
