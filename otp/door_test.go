package otp

import (
	"context"
	"fmt"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"
)

var (
	homeNet   = netip.MustParseAddr("10.1.2.3")
	elsewhere = netip.MustParseAddr("203.0.113.9")
)

// gates is a service whose credentials have bounds.
func gates(t *testing.T) *Service {
	t.Helper()
	r := detRing(t)
	now := time.Now()
	api := func(key string, change func(*Credential)) Credential {
		c := Credential{Type: APIKey, Hash: r.HashKey(APIKey, "", key), Name: key}
		change(&c)
		return c
	}
	private := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("2001:db8::/32")}
	d, err := NewDirectory([]Tenant{{Name: "acme", Credentials: []Credential{
		api("plain", func(*Credential) {}),
		api("ends", func(c *Credential) { c.Expires = now.Add(time.Hour) }),
		api("home", func(c *Credential) { c.From = private }),
		api("revoked", func(c *Credential) { c.Revoked = now }),
		{Type: OAuth2, Identity: "demo", Hash: "hash of old", Expires: now.Add(time.Hour), Origin: OriginCommand},
		{Type: OAuth2, Identity: "demo", Hash: "hash of new", Origin: OriginCommand},
		{Type: OAuth2, Identity: "demo", Hash: "hash of gone", Revoked: now, Origin: OriginCommand},
	}}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	s := New(Options{Ring: r, Passwords: &slowPasswords{}})
	s.SetDirectory(d)
	return s
}

func from(t *testing.T, a netip.Addr) context.Context {
	t.Helper()
	return WithSource(t.Context(), a)
}

// TestCredentialsAreGoodWithinTheirBoundsOnly covers T51: expired, revoked and
// shown from elsewhere are the one answer that an unknown one gets.
func TestCredentialsAreGoodWithinTheirBoundsOnly(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := gates(t)
		unknown := func() error {
			_, err := s.Authenticate(from(t, elsewhere), APIKey, "", "nobody's")
			return err
		}()
		check := func(name string, ctx context.Context, kind CredentialType, identity, secret string, good bool) {
			t.Helper()
			_, err := s.Authenticate(ctx, kind, identity, secret)
			if (err == nil) != good || err != nil && err.Error() != unknown.Error() {
				t.Errorf("%s: %v", name, err)
			}
		}
		check("plain", from(t, elsewhere), APIKey, "", "plain", true)
		check("revoked", from(t, elsewhere), APIKey, "", "revoked", false)
		check("its network", from(t, homeNet), APIKey, "", "home", true)
		check("its network, mapped", from(t, netip.MustParseAddr("::ffff:10.1.2.3")), APIKey, "", "home", true)
		check("its network, six", from(t, netip.MustParseAddr("2001:db8::1")), APIKey, "", "home", true)
		check("the last of its network", from(t, netip.MustParseAddr("10.255.255.255")), APIKey, "", "home", true)
		check("one past its network", from(t, netip.MustParseAddr("11.0.0.0")), APIKey, "", "home", false)
		check("a source nobody can tell", from(t, netip.Addr{}), APIKey, "", "home", false)
		check("no source", t.Context(), APIKey, "", "home", false)
		check("the old secret", from(t, elsewhere), OAuth2, "demo", "old", true)
		check("the new secret", from(t, elsewhere), OAuth2, "demo", "new", true)
		check("the revoked secret", from(t, elsewhere), OAuth2, "demo", "gone", false)
		time.Sleep(time.Hour - 10*time.Second) // the passwords above took 5 s
		check("just before its end", from(t, elsewhere), APIKey, "", "ends", true)
		time.Sleep(6 * time.Second)
		check("after its end", from(t, elsewhere), APIKey, "", "ends", false)
		check("the old secret after its end", from(t, elsewhere), OAuth2, "demo", "old", false)
		check("the new secret then", from(t, elsewhere), OAuth2, "demo", "new", true)
	})
}

func TestACredentialEndsAtItsExpiry(t *testing.T) {
	t.Parallel()
	end := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	c := Credential{Expires: end}
	if !c.admits(homeNet, end.Add(-1)) || c.admits(homeNet, end) {
		t.Error("it is good before its expiry and not at it")
	}
}

// TestATokenDiesWithItsSecret: revoking one secret of a client voids the tokens
// that were issued for it, and no others.
func TestATokenDiesWithItsSecret(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := gates(t)
		marks := map[string]string{}
		for _, secret := range []string{"old", "new"} {
			c, err := s.Authenticate(from(t, elsewhere), OAuth2, "demo", secret)
			if err != nil {
				t.Fatal(err)
			}
			marks[secret] = c.Credential
		}
		if marks["old"] == marks["new"] {
			t.Fatal("two secrets have one mark")
		}
		time.Sleep(time.Hour)
		for mark, good := range map[string]bool{marks["old"]: false, marks["new"]: true, "": true, "0000": false} {
			if _, err := s.Vouch(from(t, elsewhere), OAuth2, "demo", mark); (err == nil) != good {
				t.Errorf("%q: %v", mark, err)
			}
		}
	})
}

// TestGuessersOfCredentialsWait covers the brute force of T51.
func TestGuessersOfCredentialsWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := gates(t)
		guesser := netip.MustParseAddr("2001:db8:1:2::1")
		neighbour := netip.MustParseAddr("2001:db8:1:2:ffff::9")
		ask := func(a netip.Addr, key string) Kind {
			_, err := s.Authenticate(from(t, a), APIKey, "", key)
			if err == nil {
				return Kind(99)
			}
			return KindOf(err)
		}
		if k := ask(neighbour, "plain"); k != Kind(99) {
			t.Fatalf("the right key: %v", k)
		}
		for i := range failuresAllowed {
			for range 3 { // a repeated one is no guess
				if k := ask(guesser, fmt.Sprint("guess ", i)); k != Unauthenticated && i < failuresAllowed-1 {
					t.Fatalf("guess %d: %v", i, k)
				}
			}
		}
		for name, c := range map[string]struct {
			a    netip.Addr
			key  string
			want Kind
		}{
			"one more":                        {guesser, "guess x", Throttled},
			"one that was wrong before":       {guesser, "guess 0", Throttled},
			"a right one, without evaluation": {guesser, "home", Throttled},
			"the same network":                {neighbour, "guess x", Throttled},
			"known good from there":           {neighbour, "plain", Kind(99)},
			"another source, right":           {netip.MustParseAddr("2001:db8:1:3::1"), "home", Kind(99)},
			"another source, wrong":           {elsewhere, "guess x", Unauthenticated},
		} {
			if k := ask(c.a, c.key); k != c.want {
				t.Errorf("%s: %v", name, k)
			}
		}
		_, err := s.Authenticate(from(t, guesser), APIKey, "", "guess x")
		if e := AsError(err); e.Rule != "wrong_credentials_per_source" || e.RetryAfter != failuresWindow {
			t.Errorf("%+v", e)
		}
		time.Sleep(failuresWindow - time.Nanosecond)
		if k := ask(guesser, "home"); k != Throttled {
			t.Errorf("just before the end of the window: %v", k)
		}
		time.Sleep(time.Nanosecond)
		if k := ask(guesser, "home"); k != Kind(99) {
			t.Errorf("after the window: %v", k)
		}
		if len(s.sources.sources) > 1 { // elsewhere's is kept until it is asked about
			t.Errorf("%d sources are remembered", len(s.sources.sources))
		}
	})
}

func TestTheMemoryOfGuessersIsBounded(t *testing.T) {
	t.Parallel()
	var g SourceGuard
	now := time.Now()
	for i := range sourcesKept + 100 {
		a := netip.AddrFrom4([4]byte{byte(i >> 24), byte(i >> 16), byte(i >> 8), byte(i)})
		if !g.Failed(a, now, "x") {
			t.Fatal("a first wrong credential does not count")
		}
	}
	if len(g.sources) != sourcesKept || g.count.Load() != sourcesKept {
		t.Errorf("%d sources are kept", len(g.sources))
	}
}

// TestStrangersCannotLockALoginOut: who has shown the right password keeps his
// tries, however many wrong ones come from elsewhere.
func TestStrangersCannotLockALoginOut(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := doors(t, &slowPasswords{})
		if _, err := s.Authenticate(from(t, homeNet), DanaConnect, "demo", "dana"); err != nil {
			t.Fatal(err)
		}
		for i := range 3 * wrongAllowed {
			stranger := netip.AddrFrom4([4]byte{198, 51, 100, byte(i)})
			_, _ = s.Authenticate(from(t, stranger), DanaConnect, "demo", fmt.Sprint("guess ", i))
		}
		if _, err := s.Authenticate(from(t, elsewhere), DanaConnect, "demo", "next"); KindOf(err) != Throttled {
			t.Errorf("a stranger's guess is answered %v", err)
		}
		s.guard.mu.Lock()
		clear(s.guard.verified) // as if it had been forgotten
		s.guard.mu.Unlock()
		if _, err := s.Authenticate(from(t, homeNet), DanaConnect, "demo", "dana"); err != nil {
			t.Errorf("the right password from where it was right before: %v", err)
		}
	})
}

func TestAnIdentityHasFewPasswordsAndManyKeys(t *testing.T) {
	t.Parallel()
	list := func(kind CredentialType, n, revoked int) (all []Credential) {
		for i := range n {
			c := Credential{Type: kind, Identity: "demo", Hash: fmt.Sprint("hash ", i)}
			if i < revoked {
				c.Revoked = time.Now()
			}
			all = append(all, c)
		}
		return all
	}
	for name, c := range map[string]struct {
		all  []Credential
		good bool
	}{
		"as many passwords as may be": {list(Modica, samePasswords, 0), true},
		"one past":                    {list(Modica, samePasswords+1, 0), false},
		"one past, one revoked":       {list(Modica, samePasswords+1, 1), true},
		"keys":                        {list(UnityVox, 9, 0), true},
	} {
		if _, err := NewDirectory([]Tenant{{Name: "acme", Credentials: c.all}}, nil); (err == nil) != c.good {
			t.Errorf("%s: %v", name, err)
		}
	}
	other := []Tenant{{Name: "acme", Credentials: list(Modica, 1, 0)}, {Name: "globex", Credentials: list(Modica, 1, 0)}}
	if _, err := NewDirectory(other, nil); err == nil {
		t.Error("two tenants share an identity")
	}
}
