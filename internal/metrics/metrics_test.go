package metrics

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"go.yaml.in/yaml/v3"
)

// full is a set in which each metric has a series.
func full() *Set {
	s := New(Options{Version: "1.2.3", State: func() State {
		return State{
			Queue: Queue{Ready: 1, Busy: 2, Waiting: 3, Events: 4, Age: 5.5}, Breakers: []Breaker{{"one", "MX", true}, {"one", "VE", false}},
			Connections: []Connections{{"smsc", 1, 2}}, Store: Store{Waiting: 6, Commits: 7, Steps: 8, Doubts: 9, Behind: 1.5},
		}
	}})
	l := Labels{Tenant: "shop", Dialect: "native", Channel: "sms", Provider: "one", Country: "MX", Status: "approved", Rule: "r", Setting: "length", Result: "taken", Route: "/v1"}
	for c := range counterCount {
		s.Count(c, l)
	}
	for timer := range timerCount {
		s.Time(timer, l, 0.3)
	}
	s.Batch(17, 0.004)
	return s
}

// scrape returns what a monitoring system is answered.
func scrape(t *testing.T, s *Set) string {
	t.Helper()
	w := httptest.NewRecorder()
	s.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	if w.Code != http.StatusOK {
		t.Fatalf("status %d: %s", w.Code, w.Body)
	}
	return w.Body.String()
}

func TestScrapeTellsWhatHappened(t *testing.T) {
	t.Parallel()
	got := scrape(t, full())
	for _, want := range []string{
		`aldaba_build_info{version="1.2.3"} 1`,
		`aldaba_verifications_started_total{channel="sms",country="MX",dialect="native",tenant="shop"} 1`,
		`aldaba_verifications_ended_total{channel="sms",country="MX",dialect="native",status="approved",tenant="shop"} 1`,
		`aldaba_refusals_total{dialect="native",rule="r",tenant="shop"} 1`,
		`aldaba_weak_settings_total{dialect="native",setting="length",tenant="shop"} 1`,
		`aldaba_messages_sent_total{channel="sms",country="MX",dialect="native",provider="one",tenant="shop"} 1`,
		`aldaba_provider_call_seconds_bucket{channel="sms",provider="one",result="taken",le="0.25"} 0`,
		`aldaba_provider_call_seconds_bucket{channel="sms",provider="one",result="taken",le="0.5"} 1`,
		`aldaba_http_request_seconds_count{route="/v1",status="approved"} 1`,
		`aldaba_queue_messages{state="waiting"} 3`,
		`aldaba_queue_events 4`,
		`aldaba_queue_age_seconds 5.5`,
		`aldaba_breaker_open{country="MX",provider="one"} 1`,
		`aldaba_breaker_open{country="VE",provider="one"} 0`,
		`aldaba_provider_connections{provider="smsc",state="up"} 1`,
		`aldaba_provider_connections{provider="smsc",state="wanted"} 2`,
		`aldaba_store_queue_steps 6`, `aldaba_store_commits_total 7`, `aldaba_store_steps_total 8`, `aldaba_store_doubts_total 9`, `aldaba_store_clock_behind_seconds 1.5`,
		`aldaba_store_batch_steps_bucket{le="16"} 0`, `aldaba_store_batch_steps_bucket{le="32"} 1`, `aldaba_store_commit_seconds_count 1`,
		"go_goroutines ", "process_open_fds ",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("the scrape lacks %s", want)
		}
	}
}

func TestTooManyLabelsBecomeOther(t *testing.T) {
	t.Parallel()
	s := New(Options{MaxSeries: 3})
	var all sync.WaitGroup
	for i := range 50 {
		all.Go(func() { s.Count(Sent, Labels{Tenant: fmt.Sprint("t", i)}) })
	}
	all.Wait()
	s.Count(Sent, Labels{Tenant: "no \xff text"})
	text := scrape(t, s)
	if n := strings.Count(text, "\naldaba_messages_sent_total{"); n != 4 {
		t.Errorf("%d series, want 3 and one for the others", n)
	}
	if want := `{channel="other",country="other",dialect="other",provider="other",tenant="other"} 48`; !strings.Contains(text, want) {
		t.Errorf("the others are not counted together: %s", text)
	}
}

// TestBegunSeriesStandAtZeroBesideTheOthers: what is shown before its first
// event takes no room from what events bring, and has a bound of its own.
func TestBegunSeriesStandAtZeroBesideTheOthers(t *testing.T) {
	t.Parallel()
	s := New(Options{MaxSeries: 3})
	tenants := func(n int) (all []Labels) {
		for i := range n {
			all = append(all, Labels{Tenant: fmt.Sprint("begun", i)})
		}
		return all
	}
	s.Count(Locks, Labels{Tenant: "begun0"})
	s.Begin(Locks, tenants(2))
	s.Begin(Locks, tenants(50)) // another configuration
	s.Count(Locks, Labels{Tenant: "begun1"})
	for i := range 5 {
		s.Count(Locks, Labels{Tenant: fmt.Sprint("new", i)})
	}
	var got []string
	for _, line := range regexp.MustCompile(`(?m)^aldaba_guess_locks_total\{tenant="(.*)$`).FindAllStringSubmatch(scrape(t, s), -1) {
		got = append(got, line[1])
	}
	if want := []string{`begun0"} 1`, `begun1"} 1`, `begun2"} 0`, `begun3"} 0`, `new0"} 1`, `new1"} 1`, `other"} 3`}; !slices.Equal(got, want) {
		t.Errorf("got\n%q\nwant\n%q", got, want)
	}
}

func TestLabelsOfAnyBytesDoNotPanic(t *testing.T) {
	t.Parallel()
	s := New(Options{})
	s.Count(Refusals, Labels{Rule: "no \xff text"})
	if text := scrape(t, s); !strings.Contains(text, `rule="no _ text"`) {
		t.Error("the series is missing")
	}
}

// TestNamesAreThoseOfTheScrape holds the list of names against what is told.
func TestNamesAreThoseOfTheScrape(t *testing.T) {
	t.Parallel()
	var told []string
	for _, found := range regexp.MustCompile(`(?m)^# TYPE (aldaba_\w+) `).FindAllStringSubmatch(scrape(t, full()), -1) {
		told = append(told, found[1])
	}
	if slices.Sort(told); !slices.Equal(told, Names()) {
		t.Errorf("told:\n%q\nnames:\n%q", told, Names())
	}
}

// promtool runs Prometheus's own checker over a text.
func promtool(t *testing.T, stdin string, args ...string) {
	t.Helper()
	path, err := exec.LookPath("promtool")
	if err != nil {
		t.Skip("promtool is not here; it comes with the Debian package prometheus")
	}
	c := exec.CommandContext(t.Context(), path, args...)
	c.Stdin = strings.NewReader(stdin)
	var said bytes.Buffer
	c.Stdout, c.Stderr = &said, &said
	if err := c.Run(); err != nil {
		t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, &said)
	}
}

func TestPrometheusLikesTheNames(t *testing.T) {
	t.Parallel()
	promtool(t, scrape(t, full()), "check", "metrics")
}

const guide = "../../docs/operations/"

func TestPrometheusLikesTheAlerts(t *testing.T) {
	t.Parallel()
	promtool(t, "", "check", "rules", guide+"alerts.yaml")
}

// TestAlertsFireAndKeepSilent plays to the rules what servers show after a start:
// a first event, a carrier that takes nothing, and days without trouble.
func TestAlertsFireAndKeepSilent(t *testing.T) {
	t.Parallel()
	promtool(t, "", "test", "rules", guide+"alerts_test.yaml")
}

// TestEachAlertHasItsCases holds the cases that are played against the rules,
// also where there is no promtool to play them.
func TestEachAlertHasItsCases(t *testing.T) {
	t.Parallel()
	var rules struct {
		Groups []struct {
			Rules []struct{ Alert string }
		}
	}
	var played struct {
		Tests []struct {
			Cases []struct {
				Alert string `yaml:"alertname"`
				Fires []any  `yaml:"exp_alerts"`
			} `yaml:"alert_rule_test"`
		}
	}
	decode(t, "alerts.yaml", &rules)
	decode(t, "alerts_test.yaml", &played)
	fires, silent := map[string]bool{}, map[string]bool{}
	for _, test := range played.Tests {
		for _, one := range test.Cases {
			fires[one.Alert] = fires[one.Alert] || len(one.Fires) > 0
			silent[one.Alert] = silent[one.Alert] || len(one.Fires) == 0
		}
	}
	for _, group := range rules.Groups {
		for _, rule := range group.Rules {
			if !fires[rule.Alert] || !silent[rule.Alert] {
				t.Errorf("%s: a case makes it fire: %t; one keeps it silent: %t", rule.Alert, fires[rule.Alert], silent[rule.Alert])
			}
			delete(fires, rule.Alert)
		}
	}
	if len(fires) > 0 {
		t.Errorf("cases of alerts that there are not: %v", fires)
	}
}

// decode reads a file of the guide.
func decode(t *testing.T, name string, to any) {
	t.Helper()
	text, err := os.ReadFile(guide + name)
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(text, to); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}

// metric finds a metric's name, without what Prometheus adds to a histogram's.
func named(text string) (names []string) {
	for _, found := range regexp.MustCompile(`\baldaba_[a-z_]+\b`).FindAllString(text, -1) {
		for _, part := range []string{"_bucket", "_sum", "_count"} {
			if whole, ok := strings.CutSuffix(found, part); ok && slices.Contains(Names(), whole) {
				found = whole
			}
		}
		names = append(names, found)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// TestTheGuideNamesEveryMetric holds both pages against the code, and each
// metric that an alert speaks of.
func TestTheGuideNamesEveryMetric(t *testing.T) {
	t.Parallel()
	for _, page := range []string{guide + "monitoring.md", "../../docs/es/operacion/supervision.md"} {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		if got := named(string(text)); !slices.Equal(got, Names()) {
			t.Errorf("%s names\n%q, there are\n%q", page, got, Names())
		}
	}
	alerts, err := os.ReadFile(guide + "alerts.yaml")
	if err != nil {
		t.Fatal(err)
	}
	spoken := named(string(alerts))
	for _, name := range spoken {
		if !slices.Contains(Names(), name) {
			t.Errorf("an alert speaks of %s, which is not there", name)
		}
	}
	if len(spoken) < 8 {
		t.Errorf("the alerts speak of %d metrics only", len(spoken))
	}
	// Alertmanager takes rules of one name for one alert.
	names := regexp.MustCompile(`alert: \w+`).FindAllString(string(alerts), -1)
	slices.Sort(names)
	if distinct := slices.Compact(slices.Clone(names)); len(distinct) != len(names) {
		t.Errorf("two alerts share a name: %q", names)
	}
}

func BenchmarkCount(b *testing.B) {
	s := New(Options{})
	for i := range 500 {
		s.Count(Sent, Labels{Tenant: fmt.Sprint("tenant-", i), Dialect: "native", Channel: "sms", Provider: "carrier", Country: "MX"})
	}
	l := Labels{Tenant: "tenant-77", Dialect: "native", Channel: "sms", Provider: "carrier", Country: "MX"}
	b.ReportAllocs()
	for b.Loop() {
		s.Count(Sent, l)
	}
}
