package app

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aldaba-otp/aldaba/delivery"
	"github.com/aldaba-otp/aldaba/internal/clock"
	"github.com/aldaba-otp/aldaba/internal/metrics"
	"github.com/aldaba-otp/aldaba/otp"
)

// lines is a log that a test reads.
type lines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func logTo(l *lines) *slog.Logger {
	return slog.New(slog.NewJSONHandler(l, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

const shopKey = "0123456789abcdef0123456789abcdef"

// rest waits until the courier has nothing in hand.
func rest(t *testing.T, a *App) {
	t.Helper()
	a.Courier.Settle(t.Context())
	a.Courier.Rest(t.Context())
}

func TestMetricsTellWhatAServerDid(t *testing.T) {
	t.Parallel()
	log := &lines{}
	a := running(t, Options{Log: logTo(log)})
	apply(t, a, shop, false)
	base := "http://" + a.Addr()
	if status, body := call(t, http.MethodPost, base+"/v1/verifications", shopKey, `{"to":"+584121234567"}`); status != 201 {
		t.Fatalf("%d %s", status, body)
	}
	rest(t, a)
	message := a.Inbox.List("", "", 1)[0]
	for i, code := range []string{"wrong!", message.Code} {
		if status, body := call(t, http.MethodPost, base+"/v1/verifications/"+message.Verification+"/check", shopKey, `{"code":"`+code+`"}`); status != 200 {
			t.Fatalf("guess %d: %d %s", i, status, body)
		}
	}
	status, text := call(t, http.MethodGet, "http://"+a.AdminAddr()+"/metrics", token, "")
	if status != 200 {
		t.Fatalf("%d %s", status, text)
	}
	for _, want := range []string{
		`aldaba_verifications_started_total{channel="sms",country="VE",dialect="native",tenant="shop"} 1`,
		`aldaba_verifications_approved_total{channel="sms",country="VE",dialect="native",tenant="shop"} 1`,
		`aldaba_verifications_ended_total{channel="sms",country="VE",dialect="native",status="approved",tenant="shop"} 1`,
		`aldaba_guesses_wrong_total{channel="sms",country="VE",dialect="native",tenant="shop"} 1`,
		`aldaba_messages_sent_total{channel="sms",country="VE",dialect="native",provider="box",tenant="shop"} 1`,
		`aldaba_message_handover_seconds_count{channel="sms",country="VE",provider="box"} 1`,
		`aldaba_verification_approval_seconds_count{channel="sms",country="VE",dialect="native"} 1`,
		`aldaba_provider_call_seconds_count{channel="sms",provider="box",result="taken"} 1`,
		`aldaba_http_request_seconds_count{route="/v1/verifications",status="201"} 1`,
		`aldaba_breaker_open{country="VE",provider="box"} 0`,
		`aldaba_queue_messages{state="busy"} 0`,
	} {
		if !strings.Contains(text, want+"\n") {
			t.Errorf("the scrape lacks %s", want)
		}
	}
	for _, secret := range []string{"584121234567", message.Code, shopKey, token, message.Verification} {
		if strings.Contains(text, secret) {
			t.Errorf("the scrape holds %s", secret)
		}
	}
	if want := `"msg":"message","event":"sent","verification_id":"` + message.Verification + `","tenant":"shop","channel":"sms","provider":"box"`; !strings.Contains(log.String(), want) {
		t.Errorf("the log lacks %s", want)
	}
	for _, secret := range []string{"584121234567", message.Code} {
		if strings.Contains(log.String(), secret) {
			t.Errorf("the log holds %s", secret)
		}
	}
}

// TestEveryEventIsCounted goes through all kinds of events, so that a new one
// is not forgotten.
func TestEveryEventIsCounted(t *testing.T) {
	t.Parallel()
	kinds := append(otp.WebhookEvents(), otp.EventRetry)
	log := &lines{}
	a := &App{metrics: metrics.New(metrics.Options{}), log: logTo(log)}
	for _, kind := range kinds {
		e := event(kind)
		if kind == otp.EventAlert { // is of no message
			e.Detail = otp.RuleRatio + " 201 of 250"
		}
		a.observe(&e)
	}
	got, err := a.metrics.Gatherer().Gather()
	if err != nil {
		t.Fatal(err)
	}
	sums := map[string]float64{}
	for _, f := range got {
		for _, m := range f.GetMetric() {
			sums[f.GetName()] += m.GetCounter().GetValue() + float64(m.GetHistogram().GetSampleCount())
		}
	}
	for name, want := range map[string]float64{
		"aldaba_verifications_started_total": 1, "aldaba_verifications_resent_total": 1, "aldaba_verifications_next_channel_total": 1,
		"aldaba_verifications_approved_total": 1, "aldaba_verifications_ended_total": 6, "aldaba_guesses_wrong_total": 2, "aldaba_refusals_total": 1, "aldaba_weak_settings_total": 2,
		"aldaba_messages_sent_total": 1, "aldaba_messages_delivered_total": 1, "aldaba_messages_failed_total": 1, "aldaba_messages_unsent_total": 1,
		"aldaba_messages_retried_total": 1, "aldaba_messages_unconfirmed_total": 1,
		"aldaba_guess_locks_total": 1, "aldaba_guess_releases_total": 1, "aldaba_alerts_total": 1,
		"aldaba_message_handover_seconds": 1, "aldaba_message_receipt_seconds": 1, "aldaba_verification_approval_seconds": 1,
	} {
		if sums[name] != want {
			t.Errorf("%s is %v, want %v", name, sums[name], want)
		}
	}
	for _, word := range []string{"sent", "delivered", "failed", "unsent", "unconfirmed", "retry"} {
		if !strings.Contains(log.String(), `"event":"`+word+`"`) {
			t.Errorf("%s is not logged", word)
		}
	}
	if strings.Contains(log.String(), "carrier-id-7") {
		t.Error("the log holds what the carrier calls the message")
	}
}

func event(kind otp.EventKind) otp.Event {
	var weak []string
	if kind == otp.EventStarted {
		weak = []string{"max_attempts", "lifetime"}
	}
	return otp.Event{
		Tenant: "shop", Dialect: "native", Kind: kind, Detail: "sms one carrier-id-7",
		Facts: otp.Facts{Channel: otp.SMS, Country: "MX", Provider: "one", Since: 3 * time.Second, Weak: weak},
	}
}

func TestStateTellsTheQueueAndTheConnections(t *testing.T) {
	t.Parallel()
	a := open(t, Options{Clock: clock.New(0)})
	a.Courier.SetProviders(map[string]delivery.Provider{"smsc": connected{}, "box": a.Inbox.Port()})
	a.Courier.Accept(otp.Dispatch{Message: otp.Message{Kind: otp.CodeMessage, Created: a.Clock.Now().Add(-time.Minute)}})
	s := a.state()
	if len(s.Connections) != 1 || s.Connections[0] != (metrics.Connections{Provider: "smsc", Up: 1, Wanted: 3}) {
		t.Errorf("connections %+v", s.Connections)
	}
	if s.Queue.Ready != 1 || s.Queue.Age < 60 || s.Queue.Age > 90 {
		t.Errorf("queue %+v", s.Queue)
	}
}

// connected is a provider with connections; it is never asked to send.
type connected struct{ delivery.Provider }

func (connected) Status() (up, want int) { return 1, 3 }

// BenchmarkObserve is what each event costs the one who caused it.
func BenchmarkObserve(b *testing.B) {
	for _, kind := range []otp.EventKind{otp.EventStarted, otp.EventWrong, otp.EventSent, otp.EventApproved} {
		b.Run(string(kind), func(b *testing.B) {
			a := &App{metrics: metrics.New(metrics.Options{}), log: slog.New(slog.DiscardHandler)}
			for i := range 300 {
				e := event(kind)
				e.Tenant = fmt.Sprint("tenant-", i)
				a.observe(&e)
			}
			e := event(kind)
			b.ReportAllocs()
			for b.Loop() {
				a.observe(&e)
			}
		})
	}
}

// TestAlertsAreShownFromNothing: a first alert is a rise only to who has seen
// the 0 before it, and somebody must be told of it.
func TestAlertsAreShownFromNothing(t *testing.T) {
	t.Parallel()
	a := running(t, Options{})
	apply(t, a, "tenants: [{name: shop, home: VE}]\n", false)
	page := scrape(a)
	rules, err := os.ReadFile("../docs/operations/alerts.yaml")
	if err != nil {
		t.Fatal(err)
	}
	asked := regexp.MustCompile(`increase\(aldaba_alerts_total\{rule=~?"([^"]+)"\}`).FindAllStringSubmatch(string(rules), -1)
	for _, rule := range otp.AlertRules() {
		if want := `aldaba_alerts_total{rule="` + rule + `",tenant="shop"} 0`; !strings.Contains(page, want) {
			t.Errorf("%s is missing", want)
		}
		if !slices.ContainsFunc(asked, func(of []string) bool { return regexp.MustCompile("^(?:" + of[1] + ")$").MatchString(rule) }) {
			t.Errorf("no alert of alerts.yaml is for %s", rule)
		}
	}
}
