package otp_test

import (
	"errors"
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
		got, err := w.DecideAbout(t.Context(), "acme", about, otp.Listing{Verdict: otp.Blocked, By: "somebody"}, nil)
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
		if back, err := w.DecideAbout(t.Context(), "acme", about, otp.Listing{}, nil); err != nil || back.Verdict != otp.Unlisted {
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
		if _, err := w.DecideAbout(t.Context(), "acme", about, l, nil); err != nil {
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
			if _, err := w.DecideAbout(t.Context(), "acme", about, l, nil); kind(err) != otp.Invalid {
				t.Errorf("%s for %s: %v", name, about, err)
			}
		}
	}
	for _, err := range []error{
		func() error { _, err := w.Lists("nobody"); return err }(),
		func() error { _, err := w.Decided(t.Context(), "nobody", "VE"); return err }(),
		func() error { _, err := w.DecideAbout(t.Context(), "nobody", "VE", otp.Listing{}, nil); return err }(),
	} {
		if kind(err) != otp.NotFound {
			t.Errorf("no tenant: %v", err)
		}
	}
	fixed := otp.New(otp.Options{Store: w.Store, Ring: w.Ring(), Courier: w.Courier, Addresses: anyNumber{}, Now: w.Clock.Now})
	fixed.SetDirectory(w.Directory())
	if _, err := fixed.DecideAbout(t.Context(), "acme", "VE", otp.Listing{Verdict: otp.Blocked}, nil); kind(err) != otp.Invalid {
		t.Errorf("without a configuration to change: %v", err)
	}
}

// TestADecisionIsMadeOnceByItsKey: neither what was decided since nor that its
// time is over changes what a repeat is told, and the repeat changes neither.
func TestADecisionIsMadeOnceByItsKey(t *testing.T) {
	t.Parallel()
	for _, about := range []string{phone, "+58412*"} {
		w := tenants(t)
		once := func(payload string) *otp.Repeat {
			return &otp.Repeat{Key: "k", Payload: []byte(payload), Decided: func(l otp.Listed) []byte { return []byte(l.Verdict.String() + " " + l.To + l.Match) }}
		}
		block := otp.Listing{Verdict: otp.Blocked, Until: w.Clock.Now().Add(time.Hour)}
		if _, err := w.DecideAbout(t.Context(), "acme", about, block, once("block")); err != nil {
			t.Fatal(err)
		}
		if _, err := w.DecideAbout(t.Context(), "acme", about, otp.Listing{Verdict: otp.Allowed}, nil); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			_, err := w.DecideAbout(t.Context(), "acme", about, block, once("block"))
			var again *otp.Repeated
			if !errors.As(err, &again) || !strings.HasPrefix(string(again.Answer), "block +58") {
				t.Errorf("%s: a repeat is told %v", about, err)
			}
			if now, err := w.Decided(t.Context(), "acme", about); err != nil || now.Verdict != otp.Allowed {
				t.Errorf("%s: the repeat made it %+v, %v", about, now, err)
			}
			w.Clock.Advance(2 * time.Hour)
		}
		if _, err := w.DecideAbout(t.Context(), "acme", about, otp.Listing{}, once("none")); kind(err) != otp.KeyReused {
			t.Errorf("%s: the key with another payload: %v", about, err)
		}
		w.Clock.Advance(24 * time.Hour)
		if _, err := w.DecideAbout(t.Context(), "acme", about, otp.Listing{}, once("none")); err != nil {
			t.Errorf("%s: a day later: %v", about, err)
		}
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
