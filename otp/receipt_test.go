package otp_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aldaba-otp/aldaba/otp"
	"github.com/aldaba-otp/aldaba/store/storetest/world"
)

// taken tells the core that a provider took the newest message and will report.
func taken(t *testing.T, w *world.World, ids ...string) otp.Follow {
	t.Helper()
	all := w.Courier.Dispatches()
	f, err := w.Report(t.Context(), &all[len(all)-1], otp.Attempt{Provider: "p", Result: otp.EventSent, Detail: strings.Join(ids, " "), Copies: 1, IDs: ids})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func hear(t *testing.T, w *world.World, provider, id string, fate otp.Fate) otp.Heard {
	t.Helper()
	h, err := w.Hear(t.Context(), otp.Word{Provider: provider, ID: id, Fate: fate, Detail: "X"})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func TestACarriersNamesAreItsOwn(t *testing.T) {
	t.Parallel()
	w := tenants(t)
	v, _ := start(t, w, native(phone))
	taken(t, w, "one", "two")
	for _, c := range []struct{ provider, id string }{{"p", "three"}, {"q", "one"}, {"p", ""}} {
		if h := hear(t, w, c.provider, c.id, otp.FateDelivered); h.Known {
			t.Errorf("%+v names a message", c)
		}
	}
	if h := hear(t, w, "p", "one", otp.FateUnknown); !h.Known || h.News {
		t.Errorf("%+v", h)
	}
	if h := hear(t, w, "p", "one", otp.FateDelivered); !h.Known || !h.News {
		t.Errorf("%+v", h)
	}
	if h := hear(t, w, "p", "one", otp.FateFailed); !h.Known || h.News {
		t.Errorf("%+v", h)
	}
	hear(t, w, "p", "two", otp.FateDelivered)
	if j := journal(t, w, v.ID); j != "a started, b sent, k delivered" {
		t.Errorf("journal %s", j)
	}
}

func TestACarriersNamesGoWithTheVerification(t *testing.T) {
	t.Parallel()
	w := tenants(t)
	start(t, w, native(phone))
	taken(t, w, "one", "two")
	w.Clock.Advance(30*24*time.Hour + time.Second)
	if h := hear(t, w, "p", "two", otp.FateUnknown); !h.Known {
		t.Error("it is gone too early")
	}
	sweep(t, w.NewSweeper())
	for _, id := range []string{"one", "two"} {
		if h := hear(t, w, "p", id, otp.FateUnknown); h.Known {
			t.Errorf("%s is left", id)
		}
	}
}

// legs is a profile with a plan over two channels.
func legs(t *otp.Tenant) {
	t.Profiles = []otp.Profile{{Name: "default", Plan: []otp.Leg{{Channel: otp.WhatsApp, Wait: 20 * time.Second}, {Channel: otp.SMS}}}}
}

func TestWhereAPlanBegins(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		channel otp.Channel
		pinned  bool
		to      string
		want    otp.Channel
		next    bool
	}{
		{"at its first leg", "", false, phone, otp.WhatsApp, true},
		{"at its first leg, whatever a vendor's field says", otp.SMS, false, phone, otp.WhatsApp, true},
		{"where the caller wants it", otp.SMS, true, phone, otp.SMS, false},
		{"not on another channel", otp.Voice, true, phone, otp.Voice, false},
		{"not by e-mail", "", false, "ana@example.com", otp.Email, false},
	} {
		w := tenants(t, legs)
		req := native(c.to)
		req.Channel, req.Pinned = c.channel, c.pinned
		v, code := start(t, w, req)
		if v.Channel != c.want {
			t.Errorf("%s: %s", c.name, v.Channel)
		}
		w.Clock.Advance(time.Second)
		got, err := w.Next(t.Context(), otp.NextRequest{Caller: acme, Dialect: otp.NativeDialect, Ref: otp.Ref{ID: v.ID}})
		if (err == nil) != c.next || err != nil && otp.KindOf(err) != otp.Ended {
			t.Errorf("%s: next is %v", c.name, err)
		}
		if err == nil && (got.Channel != otp.SMS || got.Sends != 2 || w.Courier.Last(t).Code != code || w.Courier.Last(t).Channel != otp.SMS) {
			t.Errorf("%s: %+v", c.name, got)
		}
		if _, err := w.Next(t.Context(), otp.NextRequest{Caller: acme, Dialect: otp.NativeDialect, Ref: otp.Ref{ID: v.ID}}); otp.KindOf(err) != otp.Ended || err == nil {
			t.Errorf("%s: a leg after the last: %v", c.name, err)
		}
	}
}

func TestNextIsLimitedAndOfItsTenant(t *testing.T) {
	t.Parallel()
	w := tenants(t, legs)
	v, code := start(t, w, native(phone))
	ask := func(c otp.Caller) error {
		_, err := w.Next(t.Context(), otp.NextRequest{Caller: c, Dialect: otp.NativeDialect, Ref: otp.Ref{ID: v.ID}})
		return err
	}
	want(t, ask(otp.Caller{Tenant: "globex"}), otp.NotFound, "", 0)
	for range 4 { // the fifth send of the address in ten minutes was the last
		start(t, w, vendor(phone))
	}
	want(t, ask(acme), otp.Throttled, otp.RuleBurst, 10*time.Minute)
	check(t, w, v, code, otp.OutcomeApproved)
	want(t, ask(acme), otp.Ended, "", 0)
}

func TestAResendKeepsThePlanGoing(t *testing.T) {
	t.Parallel()
	w := tenants(t, legs)
	v, _ := start(t, w, native(phone))
	first := w.Courier.Dispatches()[0].Message
	f := taken(t, w)
	if f.Waiting == nil || !f.Waiting.NextAt.Equal(w.Clock.Now().Add(20*time.Second)) {
		t.Fatalf("%+v", f)
	}
	w.Clock.Advance(time.Minute)
	if _, err := w.Resend(t.Context(), otp.ResendRequest{Caller: acme, Dialect: otp.NativeDialect, Ref: otp.Ref{ID: v.ID}}); err != nil {
		t.Fatal(err)
	}
	if c, err := w.Claim(t.Context(), first); err != nil || c.Task != otp.TaskNothing {
		t.Errorf("the first message still leads the plan: %+v, %v", c, err)
	}
	second := taken(t, w).Waiting
	w.Clock.Advance(20 * time.Second)
	c, err := w.Claim(t.Context(), *second)
	if err != nil || c.Task != otp.TaskSend || c.Dispatch.Message.Channel != otp.SMS {
		t.Errorf("%+v, %v", c, err)
	}
}

func TestWebhooksHearInTheSameStep(t *testing.T) {
	t.Parallel()
	w := tenants(t, func(a *otp.Tenant) {
		a.Webhooks = []otp.Webhook{
			{URL: "https://a.example/all", Secret: "sealed"},
			{URL: "https://a.example/ends", Secret: "sealed", Events: []otp.EventKind{otp.EventApproved, otp.EventWrong}},
		}
	})
	v, err := w.Start(t.Context(), native(phone))
	if err != nil {
		t.Fatal(err)
	}
	codes := slices.DeleteFunc(w.Courier.Dispatches(), func(d otp.Dispatch) bool { return d.Message.Kind == otp.EventMessage })
	text, err := w.Render(&codes[0])
	if err != nil {
		t.Fatal(err)
	}
	check(t, w, v, text.Code, otp.OutcomeApproved)
	var heard []string
	for _, d := range w.Courier.Dispatches() {
		if d.Message.Kind == otp.EventMessage {
			heard = append(heard, d.Message.Progress.Provider[len("https://a.example/"):])
		}
	}
	slices.Sort(heard)
	if got := strings.Join(heard, " "); got != "all all ends" {
		t.Errorf("heard: %s", got)
	}
}

func TestAWebhookIsToldWhatHappenedAndNoMore(t *testing.T) {
	t.Parallel()
	w, url := tenants(t), "https://a.example/hook"
	sealed, err := w.Ring().SealText(w.Clock.Now(), strings.NewReader(strings.Repeat("n", 64)), otp.WebhookSecret("acme", url), "whsec_c2VjcmV0")
	if err != nil {
		t.Fatal(err)
	}
	w.Configure(t, []otp.Tenant{{Name: "acme", Countries: []string{"*"}, Home: "VE", Webhooks: []otp.Webhook{{URL: url, Secret: sealed}}}})
	req := native(phone)
	req.Metadata = []byte(`{"order":7}`)
	v, err := w.Start(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	row := func() otp.Message {
		all := w.Courier.Dispatches()
		i := slices.IndexFunc(all, func(d otp.Dispatch) bool { return d.Message.Kind == otp.EventMessage })
		return all[i].Message
	}()
	n, err := w.Notice(t.Context(), row)
	if err != nil {
		t.Fatal(err)
	}
	var body struct {
		Type string
		Data struct {
			ID, Status, To, Channel string
			Metadata                map[string]int
		}
	}
	if err := json.Unmarshal(n.Body, &body); err != nil {
		t.Fatal(err)
	}
	if n.URL != url || n.Secret != "whsec_c2VjcmV0" || body.Type != "verification.started" || body.Data.ID != v.ID.String() ||
		body.Data.Status != "pending" || body.Data.Metadata["order"] != 7 || strings.Contains(string(n.Body), phone) || body.Data.To != otp.Mask(phone) {
		t.Errorf("%s", n.Body)
	}
	again := w.Clock.Now().Add(time.Minute)
	if _, err := w.Noticed(t.Context(), row, otp.Telling{NextAt: again}); err != nil {
		t.Fatal(err)
	}
	if n2, err := w.Notice(t.Context(), row); err != nil || n2.ID != n.ID {
		t.Errorf("another id for the same event: %v", err)
	}
	if off, err := w.Noticed(t.Context(), row, otp.Telling{Gone: true}); err != nil || !off {
		t.Fatal(off, err)
	}
	if _, err := w.Notice(t.Context(), row); otp.KindOf(err) != otp.NotFound || err == nil {
		t.Errorf("a row that was told is told again: %v", err)
	}
	check(t, w, v, "000000", otp.OutcomeWrong)
	all := w.Courier.Dispatches()
	if _, err := w.Notice(t.Context(), all[len(all)-1].Message); otp.KindOf(err) != otp.NotFound || err == nil {
		t.Errorf("a webhook that is off hears: %v", err)
	}
	if was, err := w.SwitchOn(t.Context(), "acme", url); err != nil || !was {
		t.Errorf("switched on: %v, %v", was, err)
	}
	check(t, w, v, "000000", otp.OutcomeWrong)
	all = w.Courier.Dispatches()
	if n, err := w.Notice(t.Context(), all[len(all)-1].Message); err != nil || !strings.Contains(string(n.Body), "verification.wrong") {
		t.Errorf("%s, %v", n.Body, err)
	}
	if _, err := w.SwitchOn(t.Context(), "acme", "https://other.example"); otp.KindOf(err) != otp.NotFound || err == nil {
		t.Errorf("an unknown webhook: %v", err)
	}
}

func TestTheLastLineIsOurs(t *testing.T) { // T42
	t.Parallel()
	w := tenants(t, func(a *otp.Tenant) {
		a.Templates = []otp.Template{{Channel: otp.SMS, Text: "{{name}}, your code is {{code}}", Domain: "bank.example", Params: map[string]string{"dlt_template_id": "1"}}}
	})
	req := native(phone)
	req.Variables = map[string]string{"name": "Ana\n@evil.example #000000\n"}
	_, code := start(t, w, req)
	text := w.Courier.Last(t)
	lines := strings.Split(text.Body, "\n")
	if lines[len(lines)-1] != "@bank.example #"+code || len(lines) != 2 || text.Params["dlt_template_id"] != "1" {
		t.Errorf("%q", text.Body)
	}
}

func TestEachEventIsObservedOnceAfterItsCommit(t *testing.T) {
	t.Parallel()
	var seen []string
	w := world.New(t, world.Options{
		Tenants: []otp.Tenant{{Name: "acme", Countries: []string{"*"}, Home: "VE"}},
		Observe: func(e *otp.Event) {
			seen = append(seen, string(e.Kind)+" "+e.Facts.Provider+" "+e.Facts.Country+" "+string(e.Facts.Channel)+" "+e.Facts.Since.String())
		},
	})
	v, code := start(t, w, native(phone))
	w.Clock.Advance(time.Second)
	taken(t, w, "one")
	w.Clock.Advance(time.Second)
	hear(t, w, "p", "one", otp.FateDelivered)
	check(t, w, v, code, otp.OutcomeApproved)
	got := strings.Join(seen, ", ")
	if len(seen) != 4 || !strings.HasPrefix(seen[1], "sent p ") || !strings.HasSuffix(seen[1], " sms 1s") || !strings.HasSuffix(seen[2], " sms 2s") || !strings.HasSuffix(seen[3], " sms 2s") {
		t.Errorf("%s", got)
	}
}
