package httpx

import (
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
)

// answer writes the name of the route and the variables asked for.
func answer(name string, variables ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		text := name
		for _, v := range variables {
			text += " " + v + "=" + r.PathValue(v)
		}
		_, _ = w.Write([]byte(text))
	}
}

func teapot(w http.ResponseWriter, _ *http.Request, what Refusal) {
	w.WriteHeader(what.Status)
	_, _ = w.Write([]byte("teapot " + strconv.Itoa(what.Status)))
}

func testMux(t *testing.T) *Mux {
	t.Helper()
	m, err := NewMux([]Route{
		{Methods: []string{"POST"}, Pattern: "/otp/1.0/send", Handler: answer("send"), Refuse: teapot},
		{Methods: []string{"GET"}, Pattern: "/v1/verifications", Handler: answer("list")},
		{Methods: []string{"POST"}, Pattern: "/v1/verifications", Handler: answer("create"), Refuse: teapot},
		{Methods: []string{"GET"}, Pattern: "/v1/verifications/{id}", Handler: answer("get", "id")},
		{Methods: []string{"POST"}, Pattern: "/v1/verifications/{id}/check", Handler: answer("check", "id")},
		{Methods: []string{"GET"}, Pattern: "/v1/verifications/own", Handler: answer("own")},
		{Methods: []string{"POST"}, Pattern: "/v1.0/contacts/{contact}/key/{key}", Handler: answer("key", "contact", "key"), AnyCase: true},
		{Methods: []string{"GET"}, Pattern: "/files/{path...}", Handler: answer("file", "path")},
		{Methods: []string{"GET"}, Pattern: "/docs/", Handler: answer("docs")},
		{Methods: []string{"GET", "HEAD"}, Pattern: "/{$}", Handler: answer("root")},
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestRoutesAreFoundByPathThenMethod(t *testing.T) {
	t.Parallel()
	mux := testMux(t)
	tests := map[string]struct {
		status      int
		body, route string
		allow       string
	}{
		"POST /otp/1.0/send":                          {200, "send", "/otp/1.0/send", ""},
		"POST //otp/1.0/send/":                        {200, "send", "/otp/1.0/send", ""},
		"POST /%6ftp/1.0/send":                        {200, "send", "/otp/1.0/send", ""},
		"POST /OTP/1.0/send":                          {404, "", "unmatched", ""},
		"GET /otp/1.0/send":                           {405, "teapot 405", "/otp/1.0/send", "POST"},
		"HEAD /otp/1.0/send":                          {405, "teapot 405", "/otp/1.0/send", "POST"},
		"OPTIONS /otp/1.0/send":                       {405, "teapot 405", "/otp/1.0/send", "POST"},
		"TRACE /otp/1.0/send":                         {405, "teapot 405", "/otp/1.0/send", "POST"},
		"CONNECT /otp/1.0/send":                       {405, "teapot 405", "/otp/1.0/send", "POST"},
		"DELETE /v1/verifications":                    {405, "teapot 405", "/v1/verifications", "GET, POST"},
		"HEAD /v1/verifications":                      {405, "teapot 405", "/v1/verifications", "GET, POST"},
		"GET /v1/verifications/":                      {200, "list", "/v1/verifications", ""},
		"POST /v1/verifications":                      {200, "create", "/v1/verifications", ""},
		"GET /v1/verifications/own":                   {200, "own", "/v1/verifications/own", ""},
		"GET /v1/verifications/x":                     {200, "get id=x", "/v1/verifications/{id}", ""},
		"POST /v1/verifications/own/check":            {200, "check id=own", "/v1/verifications/{id}/check", ""},
		"POST /v1/verifications/a%2Fb%3F/check":       {200, "check id=a/b?", "/v1/verifications/{id}/check", ""},
		"GET /v1/verifications/%2e%2e":                {404, "", "unmatched", ""},
		"GET /v1/verifications/..":                    {404, "", "unmatched", ""},
		"GET /v1/verifications/%2e":                   {404, "", "unmatched", ""},
		"GET /v1/./verifications":                     {404, "", "unmatched", ""},
		"GET /v1/x/../verifications":                  {404, "", "unmatched", ""},
		"GET /v1/verifications/%00":                   {200, "get id=\x00", "/v1/verifications/{id}", ""},
		"POST /v1.0/Contacts/C%C3%B1/KEY/Ab":          {200, "key contact=Cñ key=Ab", "/v1.0/contacts/{contact}/key/{key}", ""},
		"POST /v1.0/contacts/order-77%2F%C3%B1/key/1": {200, "key contact=order-77/ñ key=1", "/v1.0/contacts/{contact}/key/{key}", ""},
		"GET /files/a//b%2Fc/":                        {200, "file path=a/b/c", "/files/{path...}", ""},
		"GET /files":                                  {200, "file path=", "/files/{path...}", ""},
		"GET /files/a/%2E%2e/b":                       {404, "", "unmatched", ""},
		"GET /docs":                                   {200, "docs", "/docs/", ""},
		"GET /docs/a/b":                               {200, "docs", "/docs/", ""},
		"GET /":                                       {200, "root", "/{$}", ""},
		"GET //":                                      {200, "root", "/{$}", ""},
		"GET /nowhere":                                {404, "", "unmatched", ""},
	}
	for line, want := range tests {
		method, target, _ := strings.Cut(line, " ")
		r := httptest.NewRequest(http.MethodGet, target, nil)
		r.Method = method
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, r)
		got := w.Body.String()
		if want.status == http.StatusNotFound {
			got = ""
		}
		if w.Code != want.status || got != want.body || RouteOf(r) != want.route || w.Header().Get("Allow") != want.allow {
			t.Errorf("%s: %d %q route %s allow %q", line, w.Code, w.Body, RouteOf(r), w.Header().Get("Allow"))
		}
	}
}

func TestAsteriskIsNotFound(t *testing.T) {
	t.Parallel()
	r := httptest.NewRequest(http.MethodOptions, "/", nil)
	r.URL.Path = "*"
	w := httptest.NewRecorder()
	testMux(t).ServeHTTP(w, r)
	if w.Code != http.StatusNotFound {
		t.Errorf("status %d", w.Code)
	}
}

func TestUnknownPathsAreProblems(t *testing.T) {
	t.Parallel()
	w := httptest.NewRecorder()
	testMux(t).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/x", nil))
	want := `{"title":"Not Found","status":404}`
	if w.Body.String() != want || w.Header().Get("Content-Type") != "application/problem+json" {
		t.Errorf("%s %s", w.Header(), w.Body)
	}
}

func TestBadTablesOfRoutesAreErrors(t *testing.T) {
	t.Parallel()
	row := func(pattern string, methods ...string) Route {
		return Route{Methods: methods, Pattern: pattern, Handler: answer("")}
	}
	anyCase := row("/A", "POST")
	anyCase.AnyCase = true
	tests := map[string][]Route{
		"same method twice":    {row("/a", "GET"), row("/a", "POST", "GET")},
		"overlap":              {row("/a/{x}", "GET"), row("/{y}/b", "GET")},
		"other variable name":  {row("/a/{x}", "GET"), row("/a/{y}", "POST")},
		"same but for the end": {row("/a", "GET"), row("/a/{$}", "GET")},
		"two tails":            {row("/a/", "GET"), row("/a/{x...}", "GET")},
		"differ in case":       {row("/a", "GET"), anyCase},
		"any case and not":     {row("/A", "GET"), anyCase},
		"no slash":             {row("a", "GET")},
		"host":                 {row("host/a", "GET")},
		"method":               {row("GET /a", "GET")},
		"empty":                {row("", "GET")},
		"no methods":           {row("/a")},
		"no handler":           {{Pattern: "/a", Methods: []string{"GET"}}},
		"bad variable":         {row("/{a-b}", "GET")},
		"variable twice":       {row("/{a}/{a}", "GET")},
		"half a variable":      {row("/a{b}", "GET")},
		"open variable":        {row("/{b", "GET")},
		"tail in the middle":   {row("/{b...}/c", "GET")},
		"end in the middle":    {row("/{$}/c", "GET")},
		"escape":               {row("/a%2Fb", "GET")},
		"empty segment":        {row("/a//b", "GET")},
		"dot segment":          {row("/a/../b", "GET")},
	}
	for name, routes := range tests {
		if _, err := NewMux(routes, nil); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestMuxRefusesInTheWordsOfTheRoute(t *testing.T) {
	t.Parallel()
	m := testMux(t)
	for pattern, want := range map[string]string{
		"/otp/1.0/send":     "teapot 500",
		"/v1/verifications": "teapot 500",
		"/docs/":            `{"title":"Internal Server Error","status":500}`,
		"":                  `{"title":"Internal Server Error","status":500}`,
	} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Pattern = pattern
		w := httptest.NewRecorder()
		m.Refuse(w, r, Refusal{Status: http.StatusInternalServerError})
		if w.Body.String() != want {
			t.Errorf("%q: %s", pattern, w.Body)
		}
	}
}

func BenchmarkMux(b *testing.B) {
	m, err := NewMux([]Route{{Methods: []string{"POST"}, Pattern: "/otp/1.0/send", Handler: func(http.ResponseWriter, *http.Request) {}}}, nil)
	if err != nil {
		b.Fatal(err)
	}
	r := httptest.NewRequest(http.MethodPost, "/otp/1.0/send", nil)
	b.ReportAllocs()
	for b.Loop() {
		m.ServeHTTP(nil, r)
	}
}
