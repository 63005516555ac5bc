package app

import (
	"net/http"
	"strings"
	"testing"

	"github.com/aldaba-otp/aldaba/app/config"
)

// TestMounts has the paths of clients that were given a base URL of their own.
func TestMounts(t *testing.T) {
	t.Parallel()
	a := running(t, Options{Mounts: []config.Mount{
		{Prefix: "/modica", Base: "/rest/2fa"},
		{Prefix: "/dana", Base: "/otp/1.0"},
		{Prefix: "/dana2", Base: "/otp/2.0"},
		{Prefix: "/unityvox", Base: "/api/get-api/v1"},
		{Prefix: "/all", Base: ""},
	}})
	base := "http://" + a.Addr()
	for path, want := range map[string]int{
		"/modica/challenges": 401, "/modica//responses/": 401, "/rest/2fa/challenges": 401, "/dana/send": 401, "/dana/verify": 401,
		"/dana2/generate": 401, "/dana2/validate": 401, "/UNITYVOX/otp-API": 200, "/unityvox/OTP-api/verify": 200,
		"/all/v1/verifications": 401, "/all/v1.0/contacts/1/verification-key/send": 401, "/all/connect/token": 400,
		"/modica": 404, "/modica/rest/2fa/challenges": 404, "/dana/generate/x": 404, "/all/healthz": 404, "/all/modica/challenges": 404,
	} {
		if status, body := call(t, http.MethodPost, base+path, "", "{}"); status != want {
			t.Errorf("%s is answered %d %s, want %d", path, status, body, want)
		}
	}
	if a.tongues["/modica/challenges"] != "modica" || a.tongues["/all/v1/verifications"] != "native" {
		t.Errorf("the routes are of %v", a.tongues)
	}
}

func TestMountsThatCannotBe(t *testing.T) {
	t.Parallel()
	for want, m := range map[string][]config.Mount{
		"no dialect answers below /rest/2f;":  {{Prefix: "/x", Base: "/rest/2f"}},
		"no dialect answers below /modica;":   {{Prefix: "/modica", Base: "/rest/2fa"}, {Prefix: "/y", Base: "/modica"}},
		`route "/otp/2.0/send": two routes`:   {{Prefix: "/otp/2.0", Base: "/otp/1.0"}},
		`route "/dana/generate": two routes `: {{Prefix: "/dana", Base: "/otp/1.0"}, {Prefix: "/dana", Base: "/otp/2.0"}},
	} {
		if err := checkMounts(m); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v, want %s", m, err, want)
		}
	}
	if err := checkMounts([]config.Mount{{Prefix: "/modica", Base: "/rest/2fa"}}); err != nil {
		t.Error(err)
	}
}
