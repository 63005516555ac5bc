package app

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aldaba-otp/aldaba/delivery"
	"github.com/aldaba-otp/aldaba/otp"
)

// TestTraceOfAMessageThatWaits asks a server whose courier does not run, with a
// plan, two webhooks and a provider that it could not open.
func TestTraceOfAMessageThatWaits(t *testing.T) {
	t.Parallel()
	a := open(t, Options{})
	dir, err := otp.NewDirectory([]otp.Tenant{{
		Name: "shop", Home: "MX",
		Routes: []otp.Route{
			{Channel: otp.SMS, Countries: []string{"MX"}, Providers: []otp.Carrier{{Provider: "smsc"}, {Provider: "gone"}}, Hedge: 10 * time.Second},
			{Channel: otp.Voice, Providers: []otp.Carrier{{Provider: "gone"}}},
		},
		Profiles: []otp.Profile{{Name: "default", Plan: []otp.Leg{{Channel: otp.SMS, Wait: time.Minute}, {Channel: otp.Voice}}}},
		Webhooks: []otp.Webhook{
			{URL: "https://hooks.example.com/secret-path", Secret: "s", Events: []otp.EventKind{otp.EventStarted, otp.EventSent}},
			{URL: "https://other.example.com/", Secret: "s", Events: []otp.EventKind{otp.EventApproved}},
		},
	}}, []otp.Provider{{Name: "smsc", Type: "smpp"}, {Name: "gone", Type: "http"}})
	if err != nil {
		t.Fatal(err)
	}
	a.Service.SetDirectory(dir)
	a.Courier.SetProviders(map[string]delivery.Provider{"smsc": connected{}})
	v, err := a.Service.Start(t.Context(), otp.StartRequest{Caller: otp.Caller{Tenant: "shop", Identity: "key 1"}, Dialect: otp.NativeDialect, To: "+525512345678"})
	if err != nil {
		t.Fatal(err)
	}
	got, err := a.Trace(t.Context(), v.ID)
	if err != nil {
		t.Fatal(err)
	}
	if got.Conclusion != "its message waits in this server's queue and no provider has been asked yet." {
		t.Errorf("it says %s", got.Conclusion)
	}
	if len(got.Waiting) != 2 { // the message, in the queue and as the plan's row, and one event
		t.Errorf("waiting %+v", got.Waiting)
	}
	if r := got.Route; r == nil || r.For != "MX" || r.Hedge != 10 || len(r.Providers) != 2 || !r.Providers[1].Missing || r.Providers[0].Up != 1 || r.Providers[0].Want != 3 {
		t.Errorf("route %+v", got.Route)
	}
	if h := got.Webhooks; len(h) != 2 || h[0] != (TraceWebhook{"hooks.example.com", 0, 1}) || h[1] != (TraceWebhook{"other.example.com", 0, 0}) {
		t.Errorf("webhooks %+v", h)
	}
	if len(got.Plan) != 2 || !got.Plan[0].Present || got.Plan[1].Present || got.Country != "MX" {
		t.Errorf("plan %+v in %s", got.Plan, got.Country)
	}
	text, err := json.Marshal(got)
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{"secret-path", "525512345678"} {
		if strings.Contains(string(text)+got.Text(), secret) {
			t.Errorf("it tells %s", secret)
		}
	}
}

func TestWhatRowsWaitFor(t *testing.T) {
	t.Parallel()
	soon, late := time.Unix(100, 0), time.Unix(200, 0)
	taken := func(next time.Time, p otp.Progress) otp.Message {
		p.Provider = "one"
		return otp.Message{NextAt: next, Progress: p}
	}
	for want, m := range map[string]otp.Message{
		"a provider":  {NextAt: soon},
		"another try": {NextAt: soon, Attempt: 1},
		"a receipt, then a second provider is asked":   taken(soon, otp.Progress{Await: 1, HedgeAt: soon, LookAt: late}),
		"a receipt or the code, then the plan goes on": taken(soon, otp.Progress{Await: 1, LegAt: soon}),
		"a receipt":                  taken(soon, otp.Progress{Await: 1, LookAt: soon}),
		"the end of the code's life": taken(soon, otp.Progress{}),
	} {
		if got := waitsFor(&m); got != want {
			t.Errorf("%+v waits for %s, want %s", m, got, want)
		}
	}
}

// TestTraceIsTheOperators asks over HTTP: of any tenant, and only with the
// admin token.
func TestTraceIsTheOperators(t *testing.T) {
	t.Parallel()
	a := running(t, Options{})
	apply(t, a, shop, false)
	if status, body := call(t, http.MethodPost, "http://"+a.Addr()+"/v1/verifications", shopKey, `{"to":"ana@example.com"}`); status != 201 {
		t.Fatalf("%d %s", status, body)
	}
	rest(t, a)
	admin := "http://" + a.AdminAddr()
	status, body := call(t, http.MethodPost, admin+"/admin/trace", token, `{"tenant":"shop","to":"ana@example.com"}`)
	var all struct{ Verifications []Trace }
	if err := json.Unmarshal([]byte(body), &all); status != 200 || err != nil || len(all.Verifications) != 1 {
		t.Fatalf("%d %s %v", status, body, err)
	}
	one := all.Verifications[0]
	if one.Channel != "email" || !strings.Contains(one.Conclusion, "box") || strings.Contains(body, "ana@") {
		t.Errorf("%s", body)
	}
	if status, _ := call(t, http.MethodGet, admin+"/admin/trace/"+one.ID, token, ""); status != 200 {
		t.Errorf("by id: %d", status)
	}
	for _, bearer := range []string{"", shopKey} {
		if status, _ := call(t, http.MethodGet, admin+"/admin/trace/"+one.ID, bearer, ""); status != 401 {
			t.Errorf("with %q: %d", bearer, status)
		}
	}
}
