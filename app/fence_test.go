package app

import (
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aldaba-otp/aldaba/otp"
	"github.com/aldaba-otp/aldaba/otp/otptest"
)

// TestARestoredDatabaseIsFenced is T66: codes that were used, and guesses that were
// made, after the backup.
func TestARestoredDatabaseIsFenced(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "aldaba.db")
	o := Options{Database: "sqlite:" + path, KeysFile: ringIn(t, dir), WebhookAllow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}
	heard, url := newEar(t)
	live := func() (a *App, base string) {
		a = running(t, o)
		return a, "http://" + a.Addr()
	}
	check := func(base, id, code, outcome string) {
		t.Helper()
		status, body := call(t, http.MethodPost, base+"/v1/verifications/"+id+"/check", shopKey, `{"code":"`+code+`"}`)
		if status != 200 || !strings.Contains(body, `"outcome":"`+outcome+`"`) {
			t.Errorf("a check is answered %d %s, want %s", status, body, outcome)
		}
	}
	code := func(a *App, to string) (code string) {
		t.Helper()
		eventually(t, "the message is carried", func() bool {
			found := a.Inbox.List(to, "shop", 1)
			if len(found) > 0 {
				code = found[0].Code
			}
			return code != ""
		})
		return code
	}

	a, base := live()
	apply(t, a, shop+"    webhooks: [{url: \""+url+"/void\", secret: "+earSecret+", events: [void]}]\n", false)
	used, guessed := started(t, base, shopKey, "+584121234567"), started(t, base, shopKey, "+584121234568")
	right, other := code(a, "+584121234567"), code(a, "+584121234568")
	if err := stop(a); err != nil {
		t.Fatal(err)
	}
	backup, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}

	a, base = live()
	check(base, used, right, "approved")
	for range 4 {
		check(base, guessed, otptest.WrongCode(other), "wrong")
	}
	if err := stop(a); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, backup, 0o600); err != nil {
		t.Fatal(err)
	}

	a, base = live()
	status, body := call(t, http.MethodPost, "http://"+a.AdminAddr()+"/admin/fence", token, `{}`)
	if status != 200 || body != `{"void":2,"charged_guesses":10,"numbers_moved":0,"dry_run":false}`+"\n" {
		t.Errorf("the fence is answered %d %s", status, body)
	}
	check(base, used, right, "void")
	check(base, guessed, other, "void")
	locks, err := a.Locks(t.Context(), "shop", "+584121234568")
	if err != nil || locks.Ledger.Wrong < 4 {
		t.Errorf("%d wrong guesses are remembered, %v; 4 were made", locks.Ledger.Wrong, err)
	}
	if e := journal(t, a); e[len(e)-1].Act != "fence" || e[len(e)-1].Detail != "2 void, 10 guesses charged, numbers of 0 tenants moved" {
		t.Errorf("it is written down as %+v", e[len(e)-1])
	}
	heard.wait(t, "/void", `{"type":"verification.void","data":{"id":"`+used+`"`)
	if events, err := a.Store.Events(t.Context(), parsed(t, used)); err != nil || events[len(events)-1].Kind != otp.EventVoid {
		t.Errorf("the journal ends with %+v, %v", events, err)
	}
	// Whoever waits asks again.
	a.Inbox.Clear()
	check(base, started(t, base, shopKey, "+584121234569"), code(a, "+584121234569"), "approved")
}

func parsed(t *testing.T, text string) otp.ID {
	t.Helper()
	id, ok := otp.ParseID(text)
	if !ok {
		t.Fatalf("%q is no id", text)
	}
	return id
}
