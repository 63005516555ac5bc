package otp

import (
	"context"
	"encoding/binary"
	"sync"
	"time"
)

// A login that nobody has takes as long as one with a wrong password: the
// password is held against the hash of some other login, and the result is
// thrown away. It has a guard of its own, so that strangers never stand before
// those who have a login, and evaluations of its own, which are few: what is
// beyond them waits as long as one has taken lately and costs nothing.
const (
	strangersEvaluated = 100 // a minute, over all logins that nobody has
	strangersKnown     = 1000
	strangersTimes     = 16 // of the last evaluations, from which the waits are drawn
	strangersLongest   = time.Second
)

// strangers implements [Passwords] for logins that nobody has: none is right.
type strangers struct {
	Passwords

	now func() time.Time

	mu     sync.Mutex
	minute int64
	spent  int // evaluations of this minute
	took   []time.Duration
	next   int // of took, for the next note and the next wait
}

func newStrangerGuard(p Passwords, now func() time.Time) *passwordGuard {
	g := newPasswordGuard(&strangers{Passwords: p, now: now}, now)
	g.most = strangersKnown
	return g
}

// Verify implements [Passwords].
func (s *strangers) Verify(hash, password string) (bool, error) {
	wait, evaluate := s.turn()
	if !evaluate {
		<-time.After(wait)
		return false, nil
	}
	began := s.now()
	_, err := s.Passwords.Verify(hash, password)
	s.note(s.now().Sub(began))
	return false, err
}

// turn tells whether one more may be evaluated, else how long to wait.
func (s *strangers) turn() (wait time.Duration, evaluate bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if minute := s.now().Unix() / 60; minute != s.minute {
		s.minute, s.spent = minute, 0
	}
	if s.spent < strangersEvaluated || len(s.took) == 0 {
		s.spent++
		return 0, true
	}
	s.next++
	return s.took[s.next%len(s.took)], false
}

func (s *strangers) note(took time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	took = min(max(took, 0), strangersLongest) // the clock may have been set in between
	if s.next++; len(s.took) < strangersTimes {
		s.took = append(s.took, took)
		return
	}
	s.took[s.next%strangersTimes] = took
}

// feign takes the time of a wrong password for a login that nobody has, or has
// here and now. Errors: those of a wrong password that is not looked at.
func (s *Service) feign(ctx context.Context, kind CredentialType, identity, password string) error {
	hashes := s.Directory().hashes
	if len(hashes) == 0 { // then nobody has a password
		return nil
	}
	// The same name has the same hash; who does not have the ring cannot tell which.
	mark := s.Ring().lookup("stranger", string(kind), identity)
	hash := hashes[binary.BigEndian.Uint64(mark[:8])%uint64(len(hashes))]
	_, err := s.strangers.verify(ctx, string(kind)+" "+identity, hash, password)
	return err
}
