package otp_test

import (
	"testing"
	"time"

	"github.com/aldaba-otp/aldaba/otp"
	"github.com/aldaba-otp/aldaba/store/storetest/world"
)

// priced is a tenant whose two providers cost 30 and 50.
func priced(t *testing.T, limits ...otp.Limits) *world.World {
	t.Helper()
	w := world.New(t, world.Options{Tenants: []otp.Tenant{{Name: "acme", Countries: []string{"*"}, Home: "VE"}}})
	acme := otp.Tenant{
		Name: "acme", Countries: []string{"*"}, Home: "VE",
		Routes: []otp.Route{
			{Channel: otp.SMS, Hedge: 20 * time.Second, Providers: []otp.Carrier{{Provider: "p", Price: 30}, {Provider: "q", Price: 50}}},
			{Channel: otp.Voice, Providers: []otp.Carrier{{Provider: "q", Price: 200}}},
		},
		Profiles: []otp.Profile{{Name: "default"}, {Name: "planned", Plan: []otp.Leg{{Channel: otp.SMS, Wait: 10 * time.Second}, {Channel: otp.Voice}}}},
	}
	for _, l := range limits {
		acme.Limits = l
	}
	d, err := otp.NewDirectory([]otp.Tenant{acme}, []otp.Provider{{Name: "p"}, {Name: "q"}})
	if err != nil {
		t.Fatal(err)
	}
	w.SetDirectory(d)
	return w
}

func spent(t *testing.T, w *world.World, want otp.Money) {
	t.Helper()
	if got, err := w.Spend(t.Context(), "acme", w.Clock.Now()); err != nil || got != want {
		t.Errorf("the day costs %d, want %d (%v)", got, want, err)
	}
}

func TestATryIsPaidBeforehandAndRefundedOnlyWhenNothingWasSent(t *testing.T) {
	t.Parallel()
	sent := func(cost otp.Money, ids ...string) otp.Attempt {
		return otp.Attempt{Provider: "p", Result: otp.EventSent, Copies: 1, Cost: cost, IDs: ids, Hedge: 20 * time.Second}
	}
	for _, c := range []struct {
		name string
		act  func(t *testing.T, w *world.World, d otp.Dispatch, v otp.View)
		want otp.Money
	}{
		{"reserved at the dearest", func(*testing.T, *world.World, otp.Dispatch, otp.View) {}, 50},
		{"taken by the cheaper", func(t *testing.T, w *world.World, d otp.Dispatch, _ otp.View) { tell(t, w, d, sent(30)) }, 30},
		{"maybe taken by both", func(t *testing.T, w *world.World, d otp.Dispatch, _ otp.View) { tell(t, w, d, sent(80)) }, 80},
		{"refused by all", func(t *testing.T, w *world.World, d otp.Dispatch, _ otp.View) {
			tell(t, w, d, otp.Attempt{Provider: "q", Result: otp.EventUnsent})
		}, 0},
		{"waits for another try", func(t *testing.T, w *world.World, d otp.Dispatch, _ otp.View) {
			tell(t, w, d, otp.Attempt{Provider: "q", Result: otp.EventRetry, NextAt: w.Clock.Now()})
		}, 50},
		{"may have been taken, and waits for another try", func(t *testing.T, w *world.World, d otp.Dispatch, _ otp.View) {
			tell(t, w, d, otp.Attempt{Provider: "q", Result: otp.EventRetry, NextAt: w.Clock.Now(), Cost: 30, Copies: 1})
		}, 80},
		{"was never tried and is over", func(t *testing.T, w *world.World, d otp.Dispatch, v otp.View) {
			if _, err := w.Cancel(t.Context(), otp.CancelRequest{Caller: acme, Dialect: otp.NativeDialect, Ref: otp.Ref{ID: v.ID}}); err != nil {
				t.Fatal(err)
			}
			task(t, w, d.Message, otp.TaskNothing)
		}, 0},
		{"delivered", func(t *testing.T, w *world.World, d otp.Dispatch, _ otp.View) {
			tell(t, w, d, sent(30, "one"))
			hear(t, w, "p", "one", otp.FateDelivered)
		}, 30},
		{"failed after it was taken, and is tried again", func(t *testing.T, w *world.World, d otp.Dispatch, _ otp.View) {
			tell(t, w, d, sent(30, "one"))
			again := hear(t, w, "p", "one", otp.FateFailed).Again
			spent(t, w, 80)
			tell(t, w, *again, otp.Attempt{Provider: "q", Result: otp.EventUnsent})
		}, 30},
		{"hedged, and nobody took the second", func(t *testing.T, w *world.World, d otp.Dispatch, _ otp.View) {
			waiting := tell(t, w, d, sent(30, "one")).Waiting
			w.Clock.Advance(20 * time.Second)
			second := task(t, w, *waiting, otp.TaskHedge)
			spent(t, w, 80)
			for range 2 { // the answer to the first report may be lost
				if f := tell(t, w, second, otp.Attempt{Provider: "q", Result: otp.EventUnsent, Copies: 1}); f.Waiting == nil || f.Again != nil {
					t.Errorf("%+v", f)
				}
				spent(t, w, 30)
			}
			hear(t, w, "p", "one", otp.FateDelivered)
		}, 30},
		{"hedged, and heard of while the second is in hand", func(t *testing.T, w *world.World, d otp.Dispatch, _ otp.View) {
			waiting := tell(t, w, d, sent(30, "one")).Waiting
			w.Clock.Advance(20 * time.Second)
			second := task(t, w, *waiting, otp.TaskHedge)
			hear(t, w, "p", "one", otp.FateDelivered)
			tell(t, w, second, otp.Attempt{Provider: "q", Result: otp.EventSent, Copies: 2, Cost: 50, IDs: []string{"two"}})
		}, 80},
		{"hedged, lost, and nobody took the second", func(t *testing.T, w *world.World, d otp.Dispatch, _ otp.View) {
			waiting := tell(t, w, d, sent(30, "one")).Waiting
			w.Clock.Advance(20 * time.Second)
			second := task(t, w, *waiting, otp.TaskHedge)
			if h := hear(t, w, "p", "one", otp.FateFailed); h.Again != nil {
				t.Errorf("carried again beside the copy in hand: %+v", h.Again)
			}
			f := tell(t, w, second, otp.Attempt{Provider: "q", Result: otp.EventUnsent, Copies: 1})
			spent(t, w, 80)
			tell(t, w, *f.Again, otp.Attempt{Provider: "p", Result: otp.EventSent, Copies: 2, Cost: 30})
		}, 60},
		{"hedged, and taken twice", func(t *testing.T, w *world.World, d otp.Dispatch, _ otp.View) {
			waiting := tell(t, w, d, sent(30, "one")).Waiting
			w.Clock.Advance(20 * time.Second)
			second := task(t, w, *waiting, otp.TaskHedge)
			tell(t, w, second, otp.Attempt{Provider: "q", Result: otp.EventSent, Copies: 2, Cost: 50, IDs: []string{"two"}})
			hear(t, w, "q", "two", otp.FateDelivered)
		}, 80},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := priced(t)
			v, err := w.Start(t.Context(), native(phone))
			if err != nil {
				t.Fatal(err)
			}
			c.act(t, w, w.Courier.Dispatches()[0], v)
			spent(t, w, c.want)
		})
	}
}

// TestADaysMoneyIsNeverExceeded: T61. What comes after a start, another try, a
// hedge, the next channel, is left out when the day has no room for it.
func TestADaysMoneyIsNeverExceeded(t *testing.T) {
	t.Parallel()
	taken := otp.Attempt{Provider: "p", Result: otp.EventSent, Copies: 1, Cost: 30, IDs: []string{"one"}, Hedge: 20 * time.Second}
	for _, c := range []struct {
		name    string
		profile string
		limit   otp.Money
		act     func(t *testing.T, w *world.World, d otp.Dispatch)
		want    otp.Money
	}{
		{"a start reserves what two carriers may take", "default", 79, nil, 0},
		{"and passes with as much", "default", 80, func(*testing.T, *world.World, otp.Dispatch) {}, 80},
		{"another try after one that may have been taken", "default", 90, func(t *testing.T, w *world.World, d otp.Dispatch) {
			f := tell(t, w, d, otp.Attempt{Provider: "q", Result: otp.EventRetry, NextAt: w.Clock.Now(), Cost: 30, Copies: 1})
			if f.Next != nil || f.Waiting != nil {
				t.Errorf("got %+v", f)
			}
			task(t, w, d.Message, otp.TaskNothing)
		}, 30},
		{"a hedge", "default", 109, func(t *testing.T, w *world.World, d otp.Dispatch) {
			waiting := tell(t, w, d, taken).Waiting
			w.Clock.Advance(20 * time.Second)
			task(t, w, *waiting, otp.TaskWait)
		}, 30},
		{"a hedge for which there is room", "default", 110, func(t *testing.T, w *world.World, d otp.Dispatch) {
			waiting := tell(t, w, d, taken).Waiting
			w.Clock.Advance(20 * time.Second)
			task(t, w, *waiting, otp.TaskHedge)
		}, 110},
		{"a copy after the carrier lost its own", "default", 109, func(t *testing.T, w *world.World, d otp.Dispatch) {
			tell(t, w, d, taken)
			if again := hear(t, w, "p", "one", otp.FateFailed).Again; again != nil {
				t.Errorf("got %+v", again)
			}
		}, 30},
		{"the next channel", "planned", 229, func(t *testing.T, w *world.World, d otp.Dispatch) {
			waiting := tell(t, w, d, taken).Waiting
			w.Clock.Advance(10 * time.Second)
			task(t, w, *waiting, otp.TaskWait)
		}, 30},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			l := off()
			l.DayMoney = c.limit
			w := priced(t, l)
			req := native(phone)
			req.Profile = c.profile
			if _, err := w.Start(t.Context(), req); (err != nil) != (c.act == nil) || err != nil && otp.AsError(err).Rule != otp.RuleDayMoney {
				t.Fatal(err)
			}
			if c.act != nil {
				c.act(t, w, w.Courier.Dispatches()[0])
			}
			spent(t, w, c.want)
		})
	}
}

func TestEachLegOfAPlanIsPaid(t *testing.T) {
	t.Parallel()
	w := priced(t)
	req := native(phone)
	req.Profile = "planned"
	v, err := w.Start(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	d := w.Courier.Dispatches()[0]
	f := tell(t, w, d, otp.Attempt{Provider: "q", Result: otp.EventUnsent})
	spent(t, w, 200)
	tell(t, w, *f.Next, otp.Attempt{Provider: "q", Result: otp.EventSent, Copies: 1, Cost: 200})
	spent(t, w, 200)
	w.Clock.Advance(time.Minute)
	if _, err := w.Resend(t.Context(), otp.ResendRequest{Caller: acme, Dialect: otp.NativeDialect, Ref: otp.Ref{ID: v.ID}}); err != nil {
		t.Fatal(err)
	}
	spent(t, w, 400)
}

func TestAMessageIsPaidOnTheDayOfItsBirth(t *testing.T) {
	t.Parallel()
	w := priced(t)
	if _, err := w.Start(t.Context(), native(phone)); err != nil {
		t.Fatal(err)
	}
	w.Clock.Advance(24 * time.Hour)
	d := w.Courier.Dispatches()[0]
	task(t, w, d.Message, otp.TaskNothing) // its code has expired
	spent(t, w, 0)
	w.Clock.Advance(-24 * time.Hour)
	spent(t, w, 0)
}

func tell(t *testing.T, w *world.World, d otp.Dispatch, a otp.Attempt) otp.Follow {
	t.Helper()
	f, err := w.Report(t.Context(), &d, a)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func task(t *testing.T, w *world.World, m otp.Message, want otp.Task) otp.Dispatch {
	t.Helper()
	c, err := w.Claim(t.Context(), m)
	if err != nil || c.Task != want {
		t.Fatalf("task %d, %v", c.Task, err)
	}
	return c.Dispatch
}

func TestMoneyIsReadAndWrittenWithoutRounding(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]otp.Money{"0": 0, "1": 1_000_000, "0.045": 45_000, "12.000001": 12_000_001, "0.10": 100_000, "1000000": 1_000_000_000_000} {
		got, err := otp.ParseMoney(text)
		if err != nil || got != want {
			t.Errorf("%q is %d, %v", text, got, err)
		}
		if back, err := otp.ParseMoney(got.String()); err != nil || back != got {
			t.Errorf("%q became %q", text, got)
		}
	}
	for _, text := range []string{"", ".", "1.", ".5", "-1", "1e3", "0.1234567", "1,5", "1000000.000001", "x", "99999999999999999999"} {
		if got, err := otp.ParseMoney(text); err == nil {
			t.Errorf("%q is %d", text, got)
		}
	}
	if got := otp.Money(-45_000).String(); got != "-0.045" {
		t.Error(got)
	}
}

// TestWithoutPricesNothingIsCharged: nor is there a row of the day.
func TestWithoutPricesNothingIsCharged(t *testing.T) {
	t.Parallel()
	w := world.New(t, world.Options{Tenants: []otp.Tenant{{Name: "acme", Countries: []string{"*"}, Home: "VE"}}})
	for price, rows := range map[otp.Money]int{0: 0, 1: 1} {
		d, err := otp.NewDirectory([]otp.Tenant{{
			Name: "acme", Countries: []string{"*"}, Home: "VE", Limits: off(), FraudWatch: otp.FraudWatch{Mode: otp.WatchOff},
			Routes: []otp.Route{{Channel: otp.SMS, Providers: []otp.Carrier{{Provider: "p", Price: price}}}},
		}}, []otp.Provider{{Name: "p"}})
		if err != nil {
			t.Fatal(err)
		}
		w.SetDirectory(d)
		w.Clock.Advance(24 * time.Hour)
		before := len(tallies(t, w))
		start(t, w, native(phone))
		if got := len(tallies(t, w)) - before; got != rows {
			t.Errorf("price %s: %d rows", price, got)
		}
	}
}

func tallies(t *testing.T, w *world.World) []otp.Counter {
	t.Helper()
	rows, err := w.Store.ScanCounters(t.Context(), otp.Key{}, 100)
	if err != nil {
		t.Fatal(err)
	}
	for i := range rows {
		if rows[i].Key == (otp.Key{}) {
			t.Errorf("a row without its key: %+v", rows[i])
		}
	}
	return rows
}

// TestWhatNoCarrierTookIsNoMessageOfTheDay gives its place to another.
func TestWhatNoCarrierTookIsNoMessageOfTheDay(t *testing.T) {
	t.Parallel()
	l := off()
	l.DayMessages = 1
	w := priced(t, l)
	for n := range 3 {
		start(t, w, vendor(line(n)))
		refusedBy(t, w, vendor(line(9)), otp.RuleDayMessages)
		tell(t, w, w.Courier.Dispatches()[n], otp.Attempt{Provider: "q", Result: otp.EventUnsent})
		if day, err := w.Day(t.Context(), "acme", w.Clock.Now()); err != nil || day.Messages != 0 {
			t.Errorf("%d messages, %v", day.Messages, err)
		}
	}
}

// TestOfTwoFullBoundsOfADayMoneyIsTold, since it is what costs more to raise.
func TestOfTwoFullBoundsOfADayMoneyIsTold(t *testing.T) {
	t.Parallel()
	l := off()
	l.DayMessages, l.DayMoney = 1, 80
	w := priced(t, l)
	start(t, w, vendor(line(0)))
	refusedBy(t, w, vendor(line(1)), otp.RuleDayMoney)
}
