package unityvox

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aldaba-otp/aldaba/api/apitest"
	"github.com/aldaba-otp/aldaba/otp"
	"github.com/aldaba-otp/aldaba/otp/otptest"
	"github.com/aldaba-otp/aldaba/store/storetest/world"
)

// house is a world with the dialect in it.
type house struct {
	*world.World

	t       *testing.T
	handler http.Handler
}

// with returns a house in which acme was changed.
func with(t *testing.T, o world.Options, change func(*otp.Tenant)) *house {
	t.Helper()
	o.Tenants = otptest.Demo(otptest.Ring(t))
	change(&o.Tenants[0])
	w := world.New(t, o)
	return &house{w, t, apitest.Handler(t, w, New)}
}

func newHouse(t *testing.T) *house {
	t.Helper()
	return with(t, world.Options{}, func(*otp.Tenant) {})
}

func (h *house) ask(r *http.Request) (apitest.Heard, string) {
	h.t.Helper()
	rec := httptest.NewRecorder()
	h.handler.ServeHTTP(rec, r)
	return speaker{}.Hear(apitest.Start, rec.Code, nil, rec.Body.Bytes()), rec.Body.String()
}

func (h *house) get(path, query string) (apitest.Heard, string) {
	h.t.Helper()
	return h.ask(httptest.NewRequest(http.MethodGet, path+"?"+query, nil))
}

// start asks for a code and returns the session.
func (h *house) start() string {
	h.t.Helper()
	heard, body := h.get(root, credential+"&ref_id=tpl1&phone_number=13055551234")
	if heard.Word != "200 022" {
		h.t.Fatalf("a request is answered %s", body)
	}
	return heard.ID
}

func TestNumbers(t *testing.T) {
	t.Parallel()
	for number, want := range map[string]string{
		"1305555":                  "1305555",
		"130555512345678":          "130555512345678",
		"+1 (305) 555-12.34":       "13055551234",
		"  +13055551234":           "13055551234",
		"130555":                   "",
		"1305555123456789":         "",
		"03055551234":              "",
		"1+3055551234":             "",
		"++13055551234":            "",
		"1305xxxxxxxx":             "",
		"13055551234,13055551235":  "",
		"13055551234\r\n":          "",
		"13055551234\x00":          "",
		"１３０５５５５１２３４":              "",
		"ana@example.com":          "",
		"":                         "",
		strings.Repeat("1", 10000): "",
	} {
		t.Run(number[:min(len(number), 30)], func(t *testing.T) {
			t.Parallel()
			h := newHouse(t)
			heard, body := h.get(root, credential+"&ref_id=tpl1&phone_number="+url.QueryEscape(number))
			switch {
			case want == "" && (heard.Word != "200 002" || len(h.Courier.Dispatches()) > 0):
				t.Errorf("it is answered %s", body)
			case want != "" && !strings.Contains(body, `"phone_number":"`+want+`"`):
				t.Errorf("it is answered %s", body)
			case want != "" && h.Courier.Last(t).To != "+"+want:
				t.Errorf("the message goes to %s", h.Courier.Last(t).To)
			}
		})
	}
}

func TestThePageFixesTheCodeWhateverTheProfileSays(t *testing.T) {
	t.Parallel()
	h := with(t, world.Options{}, func(a *otp.Tenant) {
		p := &a.Profiles[1]
		p.Alphabet, p.Length, p.Lifetime = otp.Alnum, 4, time.Minute
	})
	session := h.start()
	code := h.Courier.Last(t).Code
	if len(code) != 6 || strings.Trim(code, "0123456789") != "" {
		t.Errorf("the code has the form of %q", otptest.WrongCode(code))
	}
	h.Clock.Advance(10*time.Minute - time.Millisecond)
	if heard, body := h.get(verify, credential+"&sessionid="+session+"&otp_code="+code); heard.Word != "200 027" {
		t.Errorf("just before ten minutes it is answered %s", body)
	}
}

func TestNothingCanBeSent(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*otp.Tenant){
		"a country that is not allowed":        func(a *otp.Tenant) { a.Countries = []string{"VE"} },
		"a template that shows what is unsaid": func(a *otp.Tenant) { a.Templates = []otp.Template{{Text: "{{name}}: {{code}}"}} },
		"a ceiling below ten minutes":          func(a *otp.Tenant) { a.Policy, a.MaxLifetime = otp.Strict, time.Minute },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := with(t, world.Options{}, change)
			heard, body := h.get(root, credential+"&ref_id=tpl1&phone_number=13055551234")
			if heard.Word != "200 003" || !strings.Contains(body, `"sessionID":"`) {
				t.Errorf("it is answered %s", body)
			}
		})
	}
}

func TestTheUnusedSessionNamesNothing(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	const broke = "accountnumber=100201&apikey=5E41E00J6KMXAB0"
	_, body := h.get(root, broke+"&ref_id=tpl1&phone_number=13055551234")
	_, rest, _ := strings.Cut(body, `"sessionID":"`)
	session, _, _ := strings.Cut(rest, `"`)
	if _, ok := otp.ParseHex(session); !ok {
		t.Fatalf("it is answered %s", body)
	}
	if heard, answer := h.get(verify, broke+"&otp_code=123456&sessionid="+session); heard.Word != "200 024" {
		t.Errorf("it is answered %s", answer)
	}
}

func TestAnInactiveTemplateIsUnknown(t *testing.T) {
	t.Parallel()
	h := with(t, world.Options{}, func(a *otp.Tenant) { a.Profiles[1].Inactive = true })
	for _, ref := range []string{"tpl1", "default", "login", "tpl9", "%00"} {
		if heard, body := h.get(root, credential+"&ref_id="+ref+"&phone_number=13055551234"); heard.Word != "200 020" {
			t.Errorf("%s is answered %s", ref, body)
		}
	}
}

func TestASessionBelongsToItsAccount(t *testing.T) {
	t.Parallel()
	ring := otptest.Ring(t)
	h := with(t, world.Options{}, func(a *otp.Tenant) {
		unityvox := func(account, key string, scopes ...string) otp.Credential {
			return otp.Credential{Type: otp.UnityVox, Identity: account, Hash: ring.HashKey(otp.UnityVox, account, key), Scopes: scopes}
		}
		a.Credentials = append(a.Credentials, unityvox("100299", "OTHERACCOUNT000"), unityvox(account, "SECONDKEY000000"), unityvox(account, "SENDSONLY000000", otp.ScopeSend))
	})
	session := h.start()
	guess := "&sessionid=" + session + "&otp_code=" + h.Courier.Last(t).Code
	for _, c := range []struct{ account, key, want string }{
		{"100299", "OTHERACCOUNT000", "200 024"},
		{account, "SENDSONLY000000", "200 024"},
		{account, "SECONDKEY000000", "200 027"},
	} {
		if heard, body := h.get(verify, "accountnumber="+c.account+"&apikey="+c.key+guess); heard.Word != c.want {
			t.Errorf("%s with %s is answered %s", c.account, c.key, body)
		}
	}
}

func TestNoCodeIsAnsweredByTheStateOfTheSession(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	ask := func(session, want string) {
		t.Helper()
		for _, code := range []string{"", "&otp_code=", "&otp_code=1&otp_code=2"} {
			if heard, body := h.get(verify, credential+"&sessionid="+session+code); heard.Word != want {
				t.Errorf("with %q it is answered %s, want %s", code, body, want)
			}
		}
	}
	ask("", "200 024")
	ask(strings.Repeat("0", 32), "200 024")

	used := h.start()
	code := h.Courier.Last(t).Code
	ask(used, "200 025")
	ask(used, "200 025") // six in all, and no try is spent
	if heard, body := h.get(verify, credential+"&sessionid="+used+"&otp_code="+code); heard.Word != "200 027" {
		t.Fatalf("the right code is answered %s", body)
	}
	ask(used, "200 026")
	if heard, _ := h.get(verify, "accountnumber=100300&apikey=7Q2W00ZK9LMNPAB&sessionid="+used); heard.Word != "200 024" {
		t.Errorf("another tenant is answered %s", heard.Word)
	}

	late := h.start()
	h.Clock.Advance(10 * time.Minute)
	ask(late, "200 023")
}

func TestASessionInCapitalsIsTheSame(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	session := strings.ToUpper(h.start())
	heard, body := h.get(verify, credential+"&sessionID="+session+"&otp_code="+h.Courier.Last(t).Code)
	if heard.Word != "200 027" || !strings.Contains(body, session) {
		t.Errorf("it is answered %s", body)
	}
}

func TestPlaces(t *testing.T) {
	t.Parallel()
	const rest = "&ref_id=tpl1&phone_number=13055551234"
	header := func(target, contentType, body string, keys ...string) *http.Request {
		r := ask(http.MethodPost, target, contentType, body)
		r.Header["Api-Key"] = keys
		return r
	}
	for name, c := range map[string]struct {
		request *http.Request
		want    string
	}{
		"key in the header":                    {header(root+"?accountnumber=100200"+rest, "", "", key), "200 022"},
		"empty key and one in the header":      {header(root+"?accountnumber=100200&apikey="+rest, "", "", key), "200 022"},
		"wrong key and the right header":       {header(root+"?accountnumber=100200&apikey=x"+rest, "", "", key), "200 001"},
		"two keys and the right header":        {header(root+"?accountnumber=100200&apikey=x&apikey=y"+rest, "", "", key), "200 001"},
		"two headers":                          {header(root+"?accountnumber=100200"+rest, "", "", key, "x"), "200 001"},
		"same value twice":                     {ask(http.MethodGet, root+"?"+credential+rest+rest, "", ""), "200 022"},
		"two numbers":                          {ask(http.MethodGet, root+"?"+credential+rest+"&phone_number=13055551235", "", ""), "200 002"},
		"two templates":                        {ask(http.MethodGet, root+"?"+credential+rest+"&ref_id=x", "", ""), "200 020"},
		"two numbers, the body has one":        {ask(http.MethodPost, root+"?"+credential+rest+"&phone_number=1", formType, "phone_number=13055551235"), "200 022"},
		"body of a GET":                        {ask(http.MethodGet, root+"?"+credential, formType, rest[1:]), "200 022"},
		"object of a JSON:API type":            {ask(http.MethodPost, root+"?"+credential, "application/vnd.api+json; charset=utf-8", `{"ref_id":"tpl1","phone_number":"13055551234"}`), "200 022"},
		"number that is a JSON number":         {ask(http.MethodPost, root+"?"+credential, jsonType, `{"ref_id":"tpl1","phone_number":13055551234}`), "200 002"},
		"null in the object, value in the URL": {ask(http.MethodPost, root+"?"+credential+rest, jsonType, `{"ref_id":null}`), "200 022"},
		"names in another case":                {ask(http.MethodGet, root+"?"+credential+"&REF_ID=tpl1&phone_number=13055551234", "", ""), "200 020"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t)
			heard, body := h.ask(c.request)
			if heard.Word != c.want {
				t.Errorf("it is answered %s, want %s", body, c.want)
			}
			if n := len(h.Courier.Dispatches()); (n == 1) != (c.want == "200 022") {
				t.Errorf("%d messages were sent", n)
			}
		})
	}
}

func TestEcho(t *testing.T) {
	t.Parallel()
	for session, want := range map[string]string{
		"9f1c-A_": "9f1c-A_", "azAZ09": "azAZ09", "{": "", "[": "", ":": "", strings.Repeat("a", 64): strings.Repeat("a", 64),
		strings.Repeat("a", 65): "", "<b>": "", "a b": "", "ñ": "", "\xff": "", "a\x00": "", `"`: "",
	} {
		if got := echo(session); got != want {
			t.Errorf("%q is told as %q", session, got)
		}
	}
}

// TestAGetThatIsRepeatedSendsOnce is what a browser does that fetches ahead or
// again (security table 8.3, row UnityVox).
func TestAGetThatIsRepeatedSendsOnce(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	query := credential + "&ref_id=tpl1&phone_number=13055551234"
	_, first := h.get(root, query)
	h.Clock.Advance(2*time.Second - time.Microsecond)
	if _, again := h.get(root, query); again != first || len(h.Courier.Dispatches()) != 1 {
		t.Errorf("%d messages; first %s, then %s", len(h.Courier.Dispatches()), first, again)
	}
	if _, other := h.get(root, query+"&t=1"); other == first || len(h.Courier.Dispatches()) != 2 {
		t.Errorf("other parameters are taken for the same: %s", other)
	}
	h.Clock.Advance(2 * time.Second)
	h.get(root, query+"&t=1")
	post := func() { h.ask(ask(http.MethodPost, root, formType, query)) }
	post()
	post()
	if got := len(h.Courier.Dispatches()); got != 5 {
		t.Errorf("%d messages, want 5", got)
	}
}

func TestATestNumberIsSentNothing(t *testing.T) {
	t.Parallel()
	h := with(t, world.Options{}, func(a *otp.Tenant) {
		a.TestAddresses = []otp.TestAddress{{Pattern: "+1500555*", Code: "4242", Until: "2026-12-31"}}
	})
	for range 12 {
		heard, body := h.get(root, credential+"&ref_id=tpl1&phone_number=15005550006")
		if heard.Word != "200 022" {
			t.Fatal(body)
		}
		for _, one := range []struct{ code, word string }{{"4243", "200 025"}, {"4242", "200 027"}} {
			if judged, body := h.get(verify, credential+"&sessionid="+heard.ID+"&otp_code="+one.code); judged.Word != one.word {
				t.Errorf("%s: %s", one.code, body)
			}
		}
	}
	if sent := len(h.Courier.Dispatches()); sent > 0 {
		t.Errorf("%d messages", sent)
	}
}

func TestDigitsOfANumber(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"123456": "", "1234567": "1234567", "123456789012345": "123456789012345", "1234567890123456": "", "12345a": "", "1234567a": "", "12345678901234567a": "", "": "",
	} {
		if got := phoneDigits(text); got != want {
			t.Errorf("%q: %q", text, got)
		}
	}
}
