package otp_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aldaba-otp/aldaba/otp"
)

func TestTraceTellsOfAnyTenantAndNoSecret(t *testing.T) {
	t.Parallel()
	w := tenants(t, func(t *otp.Tenant) {
		t.Webhooks = []otp.Webhook{{URL: "https://hooks.example.com/secret-path", Secret: "sealed-secret", Events: []otp.EventKind{otp.EventSent}}}
	})
	v, code := start(t, w, native(phone))
	check(t, w, v, "000000x", otp.OutcomeWrong)
	got, err := w.Trace(t.Context(), v.ID)
	if err != nil {
		t.Fatal(err)
	}
	if got.Verification.ID != v.ID || got.Verification.Attempts != 1 || got.Verification.Spec.Country != "VE" || got.To != otp.Mask(phone) {
		t.Errorf("%+v", got)
	}
	if len(got.Events) != 2 || got.Events[0].Kind != otp.EventStarted || got.Events[1].Kind != otp.EventWrong {
		t.Errorf("events %+v", got.Events)
	}
	if len(got.Webhooks) != 1 || !got.Webhooks[0].Tells(otp.EventSent) || got.Webhooks[0].Tells(otp.EventWrong) {
		t.Errorf("webhooks %+v", got.Webhooks)
	}
	if text := fmt.Sprintf("%+v", got); strings.Contains(text, code) || strings.Contains(text, phone) || strings.Contains(text, "sealed-secret") || got.Verification.Secret != nil || got.Verification.Spec.Letter != nil {
		t.Errorf("it tells too much: %s", text)
	}
	if _, err := w.Trace(t.Context(), w.UnusedID()); otp.KindOf(err) != otp.NotFound {
		t.Errorf("an unknown one: %v", err)
	}
}

func TestTraceWritesNothing(t *testing.T) {
	t.Parallel()
	w := tenants(t)
	v, _ := start(t, w, native(phone))
	w.Clock.Advance(24 * time.Hour)
	before := stored(t, w, v.ID)
	if _, err := w.Trace(t.Context(), v.ID); err != nil {
		t.Fatal(err)
	}
	after := stored(t, w, v.ID)
	if after.Status != otp.Pending || after.Events != before.Events {
		t.Errorf("it is %s now, with %d events", after.Status, after.Events)
	}
}

func TestTraceByAddressIsNewestFirst(t *testing.T) {
	t.Parallel()
	w := tenants(t)
	var ids []otp.ID
	for range 3 {
		v, _ := start(t, w, native(phone))
		ids = append([]otp.ID{v.ID}, ids...)
		w.Clock.Advance(time.Hour)
	}
	all, err := w.TraceAddress(t.Context(), "acme", "0412-1234567")
	if err != nil || len(all) != 3 {
		t.Fatalf("%d, %v", len(all), err)
	}
	for i := range all {
		if all[i].Verification.ID != ids[i] {
			t.Errorf("place %d holds another", i)
		}
	}
	for name, c := range map[string]struct {
		tenant, to string
		want       otp.Kind
	}{
		"another tenant's": {"globex", phone, otp.NotFound}, "no tenant": {"nobody", phone, otp.NotFound},
		"no address": {"acme", "x", otp.Invalid}, "an unknown address": {"acme", mail, otp.NotFound},
	} {
		if _, err := w.TraceAddress(t.Context(), c.tenant, c.to); err == nil || otp.KindOf(err) != c.want {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestTraceTellsTheLimit(t *testing.T) {
	t.Parallel()
	w := tenants(t)
	var last otp.View
	for range 5 {
		last, _ = start(t, w, native(phone))
	}
	got, err := w.Trace(t.Context(), last.ID)
	if err != nil || got.Rule != otp.RuleBurst || got.Wait != 10*time.Minute {
		t.Errorf("%s %s, %v", got.Rule, got.Wait, err)
	}
}

func TestTraceReadsTheRowOfAPlan(t *testing.T) {
	t.Parallel()
	w := tenants(t, func(t *otp.Tenant) {
		t.Profiles = []otp.Profile{{Name: "default", Plan: []otp.Leg{{Channel: otp.SMS, Wait: time.Minute}, {Channel: otp.Voice}}}}
	})
	v, _ := start(t, w, native(phone))
	got, err := w.Trace(t.Context(), v.ID)
	if err != nil || len(got.Rows) != 1 || got.Rows[0].Channel != otp.SMS || got.Verification.Leg() != otp.SMS {
		t.Errorf("rows %+v, %v", got.Rows, err)
	}
}

func TestTraceShowsTheRouteInItsOrder(t *testing.T) {
	t.Parallel()
	w := tenants(t)
	v, _ := start(t, w, native(phone))
	one, two := otp.Carrier{Provider: "one", Priority: 2}, otp.Carrier{Provider: "two", Priority: 1}
	for name, c := range map[string]struct {
		routes []otp.Route
		want   string
	}{
		"by country": {[]otp.Route{{Channel: otp.SMS, Countries: []string{"VE"}, Providers: []otp.Carrier{one, two}}}, "true two one"},
		"elsewhere":  {[]otp.Route{{Channel: otp.SMS, Prefix: "+52", Providers: []otp.Carrier{one}}}, "false"},
	} {
		dir, err := otp.NewDirectory([]otp.Tenant{{Name: "acme", Routes: c.routes}}, []otp.Provider{{Name: "one"}, {Name: "two"}})
		if err != nil {
			t.Fatal(err)
		}
		w.SetDirectory(dir)
		got, err := w.Trace(t.Context(), v.ID)
		if err != nil {
			t.Fatal(err)
		}
		text := fmt.Sprint(got.Routed)
		for _, p := range got.Route.Providers {
			text += " " + p.Provider
		}
		if text != c.want {
			t.Errorf("%s: %s, want %s", name, text, c.want)
		}
	}
}
