package unityvox

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/aldaba-otp/aldaba/api/apitest"
	"github.com/aldaba-otp/aldaba/otp"
	"github.com/aldaba-otp/aldaba/otp/otptest"
	"github.com/aldaba-otp/aldaba/store/storetest/world"
)

// FuzzVerify gives anything as a query, a type and a body: no session is ever
// approved, at most one try is spent, and nothing is the server's fault.
func FuzzVerify(f *testing.F) {
	const all = credential + "&sessionid=SESSION&otp_code=WRONG"
	for _, c := range [][3]string{
		{all, "", ""},
		{"", formType, all},
		{credential, jsonType, `{"sessionid":"SESSION","otp_code":"WRONG"}`},
		{all, "multipart/form-data; boundary=b", part("otp_code", "WRONG") + "--b--\r\n"},
		{all + "&otp_code=1", formType, "otp_code=%00"},
		{all + ";", "multipart/mixed; boundary=b", "--b\r\n\r\n--b--"},
		{credential, jsonType, `[{"otp_code":{}}]`},
	} {
		f.Add(c[0], c[1], c[2])
	}
	f.Fuzz(func(t *testing.T, query, contentType, body string) {
		w := world.New(t, world.Options{})
		handler := apitest.Handler(t, w, New)
		handler.ServeHTTP(httptest.NewRecorder(), ask(http.MethodGet, root+"?"+credential+"&ref_id=tpl1&phone_number=13055551234", "", ""))
		id, code := w.Courier.Dispatches()[0].Verification.ID, w.Courier.Last(t).Code
		if strings.Contains(query+body, code) {
			t.Skip("the code was guessed")
		}
		fill := strings.NewReplacer("SESSION", id.Hex(), "WRONG", otptest.WrongCode(code))
		r := ask(http.MethodPost, verify, contentType, fill.Replace(body))
		r.URL.RawQuery = fill.Replace(query)
		rec := httptest.NewRecorder()
		handler.ServeHTTP(rec, r)
		found, err := w.Store.Verifications(t.Context(), id)
		if err != nil || len(found) != 1 {
			t.Fatalf("read it back: %d found, %v", len(found), err)
		}
		if rec.Code >= 500 || strings.Contains(rec.Body.String(), `"027"`) || found[0].Status != otp.Pending || found[0].Attempts > 1 {
			t.Errorf("it is answered %d %s; then it is %s with %d tries spent", rec.Code, rec.Body, found[0].Status, found[0].Attempts)
		}
	})
}

// FuzzRequest asks for anything: nothing is the server's fault, and a message
// leaves exactly when it is told.
func FuzzRequest(f *testing.F) {
	f.Add("tpl1", "13055551234")
	f.Add("tpl1", "+1 (305) 555-12.34")
	f.Add("", "x")
	f.Fuzz(func(t *testing.T, ref, number string) {
		w := world.New(t, world.Options{})
		form := url.Values{"accountnumber": {account}, "apikey": {key}, "ref_id": {ref}, "phone_number": {number}}
		r := ask(http.MethodPut, root, formType, form.Encode())
		rec := httptest.NewRecorder()
		apitest.Handler(t, w, New).ServeHTTP(rec, r)
		if rec.Code >= 500 || strings.Contains(rec.Body.String(), `"022"`) != (len(w.Courier.Dispatches()) == 1) {
			t.Errorf("%q, %q is answered %d %s", ref, number, rec.Code, rec.Body)
		}
	})
}
