package httpsms_test

import (
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/aldaba-otp/aldaba/delivery"
	"github.com/aldaba-otp/aldaba/delivery/deliverytest"
	"github.com/aldaba-otp/aldaba/internal/clock"
)

// plain is a gateway described without a preset.
func plain(base string) map[string]any {
	return map[string]any{
		"url": base + "/send", "headers": map[string]any{"Authorization": "Bearer {{secret.token}}"},
		"secrets": map[string]any{"token": "tellnobody"},
		"json":    map[string]any{"to": "{{to}}", "text": "{{text}}"},
		"success": map[string]any{"status": []any{200, 202}, "id": "$.id"},
	}
}

func TestProvider(t *testing.T) {
	t.Parallel()
	deliverytest.Run(t, func(t *testing.T) deliverytest.Harness {
		gateway := newServer(t)
		statuses := map[delivery.Class]int{delivery.Rejected: 400, delivery.Throttled: 429, delivery.Unavailable: 503}
		refusals := map[delivery.Class]http.HandlerFunc{}
		for class, status := range statuses {
			refusals[class] = text(status, "application/json", `{"error":"no"}`)
		}
		p := must(t, plain(gateway.URL), "", clock.New(0))
		h := harness(t, gateway, p, text(202, "application/json", `{"id":"m-1"}`), refusals, deliverytest.Message())
		h.Secrets = []string{"tellnobody"}
		return h
	})
}

func TestPresets(t *testing.T) {
	t.Parallel()
	for _, name := range names(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			deliverytest.Run(t, func(t *testing.T) deliverytest.Harness {
				tr, gateway := load(t, name), newServer(t)
				refusals := map[delivery.Class]http.HandlerFunc{}
				answers, _ := tr.parts(t)
				for _, answer := range answers {
					word, _, _ := strings.Cut(strings.TrimSpace(string(tr.part(answer+".want"))), " ")
					for _, class := range []delivery.Class{delivery.Rejected, delivery.Throttled, delivery.Unavailable} {
						if class.String() == word {
							refusals[class] = replay(t, tr.part(answer+".http"))
						}
					}
				}
				m := deliverytest.Message()
				m.Channel = tr.message.Channel
				h := harness(t, gateway, tr.open(t, gateway.URL, clock.New(0)), replay(t, tr.part("taken.http")), refusals, m)
				h.Secrets = secretsOf(tr.settings)
				return h
			})
		})
	}
}

// harness makes a server behave.
func harness(t *testing.T, gateway *server, p delivery.Provider, taken http.HandlerFunc, refusals map[delivery.Class]http.HandlerFunc, m delivery.Message) deliverytest.Harness {
	t.Helper()
	var carried []string
	heal := func() {
		gateway.say(func(w http.ResponseWriter, r *http.Request) {
			query, _ := url.QueryUnescape(r.URL.RawQuery)
			body, _ := url.QueryUnescape(string(gateway.body))
			if whole := query + body + string(gateway.body); strings.Contains(whole, m.Body) || m.Channel != "sms" && strings.Contains(whole, m.Code) {
				carried = append(carried, m.Body)
			}
			taken(w, r)
		})
	}
	heal()
	return deliverytest.Harness{
		Provider: p, Message: m, Heal: heal,
		Refuse: func(class delivery.Class) bool {
			answer, ok := refusals[class]
			gateway.say(answer)
			return ok
		},
		Slow: func() { gateway.say(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }) },
		Garble: func() {
			gateway.say(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "\x00\xff{{<nonsense "+m.Code) })
		},
		Carried: func() []string { return carried },
	}
}
