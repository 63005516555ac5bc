package otp_test

import (
	"testing"
	"time"

	"github.com/aldaba-otp/aldaba/otp"
	"github.com/aldaba-otp/aldaba/store/storetest/world"
)

// planned has a plan of four channels that goes on by itself.
func planned(t *testing.T, change func(*otp.Tenant)) *world.World {
	t.Helper()
	return tenants(t, func(a *otp.Tenant) {
		a.Limits, a.FraudWatch.Mode = off(), otp.WatchOff
		const wait = 5 * time.Second
		a.Profiles = []otp.Profile{{Name: "default", Plan: []otp.Leg{
			{Channel: otp.WhatsApp, Wait: wait}, {Channel: otp.Telegram, Wait: wait}, {Channel: otp.SMS, Wait: wait}, {Channel: otp.Voice},
		}}}
		if change != nil {
			change(a)
		}
	})
}

// walk starts a verification and lets its plan go on until nothing more is sent;
// lost are messages that no carrier takes. It returns how many were sent.
func walk(t *testing.T, w *world.World, to string, lost bool) (sent int) {
	t.Helper()
	if _, err := w.Start(t.Context(), vendor(to)); err != nil {
		return 0
	}
	all := w.Courier.Dispatches()
	d := all[len(all)-1]
	for {
		sent++
		try := otp.Attempt{Provider: "inbox", Result: otp.EventSent}
		if lost {
			try.Result = otp.EventUnsent
		}
		f, err := w.Report(t.Context(), &d, try)
		if err != nil {
			t.Fatal(err)
		}
		switch {
		case f.Next != nil:
			d = *f.Next
			continue
		case f.Waiting == nil:
			return sent
		}
		w.Clock.Advance(5 * time.Second)
		c, err := w.Claim(t.Context(), *f.Waiting)
		if err != nil {
			t.Fatal(err)
		}
		if c.Task != otp.TaskSend {
			return sent
		}
		d = c.Dispatch
	}
}

// TestChannelsThatFollowByThemselvesCount towards the limits of the address and
// of its tenant, as those that the application asks for.
func TestChannelsThatFollowByThemselvesCount(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(*otp.Tenant)
		lost   bool
		want   []int // messages of one start after the other, to one address
	}{
		"an address, time out":           {nil, false, []int{4, 1, 0}},
		"an address, nobody takes them":  {nil, true, []int{4, 1, 0}},
		"a tenant's rate":                {func(a *otp.Tenant) { a.Limits.Rate = otp.Rate{N: 1, Per: time.Hour, Burst: 3} }, false, []int{3, 0}},
		"a tenant's rate, nobody takes":  {func(a *otp.Tenant) { a.Limits.Rate = otp.Rate{N: 1, Per: time.Hour, Burst: 3} }, true, []int{3, 0}},
		"a tenant's day of two messages": {func(a *otp.Tenant) { a.Limits.DayMessages = 2 }, false, []int{2, 0}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := planned(t, c.change)
			for n, want := range c.want {
				if got := walk(t, w, phone, c.lost); got != want {
					t.Errorf("start %d sends %d, want %d", n, got, want)
				}
			}
		})
	}
}

func TestAPlanDoesNotGoOnToABlockedAddress(t *testing.T) {
	t.Parallel()
	w := planned(t, nil)
	start(t, w, vendor(phone))
	d := w.Courier.Dispatches()[0]
	f, err := w.Report(t.Context(), &d, otp.Attempt{Provider: "inbox", Result: otp.EventSent})
	if err != nil || f.Waiting == nil {
		t.Fatalf("%+v, %v", f, err)
	}
	if _, err := w.Decide(t.Context(), "acme", phone, otp.Listing{Verdict: otp.Blocked}); err != nil {
		t.Fatal(err)
	}
	w.Clock.Advance(5 * time.Second)
	if c, err := w.Claim(t.Context(), *f.Waiting); err != nil || c.Task != otp.TaskWait {
		t.Errorf("%+v, %v", c.Task, err)
	}
}

// TestAPlanThatEndsSpendsNothing of the tenant's rate.
func TestAPlanThatEndsSpendsNothing(t *testing.T) {
	t.Parallel()
	w := planned(t, func(a *otp.Tenant) { a.Limits.Rate = otp.Rate{N: 1, Per: time.Hour, Burst: 200} }) // charged two by two
	v, code := start(t, w, vendor(phone))
	waiting := taken(t, w).Waiting
	check(t, w, v, code, otp.OutcomeApproved)
	for range 50 {
		task(t, w, *waiting, otp.TaskNothing)
	}
	for n := range 199 {
		start(t, w, vendor(line(n)))
	}
	refusedBy(t, w, vendor(line(199)), otp.RuleTenantRate)
}
