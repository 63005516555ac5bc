package app

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// TestATestAddressIsLoudEverywhere goes from the configuration over HTTP to
// metrics, trace and log.
func TestATestAddressIsLoudEverywhere(t *testing.T) {
	t.Parallel()
	log := &lines{}
	a := open(t, Options{Log: logTo(log), AdminListen: "127.0.0.1:0", AdminToken: token})
	apply(t, a, shop, false)
	day := time.Now().UTC().AddDate(0, 0, 3).Format(time.DateOnly)
	list := fmt.Sprintf("tenants:\n  - name: shop\n    test_addresses:\n      - {pattern: '+1500555*', code: 424242, until: %s}\n", day)
	if got := apply(t, a, list, false); got != "~ tenant shop: test_addresses (++1500555*)" {
		t.Errorf("difference %s", got)
	}
	said := "tenant shop: +1500555* is a test address until the end of " + day
	if !strings.Contains(log.String(), said) {
		t.Errorf("nothing said at apply:\n%s", log)
	}
	if err := a.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(log.String(), `"level":"WARN","msg":"a fixed code is accepted","detail":"`+said) {
		t.Errorf("nothing said at start-up:\n%s", log)
	}
	base := "http://" + a.Addr() + "/v1/verifications"
	status, body := call(t, http.MethodPost, base, shopKey, `{"to":"+15005550006"}`)
	if status != 201 || !strings.Contains(body, `"test":true`) {
		t.Fatalf("%d %s", status, body)
	}
	id := body[len(`{"id":"`):][:36]
	if status, body = call(t, http.MethodPost, base+"/"+id+"/check", shopKey, `{"code":"424242"}`); status != 200 || !strings.Contains(body, `"outcome":"approved"`) || !strings.Contains(body, `"test":true`) {
		t.Errorf("check: %d %s", status, body)
	}
	if status, body = call(t, http.MethodGet, base+"/"+id, shopKey, ""); status != 200 || !strings.Contains(body, `"test":true`) || !strings.Contains(body, `"detail":"test"`) {
		t.Errorf("look: %d %s", status, body)
	}
	one, err := a.TraceAddress(t.Context(), "shop", "+15005550006")
	if err != nil || len(one) != 1 || !one[0].Test || !strings.HasPrefix(one[0].Conclusion, "the fixed code was given after ") {
		t.Errorf("trace: %+v, %v", one, err)
	} else if !strings.Contains(one[0].Text(), "TEST") {
		t.Errorf("trace:\n%s", one[0].Text())
	}
	page := scrape(a)
	for _, line := range []string{
		`aldaba_test_events_total{dialect="native",status="started",tenant="shop"} 1`,
		`aldaba_test_events_total{dialect="native",status="approved",tenant="shop"} 1`,
	} {
		if !strings.Contains(page, line) {
			t.Errorf("no %s", line)
		}
	}
	if strings.Contains(page, "aldaba_verifications_started_total{") || len(a.Inbox.List("", "", 1)) > 0 {
		t.Error("it is counted as a person's, or something was sent")
	}
}

func scrape(a *App) string {
	rec := httptest.NewRecorder()
	a.metrics.Handler().ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	return rec.Body.String()
}

// TestALibrarysRetryIsTheSameStart repeats a start as generated client
// libraries do after an answer that was lost.
func TestALibrarysRetryIsTheSameStart(t *testing.T) {
	t.Parallel()
	a := running(t, Options{})
	apply(t, a, shop, false)
	var answers []string
	for attempt := range 3 {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+a.Addr()+"/v1/verifications", strings.NewReader(`{"to":"+584121234567"}`))
		if err != nil {
			t.Fatal(err)
		}
		r.Header = http.Header{"Authorization": {"Bearer " + shopKey}, "Content-Type": {"application/json"}, "X-Stainless-Retry-Count": {fmt.Sprint(attempt)}}
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		text := make([]byte, 1<<10)
		n, _ := answer.Body.Read(text)
		_ = answer.Body.Close()
		if answer.StatusCode != http.StatusCreated {
			t.Fatalf("%d %s", answer.StatusCode, text[:n])
		}
		answers = append(answers, string(text[:n]))
	}
	rest(t, a)
	if answers[0] != answers[1] || answers[0] != answers[2] || len(a.Inbox.List("", "", 10)) != 1 {
		t.Errorf("%q", answers)
	}
	if page := scrape(a); !strings.Contains(page, `aldaba_starts_repeated_total{dialect="native",tenant="shop"} 2`) {
		t.Error("it is not counted")
	}
}
