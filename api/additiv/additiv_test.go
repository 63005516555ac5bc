package additiv

import (
	"bytes"
	"crypto/rsa"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aldaba-otp/aldaba/api"
	"github.com/aldaba-otp/aldaba/api/apitest"
	"github.com/aldaba-otp/aldaba/internal/bearer"
	"github.com/aldaba-otp/aldaba/otp"
	"github.com/aldaba-otp/aldaba/otp/otptest"
	"github.com/aldaba-otp/aldaba/store/storetest/world"
)

func TestStory(t *testing.T) {
	t.Parallel()
	apitest.Run(t, New, newSpeaker(t))
}

// The older verify says less, but must do the same.
func TestStoryOfTheOlderVerify(t *testing.T) {
	t.Parallel()
	s := newSpeaker(t)
	s.old = true
	apitest.Run(t, New, s)
}

func TestTranscripts(t *testing.T) {
	t.Parallel()
	apitest.Transcripts(t, withReader)
}

// withReader is New in a world that also has the client "reader" of acme,
// which is configured with the scope check alone.
func withReader(h api.Host) api.Dialect {
	tenants := otptest.Demo(h.Service.Ring())
	hash, _ := otptest.Passwords{}.Hash("reader-secret") // never fails
	tenants[0].Credentials = append(tenants[0].Credentials, otp.Credential{Type: otp.OAuth2, Identity: "reader", Hash: hash, Scopes: []string{otp.ScopeCheck}})
	d, err := otp.NewDirectory(tenants, nil)
	if err != nil {
		return api.Dialect{} // the transcripts then find no route
	}
	h.Service.SetDirectory(d)
	return New(h)
}

// speaker speaks additiv. An id is "4711/sessions/SESSION".
type speaker struct {
	old    bool // checks with the older verify
	tokens map[apitest.Who]string
}

// ringKeys are the signing keys of the ring of all worlds.
type ringKeys struct{ *otp.Ring }

func (k ringKeys) SigningKey() (string, *rsa.PrivateKey) { return k.Ring.SigningKey(otptest.Start) }
func (k ringKeys) VerificationKey(id string) (*rsa.PublicKey, bool) {
	return k.Ring.VerificationKey(id)
}

// newSpeaker makes tokens that outlive the story, which goes on for hours.
func newSpeaker(tb testing.TB) speaker {
	tb.Helper()
	s := speaker{tokens: map[apitest.Who]string{}}
	for who, c := range map[apitest.Who]bearer.Claims{apitest.Acme: {Subject: "demo", Tenant: "acme"}, apitest.Globex: {Subject: "globex", Tenant: "globex"}} {
		c.Issued, c.Expires, c.ID = otptest.Start, otptest.Start.Add(48*time.Hour), "test"
		token, err := bearer.Sign(ringKeys{otptest.Ring(tb)}, c)
		if err != nil {
			tb.Fatal(err)
		}
		s.tokens[who] = token
	}
	acme := s.tokens[apitest.Acme]
	s.tokens[apitest.Wrong] = acme[:strings.LastIndexByte(acme, '.')] + ".AAAA"
	return s
}

func (s speaker) request(as apitest.Who, method, path, body string) *http.Request {
	var content io.Reader
	if body != "" {
		content = strings.NewReader(body)
	}
	r := httptest.NewRequest(method, path, content)
	if token := s.tokens[as]; token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	return r
}

// Say implements apitest.Speaker. The story's first number is contact 4711 by
// SMS, its other one the same contact by e-mail.
func (s speaker) Say(op apitest.Op, w apitest.Words) *http.Request {
	switch {
	case op == apitest.Start && w.To == "+18097654321":
		return s.request(w.As, "POST", "/v1.0/contacts/4711/verification-key/send", `{"channel":"Email"}`)
	case op == apitest.Start:
		return s.request(w.As, "POST", "/v1.0/contacts/4711/verification-key/send", `{"channel":"Sms"}`)
	case op == apitest.Peek:
		return s.request(w.As, "GET", "/v1.0/contacts/"+w.ID+"/verification-key/"+url.PathEscape(w.Code)+"/check", "")
	case s.old:
		contact, session, _ := strings.Cut(w.ID, "/sessions/")
		return s.request(w.As, "POST", "/v1.0/contacts/"+contact+"/verification-key/verify", fmt.Sprintf(`{"key":%q,"sessionId":%q}`, w.Code, session))
	}
	return s.request(w.As, "POST", "/v1.0/contacts/"+w.ID+"/verification-key/"+url.PathEscape(w.Code)+"/verify", "")
}

// Hear implements apitest.Speaker.
func (s speaker) Hear(_ apitest.Op, status int, _ http.Header, body []byte) apitest.Heard {
	var a struct {
		KeyStatus, GeneratedSessionID, Code, SubCode string
		AttemptsLeft                                 int
	}
	if len(body) > 0 && json.Unmarshal(body, &a) != nil {
		return apitest.Heard{Status: status, Word: "no JSON"}
	}
	heard := apitest.Heard{Status: status, Word: fmt.Sprint(status)}
	switch {
	case a.KeyStatus != "":
		heard.Word = fmt.Sprintf("%s %d", a.KeyStatus, a.AttemptsLeft)
	case a.GeneratedSessionID != "":
		heard.ID = "4711/sessions/" + a.GeneratedSessionID
	case a.Code != "":
		heard.Word = fmt.Sprintf("%d %s %s", status, a.Code, a.SubCode)
	}
	return heard
}

// Outcome implements apitest.Speaker.
func (s speaker) Outcome(o otp.Outcome, left int) string {
	switch {
	case s.old && o == otp.OutcomeApproved:
		return "200"
	case s.old:
		return "422 UnprocessableEntity NA"
	case o == otp.OutcomeApproved:
		return fmt.Sprintf("Valid %d", left)
	case o == otp.OutcomeExpired:
		return "Expired 0"
	}
	return fmt.Sprintf("Invalid %d", left)
}

// Kind implements apitest.Speaker.
func (s speaker) Kind(_ apitest.Op, k otp.Kind) string {
	switch k {
	case otp.Unauthenticated:
		return "401 Unauthorized NA"
	case otp.NotFound:
		return "404 NotFound NA"
	case otp.Throttled:
		return "429 TooManyRequests sends_per_destination_10m"
	case otp.Unavailable:
		return "503 ServiceUnavailable NA"
	}
	return "422 UnprocessableEntity NA"
}

// ByToken tells that the language shows access tokens.
func (s speaker) ByToken() bool { return true }

// Lacks implements apitest.Speaker.
func (s speaker) Lacks() []apitest.Op {
	if s.old {
		return []apitest.Op{apitest.Peek, apitest.Resend, apitest.Cancel}
	}
	return []apitest.Op{apitest.Resend, apitest.Cancel}
}

// Bad implements apitest.Speaker.
func (s speaker) Bad(id, code string) []apitest.Bad {
	contact, session, _ := strings.Cut(id, "/sessions/")
	var all []apitest.Bad
	for name, b := range badBodies(session, code) {
		r := s.request(apitest.Acme, "POST", "/v1.0/contacts/"+contact+"/verification-key/verify", b.body)
		all = append(all, apitest.Bad{Name: "an older verify with " + name, Request: r, Want: b.want})
	}
	for name, path := range badPaths(contact, session, code) {
		r := s.request(apitest.Acme, "POST", path, "")
		all = append(all, apitest.Bad{Name: "a verify with " + name, Request: r, Want: "400 BadRequest NA"})
	}
	for _, op := range []apitest.Bad{
		{Name: "a check by POST", Request: s.request(apitest.Acme, "POST", "/v1.0/contacts/"+id+"/verification-key/"+code+"/check", "")},
		{Name: "a verify by GET", Request: s.request(apitest.Acme, "GET", "/v1.0/contacts/"+id+"/verification-key/"+code+"/verify", "")},
		{Name: "a verify by HEAD", Request: s.request(apitest.Acme, "HEAD", "/v1.0/contacts/"+id+"/verification-key/"+code+"/verify", "")},
	} {
		op.Want = "405 MethodNotAllowed NA"
		all = append(all, op)
	}
	zip := s.request(apitest.Acme, "POST", "/v1.0/contacts/"+contact+"/verification-key/verify", fmt.Sprintf(`{"key":%q,"sessionId":%q}`, code, session))
	zip.Header.Set("Content-Encoding", "gzip")
	return append(all, apitest.Bad{Name: "an older verify that says it is compressed", Request: zip, Want: "415 UnsupportedMediaType NA"})
}

// mount returns a world with the dialect and a speaker.
func mount(tb testing.TB) (*world.World, http.Handler, speaker) {
	tb.Helper()
	w := world.New(tb, world.Options{})
	return w, apitest.Handler(tb, w, New), newSpeaker(tb)
}

func ask(h http.Handler, r *http.Request) *httptest.ResponseRecorder {
	rec := httptest.NewRecorder()
	rec.Body = new(bytes.Buffer)
	h.ServeHTTP(rec, r)
	return rec
}
