package danaconnect_test

import (
	"bytes"
	"crypto/rsa"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aldaba-otp/aldaba/api/apitest"
	"github.com/aldaba-otp/aldaba/api/danaconnect"
	"github.com/aldaba-otp/aldaba/internal/bearer"
	"github.com/aldaba-otp/aldaba/otp"
	"github.com/aldaba-otp/aldaba/otp/otptest"
)

func TestStory(t *testing.T) {
	t.Parallel()
	for _, s := range speakers(t) {
		t.Run(s.version, func(t *testing.T) {
			t.Parallel()
			apitest.Run(t, danaconnect.New, s)
		})
	}
}

func TestTranscripts(t *testing.T) {
	t.Parallel()
	apitest.Transcripts(t, danaconnect.New)
}

// speaker speaks one version.
type speaker struct {
	version      string
	send, verify string // paths
	generate     string // body, with a verb for the number
	guess        string // body, with verbs for id and code
	authorize    func(r *http.Request, as apitest.Who)
}

func speakers(tb testing.TB) []speaker {
	return []speaker{
		{
			version: "v1", send: "/otp/1.0/send", verify: "/otp/1.0/verify",
			generate:  `{"idConversation":%d,"values":[{"key":"COD1_PHONE","value":%q}],"type":1,"length":6,"secondsExpiration":300}`,
			guess:     `{"idRequest":%s,"otp":%q}`,
			authorize: basic,
		},
		{
			version: "v2", send: "/otp/2.0/generate", verify: "/otp/2.0/validate",
			generate:  `{"conversationId":%d,"fieldValues":{"COD1_PHONE":%q},"type":1,"length":6,"expiresInSeconds":300}`,
			guess:     `{"requestId":"%s","otp":%q}`,
			authorize: tokens(tb),
		},
	}
}

// basic shows the demo's logins.
func basic(r *http.Request, as apitest.Who) {
	switch as {
	case apitest.Acme:
		r.SetBasicAuth("demo@acme", "demo-password")
	case apitest.Globex:
		r.SetBasicAuth("demo@globex", "globex-password")
	case apitest.Wrong:
		r.SetBasicAuth("demo@acme", "wrong")
	case apitest.Nobody:
	}
}

// tokens shows tokens that outlive the story, whose clock runs for hours.
func tokens(tb testing.TB) func(r *http.Request, as apitest.Who) {
	acme := sync.OnceValue(func() string { return token(tb, "demo", "acme", true, "conversation:access2api") })
	globex := sync.OnceValue(func() string { return token(tb, "globex", "globex", true, "conversation:access2api") })
	return func(r *http.Request, as apitest.Who) {
		switch as {
		case apitest.Acme:
			r.Header.Set("Authorization", "Bearer "+acme())
		case apitest.Globex:
			r.Header.Set("Authorization", "Bearer "+globex())
		case apitest.Wrong:
			r.Header.Set("Authorization", "Bearer "+strings.ToLower(acme()))
		case apitest.Nobody:
		}
	}
}

// keys sign as the server does.
type keys struct{ *otp.Ring }

func (k keys) SigningKey() (string, *rsa.PrivateKey) { return k.Ring.SigningKey(otptest.Start) }

func token(tb testing.TB, client, tenant string, asked bool, scope ...string) string {
	tb.Helper()
	text, err := bearer.Sign(keys{otptest.Ring(tb)}, bearer.Claims{
		Subject: client, Tenant: tenant, Scope: scope, Asked: asked, ID: "test",
		Issued: otptest.Start, Expires: otptest.Start.Add(1000 * time.Hour),
	})
	if err != nil {
		tb.Fatal(err)
	}
	return text
}

// ByToken tells that version 2 shows access tokens.
func (s speaker) ByToken() bool { return s.version == "v2" }

// Say implements [apitest.Speaker].
func (s speaker) Say(op apitest.Op, w apitest.Words) *http.Request {
	conversation := 824541
	if w.As == apitest.Globex {
		conversation = 900001
	}
	path, body := s.send, fmt.Sprintf(s.generate, conversation, w.To)
	if op == apitest.Check {
		path, body = s.verify, fmt.Sprintf(s.guess, w.ID, w.Code)
	}
	r := post(path, body)
	s.authorize(r, w.As)
	return r
}

func post(path, body string) *http.Request {
	return httptest.NewRequest(http.MethodPost, path, strings.NewReader(body))
}

// envelope reads the answers of both versions.
type envelope struct {
	IDRequest             json.Number `json:"idRequest"`
	RequestID             string      `json:"requestId"`
	ResponseCode          string      `json:"responseCode"`
	Code                  int         `json:"code"`
	ResponseDescription   string      `json:"responseDescription"`
	Description           string      `json:"description"`
	ConversationRequestID string      `json:"conversationRequestId"`
}

func (e envelope) id() string { return string(e.IDRequest) + e.RequestID }

// Hear implements [apitest.Speaker]. Its words are status, code, and whether
// the answer names a request.
func (s speaker) Hear(_ apitest.Op, status int, header http.Header, body []byte) apitest.Heard {
	var e envelope
	if err := json.Unmarshal(body, &e); err != nil || header.Get("Content-Type") != "application/json" {
		return apitest.Heard{Status: status, Word: fmt.Sprintf("%d no envelope: %s", status, body)}
	}
	if e.ResponseCode == "" {
		e.ResponseCode = fmt.Sprintf("%02d", e.Code)
	}
	heard := apitest.Heard{Status: status, Word: fmt.Sprintf("%d %s", status, e.ResponseCode), ID: e.id()}
	if heard.ID != "" {
		heard.Word += " with id"
	}
	return heard
}

// Outcome implements [apitest.Speaker].
func (s speaker) Outcome(o otp.Outcome, _ int) string {
	code := map[otp.Outcome]string{
		otp.OutcomeApproved: "01", otp.OutcomeWrong: "02", otp.OutcomeUsed: "05", otp.OutcomeExpired: "03",
		otp.OutcomeExhausted: "04", otp.OutcomeCanceled: "03", otp.OutcomeSuperseded: "03", otp.OutcomeVoid: "03", otp.OutcomeThrottled: "04",
	}[o]
	return "200 " + code + " with id"
}

// Kind implements [apitest.Speaker].
func (s speaker) Kind(op apitest.Op, k otp.Kind) string {
	switch k {
	case otp.NotFound:
		return "200 06 with id"
	case otp.Unauthenticated:
		return "401 10"
	case otp.Undeliverable:
		return "200 08"
	case otp.Throttled:
		return "429 11"
	case otp.Unavailable:
		return "503 99"
	}
	return fmt.Sprintf("no word for %s of %s", k, op)
}

// Lacks implements [apitest.Speaker].
func (s speaker) Lacks() []apitest.Op {
	return []apitest.Op{apitest.Peek, apitest.Resend, apitest.Cancel}
}

// Bad implements [apitest.Speaker].
func (s speaker) Bad(id, code string) []apitest.Bad {
	good := fmt.Sprintf(s.guess, id, code)
	var all []apitest.Bad
	add := func(name, body, want string) {
		r := post(s.verify, body)
		s.authorize(r, apitest.Acme)
		all = append(all, apitest.Bad{Name: name, Request: r, Want: want})
	}
	name, _, _ := strings.Cut(good[2:], `"`)
	for _, v := range []string{`""`, `null`, `[]`, `{}`, `true`, code, `1.0`, `1e5`, `[` + strings.Repeat(`"1",`, 2000) + `"1"]`} {
		add("otp is "+v[:min(len(v), 20)], `{"`+name+`":`+quoteID(id)+`,"otp":`+v+`}`, "400 09")
	}
	add("no otp", `{"`+name+`":`+quoteID(id)+`}`, "400 09")
	add("no id", `{"otp":"`+code+`"}`, "400 09")
	add("another case", strings.Replace(good, `"otp"`, `"Otp"`, 1), "400 09")
	add("another case of the id", strings.Replace(good, name, strings.ToUpper(name), 1), "400 09")
	add("otp twice", good[:len(good)-1]+`,"otp":"`+code+`"}`, "400 09")
	add("id twice", good[:len(good)-1]+`,"`+name+`":`+quoteID(id)+`}`, "400 09")
	add("an array", `[`+good+`]`, "400 09")
	add("two documents", good+good, "400 09")
	add("something after it", good+"x", "400 09")
	add("half of it", good[:len(good)-2], "400 09")
	add("nothing", "", "400 09")
	add("null", "null", "400 09")
	add("a byte order mark", "\ufeff"+good, "400 09")
	add("UTF-16", strings.Join(strings.Split(good, ""), "\x00"), "400 09")
	add("broken UTF-8", good[:len(good)-1]+",\"x\":\"\xff\"}", "400 09")
	add("half a surrogate pair", good[:len(good)-1]+`,"x":"\ud800"}`, "400 09")
	add("deep nesting", good[:len(good)-1]+`,"x":`+strings.Repeat("[", 7000)+strings.Repeat("]", 7000)+`}`, "400 09")
	add("20,000 deep", good[:len(good)-1]+`,"x":`+strings.Repeat("[", 20000)+strings.Repeat("]", 20000)+`}`, "413 09")
	add("a long string", `{"`+name+`":`+quoteID(id)+`,"otp":"`+strings.Repeat("1", 1<<20)+`"}`, "413 09")
	add("long white space", good+strings.Repeat(" ", 1<<20), "413 09")
	for _, v := range []string{`"` + strings.Trim(quoteID(id), `"`) + `x"`, `""`, `null`, `0`, `-1`, `2147483648`, `1.0`, `1e2`, `true`, `[]`, `{}`} {
		add("id is "+v, `{"`+name+`":`+v+`,"otp":"`+code+`"}`, "400 09")
	}
	return append(all, s.unfit(good)...)
}

// unfit are sound bodies in requests that are not taken.
func (s speaker) unfit(good string) []apitest.Bad {
	var all []apitest.Bad
	for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPut, http.MethodDelete, http.MethodOptions, "verify"} {
		r := httptest.NewRequest(method, s.verify, strings.NewReader(good))
		s.authorize(r, apitest.Acme)
		all = append(all, apitest.Bad{Name: method, Request: r, Want: "405 09"})
	}
	zipped := post(s.verify, good)
	zipped.Header.Set("Content-Encoding", "gzip")
	s.authorize(zipped, apitest.Acme)
	endless := httptest.NewRequest(http.MethodPost, s.verify, bytes.NewReader(make([]byte, 1<<20)))
	endless.ContentLength = -1
	s.authorize(endless, apitest.Acme)
	declared := post(s.verify, good)
	declared.ContentLength = 1 << 30
	s.authorize(declared, apitest.Acme)
	return append(all,
		apitest.Bad{Name: "a compressed body", Request: zipped, Want: "415 09"},
		apitest.Bad{Name: "a body without a length", Request: endless, Want: "413 09"},
		apitest.Bad{Name: "a declared gigabyte", Request: declared, Want: "413 09"})
}

// quoteID writes a UUID as a string and a number as it is.
func quoteID(id string) string {
	if strings.Contains(id, "-") {
		return `"` + id + `"`
	}
	return id
}
