package metrics

import (
	"slices"

	"github.com/prometheus/client_golang/prometheus"
)

// State is what is measured when somebody asks.
type State struct {
	Queue       Queue
	Breakers    []Breaker
	Connections []Connections
	Store       Store
}

// Queue is the work that waits.
type Queue struct {
	Ready, Busy, Waiting, Events int
	Age                          float64 // of the oldest message that nobody has taken, in seconds
}

// Breaker is the state of one circuit breaker.
type Breaker struct {
	Provider, Country string
	Open              bool
}

// Connections are those of one provider that keeps them.
type Connections struct {
	Provider   string
	Up, Wanted int
}

// Store is what the store's writer counts.
type Store struct {
	Waiting                int
	Commits, Steps, Doubts int64
	Behind                 float64 // of the clock, in seconds
}

// gauges is a [prometheus.Collector] of a state.
type gauges struct{ state func() State }

// describe makes the description of one measured metric.
func (d *definition) describe() *prometheus.Desc {
	return prometheus.NewDesc(d.name, d.help, d.labels, nil)
}

// Describe implements [prometheus.Collector].
func (g *gauges) Describe(to chan<- *prometheus.Desc) {
	for _, d := range measured() {
		to <- d.describe()
	}
}

// Collect implements [prometheus.Collector].
func (g *gauges) Collect(to chan<- prometheus.Metric) {
	s, all := g.state(), measured()
	tell := func(name string, value float64, labels ...string) {
		d := &all[slices.IndexFunc(all, func(d definition) bool { return d.name == name })]
		to <- prometheus.MustNewConstMetric(d.describe(), d.kind, value, labels...)
	}
	tell("aldaba_queue_messages", float64(s.Queue.Ready), "ready")
	tell("aldaba_queue_messages", float64(s.Queue.Busy), "busy")
	tell("aldaba_queue_messages", float64(s.Queue.Waiting), "waiting")
	tell("aldaba_queue_events", float64(s.Queue.Events))
	tell("aldaba_queue_age_seconds", s.Queue.Age)
	for _, b := range s.Breakers {
		open := 0.0
		if b.Open {
			open = 1
		}
		tell("aldaba_breaker_open", open, b.Provider, b.Country)
	}
	for _, c := range s.Connections {
		tell("aldaba_provider_connections", float64(c.Up), c.Provider, "up")
		tell("aldaba_provider_connections", float64(c.Wanted), c.Provider, "wanted")
	}
	tell("aldaba_store_queue_steps", float64(s.Store.Waiting))
	tell("aldaba_store_commits_total", float64(s.Store.Commits))
	tell("aldaba_store_steps_total", float64(s.Store.Steps))
	tell("aldaba_store_doubts_total", float64(s.Store.Doubts))
	tell("aldaba_store_clock_behind_seconds", s.Store.Behind)
}
