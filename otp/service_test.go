package otp_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aldaba-otp/aldaba/otp"
	"github.com/aldaba-otp/aldaba/otp/otptest"
	"github.com/aldaba-otp/aldaba/store"
	"github.com/aldaba-otp/aldaba/store/storetest/world"
)

// CVE-2026-31875 (Parse Server): a recovery code was never used up.
func TestRightCodeIsAcceptedOnce(t *testing.T) {
	t.Parallel()
	w := tenants(t)
	v, code := start(t, w, native(phone))
	if v.Status != otp.Pending || v.AttemptsLeft != 5 || v.Expires.Sub(v.Created) != 5*time.Minute || strings.Contains(v.To, phone[4:9]) {
		t.Errorf("view %+v", v)
	}
	got := check(t, w, v, code, otp.OutcomeApproved)
	if got.Status != otp.Approved || got.AttemptsLeft != 0 {
		t.Errorf("view %+v", got)
	}
	check(t, w, v, code, otp.OutcomeUsed)
	check(t, w, v, otptest.WrongCode(code), otp.OutcomeUsed)
	if j := journal(t, w, v.ID); j != "a started, k approved" {
		t.Errorf("journal %s", j)
	}
	if d := destinations(t, w)[0]; len(d.Live) != 0 || len(d.Wrongs) != 0 || d.ApprovedAt.IsZero() {
		t.Errorf("destination %+v", d)
	}
}

// CVE-2026-15210, CVE-2026-19256, CVE-2025-4094, CVE-2025-56224: a code could be
// tried without an end. CVE-2026-105638, GHSA-mqjv-rwgv-4gxq (Plane): where
// codes were judged nothing was counted.
func TestLastTryExhausts(t *testing.T) { // T01, T03
	t.Parallel()
	w := tenants(t)
	v, code := start(t, w, native(phone))
	for left := 4; left >= 0; left-- {
		got := check(t, w, v, otptest.WrongCode(code), otp.OutcomeWrong)
		if got.AttemptsLeft != left || (got.Status == otp.Exhausted) != (left == 0) {
			t.Fatalf("%d left: %+v", left, got)
		}
	}
	check(t, w, v, code, otp.OutcomeExhausted)
	w.Clock.Advance(time.Hour)
	check(t, w, v, code, otp.OutcomeExhausted)
	if j := journal(t, w, v.ID); j != "a started, k wrong, l wrong, m wrong, n wrong, o exhausted" {
		t.Errorf("journal %s", j)
	}
}

func TestPeekJudgesAndCountsButDoesNotConsume(t *testing.T) {
	t.Parallel()
	w := tenants(t)
	v, code := start(t, w, native(phone))
	peek := func(code string) otp.Outcome {
		req := guess(v, code)
		req.Peek = true
		_, outcome, err := w.Check(t.Context(), req)
		if err != nil {
			t.Fatal(err)
		}
		return outcome
	}
	got := []otp.Outcome{peek(code), peek(code), peek(otptest.WrongCode(code))}
	if !slices.Equal(got, []otp.Outcome{otp.OutcomeApproved, otp.OutcomeApproved, otp.OutcomeWrong}) || stored(t, w, v.ID).Attempts != 1 {
		t.Errorf("outcomes %v, record %+v", got, stored(t, w, v.ID))
	}
	check(t, w, v, code, otp.OutcomeApproved)
	if peek(code) != otp.OutcomeUsed {
		t.Error("a peek at a used code is not told so")
	}
}

// GHSA-xmmm-jw76-q7vg (Keycloak): a code lived longer than was said.
// CVE-2024-8122 (WSO2), CVE-2026-8760 (Login with OTP): it never expired.
func TestCodeLivesUntilItsExpiryAndNotAtIt(t *testing.T) { // T20
	t.Parallel()
	w := tenants(t)
	v, code := start(t, w, native(phone))
	w.Clock.Advance(5*time.Minute - time.Microsecond)
	check(t, w, v, code, otp.OutcomeApproved)
	v, code = start(t, w, native(phone))
	w.Clock.Advance(5 * time.Minute)
	got := check(t, w, v, code, otp.OutcomeExpired)
	if j := journal(t, w, v.ID); got.Status != otp.Expired || j != "a started, k expired" {
		t.Errorf("%+v, journal %s", got, j)
	}
}

func TestClockThatGoesBackRevivesNothing(t *testing.T) {
	t.Parallel()
	for name, tell := range map[string]func(w *world.World, v otp.View, code string) error{
		"check": func(w *world.World, v otp.View, c string) error {
			_, _, err := w.Check(t.Context(), guess(v, c))
			return err
		},
		"lookup": func(w *world.World, v otp.View, _ string) error {
			_, err := w.Lookup(t.Context(), acme, v.ID)
			return err
		},
		"list": func(w *world.World, _ otp.View, _ string) error {
			_, err := w.List(t.Context(), acme, phone)
			return err
		},
		"cancel": func(w *world.World, v otp.View, _ string) error {
			_, err := w.Cancel(t.Context(), otp.CancelRequest{Caller: acme, Dialect: otp.NativeDialect, Ref: otp.Ref{ID: v.ID}})
			return err
		},
	} {
		w := tenants(t)
		v, code := start(t, w, native(phone))
		w.Clock.Advance(5 * time.Minute)
		if err := tell(w, v, code); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if s := stored(t, w, v.ID).Status; s != otp.Expired {
			t.Fatalf("%s: told, and stored as %s", name, s)
		}
		late := store.NewWriter(w.Engine, store.Options{Now: func() time.Time { return otptest.Start }})
		other := otp.New(otp.Options{Store: late, Ring: w.Ring(), Courier: w.Courier, Addresses: otptest.Addresses{}, Languages: otptest.Languages{}, Now: func() time.Time { return otptest.Start }})
		if _, outcome, err := other.Check(t.Context(), guess(v, code)); outcome != otp.OutcomeExpired || err != nil {
			t.Errorf("%s: a server whose clock is behind says %s, %v", name, outcome, err)
		}
		if err := late.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestLedgerCountsOverVerificationsAndDialects(t *testing.T) { // T04, R5
	t.Parallel()
	w := tenants(t, loose(otp.Profile{MaxAttempts: 10}))
	a, codeA := start(t, w, native(phone))
	req := vendor("0412 123 45 67") // another spelling of the line
	b, codeB := start(t, w, req)
	c, codeC := start(t, w, vendor(phone))
	for i := range 20 {
		if i%5 == 0 {
			forget(t, w)
		}
		v, code := a, codeA
		if i >= 9 {
			v, code = b, codeB
		}
		if i >= 18 {
			v, code = c, codeC
		}
		check(t, w, v, otptest.WrongCode(code), otp.OutcomeWrong)
		w.Clock.Advance(time.Second)
	}
	wait := 24*time.Hour - 20*time.Second
	_, outcome, err := w.Check(t.Context(), guess(c, codeC))
	want(t, err, otp.Throttled, otp.RuleLedger, wait)
	if got := stored(t, w, c.ID); outcome != otp.OutcomeThrottled || got.Status != otp.Pending || got.Attempts != 2 {
		t.Errorf("outcome %s, record %+v", outcome, got)
	}
	_, err = w.Start(t.Context(), native(phone))
	want(t, err, otp.Throttled, otp.RuleLedger, wait)
	w.Clock.Advance(time.Minute)
	_, err = w.Resend(t.Context(), otp.ResendRequest{Caller: acme, Dialect: otp.NativeDialect, Ref: otp.Ref{ID: c.ID}})
	want(t, err, otp.Throttled, otp.RuleLedger, wait-time.Minute)

	// An ended one answers by its state; other tenants and lines are free.
	w.Clock.Advance(4 * time.Minute)
	check(t, w, a, codeA, otp.OutcomeExpired)
	start(t, w, native("+584120000000"))
	other := native(phone)
	other.Caller = globex
	start(t, w, other)
}

func TestShortCodesFillTheLedgerSooner(t *testing.T) { // R5
	t.Parallel()
	for length, most := range map[int]int{3: 5, 4: 10, 6: 10} {
		w := tenants(t, loose(otp.Profile{Length: length, MaxAttempts: 10}))
		v, code := start(t, w, native(phone))
		for range most {
			check(t, w, v, otptest.WrongCode(code), otp.OutcomeWrong)
			forget(t, w)
		}
		_, err := w.Start(t.Context(), native(phone))
		if full := kind(err) == otp.Throttled; full != (length < 6) {
			t.Errorf("%d digits: after %d wrong guesses the ledger is full: %v", length, most, full)
		}
	}
}

func TestOlderVerificationsAreReplacedAsAskedFor(t *testing.T) { // R4, R7
	t.Parallel()
	session := func(to, name string) otp.StartRequest {
		return otp.StartRequest{Caller: acme, Dialect: "additiv", To: to, Session: name, Replace: otp.ReplaceSession}
	}
	purpose := func(p string) otp.StartRequest { r := native(phone); r.Purpose = p; return r }
	for name, c := range map[string]struct {
		first, second otp.StartRequest
		want          otp.Status
	}{
		"same purpose":             {native(phone), native(phone), otp.Superseded},
		"another purpose":          {native(phone), purpose(otp.Recover), otp.Pending},
		"another line":             {native(phone), native(mail), otp.Pending},
		"none":                     {vendor(phone), vendor(phone), otp.Pending},
		"a vendor's stays":         {vendor(phone), native(phone), otp.Pending},
		"the native one stays":     {native(phone), vendor(phone), otp.Pending},
		"same session":             {session(phone, "s"), session(phone, "s"), otp.Superseded},
		"same session, other line": {session(phone, "s"), session(mail, "s"), otp.Superseded},
		"another session":          {session(phone, "s"), session(phone, "t"), otp.Pending},
	} {
		w := tenants(t)
		first, code1 := start(t, w, c.first)
		w.Clock.Advance(time.Second)
		second, code2 := start(t, w, c.second)
		if got := stored(t, w, first.ID).Status; got != c.want {
			t.Errorf("%s: the first is %s, want %s", name, got, c.want)
		}
		if c.want == otp.Superseded {
			check(t, w, first, code1, otp.OutcomeSuperseded)
			if j := journal(t, w, first.ID); j != "a started, k superseded" {
				t.Errorf("%s: journal %s", name, j)
			}
		} else {
			check(t, w, first, code1, otp.OutcomeApproved)
		}
		check(t, w, second, code2, otp.OutcomeApproved)
		for _, d := range destinations(t, w) {
			if len(d.Live) != 0 {
				t.Errorf("%s: %v still live", name, d.Live)
			}
		}
	}
}

func TestReplacedOneWhoseLifeIsOverIsExpired(t *testing.T) {
	t.Parallel()
	w := tenants(t)
	v, _ := start(t, w, native(phone))
	w.Clock.Advance(5 * time.Minute)
	start(t, w, native(phone))
	if j := journal(t, w, v.ID); stored(t, w, v.ID).Status != otp.Expired || j != "a started, k expired" {
		t.Errorf("journal %s", j)
	}
}

// CVE-2026-3655, CVE-2026-94256: what was proven was not bound to whom.
func TestCodeOfOneVerificationIsWrongForAnother(t *testing.T) { // T22, T25
	t.Parallel()
	w := tenants(t)
	r := native(phone)
	r.Code = "123456"
	a, _ := start(t, w, r)
	r = native(phone)
	r.Purpose = otp.ConfirmAddress
	b, codeB := start(t, w, r)
	if codeB != "123456" {
		check(t, w, b, "123456", otp.OutcomeWrong)
	}
	check(t, w, a, "123456", otp.OutcomeApproved)
	check(t, w, b, codeB, otp.OutcomeApproved)
}

func TestVerificationsAreKeptApartByTenantDialectAndOwner(t *testing.T) {
	t.Parallel()
	w := tenants(t)
	v, code := start(t, w, vendor(phone))
	for name, c := range map[string]struct {
		caller  otp.Caller
		dialect string
		ref     otp.Ref
	}{
		"another tenant":  {globex, "modica", otp.Ref{ID: v.ID}},
		"another dialect": {acme, "unityvox", otp.Ref{ID: v.ID}},
		"another owner":   {acme, "modica", otp.Ref{ID: v.ID, Owner: "key 9"}},
		"never issued":    {acme, "modica", otp.Ref{ID: otp.ID{1}}},
		"no session":      {acme, "modica", otp.Ref{}},
		"other session":   {acme, "modica", otp.Ref{Session: "x"}},
	} {
		_, _, err := w.Check(t.Context(), otp.CheckRequest{Caller: c.caller, Dialect: c.dialect, Ref: c.ref, Code: code})
		want(t, err, otp.NotFound, "", 0)
		_, err = w.Cancel(t.Context(), otp.CancelRequest{Caller: c.caller, Dialect: c.dialect, Ref: c.ref})
		want(t, err, otp.NotFound, "", 0)
		_, err = w.Resend(t.Context(), otp.ResendRequest{Caller: c.caller, Dialect: c.dialect, Ref: c.ref})
		if otp.KindOf(err) != otp.NotFound {
			t.Errorf("%s: resend %v", name, err)
		}
	}
	if _, err := w.Lookup(t.Context(), globex, v.ID); otp.KindOf(err) != otp.NotFound {
		t.Errorf("another tenant looks up: %v", err)
	}
	if got := stored(t, w, v.ID); got.Attempts != 0 || got.Status != otp.Pending {
		t.Errorf("record %+v", got)
	}
	req := guess(v, code)
	req.Dialect = otp.NativeDialect // sees all of the tenant's
	if _, outcome, err := w.Check(t.Context(), req); outcome != otp.OutcomeApproved || err != nil {
		t.Errorf("%s, %v", outcome, err)
	}
}

func TestCancelEndsAPendingOneOnly(t *testing.T) {
	t.Parallel()
	w := tenants(t)
	v, code := start(t, w, native(phone))
	req := otp.CancelRequest{Caller: acme, Dialect: otp.NativeDialect, Ref: otp.Ref{ID: v.ID}}
	for range 2 {
		if got, err := w.Cancel(t.Context(), req); err != nil || got.Status != otp.Canceled {
			t.Fatalf("%+v, %v", got, err)
		}
	}
	check(t, w, v, code, otp.OutcomeCanceled)
	if j := journal(t, w, v.ID); j != "a started, k canceled" {
		t.Errorf("journal %s", j)
	}
	v, code = start(t, w, native(phone))
	check(t, w, v, code, otp.OutcomeApproved)
	req.Ref.ID = v.ID
	if got, err := w.Cancel(t.Context(), req); err != nil || got.Status != otp.Approved {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestVoidIsToldAndFinal(t *testing.T) {
	t.Parallel()
	w := tenants(t)
	v, code := start(t, w, native(phone))
	err := w.Store.Do(t.Context(), otp.Step{Load: otp.Keys{Verifications: []otp.ID{v.ID}}, Decide: func(now time.Time, st *otp.State) error {
		r, _ := st.Verifications.Get(v.ID)
		r.Status, r.Ended = otp.Void, now
		st.Verifications.Put(v.ID, r)
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	check(t, w, v, code, otp.OutcomeVoid)
}

func TestListIsNewestFirstAndOfOneTenant(t *testing.T) {
	t.Parallel()
	w := tenants(t)
	var ids []otp.ID
	for i := range 7 {
		v, _ := start(t, w, vendor([]string{phone, "0412-1234567"}[i%2]))
		ids = append([]otp.ID{v.ID}, ids...)
		w.Clock.Advance(3 * time.Minute)
	}
	views, err := w.List(t.Context(), acme, "(0412) 123.45.67")
	if err != nil || len(views) != 7 {
		t.Fatalf("%d views, %v", len(views), err)
	}
	for i, v := range views {
		if expired := i >= 1; v.ID != ids[i] || (v.Status == otp.Expired) != expired {
			t.Errorf("%d: %s is %s, want %s, expired %v", i, v.ID, v.Status, ids[i], expired)
		}
	}
	w.Clock.Advance(day)
	for range 50 {
		start(t, w, vendor(phone))
		w.Clock.Advance(3 * time.Hour)
	}
	if views, err := w.List(t.Context(), acme, phone); err != nil || len(views) != 50 {
		t.Errorf("a listing has %d of 57, %v", len(views), err)
	}
	if views, err := w.List(t.Context(), globex, phone); err != nil || len(views) != 0 {
		t.Errorf("another tenant sees %d, %v", len(views), err)
	}
	if _, err := w.List(t.Context(), acme, "nobody"); otp.KindOf(err) != otp.Invalid {
		t.Errorf("got %v", err)
	}
}

func TestStatusesOutcomesAndKindsHaveTheirWords(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, s := range otp.Statuses() {
		seen["s "+s.String()] = true
	}
	for _, o := range otp.Outcomes() {
		seen["o "+o.String()] = true
	}
	for _, k := range otp.Kinds() {
		seen["k "+k.String()] = true
	}
	for word := range seen {
		if strings.Contains(word, "(") {
			t.Errorf("%s has no word", word)
		}
	}
	if n := len(otp.Statuses()) + len(otp.Outcomes()) + len(otp.Kinds()); len(seen) != n {
		t.Errorf("%d words for %d values", len(seen), n)
	}
	if got := fmt.Sprint(otp.Status(99), otp.Outcome(99), otp.Kind(99)); got != "status(99) outcome(99) kind(99)" {
		t.Error(got)
	}
}
