package otp_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aldaba-otp/aldaba/otp"
	"github.com/aldaba-otp/aldaba/store/storetest/world"
)

// watched is a world whose acme is watched as it is shipped, and what was told.
func watched(t testing.TB, change ...func(*otp.Tenant)) (*world.World, func(kind otp.EventKind) []string) {
	t.Helper()
	var mu sync.Mutex
	var events []otp.Event
	acme := otp.Tenant{Name: "acme", Countries: []string{"*"}, Home: "VE", Limits: off()}
	for _, f := range change {
		f(&acme)
	}
	w := world.New(t, world.Options{
		Tenants: []otp.Tenant{acme, {Name: "globex", Countries: []string{"*"}, Limits: off()}},
		Observe: func(e *otp.Event) {
			mu.Lock()
			defer mu.Unlock()
			events = append(events, *e)
		},
	})
	return w, func(kind otp.EventKind) (details []string) {
		mu.Lock()
		defer mu.Unlock()
		for i := range events {
			if events[i].Kind == kind {
				details = append(details, events[i].Detail)
			}
		}
		return details
	}
}

// pump starts verifications to numbers of one prefix and returns how many were
// sent.
func pump(t testing.TB, w *world.World, first, n int) (sent int) {
	t.Helper()
	for i := range n {
		_, err := w.Start(t.Context(), vendor(line(first+i)))
		switch {
		case err == nil:
			sent++
		case otp.AsError(err).Rule != otp.RuleConversion:
			t.Fatal(err)
		}
	}
	return sent
}

// TestPumpingAPrefix: T55. It costs 20 messages, then the prefix is closed for
// 12 h, 48 h and 7 d, and nothing else is.
func TestPumpingAPrefix(t *testing.T) {
	t.Parallel()
	w, told := watched(t)
	friend, code := start(t, w, vendor(line(9999)))
	check(t, w, friend, code, otp.OutcomeApproved)
	w.Clock.Advance(25 * time.Hour)

	next := 0
	for level, block := range []time.Duration{12 * time.Hour, 48 * time.Hour, 7 * 24 * time.Hour, 7 * 24 * time.Hour} {
		if sent := pump(t, w, next, 500); sent != 20 {
			t.Fatalf("level %d: %d messages, want 20", level, sent)
		}
		next += 500
		w.Clock.Advance(10 * time.Minute)
		e := refusedBy(t, w, vendor(line(next)), otp.RuleConversion)
		if e.RetryAfter != block || !strings.Contains(e.Message, fmt.Sprintf("time %d", level+1)) {
			t.Errorf("level %d: %s, wait %s", level, e.Message, e.RetryAfter)
		}
		if got := len(told(otp.EventAlert)); got != level+1 {
			t.Errorf("level %d: alerts %q", level, told(otp.EventAlert))
		}
		start(t, w, vendor("+584121240000")) // the next prefix
		start(t, w, otp.StartRequest{Caller: globex, Dialect: "modica", To: line(next)})
		start(t, w, vendor(line(9999))) // who proved his number lately
		w.Clock.Advance(block - time.Microsecond)
		refusedBy(t, w, vendor(line(next)), otp.RuleConversion)
		w.Clock.Advance(time.Microsecond)
		next++
		if w.Clock.Now().Sub(otpStart) > 30*24*time.Hour {
			break
		}
	}
}

var otpStart = time.Date(2026, 1, 31, 9, 5, 7, 0, time.UTC)

// TestPeopleKeepAPrefixOpen: codes that come back are what tells people from
// pumping, and a number counts as known for 30 days.
func TestPeopleKeepAPrefixOpen(t *testing.T) {
	t.Parallel()
	w, told := watched(t)
	for i := range 200 {
		v, code := start(t, w, vendor(line(i)))
		if i%8 == 0 { // 12.5 per cent come back
			check(t, w, v, code, otp.OutcomeApproved)
		}
		w.Clock.Advance(time.Minute)
	}
	if got := append(told(otp.EventRefused), told(otp.EventAlert)...); len(got) > 0 {
		t.Errorf("told %q", got)
	}
}

// TestCodesOnTheirWay: twenty who ask at once are not refused for long: the
// first approvals open the prefix again.
func TestCodesOnTheirWay(t *testing.T) {
	t.Parallel()
	w, _ := watched(t)
	var asked []otp.View
	var codes []string
	for i := range 20 {
		v, code := start(t, w, vendor(line(i)))
		asked, codes = append(asked, v), append(codes, code)
	}
	if e := refusedBy(t, w, vendor(line(20)), otp.RuleConversion); e.RetryAfter > 10*time.Minute {
		t.Errorf("wait %s", e.RetryAfter)
	}
	for i := range 3 {
		check(t, w, asked[i], codes[i], otp.OutcomeApproved)
	}
	start(t, w, vendor(line(20)))
}

// TestApprovalsOfAnotherServerAreFolded: what one server gathered reaches the
// row, so that another server knows.
func TestApprovalsOfAnotherServerAreFolded(t *testing.T) {
	t.Parallel()
	w, _ := watched(t)
	var asked []otp.View
	var codes []string
	for i := range 20 {
		v, code := start(t, w, vendor(line(i)))
		asked, codes = append(asked, v), append(codes, code)
	}
	for i := range 5 {
		check(t, w, asked[i], codes[i], otp.OutcomeApproved)
	}
	if err := w.KeepPulse(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	all, _, err := w.Conversions(t.Context(), "acme", otp.Key{}, 100)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, c := range all {
		got = append(got, fmt.Sprintf("%s %d/%d", c.Name, c.Approved, c.Sends))
	}
	slices.Sort(got)
	if want := []string{"country VE 5/20", "prefix +58412123 5/20"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestShadowModeRefusesNothingAndTells(t *testing.T) {
	t.Parallel()
	w, told := watched(t, func(a *otp.Tenant) { a.FraudWatch.Mode = otp.WatchShadow })
	if sent := pump(t, w, 0, 60); sent != 60 {
		t.Errorf("%d messages, want 60", sent)
	}
	shadowed := told(otp.EventShadowed)
	if len(shadowed) != 40 || !strings.HasPrefix(shadowed[0], "approvals_per_prefix 0 approved of 20") || len(told(otp.EventRefused)) > 0 {
		t.Errorf("%d shadowed, the first %q; refused %q", len(shadowed), shadowed[:1], told(otp.EventRefused))
	}
}

func TestAnOperatorOpensAPrefix(t *testing.T) {
	t.Parallel()
	w, _ := watched(t)
	pump(t, w, 0, 21)
	w.Clock.Advance(11 * time.Minute)
	refusedBy(t, w, vendor(line(30)), otp.RuleConversion)
	was, err := w.Unblock(t.Context(), "acme", "+58412123", "ana")
	if err != nil || !was {
		t.Fatalf("got %v, %v", was, err)
	}
	if sent := pump(t, w, 100, 25); sent != 20 {
		t.Errorf("%d messages after the release, want 20", sent)
	}
	if was, err := w.Unblock(t.Context(), "acme", "+58412999", "ana"); err != nil || was {
		t.Errorf("an open prefix: %v, %v", was, err)
	}
}

// TestManyAtOnceSendTwentyToAPrefix: T55 under concurrency.
func TestManyAtOnceSendTwentyToAPrefix(t *testing.T) {
	t.Parallel()
	w, _ := watched(t)
	var all sync.WaitGroup
	var mu sync.Mutex
	sent := 0
	for i := range 64 {
		all.Go(func() {
			if _, err := w.Start(context.Background(), vendor(line(i))); err == nil {
				mu.Lock()
				defer mu.Unlock()
				sent++
			}
		})
	}
	all.Wait()
	if sent != 20 {
		t.Errorf("%d messages, want 20", sent)
	}
}

func TestTheSweeperForgetsOldTallies(t *testing.T) {
	t.Parallel()
	w, _ := watched(t, func(a *otp.Tenant) { a.Limits.Rate = otp.Rate{N: 5, Per: time.Hour} })
	start(t, w, vendor(line(0)))
	left := func() int {
		rows, err := w.Store.ScanCounters(t.Context(), otp.Key{}, 100)
		if err != nil {
			t.Fatal(err)
		}
		return len(rows)
	}
	before := left()
	w.Clock.Advance(25 * time.Hour)
	if _, err := w.NewSweeper().Round(t.Context()); err != nil {
		t.Fatal(err)
	}
	if before != 2 || left() != 0 {
		t.Errorf("%d rows, %d after a day; want 2 and 0", before, left())
	}
}

// TestAlertsOfTenantsDoNotMeet: two tenants block one prefix in one minute.
func TestAlertsOfTenantsDoNotMeet(t *testing.T) {
	t.Parallel()
	w := tenants(t)
	all := slices.Clone(w.Directory().Tenants())
	for i := range all {
		all[i].FraudWatch = otp.FraudWatch{MinSends: 5, Grace: time.Minute}
	}
	w.Configure(t, all)
	send := func(c otp.Caller, n int) {
		req := vendor(line(n))
		req.Caller = c
		_, _ = w.Start(t.Context(), req)
	}
	for n := range 6 {
		send(acme, n)
		send(globex, n)
	}
	w.Clock.Advance(70 * time.Second)
	send(acme, 100)
	send(globex, 100)
	for _, name := range []string{"acme", "globex"} {
		events, err := w.Store.ScanEvents(t.Context(), name, []otp.EventKind{otp.EventAlert}, otp.ID{}, otp.FirstID(w.Clock.Now().Add(time.Hour)), 100)
		if err != nil || len(events) != 1 || events[0].Tenant != name {
			t.Errorf("%s has the alerts %v, %v", name, events, err)
		}
	}
}
