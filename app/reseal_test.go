package app

import (
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/aldaba-otp/aldaba/otp"
)

const sealedShop = `
providers:
  - {name: box, type: inbox}
  - {name: own, type: webhook, url: "https://app.example/messages", secret: whsec_c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0}
tenants:
  - name: shop
    home: VE
    countries: ["*"]
    routes: [{channel: sms, providers: [box]}, {channel: email, providers: [own]}]
    webhooks: [{url: "https://app.example/hooks", secret: whsec_aG9va3NlY3JldGhvb2tzZWNyZXRob29rc2Vj, previous_secret: whsec_c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0}]
    contacts: [{id: c1, sms: "+584121234567"}]
`

// TestSealedAnewAndRetired rotates, has everything that lives long sealed anew,
// and takes the old key out as soon as nothing needs it (T72).
func TestSealedAnewAndRetired(t *testing.T) {
	t.Parallel()
	a := running(t, Options{})
	apply(t, a, sealedShop, false)
	_, err := a.Service.Start(t.Context(), otp.StartRequest{Caller: otp.Caller{Tenant: "shop"}, Dialect: otp.NativeDialect, To: "+584121234567"})
	if err != nil {
		t.Fatal(err)
	}
	states := func() (old KeyState, young string) {
		t.Helper()
		all, err := a.KeyStates(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, k := range all {
			switch {
			case k.Use == otp.UseSeal && k.State == "old":
				old = k
			case k.Use == otp.UseSeal && k.State == "in use":
				young = k.ID
			}
		}
		return old, young
	}
	if status, body := call(t, "POST", "http://"+a.AdminAddr()+"/admin/keys/rotate", token, `{"uses":["seal"],"activate":true}`); status != http.StatusOK {
		t.Fatalf("%d %s", status, body)
	}
	old, young := states()
	if got := strings.Join(old.Needs, "; "); !strings.Contains(got, "1 contacts") || !strings.Contains(got, "provider own") ||
		!strings.Contains(got, "a webhook of tenant shop") || !strings.Contains(got, "verifications") {
		t.Errorf("the old key is needed by %q", got)
	}
	own := a.carriers["own"].provider
	done, err := a.ResealNow(t.Context())
	if err != nil || done != (Resealed{Contacts: 1, Secrets: 3}) {
		t.Errorf("%+v, %v", done, err)
	}
	if again, err := a.ResealNow(t.Context()); err != nil || again != (Resealed{}) {
		t.Errorf("again %+v, %v", again, err)
	}
	a.reloading.Lock()
	if a.carriers["own"].provider != own {
		t.Error("the provider was opened anew, and its connections cut")
	}
	a.reloading.Unlock()
	if diff := apply(t, a, sealedShop, false); diff != "" {
		t.Errorf("the same file changes %q", diff)
	}
	old, _ = states()
	if len(old.Needs) != 1 || !strings.Contains(old.Needs[0], "verifications") {
		t.Errorf("the old key is needed by %q", old.Needs)
	}

	retire := func(key string) (int, string) {
		return call(t, "POST", "http://"+a.AdminAddr()+"/admin/keys/retire", token, `{"key":"`+key+`","use":"seal"}`)
	}
	if status, body := retire(young); status != http.StatusUnprocessableEntity || !strings.Contains(body, "youngest") {
		t.Errorf("the key in use: %d %s", status, body)
	}
	if status, body := retire(old.ID); status != http.StatusUnprocessableEntity || !strings.Contains(body, "it can go from") {
		t.Errorf("too early: %d %s", status, body)
	}
	a.Clock.Advance(time.Hour)
	if status, body := retire(old.ID); status != http.StatusUnprocessableEntity || !strings.Contains(body, "still needed by: verifications") {
		t.Errorf("needed: %d %s", status, body)
	}
	if _, err := a.Erase(t.Context(), "shop", "+584121234567"); err != nil {
		t.Fatal(err)
	}
	if status, body := retire(old.ID); status != http.StatusOK {
		t.Fatalf("%d %s", status, body)
	}
	data, err := os.ReadFile(a.o.KeysFile)
	if err != nil {
		t.Fatal(err)
	}
	ring, err := otp.ParseRing(data)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range []*otp.Ring{ring, a.Service.Ring()} {
		if n := len(r.Keys()); n != 4 {
			t.Errorf("%d keys are left", n)
		}
	}
	if got := contact(t, a, "shop", "c1"); got != "+584121234567 " {
		t.Errorf("contact %q", got)
	}
	if err := a.reload(t.Context()); err != nil {
		t.Errorf("the configuration without the old key: %v", err)
	}
}
