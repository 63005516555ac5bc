package config

import (
	"strings"
	"testing"
)

func TestTracesFollowTheStandardVariableToo(t *testing.T) {
	t.Parallel()
	const rest = "keys: keys.json\ndatabase: sqlite:/a.db\n"
	for name, c := range map[string]struct {
		text, variable string
		want           Traces
	}{
		"off":                  {rest, "", Traces{}},
		"by the variable":      {rest, "http://otel:4318", Traces{"", 0.1}},
		"all by the variable":  {rest + "traces: {sample: 1}", "http://otel:4318", Traces{"", 1}},
		"the file comes first": {rest + "traces: {endpoint: http://here:4318}", "http://otel:4318", Traces{"http://here:4318", 0.1}},
	} {
		env := Environment{Getenv: func(name string) (string, bool) {
			return c.variable, name == "OTEL_EXPORTER_OTLP_ENDPOINT" && c.variable != ""
		}}
		got, err := ParseServer("s.yaml", []byte(c.text), env)
		if err != nil || got.Traces != c.want {
			t.Errorf("%s: %+v, %v", name, got.Traces, err)
		}
	}
}

func TestMistakesOfTraces(t *testing.T) {
	t.Parallel()
	const share = "traces.sample: must be a number above 0 and up to 1"
	for text, want := range map[string]string{
		"{}":                                     "traces.endpoint: is missing",
		"{endpoint: otel:4318}":                  "traces.endpoint: must be the address of a collector",
		"{endpoint: 'http://u:p@otel:4318'}":     "traces.endpoint: must be the address of a collector",
		"{endpoint: 'http://otel', sample: 0}":   share,
		"{endpoint: 'http://otel', sample: 10}":  share,
		"{endpoint: 'http://otel', sample: NaN}": share,
		"{endpoint: 'http://otel', sample: all}": share,
		"{endpoint: 'http://otel', sampel: 1}":   `traces: unknown key "sampel"; did you mean "sample"?`,
	} {
		_, err := ParseServer("s.yaml", []byte("keys: k\ndatabase: sqlite:x\ntraces: "+text+"\n"), Environment{Getenv: func(string) (string, bool) { return "", false }})
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "u:p") {
			t.Errorf("%s: %v", text, err)
		}
	}
}
