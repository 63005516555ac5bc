package metrics

import "github.com/prometheus/client_golang/prometheus"

// definition is one metric.
type definition struct {
	name, help string
	labels     []string
	buckets    []float64            // of a timer
	kind       prometheus.ValueType // of what is measured when somebody asks
}

// Counter names a counter.
type Counter int

// The counters.
const (
	Started Counter = iota
	Approved
	Ended
	Resent
	NextChannel
	WrongGuesses
	Refusals
	Shadowed
	Sent
	Delivered
	Failed
	Unsent
	Retried
	Unconfirmed
	Locks
	Releases
	Alerts
	WeakSettings
	Tests
	Repeated
	Decoys

	counterCount // the number of counters
)

// counters lists the counters in the order of their names above.
func counters() []definition {
	verification := []string{"tenant", "dialect", "channel", "country"}
	message := []string{"tenant", "dialect", "channel", "provider", "country"}
	return []definition{
		{name: "aldaba_verifications_started_total", help: "Verifications that were started.", labels: verification},
		{name: "aldaba_verifications_approved_total", help: "Verifications whose code was given.", labels: verification},
		{
			name: "aldaba_verifications_ended_total", help: "Verifications that came to an end, by how.",
			labels: []string{"tenant", "dialect", "channel", "country", "status"},
		},
		{name: "aldaba_verifications_resent_total", help: "Codes that an application had sent again.", labels: verification},
		{name: "aldaba_verifications_next_channel_total", help: "Plans that went on to their next channel.", labels: verification},
		{name: "aldaba_guesses_wrong_total", help: "Wrong guesses that were judged.", labels: verification},
		{name: "aldaba_refusals_total", help: "Requests that a limit refused.", labels: []string{"tenant", "dialect", "rule"}},
		{name: "aldaba_shadow_refusals_total", help: "Starts that the fraud watch would have refused were it not in shadow mode.", labels: []string{"tenant", "dialect", "rule"}},
		{name: "aldaba_messages_sent_total", help: "Messages that a provider took.", labels: message},
		{name: "aldaba_messages_delivered_total", help: "Messages of which the carrier said that they arrived.", labels: message},
		{name: "aldaba_messages_failed_total", help: "Messages that a carrier took and then said will not arrive.", labels: message},
		{name: "aldaba_messages_unsent_total", help: "Messages that were given up.", labels: message},
		{name: "aldaba_messages_retried_total", help: "Rounds through all providers that failed and are followed by another.", labels: message},
		{name: "aldaba_messages_unconfirmed_total", help: "Messages whose promised receipt did not come while the code lived.", labels: message},
		{name: "aldaba_guess_locks_total", help: "Addresses that wrong guesses in a row locked.", labels: []string{"tenant"}},
		{name: "aldaba_guess_releases_total", help: "Addresses that were released without a guess at them.", labels: []string{"tenant"}},
		{name: "aldaba_alerts_total", help: "Alerts: too many wrong guesses, a prefix that does not convert, a day's limit that is used up to 50, 80 or 100 %.", labels: []string{"tenant", "rule"}},
		{name: "aldaba_weak_settings_total", help: "Settings of starts that were cut to the policy's bounds, or honoured although they are weak.", labels: []string{"tenant", "dialect", "setting"}},
		{
			name: "aldaba_test_events_total", help: "Events of test addresses, which no other metric of verifications counts.",
			labels: []string{"tenant", "dialect", "status"},
		},
		{name: "aldaba_starts_repeated_total", help: "Starts that came again within their window and got the first one's answer.", labels: []string{"tenant", "dialect"}},
		{
			name: "aldaba_decoy_events_total", help: "Events of decoys, which no other metric of verifications counts; rule is that of the refusal a start stands for.",
			labels: []string{"tenant", "dialect", "status", "rule"},
		},
	}
}

// Timer names a histogram of times.
type Timer int

// The histograms of times.
const (
	HandOver Timer = iota
	Receipt
	Approval
	ProviderCall
	Request

	timerCount // the number of timers
)

// timers lists the histograms in the order of their names above.
func timers() []definition {
	people := []float64{1, 2, 5, 10, 15, 20, 30, 45, 60, 90, 120, 180, 300, 600}
	calls := []float64{.01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}
	return []definition{
		{
			name: "aldaba_message_handover_seconds", help: "Time from a message's birth until a provider took it.",
			labels: []string{"channel", "provider", "country"}, buckets: []float64{.01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 120},
		},
		{
			name: "aldaba_message_receipt_seconds", help: "Time from a message's birth until its carrier said that it arrived.",
			labels: []string{"channel", "provider", "country"}, buckets: people,
		},
		{
			name: "aldaba_verification_approval_seconds", help: "Time from a verification's start until its code was given.",
			labels: []string{"dialect", "channel", "country"}, buckets: people,
		},
		{
			name: "aldaba_provider_call_seconds", help: "Time of one call of a provider, by what it answered.",
			labels: []string{"channel", "provider", "result"}, buckets: calls,
		},
		{
			name: "aldaba_http_request_seconds", help: "Time of HTTP requests, by route and status.",
			labels: []string{"route", "status"}, buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 10},
		},
	}
}

// measured lists what is measured when somebody asks.
func measured() []definition {
	const gauge, counter = prometheus.GaugeValue, prometheus.CounterValue
	return []definition{
		{name: "aldaba_queue_messages", help: "Messages in this server's keeping: ready, busy (in a provider's hands), waiting (for a retry, a receipt or a timer).", labels: []string{"state"}, kind: gauge},
		{name: "aldaba_queue_events", help: "Events that webhooks have not heard yet.", kind: gauge},
		{name: "aldaba_queue_age_seconds", help: "Age of the oldest message that no provider has taken yet.", kind: gauge},
		{name: "aldaba_breaker_open", help: "1 while a provider's circuit breaker for a country is open, else 0.", labels: []string{"provider", "country"}, kind: gauge},
		{name: "aldaba_provider_connections", help: "Connections of providers that keep them, such as SMPP binds: up and wanted.", labels: []string{"provider", "state"}, kind: gauge},
		{name: "aldaba_store_queue_steps", help: "Steps that wait for a transaction.", kind: gauge},
		{name: "aldaba_store_commits_total", help: "Transactions that were committed.", kind: counter},
		{name: "aldaba_store_steps_total", help: "Steps that were committed.", kind: counter},
		{name: "aldaba_store_doubts_total", help: "Commits of which nobody can tell whether they took place.", kind: counter},
		{name: "aldaba_store_clock_behind_seconds", help: "How far the clock is behind the newest time that a decision has seen.", kind: gauge},
	}
}
