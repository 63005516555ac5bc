package inbox_test

import (
	"context"
	"errors"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aldaba-otp/aldaba/delivery"
	"github.com/aldaba-otp/aldaba/delivery/deliverytest"
	"github.com/aldaba-otp/aldaba/delivery/inbox"
	"github.com/aldaba-otp/aldaba/internal/clock"
)

func TestProvider(t *testing.T) {
	t.Parallel()
	deliverytest.Run(t, func(*testing.T) deliverytest.Harness {
		b := inbox.New(clock.New(0))
		set := func(s inbox.Simulator) { b.Simulate(s) }
		return deliverytest.Harness{
			Provider: b.Port(),
			Refuse: func(c delivery.Class) bool {
				set(inbox.Simulator{Fail: c.String(), Receipt: "none"})
				return b.Simulator().Valid()
			},
			Heal: func() { set(inbox.Simulator{Receipt: "none"}) },
			Slow: func() { set(inbox.Simulator{Delay: time.Hour, Receipt: "none"}) },
			Carried: func() (bodies []string) {
				for _, m := range b.List("", "", 100) {
					bodies = append(bodies, m.Body)
				}
				return bodies
			},
		}
	})
}

func TestListIsNewestFirstAndFiltered(t *testing.T) {
	t.Parallel()
	b := inbox.New(clock.New(0))
	for _, m := range []delivery.Message{{ID: "1", To: "+1", Tenant: "a"}, {ID: "2", To: "+2", Tenant: "a"}, {ID: "3", To: "+1", Tenant: "b"}} {
		if _, err := b.Port().Send(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		to, tenant string
		limit      int
		want       string
	}{{"", "", 50, "321"}, {"+1", "", 50, "31"}, {"+1", "a", 50, "1"}, {"", "", 1, "3"}, {"+3", "", 50, ""}} {
		got := ""
		for _, m := range b.List(c.to, c.tenant, c.limit) {
			got += m.ID
		}
		if got != c.want {
			t.Errorf("to %q tenant %q limit %d: %q, want %q", c.to, c.tenant, c.limit, got, c.want)
		}
	}
	b.Clear()
	if n := len(b.List("", "", 50)); n != 0 {
		t.Errorf("%d messages after it was emptied", n)
	}
}

func TestOnlyTheNewestTenThousandAreKept(t *testing.T) {
	t.Parallel()
	b := inbox.New(clock.New(0))
	for i := range 25_000 {
		if _, err := b.Port().Send(t.Context(), delivery.Message{To: "+1", ID: strconv.Itoa(i)}); err != nil {
			t.Fatal(err)
		}
	}
	kept := b.List("", "", 100_000)
	if len(kept) != 10_000 {
		t.Fatalf("it keeps %d", len(kept))
	}
	for i, m := range kept {
		if want := strconv.Itoa(24_999 - i); m.ID != want {
			t.Fatalf("message %d is %s, want %s", i, m.ID, want)
		}
	}
}

func TestReceiptsAreAsTheSimulatorWasTold(t *testing.T) {
	t.Parallel()
	synctest.Test(t, receiptsAreAsTold)
}

func receiptsAreAsTold(t *testing.T) {
	b := inbox.New(clock.New(0))
	p := b.Port()
	for _, c := range []struct {
		receipt           string
		expect, delivered bool
	}{{"delivered", false, true}, {"none", true, false}, {"failed", true, false}} {
		b.Simulate(inbox.Simulator{Receipt: c.receipt})
		got, err := p.Send(t.Context(), delivery.Message{ID: "m"})
		if err != nil || got.Expect != c.expect || got.Delivered != c.delivered || len(got.IDs) != 1 {
			t.Errorf("%s: %+v, %v", c.receipt, got, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	reports, trouble := make(chan delivery.Report), true
	go p.Run(ctx, func(_ context.Context, r delivery.Report) error {
		if trouble { // it is said again
			trouble = false
			return errors.New("the store is down")
		}
		reports <- r
		return nil
	})
	if r := <-reports; r.State != delivery.Failed || r.ID != "m.3" || r.Code != "simulated" {
		t.Errorf("%+v", r)
	}
	cancel()
}
