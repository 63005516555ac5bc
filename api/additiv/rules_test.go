package additiv

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aldaba-otp/aldaba/api/apitest"
	"github.com/aldaba-otp/aldaba/internal/bearer"
	"github.com/aldaba-otp/aldaba/otp"
	"github.com/aldaba-otp/aldaba/otp/otptest"
	"github.com/aldaba-otp/aldaba/store/storetest/world"
)

const sendPath = "/v1.0/contacts/4711/verification-key/send"

// word asks as acme and returns what the answer means.
func (s speaker) word(h http.Handler, method, path, body string) string {
	rec := ask(h, s.request(apitest.Acme, method, path, body))
	return s.Hear(apitest.Check, rec.Code, nil, rec.Body.Bytes()).Word
}

func (s speaker) verify(h http.Handler, session, code string) string {
	return s.word(h, "POST", "/v1.0/contacts/4711/sessions/"+session+"/verification-key/"+code+"/verify", "")
}

// TestLanguageOfTheMessage sends what languages.txtar sends and reads the
// messages.
func TestLanguageOfTheMessage(t *testing.T) {
	t.Parallel()
	begins := map[string]string{
		"en": "Your acme verification code", "es": "Tu código de verificación de acme",
		"de": "Ihr Bestätigungscode von acme", "fr": "Votre code de vérification acme",
	}
	tests := []struct{ query, header, want string }{
		{"", "", "en"},
		{"en", "fr", "en"},
		{"es", "", "es"},
		{"de", "fr", "de"},
		{"fr", "de", "fr"},
		{"", "en", "en"},
		{"", "es", "es"},
		{"", "de", "de"},
		{"", "fr", "fr"},
		{"", "tlh, de-CH;q=0.8, fr;q=0.5", "de"},
		{"ES-mx", "de", "es"},
		{"xx", "fr", "fr"},
		{"xx", "yy", "en"},
		{"%00", "fr", "fr"},
		{strings.Repeat("d", 10_000), "fr", "fr"},
		{"", strings.Repeat("de,", 3000), "de"},
		{"", "c, de", "de"},
	}
	for _, test := range tests {
		w, h, s := mount(t)
		r := s.request(apitest.Acme, "POST", sendPath+"?language="+test.query, `{"channel":"Email"}`)
		if test.header != "" {
			r.Header.Set("Accept-Language", test.header)
		}
		if rec := ask(h, r); rec.Code != http.StatusOK {
			t.Fatalf("the send is answered %d %s", rec.Code, rec.Body)
		}
		if got := w.Courier.Last(t); !strings.HasPrefix(got.Body, begins[test.want]) || got.Locale != test.want {
			t.Errorf("query %.20q with header %.20q gives %q, want %s", test.query, test.header, got.Body, test.want)
		}
	}
}

// TestMessageGoesToTheNamedAddress looks where each channel leads.
func TestMessageGoesToTheNamedAddress(t *testing.T) {
	t.Parallel()
	w, h, s := mount(t)
	tests := []struct{ path, channel, want string }{
		{"verification-key/send", "Sms", "+41791234567"},
		{"verification-key/send", "EMAIL", "ana@example.com"},
		{"verification-key/send/pending", "sms", "+41797654321"},
		{"verification-key/send/pending", "Email", "ana.new@example.com"},
	}
	for _, test := range tests {
		if got := s.word(h, "POST", "/v1.0/contacts/4711/"+test.path, `{"sessionId":"s","channel":"`+test.channel+`"}`); got != "200" {
			t.Fatalf("the send is answered %q", got)
		}
		if got := w.Courier.Last(t).To; got != test.want {
			t.Errorf("%s to %s went to %s, want %s", test.path, test.channel, got, test.want)
		}
	}
	all := w.Courier.Dispatches()
	var purposes []string
	for _, d := range all {
		purposes = append(purposes, d.Verification.Spec.Purpose)
	}
	if got, want := strings.Join(purposes, " "), "authenticate authenticate confirm_address confirm_address"; got != want {
		t.Errorf("the purposes are %s, want %s", got, want)
	}
}

// TestSendingAgainReplacesTheKey is ruling R4.
func TestSendingAgainReplacesTheKey(t *testing.T) {
	t.Parallel()
	w, h, s := mount(t)
	send := func() string {
		if got := s.word(h, "POST", sendPath, `{"sessionId":"order-77","channel":"Sms"}`); got != "200" {
			t.Fatalf("the send is answered %q", got)
		}
		return w.Courier.Last(t).Code
	}
	first := send()
	if got := s.verify(h, "order-77", otptest.WrongCode(first)); got != "Invalid 4" {
		t.Errorf("a wrong key is answered %q", got)
	}
	second := send()
	if first == second {
		t.Fatal("both keys are the same")
	}
	got := []string{s.verify(h, "order-77", first), s.verify(h, "order-77", second)}
	if want := []string{"Invalid 4", "Valid 4"}; got[0] != want[0] || got[1] != want[1] {
		t.Errorf("the replaced key and the new one are answered %q, want %q", got, want)
	}
	found, err := w.Store.Verifications(t.Context(), w.Courier.Dispatches()[0].Verification.ID)
	if err != nil || len(found) != 1 || found[0].Status != otp.Superseded {
		t.Errorf("the first one is %+v, %v", found, err)
	}
}

// TestSessionsOfContactsAreTheirOwn gives one session id to two contacts, and
// two channels of one.
func TestSessionsOfContactsAreTheirOwn(t *testing.T) {
	t.Parallel()
	w, h, s := mount(t)
	s.word(h, "POST", sendPath, `{"sessionId":"order-77","channel":"Sms"}`)
	code := w.Courier.Last(t).Code
	if got := s.word(h, "POST", "/v1.0/contacts/4712/sessions/order-77/verification-key/"+code+"/verify", ""); got != "404 NotFound NA" {
		t.Errorf("another contact's session is answered %q", got)
	}
	s.word(h, "POST", "/v1.0/contacts/4712/verification-key/send", `{"sessionId":"order-77","channel":"Email"}`)
	if got := s.verify(h, "order-77", code); got != "Valid 5" {
		t.Errorf("the first contact's key is answered %q", got)
	}
}

// TestParallelSendsLeaveOneKey sends to one session from many sides.
func TestParallelSendsLeaveOneKey(t *testing.T) {
	t.Parallel()
	w, h, s := mount(t)
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			channel := []string{"Sms", "Email"}[i%2]
			s.word(h, "POST", sendPath, `{"sessionId":"order-77","channel":"`+channel+`"}`)
		})
	}
	all.Wait()
	pending := 0
	for _, d := range w.Courier.Dispatches() {
		found, err := w.Store.Verifications(t.Context(), d.Verification.ID)
		if err != nil {
			t.Fatal(err)
		}
		if found[0].Status == otp.Pending {
			pending++
		}
	}
	if pending != 1 || len(w.Courier.Dispatches()) != 8 {
		t.Errorf("of %d verifications %d are pending, want 1 of 8", len(w.Courier.Dispatches()), pending)
	}
}

// TestDocumentedSettings is ruling R14.
func TestDocumentedSettings(t *testing.T) {
	t.Parallel()
	w, h, s := mount(t)
	s.word(h, "POST", sendPath, `{"channel":"Sms"}`)
	v := w.Courier.Dispatches()[0].Verification
	got := fmt.Sprintf("%s %d %s %d", v.Spec.Alphabet, v.Spec.Length, v.Expires.Sub(v.Spec.Created), v.Spec.MaxAttempts)
	if want := "digits 6 5m0s 5"; got != want {
		t.Errorf("the settings are %s, want %s", got, want)
	}
}

// TestScopes is ruling R13: no scope is asked of a client without any; for any
// other the operation's scope must be in its configuration and in the token.
func TestScopes(t *testing.T) {
	t.Parallel()
	const forbidden, unknown = "403 Forbidden NA", "404 NotFound NA"
	tests := []struct {
		name             string
		client, token    []string
		send, check, old string
	}{
		{"nothing configured", nil, nil, "200", unknown, unknown},
		{"nothing configured, another asked for", nil, []string{"other"}, "200", unknown, unknown},
		{"both", []string{"send", "check"}, []string{"send", "check"}, "200", unknown, unknown},
		{"a narrower token", []string{"send", "check"}, []string{"check"}, forbidden, unknown, unknown},
		{"send alone", []string{"send"}, []string{"send"}, "200", forbidden, forbidden},
		{"another dialect's alone", []string{"conversation:access2api"}, []string{"conversation:access2api"}, forbidden, forbidden, forbidden},
		{"the vendor's own names", []string{"dfs.otp", "conversation:access2api"}, []string{"dfs.otp"}, "200", unknown, unknown},
		{"the vendor's own names, another asked for", []string{"dfs.otp", "conversation:access2api"}, []string{"conversation:access2api"}, forbidden, forbidden, forbidden},
		{"a token from before the scopes were configured", []string{"send", "check"}, nil, forbidden, forbidden, forbidden},
		{"a scope taken back since", []string{"check"}, []string{"send", "check"}, forbidden, unknown, unknown},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			tenants := otptest.Demo(otptest.Ring(t))
			for i := range tenants[0].Credentials {
				if tenants[0].Credentials[i].Type == otp.OAuth2 {
					tenants[0].Credentials[i].Scopes = test.client
				}
			}
			w := world.New(t, world.Options{Tenants: tenants})
			h := apitest.Handler(t, w, New)
			token, err := bearer.Sign(ringKeys{otptest.Ring(t)}, bearer.Claims{
				Subject: "demo", Tenant: "acme", Scope: test.token, Issued: otptest.Start, Expires: otptest.Start.Add(time.Hour), ID: "test",
			})
			if err != nil {
				t.Fatal(err)
			}
			s := speaker{tokens: map[apitest.Who]string{apitest.Acme: token}}
			if got := s.word(h, "POST", sendPath, `{"channel":"Sms"}`); got != test.send {
				t.Errorf("the send is answered %q, want %q", got, test.send)
			}
			if got := s.verify(h, "nope", "000000"); got != test.check {
				t.Errorf("the verify is answered %q, want %q", got, test.check)
			}
			if got := s.word(h, "POST", "/v1.0/contacts/4711/verification-key/verify", `{"key":"000000","sessionId":"nope"}`); got != test.old {
				t.Errorf("the older verify is answered %q, want %q", got, test.old)
			}
		})
	}
}

// TestCredentialsAreJudgedFirst gives no token with everything else wrong.
func TestCredentialsAreJudgedFirst(t *testing.T) {
	t.Parallel()
	_, h, s := mount(t)
	for _, path := range append(append(sendPaths(), pendingPaths()...), "verification-key/verify", "sessions/%00/verification-key/1/verify") {
		rec := ask(h, s.request(apitest.Nobody, "POST", "/v1.0/contacts/nobody/"+path, "{"))
		if rec.Code != http.StatusUnauthorized || rec.Header().Get("WWW-Authenticate") != "Bearer" {
			t.Errorf("%s is answered %d %s", path, rec.Code, rec.Body)
		}
	}
}

// TestSampleIsOneRequestThatWorks takes the sample apart.
func TestSampleIsOneRequestThatWorks(t *testing.T) {
	t.Parallel()
	w, h, _ := mount(t)
	if strings.Contains(sample, "\n") || strings.Count(sample, "$BASE/") != 2 {
		t.Fatalf("the sample is no line with two addresses: %s", sample)
	}
	parts := regexp.MustCompile(`-d '([^']*)' \$BASE(\S+)`).FindAllStringSubmatch(sample, -1)
	r := speaker{}.request(apitest.Nobody, "POST", parts[0][2], parts[0][1])
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	var answer struct {
		AccessToken string `json:"access_token"`
	}
	if err := json.Unmarshal(ask(h, r).Body.Bytes(), &answer); err != nil {
		t.Fatal(err)
	}
	s := speaker{tokens: map[apitest.Who]string{apitest.Acme: answer.AccessToken}}
	if got := s.word(h, "POST", parts[1][2], parts[1][1]); got != "200" {
		t.Errorf("the sample is answered %q", got)
	}
	if got := w.Courier.Last(t).To; got != "+41791234567" {
		t.Errorf("the sample sends to %s", got)
	}
}

// TestWeakSettingsAreTold in a header, since the answer has no place for them.
func TestWeakSettingsAreTold(t *testing.T) {
	t.Parallel()
	tenants := otptest.Demo(otptest.Ring(t))
	tenants[0].Profiles = []otp.Profile{{Name: "default", Length: 4}}
	w := world.New(t, world.Options{Tenants: tenants})
	rec := ask(apitest.Handler(t, w, New), newSpeaker(t).request(apitest.Acme, "POST", sendPath, `{"channel":"Sms"}`))
	if got := rec.Header().Get("X-Policy-Clamped"); got != "length" || rec.Code != http.StatusOK {
		t.Errorf("%d, %q", rec.Code, got)
	}
}

func TestSoundSessions(t *testing.T) {
	t.Parallel()
	for session, want := range map[string]bool{
		strings.Repeat("s", maxSession): true, strings.Repeat("s", maxSession+1): false, "": false, ".": false, "..": false, "...": true, "a\u0085": false,
	} {
		if got := soundSession(session); got != want {
			t.Errorf("%q: %t", session, got)
		}
	}
}
