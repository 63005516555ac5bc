package otp_test

import (
	"strings"
	"testing"
	"time"

	"github.com/aldaba-otp/aldaba/otp"
)

func TestWhatAListMayNameIsOneAddressOrAMatch(t *testing.T) {
	t.Parallel()
	for about, match := range map[string]string{
		"+584121234567": "", "0412-1234567": "", "ana@example.com": "", "+58414123": "", // seven digits may be a number
		"+58414": "+58414", "+58414*": "+58414", "+58414123*": "+58414123", "VE": "VE", "@example.com": "@example.com",
		"203.0.113.0/24": "203.0.113.0/24", "2001:db8::/48": "2001:db8::/48",
		"203.0.113.7": "fault", "2001:db8::1": "fault", "ve": "fault", "58414*": "fault", "+5841412345678*": "fault", "VE*": "fault", "": "fault", "*": "fault", "+": "fault",
	} {
		w := tenants(t)
		got, err := w.DecideAbout(t.Context(), "acme", about, otp.Listing{Verdict: otp.Blocked, By: "somebody"})
		if match == "fault" {
			if kind(err) != otp.Invalid || strings.Contains(err.Error(), "58414123") {
				t.Errorf("%q: %+v, %v", about, got, err)
			}
			continue
		}
		if err != nil || got.Match != match || (got.To == "") != (match != "") {
			t.Errorf("%q is %+v, %v; want the match %q", about, got, err, match)
			continue
		}
		again, err := w.Decided(t.Context(), "acme", about)
		if err != nil || again.Verdict != otp.Blocked || again.Match != match {
			t.Errorf("%q is told as %+v, %v", about, again, err)
		}
		if entries, err := w.Lists("acme"); err != nil || len(entries) != map[bool]int{true: 0, false: 1}[match == ""] {
			t.Errorf("%q: the list is %+v, %v", about, entries, err)
		}
		if back, err := w.DecideAbout(t.Context(), "acme", about, otp.Listing{}); err != nil || back.Verdict != otp.Unlisted {
			t.Errorf("%q is taken back as %+v, %v", about, back, err)
		}
		if entries, _ := w.Lists("acme"); len(entries) != 0 {
			t.Errorf("%q stays: %+v", about, entries)
		}
	}
}

func TestADecisionEndsAndIsReplaced(t *testing.T) {
	t.Parallel()
	w := tenants(t)
	decide := func(about string, l otp.Listing) {
		t.Helper()
		if _, err := w.DecideAbout(t.Context(), "acme", about, l); err != nil {
			t.Fatal(err)
		}
	}
	decide("+58412*", otp.Listing{Verdict: otp.Blocked, Until: w.Clock.Now().Add(time.Hour), Reason: "pumped"})
	_, err := w.Start(t.Context(), native(phone))
	if kind(err) != otp.Undeliverable || !strings.Contains(err.Error(), "+58412") {
		t.Errorf("a blocked start is answered %v", err)
	}
	w.Clock.Advance(time.Hour)
	start(t, w, native(phone))
	decide("VE", otp.Listing{Verdict: otp.Blocked})
	if all, _ := w.Lists("acme"); len(all) != 1 || all[0].Match != "VE" {
		t.Errorf("what is over stays in the list: %+v", all)
	}
	decide("VE", otp.Listing{Verdict: otp.Allowed})
	if all, _ := w.Lists("acme"); len(all) != 1 || all[0].Verdict != otp.Allowed {
		t.Errorf("the newer decision is not the one: %+v", all)
	}
	for name, l := range map[string]otp.Listing{
		"the past": {Verdict: otp.Blocked, Until: w.Clock.Now()}, "two lines": {Verdict: otp.Blocked, Reason: "a\nb"}, "a long reason": {Verdict: otp.Blocked, Reason: strings.Repeat("r", 201)},
	} {
		for _, about := range []string{"VE", phone} {
			if _, err := w.DecideAbout(t.Context(), "acme", about, l); kind(err) != otp.Invalid {
				t.Errorf("%s for %s: %v", name, about, err)
			}
		}
	}
	for _, err := range []error{
		func() error { _, err := w.Lists("nobody"); return err }(),
		func() error { _, err := w.Decided(t.Context(), "nobody", "VE"); return err }(),
		func() error { _, err := w.DecideAbout(t.Context(), "nobody", "VE", otp.Listing{}); return err }(),
	} {
		if kind(err) != otp.NotFound {
			t.Errorf("no tenant: %v", err)
		}
	}
	fixed := otp.New(otp.Options{Store: w.Store, Ring: w.Ring(), Courier: w.Courier, Addresses: anyNumber{}, Now: w.Clock.Now})
	fixed.SetDirectory(w.Directory())
	if _, err := fixed.DecideAbout(t.Context(), "acme", "VE", otp.Listing{Verdict: otp.Blocked}); kind(err) != otp.Invalid {
		t.Errorf("without a configuration to change: %v", err)
	}
}

// anyNumber reads nothing: matches need no look at an address.
type anyNumber struct{ otp.Addresses }

// FuzzWhatAListMayName: a whole number is never taken for a match unless a star
// says so, and nothing that is refused is repeated.
func FuzzWhatAListMayName(f *testing.F) {
	for _, text := range []string{"+58414*", "+584121234567", "VE", "@example.com", "203.0.113.0/24", "203.0.113.7", "ana@example.com", "+*", "tel:+58412", "+0000000"} {
		f.Add(text)
	}
	w := tenants(f)
	f.Fuzz(func(t *testing.T, text string) {
		got, err := w.Decided(t.Context(), "acme", text)
		switch {
		case err != nil && (kind(err) != otp.Invalid || len(text) > 40 && strings.Contains(err.Error(), text)):
			t.Errorf("%q: %v", text, err)
		case err == nil && (got.Match == "") == (got.To == ""):
			t.Errorf("%q is %+v", text, got)
		case strings.HasPrefix(got.Match, "+") && !strings.HasSuffix(text, "*") && len(got.Match) > 7:
			t.Errorf("%q closes all that begin like it", text)
		}
	})
}
