package modica

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
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

func newHouse(t *testing.T, o world.Options) *house {
	t.Helper()
	w := world.New(t, o)
	return &house{w, t, apitest.Handler(t, w, New)}
}

// with returns a house in which acme was changed.
func with(t *testing.T, change func(*otp.Tenant)) *house {
	t.Helper()
	tenants := otptest.Demo(otptest.Ring(t))
	change(&tenants[0])
	return newHouse(t, world.Options{Tenants: tenants})
}

func (h *house) ask(r *http.Request) *httptest.ResponseRecorder {
	h.t.Helper()
	rec := httptest.NewRecorder()
	h.handler.ServeHTTP(rec, r)
	if _, ok := otp.ParseID(rec.Header().Get(requestIDHeader)); !ok {
		h.t.Errorf("%d %s has no request id", rec.Code, rec.Body)
	}
	return rec
}

// challenge starts a challenge and returns its life and id.
func (h *house) challenge(body string) (life time.Duration, id string) {
	h.t.Helper()
	rec := h.ask(post(challenges, body))
	var c created
	if err := json.Unmarshal(rec.Body.Bytes(), &c); err != nil || rec.Code != http.StatusCreated {
		h.t.Fatalf("%s is answered %d %s", body, rec.Code, rec.Body)
	}
	from, err := time.Parse(time.RFC3339, c.Created)
	if err != nil {
		h.t.Fatal(err)
	}
	until, err := time.Parse(time.RFC3339, c.Expires)
	if err != nil {
		h.t.Fatal(err)
	}
	return until.Sub(from), c.ID
}

func password(secret string) string {
	hash, _ := otptest.Passwords{}.Hash(secret)
	return hash
}

func TestTexts(t *testing.T) {
	t.Parallel()
	const to = `{"destination":"+18091234567"`
	template := func(tenant *otp.Tenant) {
		tenant.Templates = []otp.Template{{Profile: "login", Text: "Acme: {{code}}"}, {Profile: "default", Text: "Other: {{code}}"}}
	}
	spanish := func(tenant *otp.Tenant) { tenant.Locale = "es" }
	for _, c := range []struct {
		name, body, want string
		change           func(*otp.Tenant)
	}{
		{"nobody has a text", to + `}`, "Your 2FA code is: CODE", func(*otp.Tenant) {}},
		{"the tenant's language is another", to + `}`, "Your 2FA code is: CODE", spanish},
		{"the tenant has a text for the application's profile", to + `}`, "Acme: CODE", template},
		{"the request has one", to + `,"content":"Use %(code)s"}`, "Use CODE", template},
		{"placeholder repeated, other signs left alone", to + `,"content":"%(code)s 100% %s %(id)s {{.}} {{code}} %%(code)s"}`, "CODE 100% %s %(id)s {{.}} {{code}} %CODE", template},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			h := with(t, c.change)
			h.challenge(c.body)
			sent := h.Courier.Last(t)
			if got := strings.ReplaceAll(sent.Body, sent.Code, "CODE"); got != c.want {
				t.Errorf("the text is %q, want %q", got, c.want)
			}
			if len(sent.Code) != 6 || !allDigits(sent.Code) {
				t.Errorf("the code has the form of %q", otptest.WrongCode(sent.Code))
			}
		})
	}
}

func TestMaskIsTheSender(t *testing.T) {
	t.Parallel()
	for mask, want := range map[string]string{
		"ModGrpExmpl": "ModGrpExmpl", " Acme ": "Acme", "32075": "32075", "12345678": "12345678",
		"123456789": "+123456789", "64211234567": "+64211234567", "": "", "  ": "",
	} {
		h := newHouse(t, world.Options{})
		h.challenge(`{"destination":"+18091234567","mask":"` + mask + `"}`)
		if got := h.Courier.Last(t).From; got != want {
			t.Errorf("the sender of the mask %q is %q, want %q", mask, got, want)
		}
	}
}

func TestAPerfectRequestIsNotBlamed(t *testing.T) {
	t.Parallel()
	const perfect = `{"destination":"+18091234567"}`
	profiles := func(change func(*otp.Profile)) func(*otp.Tenant) {
		return func(a *otp.Tenant) {
			a.Policy, a.SenderPolicy, a.Senders = otp.Strict, otp.RefuseSender, []otp.Sender{{Sender: "Acme"}}
			for i := range a.Profiles {
				change(&a.Profiles[i])
			}
		}
	}
	for name, c := range map[string]struct {
		body, want string
		change     func(*otp.Tenant)
	}{
		"the profile's code is too short":     {perfect, "400 send_failed", profiles(func(p *otp.Profile) { p.Length = 4 })},
		"the profile's sender is not allowed": {perfect, "400 send_failed", profiles(func(p *otp.Profile) { p.Sender = "Other" })},
		"the mask is not allowed":             {`{"destination":"+18091234567","mask":"Other"}`, "400 invalid_attrib", profiles(func(*otp.Profile) {})},
		"the profile is for payments":         {perfect, "400 send_failed", profiles(func(p *otp.Profile) { p.Purpose = otp.AuthorizePayment })},
		"the life asked for is too short":     {`{"destination":"+18091234567","expiresIn":1}`, "400 invalid_attrib", profiles(func(*otp.Profile) {})},
		"nothing is wrong":                    {perfect, "201", profiles(func(*otp.Profile) {})},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := with(t, c.change)
			rec := h.ask(post(challenges, c.body))
			if got := (speaker{}).Hear(apitest.Start, rec.Code, nil, rec.Body.Bytes()).Word; got != c.want {
				t.Errorf("it is answered %q, want %q", got, c.want)
			}
		})
	}
}

func TestAttributes(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 2000) + "%(code)s"
	for body, want := range map[string]string{
		`{"destination":"+1234567"}`:                               "201",
		`{"destination":"+123456789012345"}`:                       "201",
		`{"destination":"+2010123456"}`:                            "201",
		`{"destination":"+123456"}`:                                "400 invalid_attrib",
		`{"destination":"+1234567890123456"}`:                      "400 invalid_attrib",
		`{"destination":"+0123456789"}`:                            "400 invalid_attrib",
		`{"destination":"18091234567"}`:                            "400 invalid_attrib",
		`{"destination":"+1809 1234567"}`:                          "400 invalid_attrib",
		`{"destination":"+18091234567,+18091234568"}`:              "400 invalid_attrib",
		`{"destination":"ana@example.com"}`:                        "400 invalid_attrib",
		`{"destination":"+१८०९१२३४५६७"}`:                           "400 invalid_attrib",
		`{"destination":["+18091234567"]}`:                         "400 invalid_attrib",
		`{"destination":18091234567}`:                              "400 invalid_attrib",
		`{"destination":""}`:                                       "400 missing_attrib",
		`{"destination":null,"mask":7}`:                            "400 missing_attrib",
		`{"Destination":"+18091234567"}`:                           "400 missing_attrib",
		`{"destination":"+18091234567","content":""}`:              "400 invalid_attrib",
		`{"destination":"+18091234567","content":"%(code)d"}`:      "400 invalid_attrib",
		`{"destination":"+18091234567","content":"%(code)99s"}`:    "400 invalid_attrib",
		`{"destination":"+18091234567","content":"{{code}}"}`:      "400 invalid_attrib",
		`{"destination":"+18091234567","content":"` + long + `"}`:  "400 invalid_attrib",
		`{"destination":"+18091234567","content":["%(code)s"]}`:    "400 invalid_attrib",
		`{"destination":"+18091234567","mask":""}`:                 "201",
		`{"destination":"+18091234567","mask":"A 9.-_&"}`:          "201",
		`{"destination":"+18091234567","mask":"Abcdefghijkl"}`:     "400 invalid_attrib",
		`{"destination":"+18091234567","mask":"a\r\nb"}`:           "400 invalid_attrib",
		`{"destination":"+18091234567","mask":"Ñandú"}`:            "400 invalid_attrib",
		`{"destination":"+18091234567","mask":{}}`:                 "400 invalid_attrib",
		`{"destination":"+18091234567","mask":"12345678"}`:         "201",
		`{"destination":"+18091234567","mask":"64211234567"}`:      "201",
		`{"destination":"+18091234567","mask":"02112345678"}`:      "400 invalid_attrib",
		`{"destination":"+18091234567","mask":"12"}`:               "400 invalid_attrib",
		`{"destination":"+18091234567","mask":" "}`:                "201",
		`{"destination":"+18091234567","expiresIn":1}`:             "201",
		`{"destination":"+18091234567","expiresIn":"86400"}`:       "201",
		`{"destination":"+18091234567","expiresIn":0}`:             "400 invalid_attrib",
		`{"destination":"+18091234567","expiresIn":86401}`:         "400 invalid_attrib",
		`{"destination":"+18091234567","expiresIn":"0"}`:           "400 invalid_attrib",
		`{"destination":"+18091234567","expiresIn":""}`:            "400 invalid_attrib",
		`{"destination":"+18091234567","expiresIn":"+600"}`:        "400 invalid_attrib",
		`{"destination":"+18091234567","expiresIn":-600}`:          "400 invalid_attrib",
		`{"destination":"+18091234567","expiresIn":"600s"}`:        "400 invalid_attrib",
		`{"destination":"+18091234567","expiresIn":600.0}`:         "400 invalid_attrib",
		`{"destination":"+18091234567","expiresIn":6e2}`:           "400 invalid_attrib",
		`{"destination":"+18091234567","expiresIn":true}`:          "400 invalid_attrib",
		`{"destination":"+18091234567","expiresIn":4294967297}`:    "400 invalid_attrib",
		`{"destination":"+18091234567","attempts":99,"code":"1"}`:  "201",
		`{"destination":"+18091234567","destination":"+18091234"}`: "400 invalid_json",
	} {
		t.Run(body[:min(len(body), 60)], func(t *testing.T) {
			t.Parallel()
			h := newHouse(t, world.Options{})
			rec := h.ask(post(challenges, body))
			if got := (speaker{}).Hear(apitest.Start, rec.Code, nil, rec.Body.Bytes()).Word; got != want {
				t.Errorf("it is answered %q, want %q", got, want)
			}
			if sent := len(h.Courier.Dispatches()); (sent == 1) != (rec.Code == http.StatusCreated) {
				t.Errorf("%d with %d messages sent", rec.Code, sent)
			}
		})
	}
}

func TestExpiresTellsTheTruth(t *testing.T) {
	t.Parallel()
	const day = `{"destination":"+18091234567","expiresIn":"86400"}`
	const open = `{"destination":"+18091234567"}`
	for _, c := range []struct {
		name, body string
		change     func(*otp.Tenant)
		want       time.Duration
	}{
		{"compatible", day, func(*otp.Tenant) {}, time.Hour},
		{"strict", day, func(a *otp.Tenant) { a.Policy = otp.Strict }, 10 * time.Minute},
		{"a ceiling of the tenant's own", day, func(a *otp.Tenant) { a.MaxLifetime = 2 * time.Hour }, 2 * time.Hour},
		{"nobody asks", open, func(*otp.Tenant) {}, 10 * time.Minute},
		{"nobody asks, a low ceiling", open, func(a *otp.Tenant) { a.MaxLifetime = time.Minute }, time.Minute},
		{"the profile of the application's name", open, func(a *otp.Tenant) { a.Profiles[1].Lifetime = 2 * time.Minute }, 2 * time.Minute},
		{"the default profile", open, func(a *otp.Tenant) { a.Profiles[0].Lifetime, a.Profiles[1].Aliases = 3*time.Minute, nil }, 3 * time.Minute},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			h := with(t, c.change)
			life, id := h.challenge(c.body)
			code := h.Courier.Last(t).Code
			if life != c.want {
				t.Fatalf("it lives %s, want %s", life, c.want)
			}
			h.Clock.Advance(life)
			if rec := h.ask(post(responses, object("challenge_id", id, "code", code))); rec.Body.String() != `{"status":"expired"}` {
				t.Errorf("at its expiry it is answered %s", rec.Body)
			}
		})
	}
}

func TestAChallengeBelongsToItsApplication(t *testing.T) {
	t.Parallel()
	h := with(t, func(a *otp.Tenant) {
		a.Credentials = append(a.Credentials,
			otp.Credential{Type: otp.Modica, Identity: "other", Hash: password("other-password")},
			otp.Credential{Type: otp.Modica, Identity: "sender", Hash: password("sender-password"), Scopes: []string{otp.ScopeSend}})
	})
	_, id := h.challenge(`{"destination":"+18091234567"}`)
	body := object("challenge_id", id, "code", h.Courier.Last(t).Code)
	for application, want := range map[string]string{"other": "400 invalid_attrib", "sender": "401"} {
		r := post(responses, body)
		r.SetBasicAuth(application, application+"-password")
		rec := h.ask(r)
		if got := (speaker{}).Hear(apitest.Check, rec.Code, nil, rec.Body.Bytes()).Word; got != want {
			t.Errorf("%s is answered %q, want %q", application, got, want)
		}
	}
	upper := object("challenge_id", strings.ToUpper(id), "code", h.Courier.Last(t).Code)
	if rec := h.ask(post(responses, upper)); rec.Body.String() != `{"status":"success"}` {
		t.Errorf("its own is answered %d %s", rec.Code, rec.Body)
	}
}

func TestNothingCanBeSent(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*otp.Tenant){
		"a country that is not allowed":        func(a *otp.Tenant) { a.Countries = []string{"VE"} },
		"a profile that is switched off":       func(a *otp.Tenant) { a.Profiles[1].Inactive = true },
		"an application without credit":        func(a *otp.Tenant) { a.Credentials[3].NoCredit = true },
		"a template that shows what is unsaid": func(a *otp.Tenant) { a.Templates = []otp.Template{{Text: "{{name}}: {{code}}"}} },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := with(t, change)
			if rec := h.ask(post(challenges, `{"destination":"+18091234567"}`)); rec.Code != 400 || rec.Body.String() != `{"error":"send_failed"}` {
				t.Errorf("it is answered %d %s", rec.Code, rec.Body)
			}
		})
	}
}

func TestTooManyWrongPasswordsAreThrottled(t *testing.T) {
	t.Parallel()
	h := newHouse(t, world.Options{})
	var rec *httptest.ResponseRecorder
	for i := range 21 {
		r := post(challenges, `{"destination":"+18091234567"}`)
		r.SetBasicAuth("demo", strings.Repeat("x", i+1))
		rec = h.ask(r)
	}
	if rec.Code != http.StatusTooManyRequests || rec.Header().Get("Retry-After") == "" {
		t.Errorf("the 21st is answered %d %s", rec.Code, rec.Body)
	}
}
