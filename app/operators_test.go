package app

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/aldaba-otp/aldaba/app/config"
	"github.com/aldaba-otp/aldaba/otp"
	"github.com/aldaba-otp/aldaba/store"
	"github.com/aldaba-otp/aldaba/store/memory"
)

const (
	operatorToken = "an-operators-token-of-many-characters"
	auditorToken  = "an-auditors-token-of-many-characters"
)

// staffed is a server with operators of each role.
func staffed(t *testing.T) *App {
	t.Helper()
	a := running(t, Options{AdminTokens: []config.AdminToken{
		{Name: "olga", Role: config.RoleOperator, Token: operatorToken}, {Name: "aura", Role: config.RoleAuditor, Token: auditorToken},
	}})
	apply(t, a, shop, false)
	return a
}

func journal(t *testing.T, a *App) []Audited {
	t.Helper()
	page, err := a.Audit(t.Context(), AuditAsked{Limit: 1000})
	if err != nil {
		t.Fatal(err)
	}
	return page.Entries
}

// TestEachRoleMayDoItsOwn walks all calls of the admin listener with each role
// (T53): what a role may not do is refused and written down, and what it may is
// written down when it changes or shows something.
func TestEachRoleMayDoItsOwn(t *testing.T) {
	t.Parallel()
	a := staffed(t)
	base := "http://" + a.AdminAddr()
	const nobody, auditor, operator, owner = 0, 1, 2, 3
	tokens := []string{"", auditorToken, operatorToken, token}
	calls := map[string]struct {
		least  int
		body   string
		audits bool
		path   string
	}{
		"POST /admin/apply":              {operator, shop, true, "/admin/apply?dry_run=true"},
		"GET /admin/export":              {operator, "", true, ""},
		"POST /admin/tenants/remove":     {owner, `{"tenant":"nobody"}`, true, ""},
		"POST /admin/providers/remove":   {operator, `{"provider":"none"}`, true, ""},
		"GET /admin/keys":                {auditor, "", false, ""},
		"POST /admin/keys/rotate":        {operator, `{"uses":["nothing"]}`, true, ""},
		"GET /admin/keys/status":         {auditor, "", false, ""},
		"POST /admin/keys/retire":        {owner, `{"key":"00000000"}`, true, ""},
		"POST /admin/fence":              {owner, `{"tenant":"nobody"}`, true, ""},
		"POST /admin/erase":              {owner, `{"tenant":"nobody","to":"+584121234567"}`, true, ""},
		"POST /admin/personal-data":      {owner, `{"tenant":"nobody","to":"+584121234567"}`, true, ""},
		"GET /admin/credentials":         {auditor, "", false, "/admin/credentials?tenant=shop"},
		"POST /admin/credentials":        {operator, `{"tenant":"nobody","type":"api_key"}`, true, ""},
		"POST /admin/credentials/rotate": {operator, `{"tenant":"nobody","name":"x"}`, true, ""},
		"POST /admin/credentials/revoke": {operator, `{"tenant":"nobody","name":"x"}`, true, ""},
		"POST /admin/webhooks/enable":    {operator, `{"tenant":"nobody","url":"https://x"}`, true, ""},
		"GET /admin/locks":               {auditor, "", true, "/admin/locks?tenant=nobody&to=%2B584121234567"},
		"POST /admin/locks/release":      {operator, `{"tenant":"nobody","to":"+584121234567"}`, true, ""},
		"GET /admin/watch":               {auditor, "", false, "/admin/watch?tenant=shop"},
		"POST /admin/watch/release":      {operator, `{"tenant":"nobody","prefix":"+58412123"}`, true, ""},
		"GET /admin/lists":               {auditor, "", false, "/admin/lists?tenant=shop"},
		"POST /admin/lists":              {operator, `{"tenant":"nobody","to":"+584121234567","verdict":"block"}`, true, ""},
		"POST /admin/lists/show":         {auditor, `{"tenant":"shop","to":"+584121234567"}`, true, ""},
		"GET /admin/refusals":            {auditor, "", true, "/admin/refusals?tenant=shop"},
		"POST /admin/refusals":           {auditor, `{"tenant":"shop","to":"+584121234567"}`, true, ""},
		"GET /admin/spend":               {auditor, "", false, "/admin/spend?tenant=shop"},
		"GET /admin/stats":               {auditor, "", false, ""},
		"GET /admin/trace/{id}":          {auditor, "", true, "/admin/trace/019c1346-5a22-7a3e-8d6f-2f1c1b0a9e77"},
		"POST /admin/trace":              {auditor, `{"tenant":"shop","to":"+584121234567"}`, true, ""},
		"GET /admin/audit":               {auditor, "", false, ""},
		"GET /admin/tokens":              {owner, "", true, ""},
		"GET /metrics":                   {auditor, "", false, ""},
		"GET /healthz":                   {nobody, "", false, ""},
		"GET /readyz":                    {nobody, "", false, ""},
	}
	for _, route := range a.adminRoutes() {
		name := route.Methods[0] + " " + route.Pattern
		c, ok := calls[name]
		if !ok {
			t.Errorf("%s: nobody says who may", name)
			continue
		}
		if c.path == "" {
			c.path = route.Pattern
		}
		for role, bearer := range tokens {
			written := len(journal(t, a))
			status, body := call(t, route.Methods[0], base+c.path, bearer, c.body)
			entries := journal(t, a)[written:]
			if allowed := status != 401 && status != 403; allowed != (role >= c.least) {
				t.Errorf("%s with role %d is answered %d %s", name, role, status, body)
			}
			switch {
			case role >= c.least && c.audits:
				if len(entries) != 2 || entries[0].Result != resultBegun || entries[1].Result != resultOf(status) || entries[0].RequestID != entries[1].RequestID {
					t.Errorf("%s with role %d is written down as %+v", name, role, entries)
				}
			case role >= c.least:
				if len(entries) != 0 {
					t.Errorf("%s with role %d is written down as %+v", name, role, entries)
				}
			case role > nobody:
				if len(entries) != 1 || entries[0].Result != resultRefused || entries[0].Act == "" || entries[0].Actor == "" {
					t.Errorf("%s with role %d is written down as %+v", name, role, entries)
				}
			}
		}
	}
	if text, _ := json.Marshal(journal(t, a)); strings.Contains(string(text), "+58412") {
		t.Error("the operators' journal holds an address")
	}
	if status, _ := call(t, "GET", base+"/admin/export", "0123456789abcdef0123456789abcdef", ""); status != http.StatusUnauthorized {
		t.Errorf("a tenant's key opens the admin listener: %d", status)
	}
}

// TestStrangersAreWrittenDownBoundedly: a flood of wrong tokens fills no disk,
// and keeps nobody out who has the right one.
func TestStrangersAreWrittenDownBoundedly(t *testing.T) {
	t.Parallel()
	a := staffed(t)
	base, statuses := "http://"+a.AdminAddr(), map[int]int{}
	for i := range 40 {
		for range 2 {
			status, _ := call(t, "GET", base+"/admin/keys", fmt.Sprintf("a-wrong-token-of-many-characters-%d", i), "")
			statuses[status]++
		}
	}
	if all := journal(t, a); len(all) != 20 || all[0].Actor != "unknown" || all[0].From != "127.0.0.1" || statuses[429] < 40 {
		t.Errorf("%d entries, %v", len(all), statuses)
	}
	if status, body := call(t, "GET", base+"/admin/keys", auditorToken, ""); status != http.StatusOK {
		t.Errorf("the right token is answered %d %s", status, body)
	}
	k, now := &operators{}, time.Now().Truncate(time.Minute)
	for i := range strangersWritten + 1 {
		if got := k.mayWrite(now); got != (i < strangersWritten) {
			t.Errorf("refusal %d of a minute: %t", i+1, got)
		}
	}
	if !k.mayWrite(now.Add(time.Minute)) {
		t.Error("the next minute writes nothing")
	}
}

// TestNothingIsDoneUnseen: without its journal an act is refused.
func TestNothingIsDoneUnseen(t *testing.T) {
	t.Parallel()
	a := staffed(t)
	engine := a.Store.Engine.(*memory.Engine)
	engine.FailWith(memory.Trouble{Begin: &store.Failure{Class: store.Down, Cause: errors.New("no connection")}})
	status, body := call(t, "POST", "http://"+a.AdminAddr()+"/admin/keys/rotate", token, "")
	engine.FailWith(memory.Trouble{})
	if status != http.StatusServiceUnavailable || len(a.Service.Ring().Keys()) != len(a.keys.ring.Keys()) {
		t.Errorf("%d %s", status, body)
	}
	if all := journal(t, a); len(all) != 0 {
		t.Errorf("%+v", all)
	}
}

// TestTheLifeOfACredential makes, uses, rotates and revokes a credential over the admin API.
func TestTheLifeOfACredential(t *testing.T) {
	t.Parallel()
	a := staffed(t)
	base := "http://" + a.AdminAddr()
	ask := func(path, body string, into any) (int, string) {
		t.Helper()
		status, text := call(t, "POST", base+path, operatorToken, body)
		if status == http.StatusOK && into != nil {
			if err := json.Unmarshal([]byte(text), into); err != nil {
				t.Fatal(err)
			}
		}
		return status, text
	}
	enter := func(secret string, from string) error {
		_, err := a.Service.Authenticate(otp.WithSource(t.Context(), netip.MustParseAddr(from)), otp.OAuth2, "app", secret)
		return err
	}
	var first, second MadeCredential
	const asked = `{"tenant":"shop","type":"oauth2","identity":"app","name":"web","scopes":["send"],"from":["10.0.0.0/8"]}`
	if status, text := ask("/admin/credentials", asked, &first); status != http.StatusOK || first.Name != "web" {
		t.Fatalf("%d %s", status, text)
	}
	if enter(first.Secret, "10.0.0.1") != nil || enter(first.Secret, "192.0.2.1") == nil {
		t.Error("the new secret is not good from its network alone")
	}
	if status, _ := ask("/admin/credentials", asked, nil); status != http.StatusUnprocessableEntity {
		t.Errorf("the same name again is answered %d", status)
	}
	if status, text := ask("/admin/credentials/rotate", `{"tenant":"shop","name":"web","overlap":"1h"}`, &second); status != http.StatusOK || second.Name != "web" || second.OldName == "web" {
		t.Fatalf("%d %s", status, text)
	}
	if enter(first.Secret, "10.0.0.1") != nil || enter(second.Secret, "10.0.0.1") != nil || enter(second.Secret, "192.0.2.1") == nil {
		t.Error("the two secrets do not overlap, or lost their network")
	}
	apply(t, a, shop, false) // its credentials list knows nothing of them
	if enter(first.Secret, "10.0.0.1") != nil || enter(second.Secret, "10.0.0.1") != nil {
		t.Error("an apply took away what commands keep")
	}
	a.Clock.Advance(time.Hour)
	if enter(first.Secret, "10.0.0.1") == nil || enter(second.Secret, "10.0.0.1") != nil {
		t.Error("the old secret outlives the overlap, or took the new one along")
	}
	if status, text := ask("/admin/credentials/revoke", `{"tenant":"shop","name":"web"}`, nil); status != http.StatusOK {
		t.Fatalf("%d %s", status, text)
	}
	if enter(second.Secret, "10.0.0.1") == nil {
		t.Error("a revoked secret is good")
	}
	all, err := a.Credentials(t.Context(), "shop")
	var states []string
	for _, c := range all {
		states = append(states, string(c.Origin)+" "+c.State)
	}
	if want := "file good,command revoked,command revoked"; err != nil || strings.Join(states, ",") != want {
		t.Errorf("%v, %v", states, err)
	}
	for _, secret := range []string{first.Secret, second.Secret} {
		if text, _ := json.Marshal(journal(t, a)); strings.Contains(string(text), secret) {
			t.Error("the operators' journal holds a secret")
		}
	}
}

// TestARevokedKeyOfAFileStaysRevoked: the file is applied again, and the key
// that leaked is not good again.
func TestARevokedKeyOfAFileStaysRevoked(t *testing.T) {
	t.Parallel()
	a := staffed(t)
	const key = "0123456789abcdef0123456789abcdef"
	enter := func() error {
		_, err := a.Service.Authenticate(t.Context(), otp.APIKey, "", key)
		return err
	}
	all, err := a.Credentials(t.Context(), "shop")
	if err != nil || len(all) != 1 || enter() != nil {
		t.Fatalf("%+v, %v", all, err)
	}
	if err := a.RevokeCredential(t.Context(), "shop", all[0].Name); err != nil || enter() == nil {
		t.Fatalf("revoked: %v", err)
	}
	apply(t, a, shop, false)
	if enter() == nil {
		t.Error("a file brought a revoked key back")
	}
	if _, err := a.RotateCredential(t.Context(), "shop", all[0].Name, 0); otp.KindOf(err) != otp.Invalid {
		t.Errorf("a revoked key is rotated: %v", err)
	}
	if err := a.RevokeCredential(t.Context(), "shop", "nobody"); otp.KindOf(err) != otp.NotFound {
		t.Errorf("an unknown one is revoked: %v", err)
	}
	for overlap, good := range map[time.Duration]bool{-1: false, 0: true, MaxOverlap: true, MaxOverlap + 1: false} {
		made, err := a.AddCredential(t.Context(), NewCredential{Tenant: "shop", Type: otp.APIKey})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := a.RotateCredential(t.Context(), "shop", made.Name, overlap); (err == nil) != good {
			t.Errorf("an overlap of %s: %v", overlap, err)
		}
	}
}
