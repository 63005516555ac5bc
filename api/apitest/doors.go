package apitest

import (
	"fmt"
	"net/http"
	"net/netip"
	"testing"
	"time"

	"github.com/aldaba-otp/aldaba/otp"
	"github.com/aldaba-otp/aldaba/otp/otptest"
)

// peer is where the requests of [httptest.NewRequest] come from.
const peer = "192.0.2.1"

// byToken is a [Speaker] whose language shows access tokens: those cannot be
// guessed, so nobody has to wait who shows a wrong one.
type byToken interface{ ByToken() bool }

// acmeWith puts the demo in force with acme's credentials changed.
func (s *Scene) acmeWith(change func(*otp.Credential)) {
	s.tb.Helper()
	tenants := otptest.Demo(s.Ring())
	for i := range tenants[0].Credentials {
		change(&tenants[0].Credentials[i])
	}
	s.Configure(s.tb, tenants)
}

// answered asks and returns the whole answer, with a request id that is always
// the same.
func (s *Scene) answered(op Op, w Words) string {
	s.tb.Helper()
	r := s.speaker.Say(op, w)
	r.Header.Set("X-Request-Id", "3f0e1c62-8f5e-4c0f-9a4e-0a4b6f1d2c33")
	return record(s, r)
}

// boundedCredentials covers T51: an answer does not tell whether a credential
// is wrong, unknown, expired, revoked or good from elsewhere only.
func boundedCredentials(t *testing.T, s *Scene) {
	id, code := s.start(number)
	for name, change := range map[string]func(*otp.Credential){
		"expired":    func(c *otp.Credential) { c.Expires = s.Clock.Now() },
		"revoked":    func(c *otp.Credential) { c.Revoked = s.Clock.Now() },
		"of another": func(c *otp.Credential) { c.From = []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24")} },
		"unknown":    func(c *otp.Credential) { c.Identity, c.Hash = otherIdentity(c), "another" },
	} {
		for op, w := range map[Op]Words{Start: {To: number}, Check: {ID: id, Code: code}} {
			s.acmeWith(func(*otp.Credential) {})
			w.As = Wrong
			want := s.answered(op, w)
			s.acmeWith(change)
			w.As = Acme
			if got := s.answered(op, w); got != want {
				t.Errorf("a %s with a credential that is %s is answered\n%s\nand with a wrong one\n%s", op, name, got, want)
			}
		}
	}
	if n := len(s.Courier.Dispatches()); n != 1 {
		t.Errorf("%d messages were sent", n)
	}
	if v := s.newest(); v.Status != otp.Pending || v.Attempts != 0 {
		t.Errorf("it is %s with %d tries spent", v.Status, v.Attempts)
	}
	s.acmeWith(func(c *otp.Credential) {
		c.Expires, c.From = s.Clock.Now().Add(time.Hour), []netip.Prefix{netip.MustParsePrefix(peer + "/32")}
	})
	s.expect("the right code within the bounds", s.check(id, code), s.speaker.Outcome(otp.OutcomeApproved, tries))
}

func otherIdentity(c *otp.Credential) string {
	if c.Identity == "" {
		return ""
	}
	return c.Identity + "-other"
}

// scopedCredentials: one that may only look things up starts nothing and judges
// nothing.
func scopedCredentials(t *testing.T, s *Scene) {
	id, code := s.start(number)
	s.acmeWith(func(c *otp.Credential) { c.Scopes = []string{otp.ScopeRead} })
	for op, w := range map[Op]Words{Start: {To: number}, Check: {ID: id, Code: code}} {
		if got := s.say(op, w); got.Word == s.speaker.Outcome(otp.OutcomeApproved, tries) || got.ID != "" {
			t.Errorf("a %s without the scope is answered %d %q", op, got.Status, got.Word)
		}
	}
	if n := len(s.Courier.Dispatches()); n != 1 {
		t.Errorf("%d messages were sent", n)
	}
	if v := s.newest(); v.Status != otp.Pending || v.Attempts != 0 {
		t.Errorf("it is %s with %d tries spent", v.Status, v.Attempts)
	}
	s.acmeWith(func(*otp.Credential) {})
	s.expect("the right code with all scopes", s.check(id, code), s.speaker.Outcome(otp.OutcomeApproved, tries))
}

// guessedCredentials covers T51's brute force: one source shows 20 different
// wrong credentials, and waits; a credential that was right from there before
// and everybody elsewhere do not.
func guessedCredentials(t *testing.T, s *Scene) {
	id, code := s.start(number)
	ctx := otp.WithSource(t.Context(), netip.MustParseAddr(peer))
	for i := range 20 {
		if _, err := s.Authenticate(ctx, otp.APIKey, "", fmt.Sprint("guess ", i)); otp.KindOf(err) != otp.Unauthenticated {
			t.Fatalf("guess %d: %v", i, err)
		}
	}
	want := http.StatusTooManyRequests
	if b, ok := s.speaker.(byToken); ok && b.ByToken() {
		want = http.StatusUnauthorized
	}
	// The identity of acme was right from here before, so that its own limit
	// holds; globex's was not.
	if got := s.say(Start, Words{As: Globex, To: number}); want == http.StatusTooManyRequests && got.Status != want {
		t.Errorf("a start from where credentials were guessed is answered %d %q", got.Status, got.Word)
	}
	elsewhere := s.speaker.Say(Check, Words{As: Globex, ID: id, Code: code})
	elsewhere.RemoteAddr = "198.51.100.7:1234"
	s.expect("another tenant elsewhere", s.ask(Check, elsewhere), s.speaker.Kind(Check, otp.NotFound))
	s.expect("the right code from where it was right before", s.check(id, code), s.speaker.Outcome(otp.OutcomeApproved, tries))
	s.Clock.Advance(10 * time.Minute)
	if got := s.say(Start, Words{As: Globex, To: "+18097654321"}); got.Status == http.StatusTooManyRequests {
		t.Errorf("after the window it is answered %d %q", got.Status, got.Word)
	}
}
