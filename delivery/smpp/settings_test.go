package smpp

import (
	"errors"
	"maps"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/aldaba-otp/aldaba/delivery"
)

func TestFaultsOfSettings(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		values map[string]any
		paths  string
	}{
		"nothing":     {map[string]any{}, "address system_id"},
		"no port":     {map[string]any{"address": "smsc.example", "system_id": "a"}, "address"},
		"unknown":     {map[string]any{"port": 2775}, "address port system_id"},
		"long fields": {map[string]any{"system_id": strings.Repeat("a", 16), "system_type": strings.Repeat("a", 13), "service_type": "abcdef", "password": strings.Repeat("a", 64)}, "address password service_type system_id system_type"},
		"odd octets":  {map[string]any{"address": "a:1", "system_id": "a\x00b", "password": "é"}, "password system_id"},
		"words": {map[string]any{
			"address": "a:1", "system_id": "a", "bind": "x", "tls": "x", "encoding": "x", "default_alphabet": "x", "long": "x", "validity": "x",
			"receipts": "x", "receipt_id": "x", "time_zone": "Mars", "version": 3.3,
		}, "bind default_alphabet encoding long receipt_id receipts time_zone tls validity version"},
		"ranges": {map[string]any{
			"address": "a:1", "system_id": "a", "binds": 0, "window": 0, "rate": -1, "enquire_link": 0, "connect_timeout": "2h", "response_timeout": "1ms",
			"source_ton": 256, "source_npi": -1, "dest_ton": 300, "dest_npi": 300,
		}, "binds connect_timeout dest_npi dest_ton enquire_link rate response_timeout source_npi source_ton window"},
		"half a sender": {map[string]any{"address": "a:1", "system_id": "a", "source_ton": 5}, "source_ton"},
		"a long sender": {map[string]any{"address": "a:1", "system_id": "a", "source": "Acme Company"}, "source"},
		"no TLS":        {map[string]any{"address": "127.0.0.1:1", "system_id": "a", "tls_server_name": "a", "tls_ca_file": "b"}, "tls_ca_file tls_server_name"},
		"no file":       {map[string]any{"address": "a:1", "system_id": "a", "tls_ca_file": "testdata/absent.pem"}, "tls_ca_file"},
		"tables": {map[string]any{
			"address": "a:1", "system_id": "a", "tlvs": map[string]any{"x": 0}, "statuses": map[string]any{"0": "rejected", "no": "rejected", "0x400": "unknown"},
		}, "statuses.0 statuses.0x400 statuses.no tlvs.x"},
	} {
		_, err := Type().Open(delivery.Settings{Values: c.values})
		var faults delivery.Faults
		if !errors.As(err, &faults) {
			t.Errorf("%s: %v", name, err)
			continue
		}
		var paths []string
		for _, f := range faults {
			paths = append(paths, f.Path)
			if !strings.HasPrefix(f.Message, "must ") && !strings.HasPrefix(f.Message, "is ") {
				t.Errorf("%s: %q", name, f.Message)
			}
		}
		slices.Sort(paths)
		if got := strings.Join(paths, " "); got != c.paths {
			t.Errorf("%s: faults in %q, want %q", name, got, c.paths)
		}
	}
}

func TestSettingsAreReadAsWritten(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		values map[string]any
		holds  func(settings) bool
	}{
		"loopback needs no TLS":  {nil, func(s settings) bool { return s.tls == nil && !s.readable }},
		"nor does localhost":     {map[string]any{"address": "localhost:1"}, func(s settings) bool { return s.tls == nil }},
		"others do":              {map[string]any{"address": "smsc.example:1"}, func(s settings) bool { return s.tls.ServerName == "smsc.example" }},
		"or say it":              {map[string]any{"address": "smsc.example:1", "tls": "none"}, func(s settings) bool { return s.tls == nil && s.readable }},
		"by another name":        {map[string]any{"tls": "required", "tls_server_name": "b"}, func(s settings) bool { return s.tls.ServerName == "b" }},
		"version as YAML has it": {map[string]any{"version": 3.4}, func(s settings) bool { return s.version == 0x34 }},
		"version 5.0":            {map[string]any{"version": 5.0}, func(s settings) bool { return s.version == 0x50 }},
		"receipts":               {nil, func(s settings) bool { return s.registered == 1 }},
		"none":                   {map[string]any{"receipts": false}, func(s settings) bool { return s.registered == 0 }},
		"of failures":            {map[string]any{"receipts": "failures"}, func(s settings) bool { return s.registered == 2 }},
		"a zone":                 {map[string]any{"time_zone": "-04:00"}, func(s settings) bool { return s.zone != nil }},
	} {
		if s := with(t, c.values); !c.holds(s) {
			t.Errorf("%s: %+v", name, s)
		}
	}
}

func TestStatusBeforeItRuns(t *testing.T) {
	t.Parallel()
	for bind, want := range map[string]int{"transceiver": 3, "pair": 6} {
		p := open(with(t, map[string]any{"bind": bind, "binds": 3}), nil, nil)
		if up, n := p.Status(); up != 0 || n != want {
			t.Errorf("%s: %d of %d", bind, up, n)
		}
	}
}

// TestEverySettingIsDescribed holds the two guides to the settings.
func TestEverySettingIsDescribed(t *testing.T) {
	t.Parallel()
	names := map[string]bool{}
	for i := range reflect.TypeFor[settings]().NumField() {
		if name := reflect.TypeFor[settings]().Field(i).Tag.Get("json"); name != "" {
			names[name] = true
		}
	}
	for _, page := range []string{"../../docs/operations/smpp.md", "../../docs/es/operacion/smpp.md"} {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		described := map[string]bool{}
		chapter := strings.Split(string(text), "\n## ")[2]
		for _, found := range regexp.MustCompile("(?m)^\\| `([a-z_]+)`").FindAllStringSubmatch(chapter, -1) {
			described[found[1]] = true
		}
		if !maps.Equal(names, described) {
			t.Errorf("%s describes %v, the settings are %v", page, slices.Sorted(maps.Keys(described)), slices.Sorted(maps.Keys(names)))
		}
	}
}
