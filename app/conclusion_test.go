package app

import (
	"strings"
	"testing"
	"time"
)

// situation is a trace of a verification that began 2 minutes ago and lives 5,
// with one route over two providers.
func situation(change ...func(*Trace)) Trace {
	began := time.Date(2026, 1, 31, 9, 5, 7, 0, time.UTC)
	t := Trace{
		ID: "019c1346-5a22-7a3e-8d6f-2f1c1b0a9e77", Status: "pending", Tenant: "shop", To: "+525*****678", Country: "MX", Channel: "sms",
		Created: began, Expires: began.Add(5 * time.Minute), Now: began.Add(2 * time.Minute), MaxAttempts: 3, Sends: 1,
		Route: &TraceRoute{For: "all", Providers: []TraceProvider{
			{Name: "one", Priority: 1, Weight: 1, Breaker: "closed"}, {Name: "two", Priority: 2, Weight: 1, Breaker: "unused"},
		}},
		Journal: []TraceLine{{At: began, Kind: "started", Actor: "key 1"}},
	}
	for _, f := range change {
		f(&t)
	}
	return t
}

// later adds a journal line of a message, so many seconds after the start.
func later(seconds float64, kind, provider, detail string) func(*Trace) {
	return func(t *Trace) {
		at := t.Created.Add(time.Duration(seconds * float64(time.Second)))
		t.Journal = append(t.Journal, TraceLine{At: at, After: seconds, Kind: kind, Channel: "sms", Provider: provider, Detail: detail})
	}
}

func ended(status string, seconds int) func(*Trace) {
	return func(t *Trace) {
		at := t.Created.Add(time.Duration(seconds) * time.Second)
		t.Status, t.Ended = status, &at
	}
}

func now(seconds int) func(*Trace) {
	return func(t *Trace) { t.Now = t.Created.Add(time.Duration(seconds) * time.Second) }
}

func waits(m TraceRow) func(*Trace) {
	return func(t *Trace) {
		m.For, m.Until = "person", t.Now.Add(7*time.Second)
		t.Waiting = append(t.Waiting, m)
	}
}

// breakers gives both providers a state.
func breakers(one, two string) func(*Trace) {
	return func(t *Trace) {
		until := t.Now.Add(20 * time.Second)
		for i, state := range []string{one, two} {
			p := &t.Route.Providers[i]
			if p.Breaker = state; state == "open" {
				p.Why, p.Until = "errors", &until
			}
		}
	}
}

func TestConclusions(t *testing.T) {
	t.Parallel()
	noRoute := func(t *Trace) { t.Route = nil }
	missing := func(t *Trace) {
		t.Route.Providers = []TraceProvider{{Name: "one", Missing: true}, {Name: "smsc", Breaker: "closed", Want: 2}}
	}
	wrong := func(n int) func(*Trace) { return func(t *Trace) { t.Wrong = n } }
	for name, c := range map[string]struct {
		trace        Trace
		says, advice string
	}{
		"approved": {
			situation(later(1, "sent", "one", "id1"), ended("approved", 14)), "the code was given after 14 s: it arrived.", "",
		},
		"taken, no receipt yet": {
			situation(later(108, "sent", "one", "id1"), waits(TraceRow{Provider: "one", Receipts: 1})),
			"one took it 12 s ago and has sent no receipt; the breaker of one in MX is closed.", "wait for its receipt",
		},
		"taken, no receipts promised": {
			situation(later(1, "sent", "one", "id1")),
			"one took it 1m59s ago, and this server waits for no receipt of it; the breaker of one in MX is closed.", "ask one about the id",
		},
		"taken by one that the route names no more": {
			situation(later(119, "sent", "old", "id1")), "old took it 1.0 s ago, and this server waits for no receipt of it; old is not in the route in force.", "ask old",
		},
		"maybe taken": {
			situation(later(100, "sent", "one", "maybe: the answer was lost")),
			"one may have taken it 20 s ago: its answer was lost, and nobody else is asked lest the person be sent too many; the breaker of one in MX is closed.",
			"let the person start again",
		},
		"receipt overdue to the end": {
			situation(later(1, "sent", "one", "id1"), later(300, "unconfirmed", "one", ""), now(400)),
			"the code expired after 5m0s and was not given; one took it and never sent the receipt that it promises; the breaker of one in MX is closed.",
			"ask one about it",
		},
		"delivered and not given": {
			situation(later(1, "sent", "one", "id1"), later(4.2, "delivered", "one", "DELIVRD")),
			"one says that it arrived 4.2 s after the start, and nobody has given the code.", "blocked sender or a spam folder",
		},
		"delivered and given wrongly": {
			situation(later(1, "sent", "one", "id1"), later(4.2, "delivered", "one", "DELIVRD"), wrong(1)),
			"one says that it arrived 4.2 s after the start, and 1 wrong guess was made since.", "an older code",
		},
		"exhausted": {
			situation(later(1, "sent", "one", "id1"), later(4, "delivered", "one", ""), wrong(3), ended("exhausted", 60)),
			"3 wrong guesses used up its tries after 1m0s: a code was there, or somebody guessed; one says that it arrived 4.0 s after the start.", "",
		},
		"failed after it was taken": {
			situation(later(1, "sent", "one", "id1"), later(9, "failed", "one", "30003")),
			"one took it and said 9.0 s after the start that it will not arrive (30003).", "look the word up with one",
		},
		"failed and with another provider": {
			situation(later(1, "sent", "one", "id1"), later(9, "failed", "one", "30003"), waits(TraceRow{Tries: 1})),
			"one took it and said 9.0 s after the start that it will not arrive (30003); another provider is asked.", "ask again",
		},
		"tried again": {
			situation(later(117, "retry", "two", "throttled 429"), waits(TraceRow{Tries: 1})),
			"nobody has taken it so far; two answered last, 3.0 s ago (throttled 429), and it is tried again in 7.0 s.", "throttled is too fast",
		},
		"parked behind breakers": {
			situation(later(117, "retry", "two", "unavailable"), waits(TraceRow{Tries: 1}), breakers("open", "open")),
			"nobody has taken it so far; two answered last, 3.0 s ago (unavailable), and it is tried again in 7.0 s; " +
				"no provider of the route can be used now: the breaker of one in MX is open for errors; the breaker of two in MX is open for errors.",
			"mend the provider",
		},
		"refused for good": {
			situation(later(1, "unsent", "two", "rejected 21614")), "nobody carried it (two rejected 21614).", "refuses this number",
		},
		"no provider, and no route still": {
			situation(later(1, "unsent", "", "no provider"), noRoute),
			"nobody carried it (no provider); no route of tenant shop leads to this address by sms.", "add a route",
		},
		"no provider then, and a route now": {
			situation(later(1, "unsent", "", "no provider")), "nobody carried it (no provider).", "let the person start again",
		},
		"not rendered":   {situation(later(1, "unsent", "", "cannot be rendered")), "nobody carried it (cannot be rendered).", "the template or the key ring"},
		"out of time":    {situation(later(1, "unsent", "", "the code has expired")), "nobody carried it (the code has expired).", "a second provider"},
		"given up after": {situation(later(60, "unsent", "", "the verification is over"), ended("canceled", 50)), "the application took it back after 50 s; nobody carried it (the verification is over).", "lost its sense"},
		"in the queue": {
			situation(waits(TraceRow{})), "its message waits in this server's queue and no provider has been asked yet.", "aldaba_queue_age_seconds",
		},
		"in hand":        {situation(now(3)), "its message is in a provider's hands at this moment, or in another server's queue.", "in a few seconds"},
		"kept by nobody": {situation(), "no provider answered for it in 2m0s.", "a dead one"},
		"untried, and nobody can": {
			situation(missing), "no provider of the route can be used now: one could not be opened by this server; smsc has none of its 2 connections.", "mend the provider",
		},
		"superseded": {
			situation(later(1, "sent", "one", "id1"), ended("superseded", 90)),
			"a newer verification took its place after 1m30s, and this one's code is refused; one took it 1m59s ago, and this server waits for no receipt of it; the breaker of one in MX is closed.",
			"aldaba trace --tenant shop --to ADDRESS",
		},
		"void": {situation(later(1, "sent", "one", "i"), ended("void", 9)), "the operator declared it dead after 9.0 s; one took it", ""},
		"sent again, and not yet tried": {
			situation(later(1, "sent", "one", "id1"), later(118, "resent", "", "")),
			"its message is in a provider's hands at this moment, or in another server's queue.", "",
		},
		"the plan went on": {
			situation(later(1, "sent", "one", "id1"), later(60, "next", "", "voice"), later(61, "sent", "two", "id2"), breakers("closed", "open")),
			"two took it 59 s ago, and this server waits for no receipt of it; the breaker of two in MX is open for errors.", "",
		},
		"by mail, on another server": {
			situation(func(t *Trace) { t.Country = "" }, breakers("unused", "closed"), later(119, "sent", "one", "")),
			"one took it 1.0 s ago, and this server waits for no receipt of it; the breaker of one has judged nothing on this server.", "",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c.trace.conclude()
			if !strings.HasPrefix(c.trace.Conclusion, c.says) {
				t.Errorf("it says\n%s\nwant\n%s", c.trace.Conclusion, c.says)
			}
			if !strings.Contains(c.trace.Advice, c.advice) || c.advice == "" && c.trace.Status == "approved" && c.trace.Advice != "" {
				t.Errorf("it advises %q, want %q", c.trace.Advice, c.advice)
			}
		})
	}
}

func TestTraceIsOneScreen(t *testing.T) {
	t.Parallel()
	one := situation(later(1, "sent", "one", "id1"), waits(TraceRow{Channel: "sms", Provider: "one", Receipts: 1, Waits: "a receipt"}), breakers("closed", "open"))
	one.Dialect, one.Profile, one.Purpose = "native", "default", "authenticate"
	one.Plan = []TraceLeg{{"sms", 60, true}, {"voice", 0, false}}
	one.Webhooks = []TraceWebhook{{"hooks.example.com", 1, 2}}
	one.Limit, one.Wait = "sends_per_destination_10m", 480
	one.conclude()
	want := `019c1346-5a22-7a3e-8d6f-2f1c1b0a9e77  pending
  tenant   shop, profile default, authenticate by native
  to       +525*****678 by sms (MX)
  started  2026-01-31T09:05:07Z, 2m0s ago
  expires  2026-01-31T09:10:07Z, in 3m0s
  guesses  0 wrong of 3; 1 send
  plan     [sms] > voice
  route    for all
           one (priority 1, weight 1): breaker closed
           two (priority 2, weight 1): breaker open for errors, probe in 20 s
  waits    person: sms, for a receipt, until 09:07:14 (in 7.0 s)
  webhook  hooks.example.com: told 1, waiting 2
  limit    another message is refused for 8m0s by sends_per_destination_10m

  +0.0 s  started  key 1
  +1.0 s  sent     sms one  id1

Why: one took it 1m59s ago and has sent no receipt; the breaker of one in MX is closed.
Next: wait for its receipt; if none comes, ask one about the id that the line ` + "`sent`" + ` shows.
`
	if got := one.Text(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
