package otp

import (
	"fmt"
	"time"
)

// A guess at a verification that does not exist takes as long as a wrong one: a
// code is derived and compared, and as much is read and written: six small rows,
// which on SQLite cost what a wrong guess does. They are always the same few, so that nobody
// can fill the store, and stand for nothing.
const blankSlots = 64 // so that servers seldom wait for each other's

// blanks are the keys of those rows, under one ring.
type blanks struct {
	ring *Ring
	keys [3]Key
}

func (s *Service) blankKeys(ring *Ring) [3]Key {
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

// blank does that work.
func (g *guess) blank(now time.Time, st *State) {
	v := Verification{Spec: Spec{Purpose: Authenticate, Alphabet: Digits, Length: 6, KeyID: g.ring.current(UseCode, now).id}, Secret: make([]byte, 16)}
	code, err := g.ring.Code(&v)
	_ = err == nil && sameCode(code, g.code)
	keys := g.service.blankKeys(g.ring)
	for i, key := range keys {
		st.Counters.Put(key, Counter{Key: key, Value: now.UnixMicro()})
		if i > 0 {
			st.Destinations.Put(key, Destination{Key: key, Touched: now}.charged(now, v.space()))
		}
	}
	st.Handles.Put(keys[0], Handle{Key: keys[0]})
}
