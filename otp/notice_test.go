package otp_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/aldaba-otp/aldaba/otp"
	"github.com/aldaba-otp/aldaba/store/storetest/world"
)

const hook = "https://a.example/hook"

// hooked is a world whose acme has a webhook that hears of some events.
func hooked(t *testing.T, events ...otp.EventKind) *world.World {
	t.Helper()
	w := tenants(t)
	sealed, err := w.Ring().SealText(w.Clock.Now(), strings.NewReader(strings.Repeat("n", 64)), otp.WebhookSecret("acme", hook), "whsec_c2VjcmV0")
	if err != nil {
		t.Fatal(err)
	}
	w.Configure(t, []otp.Tenant{{Name: "acme", Countries: []string{"*"}, Home: "VE", Webhooks: []otp.Webhook{{URL: hook, Secret: sealed, Events: events}}}})
	return w
}

// noticeRows returns the outbox rows of events, oldest first.
func noticeRows(t *testing.T, w *world.World) (rows []otp.Message) {
	t.Helper()
	all, err := w.Store.ScanMessages(t.Context(), otp.ID{}, 100)
	if err != nil {
		t.Fatal(err)
	}
	for i := range all {
		if all[i].Kind == otp.EventMessage {
			rows = append(rows, all[i])
		}
	}
	return rows
}

func TestAWebhookHearsWhichCarrierTookAMessage(t *testing.T) {
	t.Parallel()
	w := hooked(t, otp.EventSent)
	if _, err := w.Start(t.Context(), native(phone)); err != nil {
		t.Fatal(err)
	}
	taken(t, w, "vendor-1")
	n, err := w.Notice(t.Context(), noticeRows(t, w)[0])
	if err != nil {
		t.Fatal(err)
	}
	var body struct {
		Data struct{ Channel, Provider, Detail string }
	}
	if err := json.Unmarshal(n.Body, &body); err != nil || body.Data.Channel != "sms" || body.Data.Provider != "p" || body.Data.Detail != "vendor-1" {
		t.Errorf("%s, %v", n.Body, err)
	}
}

func TestAnEventIsToldByOneServerAtATime(t *testing.T) {
	t.Parallel()
	w := hooked(t, otp.EventStarted)
	if _, err := w.Start(t.Context(), native(phone)); err != nil {
		t.Fatal(err)
	}
	row := noticeRows(t, w)[0]
	other, _ := second(w)
	mine, err := other.TakeOver(t.Context(), row)
	if err != nil || mine.Owner == row.Owner || noticeRows(t, w)[0].Owner != mine.Owner {
		t.Fatalf("taken over: %+v, %v", mine, err)
	}
	if late, err := w.TakeOver(t.Context(), otp.Message{ID: row.ID, Owner: otp.ID{9}}); err != nil || late.Owner != (otp.ID{9}) || noticeRows(t, w)[0].Owner != mine.Owner {
		t.Errorf("another was quicker: %+v, %v", late, err)
	}
	if _, err := w.Notice(t.Context(), row); kind(err) != otp.NotFound {
		t.Errorf("the first server tells it: %v", err)
	}
	again := w.Clock.Now().Add(time.Minute)
	if _, err := w.Noticed(t.Context(), row, otp.Telling{NextAt: again}); err != nil {
		t.Fatal(err)
	}
	if got := noticeRows(t, w)[0]; got.Attempt != 0 || got.NextAt.Equal(again) {
		t.Errorf("the first server's word counts: %+v", got)
	}
	if _, err := other.Notice(t.Context(), mine); err != nil {
		t.Fatal(err)
	}
	if _, err := other.Noticed(t.Context(), mine, otp.Telling{NextAt: again}); err != nil {
		t.Fatal(err)
	}
	if got := noticeRows(t, w)[0]; got.Attempt != 1 || !got.NextAt.Equal(again) {
		t.Errorf("its next try: %+v", got)
	}
	if _, err := w.Notice(t.Context(), noticeRows(t, w)[0]); err != nil { // whose owner is told, it becomes this server's
		t.Fatal(err)
	}
	if got := noticeRows(t, w)[0]; got.Owner != row.Owner {
		t.Errorf("the owner is %s", got.Owner)
	}
}

// TestAnEventWithoutItsVerificationIsToldToNobody, as when it was swept.
func TestAnEventWithoutItsVerificationIsToldToNobody(t *testing.T) {
	t.Parallel()
	w := hooked(t, otp.EventStarted)
	v, err := w.Start(t.Context(), native(phone))
	if err != nil {
		t.Fatal(err)
	}
	row := noticeRows(t, w)[0]
	if err := w.Store.Do(t.Context(), otp.Step{Load: otp.Keys{Verifications: []otp.ID{v.ID}}, Decide: func(_ time.Time, st *otp.State) error {
		st.Verifications.Delete(v.ID)
		st.DropJournal(v.ID)
		return nil
	}}); err != nil {
		t.Fatal(err)
	}
	if n, err := w.Notice(t.Context(), row); kind(err) != otp.NotFound {
		t.Errorf("%s, %v", n.Body, err)
	}
}

func TestWebhooksAreChecked(t *testing.T) {
	t.Parallel()
	long := "https://a.example/" + strings.Repeat("x", 2048-len("https://a.example/"))
	for what, c := range map[string]struct {
		hooks []otp.Webhook
		ok    bool
	}{
		"one":               {[]otp.Webhook{{URL: hook, Secret: "s"}}, true},
		"two":               {[]otp.Webhook{{URL: hook, Secret: "s"}, {URL: hook + "s", Secret: "s"}}, true},
		"one of 2048 bytes": {[]otp.Webhook{{URL: long, Secret: "s"}}, true},
		"a byte more":       {[]otp.Webhook{{URL: long + "x", Secret: "s"}}, false},
		"of two lines":      {[]otp.Webhook{{URL: hook + "\n", Secret: "s"}}, false},
		"without a secret":  {[]otp.Webhook{{URL: hook}}, false},
		"one given twice":   {[]otp.Webhook{{URL: hook, Secret: "s"}, {URL: hook, Secret: "t"}}, false},
		"of another scheme": {[]otp.Webhook{{URL: "ftp://a.example", Secret: "s"}}, false},
		"an unknown event":  {[]otp.Webhook{{URL: hook, Secret: "s", Events: []otp.EventKind{"guessed"}}}, false},
	} {
		if _, err := otp.NewDirectory([]otp.Tenant{{Name: "acme", Webhooks: c.hooks}}, nil); (err == nil) != c.ok {
			t.Errorf("%s: %v", what, err)
		}
	}
}
