package modica

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/aldaba-otp/aldaba/api/apitest"
	"github.com/aldaba-otp/aldaba/otp"
)

func TestDialect(t *testing.T) {
	t.Parallel()
	apitest.Run(t, New, speaker{})
}

func TestTranscripts(t *testing.T) {
	t.Parallel()
	apitest.Transcripts(t, New)
}

const (
	challenges = "/rest/2fa/challenges"
	responses  = "/rest/2fa/responses"
)

// speaker tells verdicts apart by the status and the one word of the body.
type speaker struct{}

func (speaker) Say(op apitest.Op, w apitest.Words) *http.Request {
	path, body := challenges, object("destination", w.To)
	if op == apitest.Check {
		path, body = responses, object("challenge_id", w.ID, "code", w.Code)
	}
	r := post(path, body)
	switch w.As {
	case apitest.Acme:
	case apitest.Globex:
		r.SetBasicAuth("globex", "globex-password")
	case apitest.Wrong:
		r.SetBasicAuth("demo", "wrong")
	case apitest.Nobody:
		r.Header.Del("Authorization")
	}
	return r
}

// post makes a request of acme's application.
func post(path, body string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(body))
	r.SetBasicAuth("demo", "demo-password")
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept", vendorType)
	return r
}

// object writes names and values in turn.
func object(pairs ...string) string {
	m := map[string]string{}
	for i := 0; i < len(pairs); i += 2 {
		m[pairs[i]] = pairs[i+1]
	}
	b, _ := json.Marshal(m)
	return string(b)
}

func (speaker) Hear(_ apitest.Op, status int, _ http.Header, body []byte) apitest.Heard {
	var said struct{ ID, Status, Error string }
	_ = json.Unmarshal(body, &said)
	return apitest.Heard{Status: status, Word: word(status, said.Status+said.Error), ID: said.ID}
}

func word(status int, text string) string { return strings.TrimSpace(fmt.Sprint(status, " ", text)) }

func (speaker) Outcome(o otp.Outcome, _ int) string {
	switch o {
	case otp.OutcomeApproved:
		return "201 success"
	case otp.OutcomeExpired:
		return "201 expired"
	}
	return "201 failed"
}

func (speaker) Kind(_ apitest.Op, k otp.Kind) string {
	switch k {
	case otp.Unauthenticated:
		return "401"
	case otp.NotFound:
		return "400 invalid_attrib"
	case otp.Undeliverable:
		return "400 send_failed"
	case otp.Throttled:
		return "429 rate_limited"
	case otp.Unavailable:
		return "503 unavailable"
	}
	return "unexpected " + k.String()
}

func (speaker) Bad(id, code string) []apitest.Bad {
	const (
		broken  = "400 invalid_json"
		missing = "400 missing_attrib"
		invalid = "400 invalid_attrib"
		large   = "413 too_large"
	)
	both := func(challenge, answer string) string {
		return `{"challenge_id":` + challenge + `,"code":` + answer + `}`
	}
	quoted, secret := `"`+id+`"`, `"`+code+`"`
	bad := func(name, body, want string) apitest.Bad {
		return apitest.Bad{Name: name, Request: post(responses, body), Want: want}
	}
	all := []apitest.Bad{
		bad("no body", "", broken),
		bad("a body that breaks off", `{"challenge_id":`+quoted+`,"code":`+secret, broken),
		bad("an array", `[`+both(quoted, secret)+`]`, broken),
		bad("a string", secret, broken),
		bad("null", "null", broken),
		bad("two objects", both(quoted, secret)+both(quoted, secret), broken),
		bad("a byte order mark", "\ufeff"+both(quoted, secret), broken),
		bad("UTF-16", "\xff\xfe{\x00}\x00", broken),
		bad("broken UTF-8", both(quoted, "\"\xff\xfe\""), broken),
		bad("a lone surrogate", both(quoted, `"\ud800"`), broken),
		bad("a code given twice", `{"challenge_id":`+quoted+`,"code":"x","code":`+secret+`}`, broken),
		bad("a code given twice, once escaped", `{"challenge_id":`+quoted+`,"code":"x","\u0063ode":`+secret+`}`, broken),
		bad("5,000 levels of arrays", both(quoted, strings.Repeat("[", 5000)+strings.Repeat("]", 5000)), broken),
		bad("a form", "challenge_id="+id+"&code="+code, broken),
		bad("a name in another case", `{"challenge_id":`+quoted+`,"Code":`+secret+`}`, missing),
		bad("no members", `{}`, missing),
		bad("no code", `{"challenge_id":`+quoted+`}`, missing),
		bad("no challenge", `{"code":`+secret+`}`, missing),
		bad("a null code", both(quoted, "null"), missing),
		bad("an empty code", both(quoted, `""`), missing),
		bad("an empty challenge", both(`""`, secret), missing),
		bad("a number for a challenge and no code", `{"challenge_id":1}`, missing),
		bad("a number for a code", both(quoted, "1"+code), invalid),
		bad("an exponent for a code", both(quoted, "1e5"), invalid),
		bad("true for a code", both(quoted, "true"), invalid),
		bad("an array for a code", both(quoted, "["+secret+"]"), invalid),
		bad("an object for a code", both(quoted, `{"code":`+secret+`}`), invalid),
		bad("an array for a challenge", both("["+quoted+"]", secret), invalid),
		bad("no UUID", both(`"not-a-uuid"`, `"1"`), invalid),
		bad("a UUID without dashes", both(`"`+strings.ReplaceAll(id, "-", "")+`"`, secret), invalid),
		bad("a UUID with a blank", both(`" `+id+`"`, secret), invalid),
		bad("a UUID in braces", both(`"{`+id+`}"`, secret), invalid),
		bad("a UUID with NUL", both(`"`+id+`\u0000"`, secret), invalid),
		bad("10 kB of challenge", both(`"`+strings.Repeat("a", 10_000)+`"`, secret), invalid),
		bad("nil UUID", both(`"00000000-0000-0000-0000-000000000000"`, secret), invalid),
		bad("20,000 levels", both(quoted, strings.Repeat("[", 20_000)+strings.Repeat("]", 20_000)), large),
		bad("1 MB of code", both(quoted, `"`+strings.Repeat("1", 1<<20)+`"`), large),
	}
	packed := post(responses, both(quoted, secret))
	packed.Header.Set("Content-Encoding", "gzip")
	chunked := post(responses, both(quoted, secret)+strings.Repeat(" ", 20_000))
	chunked.ContentLength = -1
	get := post(responses+"?challenge_id="+id+"&code="+code, "")
	get.Method = http.MethodGet
	put := post(responses, both(quoted, secret))
	put.Method = http.MethodPut
	old := post(responses, both(quoted, secret))
	old.Header.Set("Accept", "application/vnd.modica.2fa.v9+json")
	twice := post(responses, both(quoted, secret))
	twice.Header.Add("Authorization", twice.Header.Get("Authorization"))
	return append(all,
		apitest.Bad{Name: "a packed body", Request: packed, Want: broken},
		apitest.Bad{Name: "a long body of no declared length", Request: chunked, Want: large},
		apitest.Bad{Name: "GET", Request: get, Want: "405 not_allowed"},
		apitest.Bad{Name: "PUT", Request: put, Want: "405 not_allowed"},
		apitest.Bad{Name: "another version", Request: old, Want: "406 not_acceptable"},
		apitest.Bad{Name: "credentials given twice", Request: twice, Want: "401"},
	)
}

func (speaker) Lacks() []apitest.Op {
	return []apitest.Op{apitest.Peek, apitest.Resend, apitest.Cancel}
}
