package e2e

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aldaba-otp/aldaba/app"
)

// The contract of `aldaba dev` (docs/architecture.md), line by line.

var bearer = []string{"Authorization", "Bearer demo-key", "Content-Type", "application/json"}

// now reads the server's clock.
func (c *client) now() time.Time {
	c.t.Helper()
	at, err := time.Parse(time.RFC3339Nano, c.must("GET", "/dev/clock", "").member("now"))
	if err != nil {
		c.t.Fatal(err)
	}
	return at
}

func TestTheStateSurvivesARestart(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, e engine) {
		o := app.DevOptions{Data: folder(t), Database: e.database(t)}
		s := run(t, o)
		to := fresh()
		id, _ := nativeTongue.start(s.client, to)
		m := s.newest(to)
		s.advance(100 * time.Second)
		before := s.now()
		exported, err := s.dev.Export(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		s.stop()

		s = run(t, o)
		if now := s.now(); now.Before(before) || now.After(before.Add(time.Minute)) {
			t.Errorf("the clock was at %v and is at %v", before, now)
		}
		if left := s.inbox(""); len(left) != 0 {
			t.Errorf("the inbox still has %v", left)
		}
		again, err := s.dev.Export(t.Context())
		if err != nil || string(again) != string(exported) {
			t.Errorf("the configuration changed (%v) from\n%s\nto\n%s", err, exported, again)
		}
		if v, r := nativeTongue.check(s.client, id, m.code()); v != approved {
			t.Errorf("the code from before is answered %d %s", r.status, r.body)
		}
		s.stop()

		s = run(t, o)
		if v, r := nativeTongue.check(s.client, id, m.code()); v != over || r.member("outcome") != "used" {
			t.Errorf("the used code is answered %d %s", r.status, r.body)
		}
	})
}

func TestTwoServersShareADatabaseAndAFolder(t *testing.T) {
	t.Parallel()
	p := pair(t)
	for _, l := range tongues {
		to := fresh()
		id, r := l.start(p[0].client, to)
		if id == "" {
			t.Fatalf("%s: the start is answered %d %s", l.name, r.status, r.body)
		}
		if elsewhere := p[1].inbox(to); len(elsewhere) != 0 {
			t.Errorf("%s: the other process carried what this one committed: %v", l.name, elsewhere)
		}
		code := p[0].newest(to).code()
		if v, r := l.check(p[1].client, id, wrongCode(code)); v != wrong {
			t.Errorf("%s: a wrong code at the other server is answered %d %s", l.name, r.status, r.body)
		}
		if v, r := l.check(p[1].client, id, code); v != approved {
			t.Errorf("%s: the right code at the other server is answered %d %s", l.name, r.status, r.body)
		}
		if v, r := l.check(p[0].client, id, code); v == approved {
			t.Errorf("%s: the used code is answered %d %s", l.name, r.status, r.body)
		}
	}
}

func TestInboxShowsWhatArrived(t *testing.T) {
	t.Parallel()
	s := start(t, engines[0])
	to := fresh()
	first, _ := nativeTongue.start(s.client, to)
	second, _ := modicaTongue.start(s.client, to)
	s.send("POST", "/v1/verifications", `{"to":"`+to+`"}`, "Authorization", "Bearer globex-key", "Content-Type", "application/json")
	s.send("POST", "/v1/verifications", `{"to":"ana@example.com"}`, bearer...)

	list := s.inbox(to)
	if len(list) != 3 || list[0].Tenant != "globex" || list[1].Verification != second || list[2].Verification != first {
		t.Fatalf("the inbox has %+v", list)
	}
	for _, m := range list {
		created, err := time.Parse(time.RFC3339Nano, m.Created)
		if m.ID == "" || err != nil || time.Since(created).Abs() > time.Minute || m.Channel != "sms" || m.To != to || m.code() == "" {
			t.Errorf("the message is %+v", m)
		}
	}
	body := s.must("GET", "/dev/inbox?to="+to, "").body // the + of a number is a space in a query
	for _, name := range []string{"id", "created", "tenant", "channel", "to", "from", "subject", "body", "verification_id"} {
		if strings.Count(body, `"`+name+`":`) != 3 {
			t.Errorf("member %s is missing: %s", name, body)
		}
	}
	if list := s.inbox(to, "&tenant=acme"); len(list) != 2 {
		t.Errorf("acme has %+v", list)
	}
	if list := s.inbox(to, "&limit=1"); len(list) != 1 || list[0].Tenant != "globex" {
		t.Errorf("the newest is %+v", list)
	}
	if mail := s.inbox("ana@example.com"); len(mail) != 1 || mail[0].Channel != "email" || mail[0].Subject == "" {
		t.Errorf("the mail is %+v", mail)
	}
	page := s.send("GET", "/dev/inbox", "", "Accept", "text/html,application/xhtml+xml,*/*;q=0.8")
	if !strings.HasPrefix(page.header.Get("Content-Type"), "text/html") || page.header.Get("Refresh") == "" || !strings.Contains(page.body, list[0].code()) {
		t.Errorf("a browser gets %v %s", page.header, page.body)
	}
	if r := s.send("DELETE", "/dev/inbox", ""); r.status != http.StatusNoContent || len(s.inbox("")) != 0 {
		t.Errorf("emptied: %d %v", r.status, s.inbox(""))
	}
	for _, limit := range []string{"0", "-1", "x", "1e3"} {
		if r := s.send("GET", "/dev/inbox?limit="+limit, ""); r.status != http.StatusBadRequest {
			t.Errorf("limit=%s is answered %d", limit, r.status)
		}
	}
}

func TestInboxHoldsFiftyUnlessAskedForMore(t *testing.T) {
	t.Parallel()
	s := start(t, engines[0])
	for range 55 {
		nativeTongue.start(s.client, fresh())
	}
	if n, more := len(s.inbox("")), len(s.inbox("", "&limit=100")); n != 50 || more != 55 {
		t.Errorf("%d and %d messages are shown", n, more)
	}
}

func TestClockMovesForwardOnly(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, e engine) {
		s := start(t, e)
		for _, l := range tongues {
			to := fresh()
			id, _ := l.start(s.client, to)
			code := s.newest(to).code()
			before := s.now()
			s.advance(601 * time.Second)
			if gone := s.now().Sub(before); gone < 601*time.Second || gone > 630*time.Second {
				t.Errorf("the clock moved by %v", gone)
			}
			if v, r := l.check(s.client, id, code); v != over {
				t.Errorf("%s: an expired code is answered %d %s", l.name, r.status, r.body)
			}
		}
		for _, body := range []string{`{"advance":"-1s"}`, `{"advance":"soon"}`, `{"advance":1}`, `{}`, ``, `[]`} {
			if r := s.send("POST", "/dev/clock", body); r.status != http.StatusBadRequest {
				t.Errorf("%s is answered %d %s", body, r.status, r.body)
			}
		}
		if kept, err := os.ReadFile(filepath.Join(s.data, "clock.json")); err != nil || !strings.Contains(string(kept), "h") {
			t.Errorf("the data folder keeps %s, %v", kept, err)
		}
	})
}

func TestLimitsAreForgotten(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, e engine) {
		s := start(t, e)
		for _, l := range tongues {
			to := fresh()
			for i := range 12 {
				id, r := l.start(s.client, to)
				if throttled := i%6 == 5; throttled != (r.status == 429) || throttled && r.header.Get("Retry-After") == "" {
					t.Fatalf("%s: start %d is answered %d %v %s", l.name, i, r.status, r.header, r.body)
				} else if throttled {
					s.forgive()
				} else if id == "" {
					t.Fatalf("%s: start %d has no id: %s", l.name, i, r.body)
				}
			}
		}
	})
}

func TestSimulatorFailsAndHeals(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, e engine) {
		s := start(t, e)
		r := s.must("PUT", "/dev/simulator", `{"fail":"unavailable","delay":"0s","receipt":"none"}`)
		if r.member("fail") != "unavailable" || r.member("receipt") != "none" {
			t.Errorf("the setting is answered %s", r.body)
		}
		to := fresh()
		id, r := nativeTongue.start(s.client, to)
		if id == "" {
			t.Fatalf("a start is answered %d %s", r.status, r.body)
		}
		if list := s.inbox(to); len(list) != 0 {
			t.Errorf("a failing carrier delivered %v", list)
		}
		s.must("PUT", "/dev/simulator", `{"fail":""}`)
		s.advance(10 * time.Second)
		if v, r := nativeTongue.check(s.client, id, s.newest(to).code()); v != approved {
			t.Errorf("the late code is answered %d %s", r.status, r.body)
		}

		s.must("PUT", "/dev/simulator", `{"delay":"20s"}`)
		to = fresh()
		nativeTongue.start(s.client, to)
		if list := s.inbox(to); len(list) != 0 {
			t.Errorf("a slow carrier delivered %v", list)
		}
		s.must("PUT", "/dev/simulator", `{}`)
		s.advance(30 * time.Second)
		eventually(t, 10*time.Second, "the slow message arrives", func() bool { return len(s.inbox(to)) > 0 })
		for _, body := range []string{`{"fail":"maybe"}`, `{"delay":"x"}`, `{"delay":"-1s"}`, `{"receipt":"lost"}`, `{"other":""}`, `{"fail":1}`, `[]`} {
			if r := s.send("PUT", "/dev/simulator", body); r.status != http.StatusBadRequest {
				t.Errorf("%s is answered %d %s", body, r.status, r.body)
			}
		}
	})
}

func TestEveryDemoCredentialWorks(t *testing.T) {
	t.Parallel()
	s := start(t, engines[0])
	const js = "application/json"
	calls := []struct {
		path, body, kind, authorization, want string
		status                                int
	}{
		{"/v1/verifications", `{"to":"$to"}`, js, "Bearer globex-key", `"pending"`, 201},
		{"/otp/1.0/send", `{"idConversation":900001,"values":[{"key":"COD1_PHONE","value":"$to"}],"type":1,"length":6,"secondsExpiration":300}`, js, basicAuth("demo@globex", "globex-password"), `"responseCode":"01"`, 200},
		{"/otp/1.0/send", `{"idConversation":824542,"values":[{"key":"COD1_PHONE","value":"$to"}],"type":1,"length":6,"secondsExpiration":300}`, js, basicAuth("demo@acme", "demo-password"), `"responseCode":"07"`, 200},
		{"/rest/2fa/challenges", `{"destination":"$to"}`, js, basicAuth("globex", "globex-password"), `"id"`, 201},
		{"/connect/token", "grant_type=client_credentials&client_id=globex&client_secret=globex-secret", form, "", "access_token", 200},
		{"/oauth2/token", "grant_type=client_credentials", form, basicAuth("globex", "globex-secret"), "access_token", 200},
		{"/oauth2/token", "grant_type=client_credentials", form, basicAuth("demo", "demo-secret"), "access_token", 200},
		{"/api/get-api/v1/OTP-api", "accountnumber=100300&apikey=7Q2W00ZK9LMNPAB&ref_id=tpl1&phone_number=$num", form, "", `"022"`, 200},
		{"/api/get-api/v1/OTP-api", "accountnumber=100201&apikey=5E41E00J6KMXAB0&ref_id=tpl1&phone_number=$num", form, "", `"021"`, 200},
	}
	for _, call := range calls {
		to := fresh()
		r := s.send("POST", call.path, strings.NewReplacer("$to", to, "$num", to[1:]).Replace(call.body), "Content-Type", call.kind, "Authorization", call.authorization)
		if r.status != call.status || !strings.Contains(r.body, call.want) {
			t.Errorf("%s as %s is answered %d %s", call.path, call.authorization, r.status, r.body)
		}
	}
	token := s.send("POST", "/connect/token", "grant_type=client_credentials&client_id=demo&client_secret=demo-secret", "Content-Type", form).member("access_token")
	for path, want := range map[string]string{
		`4711/verification-key/send {"channel":"Sms"}`: "+41791234567", `4711/verification-key/send {"channel":"Email"}`: "ana@example.com",
		`4712/verification-key/send {"channel":"Email"}`:                                                     "luis@example.com",
		`4711/verification-key/pending-communication-channel/send {"channel":"Sms","sessionId":"pending-1"}`: "+41797654321",
	} {
		path, body, _ := strings.Cut(path, " ")
		r := s.send("POST", "/v1.0/contacts/"+path, body, "Authorization", "Bearer "+token)
		if r.status != 200 || len(s.inbox(want)) == 0 {
			t.Errorf("%s %s is answered %d %s", path, body, r.status, r.body)
		}
	}
	for _, l := range tongues {
		to := fresh()
		id, r := l.start(s.client, to)
		if id == "" {
			t.Fatalf("%s: the start is answered %d %s", l.name, r.status, r.body)
		}
		if v, r := l.check(s.client, id, s.newest(to).code()); v != approved {
			t.Errorf("%s: the check is answered %d %s", l.name, r.status, r.body)
		}
	}
}

func TestFilesAreAppliedAfterTheDemo(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	files := []string{filepath.Join(dir, "a.yaml"), filepath.Join(dir, "b.yaml")}
	for i, text := range []string{
		"tenants:\n  - {name: initech, home: DE, credentials: [{type: api_key, key: one-key}]}\n",
		"tenants:\n  - {name: initech, credentials: [{type: api_key, key: two-key}]}\n",
	} {
		if err := os.WriteFile(files[i], []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s := start(t, engines[0], files...)
	for key, want := range map[string]int{"one-key": 401, "two-key": 201, "demo-key": 201} {
		r := s.send("POST", "/v1/verifications", `{"to":"+491712345678"}`, "Authorization", "Bearer "+key, "Content-Type", "application/json")
		if r.status != want {
			t.Errorf("%s is answered %d %s", key, r.status, r.body)
		}
	}
}
