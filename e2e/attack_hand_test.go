package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// hand writes the requests of a dialect by hand, in JSON, which all of them
// read, so that they can be malformed at will.
type hand struct {
	tongue

	tries     string // the member that asks for tries, "" for none
	codeName  string // the member that a code stands in
	idName    string // the member that the id stands in, "" when it stands in the path
	startPath string
	startBody func(to string) string
	checkPath func(id string) string
	fixed     string // members that each check has
	auth      func(c *client) string
}

var nativeHand = hand{
	tongue: nativeTongue, tries: "max_attempts", codeName: "code", startPath: "/v1/verifications",
	startBody: func(to string) string { return fmt.Sprintf(`{"to":%q`, to) },
	checkPath: func(id string) string { return "/v1/verifications/" + id + "/check" },
	auth:      func(c *client) string { return "Bearer " + c.key },
}

var danaHand = hand{
	tongue: danaconnectTongue, tries: "maximumTries", codeName: "otp", idName: "idRequest", startPath: "/otp/1.0/send",
	startBody: func(to string) string {
		return fmt.Sprintf(`{"idConversation":824541,"values":[{"key":%q,"value":%q}],"type":1,"length":6,"secondsExpiration":300`, danaconnectField(to), to)
	},
	checkPath: func(string) string { return "/otp/1.0/verify" },
	auth:      func(*client) string { return basicAuth("demo@acme", "demo-password") },
}

var dana2Hand = hand{
	tongue: danaconnect2Tongue, tries: "maxAttempts", codeName: "otp", idName: "requestId", startPath: "/otp/2.0/generate",
	startBody: func(to string) string {
		return fmt.Sprintf(`{"conversationId":824541,"fieldValues":{%q:%q},"type":1,"length":6,"expiresInSeconds":300`, danaconnectField(to), to)
	},
	checkPath: func(string) string { return "/otp/2.0/validate" },
	auth:      func(c *client) string { return "Bearer " + c.token("/oauth2/token", "conversation:access2api") },
}

// additivHand uses the older verify, which takes the code in a body. Its answer
// has no word: 200 is approved, 422 is not.
var additivHand = hand{
	tongue: additivTongue, codeName: "key", idName: "sessionId",
	checkPath: func(id string) string {
		return "/v1.0/contacts/" + id[:strings.Index(id, "/")] + "/verification-key/verify"
	},
	auth: func(c *client) string { return "Bearer " + c.token("/connect/token", "") },
}

var modicaHand = hand{
	tongue: modicaTongue, codeName: "code", idName: "challenge_id", startPath: "/rest/2fa/challenges",
	startBody: func(to string) string { return fmt.Sprintf(`{"destination":%q`, to) },
	checkPath: func(string) string { return "/rest/2fa/responses" },
	auth:      func(*client) string { return basicAuth("demo", "demo-password") },
}

var unityvoxHand = hand{
	tongue: unityvoxTongue, codeName: "otp_code", idName: "sessionid", startPath: "/api/get-api/v1/OTP-api",
	startBody: func(to string) string {
		return fmt.Sprintf(`{"accountnumber":"100200","apikey":"4D41E00J6KMXABS","ref_id":"tpl1","phone_number":%q`, strings.TrimPrefix(to, "+"))
	},
	checkPath: func(string) string { return "/api/get-api/v1/OTP-api/verify" },
	fixed:     `,"accountnumber":"100200","apikey":"4D41E00J6KMXABS"`,
	auth:      func(*client) string { return "" },
}

// hands are all of them.
var hands = []hand{nativeHand, danaHand, dana2Hand, additivHand, modicaHand, unityvoxHand}

const jsonType = "application/json"

// begin asks for a code; more are further members, each with a comma before it.
func (h hand) begin(c *client, to, more string) (id string, r reply) {
	if h.startBody == nil { // its address stands in a contact
		return h.start(c, to)
	}
	r = c.send(http.MethodPost, h.startPath, h.startBody(to)+more+"}", "Authorization", h.auth(c), "Content-Type", jsonType)
	for _, name := range []string{"id", "idRequest", "requestId", "sessionID"} {
		if id := r.member(name); id != "" && r.status/100 == 2 && !strings.Contains(r.body, `"error"`) {
			return id, r
		}
	}
	return "", r
}

// open is a check's body up to where the code stands.
func (h hand) open(id string) string {
	switch {
	case h.idName == "":
		return "{"
	case h.name == additivTongue.name:
		return fmt.Sprintf(`{%q:%q`, h.idName, id[strings.LastIndex(id, "/")+1:])
	case h.name == danaconnectTongue.name:
		return fmt.Sprintf(`{%q:%s`, h.idName, id)
	}
	return fmt.Sprintf(`{%q:%q`, h.idName, id)
}

// body is a check's body; value is the code as it stands in JSON, more are
// further members.
func (h hand) body(id, value, more string) string {
	open := h.open(id) + h.fixed
	if open != "{" {
		open += ","
	}
	return fmt.Sprintf(`%s%q:%s%s}`, open, h.codeName, value, more)
}

// post sends a check's body as it is, to the path with a query.
func (h hand) post(c *client, id, query, body string, headers ...string) reply {
	return c.send(http.MethodPost, h.checkPath(id)+query, body, append([]string{"Authorization", h.auth(c), "Content-Type", jsonType}, headers...)...)
}

// approves tells whether an answer to a check says that the code was right.
// TestHandsHearAnApproval holds it against every dialect.
func (h hand) approves(r reply) bool {
	if r.status/100 != 2 {
		return false
	}
	if h.name == additivTongue.name { // the older verify has no word, only 200 and 422
		return !strings.Contains(r.body, "Invalid") && !strings.Contains(r.body, "Expired")
	}
	words := map[string]string{
		nativeTongue.name: `"outcome":"approved"`, danaconnectTongue.name: `"responseCode":"01"`, danaconnect2Tongue.name: `"code":1,`,
		modicaTongue.name: `"status":"success"`, unityvoxTongue.name: `"code":"027"`,
	}
	return strings.Contains(strings.ReplaceAll(r.body, " ", ""), words[h.name])
}

// TestHandsHearAnApproval: an attack that cannot tell an approval from anything
// else would withstand everything.
func TestHandsHearAnApproval(t *testing.T) {
	t.Parallel()
	c := start(t, engines[0]).client
	for _, h := range hands {
		to := fresh()
		id, r := h.begin(c, to, "")
		if id == "" {
			t.Fatalf("%s: a start is answered %d %s", h.name, r.status, r.body)
		}
		right := c.newest(to).code()
		if r := h.post(c, id, "", h.body(id, `"`+wrongCode(right)+`"`, "")); h.approves(r) {
			t.Errorf("%s: a wrong code is heard as approved: %d %s", h.name, r.status, r.body)
		}
		if r := h.post(c, id, "", h.body(id, `"`+right+`"`, "")); !h.approves(r) {
			t.Errorf("%s: the right code is not heard as approved: %d %s", h.name, r.status, r.body)
		}
		if r := h.post(c, id, "", h.body(id, `"`+right+`"`, "")); h.approves(r) {
			t.Errorf("%s: a used code is heard as approved: %d %s", h.name, r.status, r.body)
		}
	}
}
