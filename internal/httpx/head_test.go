package httpx

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestLongHeadsAreRefusedInTheWordsOfTheRoute(t *testing.T) {
	t.Parallel()
	served := 0
	mux, err := NewMux([]Route{{
		Methods: []string{"GET"},
		Pattern: "/a",
		Handler: func(http.ResponseWriter, *http.Request) { served++ },
		Refuse: func(w http.ResponseWriter, _ *http.Request, what Refusal) {
			WriteJSON(w, what.Status, "", []byte(`"mine"`))
		},
	}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		path   string
		header int // bytes of one value
		want   int
	}{
		"short":           {"/a", 10, 200},
		"just":            {"/a", HeaderLimit - 60, 200},
		"a long header":   {"/a", HeaderLimit, 431},
		"a long query":    {"/a?" + strings.Repeat("b", HeaderLimit), 0, 431},
		"a path of none":  {"/b", HeaderLimit, 404},
		"both, in halves": {"/a?" + strings.Repeat("b", HeaderLimit/2), HeaderLimit / 2, 431},
	} {
		served = 0
		r := httptest.NewRequest(http.MethodGet, c.path, nil)
		r.Header.Set("X-Long", strings.Repeat("x", c.header))
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, r)
		if w.Code != c.want || (served == 1) != (c.want == 200) || c.want == 431 && w.Body.String() != `"mine"` {
			t.Errorf("%s: %d %s, served %d times", name, w.Code, w.Body, served)
		}
	}
}

// TestAChunkedRequestIsTheLastOfItsConnection, but over HTTP/2 there are no
// chunks, and one with a length goes on.
func TestAChunkedRequestIsTheLastOfItsConnection(t *testing.T) {
	t.Parallel()
	mux, err := NewMux([]Route{{Methods: []string{"POST"}, Pattern: "/a", Handler: func(http.ResponseWriter, *http.Request) {}}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range [][3]string{{"/a", "chunked", "close"}, {"/none", "chunked", "close"}, {"/a", "", ""}} {
		path, coding, want := c[0], c[1], c[2]
		r := httptest.NewRequest(http.MethodPost, path, strings.NewReader("{}"))
		if coding != "" {
			r.TransferEncoding = []string{coding}
		}
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, r)
		if got := w.Header().Get("Connection"); got != want {
			t.Errorf("%s, %q: Connection is %q", path, coding, got)
		}
	}
}
