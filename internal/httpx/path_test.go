package httpx

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

func TestFoldTakesOutEmptySegmentsOnly(t *testing.T) {
	t.Parallel()
	tests := map[string]struct{ path, rawPath string }{
		"/":                      {"/", ""},
		"//":                     {"/", ""},
		"/otp/1.0/send":          {"/otp/1.0/send", ""},
		"//otp/1.0/send/":        {"/otp/1.0/send", ""},
		"/otp///1.0//send///":    {"/otp/1.0/send", ""},
		"//a/order-77%2F%C3%B1/": {"/a/order-77/ñ", "/a/order-77%2F%C3%B1"},
		"//a/%2F/":               {"/a//", "/a/%2F"},
		"/a%2F%2Fb":              {"/a//b", "/a%2F%2Fb"},
		"//a%2Fb\"c":             {"/a/b\"c", "/a%2Fb\"c"},
		"//a/%2e%2e/b":           {"/a/../b", "/a/%2e%2e/b"},
		"//a/../b":               {"/a/../b", ""},
		"http://host//a/?q=//x/": {"/a", ""},
		"http://host":            {"/", ""},
		"//a%20b":                {"/a b", ""},
	}
	for target, want := range tests {
		r := httptest.NewRequest(http.MethodPost, "/", nil)
		u, err := url.ParseRequestURI(target)
		if err != nil {
			t.Fatal(err)
		}
		r.URL = u
		before := *u
		var got *url.URL
		Fold(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			got = r.URL
			r.Pattern = "seen"
		})).ServeHTTP(httptest.NewRecorder(), r)
		if got.Path != want.path || got.RawPath != want.rawPath || got.RawQuery != u.RawQuery {
			t.Errorf("%s: %q %q", target, got.Path, got.RawPath)
		}
		if *r.URL != before || r.Pattern != "seen" {
			t.Errorf("%s: the request became %v, pattern %q", target, r.URL, r.Pattern)
		}
	}
}

func TestFoldServesServeMux(t *testing.T) {
	t.Parallel()
	mux := http.NewServeMux()
	mux.HandleFunc("POST /s/{id}/send", func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write([]byte(r.PathValue("id")))
	})
	w := httptest.NewRecorder()
	Fold(mux).ServeHTTP(w, httptest.NewRequest(http.MethodPost, "//s//order-77%2F%C3%B1/send/", nil))
	if got := w.Body.String(); w.Code != http.StatusOK || got != "order-77/ñ" {
		t.Errorf("%d %q", w.Code, got)
	}
}

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
		serve := func(h http.Handler) (int, string) {
			r := httptest.NewRequest(http.MethodPost, "/", nil)
			copied := *u
			r.URL = &copied
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			return w.Code, w.Body.String()
		}
		code, body := serve(mux)
		if code != http.StatusOK && code != http.StatusNotFound {
			t.Fatalf("%q: status %d", target, code)
		}
		if code == http.StatusOK && (body == ".." || strings.HasSuffix(u.Path, "/..")) {
			t.Fatalf("%q: a dot segment came through as %q", target, body)
		}
		if c, b := serve(Fold(mux)); c != code || b != body {
			t.Fatalf("%q: %d %q, folded first %d %q", target, code, body, c, b)
		}
	})
}
