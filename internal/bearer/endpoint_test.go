package bearer

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// authenticate knows a few clients, whose secrets are "s:" and their id.
func authenticate(_ context.Context, id, secret string) (Client, error) {
	scopes := map[string][]string{"any": nil, "none": {}, "some": {"a", "b"}, "sp ace+ñ%": nil, "r%41w": nil, "gu+essed": nil}
	switch id {
	case "busy":
		return Client{}, &Busy{RetryAfter: 1500 * time.Millisecond}
	case "busy now":
		return Client{}, &Busy{}
	case "gu+essed": // of which another reading is known
	case "gu essed":
		return Client{}, &Busy{}
	case "down":
		return Client{}, errors.New("secret trouble")
	}
	allowed, found := scopes[id]
	if !found || secret != "s:"+id {
		return Client{}, ErrInvalidClient
	}
	return Client{ID: id, Tenant: "acme", Scopes: allowed}, nil
}

func basic(id, secret string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(id+":"+secret))
}

func encodedBasic(id string) string {
	return basic(url.QueryEscape(id), url.QueryEscape("s:"+id))
}

type ask struct {
	method, query, body, kind string
	authorization             []string
	encoding                  string
	length                    int64
}

func (a ask) request() *http.Request {
	if a.method == "" {
		a.method = http.MethodPost
	}
	if a.kind == "" {
		a.kind = "application/x-www-form-urlencoded; charset=utf-8"
	}
	r := httptest.NewRequest(a.method, "/oauth2/token"+a.query, strings.NewReader(a.body))
	r.Header.Set("Content-Type", a.kind)
	if a.authorization != nil {
		r.Header["Authorization"] = a.authorization
	}
	if a.encoding != "" {
		r.Header.Set("Content-Encoding", a.encoding)
	}
	if a.length != 0 {
		r.ContentLength = a.length
	}
	return r
}

const grant = "grant_type=client_credentials"

func endpoint(form Form) *Endpoint {
	return &Endpoint{Authenticate: authenticate, Keys: newRing(), Now: func() time.Time { return moment.Add(time.Millisecond) }, Form: form}
}

func TestTokensAreGranted(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		ask   ask
		id    string
		scope []string
		asked bool
	}{
		"basic":              {ask{body: grant, authorization: []string{basic("any", "s:any")}}, "any", nil, false},
		"basic, lower case":  {ask{body: grant, authorization: []string{"basic " + basic("any", "s:any")[6:]}}, "any", nil, false},
		"basic, encoded":     {ask{body: grant, authorization: []string{encodedBasic("sp ace+ñ%")}}, "sp ace+ñ%", nil, false},
		"basic, raw":         {ask{body: grant, authorization: []string{basic("sp ace+ñ%", "s:sp ace+ñ%")}}, "sp ace+ñ%", nil, false},
		"raw looks encoded":  {ask{body: grant, authorization: []string{basic("r%41w", "s:r%41w")}}, "r%41w", nil, false},
		"raw, while guessed": {ask{body: grant, authorization: []string{basic("gu+essed", "s:gu+essed")}}, "gu+essed", nil, false},
		"form":               {ask{body: grant + "&client_id=any&client_secret=s%3Aany"}, "any", nil, false},
		"both alike":         {ask{body: grant + "&client_id=any&client_secret=s%3Aany", authorization: []string{basic("any", "s:any")}}, "any", nil, false},
		"basic and id":       {ask{body: grant + "&client_id=any", authorization: []string{basic("any", "s:any")}}, "any", nil, false},
		"any scope":          {ask{body: grant + "&scope=conversation:access2api", authorization: []string{basic("any", "s:any")}}, "any", []string{"conversation:access2api"}, true},
		"scope of some":      {ask{body: grant + "&scope=b", authorization: []string{basic("some", "s:some")}}, "some", []string{"b"}, true},
		"scope twice":        {ask{body: grant + "&scope=b+a+b", authorization: []string{basic("some", "s:some")}}, "some", []string{"b", "a"}, true},
		"all without asking": {ask{body: grant + "&scope=", authorization: []string{basic("some", "s:some")}}, "some", []string{"a", "b"}, false},
		"none":               {ask{body: grant, authorization: []string{basic("none", "s:none")}}, "none", nil, false},
		"query is ignored":   {ask{query: "?grant_type=x&client_id=y&scope=z", body: grant, authorization: []string{basic("any", "s:any")}}, "any", nil, false},
		"other parameters":   {ask{body: grant + "&audience=x", authorization: []string{basic("any", "s:any")}}, "any", nil, false},
	}
	for name, test := range tests {
		e := endpoint(Cognito)
		w := httptest.NewRecorder()
		e.ServeHTTP(w, test.ask.request())
		var answer struct {
			AccessToken string `json:"access_token"`
		}
		if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil || w.Code != http.StatusOK {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
			continue
		}
		c, err := Verify(e.Keys, answer.AccessToken, moment)
		if err != nil || c.Subject != test.id || c.Tenant != "acme" || !slices.Equal(c.Scope, test.scope) || c.Asked != test.asked ||
			!c.Issued.Equal(moment) || !c.Expires.Equal(moment.Add(time.Hour)) || c.ID == "" {
			t.Errorf("%s: %+v, %v", name, c, err)
		}
	}
}

func TestRefusalsAreOAuthErrors(t *testing.T) {
	t.Parallel()
	some := []string{basic("some", "s:some")}
	tests := map[string]struct {
		ask    ask
		status int
		code   string
		wait   string
	}{
		"GET":                {ask{method: "GET", authorization: some}, 405, "invalid_request", ""},
		"JSON":               {ask{body: `{}`, kind: "application/json", authorization: some}, 400, "invalid_request", ""},
		"no type":            {ask{body: grant, kind: ";", authorization: some}, 400, "invalid_request", ""},
		"compressed":         {ask{body: grant, encoding: "gzip", authorization: some}, 400, "invalid_request", ""},
		"declared too large": {ask{body: grant, length: maxBody + 1, authorization: some}, 413, "invalid_request", ""},
		"too large":          {ask{body: grant + "&x=" + strings.Repeat("x", maxBody), length: -1, authorization: some}, 413, "invalid_request", ""},
		"bad escape":         {ask{body: grant + "&x=%zz", authorization: some}, 400, "invalid_request", ""},
		"semicolon":          {ask{body: grant + ";scope=a", authorization: some}, 400, "invalid_request", ""},
		"broken UTF-8":       {ask{body: grant + "&x=%ff", authorization: some}, 400, "invalid_request", ""},
		"no grant":           {ask{body: "scope=a", authorization: some}, 400, "invalid_request", ""},
		"empty":              {ask{authorization: some}, 400, "invalid_request", ""},
		"grant in query":     {ask{query: "?" + grant, authorization: some}, 400, "invalid_request", ""},
		"grant twice":        {ask{body: grant + "&" + grant, authorization: some}, 400, "invalid_request", ""},
		"scope twice":        {ask{body: grant + "&scope=a&scope=b", authorization: some}, 400, "invalid_request", ""},
		"password grant":     {ask{body: "grant_type=password&username=a&password=b", authorization: some}, 400, "unsupported_grant_type", ""},
		"no client":          {ask{body: grant}, 400, "invalid_client", ""},
		"id alone":           {ask{body: grant + "&client_id=some"}, 400, "invalid_client", ""},
		"client in query":    {ask{query: "?client_id=some&client_secret=s:some", body: grant}, 400, "invalid_client", ""},
		"wrong secret":       {ask{body: grant, authorization: []string{basic("some", "s:any")}}, 400, "invalid_client", ""},
		"unknown":            {ask{body: grant, authorization: []string{basic("x", "s:x")}}, 400, "invalid_client", ""},
		"empty secret":       {ask{body: grant, authorization: []string{basic("some", "")}}, 400, "invalid_client", ""},
		"other scheme":       {ask{body: grant + "&client_id=some&client_secret=s:some", authorization: []string{"Bearer x"}}, 400, "invalid_client", ""},
		"basic broken UTF-8": {ask{body: grant, authorization: []string{basic("\xff", "s")}}, 400, "invalid_client", ""},
		"two headers":        {ask{body: grant, authorization: []string{some[0], some[0]}}, 400, "invalid_request", ""},
		"two ids":            {ask{body: grant + "&client_id=any", authorization: some}, 400, "invalid_request", ""},
		"two secrets":        {ask{body: grant + "&client_id=some&client_secret=x", authorization: some}, 400, "invalid_request", ""},
		"foreign scope":      {ask{body: grant + "&scope=a+c", authorization: some}, 400, "invalid_scope", ""},
		"no scopes":          {ask{body: grant + "&scope=a", authorization: []string{basic("none", "s:none")}}, 400, "invalid_scope", ""},
		"bad scope":          {ask{body: grant + "&scope=a%22", authorization: []string{basic("any", "s:any")}}, 400, "invalid_scope", ""},
		"two spaces":         {ask{body: grant + "&scope=a++b", authorization: some}, 400, "invalid_scope", ""},
		"endless scope":      {ask{body: grant + "&scope=" + strings.Repeat("x", maxScope+1), authorization: []string{basic("any", "s:any")}}, 400, "invalid_scope", ""},
		"busy":               {ask{body: grant, authorization: []string{basic("busy", "s")}}, 429, "temporarily_unavailable", "2"},
		"busy now":           {ask{body: grant, authorization: []string{basic("busy now", "s")}}, 429, "temporarily_unavailable", "1"},
		"down":               {ask{body: grant, authorization: []string{basic("down", "s")}}, 503, "temporarily_unavailable", "1"},
	}
	for name, test := range tests {
		w := httptest.NewRecorder()
		endpoint(Cognito).ServeHTTP(w, test.ask.request())
		h := w.Header()
		if w.Code != test.status || w.Body.String() != `{"error":"`+test.code+`"}` || h.Get("Retry-After") != test.wait ||
			h.Get("Cache-Control") != "no-store" || h.Get("Content-Type") != "application/json" {
			t.Errorf("%s: %d %s %v", name, w.Code, w.Body, h)
		}
	}
}

func TestNoSigningKeyIsUnavailable(t *testing.T) {
	t.Parallel()
	e := endpoint(Cognito)
	e.Keys = &ring{}
	w := httptest.NewRecorder()
	e.ServeHTTP(w, ask{body: grant, authorization: []string{basic("any", "s:any")}}.request())
	if w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") != "1" {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func TestAnswersHaveTheFormOfTheirVendor(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		form Form
		body string
		ttl  time.Duration
		want string
	}{
		"cognito":          {Cognito, grant + "&scope=a", 0, `{"access_token":"T","token_type":"Bearer","expires_in":3600}`},
		"duende":           {Duende, grant + "&scope=b+a", 0, `{"access_token":"T","expires_in":3600,"token_type":"Bearer","scope":"b a"}`},
		"duende, no scope": {Duende, grant, 90*time.Second + 1, `{"access_token":"T","expires_in":90,"token_type":"Bearer"}`},
	}
	token := regexp.MustCompile(`"access_token":"[A-Za-z0-9_.-]+"`)
	for name, test := range tests {
		e := endpoint(test.form)
		e.TTL = test.ttl
		w := httptest.NewRecorder()
		e.ServeHTTP(w, ask{body: test.body, authorization: []string{basic("any", "s:any")}}.request())
		got := token.ReplaceAllString(w.Body.String(), `"access_token":"T"`)
		if got != test.want {
			t.Errorf("%s: %s", name, got)
		}
	}
}

func FuzzEndpointAnswersAnything(f *testing.F) {
	f.Add(grant+"&scope=a", basic("some", "s:some"))
	f.Add(grant+"&client_id=any&client_secret=s:any", "")
	e := endpoint(Duende)
	f.Fuzz(func(t *testing.T, body, authorization string) {
		a := ask{body: body}
		if authorization != "" {
			a.authorization = []string{authorization}
		}
		w := httptest.NewRecorder()
		e.ServeHTTP(w, a.request())
		if !json.Valid(w.Body.Bytes()) || !slices.Contains([]int{200, 400, 413, 429, 503}, w.Code) {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
	})
}
