// Package metrics counts and times what a server does, in Prometheus's terms.
// A [Set] is one server's, with a registry of its own.
//
// It knows nothing of verifications and carriers: package app tells it what
// happened, in words. It decides nothing, and no rule depends on it.
package metrics

import (
	"net/http"
	"slices"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// DefaultMaxSeries is how many sets of labels one metric keeps apart. Beyond
// it all labels of a new set become "other": a monitoring system is brought
// down by series without end, and the largest sums stay right.
const DefaultMaxSeries = 5000

// Labels are what is known of an event. Each metric takes those that it has
// and leaves the others; they must have few values, so never an address, an
// id or a text.
type Labels struct {
	Tenant, Dialect, Channel, Provider, Country string
	Status                                      string // how a verification ended
	Rule                                        string // the limit that said no
	Result                                      string // of a call
	Setting                                     string // of a start
	Route                                       string // the pattern of an HTTP route
}

// value returns a label by its name.
func (l *Labels) value(name string) string {
	switch name {
	case "tenant":
		return l.Tenant
	case "dialect":
		return l.Dialect
	case "channel":
		return l.Channel
	case "provider":
		return l.Provider
	case "country":
		return l.Country
	case "status":
		return l.Status
	case "rule":
		return l.Rule
	case "result":
		return l.Result
	case "setting":
		return l.Setting
	}
	return l.Route
}

// kept returns the labels with their bytes copied, so that a series does not
// keep the record alive that its words came from.
func (l *Labels) kept() Labels {
	return Labels{
		Tenant: strings.Clone(l.Tenant), Dialect: strings.Clone(l.Dialect), Channel: strings.Clone(l.Channel),
		Provider: strings.Clone(l.Provider), Country: strings.Clone(l.Country), Status: strings.Clone(l.Status),
		Rule: strings.Clone(l.Rule), Result: strings.Clone(l.Result), Route: strings.Clone(l.Route), Setting: strings.Clone(l.Setting),
	}
}

// Options are what a [Set] is made of.
type Options struct {
	Version   string
	MaxSeries int          // sets of labels that events bring to one metric; 0 is [DefaultMaxSeries]
	State     func() State // what is measured when somebody asks; nil measures nothing
}

// Set is the metrics of one server. Its methods may be called at once.
type Set struct {
	registry *prometheus.Registry
	counters [counterCount]*family[prometheus.Counter]
	timers   [timerCount]*family[prometheus.Observer]
	batches  prometheus.Histogram
	commits  prometheus.Histogram
}

// New returns metrics that all are zero.
func New(o Options) *Set {
	if o.MaxSeries <= 0 {
		o.MaxSeries = DefaultMaxSeries
	}
	s := &Set{registry: prometheus.NewRegistry()}
	for i, d := range counters() {
		vec := prometheus.NewCounterVec(prometheus.CounterOpts{Name: d.name, Help: d.help}, d.labels)
		s.registry.MustRegister(vec)
		s.counters[i] = newFamily(d.labels, o.MaxSeries, vec.WithLabelValues)
	}
	for i, d := range timers() {
		vec := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: d.name, Help: d.help, Buckets: d.buckets}, d.labels)
		s.registry.MustRegister(vec)
		s.timers[i] = newFamily(d.labels, o.MaxSeries, vec.WithLabelValues)
	}
	s.batches = prometheus.NewHistogram(prometheus.HistogramOpts{
		Name: "aldaba_store_batch_steps", Help: "Steps that shared a transaction.", Buckets: []float64{1, 2, 4, 8, 16, 32, 64, 128, 256, 512},
	})
	s.commits = prometheus.NewHistogram(prometheus.HistogramOpts{
		Name: "aldaba_store_commit_seconds", Help: "Time of a transaction, from its beginning to the end of its commit.",
		Buckets: []float64{.0005, .001, .002, .005, .01, .02, .05, .1, .25, .5, 1, 2.5, 10},
	})
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "aldaba_build_info", Help: "1, with the version that runs.", ConstLabels: prometheus.Labels{"version": o.Version},
	})
	build.Set(1)
	s.registry.MustRegister(s.batches, s.commits, build, collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	if o.State != nil {
		s.registry.MustRegister(&gauges{o.State})
	}
	return s
}

// Count adds one to a counter.
func (s *Set) Count(c Counter, l Labels) { s.counters[c].of(l).Inc() }

// Begin shows sets of labels at 0 before anything is counted with them. A
// series that is born with its first event begins at 1, which for Prometheus
// is no increase: whoever must hear of a single event needs the 0 before it.
// At most MaxSeries are begun; they leave the room of the others as it is.
func (s *Set) Begin(c Counter, all []Labels) { s.counters[c].begin(all) }

// Time notes how long something took, in seconds.
func (s *Set) Time(t Timer, l Labels, seconds float64) { s.timers[t].of(l).Observe(seconds) }

// Batch notes a transaction of the store.
func (s *Set) Batch(steps int, seconds float64) {
	s.batches.Observe(float64(steps))
	s.commits.Observe(seconds)
}

// Gatherer returns the registry, for tests and checks.
func (s *Set) Gatherer() prometheus.Gatherer { return s.registry }

// Handler answers a scrape, in Prometheus's text format or OpenMetrics.
func (s *Set) Handler() http.Handler {
	return promhttp.HandlerFor(s.registry, promhttp.HandlerOpts{MaxRequestsInFlight: 4})
}

// Names lists the metrics of this house, without those of Go and the process.
func Names() []string {
	names := []string{"aldaba_store_batch_steps", "aldaba_store_commit_seconds", "aldaba_build_info"}
	for _, d := range slices.Concat(counters(), timers(), measured()) {
		names = append(names, d.name)
	}
	slices.Sort(names)
	return names
}
