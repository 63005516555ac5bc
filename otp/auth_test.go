package otp

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// slowPasswords takes a second for each check, as measured by the test's own
// clock, and counts.
type slowPasswords struct {
	calls, running, most atomic.Int32
	fault                func() error
}

func (p *slowPasswords) Hash(password string) (string, error) { return "hash of " + password, nil }

func (p *slowPasswords) Verify(hash, password string) (bool, error) {
	p.calls.Add(1)
	n := p.running.Add(1)
	for most := p.most.Load(); n > most && !p.most.CompareAndSwap(most, n); most = p.most.Load() {
	}
	defer p.running.Add(-1)
	time.Sleep(time.Second) // of synctest's clock
	if p.fault != nil {
		if err := p.fault(); err != nil {
			return false, err
		}
	}
	return hash == "hash of "+password, nil
}

// doors is a service that only authenticates.
func doors(t *testing.T, p Passwords) *Service {
	t.Helper()
	r := detRing(t)
	keyed := func(kind CredentialType, id, key string) Credential {
		return Credential{Type: kind, Identity: id, Hash: r.HashKey(kind, id, key)}
	}
	d, err := NewDirectory([]Tenant{
		{Name: "acme", Credentials: []Credential{
			keyed(APIKey, "", "api"), keyed(UnityVox, "100", "one"), keyed(UnityVox, "100", "two"),
			{Type: DanaConnect, Identity: "demo", Hash: "hash of dana"},
			{Type: OAuth2, Identity: "demo", Hash: "hash of oauth", Scopes: []string{"x"}},
		}},
		{Name: "globex", Credentials: []Credential{{Type: Modica, Identity: "demo", Hash: "hash of modica"}, keyed(UnityVox, "200", "one")}},
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	s := New(Options{Ring: r, Passwords: p})
	s.SetDirectory(d)
	return s
}

func TestEachCredentialLetsItsOwnTenantIn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := doors(t, &slowPasswords{})
		for name, c := range map[string]struct {
			kind             CredentialType
			identity, secret string
			tenant           string // "" is refused
		}{
			"api key":              {APIKey, "", "api", "acme"},
			"wrong api key":        {APIKey, "", "apj", ""},
			"empty api key":        {APIKey, "", "", ""},
			"dana":                 {DanaConnect, "demo", "dana", "acme"},
			"dana, wrong":          {DanaConnect, "demo", "oauth", ""},
			"dana, empty":          {DanaConnect, "demo", "", ""},
			"dana, nobody":         {DanaConnect, "nobody", "dana", ""},
			"dana, no name":        {DanaConnect, "", "dana", ""},
			"oauth2":               {OAuth2, "demo", "oauth", "acme"},
			"modica, same name":    {Modica, "demo", "modica", "globex"},
			"modica, other's":      {Modica, "demo", "dana", ""},
			"unityvox":             {UnityVox, "100", "one", "acme"},
			"unityvox, second key": {UnityVox, "100", "two", "acme"},
			"unityvox, same key":   {UnityVox, "200", "one", "globex"},
			"unityvox, other's":    {UnityVox, "200", "two", ""},
			"unityvox, nobody":     {UnityVox, "300", "one", ""},
			"the hash is no key":   {APIKey, "", detRing(t).HashKey(APIKey, "", "api"), ""},
		} {
			caller, err := s.Authenticate(t.Context(), c.kind, c.identity, c.secret)
			if caller.Tenant != c.tenant || (err != nil) != (c.tenant == "") || err != nil && KindOf(err) != Unauthenticated {
				t.Errorf("%s: got %+v, %v", name, caller, err)
			}
		}
		if c, err := s.Vouch(t.Context(), OAuth2, "demo", ""); err != nil || c.Tenant != "acme" || !c.May("x") || c.May("y") {
			t.Errorf("got %+v, %v", c, err)
		}
		if _, err := s.Vouch(t.Context(), OAuth2, "gone", ""); KindOf(err) != Unauthenticated {
			t.Errorf("got %v", err)
		}
	})
}

func TestTwoPasswordsAtMostAreEvaluatedAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := &slowPasswords{}
		s := doors(t, p)
		began := time.Now()
		var callers sync.WaitGroup
		for i := range 10 {
			callers.Go(func() { _, _ = s.Authenticate(t.Context(), DanaConnect, "demo", fmt.Sprint(i)) })
		}
		callers.Wait()
		if took := time.Since(began); p.calls.Load() != 10 || p.most.Load() != 2 || took != 5*time.Second {
			t.Errorf("%d evaluations, %d at once, in %s", p.calls.Load(), p.most.Load(), took)
		}
	})
}

func TestCallsWithOnePasswordShareItsEvaluation(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := &slowPasswords{}
		s := doors(t, p)
		for round, c := range []struct {
			password string
			after    time.Duration
			calls    int32 // so far
			ok       bool
		}{
			{"dana", 0, 1, true}, {"dana", time.Hour, 1, true}, // verified ones are remembered
			{"wrong", 0, 2, false}, {"wrong", wrongRemembered, 2, false}, {"wrong", time.Microsecond, 3, false},
		} {
			time.Sleep(c.after)
			var callers sync.WaitGroup
			for range 20 {
				callers.Go(func() {
					if _, err := s.Authenticate(t.Context(), DanaConnect, "demo", c.password); (err == nil) != c.ok {
						t.Errorf("round %d: got %v", round, err)
					}
				})
			}
			callers.Wait()
			if n := p.calls.Load(); n != c.calls {
				t.Errorf("round %d: %d evaluations, want %d", round, n, c.calls)
			}
		}
	})
}

func TestUnknownPasswordsAreRefusedAfterTwentyWrongOnes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := &slowPasswords{}
		s := doors(t, p)
		try := func(kind CredentialType, password string) Kind {
			if _, err := s.Authenticate(t.Context(), kind, "demo", password); err != nil {
				return KindOf(err)
			}
			return Kind(99)
		}
		if try(DanaConnect, "dana") != Kind(99) {
			t.Fatal("the right password is refused")
		}
		for i := range 20 {
			if k := try(DanaConnect, fmt.Sprint(i)); k != Unauthenticated {
				t.Fatalf("wrong password %d: %s", i, k)
			}
		}
		if _, err := s.Authenticate(t.Context(), Modica, "demo", "another login"); KindOf(err) != Unauthenticated {
			t.Fatal(err)
		}
		evaluated := p.calls.Load()
		for password, want := range map[string]Kind{"new": Throttled, "0": Unauthenticated, "19": Unauthenticated, "dana": Kind(99)} {
			if k := try(DanaConnect, password); k != want {
				t.Errorf("%s: got %s, want %s", password, k, want)
			}
		}
		if p.calls.Load() != evaluated {
			t.Error("something was evaluated")
		}
		// The same name in another dialect is another login, here of another tenant.
		if k := try(Modica, "modica"); k != Kind(99) {
			t.Errorf("modica: %s", k)
		}
		time.Sleep(wrongRemembered)
		if k := try(DanaConnect, "new"); k != Unauthenticated {
			t.Errorf("a minute later: %s", k)
		}
	})
}

func TestFailingPasswordPortProvesNothingAndIsNotRemembered(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]func() error{
		"error": func() error { return errors.New("no memory") },
		"panic": func() error { panic("no memory") },
	} {
		synctest.Test(t, func(t *testing.T) {
			p := &slowPasswords{fault: fault}
			s := doors(t, p)
			for range 5 { // more than there are turns
				if _, err := s.Authenticate(t.Context(), DanaConnect, "demo", "dana"); err == nil || KindOf(err) != Internal {
					t.Errorf("%s: got %v", name, err)
				}
			}
			p.fault = nil
			if _, err := s.Authenticate(t.Context(), DanaConnect, "demo", "dana"); err != nil {
				t.Errorf("%s: afterwards %v", name, err)
			}
		})
	}
}

func TestCallerWhoLeavesIsAnsweredAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := doors(t, &slowPasswords{})
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		if _, err := s.Authenticate(ctx, DanaConnect, "demo", "dana"); KindOf(err) != Unavailable {
			t.Errorf("got %v", err)
		}
		time.Sleep(time.Second)
		if _, err := s.Authenticate(ctx, DanaConnect, "demo", "dana"); err != nil {
			t.Errorf("the evaluation was lost: %v", err)
		}
	})
}
