package config

import (
	"net/url"
	"strconv"
	"strings"
)

// Traces tells where spans go. None are made when Sample is 0.
type Traces struct {
	// Endpoint is the collector's address, such as http://127.0.0.1:4318; ""
	// leaves it to OpenTelemetry's variables.
	Endpoint string
	Sample   float64 // share of the requests
}

// defaultSample is the share of requests that are traced when the file does not
// say: enough to see where time goes, and little to pay for.
const defaultSample = 0.1

// traces reads the section. Without it the standard variable of OpenTelemetry
// switches traces on, as with any program.
func (o *object) traces(env Environment) (t Traces) {
	named := false
	for _, name := range []string{"OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"} {
		_, fault := env.fromEnv(name)
		named = named || fault == ""
	}
	n := o.values["traces"]
	if n == nil {
		if named {
			t.Sample = defaultSample
		}
		return t
	}
	m := o.r.object(n, "traces", "endpoint", "sample")
	if t.Sample = defaultSample; m.has("sample") {
		t.Sample = m.share("sample")
	}
	if !named {
		m.must("endpoint")
	}
	if m.has("endpoint") {
		text := m.text("endpoint")
		at, err := url.Parse(text)
		if err != nil || at.Scheme != "http" && at.Scheme != "https" || at.Host == "" || at.User != nil || at.RawQuery != "" {
			m.fail("endpoint", "must be the address of a collector that takes OTLP over HTTP, such as http://127.0.0.1:4318")
		}
		t.Endpoint = strings.TrimSuffix(text, "/")
	}
	return t
}

// share reads a number above 0 and up to 1.
func (o *object) share(key string) float64 {
	n := o.values[key]
	if !o.r.scalar(n, o.at(key), "a number above 0 and up to 1") {
		return 0
	}
	number, err := strconv.ParseFloat(n.Value, 64)
	if err != nil || !(number > 0 && number <= 1) { // not a number is neither
		o.fail(key, "must be a number above 0 and up to 1, such as 0.1 for a tenth of the requests")
		return 0
	}
	return number
}
