package apitest

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aldaba-otp/aldaba/otp"
	"github.com/aldaba-otp/aldaba/otp/otptest"
	"github.com/aldaba-otp/aldaba/store"
	"github.com/aldaba-otp/aldaba/store/memory"
	"github.com/aldaba-otp/aldaba/store/storetest/world"
)

const number = "+18091234567"

// tries is what every dialect documents when nobody says otherwise.
const tries = 5

// Run plays the whole story.
func Run(t *testing.T, construct Constructor, speaker Speaker) {
	t.Helper()
	facts := []struct {
		name string
		fact func(*testing.T, *Scene)
	}{
		{"the right code is accepted", rightCode},
		{"the right code is accepted once", onceOnly},
		{"a wrong code costs a try and no more", wrongThenRight},
		{"the last try ends it", tooMany},
		{"a used code stays used after its life", usedForEver},
		{"an expired code is refused", expired},
		{"a canceled one is refused", canceled},
		{"after a restore a fence makes it void", fenced},
		{"an unknown one is unknown", unknown},
		{"another tenant's is unknown", foreign},
		{"the sixth message in ten minutes is refused", throttledSends},
		{"a full guess ledger refuses the right code too", fullLedger},
		{"after six wrong codes in a row the next one waits", delayed},
		{"after a hundred in a row the address is locked", locked},
		{"no credentials and wrong ones are refused", credentials},
		{"credentials out of their bounds are as good as none", boundedCredentials},
		{"a credential does what its scopes allow", scopedCredentials},
		{"who guesses credentials waits, and nobody else", guessedCredentials},
		{"a start that a client's library sends again is the first one", sentAgain},
		{"bad requests change nothing", badRequests},
		{"a peek consumes no right code and counts a wrong one", peeking},
		{"without its store it approves nothing", storeDown},
		{"of 64 right codes at once one is accepted", raceRight},
		{"of 64 wrong codes at once each try is used once", raceWrong},
		{"no answer holds a code or a full address", nothingLeaks},
		{"guesses and starts from many sources share one limit", manySources},
		{"a part of the code is not the code", partOfTheCode},
		{"what a request claims decides nothing", claimsDecideNothing},
		{"an address seen before is answered like any other", knownAndUnknownAlike},
	}
	for _, f := range facts {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			f.fact(t, NewScene(t, world.Options{}, construct, speaker))
		})
	}
	t.Run("a plan of channels changes nothing of the language", func(t *testing.T) {
		t.Parallel()
		planned(t, NewScene(t, world.Options{Tenants: withPlans(otptest.Demo(otptest.Ring(t)))}, construct, speaker))
	})
	t.Run("without a route it cannot be sent", func(t *testing.T) {
		t.Parallel()
		s := NewScene(t, world.Options{NoInbox: true}, construct, speaker)
		s.expect("a start without a route", s.say(Start, Words{To: number}), speaker.Kind(Start, otp.Undeliverable))
	})
}

func rightCode(_ *testing.T, s *Scene) {
	id, code := s.start(number)
	s.expect("the right code", s.check(id, code), s.speaker.Outcome(otp.OutcomeApproved, tries))
	if v := s.newest(); v.Status != otp.Approved {
		s.tb.Errorf("the verification is %s", v.Status)
	}
}

// onceOnly: a code is used up by its approval (T19).
//
// CVE-2026-31875 (Parse Server): a recovery code was never used up.
func onceOnly(_ *testing.T, s *Scene) {
	id, code := s.start(number)
	s.check(id, code)
	s.expect("the right code again", s.check(id, code), s.speaker.Outcome(otp.OutcomeUsed, 0))
	s.expect("a wrong code after it", s.check(id, otptest.WrongCode(code)), s.speaker.Outcome(otp.OutcomeUsed, 0))
}

func wrongThenRight(_ *testing.T, s *Scene) {
	id, code := s.start(number)
	s.expect("a wrong code", s.check(id, otptest.WrongCode(code)), s.speaker.Outcome(otp.OutcomeWrong, tries-1))
	if v := s.newest(); v.Attempts != 1 {
		s.tb.Errorf("%d tries are spent", v.Attempts)
	}
	s.expect("the right code", s.check(id, code), s.speaker.Outcome(otp.OutcomeApproved, tries-1))
}

// tooMany: a code has few tries, and no time gives them back (T01, T03).
//
// CVE-2026-105638, GHSA-mqjv-rwgv-4gxq (Plane), CVE-2026-8760 after
// CVE-2024-11178 (Login with OTP), CVE-2026-15210, CVE-2026-19256,
// CVE-2025-4094, CVE-2025-56224: codes could be tried without an end.
func tooMany(_ *testing.T, s *Scene) {
	id, code := s.start(number)
	for left := tries - 1; left >= 0; left-- {
		s.expect("a wrong code", s.check(id, otptest.WrongCode(code)), s.speaker.Outcome(otp.OutcomeWrong, left))
	}
	s.expect("the right code after them", s.check(id, code), s.speaker.Outcome(otp.OutcomeExhausted, 0))
	s.Clock.Advance(2 * time.Hour)
	s.expect("the right code after its life", s.check(id, code), s.speaker.Outcome(otp.OutcomeExhausted, 0))
}

func usedForEver(_ *testing.T, s *Scene) {
	id, code := s.start(number)
	s.check(id, code)
	s.Clock.Advance(2 * time.Hour)
	s.expect("the right code after its life", s.check(id, code), s.speaker.Outcome(otp.OutcomeUsed, 0))
}

// expired: a code is good before its expiry and not at it (T20).
//
// CVE-2026-8760, CVE-2024-8122 (WSO2): codes never expired.
// GHSA-xmmm-jw76-q7vg (Keycloak): they lived longer than was said.
func expired(_ *testing.T, s *Scene) {
	id, code := s.start(number)
	life := s.newest().Expires.Sub(s.Clock.Now())
	s.Clock.Advance(life)
	s.expect("the right code at its expiry", s.check(id, code), s.speaker.Outcome(otp.OutcomeExpired, 0))

	id, code = s.start("+18097654321")
	s.Clock.Advance(s.newest().Expires.Sub(s.Clock.Now()) - time.Millisecond)
	s.expect("the right code just before", s.check(id, code), s.speaker.Outcome(otp.OutcomeApproved, tries))
}

func canceled(_ *testing.T, s *Scene) {
	id, code := s.start(number)
	if slices.Contains(s.speaker.Lacks(), Cancel) {
		caller := otp.Caller{Tenant: "acme", Identity: "test"}
		_, err := s.Cancel(s.tb.Context(), otp.CancelRequest{Caller: caller, Dialect: otp.NativeDialect, Ref: otp.Ref{ID: s.newest().ID}})
		if err != nil {
			s.tb.Fatalf("cancel: %v", err)
		}
	} else {
		s.say(Cancel, Words{ID: id})
	}
	s.expect("the right code", s.check(id, code), s.speaker.Outcome(otp.OutcomeCanceled, 0))
}

// fenced: what lived in a backup is void, and a new code is good (T66).
func fenced(_ *testing.T, s *Scene) {
	id, code := s.start(number)
	if done, err := s.Fence(s.tb.Context(), "", otp.ActorOperator, false); err != nil || done.Verifications != 1 {
		s.tb.Fatalf("fence: %+v, %v", done, err)
	}
	s.expect("the right code", s.check(id, code), s.speaker.Outcome(otp.OutcomeVoid, 0))
	s.expect("a wrong code", s.check(id, otptest.WrongCode(code)), s.speaker.Outcome(otp.OutcomeVoid, 0))
	next, code := s.start("+18097654321")
	if next == id {
		s.tb.Errorf("%s is the name of another one too", id)
	}
	s.expect("a new one", s.check(next, code), s.speaker.Outcome(otp.OutcomeApproved, tries))
}

func unknown(_ *testing.T, s *Scene) {
	id, code := s.start(number)
	other := flip(id)
	s.expect("another name", s.check(other, code), s.speaker.Kind(Check, otp.NotFound))
	s.expect("its own name afterwards", s.check(id, code), s.speaker.Outcome(otp.OutcomeApproved, tries))
}

// flip changes the last digit of a name, so that its form stays good.
func flip(id string) string {
	last := id[len(id)-1]
	if last == '1' {
		return id[:len(id)-1] + "2"
	}
	return id[:len(id)-1] + "1"
}

// foreign: another tenant's verification is unknown (T48).
//
// CVE-2026-3655, CVE-2026-94256: what was proven was not bound to whom.
func foreign(_ *testing.T, s *Scene) {
	id, code := s.start(number)
	s.expect("the right code from another tenant", s.say(Check, Words{As: Globex, ID: id, Code: code}), s.speaker.Kind(Check, otp.NotFound))
	if v := s.newest(); v.Status != otp.Pending || v.Attempts != 0 {
		s.tb.Errorf("it is %s with %d tries spent", v.Status, v.Attempts)
	}
	s.expect("the right code from its own", s.check(id, code), s.speaker.Outcome(otp.OutcomeApproved, tries))
}

func throttledSends(_ *testing.T, s *Scene) {
	for range 5 {
		s.start(number)
	}
	s.expect("the sixth start", s.say(Start, Words{To: number}), s.speaker.Kind(Start, otp.Throttled))
	if n := len(s.Courier.Dispatches()); n != 5 {
		s.tb.Errorf("%d messages were sent", n)
	}
	s.Clock.Advance(10 * time.Minute)
	s.start(number)
}

func fullLedger(t *testing.T, s *Scene) {
	var id, code string
	for i := range 5 { // 20 in all, and never six in a row
		id, code = s.start(number)
		for range tries - 1 {
			s.check(id, otptest.WrongCode(code))
		}
		if i < 4 {
			s.expect("the right code", s.check(id, code), s.speaker.Outcome(otp.OutcomeApproved, 1))
		}
	}
	s.expect("the right code", s.check(id, code), s.speaker.Outcome(otp.OutcomeThrottled, 0))
	if v := s.newest(); v.Status != otp.Pending || v.Attempts != tries-1 {
		t.Errorf("it is %s with %d tries spent", v.Status, v.Attempts)
	}
	if err := s.Forgive(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.expect("the right code with an empty ledger", s.check(id, code), s.speaker.Outcome(otp.OutcomeApproved, 1))
}

// delayed: where the tenant asks for it, the sixth wrong guess in a row makes the
// next one at the same code wait, whichever verification it is of.
func delayed(t *testing.T, s *Scene) {
	tenants := s.Directory().Tenants()
	for i := range tenants {
		tenants[i].Guessing.NoDelay = false
	}
	s.Configure(t, tenants)
	id, code := s.start(number)
	for range tries {
		s.check(id, otptest.WrongCode(code))
	}
	id, code = s.start(number)
	s.expect("a first wrong code", s.check(id, otptest.WrongCode(code)), s.speaker.Outcome(otp.OutcomeWrong, tries-1))
	s.expect("the right code", s.check(id, code), s.speaker.Outcome(otp.OutcomeThrottled, 0))
	s.Clock.Advance(30 * time.Second)
	s.expect("the right code after the delay", s.check(id, code), s.speaker.Outcome(otp.OutcomeApproved, tries-1))
}

// locked: 100 wrong guesses in a row refuse the right code and further starts.
//
// CVE-2024-32868, GHSA-7j7j-66cv-m239 (Zitadel): there was no lockout for
// codes; CVE-2025-64102, GHSA-xrw9-r35x-x878: later it was off by default, and
// missing in newer calls. It has no switch here, and each language tells it.
func locked(t *testing.T, s *Scene) {
	id, code := s.start(number)
	s.failures(99)
	s.expect("the last wrong code", s.check(id, otptest.WrongCode(code)), s.speaker.Outcome(otp.OutcomeWrong, tries-1))
	s.Clock.Advance(time.Hour + time.Second)
	if s.newest().Expires.After(s.Clock.Now()) {
		t.Fatal("the code lives too long for this story")
	}
	if heard := s.say(Start, Words{To: number}); heard.Status != http.StatusTooManyRequests {
		t.Errorf("a start is answered %q (status %d)", heard.Word, heard.Status)
	}
	if err := s.Forgive(t.Context()); err != nil {
		t.Fatal(err)
	}
	id, code = s.start(number)
	s.failures(100)
	s.expect("the right code", s.check(id, code), s.speaker.Outcome(otp.OutcomeThrottled, 0))
	if v := s.newest(); v.Status != otp.Pending || v.Attempts != 0 {
		t.Errorf("it is %s with %d tries spent", v.Status, v.Attempts)
	}
}

// failures lets the newest verification's address have failed so often in a
// row, which would take days.
func (s *Scene) failures(n int) {
	v := s.newest()
	err := s.Store.Do(s.tb.Context(), otp.Step{Load: otp.Keys{Destinations: []otp.Key{v.Destination}}, Decide: func(now time.Time, st *otp.State) error {
		d, _ := st.Destinations.Get(v.Destination)
		d.Run = otp.Run{Failures: n, At: now, Channels: 1}
		st.Destinations.Put(d.Key, d)
		return nil
	}})
	if err != nil {
		s.tb.Fatal(err)
	}
}

func credentials(_ *testing.T, s *Scene) {
	id, code := s.start(number)
	for _, who := range []Who{Nobody, Wrong} {
		s.expect("a start", s.say(Start, Words{As: who, To: number}), s.speaker.Kind(Start, otp.Unauthenticated))
		s.expect("a check", s.say(Check, Words{As: who, ID: id, Code: code}), s.speaker.Kind(Check, otp.Unauthenticated))
	}
	if n := len(s.Courier.Dispatches()); n != 1 {
		s.tb.Errorf("%d messages were sent", n)
	}
	s.expect("the right code", s.check(id, code), s.speaker.Outcome(otp.OutcomeApproved, tries))
}

func badRequests(t *testing.T, s *Scene) {
	id, code := s.start(number)
	for _, bad := range s.speaker.Bad(id, code) {
		got := s.ask(Check, bad.Request)
		if got.Word != bad.Want {
			t.Errorf("%s is answered %q (status %d), want %q", bad.Name, got.Word, got.Status, bad.Want)
		}
		if v := s.newest(); v.Status != otp.Pending || v.Attempts != 0 {
			t.Fatalf("after %s it is %s with %d tries spent", bad.Name, v.Status, v.Attempts)
		}
	}
	s.expect("the right code", s.check(id, code), s.speaker.Outcome(otp.OutcomeApproved, tries))
}

func peeking(t *testing.T, s *Scene) {
	if slices.Contains(s.speaker.Lacks(), Peek) {
		t.Skip("the language cannot peek")
	}
	id, code := s.start(number)
	s.expect("a peek at the right code", s.say(Peek, Words{ID: id, Code: code}), s.speaker.Outcome(otp.OutcomeApproved, tries))
	s.expect("a peek at a wrong code", s.say(Peek, Words{ID: id, Code: otptest.WrongCode(code)}), s.speaker.Outcome(otp.OutcomeWrong, tries-1))
	s.expect("the right code", s.check(id, code), s.speaker.Outcome(otp.OutcomeApproved, tries-1))
	s.expect("a peek afterwards", s.say(Peek, Words{ID: id, Code: code}), s.speaker.Outcome(otp.OutcomeUsed, 0))
}

func storeDown(_ *testing.T, s *Scene) {
	id, code := s.start(number)
	s.Engine.FailWith(memory.Trouble{Begin: &store.Failure{Class: store.Down, Cause: fmt.Errorf("no connection")}})
	s.expect("a start", s.say(Start, Words{To: number}), s.speaker.Kind(Start, otp.Unavailable))
	s.expect("the right code", s.check(id, code), s.speaker.Kind(Check, otp.Unavailable))
	s.Engine.FailWith(memory.Trouble{})
	s.expect("the right code when it is back", s.check(id, code), s.speaker.Outcome(otp.OutcomeApproved, tries))
}

// withPlans gives every profile channels that follow one another.
func withPlans(tenants []otp.Tenant) []otp.Tenant {
	for i := range tenants {
		for j := range tenants[i].Profiles {
			tenants[i].Profiles[j].Plan = []otp.Leg{{Channel: otp.SMS, Wait: time.Minute}, {Channel: otp.WhatsApp, Wait: time.Minute}, {Channel: otp.Voice}}
		}
	}
	return tenants
}

// planned: a language that knows no plans starts one all the same, and the
// code is the same on every channel.
func planned(_ *testing.T, s *Scene) {
	id, code := s.start(number)
	for i, channel := range []otp.Channel{otp.WhatsApp, otp.Voice} {
		_, err := s.Next(s.tb.Context(), otp.NextRequest{
			Caller: otp.Caller{Tenant: "acme", Identity: "test"}, Dialect: otp.NativeDialect, Ref: otp.Ref{ID: s.newest().ID},
		})
		if err != nil {
			s.tb.Fatalf("go on to %s: %v", channel, err)
		}
		if text := s.Courier.Last(s.tb); text.Channel != channel || text.Code != code {
			s.tb.Errorf("sent on %s, want %s with the same code", text.Channel, channel)
		}
		s.expect("a wrong code", s.check(id, otptest.WrongCode(code)), s.speaker.Outcome(otp.OutcomeWrong, tries-1-i))
	}
	s.expect("the right code", s.check(id, code), s.speaker.Outcome(otp.OutcomeApproved, tries-2))
}

// race gives 64 codes at once and counts the answers by their words.
func (s *Scene) race(id, code string) map[string]int {
	var mu sync.Mutex
	var all sync.WaitGroup
	words := map[string]int{}
	for range 64 {
		all.Go(func() {
			heard := s.check(id, code)
			mu.Lock()
			defer mu.Unlock()
			words[heard.Word]++
		})
	}
	all.Wait()
	return words
}

// raceRight: of many right codes at once one is accepted (T13).
//
// CVE-2026-107276 (MISP): read, compare and delete were three steps.
// GHSA-2299-ghjr-6vjp, GHSA-w73w-g5xw-rwhf (Parse Server), better-auth PR 8067:
// one code was good several times when it came at once.
func raceRight(t *testing.T, s *Scene) {
	id, code := s.start(number)
	words := s.race(id, code)
	if n := words[s.speaker.Outcome(otp.OutcomeApproved, tries)]; n != 1 {
		t.Errorf("%d were accepted: %v", n, words)
	}
}

// raceWrong: of many wrong codes at once each spends a try (T14).
//
// better-auth PR 8067: tries that came at once were not counted.
func raceWrong(t *testing.T, s *Scene) {
	id, code := s.start(number)
	s.race(id, otptest.WrongCode(code))
	if v := s.newest(); v.Attempts != tries || v.Status != otp.Exhausted {
		t.Errorf("%d tries were spent and it is %s", v.Attempts, v.Status)
	}
	s.expect("the right code", s.check(id, code), s.speaker.Outcome(otp.OutcomeExhausted, 0))
}

// nothingLeaks: no answer holds the code (T76).
//
// CVE-2026-77264, HackerOne 777957, HackerOne 2633888, HackerOne 2635315 (MTN):
// the answer to the request for a code held the secret.
func nothingLeaks(t *testing.T, s *Scene) {
	r := s.speaker.Say(Start, Words{To: number})
	rec := record(s, r)
	code := s.Courier.Last(t).Code
	if strings.Contains(rec, code) {
		t.Errorf("the answer to a start holds the code: %s", rec)
	}
}
