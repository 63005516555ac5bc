package native

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/routers"

	"github.com/aldaba-otp/aldaba/api"
	"github.com/aldaba-otp/aldaba/api/apitest"
	"github.com/aldaba-otp/aldaba/otp"
	"github.com/aldaba-otp/aldaba/otp/otptest"
	"github.com/aldaba-otp/aldaba/store/storetest/world"
)

// linked is the demo where acme's e-mails have a link.
func linked(t *testing.T) *world.World {
	t.Helper()
	tenants := otptest.Demo(otptest.Ring(t))
	for i := range tenants[0].Profiles {
		tenants[0].Profiles[i].Link = "https://app.example/verify"
	}
	return world.New(t, world.Options{Tenants: tenants})
}

func tokenOf(t *testing.T, w *world.World) string {
	t.Helper()
	_, token, found := strings.Cut(w.Courier.Last(t).Link, "#token=")
	if !found {
		t.Fatalf("the message has no link: %+v", w.Courier.Last(t))
	}
	return token
}

func redemption(token, more string) *http.Request {
	return post("/v1/links/redeem", fmt.Sprintf(`{"token":%q%s}`, token, more))
}

// playLinks redeems links, in time and too late.
func playLinks(t *testing.T, router routers.Router, seen *sightings) {
	t.Helper()
	w := linked(t)
	ask := asker(t, apitest.Handler(t, w, func(h api.Host) api.Dialect { return witnessed(t, New(h), router, seen) }))
	start := func() (id, token string) {
		t.Helper()
		id = idOf(t, ask(post("/v1/verifications", `{"to":"ana@example.com","purpose":"confirm_address"}`), 201))
		return id, tokenOf(t, w)
	}
	said := func(got, id, status, outcome string, left int) {
		t.Helper()
		begin := fmt.Sprintf(`{"id":%q,"status":%q,"outcome":%q,"attempts_left":%d,"purpose":"confirm_address"`, id, status, outcome, left)
		if !strings.HasPrefix(got, begin) {
			t.Errorf("the answer is %s, want %s", got, begin)
		}
	}
	id, token := start()
	for _, method := range []string{http.MethodGet, http.MethodHead} { // as scanners do
		for _, target := range []string{"/v1/links/redeem", "/v1/links/redeem?token=" + token} {
			ask(httptest.NewRequest(method, target, nil), http.StatusMethodNotAllowed)
		}
	}
	ask(redemption(token, `,"id":"01a1b2c3-d4e5-7f60-8a9b-0c1d2e3f4a5b"`), 404) // another session's
	ask(redemption(token, `,"id":"17"`), 422)
	said(ask(redemption(token, `,"purpose":"recover"`), 200), id, "pending", "wrong", 4)
	got := ask(redemption(token, fmt.Sprintf(`,"id":%q,"purpose":"confirm_address","receipt":true`, id)), 200)
	said(got, id, "approved", "approved", 0)
	if !strings.Contains(got, `"receipt":"ey`) || strings.Contains(got, token) {
		t.Errorf("the answer is %s", got)
	}
	said(ask(redemption(token, ""), 200), id, "approved", "used", 0)

	id, token = start()
	once := func() *http.Request {
		r := redemption(token, "")
		r.Header.Set("Idempotency-Key", "button-1")
		return r
	}
	first := ask(once(), 200)
	said(first, id, "approved", "approved", 0)
	if again := ask(once(), 200); again != first {
		t.Errorf("a repeat is told %s, then %s", first, again)
	}

	id, token = start()
	w.Clock.Advance(10 * time.Minute)
	said(ask(redemption(token, ""), 200), id, "expired", "expired", 0)
	lockAddress(t, w)
	if got := ask(redemption(token, ""), 200); !strings.Contains(got, "expired") { // no lock reopens what ended
		t.Error(got)
	}
}

// lockAddress plays no guess a hundred times, but writes what they would leave.
func lockAddress(t *testing.T, w *world.World) {
	t.Helper()
	rows, err := w.Store.ScanDestinations(t.Context(), otp.Key{}, 10)
	if err != nil || len(rows) == 0 {
		t.Fatal(err)
	}
	err = w.Store.Do(t.Context(), otp.Step{Load: otp.Keys{Destinations: []otp.Key{rows[0].Key}}, Decide: func(now time.Time, st *otp.State) error {
		d, _ := st.Destinations.Get(rows[0].Key)
		d.Run = otp.Run{Failures: 100, At: now, Channels: 1 << 1}
		st.Destinations.Put(d.Key, d)
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
}

func TestALockedAddressIsToldToTheRightTokenAlone(t *testing.T) {
	t.Parallel()
	playLocked(t, nil, nil)
}

// playLocked asks for the link of a locked address.
func playLocked(t *testing.T, router routers.Router, seen *sightings) {
	t.Helper()
	w := linked(t)
	ask := asker(t, apitest.Handler(t, w, func(h api.Host) api.Dialect {
		if router == nil {
			return New(h)
		}
		return witnessed(t, New(h), router, seen)
	}))
	ask(post("/v1/verifications", `{"to":"ana@example.com"}`), 201)
	token := tokenOf(t, w)
	lockAddress(t, w)
	if got := ask(redemption(token, ""), 429); !strings.Contains(got, otp.RuleLock) {
		t.Errorf("the lock is told as %s", got)
	}
	ask(redemption(token[:22]+strings.Repeat("A", 21), ""), 404)
}

// TestTokensThatAreNotRightAreAnsweredAlike holds the bytes of all refusals
// against each other: an unknown id, another tenant's, a wrong half, no token.
func TestTokensThatAreNotRightAreAnsweredAlike(t *testing.T) {
	t.Parallel()
	w := linked(t)
	handler := apitest.Handler(t, w, New)
	ask := asker(t, handler)
	ask(post("/v1/verifications", `{"to":"ana@example.com"}`), 201)
	token := tokenOf(t, w)
	answers := map[string]bool{}
	for _, wrong := range []string{
		token[:42] + "A", token[:22] + strings.Repeat("A", 21), strings.Repeat("A", 22) + token[22:], "x", token + token, strings.Repeat("z", 9000),
	} {
		if wrong == token {
			continue
		}
		got := ask(redemption(wrong, ""), http.StatusNotFound)
		answers[got] = true
		if strings.Contains(got, wrong) && len(wrong) > 1 {
			t.Errorf("the answer repeats the token: %s", got)
		}
	}
	foreign := redemption(token, "")
	foreign.Header.Set("Authorization", "Bearer globex-key")
	answers[ask(foreign, http.StatusNotFound)] = true
	if len(answers) != 1 {
		t.Errorf("they are told apart: %v", answers)
	}
	for _, broken := range []string{`{"token":""}`, `{}`, `{"token":null}`, `{"token":["` + token + `"]}`} {
		ask(post("/v1/links/redeem", broken), http.StatusUnprocessableEntity)
	}
	if got := ask(redemption(token, ""), 200); !strings.Contains(got, `"outcome":"approved","attempts_left":0`) {
		t.Errorf("after all of them the right one is answered %s", got)
	}
}
