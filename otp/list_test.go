package otp_test

import (
	"net/netip"
	"testing"
	"time"

	"github.com/aldaba-otp/aldaba/otp"
)

func TestListsDecideByTheLongestMatch(t *testing.T) {
	t.Parallel()
	w := tenants(t, func(a *otp.Tenant) {
		a.Countries = []string{"VE"}
		a.Lists = []otp.ListEntry{
			{Match: "+58412", Verdict: otp.Blocked},
			{Match: "+58412123", Verdict: otp.Allowed},
			{Match: "+584121239", Verdict: otp.Blocked, Until: otpStart.Add(time.Hour)},
			{Match: "VE", Verdict: otp.Blocked},
			{Match: "CH", Verdict: otp.Allowed},
			{Match: "@Bad.example", Verdict: otp.Blocked},
			{Match: "203.0.113.0/24", Verdict: otp.Blocked},
			{Match: "2001:db8::/32", Verdict: otp.Blocked},
		}
	})
	for to, want := range map[string]string{
		"+584121230001": "", "+584129990001": otp.RuleBlockList, "+584121239001": otp.RuleBlockList, "+584141230001": otp.RuleBlockList,
		"+41791234567": "", "+525512345678": "country", "x@bad.example": otp.RuleBlockList, "x@good.example": "",
	} {
		_, err := w.Start(t.Context(), vendor(to))
		if got := otp.AsError(err); (err != nil) != (want != "") || err != nil && (got.Rule != want || got.Kind != otp.Undeliverable) {
			t.Errorf("%s: got %v, want %q", to, err, want)
		}
	}
	for ip, want := range map[string]bool{"203.0.113.77": true, "::ffff:203.0.113.77": true, "2001:db8:9::1": true, "203.0.114.1": false} {
		_, err := w.Start(t.Context(), from(netip.MustParseAddr(ip), "y@good.example"))
		if blocked := err != nil && otp.AsError(err).Rule == otp.RuleBlockList; blocked != want {
			t.Errorf("%s: %v", ip, err)
		}
	}
	w.Clock.Advance(time.Hour)
	start(t, w, vendor("+584121239001")) // its entry is over
}

func TestOneAddressIsListedForAWhile(t *testing.T) {
	t.Parallel()
	w, told := watched(t)
	until := w.Clock.Now().Add(time.Hour)
	for range 2 {
		got, err := w.Decide(t.Context(), "acme", " +58 (412) 123-0000", otp.Listing{Verdict: otp.Blocked, Until: until, Reason: "asked for it", By: "ana"})
		if err != nil || got.To != "+58******0000" && got.To == line(0) {
			t.Fatalf("got %+v, %v", got, err)
		}
	}
	refusedBy(t, w, vendor(line(0)), otp.RuleBlockList)
	if _, err := w.Start(t.Context(), otp.StartRequest{Caller: globex, Dialect: "modica", To: line(0)}); err != nil {
		t.Errorf("of another tenant: %v", err)
	}
	w.Clock.Advance(time.Hour)
	v, _ := start(t, w, vendor(line(0)))

	w.Clock.Advance(2 * time.Minute)
	if _, err := w.Decide(t.Context(), "acme", line(0), otp.Listing{Verdict: otp.Blocked, By: "ana"}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Resend(t.Context(), otp.ResendRequest{Caller: acme, Dialect: "modica", Ref: otp.Ref{ID: v.ID}}); err == nil || otp.AsError(err).Rule != otp.RuleBlockList {
		t.Errorf("resend: %v", err)
	}
	if _, err := w.Decide(t.Context(), "acme", line(0), otp.Listing{By: "ana"}); err != nil {
		t.Fatal(err)
	}
	if got, err := w.Listing(t.Context(), "acme", line(0)); err != nil || got.Verdict != otp.Unlisted {
		t.Errorf("got %+v, %v", got, err)
	}
	start(t, w, vendor(line(0)))
	if got := told(otp.EventListed); len(got) < 3 {
		t.Errorf("told %q", got)
	}
}

// TestAnAllowedAddressPassesTheWatch and still has its own limits.
func TestAnAllowedAddressPassesTheWatch(t *testing.T) {
	t.Parallel()
	w, _ := watched(t)
	pump(t, w, 0, 21)
	if _, err := w.Decide(t.Context(), "acme", line(500), otp.Listing{Verdict: otp.Allowed, By: "ana"}); err != nil {
		t.Fatal(err)
	}
	for range 5 {
		start(t, w, vendor(line(500)))
	}
	refusedBy(t, w, vendor(line(500)), otp.RuleBurst)
}

// TestABlockStaysUntilItIsTakenBack, although nothing is sent to the address.
func TestABlockStaysUntilItIsTakenBack(t *testing.T) {
	t.Parallel()
	w := tenants(t, unbounded)
	s := w.NewSweeper()
	if _, err := w.Decide(t.Context(), "acme", phone, otp.Listing{Verdict: otp.Blocked, Until: w.Clock.Now().Add(400 * 24 * time.Hour)}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Decide(t.Context(), "acme", mail, otp.Listing{Verdict: otp.Blocked}); err != nil {
		t.Fatal(err)
	}
	for range 13 {
		w.Clock.Advance(30 * 24 * time.Hour)
		sweep(t, s)
	}
	for _, to := range []string{phone, mail} {
		_, err := w.Start(t.Context(), vendor(to))
		want(t, err, otp.Undeliverable, otp.RuleBlockList, 0)
	}
	w.Clock.Advance(60 * 24 * time.Hour) // the first one is over
	sweep(t, s)
	if rows := destinations(t, w); len(rows) != 1 {
		t.Errorf("%d rows are left", len(rows))
	}
	start(t, w, vendor(phone))
}

func TestAProvenAddressIsKnownAsLongAsTheWatchSays(t *testing.T) {
	t.Parallel()
	w := tenants(t, func(a *otp.Tenant) { a.FraudWatch.Known = 90 * 24 * time.Hour })
	s := w.NewSweeper()
	v, code := start(t, w, native(phone))
	check(t, w, v, code, otp.OutcomeApproved)
	w.Clock.Advance(89 * 24 * time.Hour)
	sweep(t, s)
	if rows := destinations(t, w); len(rows) != 1 {
		t.Errorf("%d rows are left after 89 days", len(rows))
	}
	w.Clock.Advance(2 * 24 * time.Hour)
	sweep(t, s)
	if rows := destinations(t, w); len(rows) != 0 {
		t.Errorf("%d rows are left after 91 days", len(rows))
	}
}
