package additiv

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/aldaba-otp/aldaba/api/apitest"
	"github.com/aldaba-otp/aldaba/otp"
)

// FuzzRequests throws paths and bodies at a verification that waits for its
// key. Whatever comes, the answer is no 5xx, and nothing is approved unless
// the key itself was given.
func FuzzRequests(f *testing.F) {
	session := "order-77%2F%C3%B1"
	for _, seed := range [][3]string{
		{"POST", "4711/sessions/" + session + "/verification-key/482913/verify", ""},
		{"GET", "4711/sessions/" + session + "/verification-key/482913/check?language=fr", ""},
		{"POST", "4711/verification-key/verify", `{"key":"482913","sessionId":"order-77/ñ"}`},
		{"POST", "4711/verification-key/send", `{"sessionId":"order-77/ñ","channel":"Sms","templateMetadataKey":null}`},
		{"POST", "4711/verification-key/send/pending", `{"sessionId":"order-77/ñ","channel":"Email"}`},
		{"POST", "+4711/sessions/../verification-key/%00/verify", "{"},
		{"POST", "2147483648/verification-key", `{"channel":["Sms"]}`},
	} {
		f.Add(seed[0], seed[1], []byte(seed[2]))
	}
	f.Fuzz(func(t *testing.T, method, path string, body []byte) {
		w, h, s := mount(t)
		if rec := ask(h, s.request(apitest.Acme, "POST", sendPath, `{"sessionId":"order-77/ñ","channel":"Sms"}`)); rec.Code != http.StatusOK {
			t.Fatalf("a start is answered %d %s", rec.Code, rec.Body)
		}
		code := w.Courier.Last(t).Code
		r, err := http.NewRequest(method, "http://aldaba.test/v1.0/contacts/"+path, strings.NewReader(string(body)))
		if err != nil || strings.Contains(r.URL.Path+string(body), code) {
			t.Skip("no request, or one that knows the key")
		}
		r.Header = s.request(apitest.Acme, "GET", "/", "").Header
		before := w.Courier.Dispatches()
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, r)
		if rec.Code >= 500 {
			t.Errorf("it is answered %d %s", rec.Code, rec.Body)
		}
		found, err := w.Store.Verifications(t.Context(), before[len(before)-1].Verification.ID)
		if err != nil || len(found) != 1 {
			t.Fatalf("read it back: %d found, %v", len(found), err)
		}
		if v := found[0]; v.Status == otp.Approved || v.Attempts > 1 {
			t.Errorf("it is %s with %d tries spent", v.Status, v.Attempts)
		}
		if strings.Contains(rec.Body.String(), `"Valid"`) {
			t.Errorf("it is answered %s", rec.Body)
		}
	})
}
