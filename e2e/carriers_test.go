package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

// rig is a provider with its counterpart.
type rig struct {
	provider string                   // in a tenants file, named carrier
	read     func(to string) []string // the texts that the counterpart's people have
	reports  bool                     // receipts come back
	mail     bool
}

// rigs are the carriers, each with a counterpart that others wrote.
var rigs = []struct {
	name string
	open func(t *testing.T, d *door) rig
}{
	{"smtp to aiosmtpd", func(t *testing.T, _ *door) rig {
		address, read := maildir(t)
		return rig{provider: smtpProvider(address), read: read, mail: true}
	}},
	{"smtp to maildev", func(t *testing.T, _ *door) rig {
		address, read := maildev(t)
		return rig{provider: smtpProvider(address), read: read, mail: true}
	}},
	{"smpp to a centre of npm", func(t *testing.T, _ *door) rig {
		c := newCenter(t)
		return rig{provider: smppProvider(c), read: c.read, reports: true}
	}},
	{"http to Kannel", func(t *testing.T, _ *door) rig {
		c := newCenter(t)
		return rig{provider: fmt.Sprintf(`
  - name: carrier
    type: http
    preset: kannel
    base_url: %s
    from: "12345"
    vars: {username: tester}
    secrets: {password: tester-secret, callback_key: k3y-of-our-choice}
`, newKannel(t, c)), read: c.read, reports: true}
	}},
	{"webhook to an application", func(t *testing.T, d *door) rig {
		a := newApplication(t, d)
		return rig{provider: fmt.Sprintf(`
  - name: carrier
    type: webhook
    url: %s/messages
    secret: %s
    allow: [127.0.0.0/8]
    receipts: true
`, a.url, hookSecret), read: a.phones.read, reports: true}
	}},
}

func smtpProvider(address string) string {
	return fmt.Sprintf(`
  - {name: carrier, type: smtp, address: %q, tls: none, from: "Acme <no-reply@acme.example>"}
`, address)
}

func smppProvider(c *center) string {
	return fmt.Sprintf(`
  - {name: carrier, type: smpp, address: "127.0.0.1:%s", system_id: aldaba, password: hush-hus, source: Acme}
`, c.port)
}

// carrierTenants is acme with one carrier and an application that hears of
// events.
func carrierTenants(provider, hook string) string {
	return "providers:" + provider + `
tenants:
  - name: acme
    home: VE
    countries: ["*"]
    limits: {rate: off}
    fraud_watch: {mode: off}
    policy: compatible
    routes: [{channel: sms, providers: [carrier]}, {channel: email, providers: [carrier]}]
    webhooks: [{url: ` + hook + `, secret: ` + hookSecret + `, events: [approved]}]
    profiles:
      - {name: default}
      - {name: login, aliases: {danaconnect: [824541], unityvox: [tpl1], modica: [demo], additiv: [login-sms]}, fields: {COD1_PHONE: sms, COD1_EMAIL: email}}
    credentials:
      - {type: api_key, key: ` + serveKey + `}
      - {type: danaconnect, login: demo@acme, password: demo-password}
      - {type: oauth2, client_id: demo, client_secret: demo-secret}
      - {type: modica, application: demo, password: demo-password}
      - {type: unityvox, account: "100200", key: 4D41E00J6KMXABS}
`
}

const hookSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwaSwaSwaSwaQ="

// application is a tenant's own: it carries messages by itself, and hears of
// events.
type application struct {
	url    string
	phones *phones
	door   *door
	sender *standardwebhooks.Webhook
	posts  sync.WaitGroup

	mu     sync.Mutex
	events map[string]int // heard, by kind and verification
	forged int
}

func newApplication(t *testing.T, d *door) *application {
	t.Helper()
	signer, err := standardwebhooks.NewWebhook(hookSecret)
	if err != nil {
		t.Fatal(err)
	}
	a := &application{phones: newPhones(), door: d, sender: signer, events: map[string]int{}}
	s := httptest.NewServer(a)
	t.Cleanup(func() {
		s.Close()
		a.posts.Wait()
	})
	a.url = s.URL
	return a
}

// ServeHTTP implements [http.Handler] as the standard's own library advises.
func (a *application) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	if err := a.sender.Verify(body, r.Header); err != nil {
		a.mu.Lock()
		a.forged++
		a.mu.Unlock()
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	var event struct {
		Type string
		Data struct{ ID, To, Body string }
	}
	if json.Unmarshal(body, &event) != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	if event.Type == "message.send" {
		a.phones.show(event.Data.To, event.Data.Body)
		a.posts.Go(func() { a.report(event.Data.ID) })
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.events[event.Type+" "+event.Data.ID]++
}

// report says that a message arrived. Should nobody hear it, the test misses
// the receipt.
func (a *application) report(id string) {
	body, at := fmt.Sprintf(`{"id":%q,"state":"delivered"}`, id), time.Now()
	signature, err := a.sender.Sign(id, at, []byte(body))
	if err != nil {
		return
	}
	r, err := http.NewRequest(http.MethodPost, a.door.url+"/receipts/carrier", strings.NewReader(body))
	if err != nil {
		return
	}
	r.Header.Set(standardwebhooks.HeaderWebhookID, id)
	r.Header.Set(standardwebhooks.HeaderWebhookTimestamp, fmt.Sprint(at.Unix()))
	r.Header.Set(standardwebhooks.HeaderWebhookSignature, signature)
	if answer, err := http.DefaultClient.Do(r); err == nil {
		_ = answer.Body.Close()
	}
}

// heard tells how often an event was told, and how many calls were forged.
func (a *application) heard(event, id string) (times, forged int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.events[event+" "+id], a.forged
}

// carried is a server with one carrier, and an application that hears of events.
type carried struct {
	served

	rig rig
	app *application
}

func serveWith(t *testing.T, database string, d *door, r rig) (carried, site) {
	t.Helper()
	a := newApplication(t, d)
	s := newSite(t, database, "public_url: "+d.url, "webhooks: {allow: [127.0.0.0/8]}")
	p := s.serve(t)
	p.apply(t, carrierTenants(r.provider, a.url+"/events"))
	d.open(t, p.base)
	return carried{p, r, a}, s
}

// TestEachCarrierCarriesEachLanguage takes every code from the counterpart's
// own record of what arrived.
func TestEachCarrierCarriesEachLanguage(t *testing.T) {
	t.Parallel()
	for _, one := range rigs {
		t.Run(strings.ReplaceAll(one.name, " ", "_"), func(t *testing.T) {
			t.Parallel()
			d := newDoor(t)
			c, s := serveWith(t, "", d, one.open(t, d))
			for _, l := range tongues {
				if c.rig.mail && (l.name == modicaTongue.name || l.name == unityvoxTongue.name) {
					continue // these know numbers only
				}
				c.verify(t, l)
			}
			if status := c.end(t, syscall.SIGTERM); status != 0 {
				t.Errorf("it ends with %d: %s", status, c.said())
			}
			for _, m := range s.left(t, "") {
				t.Errorf("a message is left in the outbox: %+v", m)
			}
		})
	}
}

// verify proves an address in one language, from the start to the approval.
func (c carried) verify(t *testing.T, l tongue) {
	t.Helper()
	to := fresh()
	if c.rig.mail {
		to = fmt.Sprintf("ana%s@example.com", to[len(to)-7:])
	}
	id, r := l.start(c.client, to)
	if id == "" {
		t.Errorf("%s: the start is answered %d %s", l.name, r.status, r.body)
		return
	}
	var texts []string
	eventually(t, 20*time.Second, l.name+": the message arrives", func() bool {
		texts = c.rig.read(to)
		return len(texts) > 0
	})
	code := sixDigits.FindString(texts[0])
	if len(texts) != 1 || code == "" {
		t.Errorf("%s: what arrived is %q", l.name, texts)
	}
	native := c.nativeOf(t, to)
	eventually(t, 10*time.Second, l.name+": the hand-over is noted", func() bool { return c.heardOf(native, "sent") })
	if c.rig.reports {
		eventually(t, 20*time.Second, l.name+": its receipt is noted", func() bool { return c.heardOf(native, "delivered") })
	}
	if v, r := l.check(c.client, id, wrongCode(code)); v != wrong {
		t.Errorf("%s: a wrong code is answered %d %s", l.name, r.status, r.body)
	}
	if v, r := l.check(c.client, id, code); v != approved {
		t.Errorf("%s: the code is answered %d %s", l.name, r.status, r.body)
	}
	if v, r := l.check(c.client, id, code); v == approved {
		t.Errorf("%s: the second time it is answered %d %s", l.name, r.status, r.body)
	}
	eventually(t, 10*time.Second, l.name+": the application hears of the approval", func() bool {
		times, _ := c.app.heard("verification.approved", native)
		return times == 1
	})
	if _, forged := c.app.heard("", ""); forged != 0 {
		t.Errorf("%d calls were not signed", forged)
	}
}

// nativeOf returns the native API's id of the newest verification of an address.
func (c *client) nativeOf(t *testing.T, to string) string {
	t.Helper()
	list := c.send(http.MethodGet, "/v1/verifications?to="+strings.ReplaceAll(to, "+", "%2B"), "", "Authorization", "Bearer "+c.key)
	id := nativeID.FindStringSubmatch(list.body)
	if id == nil {
		t.Fatalf("no verification of %s: %d %s", to, list.status, list.body)
	}
	return id[1]
}

// TestAReceiptArrivesAtTheServerThatDidNotSend has two servers on one database,
// each with a bind of the same account: the centre answers over the other one.
func TestAReceiptArrivesAtTheServerThatDidNotSend(t *testing.T) {
	t.Parallel()
	center, d, database := newCenter(t), newDoor(t), postgres(t)
	one, s := serveWith(t, database, d, rig{provider: smppProvider(center), read: center.read, reports: true})
	other := carried{s.serve(t), one.rig, one.app}
	center.bound(t, 2)
	for _, c := range []carried{one, other, one, other} {
		c.verify(t, nativeTongue)
	}
	if center.mu.Lock(); center.elsewhere != 4 {
		t.Errorf("%d receipts, %d of them at the other server", center.receipts, center.elsewhere)
	}
	center.mu.Unlock()
	for _, p := range []served{one.served, other.served} {
		if status := p.end(t, syscall.SIGTERM); status != 0 {
			t.Errorf("it ends with %d: %s", status, p.said())
		}
	}
	for _, m := range s.left(t, database) {
		t.Errorf("a message is left in the outbox: %+v", m)
	}
}
