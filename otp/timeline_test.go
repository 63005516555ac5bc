package otp_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aldaba-otp/aldaba/otp"
	"github.com/aldaba-otp/aldaba/otp/otptest"
	"github.com/aldaba-otp/aldaba/store/storetest/world"
)

// timeline tells a verification's events in words, with seconds since the
// start of the world.
func timeline(t testing.TB, w *world.World, v otp.View) string {
	t.Helper()
	entries, err := w.Timeline(t.Context(), acme, v.ID)
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, e := range entries {
		words := fmt.Sprint(int(e.At.Sub(otptest.Start).Seconds()), " ", e.Event, " ", e.Actor, " ", e.Channel, " ", e.Provider, " ", e.Detail)
		lines = append(lines, strings.Join(strings.Fields(words), " "))
	}
	return strings.Join(lines, "\n")
}

func TestTimelineTellsTheWholeStoryInOrderOfTime(t *testing.T) {
	t.Parallel()
	w := tenants(t, loose(otp.Profile{Plan: []otp.Leg{{Channel: otp.SMS, Wait: time.Minute}, {Channel: otp.Voice}}}))
	v, code := start(t, w, native(phone))
	first := w.Courier.Dispatches()[0]
	w.Clock.Advance(time.Second)
	if _, err := w.Report(t.Context(), &first, otp.Attempt{Provider: "gate", Result: otp.EventRetry, NextAt: w.Clock.Now(), Detail: "unavailable 503"}); err != nil {
		t.Fatal(err)
	}
	first.Message.Attempt++
	w.Clock.Advance(time.Second)
	// This carrier names a message after the number that it goes to.
	ids := []string{phone[1:] + "-1"}
	if _, err := w.Report(t.Context(), &first, otp.Attempt{Provider: "spare", Result: otp.EventSent, Copies: 1, IDs: ids, Detail: ids[0]}); err != nil {
		t.Fatal(err)
	}
	check(t, w, v, otptest.WrongCode(code), otp.OutcomeWrong)
	w.Clock.Advance(time.Second)
	if _, err := w.Next(t.Context(), otp.NextRequest{Caller: acme, Dialect: otp.NativeDialect, Ref: otp.Ref{ID: v.ID}}); err != nil {
		t.Fatal(err)
	}
	w.Clock.Advance(time.Second)
	if _, err := w.Hear(t.Context(), otp.Word{Provider: "spare", ID: ids[0], Fate: otp.FateDelivered}); err != nil {
		t.Fatal(err)
	}
	check(t, w, v, code, otp.OutcomeApproved)
	want := strings.Join([]string{
		"0 started application",
		"1 retry server sms gate unavailable 503",
		"2 sent server sms spare " + otp.Mask(phone[1:]) + "-1",
		"2 wrong application",
		"3 next application voice",
		"4 delivered server sms spare",
		"4 approved application",
	}, "\n")
	if got := timeline(t, w, v); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if strings.Contains(timeline(t, w, v), code) {
		t.Error("the code stands in it")
	}
}

func TestTimelineIsTheTenantsOwn(t *testing.T) {
	t.Parallel()
	w := tenants(t)
	v, _ := start(t, w, native(phone))
	for name, caller := range map[string]otp.Caller{"another tenant": globex, "nobody": {}} {
		if entries, err := w.Timeline(t.Context(), caller, v.ID); kind(err) != otp.NotFound || entries != nil {
			t.Errorf("%s is told %v, %v", name, entries, err)
		}
	}
	if _, err := w.Timeline(t.Context(), acme, otp.FirstID(otptest.Start)); kind(err) != otp.NotFound {
		t.Errorf("an unknown id: %v", err)
	}
	down(w, true)
	if _, err := w.Timeline(t.Context(), acme, v.ID); kind(err) != otp.Unavailable {
		t.Errorf("without its store: %v", err)
	}
}

func TestTimelineIsBounded(t *testing.T) {
	t.Parallel()
	w := tenants(t)
	v, _ := start(t, w, native(phone))
	for i := range 250 {
		w.Clock.Advance(time.Millisecond)
		err := w.Store.Do(t.Context(), otp.Step{Decide: func(now time.Time, st *otp.State) error {
			st.Journal(otp.Event{Verification: v.ID, N: 1000 + i, Tenant: "acme", At: now, Kind: otp.EventRetry, Actor: "server", Detail: "sms gate " + itoa(int64(i))})
			return nil
		}})
		if err != nil {
			t.Fatal(err)
		}
	}
	entries, err := w.Timeline(t.Context(), acme, v.ID)
	if err != nil || len(entries) != 200 || entries[0].Detail != "50" || entries[199].Detail != "249" {
		t.Errorf("%d entries, %v", len(entries), err)
	}
}

func TestNextSendsTheSameCodeOnTheNextChannel(t *testing.T) {
	t.Parallel()
	w := tenants(t, loose(otp.Profile{Plan: []otp.Leg{{Channel: otp.WhatsApp, Wait: time.Minute}, {Channel: otp.SMS, Wait: time.Minute}, {Channel: otp.Voice}}}))
	v, code := start(t, w, native(phone))
	next := func() (otp.View, error) {
		return w.Next(t.Context(), otp.NextRequest{Caller: acme, Dialect: otp.NativeDialect, Ref: otp.Ref{ID: v.ID}})
	}
	for _, channel := range []otp.Channel{otp.SMS, otp.Voice} {
		got, err := next()
		if err != nil || got.Channel != channel || !got.Expires.Equal(v.Expires) {
			t.Fatalf("%+v, %v; want %s", got, err, channel)
		}
		if text := w.Courier.Last(t); text.Channel != channel || text.Code != code {
			t.Errorf("%s was sent with %q", text.Channel, text.Code)
		}
	}
	if _, err := next(); kind(err) != otp.Ended || otp.AsError(err).Message != "the verification has no further channel" {
		t.Errorf("after the last channel: %v", err)
	}
	check(t, w, v, code, otp.OutcomeApproved)
	if _, err := next(); kind(err) != otp.Ended {
		t.Errorf("after the end: %v", err)
	}
}

func TestAPinnedChannelIsWhereThePlanBegins(t *testing.T) {
	t.Parallel()
	plan := []otp.Leg{{Channel: otp.WhatsApp, Wait: time.Minute}, {Channel: otp.SMS, Wait: time.Minute}, {Channel: otp.Voice}}
	w := tenants(t, loose(otp.Profile{Plan: plan}))
	for _, c := range []struct {
		asked, first otp.Channel
		pinned       bool
		legs         int
	}{
		{"", otp.WhatsApp, false, 3}, {otp.SMS, otp.WhatsApp, false, 3}, // a dialect that knows SMS alone
		{otp.SMS, otp.SMS, true, 2}, {otp.Voice, otp.Voice, true, 0}, {otp.Telegram, otp.Telegram, true, 0},
	} {
		req := native(phone)
		req.Channel, req.Pinned = c.asked, c.pinned
		v, _ := start(t, w, req)
		if got := stored(t, w, v.ID); v.Channel != c.first || len(got.Spec.Plan) != c.legs {
			t.Errorf("%+v: began on %s with %v", c, v.Channel, got.Spec.Plan)
		}
	}
}
