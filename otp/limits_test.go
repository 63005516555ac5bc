package otp_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/aldaba-otp/aldaba/otp"
	"github.com/aldaba-otp/aldaba/store/storetest/world"
)

// off is a tenant's limits without any rate.
func off() otp.Limits {
	none := otp.Rate{Off: true}
	return otp.Limits{Rate: none, Client: none, Checks: none}
}

// limited is a world whose acme has limits of its own and no watch.
func limited(t testing.TB, change func(*otp.Limits)) *world.World {
	t.Helper()
	return tenants(t, func(a *otp.Tenant) {
		a.Limits, a.FraudWatch.Mode = off(), otp.WatchOff
		change(&a.Limits)
	})
}

// refusedBy starts and expects a refusal.
func refusedBy(t testing.TB, w *world.World, req otp.StartRequest, rule string) *otp.Error {
	t.Helper()
	sent := len(w.Courier.Dispatches())
	_, err := w.Start(t.Context(), req)
	e := otp.AsError(err)
	if err == nil || e.Rule != rule || len(w.Courier.Dispatches()) != sent {
		t.Fatalf("got %v, want a refusal by %s", err, rule)
	}
	return e
}

func from(client netip.Addr, to string) otp.StartRequest {
	req := vendor(to)
	req.Client = client
	return req
}

func keyed(to, key, value string) otp.StartRequest {
	req := vendor(to)
	req.Limits = map[string]string{key: value}
	return req
}

// line is a number of one prefix.
func line(n int) string { return fmt.Sprintf("+58412123%04d", n) }

func rate(t testing.TB, text string) otp.Rate {
	t.Helper()
	r, err := otp.ParseRate(text)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestEachRateAllowsItsNumberAndRefillsEvenly(t *testing.T) {
	t.Parallel()
	client := netip.MustParseAddr("203.0.113.9")
	for name, c := range map[string]struct {
		rule   string
		change func(*otp.Limits)
		same   func(i int) otp.StartRequest // that the rule counts together
		other  otp.StartRequest             // that it counts apart
	}{
		"tenant": {
			otp.RuleTenantRate, func(l *otp.Limits) { l.Rate = rate(t, "4/1h") },
			func(i int) otp.StartRequest { return vendor(fmt.Sprintf("p%d@example.com", i)) },
			otp.StartRequest{Caller: globex, Dialect: "modica", To: line(0)},
		},
		"prefix": {
			otp.RulePrefix, func(l *otp.Limits) { l.Prefix = rate(t, "4/1h") },
			func(i int) otp.StartRequest { return vendor(line(i)) }, vendor("+584121240000"),
		},
		"country": {
			otp.RuleCountry, func(l *otp.Limits) { l.Country = rate(t, "4/1h") },
			func(i int) otp.StartRequest { return vendor(fmt.Sprintf("+58412%03d0000", 100+i)) }, vendor("+41791234567"),
		},
		"client": {
			otp.RuleClient, func(l *otp.Limits) { l.Client = rate(t, "4/1h") },
			func(i int) otp.StartRequest { return from(client, line(i)) }, from(netip.MustParseAddr("203.0.113.10"), line(99)),
		},
		"key": {
			otp.RuleKey + "device", func(l *otp.Limits) {
				l.Keys = map[string]otp.Rate{"device": rate(t, "4/1h"), "account": rate(t, "9/1h")}
			},
			func(i int) otp.StartRequest { return keyed(line(i), "device", "d1") }, keyed(line(99), "device", "d2"),
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := limited(t, c.change)
			for i := range 4 {
				start(t, w, c.same(i))
			}
			e := refusedBy(t, w, c.same(50), c.rule)
			if e.Kind != otp.Throttled || e.RetryAfter != 15*time.Minute || !strings.Contains(e.Message, "4 of 4/1h0m0s") {
				t.Errorf("got %v after %s", e, e.RetryAfter)
			}
			start(t, w, c.other)
			w.Clock.Advance(15*time.Minute - time.Microsecond)
			refusedBy(t, w, c.same(51), c.rule)
			w.Clock.Advance(time.Microsecond)
			start(t, w, c.same(52))
			refusedBy(t, w, c.same(53), c.rule)
		})
	}
}

// TestARefusalSpendsNothing: what one rule refuses, no other has counted.
func TestARefusalSpendsNothing(t *testing.T) {
	t.Parallel()
	w := limited(t, func(l *otp.Limits) { l.Rate, l.Prefix = rate(t, "10/1h"), rate(t, "2/1h") })
	for i := range 2 {
		start(t, w, vendor(line(i)))
	}
	for i := range 20 {
		refusedBy(t, w, vendor(line(i)), otp.RulePrefix)
	}
	for i := range 8 { // the rest of the tenant's ten
		start(t, w, vendor(fmt.Sprintf("p%d@example.com", i)))
	}
	refusedBy(t, w, vendor("last@example.com"), otp.RuleTenantRate)
}

func TestTheStrictestRuleIsNamed(t *testing.T) {
	t.Parallel()
	w := limited(t, func(l *otp.Limits) { l.Rate, l.Prefix = rate(t, "1/1m"), rate(t, "1/1h") })
	start(t, w, vendor(line(0)))
	if e := refusedBy(t, w, vendor(line(1)), otp.RulePrefix); e.RetryAfter != time.Hour {
		t.Errorf("wait %s", e.RetryAfter)
	}
	refusedBy(t, w, vendor("ana@example.com"), otp.RuleTenantRate)
}

// TestNetworksOfIPv6: a /64 is one client, and a /48 five.
func TestNetworksOfIPv6(t *testing.T) {
	t.Parallel()
	w := limited(t, func(l *otp.Limits) { l.Client = rate(t, "2/1h") })
	n := 0
	ask := func(ip string) otp.StartRequest {
		n++
		return from(netip.MustParseAddr(ip), line(n))
	}
	for _, ip := range []string{"2001:db8:1:1::1", "2001:db8:1:1:ffff::1"} {
		start(t, w, ask(ip))
	}
	if e := refusedBy(t, w, ask("2001:db8:1:1:abcd::1"), otp.RuleClient); !strings.Contains(e.Message, "for client 2001:db8::/32;") {
		t.Errorf("operators see %q", e.Message)
	}
	for i := range 8 {
		start(t, w, ask(fmt.Sprintf("2001:db8:1:%x::1", 0x10+i)))
	}
	refusedBy(t, w, ask("2001:db8:1:99::1"), otp.RuleClientWide)
	start(t, w, ask("2001:db8:2:99::1"))
	start(t, w, ask("::ffff:203.0.113.9"))
	start(t, w, ask("203.0.113.9"))
	if e := refusedBy(t, w, ask("::ffff:203.0.113.9"), otp.RuleClient); !strings.Contains(e.Message, "for client 203.0.113.0/24;") {
		t.Errorf("operators see %q", e.Message)
	}
}

func TestUnknownKeysAreFaults(t *testing.T) {
	t.Parallel()
	w := limited(t, func(l *otp.Limits) { l.Keys = map[string]otp.Rate{"device": rate(t, "1/1h")} })
	for _, req := range []otp.StartRequest{keyed(line(0), "devise", "x"), keyed(line(0), "device", ""), keyed(line(0), "device", strings.Repeat("x", 257))} {
		if _, err := w.Start(t.Context(), req); err == nil || otp.AsError(err).Kind != otp.Invalid || otp.AsError(err).Field != "limits" {
			t.Errorf("%v: got %v", req.Limits, err)
		}
	}
}

// TestOneAddressOfManyTenants: T58. Ten tenants may not send more to one person
// than two.
func TestOneAddressOfManyTenants(t *testing.T) {
	t.Parallel()
	var all []otp.Tenant
	for i := range 10 {
		all = append(all, otp.Tenant{Name: fmt.Sprintf("t%d", i), Countries: []string{"*"}, Limits: off(), FraudWatch: otp.FraudWatch{Mode: otp.WatchOff}})
	}
	w := world.New(t, world.Options{Tenants: all})
	sent := 0
	for hour := range 10 { // five in ten minutes bind nobody
		for i := range all {
			v, err := w.Start(t.Context(), otp.StartRequest{Caller: otp.Caller{Tenant: all[i].Name}, Dialect: "modica", To: line(0)})
			if err == nil {
				sent++
				w.Clock.Advance(time.Minute + time.Second)
				_, err = w.Resend(t.Context(), otp.ResendRequest{Caller: otp.Caller{Tenant: all[i].Name}, Dialect: "modica", Ref: otp.Ref{ID: v.ID}})
				if err == nil {
					sent++
				}
			}
			if e := otp.AsError(err); err != nil && (e.Rule != otp.RuleEverywhere || e.Message != "20 of 20 in 24h0m0s; wait") {
				t.Fatalf("hour %d: %v", hour, err)
			}
		}
		w.Clock.Advance(time.Hour)
	}
	if sent != 20 || len(w.Courier.Dispatches()) != 20 {
		t.Errorf("%d messages, want 20", sent)
	}
	w.Clock.Advance(24 * time.Hour)
	if _, err := w.Start(t.Context(), otp.StartRequest{Caller: otp.Caller{Tenant: "t0"}, Dialect: "modica", To: line(0)}); err != nil {
		t.Errorf("a day later: %v", err)
	}
}

// TestADayHasSoManyMessages: the cap holds for starts, resends and next legs,
// and half, four fifths and all of it are told once each.
func TestADayHasSoManyMessages(t *testing.T) {
	t.Parallel()
	var alerts []string
	sent := 0
	w := world.New(t, world.Options{
		Tenants: []otp.Tenant{{
			Name: "acme", Countries: []string{"*"}, Limits: func() otp.Limits { l := off(); l.DayMessages = 5; return l }(),
			FraudWatch: otp.FraudWatch{Mode: otp.WatchOff},
		}},
		Observe: func(e *otp.Event) {
			if e.Kind == otp.EventAlert {
				alerts = append(alerts, fmt.Sprintf("%d: %s", sent+1, e.Detail))
			}
		},
	})
	v, _ := start(t, w, vendor(line(0)))
	sent = 1
	w.Clock.Advance(2 * time.Minute)
	if _, err := w.Resend(t.Context(), otp.ResendRequest{Caller: acme, Dialect: "modica", Ref: otp.Ref{ID: v.ID}}); err != nil {
		t.Fatal(err)
	}
	for sent = 2; sent < 5; sent++ {
		start(t, w, vendor(line(sent)))
	}
	e := refusedBy(t, w, vendor(line(9)), otp.RuleDayMessages)
	midnight := w.Clock.Now().UTC().Truncate(24 * time.Hour).Add(24 * time.Hour)
	if e.RetryAfter != midnight.Sub(w.Clock.Now()) {
		t.Errorf("wait %s", e.RetryAfter)
	}
	w.Clock.Advance(time.Minute + time.Second)
	if _, err := w.Resend(t.Context(), otp.ResendRequest{Caller: acme, Dialect: "modica", Ref: otp.Ref{ID: v.ID}}); err == nil || otp.AsError(err).Rule != otp.RuleDayMessages {
		t.Errorf("resend: %v", err)
	}
	want := []string{"2: messages_per_day 50% of the day's limit", "4: messages_per_day 80% of the day's limit", "5: messages_per_day 100% of the day's limit"}
	if strings.Join(alerts, "|") != strings.Join(want, "|") {
		t.Errorf("alerts %q", alerts)
	}
	w.Clock.Advance(midnight.Sub(w.Clock.Now()))
	start(t, w, vendor(line(10)))
}

// What no carrier can have taken is no message of the day, and neither is a decoy.
func TestAMessageThatNeverLeftIsGivenBack(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		limit int
		act   func(t *testing.T, w *world.World)
		given bool
	}{
		{"nobody took it", 1, func(t *testing.T, w *world.World) {
			start(t, w, vendor(line(1)))
			tell(t, w, w.Courier.Dispatches()[0], otp.Attempt{Result: otp.EventUnsent})
		}, true},
		{"it was canceled while it waited", 1, func(t *testing.T, w *world.World) {
			v, _ := start(t, w, vendor(line(1)))
			d := w.Courier.Dispatches()[0]
			tell(t, w, d, otp.Attempt{Result: otp.EventRetry, NextAt: w.Clock.Now().Add(time.Second)})
			if _, err := w.Cancel(t.Context(), otp.CancelRequest{Caller: acme, Dialect: "modica", Ref: otp.Ref{ID: v.ID}}); err != nil {
				t.Fatal(err)
			}
			task(t, w, d.Message, otp.TaskNothing)
		}, true},
		{"it may have been taken, and was canceled", 1, func(t *testing.T, w *world.World) {
			v, _ := start(t, w, vendor(line(1)))
			d := w.Courier.Dispatches()[0]
			tell(t, w, d, otp.Attempt{Result: otp.EventRetry, NextAt: w.Clock.Now().Add(time.Second), Copies: 1})
			if _, err := w.Cancel(t.Context(), otp.CancelRequest{Caller: acme, Dialect: "modica", Ref: otp.Ref{ID: v.ID}}); err != nil {
				t.Fatal(err)
			}
			task(t, w, d.Message, otp.TaskNothing)
		}, false},
		{"a decoy", 2, func(t *testing.T, w *world.World) {
			start(t, w, vendor(line(1)))
			decoy := native(line(2))
			decoy.Decoy = true
			if _, err := w.Start(t.Context(), decoy); err != nil {
				t.Fatal(err)
			}
			tell(t, w, w.Courier.Dispatches()[1], otp.Attempt{Result: otp.EventUnsent})
			start(t, w, vendor(line(3)))
		}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := limited(t, func(l *otp.Limits) { l.DayMessages = c.limit })
			c.act(t, w)
			_, err := w.Start(t.Context(), vendor(line(9)))
			if given := err == nil; given != c.given {
				t.Errorf("the day has room: %v (%v)", given, err)
			}
		})
	}
}

func TestChecksOfAClient(t *testing.T) {
	t.Parallel()
	w := limited(t, func(l *otp.Limits) { l.Checks = rate(t, "3/1h") })
	v, code := start(t, w, native(line(0)))
	ask := guess(v, "wrong")
	ask.Client = netip.MustParseAddr("203.0.113.9")
	for range 3 {
		if _, outcome, err := w.Check(t.Context(), ask); err != nil || outcome != otp.OutcomeWrong {
			t.Fatalf("got %v, %v", outcome, err)
		}
	}
	ask.Code = code
	if _, outcome, err := w.Check(t.Context(), ask); outcome != otp.OutcomeThrottled || otp.AsError(err).Rule != otp.RuleChecks {
		t.Fatalf("got %v, %v", outcome, err)
	}
	if got := stored(t, w, v.ID); got.Attempts != 3 {
		t.Errorf("%d attempts", got.Attempts)
	}
	ask.Client = netip.MustParseAddr("203.0.113.10")
	if _, outcome, err := w.Check(t.Context(), ask); err != nil || outcome != otp.OutcomeApproved {
		t.Fatalf("from elsewhere: %v, %v", outcome, err)
	}
}

// TestATenantThatSaysNothingHasTheRateOfAll: 50 a second, 3000 of them at once.
func TestATenantThatSaysNothingHasTheRateOfAll(t *testing.T) {
	t.Parallel()
	w := tenants(t)
	mailTo := func(n int) otp.StartRequest { return vendor(fmt.Sprintf("p%d@example.com", n)) }
	for n := range 3000 {
		if _, err := w.Start(t.Context(), mailTo(n)); err != nil {
			t.Fatalf("start %d: %v", n+1, err)
		}
	}
	if e := refusedBy(t, w, mailTo(3000), otp.RuleTenantRate); e.RetryAfter != 20*time.Millisecond {
		t.Errorf("wait %s", e.RetryAfter)
	}
}

func TestLimitsThatBoundNothingAreMistakes(t *testing.T) {
	t.Parallel()
	keys := func(n int) otp.Limits {
		l := otp.Limits{Keys: map[string]otp.Rate{}}
		for i := range n {
			l.Keys[fmt.Sprintf("k%d", i)] = otp.Rate{N: 1, Per: time.Hour}
		}
		return l
	}
	for _, c := range []struct {
		limits otp.Limits
		ok     bool
	}{
		{otp.Limits{DayMessages: 1_000_000_000}, true},
		{otp.Limits{DayMessages: 1_000_000_001}, false},
		{otp.Limits{DayMessages: -1}, false},
		{otp.Limits{DayMoney: -1}, false},
		{keys(8), true},
		{keys(9), false},
	} {
		if _, err := otp.NewDirectory([]otp.Tenant{{Name: "acme", Limits: c.limits}}, nil); (err == nil) != c.ok {
			t.Errorf("%+v: %v", c.limits, err)
		}
	}
}
