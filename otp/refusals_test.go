package otp_test

import (
	"slices"
	"testing"
	"time"

	"github.com/aldaba-otp/aldaba/otp"
	"github.com/aldaba-otp/aldaba/otp/otptest"
	"github.com/aldaba-otp/aldaba/store/storetest/world"
)

// told asks for the refusals of acme.
func told(t *testing.T, w *world.World, q otp.RefusalQuery) []otp.Refusal {
	t.Helper()
	q.Tenant = "acme"
	if q.Since.IsZero() {
		q.Since = w.Clock.Now().Add(-day)
	}
	if q.Limit == 0 {
		q.Limit = 100
	}
	all, err := w.Refusals(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func kinds(all []otp.Refusal) (words []string) {
	for _, r := range all {
		words = append(words, string(r.Kind)+" "+r.Rule)
	}
	return words
}

func TestRefusalsAreFoundByAddressRuleAndTime(t *testing.T) {
	t.Parallel()
	w := tenants(t, func(t *otp.Tenant) {
		t.Limits.DayMessages = 6
		t.Lists = []otp.ListEntry{{Match: "@example.org", Verdict: otp.Blocked}}
	})
	for range 5 {
		start(t, w, vendor(phone))
	}
	refuse := func(to string) {
		t.Helper()
		if _, err := w.Start(t.Context(), vendor(to)); err == nil {
			t.Fatalf("%s is let pass", to)
		}
	}
	refuse(phone) // five in ten minutes
	w.Clock.Advance(time.Minute)
	if _, err := w.Decide(t.Context(), "acme", phone, otp.Listing{Verdict: otp.Blocked, By: "an operator"}); err != nil {
		t.Fatal(err)
	}
	w.Clock.Advance(time.Second)
	refuse(phone)
	w.Clock.Advance(time.Minute)
	start(t, w, vendor(another))
	refuse("+584149999999") // the day's sixth was the last one
	refuse("ana@example.org")

	of := told(t, w, otp.RefusalQuery{To: "0412 1234567"})
	if got, want := kinds(of), []string{"refused " + otp.RuleBurst, "listed ", "refused " + otp.RuleBlockList}; !slices.Equal(got, want) {
		t.Errorf("of one address: %q, want %q", got, want)
	}
	for _, r := range of {
		if r.Address == "" || r.Address != of[0].Address || r.Tenant != "acme" {
			t.Errorf("%+v", r)
		}
	}
	if of[1].Counter != "block" || of[1].Actor != "an operator" || of[0].Allows != "time" || of[2].Allows != "aldaba list remove" || of[0].Dialect != "modica" || of[0].Actor != acme.Identity {
		t.Errorf("%+v", of)
	}
	days := told(t, w, otp.RefusalQuery{Rule: otp.RuleDayMessages})
	if len(days) != 4 { // half, four fifths, all, and one over
		t.Fatalf("of the day: %+v", days)
	}
	if r := days[3]; r.Kind != otp.EventRefused || r.Counter != "6 of 6 on 2026-01-31" || r.Allows != "raise limits.day_messages" {
		t.Errorf("%+v", r)
	}
	lists := told(t, w, otp.RefusalQuery{Rule: otp.RuleBlockList})
	if len(lists) != 2 || lists[1].Counter != "has @example.org" || lists[1].Allows != "take it off the list" || lists[1].Address == "" {
		t.Errorf("of lists: %+v", lists)
	}
	if got := told(t, w, otp.RefusalQuery{Since: w.Clock.Now()}); len(got) < 2 || got[0].At.Before(w.Clock.Now()) {
		t.Errorf("of now: %+v", got)
	}
	if got := told(t, w, otp.RefusalQuery{Limit: 1}); len(got) != 1 || got[0].At.Before(w.Clock.Now()) {
		t.Errorf("the newest: %+v", got)
	}
	for _, q := range []otp.RefusalQuery{{Tenant: "nobody"}, {Tenant: "acme", To: "x"}} {
		if _, err := w.Refusals(t.Context(), q); err == nil {
			t.Errorf("%+v is answered", q)
		}
	}
	if all, err := w.Refusals(t.Context(), otp.RefusalQuery{Tenant: "globex", Since: w.Clock.Now().Add(-day), Limit: 10}); err != nil || len(all) != 0 {
		t.Errorf("another tenant sees %+v, %v", all, err)
	}
}

func TestLocksAndRefusedGuessesAreFoundByTheirAddress(t *testing.T) {
	t.Parallel()
	w := tenants(t)
	v, code := start(t, w, vendor(phone))
	failing(t, w, 99)
	check(t, w, v, otptest.WrongCode(code), otp.OutcomeWrong)
	w.Clock.Advance(2 * time.Hour)
	check(t, w, v, code, otp.OutcomeExpired)
	if _, err := w.Start(t.Context(), vendor(phone)); kind(err) != otp.Throttled {
		t.Fatal(err)
	}
	if _, err := w.ReleaseLocks(t.Context(), "acme", phone, otp.ActorOperator); err != nil {
		t.Fatal(err)
	}
	got := told(t, w, otp.RefusalQuery{To: phone, Rule: otp.RuleLock})
	if want := []string{"locked " + otp.RuleLock, "refused " + otp.RuleLock, "released " + otp.RuleLock}; !slices.Equal(kinds(got), want) {
		t.Fatalf("%q, want %q", kinds(got), want)
	}
	if got[1].Allows != "aldaba lock release" || got[2].Counter != "by an operator" || got[2].Actor != otp.ActorOperator {
		t.Errorf("%+v", got)
	}
}

func TestARefusedGuessIsFoundByItsAddress(t *testing.T) {
	t.Parallel()
	w := tenants(t)
	v, code := start(t, w, vendor(phone))
	change(t, w, func(d *otp.Destination) {
		for range 20 {
			d.Wrongs = append(d.Wrongs, otp.Wrong{At: w.Clock.Now(), Chance: 1})
		}
	})
	check(t, w, v, code, otp.OutcomeThrottled)
	if got := told(t, w, otp.RefusalQuery{To: phone}); len(got) != 1 || got[0].Rule != otp.RuleLedger || got[0].Allows != "time, or aldaba lock release" {
		t.Errorf("%+v", got)
	}
}

func TestTheNewestOfAFloodAreFound(t *testing.T) {
	t.Parallel()
	w := tenants(t, unbounded)
	for range 5 {
		start(t, w, vendor(phone))
	}
	refused := 0
	for range 700 { // one line a minute, over more than a page and over the steps of the search
		w.Clock.Advance(time.Minute)
		if _, err := w.Start(t.Context(), vendor(phone)); err != nil {
			refused++
		}
	}
	all := told(t, w, otp.RefusalQuery{Limit: 1000})
	if len(all) != refused {
		t.Errorf("%d of %d", len(all), refused)
	}
	if !slices.IsSortedFunc(all, func(a, b otp.Refusal) int { return a.At.Compare(b.At) }) {
		t.Error("they are in no order")
	}
	if got := told(t, w, otp.RefusalQuery{Limit: 70}); !slices.Equal(got, all[len(all)-70:]) {
		t.Error("these are not the newest")
	}
}

func TestADayIsNoConversion(t *testing.T) {
	t.Parallel()
	w := tenants(t, func(t *otp.Tenant) { t.Limits.DayMessages = 10 })
	start(t, w, vendor(phone))
	if err := w.KeepPulse(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	all, _, err := w.Conversions(t.Context(), "acme", otp.Key{}, 10)
	names := make([]string, 0, len(all))
	for _, c := range all {
		names = append(names, c.Name)
	}
	slices.Sort(names)
	if err != nil || !slices.Equal(names, []string{"country VE", "prefix +58412123"}) {
		t.Errorf("%q, %v", names, err)
	}
	if used, err := w.Day(t.Context(), "acme", w.Clock.Now()); err != nil || used != (otp.Day{Messages: 1}) {
		t.Errorf("the day: %+v, %v", used, err)
	}
}
