package app

import (
	"crypto/rand"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/aldaba-otp/aldaba/app/config"
	"github.com/aldaba-otp/aldaba/internal/hook"
	"github.com/aldaba-otp/aldaba/otp"
	"github.com/aldaba-otp/aldaba/store"
)

const (
	hookKey  = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	hookKey2 = "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
)

// hooked has a provider with secrets and a tenant with a webhook.
const hooked = `
providers:
  - {name: box, type: inbox}
  - {name: own, type: webhook, url: "https://app.example/messages", secret: ` + hookKey + `, secret_headers: {X-Key: TOPSECRET}, receipts: true}
tenants:
  - name: shop
    home: VE
    routes: [{channel: sms, providers: [own, box]}]
    webhooks: [{url: "https://app.example/hooks", secret: ` + hookKey + `, events: [approved]}]
`

// provider returns the carrier in force under a name.
func provider(t *testing.T, a *App, name string) any {
	t.Helper()
	p, ok := a.Courier.Provider(name)
	if !ok {
		t.Fatalf("there is no provider %s", name)
	}
	return p
}

func TestAnUnrelatedChangeLeavesProvidersAlone(t *testing.T) {
	t.Parallel()
	a := open(t, Options{})
	apply(t, a, hooked, false)
	before := provider(t, a, "own")
	apply(t, a, "providers: [{name: more, type: inbox}]\ntenants: [{name: shop, brand: Shop}]", false)
	if provider(t, a, "own") != before {
		t.Error("a provider was opened anew for a change elsewhere")
	}
	if diff := apply(t, a, strings.Replace(hooked, "TOPSECRET", "TOPSECRET2", 1), false); diff != "~ provider own: secret_headers.X-Key" {
		t.Errorf("difference %q", diff)
	}
	if provider(t, a, "own") == before {
		t.Error("a provider with another secret is as before")
	}
}

func TestSecretsRestSealedAndComeBack(t *testing.T) {
	t.Parallel()
	a := open(t, Options{})
	apply(t, a, hooked, false)
	docs, _, err := a.Store.ReadDocuments(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range docs {
		if strings.Contains(string(d.Body), "TOPSECRET") || strings.Contains(string(d.Body), "whsec_") {
			t.Errorf("%s %s holds a secret: %s", d.Kind, d.Name, d.Body)
		}
	}
	text, err := a.Export(t.Context())
	if err != nil || strings.Contains(string(text), "TOPSECRET") || strings.Contains(string(text), "whsec_") || strings.Count(string(text), "_sealed") != 4 {
		t.Errorf("%v\n%s", err, text)
	}
	if diff := apply(t, a, string(text), false) + apply(t, a, hooked, false); diff != "" {
		t.Errorf("difference %q", diff)
	}
	// Another server on the same ring takes the export as it is.
	b := open(t, Options{})
	if diff := apply(t, b, string(text), false); !strings.Contains(diff, "+ provider own") {
		t.Errorf("difference %q", diff)
	}
	provider(t, b, "own")
}

func TestProvidersKnowWhereTheyAreCalled(t *testing.T) {
	t.Parallel()
	for base, want := range map[string]string{"": "", "https://otp.example.com": "https://otp.example.com/receipts/own"} {
		if got := (&App{o: Options{PublicURL: base}}).callbackURL("own"); got != want {
			t.Errorf("%q: %q", base, got)
		}
	}
}

func TestWebhooksOnlyWhereTheyMay(t *testing.T) {
	t.Parallel()
	mine := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	for _, c := range []struct {
		url   string
		allow []netip.Prefix
		want  string
	}{
		{"https://app.example/hooks?x=TOPSECRET", nil, ""},
		{"http://app.example/hooks", nil, "must be an https URL"},
		{"http://10.1.2.3/hooks", mine, ""},
		{"https://127.0.0.1/TOPSECRET", mine, "must be a public address"},
		{"https://10.1.2.3/TOPSECRET", nil, "must be a public address"},
		{"https://user:TOPSECRET@app.example/", nil, "must have no user name or password"},
	} {
		err := (&App{o: Options{WebhookAllow: c.allow}}).checkWebhookURL(c.url)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.HasPrefix(err.Error(), c.want) || strings.Contains(err.Error(), "TOPSECRET")) {
			t.Errorf("%s: %v", c.url, err)
		}
	}
	file, err := config.ParseTenants("f.yaml", []byte(strings.Replace(hooked, "https://app.example/hooks", "http://app.example/TOPSECRET", 1)), ProviderSecrets)
	if err == nil {
		_, err = open(t, Options{}).Apply(t.Context(), file, true)
	}
	if err == nil || !strings.Contains(err.Error(), "f.yaml:9: tenants[0].webhooks[0].url: must be an https URL") || strings.Contains(err.Error(), "TOPSECRET") {
		t.Errorf("%v", err)
	}
}

// TestAWebhooksSecretChangesOver: an application that knows the old secret only goes
// on hearing what is signed with both.
func TestAWebhooksSecretChangesOver(t *testing.T) {
	t.Parallel()
	e, url := newEar(t)
	a := running(t, Options{WebhookAllow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}})
	for n, secrets := range []string{"secret: " + earSecret, "secret: " + hookKey2 + ", previous_secret: " + earSecret, "secret: " + earSecret + ", previous_secret: " + hookKey2} {
		path := fmt.Sprintf("/%d", n)
		apply(t, a, shop+"    webhooks: [{url: \""+url+path+"\", "+secrets+", events: [started]}]\n", false)
		started(t, "http://"+a.Addr(), shopKey, fmt.Sprintf("+58412123456%d", n))
		e.wait(t, path, "verification.started")
	}
}

func TestAWebhookIsSwitchedOnAgain(t *testing.T) {
	t.Parallel()
	a := running(t, Options{})
	apply(t, a, hooked, false)
	const path = "/admin/webhooks/enable"
	for _, c := range []struct {
		name, token, body string
		status            int
		want              string
	}{
		{"no token", "", "{}", 401, "the admin token"},
		{"it is on", token, `{"tenant":"shop","url":"https://app.example/hooks"}`, 200, `{"was_off":false}`},
		{"no such webhook", token, `{"tenant":"shop","url":"https://app.example/other"}`, 404, "no such webhook"},
		{"no such tenant", token, `{"tenant":"none","url":"https://app.example/hooks"}`, 404, "no such webhook"},
		{"nothing", token, "", 400, "give {"},
		{"half", token, `{"tenant":"shop"}`, 400, "give {"},
		{"more", token, `{"tenant":"shop","url":"x","force":true}`, 400, "give {"},
	} {
		if status, body := call(t, "POST", "http://"+a.AdminAddr()+path, c.token, c.body); status != c.status || !strings.Contains(body, c.want) {
			t.Errorf("%s: %d %s", c.name, status, body)
		}
	}
	m := otp.Message{ID: otp.ID{1}, Tenant: "shop", Kind: otp.EventMessage, Owner: a.self, Progress: otp.Progress{Provider: "https://app.example/hooks"}}
	m.Created = a.Clock.Now()
	m.Expires, m.NextAt = m.Created.Add(time.Hour), m.Created.Add(time.Hour)
	err := a.Store.Do(t.Context(), otp.Step{Load: otp.Keys{Messages: []otp.ID{m.ID}}, Decide: func(_ time.Time, st *otp.State) error {
		st.Messages.Put(m.ID, m)
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := a.Service.Noticed(t.Context(), m, otp.Telling{Gone: true}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`{"was_off":true}`, `{"was_off":false}`} {
		if _, body := call(t, "POST", "http://"+a.AdminAddr()+path, token, `{"tenant":"shop","url":"https://app.example/hooks"}`); strings.TrimSpace(body) != want {
			t.Errorf("%s, want %s", body, want)
		}
	}
}

func TestFreshWebhookSecretsAreGood(t *testing.T) {
	t.Parallel()
	one, err := NewWebhookSecret()
	if err != nil || hook.CheckSecret(one) != nil {
		t.Errorf("%q, %v", one, err)
	}
	if two, err := NewWebhookSecret(); err != nil || two == one {
		t.Errorf("%q twice, %v", one, err)
	}
}

func TestSecretsOfTypesAreKnownToTheCommandLine(t *testing.T) {
	t.Parallel()
	if got := ProviderSecrets("webhook"); len(got) == 0 {
		t.Error("the webhook has no secrets")
	}
	if got := append(ProviderSecrets("inbox"), ProviderSecrets("pigeon")...); len(got) != 0 {
		t.Errorf("secrets %v", got)
	}
}

func TestASecretSealedUnderALaterKeyOpensWithIt(t *testing.T) {
	t.Parallel()
	a := open(t, Options{})
	ring, err := a.Service.Ring().Rotate(a.Clock.Now(), rand.Reader, true, otp.UseSeal)
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := ring.SealText(a.Clock.Now(), rand.Reader, "provider own secret", hookKey)
	if err != nil {
		t.Fatal(err)
	}
	_, version, err := a.Store.ReadDocuments(t.Context())
	if err == nil { // as another server does it that has the ring already
		body := []byte(`{"name":"own","type":"webhook","settings":{"url":"https://app.example/","secret_sealed":"` + sealed + `"}}`)
		_, err = a.Store.WriteDocuments(t.Context(), version, []store.Document{{Kind: kindProvider, Name: "own", Body: body}})
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := a.reload(t.Context()); err == nil || !strings.Contains(err.Error(), "provider own: the sealed setting secret cannot be opened with this key ring") {
		t.Errorf("without the key: %v", err)
	}
	data, err := ring.MarshalJSON()
	if err == nil {
		err = replaceFile(a.o.KeysFile, data)
	}
	if err == nil {
		err = a.rereadRing(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	if v, err := a.Store.DocumentsVersion(t.Context()); err != nil || v == a.configured.Load() {
		t.Errorf("the configuration is not to be read again: version %d, %v", v, err)
	}
	if err := a.reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	provider(t, a, "own")
}
