package app

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/aldaba-otp/aldaba/app/config"
	"github.com/aldaba-otp/aldaba/otp"
	"github.com/aldaba-otp/aldaba/otp/otptest"
	"github.com/aldaba-otp/aldaba/store"
)

func TestApplyPutsTheDirectoryInForce(t *testing.T) {
	t.Parallel()
	a := open(t, Options{})
	if diff := apply(t, a, shop, true); !strings.Contains(diff, "+ tenant shop") {
		t.Errorf("a dry run says %q", diff)
	}
	if docs, version, err := a.Store.ReadDocuments(t.Context()); err != nil || version != 1 || len(docs) != 1 {
		t.Errorf("a dry run wrote %v, version %d, %v", docs, version, err)
	}
	if _, ok := a.Service.Directory().Tenant("shop"); ok || contact(t, a, "shop", "1") != "none" {
		t.Error("a dry run changed something")
	}
	if diff := apply(t, a, shop, false); diff != "+ provider box\n+ tenant shop\n+ contact shop/1\n+ contact shop/2" {
		t.Errorf("difference %q", diff)
	}
	if _, ok := a.Service.Directory().Tenant("shop"); !ok {
		t.Error("the tenant is not in force")
	}
	if got := contact(t, a, "shop", "1") + "," + contact(t, a, "shop", "2"); got != "+584121234567 , ana@example.com" {
		t.Errorf("contacts %q", got)
	}
	if diff := apply(t, a, shop, false); diff != "" {
		t.Errorf("the same again: %q", diff)
	}
}

func TestContactsAreAddedChangedAndRemoved(t *testing.T) {
	t.Parallel()
	a := open(t, Options{})
	apply(t, a, shop, false)
	diff := apply(t, a, `
tenants:
  - name: shop
    contacts:
      - {id: 1, sms: "+584127654321"}
      - {id: 3, email: luis@example.com}
`, false)
	if diff == "" || strings.Contains(diff, "luis") || strings.Contains(diff, "7654321") {
		t.Errorf("difference %q", diff)
	}
	var got []string
	for _, id := range []string{"1", "2", "3"} {
		got = append(got, contact(t, a, "shop", id))
	}
	if want := "+584127654321 ;none; luis@example.com"; strings.Join(got, ";") != want {
		t.Errorf("contacts %q, want %q", got, want)
	}
}

func TestExportCanBeAppliedAndChangesNothing(t *testing.T) {
	t.Parallel()
	d := dev(t)
	apply(t, d.App, shop, false)
	text, err := d.Export(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{"demo-password", "demo-key", "0123456789abcdef"} {
		if strings.Contains(string(text), secret) {
			t.Errorf("the export holds %q", secret)
		}
	}
	if diff := apply(t, d.App, string(text), false); diff != "" {
		t.Errorf("difference %q", diff)
	}
}

func TestUnknownProviderTypeIsRefused(t *testing.T) {
	t.Parallel()
	a := open(t, Options{})
	for text, want := range map[string]string{
		"providers: [{name: b, type: pigeon}]":             `there is no provider type "pigeon"; this version has: inbox`,
		"providers: [{name: b, type: inbox, colour: red}]": `providers[0].colour: is no setting here`,
	} {
		f, err := config.ParseTenants("tenants.yaml", []byte(text), ProviderSecrets)
		if err == nil {
			_, err = a.Apply(t.Context(), f, false)
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", text, err)
		}
	}
	if _, version, err := a.Store.ReadDocuments(t.Context()); err != nil || version != 1 {
		t.Errorf("version %d, %v", version, err)
	}
}

// hasty changes the configuration each time just before it is written.
type hasty struct {
	store.Engine
	times int
}

// WriteDocuments implements [store.Documents].
func (h *hasty) WriteDocuments(ctx context.Context, read int64, docs []store.Document) (int64, error) {
	if h.times > 0 {
		h.times--
		body := fmt.Sprintf(`{"name":"other%d"}`, h.times)
		if _, err := h.Engine.WriteDocuments(ctx, read, []store.Document{{Kind: kindTenant, Name: fmt.Sprintf("other%d", h.times), Body: []byte(body)}}); err != nil {
			return 0, err
		}
	}
	return h.Engine.WriteDocuments(ctx, read, docs)
}

func TestStalePlanIsMadeAnew(t *testing.T) {
	t.Parallel()
	a := open(t, Options{})
	h := &hasty{a.Store.Engine, 2}
	a.Store.Engine = h
	apply(t, a, shop, false)
	for _, name := range []string{"shop", "other0", "other1"} {
		if _, ok := a.Service.Directory().Tenant(name); !ok {
			t.Errorf("there is no tenant %s", name)
		}
	}
	if h.times != 0 {
		t.Error("no plan was stale")
	}
}

func TestAdminListener(t *testing.T) {
	t.Parallel()
	a := running(t, Options{})
	base := "http://" + a.AdminAddr()
	for _, c := range []struct {
		name, method, path, token, body string
		status                          int
		want                            string
	}{
		{"health needs no token", "GET", "/healthz", "", "", 200, "ok"},
		{"ready needs no token", "GET", "/readyz", "", "", 200, "ok"},
		{"no token", "GET", "/admin/export", "", "", 401, "the admin token is missing or wrong"},
		{"wrong token", "GET", "/admin/export", token + "x", "", 401, "the admin token is missing or wrong"},
		{"no token, apply", "POST", "/admin/apply", "", shop, 401, "the admin token"},
		{"no token, rotate", "POST", "/admin/keys/rotate", "", "", 401, "the admin token"},
		{"no token, keys", "GET", "/admin/keys", "", "", 401, "the admin token"},
		{"dry run", "POST", "/admin/apply?dry_run=true", token, shop, 200, `"dry_run":true`},
		{"apply", "POST", "/admin/apply", token, shop, 200, `"+ provider box"`},
		{"apply again", "POST", "/admin/apply", token, shop, 200, `{"changes":[],"warnings":[],"dry_run":false}`},
		{"mistakes", "POST", "/admin/apply?file=my.yaml", token, "tenants: [{name: shop, colour: red}]", 422, "my.yaml:1: "},
		{"no YAML", "POST", "/admin/apply", token, "\t:", 422, "tenants.yaml:1"},
		{"too much", "POST", "/admin/apply", token, strings.Repeat("#", adminBody+1), 413, ""},
		{"export", "GET", "/admin/export", token, "", 200, "name: shop"},
		{"keys", "GET", "/admin/keys", token, "", 200, `"use":"index"`},
		{"rotate", "POST", "/admin/keys/rotate", token, "", 200, `"use":"sign"`},
		{"rotate one", "POST", "/admin/keys/rotate", token, `{"uses":["sign"],"activate":true}`, 200, `"use":"sign"`},
		{"rotate the index", "POST", "/admin/keys/rotate", token, `{"uses":["index"]}`, 422, "cannot be rotated"},
		{"rotate nonsense", "POST", "/admin/keys/rotate", token, `{"uses":5}`, 400, "give {"},
		{"rotate with an unknown key", "POST", "/admin/keys/rotate", token, `{"actvate":true}`, 400, "give {"},
		{"wrong method", "GET", "/admin/apply", token, "", 405, ""},
		{"no such path", "GET", "/admin/none", token, "", 404, ""},
		{"no dialect here", "POST", "/v1/verifications", token, "", 404, ""},
	} {
		status, body := call(t, c.method, base+c.path, c.token, c.body)
		if plain := strings.ReplaceAll(body, `\u003c`, "<"); status != c.status || !strings.Contains(strings.ToLower(plain), strings.ToLower(c.want)) {
			t.Errorf("%s: %d %s, want %d %q", c.name, status, body, c.status, c.want)
		}
	}
	if n := len(a.Service.Ring().Keys()); n != 8 {
		t.Errorf("%d keys in force, want 8", n)
	}
	for _, path := range []string{"/admin/export", "/admin/keys"} {
		if status, _ := call(t, http.MethodGet, "http://"+a.Addr()+path, token, ""); status != 404 {
			t.Errorf("the public listener answers %s with %d", path, status)
		}
	}
}

func TestDemoIsWhatTestsSayItIs(t *testing.T) {
	t.Parallel()
	d := dev(t)
	same := func(what string, got, want any) {
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s: got %v, want %v", what, got, want)
		}
	}
	for _, want := range otptest.Demo(otptest.Ring(t)) {
		got, ok := d.Service.Directory().Tenant(want.Name)
		if !ok {
			t.Errorf("there is no tenant %s", want.Name)
			continue
		}
		same(want.Name+" home", got.Home, want.Home)
		same(want.Name+" countries", got.Countries, want.Countries)
		same(want.Name+" policy", got.Policy, want.Policy)
		same(want.Name+" profiles", len(got.Profiles), len(want.Profiles))
		for i, p := range want.Profiles {
			same(want.Name+" profile", got.Profiles[i].Name, p.Name)
			same(want.Name+"/"+p.Name+" fields", got.Profiles[i].Fields, p.Fields)
			same(want.Name+"/"+p.Name+" inactive", got.Profiles[i].Inactive, p.Inactive)
			for dialect, aliases := range p.Aliases {
				same(want.Name+"/"+p.Name+" alias "+dialect, got.Profiles[i].Aliases[dialect], aliases)
			}
		}
		same(want.Name+" credentials", len(got.Credentials), len(want.Credentials))
		for i, c := range want.Credentials {
			same(want.Name+" credential", fmt.Sprint(got.Credentials[i].Type, got.Credentials[i].Identity), fmt.Sprint(c.Type, c.Identity))
			same(want.Name+" credit", got.Credentials[i].NoCredit, c.NoCredit)
		}
	}
	for tenant, all := range otptest.DemoContacts() {
		for id, want := range all {
			got, err := d.Service.Contact(t.Context(), tenant, id)
			same(tenant+"/"+id, errors.Join(err), nil)
			same(tenant+"/"+id, got, want)
		}
	}
	for _, c := range []struct {
		kind                     otp.CredentialType
		identity, secret, tenant string
	}{
		{otp.APIKey, "", "demo-key", "acme"},
		{otp.DanaConnect, "demo@acme", "demo-password", "acme"},
		{otp.OAuth2, "demo", "demo-secret", "acme"},
		{otp.Modica, "demo", "demo-password", "acme"},
		{otp.UnityVox, "100200", "4D41E00J6KMXABS", "acme"},
		{otp.APIKey, "", "globex-key", "globex"},
		{otp.DanaConnect, "demo@globex", "globex-password", "globex"},
		{otp.OAuth2, "globex", "globex-secret", "globex"},
		{otp.Modica, "globex", "globex-password", "globex"},
		{otp.UnityVox, "100300", "7Q2W00ZK9LMNPAB", "globex"},
		{otp.UnityVox, "100201", "5E41E00J6KMXAB0", "broke"},
	} {
		caller, err := d.Service.Authenticate(t.Context(), c.kind, c.identity, c.secret)
		if err != nil || caller.Tenant != c.tenant || caller.NoCredit != (c.tenant == "broke") {
			t.Errorf("%s %s: %+v, %v", c.kind, c.identity, caller, err)
		}
		if _, err := d.Service.Authenticate(t.Context(), c.kind, c.identity, c.secret+"x"); err == nil {
			t.Errorf("%s %s: a wrong secret is let in", c.kind, c.identity)
		}
	}
}
