package e2e

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aldaba-otp/aldaba/app"
	"github.com/aldaba-otp/aldaba/otp"
)

// belongings are what a request is about: acme's, or made up.
type belongings struct {
	verification, number, request, session, modica, unityvox string
	contact, to                                              string
	codes                                                    map[string]string // the right ones, by language
}

// foreign is one call with globex's credentials. About answers about acme's
// belongings, the answer must be the one about made-up ones.
type foreign struct {
	path, body, auth, kind string
}

// foreignCalls is the table of all routes: what globex asks of each about b.
func foreignCalls(c *client, b belongings) map[string]foreign {
	const native, js = "Bearer globex-key", "application/json"
	one, contact := "/v1/verifications/"+b.verification, "/v1/contacts/"+b.contact
	code := fmt.Sprintf(`{"code":%q}`, b.codes["native"])
	calls := map[string]foreign{
		"POST /v1/verifications":             {"/v1/verifications", `{"to":"+525587654321","profile":"no such"}`, native, js},
		"GET /v1/verifications":              {"/v1/verifications?to=" + url.QueryEscape(b.to), "", native, ""},
		"GET /v1/verifications/{id}":         {one, "", native, ""},
		"POST /v1/verifications/{id}/check":  {one + "/check", code, native, js},
		"POST /v1/verifications/{id}/resend": {one + "/resend", "{}", native, js},
		"POST /v1/verifications/{id}/next":   {one + "/next", "{}", native, js},
		"POST /v1/verifications/{id}/cancel": {one + "/cancel", "{}", native, js},
		"PUT /v1/contacts/{id}":              {contact, `{"sms":"+525587654321"}`, native, js},
		"GET /v1/contacts/{id}":              {contact, "", native, ""},
		"DELETE /v1/contacts/{id}":           {contact, "", native, ""},
		"POST /v1/links/redeem":              {"/v1/links/redeem", fmt.Sprintf(`{"token":%q}`, forged(b.verification)), native, js},
		"POST /v1/lists":                     {"/v1/lists", `{"to":"+525587654321","verdict":"none"}`, native, js},
		"GET /v1/lists":                      {"/v1/lists", "", native, ""},
		"GET /v1/jwks.json":                  {"/v1/jwks.json", "", "", ""},
		"GET /v1/openapi.json":               {"/v1/openapi.json", "", "", ""},
		"POST /oauth2/token":                 {"/oauth2/token", "grant_type=client_credentials&client_id=demo&client_secret=globex-secret", "", form},
		"POST /connect/token":                {"/connect/token", "grant_type=client_credentials&client_id=demo&client_secret=globex-secret", "", form},
		"POST /rest/2fa/challenges":          {"/rest/2fa/challenges", `{"destination":"x"}`, basicAuth("globex", "globex-password"), js},
		"POST /rest/2fa/responses":           {"/rest/2fa/responses", fmt.Sprintf(`{"challenge_id":%q,"code":%q}`, b.modica, b.codes["modica"]), basicAuth("globex", "globex-password"), js},
	}
	for _, method := range []string{"GET", "PUT", "POST"} {
		const key = "?accountnumber=100300&apikey=7Q2W00ZK9LMNPAB"
		calls[method+" /api/get-api/v1/OTP-api"] = foreign{"/api/get-api/v1/OTP-api" + key + "&ref_id=acme-only", "", "", ""}
		calls[method+" /api/get-api/v1/OTP-api/verify"] = foreign{"/api/get-api/v1/OTP-api/verify" + key + "&sessionid=" + b.unityvox + "&otp_code=" + b.codes["unityvox"], "", "", ""}
	}
	const generate1 = `{"idConversation":824541,"values":[{"key":"COD1_PHONE","value":"+525587654321"}],"type":1,"length":6,"secondsExpiration":300}`
	const generate2 = `{"conversationId":824541,"fieldValues":{"COD1_PHONE":"+525587654321"},"type":1,"length":6,"expiresInSeconds":300}`
	login, token := basicAuth("demo@globex", "globex-password"), "Bearer "+c.tokenOf("globex", "globex-secret", "/oauth2/token", "conversation:access2api")
	for _, name := range []string{"send", "generate", "request"} {
		calls["POST /otp/1.0/"+name] = foreign{"/otp/1.0/" + name, generate1, login, js}
	}
	for _, name := range []string{"verify", "validate"} {
		calls["POST /otp/1.0/"+name] = foreign{"/otp/1.0/" + name, fmt.Sprintf(`{"idRequest":%s,"otp":%q}`, b.number, b.codes["danaconnect v1"]), login, js}
	}
	for _, base := range []string{"/otp/2.0/", "/api/2.0/otp/", "/api/2.0/rest/otp/"} {
		for _, name := range []string{"send", "generate"} {
			calls["POST "+base+name] = foreign{base + name, generate2, token, js}
		}
		for _, name := range []string{"verify", "validate"} {
			calls["POST "+base+name] = foreign{base + name, fmt.Sprintf(`{"requestId":%q,"otp":%q}`, b.request, b.codes["danaconnect v2"]), token, js}
		}
	}
	additivCalls(c, b, calls)
	return calls
}

// forged is a link's token of a verification as somebody would make it up.
func forged(verification string) string {
	id, _ := otp.ParseID(verification)
	return base64.RawURLEncoding.EncodeToString(append(id[:], make([]byte, 16)...))
}

func additivCalls(c *client, b belongings, calls map[string]foreign) {
	const js = "application/json"
	token := "Bearer " + c.tokenOf("globex", "globex-secret", "/connect/token", "")
	pattern, path := "/v1.0/contacts/{contact}/", "/v1.0/contacts/"+b.contact+"/"
	key := path + "sessions/" + b.session + "/verification-key/" + b.codes["additiv"]
	calls["GET "+pattern+"sessions/{session}/verification-key/{key}/check"] = foreign{key + "/check", "", token, ""}
	calls["POST "+pattern+"sessions/{session}/verification-key/{key}/verify"] = foreign{key + "/verify", "", token, ""}
	calls["POST "+pattern+"verification-key/verify"] = foreign{path + "verification-key/verify", fmt.Sprintf(`{"key":%q,"sessionId":%q}`, b.codes["additiv"], b.session), token, js}
	for _, name := range []string{
		"verification-key/send", "verification-key", "send-verification-key", "verification-key/send-pending-communication-channels",
		"verification-key/pending-communication-channels/send", "verification-key/pending-communication-channel/send", "verification-key/send/pending",
	} {
		calls["POST "+pattern+name] = foreign{path + name, fmt.Sprintf(`{"sessionId":%q,"channel":"Sms"}`, b.session), token, js}
	}
}

// tokenOf gets a token of a client.
func (c *client) tokenOf(id, secret, path, scope string) string {
	asked := url.Values{"grant_type": {"client_credentials"}, "client_id": {id}, "client_secret": {secret}}
	if scope != "" {
		asked.Set("scope", scope)
	}
	return c.send(http.MethodPost, path, asked.Encode(), "Content-Type", form).member("access_token")
}

// acmes starts a verification of acme in each language.
func acmes(c *client) (b belongings, all []otp.ID) {
	c.t.Helper()
	b.to, b.codes = fresh(), map[string]string{}
	ids := map[string]string{}
	for _, tongue := range tongues {
		to := fresh()
		if tongue.name == "native" {
			to = b.to
		}
		id, r := tongue.start(c, to)
		if id == "" {
			c.t.Fatalf("%s: a start is answered %d %s", tongue.name, r.status, r.body)
		}
		m := c.newest(to)
		ids[tongue.name], b.codes[tongue.name] = id, m.code()
		verification, _ := otp.ParseID(m.Verification)
		all = append(all, verification)
	}
	b.verification, b.number, b.request = ids["native"], ids["danaconnect v1"], ids["danaconnect v2"]
	b.modica, b.unityvox = ids["modica"], ids["unityvox"]
	b.contact, b.session, _ = strings.Cut(ids["additiv"], "/sessions/")
	return b, all
}

// sentOff waits until a verification's message was noted as sent, after which
// nothing moves by itself.
func sentOff(t *testing.T, d *app.Dev, id otp.ID) {
	t.Helper()
	eventually(t, 10*time.Second, "the message of "+id.String()+" is sent", func() bool {
		events, err := d.Store.Events(t.Context(), id)
		return err == nil && slices.ContainsFunc(events, func(e otp.Event) bool { return e.Kind == otp.EventSent })
	})
}

// state is everything that is kept of acme.
func state(t *testing.T, d *app.Dev, b belongings, all []otp.ID) string {
	t.Helper()
	found, err := d.Store.Verifications(t.Context(), all...)
	if err != nil || len(found) != len(all) {
		t.Fatalf("%d of %d are there, %v", len(found), len(all), err)
	}
	kept := []any{found}
	for _, v := range found {
		events, err := d.Store.Events(t.Context(), v.ID)
		if err != nil {
			t.Fatal(err)
		}
		destination, _, err := d.Store.Destination(t.Context(), v.Destination)
		if err != nil {
			t.Fatal(err)
		}
		kept = append(kept, events, destination)
	}
	contact, err := d.Service.Contact(t.Context(), "acme", b.contact)
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(append(kept, contact))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestAnotherTenantsCredentialsChangeAndRevealNothing covers T48 and the
// invariant of isolation: it walks the routes of all dialects, as the program
// has mounted them, with globex's credentials and acme's ids and codes. What is
// answered is what an id that was never issued gets, and nothing of acme's
// moves.
//
// CVE-2026-53725 (Parse Server): when a read was denied, the raw row was
// answered with its secrets.
func TestAnotherTenantsCredentialsChangeAndRevealNothing(t *testing.T) {
	t.Parallel()
	s := run(t, app.DevOptions{Data: folder(t)})
	mine, all := acmes(s.client)
	for _, id := range all {
		sentOff(t, s.dev, id)
	}
	before := state(t, s.dev, mine, all)
	madeUp := belongings{
		verification: "019c1346-5a22-7a3e-8d6f-2f1c1b0a9e77", number: "1047382911", request: "019c1346-5a22-7a3e-8d6f-2f1c1b0a9e78",
		modica: "019c1346-5a22-7a3e-8d6f-2f1c1b0a9e79", unityvox: "019c13465a227a3e8d6f2f1c1b0a9e70", session: "0123456789abcdef0123456789abcdef",
		contact: "99999", to: fresh(), codes: mine.codes,
	}
	about, unknown := foreignCalls(s.client, mine), foreignCalls(s.client, madeUp)
	walked := 0
	for _, d := range s.dev.Dialects() {
		for _, route := range d.Routes {
			for _, method := range route.Methods {
				name := method + " " + route.Pattern
				call, ok := about[name]
				if !ok {
					t.Errorf("%s: nobody says what another tenant would ask of this route", name)
					continue
				}
				walked++
				for _, id := range []string{mine.contact, madeUp.contact} { // globex has contacts of these ids too
					if _, err := s.dev.Service.PutContact(t.Context(), "globex", id, otp.ContactAddresses{SMS: "+5255" + fresh()[4:]}, false); err != nil {
						t.Fatal(err)
					}
				}
				got, want := s.foreign(method, call, mine), s.foreign(method, unknown[name], madeUp)
				if got != want {
					t.Errorf("%s about acme's is answered\n%s\nand about nobody's\n%s", name, got, want)
				}
				if now := state(t, s.dev, mine, all); now != before {
					t.Fatalf("%s has changed acme's from\n%s\nto\n%s", name, before, now)
				}
			}
		}
	}
	if walked != len(about) {
		t.Errorf("%d routes were walked, the table has %d", walked, len(about))
	}
}

var (
	uuids = regexp.MustCompile(`[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}`)
	// globex's own contacts have Mexican numbers, acme's none.
	theirs = regexp.MustCompile(`\+525\*+\d{3}`)
	nouns  = regexp.MustCompile(`"correlationId":"[^"]*"`)
)

// foreign makes a call and returns its answer without what differs anyway: ids
// of requests and what the caller himself has named.
func (s *server) foreign(method string, f foreign, b belongings) string {
	r := s.client.send(method, f.path, f.body, "Authorization", f.auth, "Content-Type", f.kind)
	text := theirs.ReplaceAllString(nouns.ReplaceAllString(r.body, ""), "THEIRS")
	for _, own := range []string{b.verification, b.number, b.request, b.modica, b.unityvox, b.session, `"id":"` + b.contact + `"`} {
		text = strings.ReplaceAll(text, own, "ID")
	}
	text = uuids.ReplaceAllString(text, "ID")
	var kept []string
	for _, name := range []string{"Content-Type", "Www-Authenticate", "Retry-After", "Location"} {
		kept = append(kept, name+": "+r.header.Get(name))
	}
	slices.Sort(kept)
	return fmt.Sprint(r.status, " ", strings.Join(kept, ", "), "\n", text)
}
