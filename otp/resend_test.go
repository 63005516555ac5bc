package otp_test

import (
	"errors"
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

func resend(w *world.World, t testing.TB, v otp.View) (otp.View, error) {
	t.Helper()
	return w.Resend(t.Context(), otp.ResendRequest{Caller: acme, Dialect: v.Dialect, Ref: otp.Ref{ID: v.ID}})
}

func TestResendKeepsCodeExpiryAndTries(t *testing.T) { // T21
	t.Parallel()
	w := tenants(t)
	v, code := start(t, w, native(phone))
	for range 3 {
		check(t, w, v, otptest.WrongCode(code), otp.OutcomeWrong)
	}
	w.Clock.Advance(time.Minute)
	got, err := resend(w, t, v)
	if err != nil || got.AttemptsLeft != 2 || !got.Expires.Equal(v.Expires) || got.Sends != 2 || w.Courier.Last(t).Code != code {
		t.Fatalf("%+v, %v", got, err)
	}
	check(t, w, v, otptest.WrongCode(code), otp.OutcomeWrong)
	check(t, w, v, otptest.WrongCode(code), otp.OutcomeWrong)
	check(t, w, v, code, otp.OutcomeExhausted)
	if j := journal(t, w, v.ID); j != "a started, k wrong, l wrong, m wrong, n resent, x wrong, y exhausted" {
		t.Errorf("journal %s", j)
	}
	_, err = resend(w, t, v)
	want(t, err, otp.Ended, "", 0)
}

func TestFreshCodeReplacesTheOldOneAndKeepsTheTries(t *testing.T) {
	t.Parallel()
	w := tenants(t, loose(otp.Profile{Resend: "new", Length: 12}))
	v, old := start(t, w, native(phone))
	check(t, w, v, otptest.WrongCode(old), otp.OutcomeWrong)
	w.Clock.Advance(time.Minute)
	if got, err := resend(w, t, v); err != nil || got.AttemptsLeft != 4 || !got.Expires.Equal(v.Expires) {
		t.Fatalf("%+v, %v", got, err)
	}
	fresh := w.Courier.Last(t).Code
	if fresh == old {
		t.Fatal("the code is the old one")
	}
	check(t, w, v, old, otp.OutcomeWrong)
	check(t, w, v, fresh, otp.OutcomeApproved)
}

func TestOwnCodeStaysOwnAndSealed(t *testing.T) {
	t.Parallel()
	w := tenants(t, loose(otp.Profile{Resend: "new"}))
	for _, own := range []string{"0012345", "aB3xyZ", "123456789012"} {
		req := vendor(phone)
		req.Code = own
		v, code := start(t, w, req)
		w.Clock.Advance(time.Minute)
		if _, err := resend(w, t, v); err != nil {
			t.Fatal(err)
		}
		if r := stored(t, w, v.ID); code != own || w.Courier.Last(t).Code != own || string(r.Secret) == own || !r.Spec.OwnCode || r.Spec.Length != len(own) {
			t.Errorf("code %q, record %+v", code, r)
		}
		check(t, w, v, own, otp.OutcomeApproved)
		w.Clock.Advance(10 * time.Minute)
	}
}

func TestResendWaitsForItsCooldownAndEndsAfterFiveSends(t *testing.T) {
	t.Parallel()
	w := tenants(t, loose(otp.Profile{Lifetime: time.Hour}))
	v, _ := start(t, w, native(phone))
	w.Clock.Advance(time.Minute - time.Microsecond)
	_, err := resend(w, t, v)
	want(t, err, otp.Throttled, otp.RuleCooldown, time.Microsecond)
	w.Clock.Advance(time.Microsecond)
	for range 4 {
		if _, err := resend(w, t, v); err != nil {
			t.Fatal(err)
		}
		w.Clock.Advance(3 * time.Minute)
	}
	_, err = resend(w, t, v)
	want(t, err, otp.Throttled, otp.RuleSends, v.Expires.Sub(w.Clock.Now()))
	if n := len(w.Courier.Dispatches()); n != 5 {
		t.Errorf("%d messages", n)
	}
}

func TestSendsOfStartsAndResendsShareTheLimits(t *testing.T) { // T04
	t.Parallel()
	w := tenants(t, loose(otp.Profile{Lifetime: 20 * time.Hour}))
	v, _ := start(t, w, vendor(phone))
	start(t, w, native(phone))
	w.Clock.Advance(time.Minute)
	for range 2 {
		start(t, w, vendor(phone))
	}
	if _, err := resend(w, t, v); err != nil {
		t.Fatal(err)
	}
	_, err := w.Start(t.Context(), vendor(phone))
	want(t, err, otp.Throttled, otp.RuleBurst, 9*time.Minute)
	w.Clock.Advance(10 * time.Minute)
	for range 5 {
		start(t, w, vendor(phone))
	}
	_, err = resend(w, t, v)
	want(t, err, otp.Throttled, otp.RuleDay, 24*time.Hour-11*time.Minute)
	if err := w.Forgive(t.Context()); err != nil {
		t.Fatal(err)
	}
	start(t, w, vendor(phone))
}

func TestForgivenSendsOfAVerification(t *testing.T) {
	t.Parallel()
	w := tenants(t)
	v, _ := start(t, w, native(phone))
	for n := range 10 {
		_, err := resend(w, t, v)
		want(t, err, otp.Throttled, otp.RuleCooldown, time.Minute)
		if err := w.Forgive(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, err := resend(w, t, v); err != nil {
			t.Fatalf("resend %d after all was forgiven: %v", n, err)
		}
	}
}

func TestRefusalsAreJournaledOnceARuleKeyAndMinute(t *testing.T) {
	t.Parallel()
	w := tenants(t)
	var refused sync.Map
	engine := w.Engine
	engine.FailWith(memory.Trouble{Commit: func(r *otp.Records) *store.Failure {
		for _, e := range r.Events {
			if e.Kind == otp.EventRefused {
				refused.Store(e.Verification, e.Detail)
			}
		}
		return nil
	}})
	for _, to := range []string{phone, mail} {
		for range 5 {
			start(t, w, vendor(to))
		}
	}
	count := func() (n int) {
		refused.Range(func(id, rule any) bool {
			events, err := w.Store.Events(t.Context(), id.(otp.ID))
			if err != nil || len(events) != 1 || !strings.HasPrefix(rule.(string), otp.RuleBurst+" #") {
				t.Errorf("events %v, %v", events, err)
			}
			n++
			return true
		})
		return n
	}
	for i, c := range []struct {
		to    string
		after time.Duration
		want  int
	}{{phone, 0, 1}, {phone, 0, 1}, {mail, 0, 2}, {phone, time.Minute, 3}} {
		w.Clock.Advance(c.after)
		for range 3 {
			if _, err := w.Start(t.Context(), vendor(c.to)); otp.KindOf(err) != otp.Throttled {
				t.Fatal(err)
			}
		}
		if got := count(); got != c.want {
			t.Errorf("%d: %d refusals in the journal, want %d", i, got, c.want)
		}
	}
}

func repeat(key, payload string) *otp.Repeat {
	return &otp.Repeat{Key: key, Payload: []byte(payload), Answer: func(v otp.View, o otp.Outcome) []byte { return []byte(v.ID.String() + " " + o.String()) }}
}

func TestRepeatGivesTheFirstAnswerAndOneEffect(t *testing.T) { // T19
	t.Parallel()
	w := tenants(t)
	req := native(phone)
	req.Repeat = repeat("k", "start")
	v, code := start(t, w, req)
	var again *otp.Repeated
	if _, err := w.Start(t.Context(), req); !errors.As(err, &again) || string(again.Answer) != v.ID.String()+" outcome(0)" {
		t.Fatalf("got %v", err)
	}
	other := req
	other.Repeat = repeat("k", "another")
	_, err := w.Start(t.Context(), other)
	want(t, err, otp.KeyReused, "", 0)
	other = req
	other.Caller = globex
	if foreign, err := w.Start(t.Context(), other); err != nil || foreign.ID == v.ID {
		t.Errorf("another tenant's key: %v", err)
	}

	wrong := guess(v, otptest.WrongCode(code))
	wrong.Repeat = repeat("w", "wrong")
	if _, o, err := w.Check(t.Context(), wrong); o != otp.OutcomeWrong || err != nil {
		t.Fatal(o, err)
	}
	right := guess(v, code)
	right.Repeat = repeat("r", "right")
	if _, o, err := w.Check(t.Context(), right); o != otp.OutcomeApproved || err != nil {
		t.Fatal(o, err)
	}
	for req, want := range map[*otp.CheckRequest]string{&wrong: " wrong", &right: " approved"} {
		if _, _, err := w.Check(t.Context(), *req); !errors.As(err, &again) || string(again.Answer) != v.ID.String()+want {
			t.Errorf("got %v, %s", err, again.Answer)
		}
	}
	if r := stored(t, w, v.ID); r.Attempts != 1 || r.Sends != 1 || len(w.Courier.Dispatches()) != 2 {
		t.Errorf("record %+v, %d messages", r, len(w.Courier.Dispatches()))
	}
	w.Clock.Advance(24 * time.Hour)
	if later, err := w.Start(t.Context(), req); err != nil || later.ID == v.ID {
		t.Errorf("after a day: %v", err)
	}
}

func TestResendAndCancelAreRepeatable(t *testing.T) {
	t.Parallel()
	w := tenants(t)
	v, _ := start(t, w, native(phone))
	w.Clock.Advance(time.Minute)
	var again *otp.Repeated
	req := otp.ResendRequest{Caller: acme, Dialect: otp.NativeDialect, Ref: otp.Ref{ID: v.ID}, Repeat: repeat("k", "resend")}
	if _, err := w.Resend(t.Context(), req); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Resend(t.Context(), req); !errors.As(err, &again) || len(w.Courier.Dispatches()) != 2 || string(again.Answer) != v.ID.String()+" outcome(0)" {
		t.Errorf("got %v, %d messages", err, len(w.Courier.Dispatches()))
	}
	cancel := otp.CancelRequest{Caller: acme, Dialect: otp.NativeDialect, Ref: otp.Ref{ID: v.ID}, Repeat: repeat("c", "cancel")}
	if _, err := w.Cancel(t.Context(), cancel); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Cancel(t.Context(), cancel); !errors.As(err, &again) {
		t.Errorf("got %v", err)
	}
}

func TestConcurrentRepeatsHaveOneEffect(t *testing.T) {
	t.Parallel()
	w := tenants(t)
	req := native(phone)
	req.Repeat = repeat("k", "start")
	var callers sync.WaitGroup
	answers := make(chan string, 32)
	for range 32 {
		callers.Go(func() {
			v, err := w.Start(t.Context(), req)
			var again *otp.Repeated
			switch {
			case err == nil:
				answers <- v.ID.String() + " outcome(0)"
			case errors.As(err, &again):
				answers <- string(again.Answer)
			case otp.KindOf(err) != otp.InProgress:
				t.Errorf("got %v", err)
			}
		})
	}
	callers.Wait()
	close(answers)
	first := <-answers
	for a := range answers {
		if a != first {
			t.Errorf("got %s and %s", first, a)
		}
	}
	if n := len(all(t, w)); n != 1 {
		t.Errorf("%d verifications", n)
	}
}

func TestKeyInWorkIsToldSo(t *testing.T) {
	t.Parallel()
	w := tenants(t)
	req := native(phone)
	inside, leave := make(chan bool), make(chan bool)
	req.Repeat = repeat("k", "start")
	req.Repeat.Answer = func(otp.View, otp.Outcome) []byte { inside <- true; <-leave; return nil }
	done := make(chan error)
	go func() { _, err := w.Start(t.Context(), req); done <- err }()
	<-inside
	_, err := w.Start(t.Context(), req)
	close(leave)
	if first := <-done; first != nil {
		t.Error(first)
	}
	want(t, err, otp.InProgress, "", time.Second)
}

func TestRefusedCallMayBeRepeated(t *testing.T) {
	t.Parallel()
	w := tenants(t)
	for range 5 {
		start(t, w, vendor(phone))
	}
	req := native(phone)
	req.Repeat = repeat("k", "start")
	_, err := w.Start(t.Context(), req)
	want(t, err, otp.Throttled, otp.RuleBurst, 10*time.Minute)
	w.Clock.Advance(10 * time.Minute)
	start(t, w, req)
}

// A refused resend is in the journal with its rule and the tag of the address.
func TestRefusedResendIsJournaled(t *testing.T) {
	t.Parallel()
	w := tenants(t)
	v, _ := start(t, w, native(phone))
	_, err := resend(w, t, v)
	want(t, err, otp.Throttled, otp.RuleCooldown, time.Minute)
	found, err := w.Refusals(t.Context(), otp.RefusalQuery{Tenant: "acme", Since: w.Clock.Now().Add(-time.Minute), Limit: 9})
	if err != nil || len(found) != 1 || found[0].Rule != otp.RuleCooldown || found[0].Address == "" {
		t.Errorf("%+v, %v", found, err)
	}
}

// The first message, which waits for its next try, is not carried any more after
// a resend: the person would get both.
func TestResendTakesThePlaceOfTheFirstMessage(t *testing.T) {
	t.Parallel()
	w := tenants(t)
	v, _ := start(t, w, native(phone))
	first := w.Courier.Dispatches()[0]
	tell(t, w, first, otp.Attempt{Provider: "p", Result: otp.EventRetry, NextAt: w.Clock.Now().Add(time.Minute)})
	w.Clock.Advance(time.Minute)
	if _, err := resend(w, t, v); err != nil {
		t.Fatal(err)
	}
	task(t, w, first.Message, otp.TaskNothing)
	task(t, w, w.Courier.Dispatches()[1].Message, otp.TaskSend)
}

// What was refused by the configuration of today has its first answer still.
func TestARepeatIsAnsweredAfterTheConfigurationChanged(t *testing.T) {
	t.Parallel()
	w := tenants(t)
	req := native(phone)
	req.Repeat = repeat("k", "start")
	v, _ := start(t, w, req)
	w.Configure(t, []otp.Tenant{{Name: "acme", Countries: []string{"CH"}}})
	var again *otp.Repeated
	if _, err := w.Start(t.Context(), req); !errors.As(err, &again) || string(again.Answer) != v.ID.String()+" outcome(0)" {
		t.Errorf("got %v", err)
	}
	other := req
	other.Repeat = repeat("another", "start")
	_, err := w.Start(t.Context(), other)
	want(t, err, otp.Undeliverable, "country", 0)
}

// What a resend was lent of the tenant's rate and did not use, another message
// uses.
func TestRefusedResendSpendsNothing(t *testing.T) {
	t.Parallel()
	w := limited(t, func(l *otp.Limits) { l.Rate = otp.Rate{N: 1, Per: time.Hour, Burst: 200} }) // charged two by two
	v, _ := start(t, w, native(phone))
	for range 50 {
		_, err := resend(w, t, v)
		want(t, err, otp.Throttled, otp.RuleCooldown, time.Minute)
	}
	for n := range 199 {
		start(t, w, vendor(line(n)))
	}
	refusedBy(t, w, vendor(line(199)), otp.RuleTenantRate)
}

// What a resend charges ahead serves those that follow: each costs one message of
// the tenant's rate.
func TestEachResendIsChargedOnce(t *testing.T) {
	t.Parallel()
	w := limited(t, func(l *otp.Limits) { l.Rate = otp.Rate{N: 1, Per: time.Hour, Burst: 200} }) // charged two by two
	var all []otp.View
	for n := range 50 {
		v, _ := start(t, w, native(line(n)))
		all = append(all, v)
	}
	for range 3 {
		w.Clock.Advance(time.Minute)
		for _, v := range all {
			if _, err := resend(w, t, v); err != nil {
				t.Fatal(err)
			}
		}
	}
	refusedBy(t, w, vendor(line(99)), otp.RuleTenantRate)
}
