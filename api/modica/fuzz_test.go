package modica

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/aldaba-otp/aldaba/api/apitest"
	"github.com/aldaba-otp/aldaba/otp"
	"github.com/aldaba-otp/aldaba/otp/otptest"
	"github.com/aldaba-otp/aldaba/store/storetest/world"
)

// FuzzResponses gives anything as the answer to a challenge: it is never
// approved, costs one try at most, and is never the server's fault.
func FuzzResponses(f *testing.F) {
	for _, body := range []string{
		`{"challenge_id":"ID","code":"WRONG"}`, `{"challenge_id":"ID","code":123456}`, `{"challenge_id":"ID"}`, `{}`, `[]`, `{`,
		`{"challenge_id":"ID","code":"WRONG","code":"WRONG"}`, `{"challenge_id":["ID"],"code":{}}`, "{\"code\":\"\xff\"}",
	} {
		f.Add(body, vendorType)
	}
	f.Add(`{}`, "text/html;q=0, */*")
	f.Fuzz(func(t *testing.T, body, accept string) {
		w := world.New(t, world.Options{})
		handler := apitest.Handler(t, w, New)
		handler.ServeHTTP(httptest.NewRecorder(), post(challenges, `{"destination":"+18091234567"}`))
		v, code := w.Courier.Dispatches()[0].Verification, w.Courier.Last(t).Code
		if strings.Contains(body, code) {
			t.Skip("the code was guessed")
		}
		body = strings.ReplaceAll(strings.ReplaceAll(body, "ID", v.ID.String()), "WRONG", otptest.WrongCode(code))
		r := post(responses, body)
		r.Header["Accept"] = []string{accept}
		rec := httptest.NewRecorder()
		handler.ServeHTTP(rec, r)
		unharmed(t, w, v.ID, rec)
	})
}

// FuzzChallenges asks for anything: it is never the server's fault, and a
// message leaves exactly when a challenge is told.
func FuzzChallenges(f *testing.F) {
	for _, body := range []string{
		`{"destination":"+18091234567"}`, `{"destination":"+18091234567","content":"%(code)s","mask":"A","expiresIn":"600"}`,
		`{"destination":"+0","expiresIn":1e9}`, `{"destination":null}`,
	} {
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, body string) {
		w := world.New(t, world.Options{})
		rec := httptest.NewRecorder()
		apitest.Handler(t, w, New).ServeHTTP(rec, post(challenges, body))
		if rec.Code >= 500 || (rec.Code == http.StatusCreated) != (len(w.Courier.Dispatches()) == 1) {
			t.Errorf("%q is answered %d %s", body, rec.Code, rec.Body)
		}
	})
}

func unharmed(t *testing.T, w *world.World, id otp.ID, rec *httptest.ResponseRecorder) {
	t.Helper()
	found, err := w.Store.Verifications(t.Context(), id)
	if err != nil || len(found) != 1 {
		t.Fatalf("read it back: %d found, %v", len(found), err)
	}
	if rec.Code >= 500 || found[0].Status != otp.Pending || found[0].Attempts > 1 {
		t.Errorf("it is answered %d %s; then it is %s with %d tries spent", rec.Code, rec.Body, found[0].Status, found[0].Attempts)
	}
}
