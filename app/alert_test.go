package app

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aldaba-otp/aldaba/internal/clock"
	"github.com/aldaba-otp/aldaba/internal/hook"
	"github.com/aldaba-otp/aldaba/otp"
)

// ear is a tenant's application that hears of events.
type ear struct {
	mu    sync.Mutex
	heard map[string][]string // bodies without their times, by path
	ids   map[string]bool
	came  chan struct{}
}

const earSecret = "whsec_aG9va3NlY3JldGhvb2tzZWNyZXRob29rc2Vj"

func newEar(t *testing.T) (*ear, string) {
	t.Helper()
	e := &ear{heard: map[string][]string{}, ids: map[string]bool{}, came: make(chan struct{}, 1000)}
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil || hook.Verify(hook.Secrets{Current: earSecret}, r.Header, body, time.Now()) != nil {
			t.Errorf("a call is not signed: %s", body)
		}
		before, rest, _ := strings.Cut(string(body), `"timestamp":"`)
		_, after, _ := strings.Cut(rest, `",`)
		e.mu.Lock()
		defer e.mu.Unlock()
		if id := r.URL.Path + r.Header.Get("Webhook-Id"); e.ids[id] {
			t.Errorf("told twice: %s", body)
		} else {
			e.ids[id] = true
		}
		e.heard[r.URL.Path] = append(e.heard[r.URL.Path], before+after)
		e.came <- struct{}{}
	}))
	t.Cleanup(s.Close)
	return e, s.URL
}

// wait waits until something of a path holds a text, and returns it.
func (e *ear) wait(t *testing.T, path, text string) string {
	t.Helper()
	limit := time.After(10 * time.Second)
	for {
		e.mu.Lock()
		at := slices.IndexFunc(e.heard[path], func(body string) bool { return strings.Contains(body, text) })
		if at >= 0 {
			defer e.mu.Unlock()
			return e.heard[path][at]
		}
		e.mu.Unlock()
		select {
		case <-e.came:
		case <-limit:
			t.Fatalf("nobody told %s of %q: %q", path, text, e.heard[path])
		}
	}
}

const alerted = `
providers: [{name: box, type: inbox}]
tenants:
  - name: shop
    countries: ["*"]
    home: VE
    routes: [{channel: sms, providers: [box]}]
    limits: {day_messages: 10}
    fraud_watch: {min_sends: 5, grace: 10m}
    webhooks:
      - {url: "%[1]s/all", secret: %[2]s}
      - {url: "%[1]s/refused", secret: %[2]s, events: [refused]}
`

// TestATenantHearsOfAlerts goes through the herald to a server: T07's lock, T55's
// block and the warnings of the day.
func TestATenantHearsOfAlerts(t *testing.T) {
	t.Parallel()
	e, url := newEar(t)
	noon := time.Now().UTC().Truncate(24 * time.Hour).Add(12 * time.Hour) // far from the end of a day
	a := running(t, Options{Clock: clock.New(time.Until(noon)), WebhookAllow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}})
	apply(t, a, fmt.Sprintf(alerted, url, earSecret), false)
	caller := otp.Caller{Tenant: "shop", Identity: "key 1"}
	begin := func(i int) (otp.View, error) {
		return a.Service.Start(t.Context(), otp.StartRequest{Caller: caller, Dialect: otp.NativeDialect, To: fmt.Sprintf("+58412123%04d", i), Code: "583920"})
	}
	for i := range 5 {
		if _, err := begin(i); err != nil {
			t.Fatal(err)
		}
	}
	exactly := func(path, text, want string) {
		t.Helper()
		if got := e.wait(t, path, text); got != want {
			t.Errorf("told %s, want %s", got, want)
		}
	}
	exactly("/all", "50%", `{"type":"tenant.alert","data":{"rule":"messages_per_day","detail":"50% of the day's limit"}}`)

	// The same refusal many times a minute is told once, and to who asked for it.
	for range 20 {
		if _, err := begin(6); otp.KindOf(err) != otp.Throttled {
			t.Fatal(err)
		}
	}
	told := e.wait(t, "/refused", "tenant.refused")
	if !strings.Contains(told, `"rule":"approvals_per_prefix","detail":"0 approved of 5 in 24h0m0s`) || strings.Contains(told, "#") {
		t.Errorf("told %s", told)
	}
	a.Clock.Advance(10 * time.Minute)
	if _, err := begin(6); otp.KindOf(err) != otp.Throttled {
		t.Fatal(err)
	}
	block := e.wait(t, "/all", "approvals_per_prefix")
	if !strings.HasPrefix(block, `{"type":"tenant.alert","data":{"rule":"approvals_per_prefix","detail":"prefix +58412123 blocked until `) {
		t.Errorf("told %s", block)
	}
	if _, err := a.Service.Unblock(t.Context(), "shop", "+58412123", "ana"); err != nil {
		t.Fatal(err)
	}
	exactly("/all", "tenant.released", `{"type":"tenant.released","data":{"rule":"approvals_per_prefix","detail":"prefix +58412123 by an operator"}}`)
	if _, err := a.Service.Decide(t.Context(), "shop", "+584121239999", otp.Listing{Verdict: otp.Blocked, By: "ana"}); err != nil {
		t.Fatal(err)
	}
	exactly("/all", "tenant.listed", `{"type":"tenant.listed","data":{"detail":"block"}}`)
	var newest otp.View
	for i := range 3 {
		var err error
		if newest, err = begin(10 + i); err != nil {
			t.Fatal(err)
		}
	}
	exactly("/all", "80%", `{"type":"tenant.alert","data":{"rule":"messages_per_day","detail":"80% of the day's limit"}}`)

	fail99(t, a, newest.ID)
	if _, outcome, err := a.Service.Check(t.Context(), otp.CheckRequest{Caller: caller, Dialect: otp.NativeDialect, Ref: otp.Ref{ID: newest.ID}, Code: "111111"}); outcome == otp.OutcomeApproved {
		t.Fatal(outcome, err)
	}
	if lock := e.wait(t, "/all", "verification.locked"); !strings.Contains(lock, newest.ID.String()) {
		t.Errorf("told %s", lock)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if all := fmt.Sprint(e.heard["/all"]); strings.Contains(all, "tenant.refused") || strings.Contains(all, "+58412123999") {
		t.Errorf("told %s", all)
	}
	if n := len(e.heard["/refused"]); n > 3 {
		t.Errorf("told %d times of 21 refusals", n)
	}
}

// fail99 makes the next wrong guess at a verification's address the hundredth.
func fail99(t *testing.T, a *App, id otp.ID) {
	t.Helper()
	err := a.Store.Do(t.Context(), otp.Step{Load: otp.Keys{Verifications: []otp.ID{id}}, Decide: func(now time.Time, st *otp.State) error {
		v, _ := st.Verifications.Get(id)
		d, _ := st.Destinations.Get(v.Destination)
		d.Run.Failures, d.Run.At = 99, now.Add(-24*time.Hour)
		st.Destinations.Put(d.Key, d)
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
}
