package httpx

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

func FuzzMuxNeverRedirects(f *testing.F) {
	for _, seed := range []string{"//a/b/", "/a/../b", "/a/%2e%2e/b", "/a/%2F%2E./send", "*", "/x%zz", "/v/\xff/send", "/.", "/rest/a/.."} {
		f.Add(seed)
	}
	seen := func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write([]byte(r.PathValue("id") + r.PathValue("all")))
	}
	mux, err := NewMux([]Route{
		{Methods: []string{"POST"}, Pattern: "/v/{id}/send", Handler: seen},
		{Methods: []string{"POST"}, Pattern: "/rest/{all...}", Handler: seen},
	}, nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, target string) {
		u, err := url.ParseRequestURI(target)
		if err != nil {
			return
		}
		r := httptest.NewRequest(http.MethodPost, "/", nil)
		r.URL = u
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, r)
		code, body := w.Code, w.Body.String()
		if code != http.StatusOK && code != http.StatusNotFound {
			t.Fatalf("%q: status %d", target, code)
		}
		if code == http.StatusOK && (body == ".." || strings.HasSuffix(u.Path, "/..")) {
			t.Fatalf("%q: a dot segment came through as %q", target, body)
		}
	})
}
