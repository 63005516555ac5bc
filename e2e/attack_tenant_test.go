package e2e

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aldaba-otp/aldaba/otp"
)

// tenancy are T48 to T54; T50 stands in attack_timing_test.go.
func tenancy() []attack {
	return []attack{
		{"T48", "another tenant's credentials with this one's ids and codes, at every route", otherTenant},
		{"T49", "approve one number, then claim another", claimOther},
		{"T50", "tell known from unknown by form and time of answers", timing},
		{"T51", "wrong, missing, expired, taken back credentials; a key in the query; brute force", badCredentials},
		{"T52", "T01 and T13 at every route that judges a code", everyDoor},
		{"T53", "admin, metrics and pprof with a tenant's key, on the public port, with default credentials", adminFromOutside},
		{"T54", "receipts unsigned, with a wrong key, of unknown messages, repeated", forgedReceipts},
	}
}

func otherTenant(s *siege) figures {
	mine, all := acmes(s.c[0])
	calls := foreignCalls(s.c[0], mine)
	for name, call := range calls {
		method, _, _ := strings.Cut(name, " ")
		r := s.c[0].send(method, call.path, call.body, "Authorization", call.auth, "Content-Type", call.kind)
		if r.status >= 500 || r.status == 0 || slices.ContainsFunc(hands, func(h hand) bool {
			return method == "POST" && h.name == "native" && h.approves(r) && r.member("outcome") == "approved"
		}) {
			s.Errorf("%s is answered %d %s", name, r.status, r.body)
		}
		if strings.Contains(r.body, otp.Mask(mine.to)) {
			s.Errorf("%s tells of the address: %s", name, r.body)
		}
	}
	for _, id := range all {
		if v := s.look(id.String()); v.Status != "pending" || v.Left != tries {
			s.Errorf("after all calls it is %+v", v)
		}
	}
	// One address at two tenants: each has its own ledger and quota.
	to := fresh()
	globex := newClient(s.T, s.c[0].base)
	globex.key = "globex-key"
	for range 4 {
		id, _ := nativeTongue.start(globex, to)
		for range tries {
			nativeTongue.check(globex, id, "000000")
		}
	}
	if id, r := nativeTongue.start(globex, to); id != "" {
		s.Errorf("globex still starts: %s", r.body)
	}
	id, m := s.begin(nativeTongue, to)
	if v := s.guess(nativeTongue, 0, id, m.code()); v != approved {
		s.Errorf("acme's code at that address is answered %s", v)
	}
	ids := map[string]string{"native": mine.verification, "danaconnect v1": mine.number, "danaconnect v2": mine.request, "modica": mine.modica, "unityvox": mine.unityvox, "additiv": mine.contact + "/sessions/" + mine.session}
	for _, l := range tongues {
		if v := s.guess(l, 0, ids[l.name], mine.codes[l.name]); v != approved {
			s.Errorf("%s: its owner's right code is answered %s", l.name, v)
		}
	}
	return figures{over: "all 6, every route", counted: fmt.Sprintf("%d calls: none approved, none of 6 verifications moved; ledgers apart", len(calls))}
}

func claimOther(s *siege) figures {
	over := s.over(func(l tongue, x string) {
		y := fresh()
		idX, mX := s.begin(l, x)
		idY, _ := s.begin(l, y)
		if v := s.guess(l, 0, idX, mX.code()); v != approved {
			s.Errorf("%s: X's code is answered %s", l.name, v)
		}
		if v := s.guess(l, 0, idY, mX.code()); v != wrong {
			s.Errorf("%s: X's code for Y is answered %s", l.name, v)
		}
		if v := s.look(mX.Verification); v.Status != "approved" || v.To != otp.Mask(x) {
			s.Errorf("%s: the proof names %s, proved was %s", l.name, v.To, otp.Mask(x))
		}
		if got := s.toll(y); got.approved != 0 || got.live != 1 {
			s.Errorf("%s: Y has %s", l.name, got)
		}
		if l.name == additivTongue.name { // X's session under Y's contact
			contact, _, _ := strings.Cut(idY, "/")
			_, session, _ := strings.Cut(idX, "/")
			if v, r := l.check(s.c[0], contact+"/"+session, mX.code()); v != unknown {
				s.Errorf("additiv: X's session at Y's contact is answered %d %s", r.status, r.body)
			}
		}
	})
	return figures{over: over, counted: "each proof names the address that was proved; Y pending everywhere"}
}

const otherKey = "b81f6c0d9e2a47533c1b9a8e7d6c5b4a"

// otherSecrets makes other secrets of acme's.
var otherSecrets = strings.NewReplacer(serveKey, otherKey, "demo-password", "new-password", "demo-secret", "new-secret", "4D41E00J6KMXABS", "4D41E00J6KMXABX")

func badCredentials(s *siege) figures {
	h := newStronghold(s, false)
	providers := "providers:" + h.gateway.provider("sandbox")
	good := strings.Replace(serveTenants, "providers: [{name: sandbox, type: inbox}]", providers, 1)
	ids, words := map[string]string{}, map[string]string{}
	for _, l := range tongues {
		to := fresh()
		id, r := l.start(h.client, to)
		if id == "" {
			s.Fatalf("%s: a start is answered %d %s", l.name, r.status, r.body)
		}
		eventually(s.T, 10*time.Second, "the message has come", func() bool { return len(h.gateway.kept()[to]) > 0 })
		ids[l.name], words[l.name] = id, h.gateway.kept()[to][0].code()
	}
	before := len(h.gateway.all())
	h.apply(s.T, strings.Replace(otherSecrets.Replace(good), "credentials:\n", "credentials:\n      - {type: api_key, key: 3c1b9a8e7d6c5b4a39281706f5e46f2d, expires: 2026-01-01T00:00:00Z}\n", 1))
	for _, l := range tongues {
		for _, c := range []*client{h.client, newClient(s.T, h.client.base)} { // with the token of before, and without
			c.key = serveKey
			if id, r := l.start(c, fresh()); id != "" || r.status >= 500 {
				s.Errorf("%s: with what was taken back a start is answered %d %s", l.name, r.status, r.body)
			}
			if v, r := l.check(c, ids[l.name], words[l.name]); v == approved || r.status >= 500 {
				s.Errorf("%s: with what was taken back a check is answered %d %s", l.name, r.status, r.body)
			}
		}
	}
	tried := 0
	for _, authorization := range []string{
		"", "Bearer ", "Bearer 3c1b9a8e7d6c5b4a39281706f5e46f2d", "Basic " + serveKey, basicAuth("demo@acme", ""), basicAuth("demo@acme:x", "new-password"), basicAuth("", "new-password"),
		basicAuth("demo", "demo:new-password"), "Bearer new-secret", "bearer", basicAuth("demo\x00", "new-password"), "Digest x",
	} {
		for _, path := range []string{"/v1/verifications?key=" + otherKey + "&api_key=" + otherKey, "/otp/1.0/send", "/otp/2.0/generate", "/rest/2fa/challenges", "/v1.0/contacts/4711/verification-key/send"} {
			r := h.client.send("POST", path, `{"to":"+18095550000","destination":"+18095550000"}`, "Authorization", authorization, "Content-Type", jsonType)
			tried++
			if r.status != http.StatusUnauthorized && r.status != http.StatusTooManyRequests {
				s.Errorf("%s with %q is answered %d %s", path, authorization, r.status, r.body)
			}
		}
	}
	if n := len(h.gateway.all()); n != before {
		s.Errorf("%d messages were sent", n-before)
	}
	held := 0
	for i := range 40 {
		if r := h.begin(fmt.Sprintf("%032x", i), fresh()); r.status == http.StatusTooManyRequests {
			held++
		} else if r.status != http.StatusUnauthorized {
			s.Errorf("a guessed key is answered %d %s", r.status, r.body)
		}
	}
	if held < 20 {
		s.Errorf("of 40 guessed keys %d were not looked at", held)
	}
	h.apply(s.T, good)
	elsewhere := &siege{T: s.T, world: s.world, c: []*client{h.client}}
	elsewhere.scatter(50)
	elsewhere.c[0].key = serveKey
	for _, l := range tongues {
		if v, r := l.check(elsewhere.c[0], ids[l.name], words[l.name]); v != approved {
			s.Errorf("%s: with its credential again, from elsewhere, the right code is answered %d %s", l.name, r.status, r.body)
		}
	}
	return figures{over: "all 6", counted: fmt.Sprintf("taken back at once in 6 dialects; %d bad credentials refused; of 40 guessed keys %d not looked at; other sources open", tried, held)}
}

// judges are the last words of routes that judge a code; bystands are those that
// do not, redeem among them, which takes a token of 128 bits that the step of a
// guess judges too. A route with neither is one that nobody has thought of.
var (
	judges   = []string{"check", "verify", "validate", "responses"}
	bystands = []string{
		"verifications", "{id}", "resend", "next", "cancel", "jwks.json", "openapi.json", "token", "send", "generate", "request", "verification-key", "send-verification-key", "challenges",
		"redeem", "lists", "OTP-api", "send-pending-communication-channels", "pending",
	}
)

// door is one route that judges codes.
type judging struct {
	name string
	hand
	peeks bool // a right code is not used up
	give  func(c *client, id, code string) reply
}

// doors are the routes of the program that judge codes.
func doors(s *siege) (all []judging) {
	for _, d := range start(s.T, engines[0]).dev.Dialects() {
		for _, route := range d.Routes {
			last := route.Pattern[strings.LastIndex(route.Pattern, "/")+1:]
			if !slices.Contains(judges, last) {
				if !slices.Contains(bystands, last) {
					s.Errorf("%s: nobody says whether this route judges codes", route.Pattern)
				}
				continue
			}
			for _, method := range route.Methods {
				all = append(all, newDoorOf(method, route.Pattern))
			}
		}
	}
	return all
}

func newDoorOf(method, pattern string) judging {
	of := map[string]hand{"/v1/": nativeHand, "/otp/1.0/": danaHand, "/otp/2.0/": dana2Hand, "/api/2.0/": dana2Hand, "/v1.0/": additivHand, "/rest/2fa/": modicaHand, "/api/get-api/": unityvoxHand}
	d := judging{name: method + " " + pattern}
	for prefix, h := range of {
		if strings.HasPrefix(pattern, prefix) {
			d.hand = h
		}
	}
	d.give = func(c *client, id, code string) reply {
		path := strings.Replace(pattern, "{id}", id, 1)
		body := d.body(id, fmt.Sprintf("%q", code), "")
		switch {
		case strings.Contains(pattern, "{session}"):
			contact, session, _ := strings.Cut(id, "/sessions/")
			path, body = strings.NewReplacer("{contact}", contact, "{session}", session, "{key}", code).Replace(pattern), ""
		case d.hand.name == additivTongue.name:
			path = strings.Replace(pattern, "{contact}", id[:strings.Index(id, "/")], 1)
		case d.hand.name == unityvoxTongue.name:
			path, body = path+"?"+unityvoxKey+"&sessionid="+id+"&otp_code="+code, ""
		}
		return c.send(method, path, body, "Authorization", d.auth(c), "Content-Type", jsonType)
	}
	d.peeks = strings.HasSuffix(pattern, "{key}/check")
	return d
}

func everyDoor(s *siege) figures {
	s.tokens()
	v := newVolley(s)
	var names []string
	for _, d := range doors(s) {
		to := fresh()
		id, m := s.begin(d.tongue, to)
		for i := range tries + 2 {
			if r := d.give(s.c[i%len(s.c)], id, otherCode(m.code(), i)); d.approves(r) || r.status >= 500 {
				s.Errorf("%s: a wrong code is answered %d %s", d.name, r.status, r.body)
			}
		}
		if r := d.give(s.c[0], id, m.code()); d.approves(r) {
			s.Errorf("%s: the right code after too many is answered %d %s", d.name, r.status, r.body)
		}
		if got := s.toll(to); got.evaluated != tries || got.approved != 0 {
			s.Errorf("%s: of 7 wrong codes %s", d.name, got)
		}
		s.atOnce(v, d)
		names = append(names, d.name)
	}
	if len(names) < 14 {
		s.Errorf("only %d routes judge codes: %v", len(names), names)
	}
	return figures{over: "all 6, every route", counted: fmt.Sprintf("%d routes judge codes: each evaluates 5 of 7 wrong ones; of %d right ones at once each approves one", len(names), crowdOf)}
}

// atOnce gives a door the right code many times at once.
func (s *siege) atOnce(v *volley, d judging) {
	to := fresh()
	id, m := s.begin(d.tongue, to)
	var mu sync.Mutex
	won := 0
	v.fire(s, len(s.c), crowdOf, func(c *client, _ int) verdict {
		if r := d.give(c, id, m.code()); d.approves(r) {
			mu.Lock()
			defer mu.Unlock()
			won++
		}
		return ""
	})
	status := s.look(m.Verification).Status
	if d.peeks {
		if won != crowdOf || status != "pending" {
			s.Errorf("%s: of looks at once %d were good, it is %s", d.name, won, status)
		}
		return
	}
	if got := s.toll(to); won != 1 || got.approved != 1 || status != "approved" {
		s.Errorf("%s: %d at once were approved, it is %s; %s", d.name, won, status, got)
	}
}

func adminFromOutside(s *siege) figures {
	h := newStronghold(s, false)
	tried := 0
	paths := []string{
		"GET /admin/export", "POST /admin/apply", "GET /admin/audit", "GET /admin/keys", "POST /admin/keys/rotate", "POST /admin/erase", "POST /admin/personal-data", "GET /admin/locks", "POST /admin/locks/release",
		"GET /admin/stats", "GET /admin/tokens", "GET /metrics", "GET /debug/pprof/", "GET /debug/pprof/heap", "GET /debug/vars", "GET /admin/", "GET /admin",
	}
	for _, authorization := range []string{"", "Bearer " + serveKey, basicAuth("admin", "admin"), basicAuth("root", ""), "Bearer admin", "Bearer " + strings.ToUpper(adminToken), "Bearer " + adminToken + "0"} {
		for _, call := range paths {
			method, path, _ := strings.Cut(call, " ")
			r := h.admin.send(method, path, serveTenants, "Authorization", authorization)
			tried++
			if r.status != http.StatusUnauthorized && r.status != http.StatusNotFound && r.status != http.StatusTooManyRequests {
				s.Errorf("admin listener: %s with %q is answered %d %s", call, authorization, r.status, r.body)
			}
		}
	}
	for _, call := range paths {
		method, path, _ := strings.Cut(call, " ")
		for _, c := range []*client{h.client, s.c[0]} {
			r := c.send(method, path, "", "Authorization", "Bearer "+adminToken)
			tried++
			if r.status != http.StatusNotFound {
				s.Errorf("public listener: %s with the admin token is answered %d %s", call, r.status, r.body)
			}
		}
	}
	if r := h.admin.send("GET", "/admin/export", "", "Authorization", "Bearer "+adminToken); r.status != http.StatusOK {
		s.Errorf("the admin token itself is answered %d %s", r.status, r.body)
	}
	return figures{over: "admin and public listener", counted: fmt.Sprintf("%d calls refused; none of it on the public listener", tried)}
}

func forgedReceipts(s *siege) figures {
	h := newStronghold(s, false)
	id, code := h.code(s)
	name := h.gateway.all()[0].name
	const secret = "?key=k3y-of-our-choice"
	state := func() string {
		var events []string
		one := siege{T: s.T, world: s.world, c: []*client{h.client}}
		v := one.look(id)
		for _, e := range v.Timeline {
			events = append(events, e.Event)
		}
		return v.Status + ": " + strings.Join(events, " ")
	}
	eventually(s.T, 10*time.Second, "the message is noted as sent", func() bool { return strings.Contains(state(), " sent") })
	before := state()
	tried := 0
	var all sync.WaitGroup // one of an unknown message is held for a while: its message may be on its way
	for _, call := range [][2]string{
		{"", name}, {"?key=", name}, {"?key=wrong", name}, {"?key=k3y-of-our-choicE", name}, {"?KEY=k3y-of-our-choice", name}, {"?key=wrong&key=k3y-of-our-choice", name}, {secret, "copy-77"}, {secret, ""}, {secret, id},
	} {
		for _, state := range []string{"delivered", "failed", "approved"} {
			tried++
			all.Go(func() {
				r := h.client.send("POST", "/receipts/sandbox"+call[0], fmt.Sprintf(`{"id":%q,"state":%q}`, call[1], state), "Content-Type", jsonType)
				if r.status >= 500 || r.status == 0 || call[0] != secret && r.status/100 == 2 {
					s.Errorf("%v is answered %d %s", call, r.status, r.body)
				}
			})
		}
	}
	all.Wait()
	if now := state(); now != before {
		s.Errorf("forged receipts made %q of %q", now, before)
	}
	for range 3 {
		if r := h.client.send("POST", "/receipts/sandbox"+secret, fmt.Sprintf(`{"id":%q,"state":"delivered"}`, name), "Content-Type", jsonType); r.status != http.StatusOK {
			s.Errorf("a good receipt is answered %d %s", r.status, r.body)
		}
	}
	eventually(s.T, 10*time.Second, "the receipt is noted", func() bool { return strings.Contains(state(), " delivered") })
	if now := state(); strings.Count(now, " delivered") != 1 {
		s.Errorf("a repeated receipt made %q", now)
	}
	if v, r := nativeTongue.check(h.client, id, code); v != approved {
		s.Errorf("the right code is answered %d %s", r.status, r.body)
	}
	return figures{over: "receipts of a gateway; dialects have none", counted: fmt.Sprintf("%d forged: no change; one good one given 3 times: noted once", tried)}
}
