package httpx

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
)

type watchKey struct{}

func TestWatchSeesRouteAndStatusOfWhatItPassedOn(t *testing.T) {
	t.Parallel()
	mux, err := NewMux([]Route{{Methods: []string{http.MethodGet}, Pattern: "/things/{id}", Handler: func(w http.ResponseWriter, r *http.Request) {
		if r.Context().Value(watchKey{}) != "seen" {
			t.Error("the context did not come through")
		}
		w.WriteHeader(http.StatusTeapot)
	}}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	var route string
	var status int
	watch := func(r *http.Request) (*http.Request, func(*http.Request, int)) {
		return r.WithContext(context.WithValue(r.Context(), watchKey{}, "seen")), func(inner *http.Request, s int) { route, status = RouteOf(inner), s }
	}
	h := Chain(mux, WithWatch(watch), Standard(Options{}))
	for path, want := range map[string]struct {
		route  string
		status int
	}{"/things/7": {"/things/{id}", http.StatusTeapot}, "/other": {"unmatched", http.StatusNotFound}} {
		r := httptest.NewRequest(http.MethodGet, path, nil)
		h.ServeHTTP(httptest.NewRecorder(), r)
		if route != want.route || status != want.status || RouteOf(r) != want.route {
			t.Errorf("%s: route %s, status %d; outside %s", path, route, status, RouteOf(r))
		}
	}
}
