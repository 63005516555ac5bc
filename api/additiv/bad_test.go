package additiv

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/aldaba-otp/aldaba/api/apitest"
	"github.com/aldaba-otp/aldaba/otp"
)

type badBody struct{ body, want string }

// badBodies are older verifies that must not be judged, each with the right
// key in it where that could matter.
func badBodies(session, code string) map[string]badBody {
	const malformed, large = "400 BadRequest NA", "413 PayloadTooLarge NA"
	right := fmt.Sprintf(`"key":%q,"sessionId":%q`, code, session)
	all := map[string]badBody{
		"1 MB":                     {`{` + right + `,"x":"` + strings.Repeat("x", 1<<20) + `"}`, large},
		"a key of 1 MB":            {`{"key":"` + strings.Repeat("1", 1<<20) + `","sessionId":"` + session + `"}`, large},
		"20,000 deep nesting":      {`{` + right + `,"x":` + strings.Repeat("[", 20_000) + strings.Repeat("]", 20_000) + `}`, large},
		"too deep nesting":         {`{` + right + `,"x":` + strings.Repeat("[", 4000) + strings.Repeat("]", 4000) + `}`, malformed},
		"a session id of 10 kB":    {fmt.Sprintf(`{"key":%q,"sessionId":%q}`, code, strings.Repeat("s", 10_000)), malformed},
		"10,000 members too many":  {`{` + right + strings.Repeat(`,"a":1`, 2000) + `}`, malformed},
		"an array of 2,000 keys":   {`{"key":["` + code + `"` + strings.Repeat(`,"111111"`, 1600) + `],"sessionId":"` + session + `"}`, malformed},
		"UTF-16":                   {"\xff\xfe{\x00}\x00", malformed},
		"a byte order mark":        {"\ufeff{" + right + "}", malformed},
		"broken UTF-8":             {`{` + right + ",\"x\":\"\xc3\x28\"}", malformed},
		"a lone surrogate":         {`{` + right + `,"x":"\ud800"}`, malformed},
		"a form":                   {"key=" + code + "&sessionId=" + session, malformed},
		"another case":             {fmt.Sprintf(`{"Key":%q,"SessionId":%q}`, code, session), malformed},
		"a NUL in the session":     {fmt.Sprintf(`{"key":%q,"sessionId":"%s\u0000"}`, code, session), malformed},
		"a dot session":            {fmt.Sprintf(`{"key":%q,"sessionId":".."}`, code), malformed},
		"no session":               {fmt.Sprintf(`{"key":%q}`, code), malformed},
		"a wrong and a right key":  {`{"key":"111111",` + right + `}`, malformed},
		"two sessions":             {`{` + right + `,"sessionId":"x"}`, malformed},
		"something after it":       {`{` + right + `}{}`, malformed},
		"a text after it":          {`{` + right + `} x`, malformed},
		"a broken end":             {`{` + right, malformed},
		"no member":                {`{}`, malformed},
		"nothing but a space":      {` `, malformed},
		"an array around it":       {`[{` + right + `}]`, malformed},
		"a string instead":         {`"` + code + `"`, malformed},
		"null":                     {`null`, malformed},
		"a number with a dot zero": {`{"key":` + strings.TrimLeft(code, "0") + `.0,"sessionId":"` + session + `"}`, malformed},
	}
	for _, value := range []string{`""`, `null`, `[]`, `["` + code + `"]`, `{}`, `{"key":"` + code + `"}`, `true`, `false`, "1" + code, `1e5`, `0` + code} {
		all["the key "+value] = badBody{`{"key":` + value + `,"sessionId":"` + session + `"}`, malformed}
	}
	for _, value := range []string{`""`, `null`, `["` + session + `"]`, `{}`, `true`, `77`} {
		all["the session "+value] = badBody{`{"key":"` + code + `","sessionId":` + value + `}`, malformed}
	}
	return all
}

// badContacts are texts that are not the one spelling of an int32.
func badContacts() []string {
	return []string{
		"+4711", "04711", "4711.0", "4711e0", "0x1267", "4_711", "%204711", "4711%20", "4711%00", "4711%0A", "-0", "--1", "ana",
		"2147483648", "-2147483649", "4294971007", "99999999999999999999999", "%EF%BC%94711", "%D9%A4711", "4711,4712", "4711%2F4712",
		strings.Repeat("1", 10_000),
	}
}

// badPaths are verifies whose contact or session cannot exist.
func badPaths(contact, session, code string) map[string]string {
	all := map[string]string{}
	at := func(contact, session string) string {
		return "/v1.0/contacts/" + contact + "/sessions/" + session + "/verification-key/" + code + "/verify"
	}
	for _, c := range badContacts() {
		all["the contact "+c[:min(len(c), 30)]] = at(c, session)
	}
	for _, s := range []string{
		session + "%00", "%00", "%0A", session + "%7F", "%C2%85", "%C3%28", "%FF", strings.Repeat("s", maxSession+1), strings.Repeat("s", 10_000),
		strings.Repeat("%C3%B1", maxSession/2+1),
	} {
		all["the session "+s[:min(len(s), 30)]] = at(contact, s)
	}
	return all
}

// TestBadSendsChangeNothing sends what no send may act upon, to both kinds of
// channel.
func TestBadSendsChangeNothing(t *testing.T) {
	t.Parallel()
	w, h, s := mount(t)
	const right = `"sessionId":"order-77","channel":"Sms"`
	ask(h, s.request(apitest.Acme, "POST", "/v1.0/contacts/4711/verification-key/send", "{"+right+"}"))
	bodies := []string{
		``, ` `, `null`, `[]`, `"Sms"`, `{`, `{}`, `{` + right, `{` + right + `}{}`, `{` + right + `}x`, "\ufeff{" + right + "}", "{" + right + ",\"x\":\"\xff\"}",
		`{"sessionId":"order-77","Channel":"Sms"}`, `{"sessionId":"order-77","channel":null}`, `{` + right + `,"channel":"Sms"}`, `{` + right + `,"sessionId":"x"}`,
		`{` + right + `,"x":` + strings.Repeat("[", 20_000) + strings.Repeat("]", 20_000) + `}`, `{` + right + `,"x":` + strings.Repeat(`{"a":`, 2000) + `1` + strings.Repeat(`}`, 2000) + `}`,
		`{` + right + `,"x":"` + strings.Repeat("x", 1<<20) + `"}`, `{` + right + strings.Repeat(`,"a":1`, 2000) + `}`,
		"channel=Sms&sessionId=order-77",
	}
	for _, v := range []string{`""`, `"Fax"`, `"Voice"`, `" Sms"`, `"Sms\u0000"`, `"\uff33ms"`, `"\u017fms"`, `0`, `true`, `[]`, `["Sms"]`, `{}`, `"Sms,Email"`} {
		bodies = append(bodies, `{"sessionId":"order-77","channel":`+v+`}`)
	}
	for _, v := range []string{`""`, `"."`, `".."`, `"a\nb"`, `"a\u0000"`, `"\u0085"`, `77`, `true`, `[]`, `{}`, `"` + strings.Repeat("s", maxSession+1) + `"`, `"` + strings.Repeat("s", 10_000) + `"`} {
		bodies = append(bodies, `{"channel":"Sms","sessionId":`+v+`}`)
	}
	paths := append(sendPaths(), pendingPaths()...)
	for i, b := range bodies {
		refused(t, h, s, "/v1.0/contacts/4711/"+paths[i%len(paths)], b)
		refused(t, h, s, "/v1.0/contacts/4711/verification-key/send", b)
		refused(t, h, s, "/v1.0/contacts/4711/verification-key/send/pending", b)
	}
	for _, v := range []string{`""`, `7`, `true`, `[]`, `{}`, `"nope"`, `"default"`, `"824541"`, `"login-sms "`, `"` + strings.Repeat("t", 10_000) + `"`} {
		refused(t, h, s, "/v1.0/contacts/4711/verification-key/send", `{`+right+`,"templateMetadataKey":`+v+`}`)
	}
	for _, c := range append(badContacts(), "..", "%2E%2E", ".", "4799", "-1", "2147483647", "-2147483648", "0") {
		refused(t, h, s, "/v1.0/contacts/"+c+"/verification-key/send", "{"+right+"}")
	}
	if n := len(w.Courier.Dispatches()); n != 1 {
		t.Fatalf("%d messages were sent, want the first alone", n)
	}
	want := "Valid 5"
	r := s.Say(apitest.Check, apitest.Words{ID: "4711/sessions/order-77", Code: w.Courier.Last(t).Code})
	rec := ask(h, r)
	if got := s.Hear(apitest.Check, rec.Code, nil, rec.Body.Bytes()).Word; got != want {
		t.Errorf("the code sent before is answered %q, want %q", got, want)
	}
}

// refused asserts a 4xx that is not about credentials.
func refused(t *testing.T, h http.Handler, s speaker, path, body string) {
	t.Helper()
	rec := ask(h, s.request(apitest.Acme, "POST", path, body))
	if rec.Code < 400 || rec.Code >= 500 || rec.Code == 401 || rec.Code == 403 || rec.Code == 429 {
		t.Errorf("%.60s with %.80s is answered %d %.200s", path, body, rec.Code, rec.Body)
	}
}

// TestOddKeysAreGuesses gives keys that no code can be: each is judged wrong,
// costs one try at most, and none is approved.
func TestOddKeysAreGuesses(t *testing.T) {
	t.Parallel()
	w, h, s := mount(t)
	path := "/v1.0/contacts/4711/sessions/order-77/verification-key/"
	ask(h, s.request(apitest.Acme, "POST", "/v1.0/contacts/4711/verification-key/send", `{"sessionId":"order-77","channel":"Sms"}`))
	code := w.Courier.Last(t).Code
	odd := []string{"%20" + code, code + "%00", code + "%2F", code[:5], "%EF%BC%91" + code[1:], "null", code + code, strings.Repeat("1", 10_000), "%FF"}
	for i, key := range odd {
		rec := ask(h, s.request(apitest.Acme, "POST", path+key+"/verify", ""))
		want := fmt.Sprintf("Invalid %d", max(4-i, 0))
		if got := s.Hear(apitest.Check, rec.Code, nil, rec.Body.Bytes()).Word; got != want {
			t.Errorf("the key %.20s is answered %q, want %q", key, got, want)
		}
	}
	all := w.Courier.Dispatches()
	found, err := w.Store.Verifications(t.Context(), all[0].Verification.ID)
	if err != nil || len(found) != 1 || found[0].Status != otp.Exhausted || found[0].Attempts != 5 {
		t.Errorf("it is stored as %+v, %v", found, err)
	}
}
