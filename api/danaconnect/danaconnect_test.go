package danaconnect_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/aldaba-otp/aldaba/api"
	"github.com/aldaba-otp/aldaba/api/apitest"
	"github.com/aldaba-otp/aldaba/api/danaconnect"
	"github.com/aldaba-otp/aldaba/otp"
	"github.com/aldaba-otp/aldaba/otp/otptest"
	"github.com/aldaba-otp/aldaba/store/storetest/world"
)

func version(tb testing.TB, name string) speaker {
	for _, s := range speakers(tb) {
		if s.version == name {
			return s
		}
	}
	tb.Fatal("no such version")
	return speaker{}
}

func TestPaths(t *testing.T) {
	t.Parallel()
	v1, v2 := newStage(t, version(t, "v1"), world.Options{}), newStage(t, version(t, "v2"), world.Options{})
	for _, path := range []string{"/otp/1.0/send", "/otp/1.0/generate", "/otp/1.0/request", "/otp/1.0/send/", "//otp/1.0//send", "/otp//1.0/send//"} {
		if heard, rec := v1.post(path, v1.body(nil)); heard.ID == "" {
			t.Errorf("%s is answered %d %s", path, rec.Code, rec.Body)
		}
	}
	for _, path := range []string{"/otp/1.0/verify", "/otp/1.0/validate", "/otp/1.0//verify/"} {
		if heard, _ := v1.post(path, `{"idRequest":1,"otp":"1"}`); heard.Word != "200 06 with id" {
			t.Errorf("%s is answered %s", path, heard.Word)
		}
	}
	for _, base := range []string{"/otp/2.0/", "/api/2.0/otp/", "/api/2.0/rest/otp/", "//otp/2.0//"} {
		for _, name := range []string{"generate", "send"} {
			if heard, rec := v2.post(base+name, v2.body(nil)); heard.ID == "" {
				t.Errorf("%s%s is answered %d %s", base, name, rec.Code, rec.Body)
			}
		}
		for _, name := range []string{"validate", "verify"} {
			if heard, _ := v2.post(base+name, `{"requestId":"550E8400-e29b-41d4-a716-446655440000","otp":"1"}`); heard.Word != "200 06 with id" {
				t.Errorf("%s%s is answered %s", base, name, heard.Word)
			}
		}
	}
	for _, path := range []string{"/otp/1.0", "/otp/1.0/cancel", "/otp/1.0/send/x", "/otp/1.0/Send", "/otp/3.0/send", "/oauth2", "/otp/1.0/../1.0/send"} {
		if _, rec := v1.post(path, v1.body(nil)); rec.Code != http.StatusNotFound || rec.Header().Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s is answered %d %s", path, rec.Code, rec.Body)
		}
	}
}

func TestNumbers(t *testing.T) {
	t.Parallel()
	s := newStage(t, version(t, "v1"), world.Options{})
	seen := map[string]bool{}
	var last int64
	for range 50 {
		heard, rec := s.post("/otp/1.0/send", s.body(nil))
		var n int64
		if _, err := fmt.Sscan(heard.ID, &n); err != nil || n < 1 || n > 1<<31-1 || seen[heard.ID] {
			t.Fatalf("%s: no new positive int32", rec.Body)
		}
		if d := n - last; d > -10 && d < 10 {
			t.Errorf("%d follows %d", n, last)
		}
		seen[heard.ID], last = true, n
		var e envelope
		if err := json.Unmarshal(rec.Body.Bytes(), &e); err != nil || e.ConversationRequestID != s.newest().ID.String() {
			t.Errorf("conversationRequestId is %q", e.ConversationRequestID)
		}
	}
}

// TestVersionsMeet proves that a code of one version is used up in the other.
func TestVersionsMeet(t *testing.T) {
	t.Parallel()
	one := newStage(t, version(t, "v1"), world.Options{})
	two := *one
	two.speaker = version(t, "v2")
	heard, _ := one.post("/otp/1.0/send", one.body(nil))
	code := one.Courier.Last(t).Code
	uuid := strings.ToUpper(one.newest().ID.String())
	got, rec := two.post("/otp/2.0/validate", fmt.Sprintf(`{"requestId":%q,"otp":%q}`, uuid, code))
	if got.Word != "200 01 with id" || got.ID != uuid {
		t.Errorf("version 2 answers %s", rec.Body)
	}
	if got, _ := one.post("/otp/1.0/verify", fmt.Sprintf(`{"idRequest":%s,"otp":%q}`, heard.ID, code)); got.Word != "200 05 with id" {
		t.Errorf("version 1 answers %s", got.Word)
	}
}

// TestGuesses has what a guess may look like: judged as it is, one try each.
func TestGuesses(t *testing.T) {
	t.Parallel()
	for _, speaker := range speakers(t) {
		s := newStage(t, speaker, world.Options{})
		for _, form := range []string{" %s", "%s ", "%s\n", "%s\x00", "0%s", "%s0", "%.5s", "%[1]s%[1]s", "１２３４５６%.0s", "٠١٢٣٤٥%.0s", strings.Repeat("9", 15000) + "%.0s"} {
			heard, _ := s.post(speaker.send, s.body(nil))
			code := s.Courier.Last(t).Code
			given, err := json.Marshal(fmt.Sprintf(form, code))
			if err != nil {
				t.Fatal(err)
			}
			got, rec := s.post(speaker.verify, strings.Replace(fmt.Sprintf(speaker.guess, heard.ID, "X"), `"X"`, string(given), 1))
			if v := s.newest(); got.Word != "200 02 with id" || v.Attempts != 1 {
				t.Errorf("%.20q is answered %s after %d tries", form, rec.Body, v.Attempts)
			}
		}
	}
}

func TestOneOfTheNames(t *testing.T) {
	t.Parallel()
	s := newStage(t, version(t, "v2"), world.Options{})
	heard, _ := s.post("/otp/2.0/generate", s.body(nil))
	code := s.Courier.Last(t).Code
	for members, want := range map[string]string{
		`"otp":"0","code":"` + code + `"`:     "400 09",
		`"otpCode":"` + code + `","code":"0"`: "400 09",
		`"otp":"` + code + `","otpCode":true`: "400 09",
		`"OTP":"` + code + `"`:                "400 09",
		`"otpCode":1`:                         "400 09",
		`"otp":null,"code":"","otpCode":null`: "400 09",
	} {
		if got, rec := s.post("/otp/2.0/validate", fmt.Sprintf(`{"requestId":%q,%s}`, heard.ID, members)); got.Word != want {
			t.Errorf("%s is answered %s", members, rec.Body)
		}
	}
	if v := s.newest(); v.Attempts != 0 || v.Status != otp.Pending {
		t.Errorf("it is %s with %d tries spent", v.Status, v.Attempts)
	}
	if got, _ := s.post("/otp/2.0/validate", fmt.Sprintf(`{"requestId":%q,"otp":null,"code":%q}`, heard.ID, code)); got.Word != "200 01 with id" {
		t.Errorf("the right code is answered %s", got.Word)
	}
	// Version 1 knows one name.
	one := newStage(t, version(t, "v1"), world.Options{})
	if got, _ := one.post("/otp/1.0/verify", `{"idRequest":1,"code":"123456"}`); got.Word != "400 09" {
		t.Errorf("code in version 1 is answered %s", got.Word)
	}
}

// TestPermissions has credentials that are right and yet not enough.
func TestPermissions(t *testing.T) {
	t.Parallel()
	demo := otptest.Demo(otptest.Ring(t))
	for i, c := range demo[0].Credentials {
		switch c.Type {
		case otp.DanaConnect:
			demo[0].Credentials[i].Scopes = []string{otp.ScopeSend}
		case otp.OAuth2:
			demo[0].Credentials[i].Scopes = []string{"other"}
		}
	}
	v1 := newStage(t, version(t, "v1"), world.Options{Tenants: demo})
	if heard, _ := v1.post("/otp/1.0/send", v1.body(nil)); heard.ID == "" {
		t.Errorf("a login with the permission is answered %s", heard.Word)
	}
	if heard, _ := v1.post("/otp/1.0/verify", `{"idRequest":1,"otp":"1"}`); heard.Word != "401 10" {
		t.Errorf("a login without the permission is answered %s", heard.Word)
	}
	v2 := newStage(t, version(t, "v2"), world.Options{Tenants: demo})
	if heard, _ := v2.post("/otp/2.0/generate", v2.body(nil)); heard.Word != "401 10" {
		t.Errorf("a client that lost the scope is answered %s", heard.Word)
	}
	for scope, words := range map[string][2]string{
		"":             {"200 01 with id", "200 02 with id"}, // of the API alone: it may do all
		otp.ScopeSend:  {"200 01 with id", "401 10"},
		otp.ScopeCheck: {"401 10", "200 02 with id"},
	} {
		for i, c := range demo[0].Credentials {
			if c.Type == otp.OAuth2 {
				demo[0].Credentials[i].Scopes = slices.DeleteFunc([]string{"conversation:access2api", scope}, func(s string) bool { return s == "" })
			}
		}
		limited := newStage(t, version(t, "v2"), world.Options{Tenants: demo})
		sent, _ := limited.post("/otp/2.0/generate", limited.body(nil))
		if sent.Word != words[0] {
			t.Errorf("a client with %q starts and is answered %s", scope, sent.Word)
		}
		if sent.ID == "" {
			v, err := limited.Start(t.Context(), otp.StartRequest{Caller: otp.Caller{Tenant: "acme", Identity: "demo"}, Dialect: "danaconnect", Profile: "824541", To: "+18091234567"})
			if err != nil {
				t.Fatal(err)
			}
			sent.ID = v.ID.String()
		}
		if heard, _ := limited.post("/otp/2.0/validate", `{"requestId":"`+sent.ID+`","otp":"none"}`); heard.Word != words[1] {
			t.Errorf("a client with %q checks and is answered %s", scope, heard.Word)
		}
	}
	for name, text := range map[string]string{
		"not asked for":     token(t, "globex", "globex", false, "conversation:access2api"),
		"another scope":     token(t, "globex", "globex", true, "conversation:access"),
		"another tenant":    token(t, "globex", "acme", true, "conversation:access2api"),
		"an unknown client": token(t, "gone", "acme", true, "conversation:access2api"),
	} {
		r := post("/otp/2.0/generate", v2.body(nil))
		r.Header.Set("Authorization", "Bearer "+text)
		rec := httptest.NewRecorder()
		v2.handler.ServeHTTP(rec, r)
		if rec.Code != 401 || rec.Header().Get("WWW-Authenticate") != `Bearer error="invalid_token"` {
			t.Errorf("%s: %d %s", name, rec.Code, rec.Body)
		}
	}
	// Each version takes its own credentials only.
	for path, authorize := range map[string]func(*http.Request, apitest.Who){"/otp/1.0/send": v2.speaker.authorize, "/otp/2.0/generate": basic} {
		r := post(path, v1.body(nil))
		authorize(r, apitest.Globex)
		rec := httptest.NewRecorder()
		v1.handler.ServeHTTP(rec, r)
		if rec.Code != 401 {
			t.Errorf("%s with the other version's credentials: %d", path, rec.Code)
		}
	}
}

// TestWrongPasswords proves that guessing passwords ends in 429.
func TestWrongPasswords(t *testing.T) {
	t.Parallel()
	s := newStage(t, version(t, "v1"), world.Options{})
	var rec *httptest.ResponseRecorder
	for i := range 21 {
		r := post("/otp/1.0/verify", "{")
		r.SetBasicAuth("demo@acme", fmt.Sprint("wrong", i))
		rec = httptest.NewRecorder()
		s.handler.ServeHTTP(rec, r)
	}
	if rec.Code != 429 || rec.Header().Get("Retry-After") == "" || rec.Body.String() != `{"responseCode":"11","responseDescription":"Too many requests"}` {
		t.Errorf("the 21st wrong password is answered %d %s", rec.Code, rec.Body)
	}
	if heard, _ := s.post("/otp/1.0/verify", "{"); heard.Word != "429 11" {
		t.Errorf("the right password then is answered %s", heard.Word)
	}
}

// TestStrict proves that the strict policy speaks the dialect's words.
func TestStrict(t *testing.T) {
	t.Parallel()
	demo := otptest.Demo(otptest.Ring(t))
	demo[0].Policy = otp.Strict
	for _, speaker := range speakers(t) {
		s := newStage(t, speaker, world.Options{Tenants: demo})
		_, _, life, _ := names(speaker.version)
		for member, v := range map[string]string{"length": "5", life: "601"} {
			heard, rec := s.post(speaker.send, s.body(map[string]string{member: v}))
			if heard.Word != "400 09" || !strings.Contains(rec.Body.String(), `"`+member+" ") {
				t.Errorf("%s %s is answered %s", member, v, rec.Body)
			}
		}
		if heard, _ := s.post(speaker.send, s.body(nil)); heard.ID == "" {
			t.Errorf("a strong request is answered %s", heard.Word)
		}
	}
}

func TestSample(t *testing.T) {
	t.Parallel()
	d := danaconnect.New(api.NewHost(world.New(t, world.Options{}).Service))
	if d.Name != "danaconnect" || !strings.HasPrefix(d.Sample, "curl ") || !strings.Contains(d.Sample, "$BASE/otp/1.0/send") {
		t.Errorf("%s: %s", d.Name, d.Sample)
	}
	_, rest, _ := strings.Cut(d.Sample, "-d '")
	body, _, _ := strings.Cut(rest, "'")
	s := newStage(t, version(t, "v1"), world.Options{})
	if heard, rec := s.post("/otp/1.0/send", body); heard.ID == "" {
		t.Errorf("the sample is answered %s", rec.Body)
	}
}

// TestFullLedger proves that a start then waits, and that an ended request
// still answers by its state.
func TestFullLedger(t *testing.T) {
	t.Parallel()
	for _, speaker := range speakers(t) {
		s := newStage(t, speaker, world.Options{})
		var first, body string
		for i := range 5 { // never six wrong ones in a row
			s.numbers = 0 // the same address
			body = s.body(nil)
			heard, _ := s.post(speaker.send, body)
			right := s.Courier.Last(t).Code
			for range 4 {
				s.post(speaker.verify, fmt.Sprintf(speaker.guess, heard.ID, otptest.WrongCode(right)))
			}
			if i < 4 {
				s.post(speaker.verify, fmt.Sprintf(speaker.guess, heard.ID, right))
			}
			if first == "" {
				first = heard.ID
			}
		}
		if heard, rec := s.post(speaker.send, body); heard.Word != "429 11" || rec.Header().Get("Retry-After") == "" {
			t.Errorf("a start is answered %d %s", rec.Code, rec.Body)
		}
		if heard, _ := s.post(speaker.verify, fmt.Sprintf(speaker.guess, first, "123456")); heard.Word != "200 05 with id" {
			t.Errorf("a check is answered %s", heard.Word)
		}
	}
}
