package native

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/routers"

	"github.com/aldaba-otp/aldaba/api"
	"github.com/aldaba-otp/aldaba/api/apitest"
	"github.com/aldaba-otp/aldaba/otp"
	"github.com/aldaba-otp/aldaba/otp/otptest"
	"github.com/aldaba-otp/aldaba/store/storetest/world"
)

// playTests walks over every answer about a test address, and one about
// another.
func playTests(t *testing.T, router routers.Router, seen *sightings) {
	t.Helper()
	tenants := otptest.Demo(otptest.Ring(t))
	tenants[0].TestAddresses = []otp.TestAddress{{Pattern: "+1500555*", Code: "4242", Until: "2026-12-31"}}
	w := world.New(t, world.Options{Tenants: tenants})
	ask := asker(t, apitest.Handler(t, w, func(h api.Host) api.Dialect { return witnessed(t, New(h), router, seen) }))
	const mark = `"test":true`
	loud := func(answer string, want bool) {
		t.Helper()
		if strings.Contains(answer, mark) != want {
			t.Errorf("marked is not %t: %s", want, answer)
		}
	}
	start := ask(post("/v1/verifications", `{"to":"+15005550006"}`), http.StatusCreated)
	loud(start, true)
	one := "/v1/verifications/" + idOf(t, start)
	loud(ask(post(one+"/resend", ""), http.StatusOK), true)
	loud(ask(post(one+"/check", `{"code":"0000"}`), http.StatusOK), true)
	loud(ask(post(one+"/check", `{"code":"4242"}`), http.StatusOK), true)
	loud(ask(look(idOf(t, start)), http.StatusOK), true)
	list := httptest.NewRequest(http.MethodGet, "/v1/verifications?to=%2B15005550006", nil)
	list.Header.Set("Authorization", "Bearer demo-key")
	loud(ask(list, http.StatusOK), true)
	second := idOf(t, ask(post("/v1/verifications", `{"to":"+15005550006"}`), http.StatusCreated))
	loud(ask(post("/v1/verifications/"+second+"/cancel", ""), http.StatusOK), true)
	if sent := len(w.Courier.Dispatches()); sent > 0 {
		t.Errorf("%d messages", sent)
	}
	other := ask(post("/v1/verifications", `{"to":"+18091234567"}`), http.StatusCreated)
	loud(other, false)
	loud(ask(post("/v1/verifications/"+idOf(t, other)+"/check", `{"code":"4242"}`), http.StatusOK), false)
}
