package otp_test

import (
	"testing"
	"time"

	"github.com/aldaba-otp/aldaba/otp"
	"github.com/aldaba-otp/aldaba/store/storetest/world"
)

func sweep(t testing.TB, s *otp.Sweeper) int {
	t.Helper()
	n, err := s.Round(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// unbounded leaves a tenant no rows of rates and of the watch, which the sweeper
// would count.
func unbounded(t *otp.Tenant) {
	t.Limits.Rate, t.FraudWatch.Mode = otp.Rate{Off: true}, otp.WatchOff
}

func TestSweeperExpiresErasesAndRetires(t *testing.T) {
	t.Parallel()
	w := tenants(t, unbounded)
	s := w.NewSweeper()
	req := vendor(phone)
	req.Session = "mine"
	v, code := start(t, w, req)
	used, right := start(t, w, native(phone))
	check(t, w, used, right, otp.OutcomeApproved)

	w.Clock.Advance(5*time.Minute - 1)
	if n := sweep(t, s); n != 0 || stored(t, w, v.ID).Status != otp.Pending {
		t.Errorf("early: %d", n)
	}
	w.Clock.Advance(1)
	if n := sweep(t, s); n != 1 || stored(t, w, v.ID).Status != otp.Expired || journal(t, w, v.ID) != "a started, k expired" {
		t.Errorf("at the expiry: %d, %s", n, journal(t, w, v.ID))
	}
	w.Clock.Advance(55 * time.Minute) // an hour after the approval
	if n := sweep(t, s); n != 1 || stored(t, w, used.ID).Secret != nil || stored(t, w, v.ID).Secret == nil {
		t.Errorf("an hour after the approval: %d", n)
	}
	w.Clock.Advance(5 * time.Minute)
	if n := sweep(t, s); n != 1 || stored(t, w, v.ID).Secret != nil {
		t.Errorf("an hour after the expiry: %d", n)
	}
	check(t, w, v, code, otp.OutcomeExpired)
	check(t, w, used, right, otp.OutcomeUsed)

	w.Clock.Advance(30*24*time.Hour - 65*time.Minute)
	if n := sweep(t, s); n != 0 || len(all(t, w)) != 2 {
		t.Errorf("at 30 days: %d", n)
	}
	w.Clock.Advance(time.Millisecond)
	sweep(t, s)
	if len(all(t, w)) != 0 || len(destinations(t, w)) != 0 {
		t.Errorf("after 30 days %d verifications and %d destinations are left", len(all(t, w)), len(destinations(t, w)))
	}
	err := w.Store.Do(t.Context(), otp.Step{Load: otp.Keys{Handles: []otp.Key{handleOf(w, req)}}, Decide: func(_ time.Time, st *otp.State) error {
		if _, ok := st.Handles.Get(handleOf(w, req)); ok {
			t.Error("the handle is left")
		}
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	_, _, err = w.Check(t.Context(), guess(v, code))
	want(t, err, otp.NotFound, "", 0)
}

func handleOf(w *world.World, req otp.StartRequest) otp.Key {
	return otp.HandleKey(w.Ring(), req.Caller.Tenant, req.Dialect, req.Session)
}

func TestHandleOfANewerVerificationSurvivesTheOldOne(t *testing.T) {
	t.Parallel()
	w := tenants(t)
	req := vendor(phone)
	req.Session, req.Replace = "s", otp.ReplaceSession
	start(t, w, req)
	w.Clock.Advance(30*24*time.Hour + time.Millisecond)
	_, code := start(t, w, req)
	sweep(t, w.NewSweeper())
	if _, o, err := w.Check(t.Context(), otp.CheckRequest{Caller: acme, Dialect: "modica", Ref: otp.Ref{Session: "s"}, Code: code}); o != otp.OutcomeApproved || err != nil {
		t.Errorf("%s, %v", o, err)
	}
}

func TestSweepersCursorSurvivesARestart(t *testing.T) {
	t.Parallel()
	w := tenants(t, loose(otp.Profile{Lifetime: 2 * time.Hour}))
	long, _ := start(t, w, native(phone))
	s := w.NewSweeper()
	for range 20 {
		w.Clock.Advance(5 * time.Minute)
		req := vendor(mail)
		req.Asked.Lifetime = time.Minute
		if _, err := w.Start(t.Context(), req); otp.AsError(err) != nil && otp.KindOf(err) != otp.Throttled {
			t.Fatal(err)
		}
		sweep(t, s)
	}
	w.Clock.Advance(3 * time.Hour)
	sweep(t, w.NewSweeper())
	for _, v := range all(t, w) {
		if v.Status != otp.Expired {
			t.Errorf("%s is %s", v.ID, v.Status)
		}
	}
	w.Clock.Advance(time.Hour)
	sweep(t, w.NewSweeper())
	if stored(t, w, long.ID).Secret != nil {
		t.Error("a new sweeper lost the oldest one")
	}
}

func TestSweeperForgetsRepeats(t *testing.T) {
	t.Parallel()
	w := tenants(t)
	req := native(phone)
	req.Repeat = repeat("k", "x")
	start(t, w, req)
	w.Clock.Advance(24 * time.Hour)
	s := w.NewSweeper()
	sweep(t, s)
	w.Clock.Advance(time.Second)
	sweep(t, s)
	keys, err := w.Store.ScanReplays(t.Context(), w.Clock.Now().AddDate(1, 0, 0), 10)
	if err != nil || len(keys) != 0 {
		t.Errorf("%v, %v", keys, err)
	}
}

func TestSweeperWithManyRecordsEndsItsRound(t *testing.T) {
	t.Parallel()
	w := tenants(t, unbounded)
	for i := range 250 {
		start(t, w, vendor(otp.ID{byte(i)}.Hex()+"@example.com"))
	}
	w.Clock.Advance(10 * time.Minute)
	if n := sweep(t, w.NewSweeper()); n != 250 {
		t.Errorf("%d expired", n)
	}
	w.Clock.Advance(31 * 24 * time.Hour)
	sweep(t, w.NewSweeper())
	if n := len(all(t, w)) + len(destinations(t, w)); n != 0 {
		t.Errorf("%d records are left", n)
	}
}

func TestSweeperTriesAgainAfterAFailure(t *testing.T) {
	t.Parallel()
	w := tenants(t, unbounded)
	v, _ := start(t, w, native(phone))
	s := w.NewSweeper()
	w.Clock.Advance(5 * time.Minute)
	down(w, true)
	if _, err := s.Round(t.Context()); err == nil {
		t.Fatal("a round over a store that is down has no error")
	}
	down(w, false)
	if n := sweep(t, s); n != 1 || stored(t, w, v.ID).Status != otp.Expired {
		t.Errorf("%d", n)
	}
}

// The process's clock is an hour ahead of the store's.
func TestSweeperEndsItsRoundWhenTheStoresClockIsBehind(t *testing.T) {
	t.Parallel()
	w := tenants(t, unbounded)
	v, _ := start(t, w, native(phone))
	ahead := otp.New(otp.Options{Store: w.Store, Ring: w.Ring(), Courier: w.Courier, Now: func() time.Time { return w.Clock.Now().Add(time.Hour) }})
	s := ahead.NewSweeper()
	if n := sweep(t, s); n != 0 || stored(t, w, v.ID).Status != otp.Pending {
		t.Errorf("%d", n)
	}
	w.Clock.Advance(5 * time.Minute)
	if n := sweep(t, s); n != 1 {
		t.Errorf("%d", n)
	}
}

// TestEachEndIsWrittenWhenItIsDue, whatever order the verifications came in.
func TestEachEndIsWrittenWhenItIsDue(t *testing.T) {
	t.Parallel()
	profiles := func(a *otp.Tenant) {
		unbounded(a)
		for n := 1; n <= 9; n++ {
			a.Profiles = append(a.Profiles, otp.Profile{Name: "p" + itoa(int64(n)), Lifetime: time.Duration(n) * 10 * time.Minute, Policy: otp.Compatible})
		}
	}
	w := tenants(t, profiles)
	lives := map[otp.ID]int{}
	for _, n := range []int{5, 3, 9, 1, 7, 2, 8, 4, 6} {
		req := native(line(n))
		req.Profile = "p" + itoa(int64(n))
		v, _ := start(t, w, req)
		lives[v.ID] = n
	}
	s := w.NewSweeper()
	w.Clock.Advance(2 * time.Minute)
	for now := range 10 {
		sweep(t, s)
		for id, n := range lives {
			if got := stored(t, w, id).Status; (got == otp.Expired) != (n <= now) {
				t.Errorf("after %d0 minutes one that lives %d0 is %s", now, n, got)
			}
		}
		w.Clock.Advance(10 * time.Minute)
	}
}
