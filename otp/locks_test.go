package otp_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aldaba-otp/aldaba/otp"
	"github.com/aldaba-otp/aldaba/otp/otptest"
	"github.com/aldaba-otp/aldaba/store/storetest/world"
)

const (
	day     = 24 * time.Hour
	another = "+584140000000"
)

// as is a vendor's start for a subject.
func as(subject, to string) otp.StartRequest {
	r := vendor(to)
	r.Subject = subject
	return r
}

// prove lets a subject prove an address.
func prove(t *testing.T, w *world.World, subject, to string) {
	t.Helper()
	v, code := start(t, w, as(subject, to))
	check(t, w, v, code, otp.OutcomeApproved)
}

// failing gives the only address so many wrong guesses in a row, by SMS.
func failing(t *testing.T, w *world.World, n int) {
	t.Helper()
	change(t, w, func(d *otp.Destination) { d.Run = otp.Run{Failures: n, At: w.Clock.Now(), Channels: 1} })
}

// A stranger takes days for a hundred wrong guesses, all the API lets him have.
//
// CVE-2024-32868, GHSA-7j7j-66cv-m239 (Zitadel): there was no lockout for codes.
// privacyIDEA #1578: once its time had passed, guesses were free.
func TestHundredWrongGuessesInARowLockTheAddress(t *testing.T) { // T07, T08
	t.Parallel()
	w := tenants(t)
	failures, starts := 0, 0
	var last otp.View
	for began := w.Clock.Now(); failures < 100; w.Clock.Advance(10 * time.Minute) {
		v, err := w.Start(t.Context(), vendor(phone))
		if kind(err) == otp.Throttled {
			continue
		}
		starts++
		last = v
		code := otptest.WrongCode(w.Courier.Last(t).Code)
		for range 5 {
			_, outcome, _ := w.Check(t.Context(), guess(v, code))
			if outcome == otp.OutcomeWrong {
				failures++
			}
		}
		if w.Clock.Now().Sub(began) > 30*day {
			t.Fatalf("only %d wrong guesses were judged in a month", failures)
		}
	}
	if starts < 50 {
		t.Errorf("%d messages bought a hundred guesses", starts)
	}
	if j := journal(t, w, last.ID); !strings.Contains(j, "locked") {
		t.Errorf("journal %s", j)
	}
	w.Clock.Advance(2 * day)
	_, err := w.Start(t.Context(), vendor(phone))
	if e := otp.AsError(err); kind(err) != otp.Throttled || e.Rule != otp.RuleLock || e.RetryAfter <= 0 || e.RetryAfter > 7*day {
		t.Errorf("a start is answered %#v", err)
	}
	start(t, w, vendor(another)) // another address, another tenant
	other := vendor(phone)
	other.Caller = globex
	start(t, w, other)
}

func TestDelayIsOfTheAddressAndSparesFreshCodes(t *testing.T) {
	t.Parallel()
	w := tenants(t)
	v, code := start(t, w, vendor(phone))
	for range 5 {
		check(t, w, v, otptest.WrongCode(code), otp.OutcomeWrong)
	}
	a, codeA := start(t, w, vendor(phone))
	check(t, w, a, otptest.WrongCode(codeA), otp.OutcomeWrong) // the sixth
	_, outcome, err := w.Check(t.Context(), guess(a, codeA))
	want(t, err, otp.Throttled, otp.RuleDelay, 30*time.Second)
	if got := stored(t, w, a.ID); outcome != otp.OutcomeThrottled || got.Attempts != 1 || len(destinations(t, w)[0].Wrongs) != 6 {
		t.Errorf("outcome %s, record %+v", outcome, got)
	}
	b, codeB := start(t, w, vendor(phone)) // starts wait for no delay
	check(t, w, b, codeB, otp.OutcomeApproved)
	check(t, w, a, otptest.WrongCode(codeA), otp.OutcomeWrong) // a proof begins anew
	check(t, w, a, codeA, otp.OutcomeApproved)
}

func TestLockedAddressIsReleased(t *testing.T) {
	t.Parallel()
	locked := func(t *testing.T, change ...func(*otp.Tenant)) *world.World {
		w := tenants(t, change...)
		start(t, w, vendor(phone))
		failing(t, w, 100)
		w.Clock.Advance(time.Hour)
		_, err := w.Start(t.Context(), vendor(phone))
		if otp.AsError(err) == nil || otp.AsError(err).Rule != otp.RuleLock {
			t.Fatalf("a start is answered %v", err)
		}
		return w
	}
	t.Run("by another channel", func(t *testing.T) {
		t.Parallel()
		w := locked(t)
		req := vendor(phone)
		req.Channel = otp.Voice
		v, code := start(t, w, req)
		check(t, w, v, code, otp.OutcomeApproved)
		start(t, w, vendor(phone))
	})
	t.Run("by one guess on another channel only", func(t *testing.T) {
		t.Parallel()
		w := locked(t)
		req := vendor(phone)
		req.Channel = otp.Voice
		v, code := start(t, w, req)
		check(t, w, v, otptest.WrongCode(code), otp.OutcomeWrong)
		check(t, w, v, code, otp.OutcomeThrottled)
		_, err := w.Start(t.Context(), req)
		want(t, err, otp.Throttled, otp.RuleLock, 14*day)
	})
	t.Run("by one guess after a week", func(t *testing.T) {
		t.Parallel()
		w := locked(t)
		w.Clock.Advance(7*day - time.Hour)
		a, codeA := start(t, w, vendor(phone))
		b, codeB := start(t, w, vendor(phone))
		check(t, w, a, otptest.WrongCode(codeA), otp.OutcomeWrong)
		check(t, w, b, codeB, otp.OutcomeThrottled)
		w.Clock.Advance(14 * day)
		c, codeC := start(t, w, vendor(phone))
		check(t, w, c, codeC, otp.OutcomeApproved)
	})
	t.Run("by no time at all", func(t *testing.T) {
		t.Parallel()
		w := locked(t, func(tn *otp.Tenant) { tn.Guessing.NoTrials = true })
		w.Clock.Advance(360 * day)
		_, err := w.Start(t.Context(), vendor(phone))
		want(t, err, otp.Throttled, otp.RuleLock, day)
	})
	t.Run("by an operator", func(t *testing.T) {
		t.Parallel()
		w := locked(t)
		was, err := w.ReleaseLocks(t.Context(), "acme", "0412 123 45 67", "operator")
		if err != nil || !was {
			t.Fatalf("%t, %v", was, err)
		}
		if was, err = w.ReleaseLocks(t.Context(), "acme", phone, "operator"); err != nil || was {
			t.Errorf("again: %t, %v", was, err)
		}
		start(t, w, vendor(phone))
	})
}

func TestLockedAddressSendsNothingMore(t *testing.T) {
	t.Parallel()
	w := tenants(t)
	v, code := start(t, w, native(phone))
	failing(t, w, 100)
	check(t, w, v, code, otp.OutcomeThrottled)
	w.Clock.Advance(time.Minute)
	_, err := resend(w, t, v)
	want(t, err, otp.Throttled, otp.RuleLock, 7*day-time.Minute)
	if n := len(w.Courier.Dispatches()); n != 1 {
		t.Errorf("%d messages", n)
	}
	w.Configure(t, []otp.Tenant{{Name: "acme", Countries: []string{"*"}, Guessing: otp.Guessing{NoTrials: true}}})
	_, err = resend(w, t, v)
	want(t, err, otp.Throttled, otp.RuleLock, day)
}

// CVE-2025-64102, GHSA-xrw9-r35x-x878 (Zitadel): a lockout by which strangers
// could keep anybody out, so that it was left off.
func TestStrangerLocksOutNobodyElse(t *testing.T) {
	t.Parallel()
	w := tenants(t)
	prove(t, w, "ana", phone)
	for i := range 2 {
		failing(t, w, 100*i+6)
		// Others wait, and then are locked out; the one who proved the address is
		// not even slowed.
		v, code := start(t, w, as("ana", phone))
		check(t, w, v, otptest.WrongCode(code), otp.OutcomeWrong)
		if i == 1 {
			_, err := w.Start(t.Context(), as("bob", phone))
			want(t, err, otp.Throttled, otp.RuleLock, 28*day)
			_, err = w.Start(t.Context(), vendor(phone))
			want(t, err, otp.Throttled, otp.RuleLock, 28*day)
		}
		check(t, w, v, code, otp.OutcomeApproved)
		if d := destinations(t, w)[0]; d.Run.Failures != 0 || d.Own.Failures != 0 {
			t.Errorf("a proof leaves %+v", d)
		}
	}
}

// lockOut lets the subject's own guesses at an address lock it.
func lockOut(t *testing.T, w *world.World, subject, to string) {
	t.Helper()
	v, code := start(t, w, as(subject, to))
	change(t, w, func(d *otp.Destination) { d.Run.Failures, d.Own.Failures = 99, 99 })
	check(t, w, v, otptest.WrongCode(code), otp.OutcomeWrong)
	_, err := w.Start(t.Context(), as(subject, to))
	want(t, err, otp.Throttled, otp.RuleLock, 7*day)
}

func TestAnotherAddressOfTheSubjectReleases(t *testing.T) {
	t.Parallel()
	w := tenants(t)
	prove(t, w, "ana", phone)
	lockOut(t, w, "ana", phone)
	prove(t, w, "bob", another)
	_, err := w.Start(t.Context(), as("ana", phone))
	want(t, err, otp.Throttled, otp.RuleLock, 7*day)
	prove(t, w, "ana", mail)
	start(t, w, as("ana", phone))
}

// Who fails at an address that he never proved cannot wash the failures off at
// his own.
func TestStrangersOwnAddressReleasesNothing(t *testing.T) {
	t.Parallel()
	w := tenants(t)
	lockOut(t, w, "eve", phone)
	prove(t, w, "eve", mail)
	_, err := w.Start(t.Context(), as("eve", phone))
	want(t, err, otp.Throttled, otp.RuleLock, 7*day)
}

func TestReleaseBySubjectIsForgottenWithItsVerification(t *testing.T) {
	t.Parallel()
	w := tenants(t)
	prove(t, w, "ana", phone)
	lockOut(t, w, "ana", phone)
	key := otp.LockKey(w.Ring(), "acme", "ana")
	if _, ok, err := w.Store.Handle(t.Context(), key); !ok || err != nil {
		t.Fatalf("no handle: %v", err)
	}
	w.Clock.Advance(31 * day)
	sweep(t, w.NewSweeper())
	if _, ok, _ := w.Store.Handle(t.Context(), key); ok || len(destinations(t, w)) != 1 {
		t.Error("the handle outlives its verification, or the lock does not")
	}
}

func TestLocksAreTold(t *testing.T) {
	t.Parallel()
	w := tenants(t)
	none, err := w.GuessLocks(t.Context(), "acme", phone)
	if err != nil || none.Ledger != 0 || none.Runs[0].Failures != 0 || none.Runs[0].Channels != nil || none.Runs[1].Locked {
		t.Errorf("of an unknown address: %+v, %v", none, err)
	}
	prove(t, w, "ana", phone)
	lockOut(t, w, "ana", phone)
	now := w.Clock.Now()
	got, err := w.GuessLocks(t.Context(), "acme", "0412-123.45.67")
	own := got.Runs[1]
	if err != nil || got.Ledger != 1 || !got.LedgerUntil.IsZero() || strings.Contains(got.To, phone[4:10]) ||
		!own.Locked || own.Failures != 100 || !own.Until.Equal(now.Add(7*day)) || !slices.Equal(own.Channels, []otp.Channel{otp.SMS}) || got.Runs[0].Locked {
		t.Errorf("got %+v, %v", got, err)
	}
	for name, c := range map[string]struct{ tenant, to string }{"tenant": {"nobody", phone}, "address": {"acme", "x"}} {
		_, err := w.GuessLocks(t.Context(), c.tenant, c.to)
		_, err2 := w.ReleaseLocks(t.Context(), c.tenant, c.to, "operator")
		if want := map[string]otp.Kind{"tenant": otp.NotFound, "address": otp.Invalid}[name]; kind(err) != want || kind(err2) != want {
			t.Errorf("%s: %v, %v", name, err, err2)
		}
	}
}

// At 99 in a row one more guess is judged of 64 at once, over several codes and
// two servers.
func TestOneOfManyGuessesAtOnceLocks(t *testing.T) {
	t.Parallel()
	for range 20 {
		w := tenants(t)
		other, _ := second(w)
		var all []otp.View
		var codes []string
		for range 5 {
			v, code := start(t, w, vendor(phone))
			all, codes = append(all, v), append(codes, otptest.WrongCode(code))
		}
		failing(t, w, 99)
		w.Clock.Advance(time.Minute)
		var mu sync.Mutex
		got := map[otp.Outcome]int{}
		var calls []func()
		for i := range 64 {
			s := []*otp.Service{w.Service, other}[i%2]
			calls = append(calls, func() {
				_, o, _ := s.Check(t.Context(), guess(all[i%5], codes[i%5]))
				mu.Lock()
				defer mu.Unlock()
				got[o]++
			})
		}
		together(calls...)
		if d := destinations(t, w)[0]; got[otp.OutcomeWrong] != 1 || got[otp.OutcomeThrottled] != 63 || d.Run.Failures != 100 || len(d.Wrongs) != 1 {
			t.Fatalf("outcomes %v, %d in a row", got, d.Run.Failures)
		}
	}
}

func TestSprayingSlowsWhoGuessesWrongAndNobodyElse(t *testing.T) { // T09
	t.Parallel()
	var mu sync.Mutex
	var alerts []otp.Event
	w := world.New(t, world.Options{
		Tenants: []otp.Tenant{
			{Name: "acme", Countries: []string{"*"}, FraudWatch: otp.FraudWatch{Mode: otp.WatchOff}},
			{Name: "globex", Countries: []string{"*"}, FraudWatch: otp.FraudWatch{Mode: otp.WatchOff}},
		},
		Observe: func(e *otp.Event) {
			mu.Lock()
			defer mu.Unlock()
			if e.Kind == otp.EventAlert {
				alerts = append(alerts, *e)
			}
		},
	})
	for i := range 300 {
		v, code := start(t, w, vendor(fmt.Sprintf("+58412%07d", i)))
		check(t, w, v, otptest.WrongCode(code), otp.OutcomeWrong)
		if i == 250 {
			w.Clock.Advance(time.Minute)
		}
	}
	if len(alerts) != 2 || alerts[0].Tenant != "acme" || alerts[0].Detail != otp.RuleRatio+" 200 of 200" {
		t.Errorf("alerts %+v", alerts)
	}
	for _, a := range alerts {
		if kept, err := w.Store.Events(t.Context(), a.Verification); err != nil || len(kept) != 1 {
			t.Errorf("the journal holds %v, %v", kept, err)
		}
	}
	honest, code := start(t, w, vendor(phone))
	check(t, w, honest, code, otp.OutcomeApproved)
	clumsy, code := start(t, w, vendor(another))
	check(t, w, clumsy, otptest.WrongCode(code), otp.OutcomeWrong)
	_, _, err := w.Check(t.Context(), guess(clumsy, code))
	want(t, err, otp.Throttled, otp.RuleHasty, 30*time.Second)
	w.Clock.Advance(30 * time.Second)
	check(t, w, clumsy, code, otp.OutcomeApproved)

	req := vendor(phone)
	req.Caller = globex
	v, code := start(t, w, req)
	wrong := guess(v, otptest.WrongCode(code))
	wrong.Caller = globex
	for range 2 {
		if _, o, err := w.Check(t.Context(), wrong); o != otp.OutcomeWrong {
			t.Errorf("another tenant is answered %s, %v", o, err)
		}
	}
	w.Clock.Advance(11 * time.Minute)
	v, code = start(t, w, vendor(mail))
	check(t, w, v, otptest.WrongCode(code), otp.OutcomeWrong)
	check(t, w, v, code, otp.OutcomeApproved)
}

// A fresh code for each guess, and another spelling of the number, buy no more
// than the ledger and the sends of a day.
//
// CVE-2026-33640, GHSA-cwhc-53hw-qqx6 (Outline): the limiter of codes by mail
// could be gone around.
func TestFreshCodesAndSpellingsBuyNoMoreGuesses(t *testing.T) { // T04, T06
	t.Parallel()
	w := tenants(t)
	spellings := []string{phone, "0412 123 45 67", "00584121234567", "+58 (412) 123-45-67", "0412.123.45.67"}
	judged, sent := 0, 0
	for i := range 200 {
		v, err := w.Start(t.Context(), vendor(spellings[i%len(spellings)]))
		if err == nil {
			sent++
			_, outcome, _ := w.Check(t.Context(), guess(v, otptest.WrongCode(w.Courier.Last(t).Code)))
			if outcome == otp.OutcomeWrong {
				judged++
			}
		} else if kind(err) != otp.Throttled || otp.AsError(err).RetryAfter <= 0 {
			t.Fatalf("round %d: %v", i, err)
		}
		w.Clock.Advance(7 * time.Minute) // 200 rounds are 23 h 20 min
	}
	if judged != 10 || sent != 10 || len(destinations(t, w)) != 1 {
		t.Errorf("%d guesses were judged, %d messages sent, over %d rows", judged, sent, len(destinations(t, w)))
	}
}

// A number that went over to somebody else is no longer released by who had it.
func TestFormerSubjectReleasesNothing(t *testing.T) {
	t.Parallel()
	w := tenants(t)
	prove(t, w, "ana", phone)
	lockOut(t, w, "ana", phone)
	req := as("bob", phone)
	req.Channel = otp.Voice
	v, code := start(t, w, req)
	check(t, w, v, code, otp.OutcomeApproved)
	lockOut(t, w, "bob", phone)
	prove(t, w, "ana", mail)
	_, err := w.Start(t.Context(), as("bob", phone))
	want(t, err, otp.Throttled, otp.RuleLock, 7*day)
	prove(t, w, "bob", another)
	start(t, w, as("bob", phone))
}

// Who asks with no code has not guessed: the share of a tenant's wrong guesses
// does not grow, so that the next one waits for nothing.
func TestAnEmptyGuessIsNoneOfTheTenants(t *testing.T) {
	t.Parallel()
	w := tenants(t, func(a *otp.Tenant) { a.Guessing.MinChecks = 3 })
	v, code := start(t, w, native(phone))
	for range 5 {
		check(t, w, v, "", otp.OutcomeWrong)
	}
	check(t, w, v, otptest.WrongCode(code), otp.OutcomeWrong)
	check(t, w, v, code, otp.OutcomeApproved)
}
