package native

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/routers"

	"github.com/aldaba-otp/aldaba/api"
	"github.com/aldaba-otp/aldaba/api/apitest"
	"github.com/aldaba-otp/aldaba/internal/httpx"
	"github.com/aldaba-otp/aldaba/otp"
	"github.com/aldaba-otp/aldaba/otp/otptest"
	"github.com/aldaba-otp/aldaba/store/storetest/world"
)

// scoped is the demo with keys of one scope each for acme: "send-key",
// "check-key", "read-key", "admin-key".
func scoped(t *testing.T) *world.World {
	t.Helper()
	ring := otptest.Ring(t)
	tenants := otptest.Demo(ring)
	for _, scope := range []string{otp.ScopeSend, otp.ScopeCheck, otp.ScopeRead, otp.ScopeAdmin} {
		tenants[0].Credentials = append(tenants[0].Credentials, otp.Credential{
			Type: otp.APIKey, Hash: ring.HashKey(otp.APIKey, "", scope+"-key"), Scopes: []string{scope},
		})
	}
	return world.New(t, world.Options{Tenants: tenants})
}

// operations lists each operation with the scope that it needs and a body that
// is readable and wrong.
func operations(id string) []struct{ method, path, scope, wrong string } {
	one := "/v1/verifications/" + id
	return []struct{ method, path, scope, wrong string }{
		{"POST", "/v1/verifications", "send", `{"to":1}`},
		{"GET", "/v1/verifications?to=%2B18091234567", "read", ""},
		{"GET", one, "read", ""},
		{"POST", one + "/check", "check", `{"code":1}`},
		{"POST", one + "/resend", "send", ""},
		{"POST", one + "/next", "send", ""},
		{"POST", one + "/cancel", "send", ""},
		{"POST", "/v1/links/redeem", "check", `{"token":1}`},
		{"PUT", "/v1/contacts/4711", "admin", `{"sms":1}`},
		{"GET", "/v1/contacts/4711", "read", ""},
		{"DELETE", "/v1/contacts/4711", "admin", ""},
		{"POST", "/v1/lists", "admin", `{"to":1}`},
		{"GET", "/v1/lists", "read", ""},
	}
}

// playRefusals asks every operation for everything that it refuses.
func playRefusals(t *testing.T, router routers.Router, seen *sightings) {
	t.Helper()
	w := scoped(t)
	handler := apitest.Handler(t, w, func(h api.Host) api.Dialect { return witnessed(t, New(h), router, seen) })
	ask := func(method, path, key, kind, body string, want int) *httptest.ResponseRecorder {
		t.Helper()
		r := httptest.NewRequest(method, path, strings.NewReader(body))
		r.Header.Set("Authorization", "Bearer "+key)
		if kind != "" {
			r.Header.Set("Content-Type", kind)
		}
		if want == http.StatusUnprocessableEntity && body == "" {
			r.Header.Set("Idempotency-Key", strings.Repeat("k", 256))
		}
		rec := httptest.NewRecorder()
		handler.ServeHTTP(rec, r)
		if rec.Code != want {
			t.Errorf("%s %s with %s is answered %d %s, want %d", method, path, key, rec.Code, rec.Body, want)
		}
		return rec
	}
	const kind = "application/json"
	var started struct{ ID string }
	if err := json.Unmarshal(ask("POST", "/v1/verifications", "send-key", kind, `{"to":"+18091234567"}`, 201).Body.Bytes(), &started); err != nil {
		t.Fatal(err)
	}
	for _, o := range operations(started.ID) {
		other := map[string]string{"send": "check-key", "check": "read-key", "read": "send-key", "admin": "send-key"}[o.scope]
		ask(o.method, o.path, "nobodys-key", kind, o.wrong, http.StatusUnauthorized)
		ask(o.method, o.path, other, kind, o.wrong, http.StatusForbidden)
		ask("PATCH", o.path, "demo-key", kind, "{}", http.StatusMethodNotAllowed)
		ask(o.method, o.path, "demo-key", strings.Repeat("x", httpx.HeaderLimit), o.wrong, http.StatusRequestHeaderFieldsTooLarge)
		if o.method == "POST" || o.method == "PUT" {
			key := o.scope + "-key"
			ask(o.method, o.path, key, "text/plain", "{}", http.StatusUnsupportedMediaType)
			ask(o.method, o.path, key, kind, `{"bypass_otp":1}`, http.StatusBadRequest)
			ask(o.method, o.path, key, kind, strings.Repeat(" ", api.BodyLimit+1), http.StatusRequestEntityTooLarge)
			ask(o.method, o.path, key, kind, o.wrong, http.StatusUnprocessableEntity)
			if strings.HasPrefix(o.path, "/v1/verifications/") {
				foreign := ask(o.method, o.path, "globex-key", kind, map[bool]string{true: "{}", false: `{"code":"1"}`}[o.wrong == ""], http.StatusNotFound)
				absent := ask(o.method, strings.Replace(o.path, started.ID, "17", 1), key, kind, "{}", http.StatusNotFound)
				if foreign.Body.String() != absent.Body.String() {
					t.Errorf("%s tells another tenant's id from an unknown one", o.path)
				}
			}
		}
	}
	ask("POST", "/v1/openapi.json", "demo-key", "", "", http.StatusMethodNotAllowed)
	ask("GET", "/v1/openapi.json", "nobodys-key", "", "", http.StatusOK)
	for _, path := range []string{"/v1/openapi.json", "/v1/jwks.json"} {
		ask("GET", path, "demo-key", strings.Repeat("x", httpx.HeaderLimit), "", http.StatusRequestHeaderFieldsTooLarge)
	}
	if _, err := w.Erase(t.Context(), "acme", "+18091234567", otp.ActorOperator); err != nil {
		t.Fatal(err)
	}
	if got := ask("GET", "/v1/verifications/"+started.ID, "read-key", "", "", http.StatusOK).Body.String(); !strings.Contains(got, `"to":"erased"`) {
		t.Errorf("an erased one is told as %s", got)
	}
	for _, id := range []string{"%00", "%1B%5B31m", "a%7Fb", "%E2%80%AE", "%0A", "%FF", strings.Repeat("x", 65)} {
		ask("PUT", "/v1/contacts/"+id, "admin-key", kind, `{"sms":"+18091234567"}`, http.StatusUnprocessableEntity)
	}
	fillLedger(t, w, handler)
	// A source that guessed keys hears the same whatever it shows, but for what
	// it has shown rightly before.
	for i := range 20 {
		ask("GET", "/v1/contacts/4711", fmt.Sprintf("guess-%d", i), "", "", map[bool]int{true: 401, false: 429}[i < 19]) // nobodys-key was one
	}
	for _, o := range operations(started.ID) {
		ask(o.method, o.path, "nobodys-key", kind, o.wrong, http.StatusTooManyRequests)
	}
	ask("GET", "/v1/contacts/4711", "read-key", "", "", http.StatusOK)
}

// fillLedger makes 20 wrong guesses, so that the right code is refused.
func fillLedger(t *testing.T, w *world.World, handler http.Handler) {
	t.Helper()
	check := func(code string) int {
		all := w.Courier.Dispatches()
		rec := httptest.NewRecorder()
		handler.ServeHTTP(rec, post("/v1/verifications/"+all[len(all)-1].Verification.ID.String()+"/check", `{"code":"`+code+`"}`))
		return rec.Code
	}
	for i := range 20 {
		if i%4 == 0 {
			handler.ServeHTTP(httptest.NewRecorder(), post("/v1/verifications", `{"to":"ana@example.com"}`))
		}
		right := w.Courier.Last(t).Code
		if got := check(otptest.WrongCode(right)); got != 200 {
			t.Errorf("guess %d is answered %d", i+1, got)
		}
		if last := i == 19; i%4 == 3 {
			if got, want := check(right), map[bool]int{true: 429, false: 200}[last]; got != want {
				t.Errorf("the right code after %d wrong ones is answered %d", i+1, got)
			}
		}
	}
}

func TestEveryRefusalHasItsOwnProblem(t *testing.T) {
	t.Parallel()
	want := map[otp.Kind]int{
		otp.Internal: 500, otp.Invalid: 422, otp.Unauthenticated: 401, otp.Forbidden: 403, otp.NotFound: 404, otp.Ended: 409,
		otp.Inactive: 422, otp.Undeliverable: 422, otp.NoCredit: 402, otp.Throttled: 429, otp.InProgress: 409, otp.KeyReused: 422,
		otp.Unavailable: 503,
	}
	names := map[string]bool{}
	for _, k := range otp.Kinds() {
		p := problemOf(&otp.Error{Kind: k, Message: "the text", Rule: "rule"})
		if p.Status != want[k] || names[p.Type] || p.Title == "" {
			t.Errorf("%s is %+v, want status %d and a type of its own", k, p, want[k])
		}
		names[p.Type] = true
		if (p.RetryAfter > 0) != (p.Status == 429 || p.Status == 503 || k == otp.InProgress) {
			t.Errorf("%s waits %s", k, p.RetryAfter)
		}
		if k == otp.Internal && p.Detail != "" {
			t.Errorf("an internal error shows %q", p.Detail)
		}
	}
	for _, status := range []int{400, 405, 413, 415, 500, 503} {
		if got := ofStatus(status); got.status != status || got.title == "" {
			t.Errorf("status %d is %+v", status, got)
		}
	}
}

func TestEveryOutcomeHasItsOwnVerdict(t *testing.T) {
	t.Parallel()
	words := map[string]otp.Outcome{}
	for _, o := range otp.Outcomes() {
		word := speaker{}.Outcome(o, 4)
		if before, twice := words[word]; twice {
			t.Errorf("%s and %s are both %q", before, o, word)
		}
		words[word] = o
	}
}

// TestEveryPostTakesAnIdempotencyKey and says so in the document: one that none
// can have is refused, whatever the body.
func TestEveryPostTakesAnIdempotencyKey(t *testing.T) {
	t.Parallel()
	doc, _ := openAPI(t)
	w := world.New(t, world.Options{})
	handler := apitest.Handler(t, w, New)
	handler.ServeHTTP(httptest.NewRecorder(), post("/v1/verifications", `{"to":"+18091234567"}`))
	right := map[string]string{
		"/v1/verifications": `{"to":"+18091234567"}`, "/v1/verifications/{id}/check": `{"code":"1"}`, "/v1/links/redeem": `{"token":"x"}`,
		"/v1/lists": `{"to":"VE","verdict":"allow"}`,
	}
	for path, item := range doc.Paths.Map() {
		if item.Post == nil {
			continue
		}
		if item.Post.Parameters.GetByInAndName("header", "Idempotency-Key") == nil {
			t.Errorf("POST %s is described without it", path)
		}
		r := post(strings.Replace(path, "{id}", w.Courier.Dispatches()[0].Verification.ID.String(), 1), cmp.Or(right[path], "{}"))
		r.Header.Set("Idempotency-Key", strings.Repeat("k", 256))
		rec := httptest.NewRecorder()
		handler.ServeHTTP(rec, r)
		if rec.Code != http.StatusUnprocessableEntity || !strings.Contains(rec.Body.String(), "Idempotency-Key") {
			t.Errorf("POST %s with a key of 256 characters is answered %d %s", path, rec.Code, rec.Body)
		}
	}
}

func TestARequestInWorkIsNotStartedTwice(t *testing.T) {
	t.Parallel()
	w := world.New(t, world.Options{})
	handler := apitest.Handler(t, w, New)
	statuses := make(chan int, 16)
	for range cap(statuses) {
		go func() {
			r := post("/v1/verifications", `{"to":"+18091234567"}`)
			r.Header.Set("Idempotency-Key", "once")
			rec := httptest.NewRecorder()
			handler.ServeHTTP(rec, r)
			statuses <- rec.Code
		}()
	}
	for range cap(statuses) {
		if status := <-statuses; status != http.StatusCreated && status != http.StatusConflict {
			t.Errorf("answered %d", status)
		}
	}
	if n := len(w.Courier.Dispatches()); n != 1 {
		t.Errorf("%d messages were sent", n)
	}
}

func TestNoAnswerHoldsAFullAddress(t *testing.T) {
	t.Parallel()
	handler := apitest.Handler(t, world.New(t, world.Options{}), New)
	for _, body := range []string{
		`{"to":"+18091234567"}`, `{"to":"+18091234567","length":99}`, `{"to":"+18091234567x"}`, `{"to":["+18091234567"]}`,
		`{"+18091234567":1}`, `{"to":"+18091234567","channel":"+18091234567"}`, `{"to":"+18091234567"`,
	} {
		rec := httptest.NewRecorder()
		handler.ServeHTTP(rec, post("/v1/verifications", body))
		if strings.Contains(rec.Body.String(), "8091234567") {
			t.Errorf("%s is answered %s", body, rec.Body)
		}
	}
}

// FuzzBodies: whatever is asked, nothing fails and nothing but the right code
// approves.
func FuzzBodies(f *testing.F) {
	for _, seed := range []string{
		`{"to":"+18091234567"}`, `{"code":"123456"}`, `{"code":"22222","code":1}`, `{"to":"a@b.co","metadata":{"a":"b"},"length":12}`,
		`{"to":"+18091234567","code":"abc","alphabet":"alnum","lifetime":86400,"variables":{"x":"y"}}`, "{}",
		`{"to":"+18091234567","purpose":"authorize_payment","payment":{"amount":"1","currency":"EUR","payee":"a"}}`,
		`{"code":"123456","purpose":"authenticate","payment":{"amount":"1","currency":"EUR","payee":"a"},"receipt":true}`, "", "[", "\ufeff{}", `{"to":"\u0000"}`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		w := world.New(t, world.Options{})
		handler := apitest.Handler(t, w, New)
		ask := func(path, body string) *httptest.ResponseRecorder {
			rec := httptest.NewRecorder()
			handler.ServeHTTP(rec, post(path, body))
			if rec.Code >= 500 || !json.Valid(rec.Body.Bytes()) {
				t.Fatalf("%s is answered %d %s", path, rec.Code, rec.Body)
			}
			return rec
		}
		ask("/v1/verifications", body)
		ask("/v1/verifications", `{"to":"luis@example.com"}`)
		code := w.Courier.Last(t).Code
		all := w.Courier.Dispatches()
		one := "/v1/verifications/" + all[len(all)-1].Verification.ID.String()
		answer := ask(one+"/check", body).Body.String()
		var asked struct{ Code string }
		_ = json.Unmarshal([]byte(body), &asked)
		if strings.Contains(answer, "approved") && asked.Code != code {
			t.Fatalf("approved: %s", answer)
		}
		ask(one+"/resend", body)
		ask(one+"/next", body)
		ask(one+"/cancel", body)
	})
}
