package e2e

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// verdict is what an answer to a check means.
type verdict string

// The verdicts. Some languages cannot tell wrong from over.
const (
	approved    verdict = "approved"
	wrong       verdict = "wrong"
	over        verdict = "over" // used, exhausted, expired ...
	throttled   verdict = "throttled"
	unknown     verdict = "unknown"
	refused     verdict = "refused" // no or wrong credentials
	unavailable verdict = "unavailable"
	silence     verdict = "no answer"
)

// tongue is one language, spoken by acme's application.
type tongue struct {
	name  string
	vague bool // wrong and over sound alike
	start func(c *client, to string) (id string, r reply)
	check func(c *client, id, code string) (verdict, reply)
}

const form = "application/x-www-form-urlencoded"

func basicAuth(user, password string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))
}

var nativeTongue = tongue{
	name: "native",
	start: func(c *client, to string) (string, reply) {
		r := c.send(http.MethodPost, "/v1/verifications", fmt.Sprintf(`{"to":%q}`, to), "Authorization", "Bearer "+c.key, "Content-Type", "application/json")
		return r.member("id"), r
	},
	check: func(c *client, id, code string) (verdict, reply) {
		r := c.send(http.MethodPost, "/v1/verifications/"+id+"/check", fmt.Sprintf(`{"code":%q}`, code), "Authorization", "Bearer "+c.key, "Content-Type", "application/json")
		return judge(r, r.member("outcome"), map[string]verdict{"approved": approved, "wrong": wrong, "used": over, "exhausted": over, "expired": over, "canceled": over, "superseded": over, "void": over}), r
	},
}

// judge reads a verdict by the word of an answer of 200 or 201.
func judge(r reply, word string, words map[string]verdict) verdict {
	switch r.status {
	case 0:
		return silence
	case http.StatusOK, http.StatusCreated:
		if v, ok := words[word]; ok {
			return v
		}
	case http.StatusUnauthorized:
		return refused
	case http.StatusNotFound:
		return unknown
	case http.StatusTooManyRequests:
		return throttled
	case http.StatusServiceUnavailable:
		return unavailable
	}
	return verdict(fmt.Sprintf("%d %s", r.status, r.body))
}

var danaconnectTongue = tongue{
	name: "danaconnect v1",
	start: func(c *client, to string) (string, reply) {
		r := c.send(http.MethodPost, "/otp/1.0/send", fmt.Sprintf(
			`{"idConversation":824541,"values":[{"key":%q,"value":%q}],"type":1,"length":6,"secondsExpiration":300}`, danaconnectField(to), to),
			"Authorization", basicAuth("demo@acme", "demo-password"))
		return r.member("idRequest"), r
	},
	check: func(c *client, id, code string) (verdict, reply) {
		r := c.send(http.MethodPost, "/otp/1.0/verify", fmt.Sprintf(`{"idRequest":%s,"otp":%q}`, id, code), "Authorization", basicAuth("demo@acme", "demo-password"))
		return judge(r, r.member("responseCode"), map[string]verdict{"01": approved, "02": wrong, "03": over, "04": over, "05": over, "06": unknown}), r
	},
}

// danaconnectField is the field of a conversation that an address stands in.
func danaconnectField(to string) string {
	if isMailbox(to) {
		return "COD1_EMAIL"
	}
	return "COD1_PHONE"
}

func isMailbox(to string) bool { return strings.Contains(to, "@") }

var danaconnect2Tongue = tongue{
	name: "danaconnect v2",
	start: func(c *client, to string) (string, reply) {
		r := c.send(http.MethodPost, "/otp/2.0/generate", fmt.Sprintf(
			`{"conversationId":824541,"fieldValues":{%q:%q},"type":1,"length":6,"expiresInSeconds":300}`, danaconnectField(to), to),
			"Authorization", "Bearer "+c.token("/oauth2/token", "conversation:access2api"))
		return r.member("requestId"), r
	},
	check: func(c *client, id, code string) (verdict, reply) {
		r := c.send(http.MethodPost, "/otp/2.0/validate", fmt.Sprintf(`{"requestId":%q,"otp":%q}`, id, code),
			"Authorization", "Bearer "+c.token("/oauth2/token", "conversation:access2api"))
		return judge(r, r.member("code"), map[string]verdict{"1": approved, "2": wrong, "3": over, "4": over, "5": over, "6": unknown}), r
	},
}

// token gets a token once.
func (c *client) token(path, scope string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.tokens[path] == "" {
		asked := url.Values{"grant_type": {"client_credentials"}, "client_id": {"demo"}, "client_secret": {"demo-secret"}}
		if scope != "" {
			asked.Set("scope", scope)
		}
		c.tokens[path] = c.send(http.MethodPost, path, asked.Encode(), "Content-Type", form).member("access_token")
	}
	return c.tokens[path]
}

var modicaTongue = tongue{
	name: "modica", vague: true,
	start: func(c *client, to string) (string, reply) {
		r := c.send(http.MethodPost, "/rest/2fa/challenges", fmt.Sprintf(`{"destination":%q}`, to), "Authorization", basicAuth("demo", "demo-password"))
		return r.member("id"), r
	},
	check: func(c *client, id, code string) (verdict, reply) {
		r := c.send(http.MethodPost, "/rest/2fa/responses", fmt.Sprintf(`{"challenge_id":%q,"code":%q}`, id, code), "Authorization", basicAuth("demo", "demo-password"))
		return judge(r, r.member("status"), map[string]verdict{"success": approved, "failed": wrong, "expired": over}), r
	},
}

const unityvoxKey = "accountnumber=100200&apikey=4D41E00J6KMXABS"

var unityvoxTongue = tongue{
	name: "unityvox",
	start: func(c *client, to string) (string, reply) {
		r := c.send(http.MethodPost, "/api/get-api/v1/OTP-api", unityvoxKey+"&ref_id=tpl1&phone_number="+strings.TrimPrefix(to, "+"), "Content-Type", form)
		return r.member("sessionID"), r
	},
	check: func(c *client, id, code string) (verdict, reply) {
		r := c.send(http.MethodPost, "/api/get-api/v1/OTP-api/verify", unityvoxKey+"&sessionid="+id+"&otp_code="+url.QueryEscape(code), "Content-Type", form)
		return judge(r, r.member("code"), map[string]verdict{"027": approved, "025": wrong, "026": over, "023": over, "024": unknown}), r
	},
}

var additivTongue = tongue{
	name: "additiv",
	start: func(c *client, to string) (string, reply) {
		local, _, _ := strings.Cut(to, "@")
		contact, member, channel := local[len(local)-7:], "sms", "Sms" // a contact is an int32
		if isMailbox(to) {
			member, channel = "email", "Email"
		}
		r := c.send(http.MethodPut, "/v1/contacts/"+contact, fmt.Sprintf(`{%q:%q}`, member, to), "Authorization", "Bearer "+c.key, "Content-Type", "application/json")
		if r.status/100 != 2 {
			return "", r
		}
		r = c.send(http.MethodPost, "/v1.0/contacts/"+contact+"/verification-key/send", fmt.Sprintf(`{"channel":%q}`, channel), "Authorization", "Bearer "+c.token("/connect/token", ""))
		if r.member("generatedSessionId") == "" {
			return "", r
		}
		return contact + "/sessions/" + r.member("generatedSessionId"), r
	},
	check: func(c *client, id, code string) (verdict, reply) {
		r := c.send(http.MethodPost, "/v1.0/contacts/"+id+"/verification-key/"+url.PathEscape(code)+"/verify", "", "Authorization", "Bearer "+c.token("/connect/token", ""))
		v := judge(r, r.member("keyStatus"), map[string]verdict{"Valid": approved, "Invalid": wrong, "Expired": over})
		return v, r
	},
	vague: true,
}

// tongues are all languages of the house.
var tongues = []tongue{nativeTongue, danaconnectTongue, danaconnect2Tongue, additivTongue, modicaTongue, unityvoxTongue}

// wrongCode differs from a code of digits in each place.
func wrongCode(right string) string {
	return strings.Map(func(r rune) rune { return '0' + (r-'0'+5)%10 }, right)
}
