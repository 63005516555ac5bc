package otp

import (
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// TestUnknownLoginsTakeAsLongAsWrongPasswords: nothing that a stranger can see
// or time tells a login that exists from one that does not.
func TestUnknownLoginsTakeAsLongAsWrongPasswords(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := doors(t, &slowPasswords{})
		took := func(identity, password string) string {
			began := time.Now()
			_, err := s.Authenticate(t.Context(), DanaConnect, identity, password)
			return fmt.Sprint(time.Since(began), " ", err)
		}
		var all [2][]string
		for i, identity := range []string{"demo", "nobody"} {
			for n := range 22 { // the last two are beyond what is looked at
				all[i] = append(all[i], took(identity, fmt.Sprint("wrong ", n)))
			}
			all[i] = append(all[i], took(identity, "wrong 0")) // remembered
			time.Sleep(2 * wrongRemembered)
			all[i] = append(all[i], took(identity, "wrong 0"))
		}
		for n := range all[0] {
			if all[0][n] != all[1][n] {
				t.Errorf("try %d: %q, and of an unknown login %q", n, all[0][n], all[1][n])
			}
		}
		if all[0][0] != "1s "+errCredentials.Error() || all[0][21] == all[0][0] {
			t.Errorf("a wrong password is answered %q, the last one %q", all[0][0], all[0][21])
		}
	})
}

// TestUnknownLoginsCostLittle: beyond a number of evaluations a minute, names
// that nobody has are answered at the same time and cost nothing; who has a
// login is never behind them; what is remembered of them is bounded.
func TestUnknownLoginsCostLittle(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := &slowPasswords{}
		s := doors(t, p)
		if _, err := s.Authenticate(t.Context(), DanaConnect, "nobody", "dana"); KindOf(err) != Unauthenticated {
			t.Fatalf("the password of somebody else lets a stranger in: %v", err)
		}
		var callers sync.WaitGroup
		for i := range 3000 {
			callers.Go(func() {
				if _, err := s.Authenticate(t.Context(), DanaConnect, fmt.Sprint("name ", i), "x"); KindOf(err) != Unauthenticated {
					t.Errorf("name %d: %v", i, err)
				}
			})
		}
		synctest.Wait()
		began := time.Now()
		if _, err := s.Authenticate(t.Context(), DanaConnect, "demo", "dana"); err != nil || time.Since(began) != time.Second {
			t.Errorf("the owner is answered %v after %s", err, time.Since(began))
		}
		callers.Wait()
		minutes := int32(time.Since(began)/time.Minute) + 2
		if n := p.calls.Load() - 1; n > minutes*strangersEvaluated {
			t.Errorf("%d evaluations for strangers in %d minutes", n, minutes)
		}
		if n := len(s.strangers.logins); n > 3000 {
			t.Errorf("%d names are remembered while they wait", n)
		}
		for i := range 100 { // those of before are let go as others come
			_, _ = s.Authenticate(t.Context(), DanaConnect, fmt.Sprint("later ", i), "x")
		}
		if n := len(s.strangers.logins); n > strangersKnown {
			t.Errorf("%d names are remembered", n)
		}
	})
}

// TestNobodyIsFeignedWithoutPasswords: where no login has a password there is
// nothing to hide.
func TestNobodyIsFeignedWithoutPasswords(t *testing.T) {
	t.Parallel()
	p := &slowPasswords{}
	s := New(Options{Ring: detRing(t), Passwords: p})
	if _, err := s.Authenticate(t.Context(), Modica, "nobody", "x"); KindOf(err) != Unauthenticated || p.calls.Load() != 0 {
		t.Errorf("%v after %d evaluations", err, p.calls.Load())
	}
}
