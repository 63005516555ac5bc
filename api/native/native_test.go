package native

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/aldaba-otp/aldaba/api"
	"github.com/aldaba-otp/aldaba/api/apitest"
	"github.com/aldaba-otp/aldaba/otp"
)

func TestNativePassesTheSuite(t *testing.T) {
	t.Parallel()
	apitest.Run(t, New, speaker{})
}

// speaker says the suite's story in this language. Its words are the status
// with "outcome status attempts_left" of a check, the status of a
// verification, or the end of a problem's type.
type speaker struct{}

func (speaker) Lacks() []apitest.Op { return []apitest.Op{apitest.Peek} }

func (speaker) Say(op apitest.Op, w apitest.Words) *http.Request {
	var r *http.Request
	switch op {
	case apitest.Start:
		r = post("/v1/verifications", fmt.Sprintf(`{"to":%q}`, w.To))
	case apitest.Check:
		r = post("/v1/verifications/"+w.ID+"/check", fmt.Sprintf(`{"code":%q}`, w.Code))
	default:
		r = post("/v1/verifications/"+w.ID+"/"+op.String(), "{}")
	}
	key := map[apitest.Who]string{apitest.Acme: "demo-key", apitest.Globex: "globex-key", apitest.Wrong: "other-key"}[w.As]
	r.Header.Set("Authorization", "Bearer "+key)
	if w.As == apitest.Nobody {
		r.Header.Del("Authorization")
	}
	return r
}

// post makes a request of acme.
func post(path, body string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Authorization", "Bearer demo-key")
	return r
}

func (speaker) Hear(_ apitest.Op, status int, _ http.Header, body []byte) apitest.Heard {
	var said struct {
		ID, Status, Outcome, Type any
		AttemptsLeft              int `json:"attempts_left"`
	}
	if err := json.Unmarshal(body, &said); err != nil {
		return apitest.Heard{Status: status, Word: "no JSON"}
	}
	heard := apitest.Heard{Status: status, Word: fmt.Sprint(status)}
	heard.ID, _ = said.ID.(string)
	switch {
	case said.Type != nil:
		heard.Word = fmt.Sprintf("%d %s", status, strings.TrimPrefix(said.Type.(string), problemBase))
	case said.Outcome != nil:
		heard.Word = fmt.Sprintf("%d %v %v %d", status, said.Outcome, said.Status, said.AttemptsLeft)
	case said.Status != nil:
		heard.Word = fmt.Sprintf("%d %v", status, said.Status)
	}
	return heard
}

func (s speaker) Outcome(o otp.Outcome, left int) string {
	switch o {
	case otp.OutcomeThrottled:
		return s.Kind(apitest.Check, otp.Throttled)
	case otp.OutcomeApproved, otp.OutcomeUsed:
		return fmt.Sprintf("200 %s approved 0", o)
	case otp.OutcomeWrong:
		if left > 0 {
			return fmt.Sprintf("200 wrong pending %d", left)
		}
		return "200 wrong exhausted 0"
	}
	return fmt.Sprintf("200 %s %s 0", o, o)
}

func (speaker) Kind(_ apitest.Op, k otp.Kind) string {
	row := ofKind(k)
	return fmt.Sprintf("%d %s", row.status, row.name)
}

func (speaker) Bad(id, code string) []apitest.Bad {
	path := "/v1/verifications/" + id + "/check"
	with := func(body string, header ...string) *http.Request {
		r := post(path, body)
		for i := 0; i+1 < len(header); i += 2 {
			r.Header.Set(header[i], header[i+1])
		}
		return r
	}
	const malformed, invalid, media = "400 malformed", "422 invalid", "415 unsupported_media_type"
	right := fmt.Sprintf(`{"code":%q}`, code)
	bad := []apitest.Bad{
		{Name: "no body", Request: with(""), Want: malformed},
		{Name: "a broken body", Request: with(`{"code":"` + code), Want: malformed},
		{Name: "a code given twice", Request: with(`{"code":"` + code + `","code":"` + code + `"}`), Want: malformed},
		{Name: "a code in capitals", Request: with(`{"Code":"` + code + `"}`), Want: malformed},
		{Name: "an unknown member", Request: with(`{"code":"` + code + `","status":"approved"}`), Want: malformed},
		{Name: "an unknown null", Request: with(`{"code":"` + code + `","bypass_otp":null}`), Want: malformed},
		{Name: "two documents", Request: with(right + right), Want: malformed},
		{Name: "trailing bytes", Request: with(right + "x"), Want: malformed},
		{Name: "an array", Request: with("[" + right + "]"), Want: malformed},
		{Name: "a string", Request: with(`"` + code + `"`), Want: malformed},
		{Name: "a byte order mark", Request: with("\ufeff" + right), Want: malformed},
		{Name: "UTF-16", Request: with("\xff\xfe{\x00}\x00"), Want: malformed},
		{Name: "broken UTF-8", Request: with("{\"code\":\"" + code + "\xff\"}"), Want: malformed},
		{Name: "a lone surrogate", Request: with(`{"code":"` + code + `\ud800"}`), Want: malformed},
		{Name: "deep nesting", Request: with(`{"code":` + strings.Repeat("[", 8000) + strings.Repeat("]", 8000) + `}`), Want: malformed},
		{Name: "an oversized body", Request: with(strings.Repeat(" ", api.BodyLimit) + right), Want: "413 too_large"},
		{Name: "a form", Request: with("code="+code, "Content-Type", "application/x-www-form-urlencoded"), Want: media},
		{Name: "JSON as text", Request: with(right, "Content-Type", "text/plain"), Want: media},
		{Name: "a dialect of JSON", Request: with(right, "Content-Type", "application/problem+json"), Want: media},
		{Name: "another charset", Request: with(right, "Content-Type", "application/json; charset=utf-16"), Want: media},
		{Name: "a compressed body", Request: with(right, "Content-Encoding", "gzip"), Want: media},
		{Name: "no code", Request: with(`{}`), Want: invalid},
	}
	for _, value := range []string{"null", code, "[\"" + code + "\"]", "{}", "true", "\"\"", "\"" + strings.Repeat("1", 65) + "\""} {
		bad = append(bad, apitest.Bad{Name: "the code as " + value, Request: with(`{"code":` + value + `}`), Want: invalid})
	}
	for _, method := range []string{http.MethodGet, http.MethodPut, http.MethodDelete, http.MethodHead} {
		r := with(right)
		r.Method = method
		want := "405 method_not_allowed"
		bad = append(bad, apitest.Bad{Name: "method " + method, Request: r, Want: want})
	}
	twice := with(right, "Idempotency-Key", "a")
	twice.Header.Add("Idempotency-Key", "b")
	return append(bad, apitest.Bad{Name: "two idempotency keys", Request: twice, Want: invalid},
		apitest.Bad{Name: "an empty idempotency key", Request: with(right, "Idempotency-Key", ""), Want: invalid})
}
