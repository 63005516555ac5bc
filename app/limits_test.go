package app

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/aldaba-otp/aldaba/otp"
)

const pumped = `
providers: [{name: box, type: inbox}]
tenants:
  - name: shop
    home: VE
    currency: USD
    limits: {day_messages: 40, day_money: 2}
    fraud_watch: {min_sends: 5}
    routes: [{channel: sms, providers: [{provider: box, price: 0.05}]}]
`

// pumping is a server whose tenant "shop" was made to write to six numbers of a
// prefix; the sixth is refused.
func pumping(t *testing.T) *App {
	t.Helper()
	a := running(t, Options{})
	apply(t, a, pumped, false)
	for i := range 6 {
		_, err := a.Service.Start(t.Context(), otp.StartRequest{
			Caller: otp.Caller{Tenant: "shop", Identity: "key"}, Dialect: otp.NativeDialect, To: fmt.Sprintf("+58412123%04d", i),
		})
		if (err != nil) != (i == 5) {
			t.Fatalf("start %d: %v", i+1, err)
		}
	}
	return a
}

// asked calls the admin listener and reads the answer.
func asked(t *testing.T, a *App, method, path, body string, answer any) {
	t.Helper()
	status, text := call(t, method, "http://"+a.AdminAddr()+path, token, body)
	if status != http.StatusOK || json.Unmarshal([]byte(text), answer) != nil {
		t.Fatalf("%s %s is answered %d %s", method, path, status, text)
	}
	if strings.Contains(text, "+584121230") {
		t.Errorf("%s shows an address: %s", path, text)
	}
}

func TestTheWatchIsToldAndReleased(t *testing.T) {
	t.Parallel()
	a := pumping(t)
	if err := a.Service.KeepPulse(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	var all, bad, first, second Watch
	asked(t, a, http.MethodGet, "/admin/watch?tenant=shop", "", &all)
	if len(all.Watched) < 2 || all.Mode != otp.WatchBlock || all.Next != "" {
		t.Errorf("all: %+v", all)
	}
	asked(t, a, http.MethodGet, "/admin/watch?tenant=shop&suspect=true", "", &bad)
	if len(bad.Watched) != 1 {
		t.Fatalf("suspect: %+v", bad)
	}
	if w := bad.Watched[0]; w.Name != "prefix +58412123" || w.Sends != 5 || w.Approved != 0 || w.Percent == nil || *w.Percent != 0 || w.Suspect == nil || w.Until != nil {
		t.Errorf("suspect: %+v", w)
	}
	asked(t, a, http.MethodGet, "/admin/watch?tenant=shop&limit=1", "", &first)
	asked(t, a, http.MethodGet, "/admin/watch?tenant=shop&limit=1&after="+first.Next, "", &second)
	if len(first.Watched) != 1 || len(second.Watched) != 1 || first.Watched[0].Name == second.Watched[0].Name {
		t.Errorf("pages: %+v, %+v", first, second)
	}
	for _, want := range []bool{true, false} {
		var released Unwatched
		asked(t, a, http.MethodPost, "/admin/watch/release", `{"tenant":"shop","prefix":"+58412123"}`, &released)
		if released.Was != want {
			t.Errorf("released %+v, want %t", released, want)
		}
	}
	if entries := journal(t, a); entries[1].Act != "watch release" || entries[1].Detail != "prefix +58412123" || entries[1].Tenant != "shop" {
		t.Errorf("written down: %+v", entries[:2])
	}
}

func TestRefusalsAreToldWithWhatWouldHavePassed(t *testing.T) {
	t.Parallel()
	a := pumping(t)
	var every, of, none struct{ Refusals []Refused }
	asked(t, a, http.MethodGet, "/admin/refusals?tenant=shop&rule=approvals_per_prefix", "", &every)
	asked(t, a, http.MethodPost, "/admin/refusals", `{"tenant":"shop","to":"0412 1230005","since":"2h","limit":5}`, &of)
	asked(t, a, http.MethodPost, "/admin/refusals", `{"tenant":"shop","to":"0412 1230001"}`, &none)
	if len(every.Refusals) != 1 || len(of.Refusals) != 1 || every.Refusals[0] != of.Refusals[0] || len(none.Refusals) != 0 {
		t.Fatalf("%+v, %+v, %+v", every, of, none)
	}
	r := of.Refusals[0]
	if r.Kind != otp.EventRefused || r.Counter != "0 approved of 5 in 24h0m0s" || !strings.Contains(r.Allows, "the allow-list") || r.Actor != "key" || !strings.HasPrefix(r.Address, "#") {
		t.Errorf("%+v", r)
	}
}

func TestListsAreChangedAndWrittenDown(t *testing.T) {
	t.Parallel()
	a := pumping(t)
	var one Decision
	asked(t, a, http.MethodPost, "/admin/lists", `{"tenant":"shop","to":"+58412123*","verdict":"allow","until":"2999-01-01T00:00:00Z","reason":"ours"}`, &one)
	if one.Match != "+58412123" || one.Verdict != "allow" || one.Reason != "ours" || one.Until == nil {
		t.Errorf("allowed: %+v", one)
	}
	next := otp.StartRequest{Caller: otp.Caller{Tenant: "shop", Identity: "key"}, Dialect: otp.NativeDialect, To: "+584121230009"}
	if _, err := a.Service.Start(t.Context(), next); err != nil {
		t.Errorf("an allowed prefix: %v", err)
	}
	asked(t, a, http.MethodPost, "/admin/lists", `{"tenant":"shop","to":"+584121230009","verdict":"block"}`, &one)
	if _, err := a.Service.Start(t.Context(), next); otp.KindOf(err) != otp.Undeliverable {
		t.Errorf("a blocked address: %v", err)
	}
	one = Decision{}
	asked(t, a, http.MethodPost, "/admin/lists/show", `{"tenant":"shop","to":"0412-1230009"}`, &one)
	if one.Verdict != "block" || one.By != otp.ActorOperator || one.Match != "" || !strings.Contains(one.To, "*") {
		t.Errorf("shown: %+v", one)
	}
	var all struct{ Lists []Decision }
	asked(t, a, http.MethodGet, "/admin/lists?tenant=shop", "", &all)
	if len(all.Lists) != 1 || all.Lists[0].Match != "+58412123" {
		t.Errorf("listed: %+v", all)
	}
	if exported, err := a.Export(t.Context()); err != nil || !strings.Contains(string(exported), "+58412123") || strings.Contains(string(exported), "1230009") {
		t.Errorf("exported: %s, %v", exported, err)
	}
	// The tenant's own application is written down too, and changes nothing twice.
	for range 2 {
		if _, err := a.Service.DecideAbout(t.Context(), "shop", "VE", otp.Listing{Verdict: otp.Allowed, By: "key"}, nil); err != nil {
			t.Fatal(err)
		}
	}
	var details []string
	for _, e := range journal(t, a) {
		if e.Act == "list" && e.Result == resultDone {
			details = append(details, e.Actor+": "+e.Detail)
		}
	}
	if got := strings.Join(details, ", "); got != "admin: allow +58412123, admin: block, tenant: key: allow VE, tenant: key: no change" {
		t.Errorf("written down: %s", got)
	}
}

func TestSpendTellsTheLimitsOfTheDay(t *testing.T) {
	t.Parallel()
	a := pumping(t)
	var spent Spent
	asked(t, a, http.MethodGet, "/admin/spend?tenant=shop", "", &spent)
	want := []SpentLimit{{"day_money", "0.25", "2", 12}, {"day_messages", "5", "40", 12}}
	if spent.Amount != "0.25" || spent.Messages != 5 || fmt.Sprint(spent.Limits) != fmt.Sprint(want) {
		t.Errorf("%+v, want %v", spent, want)
	}
}

func TestRefusedCallsAboutLimits(t *testing.T) {
	t.Parallel()
	a := pumping(t)
	for _, c := range []struct {
		method, path, body string
		want               int
	}{
		{"GET", "/admin/watch", "", 400},
		{"GET", "/admin/watch?tenant=shop&limit=x", "", 400},
		{"GET", "/admin/watch?tenant=shop&after=xyz", "", 422},
		{"GET", "/admin/watch?tenant=shop&after=00", "", 422},
		{"GET", "/admin/watch?tenant=nobody", "", 404},
		{"POST", "/admin/watch/release", `{"tenant":"shop"}`, 400},
		{"POST", "/admin/watch/release", `{"tenant":"shop","prefix":"58412123"}`, 422},
		{"POST", "/admin/watch/release", `{"tenant":"nobody","prefix":"+58412123"}`, 404},
		{"GET", "/admin/lists", "", 400},
		{"GET", "/admin/lists?tenant=nobody", "", 404},
		{"POST", "/admin/lists", `{"tenant":"shop","to":"VE"}`, 400},
		{"POST", "/admin/lists", `{"tenant":"shop","to":"VE","verdict":"perhaps"}`, 422},
		{"POST", "/admin/lists", `{"tenant":"shop","to":"Venezuela","verdict":"block"}`, 422},
		{"POST", "/admin/lists", `{"tenant":"nobody","to":"VE","verdict":"block"}`, 404},
		{"POST", "/admin/lists/show", `{"tenant":"shop"}`, 400},
		{"GET", "/admin/refusals", "", 400},
		{"GET", "/admin/refusals?tenant=shop&to=%2B584121230005", "", 400}, // not in a query
		{"GET", "/admin/refusals?tenant=shop&since=yesterday", "", 422},
		{"GET", "/admin/refusals?tenant=shop&limit=1001", "", 422},
		{"POST", "/admin/refusals", `{"tenant":"shop","to":"x"}`, 422},
		{"POST", "/admin/refusals", `{"tenant":"nobody"}`, 404},
	} {
		if status, body := call(t, c.method, "http://"+a.AdminAddr()+c.path, token, c.body); status != c.want {
			t.Errorf("%s %s %s is answered %d %s, want %d", c.method, c.path, c.body, status, body, c.want)
		}
	}
}
