package unityvox

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
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
	root       = "/api/get-api/v1/OTP-api"
	verify     = root + "/verify"
	formType   = "application/x-www-form-urlencoded"
	jsonType   = "application/json"
	account    = "100200"
	key        = "4D41E00J6KMXABS"
	credential = "accountnumber=" + account + "&apikey=" + key
)

// speaker says everything by a browser's form, and tells verdicts apart by
// status and code.
type speaker struct{}

func (speaker) Say(op apitest.Op, w apitest.Words) *http.Request {
	path, form := root, url.Values{"ref_id": {"tpl1"}, "phone_number": {strings.TrimPrefix(w.To, "+")}}
	if op == apitest.Check {
		path, form = verify, url.Values{"sessionid": {w.ID}, "otp_code": {w.Code}}
	}
	switch w.As {
	case apitest.Acme:
		form["accountnumber"], form["apikey"] = []string{account}, []string{key}
	case apitest.Globex:
		form["accountnumber"], form["apikey"] = []string{"100300"}, []string{"7Q2W00ZK9LMNPAB"}
	case apitest.Wrong:
		form["accountnumber"], form["apikey"] = []string{account}, []string{"wrong"}
	case apitest.Nobody:
	}
	return ask(http.MethodPost, path, formType, form.Encode())
}

func ask(method, target, contentType, body string) *http.Request {
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	return r
}

func (speaker) Hear(_ apitest.Op, status int, _ http.Header, body []byte) apitest.Heard {
	var said struct{ Code, SessionID string }
	_ = json.Unmarshal(body, &said)
	heard := apitest.Heard{Status: status, Word: word(status, said.Code)}
	if said.Code == sent {
		heard.ID = said.SessionID
	}
	return heard
}

func word(status int, code string) string { return strings.TrimSpace(fmt.Sprint(status, " ", code)) }

func (speaker) Outcome(o otp.Outcome, _ int) string {
	switch o {
	case otp.OutcomeApproved:
		return "200 027"
	case otp.OutcomeWrong:
		return "200 025"
	case otp.OutcomeUsed:
		return "200 026"
	}
	return "200 023"
}

func (speaker) Kind(op apitest.Op, k otp.Kind) string {
	switch {
	case k == otp.Unavailable:
		return "503 005"
	case k == otp.Throttled:
		return "429 004"
	case op == apitest.Check:
		return "200 024"
	case k == otp.Unauthenticated:
		return "200 001"
	case k == otp.Undeliverable:
		return "200 003"
	}
	return "unexpected " + k.String()
}

func (speaker) Bad(id, code string) []apitest.Bad {
	const (
		unknown  = "200 024"
		wrong    = "200 025"
		large    = "413 006"
		noMethod = "405"
	)
	session := "&sessionid=" + id
	form := func(name, body, want string) apitest.Bad {
		return apitest.Bad{Name: name, Request: ask(http.MethodPost, verify, formType, body), Want: want}
	}
	// The query has all but the code, so that the code's place decides.
	typed := func(name, contentType, body, want string) apitest.Bad {
		return apitest.Bad{Name: name, Request: ask(http.MethodPost, verify+"?"+credential+session, contentType, body), Want: want}
	}
	object := func(name, value, want string) apitest.Bad {
		return typed(name+" in an object", jsonType, `{"otp_code":`+value+`}`, want)
	}
	query := func(name, method, text, want string) apitest.Bad {
		return apitest.Bad{Name: name, Request: ask(method, verify+"?"+text, "", ""), Want: want}
	}
	quoted := `"` + code + `"`
	full := credential + session + "&otp_code=" + code
	deep := strings.Repeat("[", 20_000) + strings.Repeat("]", 20_000)
	packed := typed("a packed body", formType, "otp_code="+code, wrong)
	packed.Request.Header.Set("Content-Encoding", "gzip")
	return []apitest.Bad{
		form("no body", "", unknown),
		form("no session", credential+"&otp_code="+code, unknown),
		form("an empty session", credential+"&sessionid=&otp_code="+code, unknown),
		form("two sessions", full+"&sessionid=0", unknown),
		form("two sessions in two spellings", full+"&sessionID=0", unknown),
		form("a session with dashes", credential+"&otp_code="+code+"&sessionid="+dashed(id), unknown),
		form("a session with NUL", credential+"&otp_code="+code+session+"%00", unknown),
		form("10 kB of session", credential+"&otp_code="+code+"&sessionid="+strings.Repeat("a", 10_000), unknown),
		form("the session that is all zero", credential+"&otp_code="+code+"&sessionid="+strings.Repeat("0", 32), unknown),
		form("a name in another case", credential+session+"&OTP_CODE="+code, wrong),
		form("no code", credential+session, wrong),
		form("an empty code", credential+session+"&otp_code=", wrong),
		form("two codes", full+"&otp_code=1", wrong),
		form("a broken escape", full+"&x=%zz", unknown),
		form("a semicolon", full+";x=1", unknown),
		form("1 MB of code", credential+session+"&otp_code="+strings.Repeat("1", 1<<20), large),
		form("two keys", full+"&apikey=x", unknown),
		query("two codes in the query", http.MethodGet, full+"&otp_code=1", wrong),
		query("a broken escape in the query", http.MethodGet, full+"&x=%zz", unknown),
		{Name: "an empty code in the body and a right one in the query", Request: ask(http.MethodPut, verify+"?"+full, formType, "otp_code="), Want: wrong},
		{Name: "a number in the body and a right one in the query", Request: ask(http.MethodPut, verify+"?"+full, jsonType, `{"otp_code":1}`), Want: wrong},
		query("HEAD", http.MethodHead, full, noMethod),
		query("OPTIONS", http.MethodOptions, full, noMethod),
		query("DELETE", http.MethodDelete, full, noMethod),
		object("a null", "null", wrong),
		object("a number", "1"+code, wrong),
		object("a bool", "true", wrong),
		object("an array", "["+quoted+"]", wrong),
		object("another object", `{"otp_code":`+quoted+`}`, wrong),
		object("a code given twice", quoted+`,"otp_code":`+quoted, wrong),
		object("broken UTF-8", "\"\xff\xfe\"", wrong),
		object("something after it", quoted+`}{"x":1`, wrong),
		object("5,000 levels", strings.Repeat("[", 5000)+strings.Repeat("]", 5000), wrong),
		object("20,000 levels", deep, large),
		typed("an array of objects", jsonType, `[{"otp_code":`+quoted+`}]`, wrong),
		typed("an object of another type", "text/plain", `{"otp_code":`+quoted+`}`, wrong),
		typed("a form of no type", "", "otp_code="+code, wrong),
		typed("a type that is none", "a/b/c; =", "otp_code="+code, wrong),
		typed("a form said to be an object", jsonType, "otp_code="+code, wrong),
		typed("a multipart form without boundary", "multipart/form-data", "otp_code="+code, wrong),
		typed("a multipart form that breaks off", "multipart/form-data; boundary=b", part("otp_code", code), wrong),
		typed("a multipart form without an end", "multipart/form-data; boundary=b", part("otp_code", code)+"--b", wrong),
		typed("a multipart form of 150 parts", "multipart/form-data; boundary=b", strings.Repeat(part("x", "1"), 150)+part("otp_code", "")+"--b--\r\n", wrong),
		typed("a multipart form of many parts", "multipart/form-data; boundary=b", strings.Repeat(part("otp_code", code), 1000), large),
		typed("a multipart form with two codes", "multipart/form-data; boundary=b", part("otp_code", code)+part("otp_code", "1")+"--b--\r\n", wrong),
		typed("a code as a file", "multipart/form-data; boundary=b", "--b\r\nContent-Disposition: form-data; name=otp_code; filename=x\r\n\r\n"+code+"\r\n--b--\r\n", wrong),
		packed,
	}
}

func dashed(id string) string {
	return id[:8] + "-" + id[8:12] + "-" + id[12:16] + "-" + id[16:20] + "-" + id[20:]
}

func part(name, value string) string {
	return "--b\r\nContent-Disposition: form-data; name=\"" + name + "\"\r\n\r\n" + value + "\r\n"
}

func (speaker) Lacks() []apitest.Op {
	return []apitest.Op{apitest.Peek, apitest.Resend, apitest.Cancel}
}
