package otp_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/aldaba-otp/aldaba/otp"
	"github.com/aldaba-otp/aldaba/otp/otptest"
	"github.com/aldaba-otp/aldaba/store/storetest/world"
)

func fence(t testing.TB, w *world.World, tenant string, dry bool) otp.Fenced {
	t.Helper()
	done, err := w.Fence(t.Context(), tenant, otp.ActorOperator, dry)
	if err != nil {
		t.Fatal(err)
	}
	return done
}

// TestAFenceLetsNoCodeOfBeforeBeAccepted is T66 for the core: what lives is void,
// whatever is guessed, and its tries are spent.
func TestAFenceLetsNoCodeOfBeforeBeAccepted(t *testing.T) {
	t.Parallel()
	w := tenants(t)
	approved, code := start(t, w, vendor(phone))
	check(t, w, approved, code, otp.OutcomeApproved)
	expired, _ := start(t, w, vendor(phone))
	w.Clock.Advance(10 * time.Minute)
	first, right := start(t, w, vendor(phone))
	check(t, w, first, otptest.WrongCode(right), otp.OutcomeWrong)
	second, other := start(t, w, vendor(phone))
	theirs := native(phone)
	theirs.Caller = globex
	elsewhere, err := w.Start(t.Context(), theirs)
	if err != nil {
		t.Fatal(err)
	}

	// One has 4 of 5 tries left, the other 5.
	if got := fence(t, w, "acme", true); got != (otp.Fenced{Verifications: 2, Guesses: 9}) {
		t.Errorf("a dry run: %+v", got)
	}
	if stored(t, w, first.ID).Status != otp.Pending {
		t.Error("a dry run changed something")
	}
	if got := fence(t, w, "acme", false); got != (otp.Fenced{Verifications: 2, Guesses: 9}) {
		t.Errorf("fenced: %+v", got)
	}
	if got := journal(t, w, first.ID); got != "a started, k wrong, l void" {
		t.Errorf("the journal says %s", got)
	}
	check(t, w, first, right, otp.OutcomeVoid)
	check(t, w, second, other, otp.OutcomeVoid)
	check(t, w, approved, code, otp.OutcomeUsed)
	if v := stored(t, w, expired.ID); v.Status != otp.Pending { // which is the sweeper's
		t.Errorf("the expired one is %s", v.Status)
	}
	if v := stored(t, w, elsewhere.ID); v.Status != otp.Pending {
		t.Errorf("another tenant's is %s", v.Status)
	}
	for _, d := range destinations(t, w) {
		want := 0
		if d.Tenant == "acme" {
			want = 10 // with the one that was made
		}
		if len(d.Wrongs) != want || d.Tenant == "acme" && len(d.Live) != 0 {
			t.Errorf("%s: %d wrong guesses, %d live", d.Tenant, len(d.Wrongs), len(d.Live))
		}
	}
	if got := fence(t, w, "acme", false); got != (otp.Fenced{}) {
		t.Errorf("fenced again: %+v", got)
	}
	if got := fence(t, w, "", false); got.Verifications != 1 || stored(t, w, elsewhere.ID).Status != otp.Void {
		t.Errorf("all tenants: %+v", got)
	}

	// A new code is judged as ever.
	w.Clock.Advance(10 * time.Minute)
	fresh, code := start(t, w, vendor(phone))
	check(t, w, fresh, code, otp.OutcomeApproved)
}

// TestAFenceSpendsNoMoreThanThereIs: spent guesses that cannot be remembered, at
// five codes, fill the ledger and no more.
func TestAFenceSpendsNoMoreThanThereIs(t *testing.T) {
	t.Parallel()
	w := tenants(t)
	for range 5 {
		start(t, w, vendor(phone))
	}
	if got := fence(t, w, "", false); got.Verifications != 5 || got.Guesses != 25 {
		t.Errorf("fenced: %+v", got)
	}
	w.Clock.Advance(10 * time.Minute)
	_, err := w.Start(t.Context(), vendor(phone)) // for a code that could not be guessed
	want(t, err, otp.Throttled, otp.RuleLedger, 24*time.Hour-10*time.Minute)
	w.Clock.Advance(24*time.Hour - 10*time.Minute)
	v, code := start(t, w, vendor(phone))
	check(t, w, v, code, otp.OutcomeApproved)
}

// TestAFenceSeesManyAndOnlyThoseThatLive goes over several pages and steps.
func TestAFenceSeesManyAndOnlyThoseThatLive(t *testing.T) {
	t.Parallel()
	w := tenants(t, unbounded)
	const n = 1203
	for i := range n {
		if _, err := w.Start(t.Context(), vendor(fmt.Sprintf("+58412%07d", i))); err != nil {
			t.Fatal(err)
		}
	}
	if got := fence(t, w, "", false); got.Verifications != n {
		t.Errorf("fenced: %+v", got)
	}
	for _, v := range all(t, w) {
		if v.Status != otp.Void {
			t.Fatalf("%s is %s", v.ID, v.Status)
		}
	}
	if _, err := w.Fence(t.Context(), "nobody", otp.ActorOperator, false); kind(err) != otp.NotFound {
		t.Errorf("an unknown tenant: %v", err)
	}
	down(w, true)
	if _, err := w.Fence(t.Context(), "", otp.ActorOperator, false); kind(err) != otp.Unavailable {
		t.Errorf("without its store: %v", err)
	}
}

// TestAFenceMovesNumbersOn: a number that may have been given out since the backup
// names nobody else.
func TestAFenceMovesNumbersOn(t *testing.T) {
	t.Parallel()
	w := tenants(t)
	numbered := func() int64 {
		t.Helper()
		req := vendor(phone)
		req.Dialect, req.Numbered = "danaconnect", true
		v, err := w.Start(t.Context(), req)
		if err != nil {
			t.Fatal(err)
		}
		return stored(t, w, v.ID).Spec.Number
	}
	before := numbered()
	if got := fence(t, w, "", true); got.Numbers != 1 {
		t.Errorf("a dry run: %+v", got)
	}
	if got := numbered(); got != before+1 {
		t.Errorf("after the dry run %d follows %d", got, before)
	}
	if got := fence(t, w, "", false); got.Numbers != 1 {
		t.Errorf("fenced: %+v", got)
	}
	if got := numbered(); got <= before+1_000_000 {
		t.Errorf("%d follows %d", got, before)
	}
}

// TestAFenceChargesNobodyForWhatProvesNothing: the tries of decoys and of test
// addresses are no guesses at a code that somebody has.
func TestAFenceChargesNobodyForWhatProvesNothing(t *testing.T) {
	t.Parallel()
	w := tenants(t, func(a *otp.Tenant) {
		a.TestAddresses = []otp.TestAddress{{Address: phone, Code: "123456", Until: "2026-12-31"}}
	})
	for _, req := range []otp.StartRequest{native(phone), sham(another)} {
		if _, err := w.Start(t.Context(), req); err != nil {
			t.Fatal(err)
		}
	}
	for _, dry := range []bool{true, false} {
		if got := fence(t, w, "acme", dry); got != (otp.Fenced{Verifications: 2}) {
			t.Errorf("dry %t: %+v", dry, got)
		}
	}
	for _, d := range destinations(t, w) {
		if len(d.Wrongs) != 0 {
			t.Errorf("%d wrong guesses", len(d.Wrongs))
		}
	}
}

// TestNumbersBeginAnewAfterTheLast: vendors' applications keep them in 32 bits.
func TestNumbersBeginAnewAfterTheLast(t *testing.T) {
	t.Parallel()
	const last = 1<<31 - 1
	for _, c := range []struct {
		given  int64
		fenced bool
		want   int64
	}{
		{last - 2000, false, last - 1999}, {last - 1999, false, 1},
		{last - 1_002_000, true, last - 1999}, {last - 1_001_999, true, 1},
	} {
		w := tenants(t)
		key := otp.NumbersKey(w.Ring(), "acme")
		if err := w.Store.Do(t.Context(), otp.Step{Load: otp.Keys{Counters: []otp.Key{key}}, Decide: func(_ time.Time, st *otp.State) error {
			st.Counters.Put(key, otp.Counter{Key: key, Value: c.given})
			return nil
		}}); err != nil {
			t.Fatal(err)
		}
		if c.fenced {
			fence(t, w, "acme", false)
		}
		req := vendor(phone)
		req.Dialect, req.Numbered = "danaconnect", true
		if v, err := w.Start(t.Context(), req); err != nil || v.Number != c.want {
			t.Errorf("%+v: %d, %v", c, v.Number, err)
		}
	}
}
