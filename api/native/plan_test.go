package native

import (
	"encoding/json"
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

// planned is the demo where acme's default profile goes from WhatsApp over SMS
// to a call.
func planned(t *testing.T) *world.World {
	t.Helper()
	tenants := otptest.Demo(otptest.Ring(t))
	tenants[0].Profiles[0].Plan = []otp.Leg{{Channel: otp.WhatsApp, Wait: 30 * time.Second}, {Channel: otp.SMS, Wait: time.Minute}, {Channel: otp.Voice}}
	return world.New(t, world.Options{Tenants: tenants})
}

// asker asks one server for JSON.
func asker(t *testing.T, handler http.Handler) func(r *http.Request, want int) string {
	return func(r *http.Request, want int) string {
		t.Helper()
		rec := httptest.NewRecorder()
		handler.ServeHTTP(rec, r)
		if rec.Code != want {
			t.Fatalf("%s %s is answered %d %s, want %d", r.Method, r.URL.Path, rec.Code, rec.Body, want)
		}
		return rec.Body.String()
	}
}

func look(id string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "/v1/verifications/"+id, nil)
	r.Header.Set("Authorization", "Bearer demo-key")
	return r
}

func idOf(t *testing.T, body string) string {
	t.Helper()
	var v verification
	if err := json.Unmarshal([]byte(body), &v); err != nil || v.ID == "" {
		t.Fatalf("%s: %v", body, err)
	}
	return v.ID
}

// playPlan goes through a plan, and beyond the limits of an address.
func playPlan(t *testing.T, router routers.Router, seen *sightings) {
	t.Helper()
	w := planned(t)
	ask := asker(t, apitest.Handler(t, w, func(h api.Host) api.Dialect { return witnessed(t, New(h), router, seen) }))
	id := idOf(t, ask(post("/v1/verifications", `{"to":"+18091234567"}`), http.StatusCreated))
	ask(post("/v1/verifications/"+id+"/next", "{}"), http.StatusOK)
	for range 3 {
		id = idOf(t, ask(post("/v1/verifications", `{"to":"+18091234567"}`), http.StatusCreated))
	}
	throttled := ask(post("/v1/verifications/"+id+"/next", "{}"), http.StatusTooManyRequests)
	if !strings.Contains(throttled, otp.RuleBurst) {
		t.Errorf("the sixth message: %s", throttled)
	}
	ask(look(id), http.StatusOK)
}

func TestALookTellsTheTimelineAndNothingElseDoes(t *testing.T) {
	t.Parallel()
	w := planned(t)
	ask := asker(t, apitest.Handler(t, w, New))
	started := ask(post("/v1/verifications", `{"to":"+18091234567"}`), http.StatusCreated)
	id := idOf(t, started)
	w.Clock.Advance(1500 * time.Millisecond)
	next := ask(post("/v1/verifications/"+id+"/next", ""), http.StatusOK)
	checked := ask(post("/v1/verifications/"+id+"/check", `{"code":"`+w.Courier.Last(t).Code+`"}`), http.StatusOK)
	list := httptest.NewRequest(http.MethodGet, "/v1/verifications?to=%2B18091234567", nil)
	list.Header.Set("Authorization", "Bearer demo-key")
	for _, answer := range []string{started, next, checked, ask(list, http.StatusOK)} {
		if strings.Contains(answer, "timeline") {
			t.Errorf("a timeline in %s", answer)
		}
	}
	_, timeline, _ := strings.Cut(ask(look(id), http.StatusOK), `"timeline":`)
	want := `[{"at":"2026-01-31T09:05:07.000Z","event":"started","actor":"application"},` +
		`{"at":"2026-01-31T09:05:08.500Z","event":"next","actor":"application","channel":"sms"},` +
		`{"at":"2026-01-31T09:05:08.500Z","event":"approved","actor":"application"}]}`
	if timeline != want {
		t.Errorf("got\n%s\nwant\n%s", timeline, want)
	}
}

func TestALookAtAnExpiredOneTellsThat(t *testing.T) {
	t.Parallel()
	w := planned(t)
	ask := asker(t, apitest.Handler(t, w, New))
	id := idOf(t, ask(post("/v1/verifications", `{"to":"+18091234567"}`), http.StatusCreated))
	w.Clock.Advance(time.Hour)
	if answer := ask(look(id), http.StatusOK); !strings.Contains(answer, `"event":"expired"`) {
		t.Error(answer)
	}
}

func TestAPlanIsFollowedUnlessAChannelIsChosen(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]string{
		`{"to":"+18091234567"}`:                        "whatsapp sms voice",
		`{"to":"+18091234567","channel":"sms"}`:        "sms voice",
		`{"to":"+18091234567","channel":"voice"}`:      "voice",
		`{"to":"+18091234567","channel":"telegram"}`:   "telegram",
		`{"to":"ana@example.com","channel":"email"}`:   "email",
		`{"to":"+18091234567","channel":"whatsapp"}`:   "whatsapp sms voice",
		`{"to":"ana@example.com","profile":"default"}`: "email",
	} {
		w := planned(t)
		ask := asker(t, apitest.Handler(t, w, New))
		answer := ask(post("/v1/verifications", body), http.StatusCreated)
		id, channels := idOf(t, answer), []string{channelOf(t, answer)}
		legs := len(strings.Fields(want))
		for i := 1; i < legs; i++ {
			channels = append(channels, channelOf(t, ask(post("/v1/verifications/"+id+"/next", "{}"), http.StatusOK)))
		}
		ask(post("/v1/verifications/"+id+"/next", "{}"), http.StatusConflict)
		if got := strings.Join(channels, " "); got != want {
			t.Errorf("%s goes by %s, want %s", body, got, want)
		}
	}
}

func channelOf(t *testing.T, body string) string {
	t.Helper()
	var v verification
	if err := json.Unmarshal([]byte(body), &v); err != nil {
		t.Fatal(err)
	}
	return v.Channel
}

func TestNextIsRepeatable(t *testing.T) {
	t.Parallel()
	w := planned(t)
	handler := apitest.Handler(t, w, New)
	ask := asker(t, handler)
	id := idOf(t, ask(post("/v1/verifications", `{"to":"+18091234567"}`), http.StatusCreated))
	var answers []string
	for _, body := range []string{"", "{}"} {
		r := post("/v1/verifications/"+id+"/next", body)
		r.Header.Set("Idempotency-Key", "once")
		answers = append(answers, ask(r, http.StatusOK))
	}
	if answers[0] != answers[1] || len(w.Courier.Dispatches()) != 2 {
		t.Errorf("%d messages, answers %s", len(w.Courier.Dispatches()), answers)
	}
}
