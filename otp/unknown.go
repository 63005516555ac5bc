package otp

import (
	"fmt"
	"time"
)

// A guess at a verification that does not exist takes as long as a wrong one: codes
// are derived and compared, and as much is read and written: six small rows,
// which on SQLite cost what a wrong guess does. They are always the same few, so that nobody
// can fill the store, and stand for nothing. Somebody else's verification was read,
// and its address locked, before it turned out to be none of the caller's; for it
// there is less of both. The numbers were tuned with T50 on one machine, on both
// engines, where another tenant's id took some 20 us longer than nobody's before.
const (
	blankRows   = 3 // counters, and one destination less, beside a handle
	othersRows  = 2
	blankCodes  = 8
	othersCodes = 1
)

const blankSlots = 64 // so that servers seldom wait for each other's

// blanks are the keys of those rows, under one ring.
type blanks struct {
	ring *Ring
	keys [blankRows]Key
}

func (s *Service) blankKeys(ring *Ring) [blankRows]Key {
	if b := s.blanks.Load(); b != nil && b.ring == ring {
		return b.keys
	}
	slot := fmt.Sprint(s.o.Server[len(ID{})-1] % blankSlots)
	b := &blanks{ring: ring}
	for i := range b.keys {
		b.keys[i] = ring.lookup("blank", slot, fmt.Sprint(i))
	}
	s.blanks.Store(b)
	return b.keys
}

// blank does that work; others tells that the verification is somebody else's.
func (g *guess) blank(now time.Time, st *State, others bool) {
	rows, codes := blankRows, blankCodes
	if others {
		rows, codes = othersRows, othersCodes
	}
	v := Verification{Spec: Spec{Purpose: Authenticate, Alphabet: Digits, Length: 6, KeyID: g.ring.current(UseCode, now).id}, Secret: make([]byte, 16)}
	for range codes {
		code, err := g.ring.Code(&v)
		_ = err == nil && sameCode(code, g.code)
	}
	keys := g.service.blankKeys(g.ring)
	for i, key := range keys[:rows] {
		st.Counters.Put(key, Counter{Key: key, Value: now.UnixMicro()})
		if i > 0 {
			st.Destinations.Put(key, Destination{Key: key, Touched: now}.charged(now, v.space()))
		}
	}
	st.Handles.Put(keys[0], Handle{Key: keys[0]})
}
