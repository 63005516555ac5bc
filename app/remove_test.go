package app

import (
	"encoding/json"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aldaba-otp/aldaba/delivery/inbox"
	"github.com/aldaba-otp/aldaba/otp"
)

// leaving is a configuration with two tenants at one provider, and a provider that
// nobody uses.
const leaving = `
providers: [{name: box, type: inbox}, {name: spare, type: inbox}]
tenants:
  - name: shop
    home: VE
    routes: [{channel: sms, providers: [box]}, {channel: email, providers: [box]}]
    profiles: [{name: default}]
    contacts:
      - {id: 1, sms: "+584121234567"}
      - {id: 2, email: ana@example.com}
    credentials:
      - {type: api_key, key: 0123456789abcdef0123456789abcdef}
      - {type: oauth2, client_id: app, client_secret: a-secret-of-many-characters-12345}
  - name: stays
    home: VE
    routes: [{channel: sms, providers: [box]}]
    profiles: [{name: default}]
    credentials: [{type: api_key, key: fedcba9876543210fedcba9876543210}]
`

const staysKey = "fedcba9876543210fedcba9876543210"

// started starts a verification and returns its id.
func started(t *testing.T, base, key, to string) string {
	t.Helper()
	status, body := call(t, http.MethodPost, base+"/v1/verifications", key, `{"to":"`+to+`"}`)
	var answer struct{ ID string }
	if err := json.Unmarshal([]byte(body), &answer); err != nil || status != http.StatusCreated {
		t.Fatalf("a start is answered %d %s", status, body)
	}
	return answer.ID
}

// eventually waits for what other goroutines do.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for range 1000 {
		if holds() {
			return
		}
		<-time.After(10 * time.Millisecond)
	}
	t.Errorf("never: %s", what)
}

// accessToken is one of additiv's for the client of the shop.
func accessToken(t *testing.T, base string) (token string, status int) {
	t.Helper()
	answer, err := http.PostForm(base+"/connect/token", url.Values{
		"grant_type": {"client_credentials"}, "client_id": {"app"}, "client_secret": {"a-secret-of-many-characters-12345"},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	var got struct {
		Token string `json:"access_token"`
	}
	_ = json.NewDecoder(answer.Body).Decode(&got) // a refusal has none
	return got.Token, answer.StatusCode
}

// TestARemovedTenantIsGoneAtOnce: nothing of it is good any more, its messages are
// given up, its contacts are deleted, and nobody else notices. Applied again it finds
// what is still kept.
func TestARemovedTenantIsGoneAtOnce(t *testing.T) {
	t.Parallel()
	for _, database := range []string{"memory:", "sqlite:" + filepath.Join(t.TempDir(), "aldaba.db")} {
		a := running(t, Options{Database: database})
		apply(t, a, leaving, false)
		base, admin := "http://"+a.Addr(), "http://"+a.AdminAddr()
		remove := func(body string) (int, string) {
			return call(t, http.MethodPost, admin+"/admin/tenants/remove", token, body)
		}
		if status, body := call(t, http.MethodPut, base+"/v1/contacts/9", shopKey, `{"sms":"+584127654321"}`); status >= 300 {
			t.Fatalf("a contact is answered %d %s", status, body)
		}
		bearer, status := accessToken(t, base)
		if status != http.StatusOK {
			t.Fatalf("the token is answered %d", status)
		}
		carried := started(t, base, shopKey, "+584121234567")
		eventually(t, "the message is carried", func() bool { return len(a.Inbox.List("", "shop", 10)) == 1 })
		code := a.Inbox.List("", "shop", 10)[0].Code
		a.Inbox.Simulate(inbox.Simulator{Fail: "unavailable"})
		waiting, _ := otp.ParseID(started(t, base, shopKey, "+584121234568"))

		const both = `["- tenant shop","- 3 contacts of shop"]`
		if status, body := remove(`{"tenant":"shop","dry_run":true}`); status != 200 || body != `{"changes":`+both+`,"dry_run":true}`+"\n" {
			t.Errorf("a dry run is answered %d %s", status, body)
		}
		if got := contact(t, a, "shop", "9"); got != "+584127654321 " {
			t.Errorf("after the dry run contact 9 is %q", got)
		}
		if status, body := remove(`{"tenant":"shop"}`); status != 200 || body != `{"changes":`+both+`,"dry_run":false}`+"\n" {
			t.Errorf("the removal is answered %d %s", status, body)
		}
		entries := journal(t, a)
		if e := entries[len(entries)-1]; e.Act != "tenant remove" || e.Tenant != "shop" || e.Result != resultDone || e.Detail != "- tenant shop; - 3 contacts of shop" {
			t.Errorf("it is written down as %+v", e)
		}
		if status, body := call(t, http.MethodPost, base+"/v1/verifications/"+carried+"/check", shopKey, `{"code":"`+code+`"}`); status != http.StatusUnauthorized {
			t.Errorf("a check with its key is answered %d %s", status, body)
		}
		if status, body := call(t, http.MethodPost, base+"/v1.0/contacts/1/verification-key/send", bearer, `{"sessionId":"s","channel":"Sms"}`); status != http.StatusUnauthorized {
			t.Errorf("its access token is answered %d %s", status, body)
		}
		if _, status := accessToken(t, base); status == http.StatusOK {
			t.Error("its client gets a token")
		}
		for _, id := range []string{"1", "2", "9"} {
			if got := contact(t, a, "shop", id); got != "none" {
				t.Errorf("contact %s is %q", id, got)
			}
		}
		if export, err := a.Export(t.Context()); err != nil || strings.Contains(string(export), "shop") || !strings.Contains(string(export), "stays") {
			t.Errorf("the export is %s, %v", export, err)
		}
		a.Inbox.Simulate(inbox.Simulator{})
		started(t, base, staysKey, "+584121234569")
		eventually(t, "the other tenant's message is carried", func() bool { return len(a.Inbox.List("", "stays", 10)) == 1 })

		a.Clock.Advance(time.Minute) // past the back-off
		eventually(t, "the message that waited is given up", func() bool {
			events, err := a.Store.Events(t.Context(), waiting)
			return err == nil && len(events) > 0 && events[len(events)-1].Kind == otp.EventUnsent
		})
		if got := len(a.Inbox.List("", "shop", 10)); got != 1 {
			t.Errorf("%d messages of the removed tenant were carried", got)
		}
		if status, body := remove(`{"tenant":"shop"}`); status != http.StatusNotFound || !strings.Contains(body, `there is no tenant \"shop\"`) {
			t.Errorf("a second removal is answered %d %s", status, body)
		}

		apply(t, a, leaving, false)
		if status, body := call(t, http.MethodPost, base+"/v1/verifications/"+carried+"/check", shopKey, `{"code":"`+code+`"}`); status != 200 || !strings.Contains(body, `"outcome":"approved"`) {
			t.Errorf("applied again, a check is answered %d %s", status, body)
		}
	}
}

// TestContactsThatWereLeftAreRemovedLater: another server may have kept one for a
// tenant that was being removed.
func TestContactsThatWereLeftAreRemovedLater(t *testing.T) {
	t.Parallel()
	a := running(t, Options{})
	apply(t, a, shop, false)
	old := a.Service.Directory()
	if _, err := a.RemoveTenant(t.Context(), "shop", false); err != nil {
		t.Fatal(err)
	}
	now := a.Service.Directory()
	a.Service.SetDirectory(old) // a server that has not heard of it yet
	if _, err := a.Service.PutContact(t.Context(), "shop", "9", otp.ContactAddresses{SMS: "+584127654321"}, false); err != nil {
		t.Fatal(err)
	}
	a.Service.SetDirectory(now)
	changes, err := a.RemoveTenant(t.Context(), "shop", false)
	if err != nil || strings.Join(changes, "\n") != "- 1 contact of shop" {
		t.Errorf("removed again: %q, %v", changes, err)
	}
	if got := contact(t, a, "shop", "9"); got != "none" {
		t.Errorf("the contact is %q", got)
	}
}

func TestAProviderIsRemovedOnceNoRouteNamesIt(t *testing.T) {
	t.Parallel()
	a := running(t, Options{})
	apply(t, a, leaving, false)
	for _, c := range []struct {
		body   string
		status int
		want   string
	}{
		{`{"provider":"box"}`, 422, `provider box is in the routes of [\"shop\" \"stays\"]: apply other routes for them first`},
		{`{"provider":"none"}`, 404, `there is no provider \"none\"`},
		{`{"provider":""}`, 400, `give {\"provider\":\"carrier\",\"dry_run\":false}`},
		{`{"tenant":"shop"}`, 400, `give {\"provider\":\"carrier\",\"dry_run\":false}`},
		{`{"provider":"spare","dry_run":true}`, 200, `{"changes":["- provider spare"],"dry_run":true}`},
		{`{"provider":"spare"}`, 200, `{"changes":["- provider spare"],"dry_run":false}`},
		{`{"provider":"spare"}`, 404, `there is no provider \"spare\"`},
	} {
		status, body := call(t, http.MethodPost, "http://"+a.AdminAddr()+"/admin/providers/remove", token, c.body)
		if status != c.status || !strings.Contains(body, c.want) {
			t.Errorf("%s is answered %d %s", c.body, status, body)
		}
	}
	if got := apply(t, a, leaving, true); got != "+ provider spare" {
		t.Errorf("the file of before would change %q", got)
	}
	started(t, "http://"+a.Addr(), shopKey, "+584121234567")
	eventually(t, "the provider that stays carries", func() bool { return len(a.Inbox.List("", "shop", 10)) == 1 })
}
