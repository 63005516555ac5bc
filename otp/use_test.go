package otp_test

import (
	"testing"
	"time"

	"github.com/aldaba-otp/aldaba/otp"
	"github.com/aldaba-otp/aldaba/otp/otptest"
	"github.com/aldaba-otp/aldaba/store/storetest/world"
)

// TestLastUsesAreCoarse: one write for a credential and ten minutes, over all
// servers on the store.
func TestLastUsesAreCoarse(t *testing.T) {
	t.Parallel()
	one := world.New(t, world.Options{})
	two := otp.New(otp.Options{Store: one.Store, Ring: otptest.Ring(t), Passwords: otptest.Passwords{}, Now: one.Clock.Now})
	two.SetDirectory(mustDirectory(t))
	acme, _ := one.Directory().Tenant("acme")
	used := func() time.Time {
		t.Helper()
		all, err := one.LastUses(t.Context(), acme.Credentials)
		if err != nil {
			t.Fatal(err)
		}
		for _, other := range all[1:] {
			if !other.IsZero() {
				t.Errorf("a credential that nobody used was used at %s", other)
			}
		}
		return all[0]
	}
	use := func(s *otp.Service) {
		t.Helper()
		if _, err := s.Authenticate(t.Context(), otp.APIKey, "", "demo-key"); err != nil {
			t.Fatal(err)
		}
		if err := s.KeepUses(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if !used().IsZero() {
		t.Errorf("used at %s before any use", used())
	}
	use(one.Service)
	first := used()
	if !first.Equal(otptest.Start.Truncate(time.Second)) {
		t.Errorf("first used at %s", first)
	}
	one.Clock.Advance(10*time.Minute - 1)
	use(one.Service)
	use(two) // has not told anything yet
	if !used().Equal(first) {
		t.Errorf("written again after less than ten minutes: %s", used())
	}
	one.Clock.Advance(time.Minute)
	commits := one.Store.Stats().Steps
	use(two)
	if !used().Equal(first) { // told by two within its ten minutes
		t.Errorf("written at %s by a server that has told a use just now", used())
	}
	if n := one.Store.Stats().Steps - commits; n > 1 {
		t.Errorf("%d steps for nothing to tell", n)
	}
	use(one.Service)
	if want := otptest.Start.Add(11*time.Minute - 1).Truncate(time.Second); !used().Equal(want) {
		t.Errorf("last used at %s, want %s", used(), want)
	}
}

func mustDirectory(t *testing.T) *otp.Directory {
	t.Helper()
	d, err := otp.NewDirectory(otptest.Demo(otptest.Ring(t)), nil)
	if err != nil {
		t.Fatal(err)
	}
	return d
}
