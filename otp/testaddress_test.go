package otp_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aldaba-otp/aldaba/otp"
	"github.com/aldaba-otp/aldaba/otp/otptest"
	"github.com/aldaba-otp/aldaba/store/storetest/world"
)

// lastDay is the end of test addresses in these tests; the worlds' clock begins
// before it.
var lastDay = otptest.Start.AddDate(0, 0, 30).Format(time.DateOnly)

const magic = "+15005550006"

// tested gives the tenant "acme" test addresses.
func tested(all ...otp.TestAddress) func(*otp.Tenant) {
	return func(t *otp.Tenant) {
		for _, a := range all {
			if a.Until == "" {
				a.Until = lastDay
			}
			t.TestAddresses = append(t.TestAddresses, a)
		}
	}
}

// nothingSent fails when anything was handed to the courier or waits in the
// outbox.
func nothingSent(t *testing.T, w *world.World) {
	t.Helper()
	rows, err := w.Store.Orphans(t.Context(), otp.ID{1}, 100)
	if err != nil || len(rows) > 0 || len(w.Courier.Dispatches()) > 0 {
		t.Fatalf("%d rows, %d dispatches, %v", len(rows), len(w.Courier.Dispatches()), err)
	}
}

func TestTestAddressesOfAConfiguration(t *testing.T) {
	t.Parallel()
	ok := otp.TestAddress{Address: magic, Code: "123456", Until: "2027-01-31"}
	with := func(f func(*otp.TestAddress)) []otp.TestAddress {
		a := ok
		f(&a)
		return []otp.TestAddress{a}
	}
	pattern := func(p string) []otp.TestAddress {
		return with(func(a *otp.TestAddress) { a.Address, a.Pattern = "", p })
	}
	code := func(c string) []otp.TestAddress { return with(func(a *otp.TestAddress) { a.Code = c }) }
	until := func(u string) []otp.TestAddress { return with(func(a *otp.TestAddress) { a.Until = u }) }
	many := make([]otp.TestAddress, 101)
	for i := range many {
		many[i] = ok
		many[i].Address = fmt.Sprintf("+15005550%03d", i)
	}
	for name, c := range map[string]struct {
		all  []otp.TestAddress
		path string // of the only mistake, or ""
	}{
		"a number":             {[]otp.TestAddress{ok}, ""},
		"a box":                {with(func(a *otp.TestAddress) { a.Address = "qa@test.example" }), ""},
		"no number":            {with(func(a *otp.TestAddress) { a.Address = "15005550006" }), "[0].address"},
		"a star in a number":   {with(func(a *otp.TestAddress) { a.Address = "+1500555*" }), "[0].address"},
		"a star in a box":      {with(func(a *otp.TestAddress) { a.Address = "*@test.example" }), "[0].address"},
		"6 digits":             {pattern("+150055*"), ""},
		"5 digits":             {pattern("+15005*"), "[0].pattern"},
		"everybody":            {pattern("*"), "[0].pattern"},
		"14 digits":            {pattern("+15005550006000*"), ""},
		"15 digits":            {pattern("+150055500060000*"), "[0].pattern"},
		"no star":              {pattern("+15005550006"), "[0].pattern"},
		"a star in the middle": {pattern("+1500555*0006"), "[0].pattern"},
		"two stars":            {pattern("+1500555**"), "[0].pattern"},
		"a domain":             {pattern("*@test.example"), ""},
		"a top level":          {pattern("*@example"), "[0].pattern"},
		"any domain":           {pattern("*@*"), "[0].pattern"},
		"part of a domain":     {pattern("*@*.example"), "[0].pattern"},
		"part of a box":        {pattern("qa*@test.example"), "[0].pattern"},
		"both":                 {with(func(a *otp.TestAddress) { a.Pattern = "+1500555*" }), "[0]"},
		"neither":              {with(func(a *otp.TestAddress) { a.Address = "" }), "[0]"},
		"code of 2":            {code("12"), "[0].code"},
		"code of 3":            {code("123"), ""},
		"code of 12":           {code("abcDEF123456"), ""},
		"code of 13":           {code("abcDEF1234567"), "[0].code"},
		"code with a dash":     {code("123-456"), "[0].code"},
		"no code":              {code(""), "[0].code"},
		"no end":               {until(""), "[0].until"},
		"no such day":          {until("2027-02-29"), "[0].until"},
		"a time":               {until("2027-01-31T00:00:00Z"), "[0].until"},
		"100":                  {many[:100], ""},
		"101":                  {many, ""}, // the fault of the list itself
		"twice":                {[]otp.TestAddress{ok, ok}, "[1]"},
	} {
		_, err := otp.NewDirectory([]otp.Tenant{{Name: "acme", TestAddresses: c.all}}, nil)
		want := "tenants[0].test_addresses" + c.path + ": "
		switch {
		case c.path == "" && name != "101":
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
		case err == nil || !strings.HasPrefix(err.Error(), want) || strings.Contains(err.Error(), "\n"):
			t.Errorf("%s: got %v, want %s", name, err, want)
		}
	}
}

func TestStrictTenantsMustAllowTestAddresses(t *testing.T) {
	t.Parallel()
	one := otp.Tenant{Name: "acme", Policy: otp.Strict, TestAddresses: []otp.TestAddress{{Address: magic, Code: "123456", Until: lastDay}}}
	if _, err := otp.NewDirectory([]otp.Tenant{one}, nil); err == nil || !strings.Contains(err.Error(), "allow_test_addresses") {
		t.Errorf("got %v", err)
	}
	one.AllowTestAddresses = true
	if _, err := otp.NewDirectory([]otp.Tenant{one}, nil); err != nil {
		t.Error(err)
	}
}

func TestEndsOfTestAddresses(t *testing.T) {
	t.Parallel()
	noon := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for days, tooFar := range map[int]bool{-1000: false, 0: false, 366: false, 367: true} {
		a := otp.TestAddress{Until: noon.AddDate(0, 0, days).Format(time.DateOnly)}
		if got := a.TooFar(noon); (got != "") != tooFar {
			t.Errorf("%d days: %q", days, got)
		}
	}
	a := otp.TestAddress{Until: "2026-03-01"}
	midnight := time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)
	if a.Ended(midnight.Add(-time.Microsecond)) || !a.Ended(midnight) {
		t.Error("its last day does not end at midnight")
	}
}

func TestWhatIsATestAddress(t *testing.T) {
	t.Parallel()
	const fixed = "424242"
	list := []otp.TestAddress{
		{Pattern: "+1500555*", Code: fixed},
		{Address: "+525512345678", Code: fixed},
		{Pattern: "*@test.example", Code: fixed},
		{Address: "qa@gmail.com", Code: fixed},
		{Address: "+15005550001", Code: "777777"},
	}
	for to, code := range map[string]string{
		magic: fixed, "+1 500 555-0007": fixed, "+15005550001": "777777", "+15005560006": "", "+525512345678": fixed,
		"+5215512345678":   "", // counted as the same line, and not what was named
		"any@test.example": fixed, "ANY@TEST.EXAMPLE": fixed, "any@sub.test.example": "", "any@test.example.com": "", "any@xtest.example": "",
		"qa@gmail.com": fixed, "q.a@gmail.com": "", "qa+x@gmail.com": "", phone: "",
	} {
		w := tenants(t, tested(list...))
		v, err := w.Start(t.Context(), native(to))
		if err != nil {
			t.Fatalf("%s: %v", to, err)
		}
		if v.Test != (code != "") {
			t.Errorf("%s: test is %t", to, v.Test)
		}
		if code == "" {
			if got := w.Courier.Last(t).Code; got == fixed {
				t.Errorf("%s: got the fixed code", to)
			}
			continue
		}
		nothingSent(t, w)
		check(t, w, v, code, otp.OutcomeApproved)
	}
}

func TestTestAddressesAreTheTenantsAlone(t *testing.T) {
	t.Parallel()
	w := tenants(t, tested(otp.TestAddress{Address: magic, Code: "424242"}))
	req := native(magic)
	req.Caller = globex
	if v, code := start(t, w, req); v.Test || code == "424242" {
		t.Errorf("another tenant's: %+v", v)
	}
}

func TestATestAddressHasNoLimits(t *testing.T) {
	t.Parallel()
	for _, make := range []func(string) otp.StartRequest{native, vendor} {
		w := tenants(t, tested(otp.TestAddress{Pattern: "+1500555*", Code: "424242"}))
		for range 40 { // 10 a day, 20 wrong guesses a day
			v, err := w.Start(t.Context(), make(magic))
			if err != nil {
				t.Fatal(err)
			}
			check(t, w, v, "000000", otp.OutcomeWrong)
			for range 6 { // 5 of a verification, one a minute
				if _, err := resend(w, t, v); err != nil {
					t.Fatal(err)
				}
			}
			check(t, w, v, "424242", otp.OutcomeApproved)
			check(t, w, v, "424242", otp.OutcomeUsed)
		}
		nothingSent(t, w)
		if d := destinations(t, w)[0]; len(d.Sends)+len(d.Wrongs) > 0 || !d.ApprovedAt.IsZero() {
			t.Errorf("something counted: %+v", d)
		}
	}
}

func TestTheTriesOfATestAddressCount(t *testing.T) {
	t.Parallel()
	w := tenants(t, tested(otp.TestAddress{Address: magic, Code: "424242"}))
	v, err := w.Start(t.Context(), native(magic))
	if err != nil {
		t.Fatal(err)
	}
	for range 4 {
		check(t, w, v, "000000", otp.OutcomeWrong)
	}
	if got := check(t, w, v, "000000", otp.OutcomeWrong); got.Status != otp.Exhausted || !got.Test {
		t.Errorf("%+v", got)
	}
	check(t, w, v, "424242", otp.OutcomeExhausted)
}

func TestATestVerificationIsLikeAnyOther(t *testing.T) {
	t.Parallel()
	w := tenants(t, tested(otp.TestAddress{Address: magic, Code: "1234"}), func(t *otp.Tenant) {
		t.Profiles = []otp.Profile{{Name: "default", Plan: []otp.Leg{{Channel: otp.SMS, Wait: 10 * time.Second}, {Channel: otp.Voice}}}}
	})
	req := native(magic)
	req.Code = "987654" // the fixed one stands
	v, err := w.Start(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	if !v.ResendAfter.Equal(v.Created) {
		t.Errorf("a resend waits until %s", v.ResendAfter)
	}
	peek := guess(v, "1234")
	peek.Peek = true
	if got, o, err := w.Check(t.Context(), peek); err != nil || o != otp.OutcomeApproved || got.Status != otp.Pending {
		t.Errorf("peek: %+v, %s, %v", got, o, err)
	}
	if got, err := w.Next(t.Context(), otp.NextRequest{Caller: acme, Dialect: v.Dialect, Ref: otp.Ref{ID: v.ID}}); err != nil || got.Channel != otp.Voice {
		t.Errorf("next: %+v, %v", got, err)
	}
	if got, err := w.Lookup(t.Context(), acme, v.ID); err != nil || !got.Test || got.Sends != 2 || got.AttemptsLeft != 5 {
		t.Errorf("look: %+v, %v", got, err)
	}
	second, err := w.Start(t.Context(), native(magic))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Cancel(t.Context(), otp.CancelRequest{Caller: acme, Dialect: v.Dialect, Ref: otp.Ref{ID: second.ID}}); err != nil {
		t.Error(err)
	}
	found, err := w.List(t.Context(), acme, magic)
	if err != nil || len(found) != 2 || found[0].Status != otp.Canceled || found[1].Status != otp.Superseded || !found[0].Test {
		t.Errorf("list: %+v, %v", found, err)
	}
	nothingSent(t, w)
	timeline, err := w.Timeline(t.Context(), acme, v.ID)
	if err != nil {
		t.Fatal(err)
	}
	var said []string
	for _, e := range timeline {
		said = append(said, strings.TrimSpace(string(e.Event)+" "+string(e.Channel))+": "+e.Detail)
	}
	if want := []string{"started: test", "next voice: test", "superseded: test"}; !slices.Equal(said, want) {
		t.Errorf("timeline %q, want %q", said, want)
	}
	if one, err := w.Trace(t.Context(), v.ID); err != nil || !one.Verification.Spec.Test || one.Rule != "" {
		t.Errorf("trace: %+v, %v", one, err)
	}
}

func TestATestAddressNeedsNoRouteAndNoCountry(t *testing.T) {
	t.Parallel()
	all := []otp.Tenant{{Name: "acme", Home: "VE"}}
	tested(otp.TestAddress{Address: magic, Code: "1234"})(&all[0])
	w := world.New(t, world.Options{Tenants: all, NoInbox: true})
	if v, err := w.Start(t.Context(), native(magic)); err != nil || !v.Test {
		t.Errorf("%+v, %v", v, err)
	}
	if _, err := w.Start(t.Context(), native(phone)); kind(err) != otp.Undeliverable {
		t.Errorf("another number: %v", err)
	}
	req := native(magic)
	req.Caller.NoCredit = true
	if _, err := w.Start(t.Context(), req); kind(err) != otp.NoCredit {
		t.Errorf("no balance: %v", err)
	}
}

func TestAfterItsEndATestAddressIsAnOrdinaryOne(t *testing.T) {
	t.Parallel()
	w := tenants(t, tested(otp.TestAddress{Address: magic, Code: "424242", Until: otptest.Start.Format(time.DateOnly)}))
	midnight := otptest.Start.Truncate(24 * time.Hour).Add(24 * time.Hour)
	w.Clock.Advance(midnight.Sub(otptest.Start) - time.Second)
	before, err := w.Start(t.Context(), vendor(magic))
	if err != nil || !before.Test {
		t.Fatalf("%+v, %v", before, err)
	}
	w.Clock.Advance(time.Second)
	after, code := start(t, w, vendor(magic))
	if after.Test || code == "424242" {
		t.Errorf("it still is one: %+v", after)
	}
	check(t, w, before, "424242", otp.OutcomeApproved) // as it was started
	for range 4 {
		if _, err := w.Start(t.Context(), vendor(magic)); err != nil {
			t.Fatal(err)
		}
	}
	_, err = w.Start(t.Context(), vendor(magic))
	want(t, err, otp.Throttled, otp.RuleBurst, 10*time.Minute)
}

// TestAFullLedgerDoesNotReachATest has somebody else's guesses before the
// address became a test address.
func TestAFullLedgerDoesNotReachATest(t *testing.T) {
	t.Parallel()
	w := tenants(t, loose(otp.Profile{Length: 3})) // five guesses at three digits fill it
	old, code := start(t, w, vendor(magic))
	for range 5 {
		check(t, w, old, otptest.WrongCode(code), otp.OutcomeWrong)
	}
	_, err := w.Start(t.Context(), vendor(magic))
	want(t, err, otp.Throttled, otp.RuleLedger, 24*time.Hour)
	again := []otp.Tenant{{Name: "acme", Countries: []string{"*"}}}
	tested(otp.TestAddress{Address: magic, Code: "424242"})(&again[0])
	w.Configure(t, again)
	v, err := w.Start(t.Context(), vendor(magic))
	if err != nil {
		t.Fatal(err)
	}
	check(t, w, v, "424242", otp.OutcomeApproved)
}

// FuzzTestPattern looks for a pattern that the check lets through and that
// covers what does not begin as it says.
func FuzzTestPattern(f *testing.F) {
	for _, p := range []string{"+1500555*", "*@test.example", "*", "+*", "*@", "+150055**", "+1500555", "*@*.example"} {
		f.Add(p, magic)
		f.Add(p, "ana@test.example")
	}
	f.Fuzz(func(t *testing.T, pattern, to string) {
		one := otp.Tenant{Name: "acme", TestAddresses: []otp.TestAddress{{Pattern: pattern, Code: "123456", Until: lastDay}}}
		if _, err := otp.NewDirectory([]otp.Tenant{one}, nil); err != nil {
			return
		}
		a, err := otptest.Addresses{}.Parse(to, "")
		if err != nil || !otp.CoversForTest(&one.TestAddresses[0], a) {
			return
		}
		literal := strings.Trim(pattern, "*")
		fits := a.Email && strings.HasPrefix(literal, "@") && strings.HasSuffix(a.Send, literal) ||
			!a.Email && len(literal) > 6 && strings.HasPrefix(a.Send, literal)
		if !fits {
			t.Fatalf("%q covers %+v", pattern, a)
		}
	})
}
