package app

import (
	"encoding/json"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/aldaba-otp/aldaba/otp"
)

// lockedOut is a running server with an address of "shop" that is locked for
// others and delayed for its subject.
func lockedOut(t *testing.T) *App {
	t.Helper()
	a := running(t, Options{})
	apply(t, a, "providers: [{name: box, type: inbox}]\ntenants: [{name: shop, home: VE, routes: [{channel: sms, providers: [box]}]}]", false)
	v, err := a.Service.Start(t.Context(), otp.StartRequest{Caller: otp.Caller{Tenant: "shop", Identity: "test"}, Dialect: otp.NativeDialect, To: "+584121234567"})
	if err != nil {
		t.Fatal(err)
	}
	err = a.Store.Do(t.Context(), otp.Step{Load: otp.Keys{Verifications: []otp.ID{v.ID}}, Decide: func(now time.Time, st *otp.State) error {
		r, _ := st.Verifications.Get(v.ID)
		d, _ := st.Destinations.Get(r.Destination)
		d.Run = otp.Run{Failures: 100, At: now, Channels: 1}
		d.Own = otp.Run{Failures: 7, At: now, Channels: 5}
		for range 20 {
			d.Wrongs = append(d.Wrongs, otp.Wrong{At: now, Chance: 1})
		}
		st.Destinations.Put(d.Key, d)
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestLocksAreToldExplainedAndReleased(t *testing.T) {
	t.Parallel()
	a := lockedOut(t)
	base := "http://" + a.AdminAddr() + "/admin/locks"
	show := func() (l Locks) {
		status, body := call(t, http.MethodGet, base+"?tenant=shop&to=%2B584121234567", token, "")
		if status != http.StatusOK || json.Unmarshal([]byte(body), &l) != nil || strings.Contains(body, "4121234567") {
			t.Fatalf("answered %d %s", status, body)
		}
		return l
	}
	now := a.Clock.Now()
	around := func(at *time.Time, wait time.Duration) bool {
		return at != nil && at.Sub(now.Add(wait)).Abs() < time.Minute
	}
	l := show()
	others, subject := l.Runs[0], l.Runs[1]
	if l.Ledger.Wrong != 20 || !around(l.Ledger.Until, 24*time.Hour) {
		t.Errorf("ledger %+v", l.Ledger)
	}
	if others.State != "locked" || others.Failures != 100 || !around(others.Until, 7*24*time.Hour) || len(others.Released) != 3 || !reflect.DeepEqual(others.Channels, []otp.Channel{otp.SMS}) {
		t.Errorf("others %+v", others)
	}
	if subject.State != "delayed" || subject.Failures != 7 || !around(subject.Until, time.Minute) || len(subject.Channels) != 2 {
		t.Errorf("subject %+v", subject)
	}
	for want, wasNow := range []string{`{"was_counted":true}`, `{"was_counted":false}`} {
		status, body := call(t, http.MethodPost, base+"/release", token, `{"tenant":"shop","to":"0412 1234567"}`)
		if status != http.StatusOK || strings.TrimSpace(body) != wasNow {
			t.Errorf("release %d is answered %d %s", want, status, body)
		}
	}
	if l = show(); l.Ledger.Wrong != 0 || l.Ledger.Until != nil || l.Runs[0].State != "open" || l.Runs[0].Until != nil || l.Runs[1].Failures != 0 {
		t.Errorf("after the release: %+v", l)
	}
}

func TestLocksOfTenantsWithoutTrialsTellNoTime(t *testing.T) {
	t.Parallel()
	a := lockedOut(t)
	apply(t, a, "tenants: [{name: shop, guessing: {trials: false}}]", false)
	l, err := a.Locks(t.Context(), "shop", "+584121234567")
	if err != nil || l.Runs[0].State != "locked" || l.Runs[0].Until != nil || len(l.Runs[0].Released) != 2 {
		t.Errorf("got %+v, %v", l, err)
	}
}

func TestRefusedCallsAboutLocks(t *testing.T) {
	t.Parallel()
	a := lockedOut(t)
	base := "http://" + a.AdminAddr() + "/admin/locks"
	for _, c := range []struct {
		method, path, bearer, body string
		want                       int
	}{
		{http.MethodGet, "?tenant=shop&to=%2B584121234567", "", "", 401},
		{http.MethodGet, "?tenant=shop", token, "", 400},
		{http.MethodGet, "?to=%2B584121234567", token, "", 400},
		{http.MethodGet, "?tenant=nobody&to=%2B584121234567", token, "", 404},
		{http.MethodGet, "?tenant=shop&to=x", token, "", 422},
		{http.MethodPost, "/release", "", `{"tenant":"shop","to":"+584121234567"}`, 401},
		{http.MethodPost, "/release", token, `{"tenant":"shop"}`, 400},
		{http.MethodPost, "/release", token, `{"tenant":"shop","to":"+584121234567","why":"x"}`, 400},
		{http.MethodPost, "/release", token, `{"tenant":"nobody","to":"+584121234567"}`, 404},
		{http.MethodGet, "/release", token, "", 405},
	} {
		if status, body := call(t, c.method, base+c.path, c.bearer, c.body); status != c.want {
			t.Errorf("%s %s is answered %d %s, want %d", c.method, c.path, status, body, c.want)
		}
	}
}
