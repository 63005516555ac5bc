package otp_test

import (
	"sync"
	"testing"
	"time"

	"github.com/aldaba-otp/aldaba/otp"
	"github.com/aldaba-otp/aldaba/otp/otptest"
	"github.com/aldaba-otp/aldaba/store/storetest/world"
)

// together runs all at once and waits for them.
func together(all ...func()) {
	var ready, done sync.WaitGroup
	ready.Add(len(all))
	for _, f := range all {
		done.Go(func() {
			ready.Done()
			ready.Wait()
			f()
		})
	}
	done.Wait()
}

// race makes n calls at once and counts their outcomes.
func race(t *testing.T, w *world.World, v otp.View, codes ...string) map[otp.Outcome]int {
	t.Helper()
	var mu sync.Mutex
	counts := map[otp.Outcome]int{}
	var calls []func()
	for _, code := range codes {
		calls = append(calls, func() {
			_, o, err := w.Check(t.Context(), guess(v, code))
			if err != nil {
				t.Errorf("check: %v", err)
			}
			mu.Lock()
			counts[o]++
			mu.Unlock()
		})
	}
	together(calls...)
	return counts
}

func many(n int, code string) []string {
	list := make([]string, n)
	for i := range list {
		list[i] = code
	}
	return list
}

// CVE-2026-107276 (MISP), GHSA-x2wq-9x2f-fhj7 (Spring Security), better-auth PR
// 8067: between reading a code and using it up others could use it too.
func TestOneOfManyRightGuessesWins(t *testing.T) { // T13
	t.Parallel()
	for range 20 {
		w := tenants(t)
		v, code := start(t, w, native(phone))
		if got := race(t, w, v, many(64, code)...); got[otp.OutcomeApproved] != 1 || got[otp.OutcomeUsed] != 63 {
			t.Fatalf("outcomes %v", got)
		}
	}
}

// better-auth PR 8067: guesses that came at once went around the limit.
func TestEachOfManyWrongGuessesSpendsATry(t *testing.T) { // T14
	t.Parallel()
	for range 20 {
		w := tenants(t)
		v, code := start(t, w, native(phone))
		got := race(t, w, v, many(64, otptest.WrongCode(code))...)
		if got[otp.OutcomeWrong] != 5 || got[otp.OutcomeExhausted] != 59 || stored(t, w, v.ID).Attempts != 5 || len(destinations(t, w)[0].Wrongs) != 5 {
			t.Fatalf("outcomes %v", got)
		}
	}
}

func TestRightAmongWrongIsJudgedInSomeOrder(t *testing.T) { // T15
	t.Parallel()
	for range 20 {
		w := tenants(t)
		v, code := start(t, w, native(phone))
		got := race(t, w, v, append(many(32, otptest.WrongCode(code)), code)...)
		r := stored(t, w, v.ID)
		if won := got[otp.OutcomeApproved] == 1; won != (r.Status == otp.Approved) || !won && (r.Status != otp.Exhausted || got[otp.OutcomeWrong] != 5) || r.Attempts != got[otp.OutcomeWrong] || won && r.Attempts > 4 {
			t.Fatalf("outcomes %v, record %+v", got, r)
		}
	}
}

func TestStartsAtOnceNeverExceedTheLimits(t *testing.T) { // T17
	t.Parallel()
	w := tenants(t)
	other, _ := second(w)
	for round := range 3 {
		var calls []func()
		for i := range 32 {
			s := []*otp.Service{w.Service, other}[i%2]
			calls = append(calls, func() {
				if _, err := s.Start(t.Context(), native(phone)); err != nil && otp.KindOf(err) != otp.Throttled {
					t.Errorf("start: %v", err)
				}
			})
		}
		together(calls...)
		rows := all(t, w)
		if wanted := min(5*(round+1), 10); len(rows) != wanted {
			t.Fatalf("round %d: %d verifications, want %d", round, len(rows), wanted)
		}
		pending := 0
		for _, s := range statuses(rows) {
			if s == otp.Pending {
				pending++
			}
		}
		if d := destinations(t, w)[0]; pending > 1 || len(d.Live) > 1 {
			t.Fatalf("%d are pending, %d live", pending, len(d.Live))
		}
		w.Clock.Advance(10 * time.Minute)
	}
}

// TestManyAtOnceStayWithinADay: T61 under concurrency. The day's row is counted
// in the step that reads it.
func TestManyAtOnceStayWithinADay(t *testing.T) {
	t.Parallel()
	for range 5 {
		w := limited(t, func(l *otp.Limits) { l.DayMessages = 20 })
		var calls []func()
		for i := range 64 {
			calls = append(calls, func() {
				if _, err := w.Start(t.Context(), vendor(line(i))); err != nil && otp.AsError(err).Rule != otp.RuleDayMessages {
					t.Errorf("start: %v", err)
				}
			})
		}
		together(calls...)
		if sent := len(w.Courier.Dispatches()); sent != 20 {
			t.Fatalf("%d messages, want 20", sent)
		}
	}
}

func TestCheckResendCancelAndReplaceEqualSomeSerialOrder(t *testing.T) { // T16
	t.Parallel()
	for round := range 60 {
		w := tenants(t)
		v, code := start(t, w, native(phone))
		w.Clock.Advance(5*time.Minute - time.Millisecond)
		var outcome otp.Outcome
		var canceled, resent otp.View
		var resendErr error
		calls := []func(){
			func() { _, outcome, _ = w.Check(t.Context(), guess(v, code)) },
			func() { resent, resendErr = resend(w, t, v) },
			func() {
				canceled, _ = w.Cancel(t.Context(), otp.CancelRequest{Caller: acme, Dialect: v.Dialect, Ref: otp.Ref{ID: v.ID}})
			},
		}
		if round%2 == 1 {
			calls = append(calls, func() { _, _ = w.Start(t.Context(), native(phone)) })
		}
		if round%3 == 2 {
			calls = append(calls, func() { w.Clock.Advance(time.Millisecond) })
		}
		together(calls...)
		r := stored(t, w, v.ID)
		ends := map[otp.Status]otp.Outcome{otp.Approved: otp.OutcomeApproved, otp.Canceled: otp.OutcomeCanceled, otp.Superseded: otp.OutcomeSuperseded, otp.Expired: otp.OutcomeExpired}
		if outcome != ends[r.Status] || canceled.Status != r.Status || (resendErr == nil) != (r.Sends == 2) || resendErr == nil && resent.Sends != 2 {
			t.Fatalf("round %d: check %s, cancel %s, resend %v; record %+v", round, outcome, canceled.Status, resendErr, r)
		}
	}
}
