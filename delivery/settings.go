package delivery

import (
	"cmp"
	"fmt"
	"log/slog"
	"math"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/aldaba-otp/aldaba/internal/clock"
)

// Type is one entry of the gallery: how providers of one type are configured.
type Type struct {
	Name string // as written under `type:`
	// Secrets names the settings that are secrets, with points between levels
	// and * for any key: "password", "auth.token", "secrets.*". A configuration
	// file may give each as NAME, NAME_file or NAME_env; at rest it is sealed.
	Secrets []string
	// Open makes a provider from its settings and connects to nothing. Its error
	// is [Faults] when the settings are at fault.
	Open func(Settings) (Provider, error)
}

// Settings are what a provider is made of.
type Settings struct {
	Name   string         // of the provider
	Values map[string]any // as configured, secrets in clear; see [Decode]
	// CallbackURL is where the carrier reaches [Callback], or "" when the server
	// does not know its public address.
	CallbackURL string
	Clock       *clock.Clock // never nil
	Log         *slog.Logger // never nil; knows the provider's name
}

// Fault is one mistake in a provider's settings.
type Fault struct {
	Path    string // such as "dkim.selector" or "headers[0]"
	Message string // begins with a verb: "must be ..."; holds no value
}

// Faults are all mistakes in a provider's settings, found at once.
type Faults []Fault

// Error lists them.
func (f Faults) Error() string {
	lines := make([]string, len(f))
	for i, one := range f {
		lines[i] = strings.TrimPrefix(one.Path+": "+one.Message, ": ")
	}
	return strings.Join(lines, "; ")
}

// Add notes a mistake.
func (f *Faults) Add(path, format string, args ...any) {
	*f = append(*f, Fault{path, fmt.Sprintf(format, args...)})
}

// Err returns the faults as an error, or nil when there are none.
func (f Faults) Err() error {
	if len(f) == 0 {
		return nil
	}
	return f
}

// Decode fills the struct that into points to from settings, by the names in
// its `json` tags, and returns everything that does not fit: unknown keys with
// the known ones, and wrong types. Keys that are not given keep what the
// struct holds. Besides structs it knows texts (numbers are taken as written),
// truth values, whole numbers, [time.Duration] ("10s" or seconds), lists, maps
// with texts as keys, pointers to all of these, and any.
func Decode(values map[string]any, into any) Faults {
	var f Faults
	f.object("", values, reflect.ValueOf(into).Elem())
	return f
}

func (f *Faults) object(path string, values map[string]any, into reflect.Value) {
	fields, names := map[string]reflect.Value{}, []string{}
	for i := range into.NumField() {
		name, _, _ := strings.Cut(into.Type().Field(i).Tag.Get("json"), ",")
		if name != "" && name != "-" {
			fields[name], names = into.Field(i), append(names, name)
		}
	}
	keys := make([]string, 0, len(values))
	for key := range values {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	for _, key := range keys {
		field, ok := fields[key]
		if !ok {
			f.Add(below(path, key), "is no setting here; known are: %s", cmp.Or(strings.Join(names, ", "), "none"))
			continue
		}
		f.value(below(path, key), values[key], field)
	}
}

func below(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

func (f *Faults) value(path string, v any, into reflect.Value) {
	if into.Type() == reflect.TypeFor[time.Duration]() {
		f.duration(path, v, into)
		return
	}
	switch into.Kind() {
	case reflect.Pointer:
		into.Set(reflect.New(into.Type().Elem()))
		f.value(path, v, into.Elem())
	case reflect.Interface:
		if v != nil {
			into.Set(reflect.ValueOf(v))
		}
	case reflect.String:
		if text, ok := textOf(v); ok {
			into.SetString(text)
			return
		}
		f.Add(path, "must be a text")
	case reflect.Bool:
		if truth, ok := v.(bool); ok {
			into.SetBool(truth)
			return
		}
		f.Add(path, "must be true or false")
	case reflect.Int:
		if n, ok := wholeOf(v); ok {
			into.SetInt(n)
			return
		}
		f.Add(path, "must be a whole number")
	case reflect.Slice, reflect.Map, reflect.Struct:
		f.compound(path, v, into)
	default:
		f.Add(path, "cannot be set")
	}
}

func (f *Faults) compound(path string, v any, into reflect.Value) {
	if into.Kind() == reflect.Slice {
		list, ok := v.([]any)
		if !ok {
			f.Add(path, "must be a list")
			return
		}
		into.Set(reflect.MakeSlice(into.Type(), len(list), len(list)))
		for i, entry := range list {
			f.value(fmt.Sprintf("%s[%d]", path, i), entry, into.Index(i))
		}
		return
	}
	mapping, ok := v.(map[string]any)
	if !ok {
		f.Add(path, "must be a mapping of keys to values")
		return
	}
	if into.Kind() == reflect.Struct {
		f.object(path, mapping, into)
		return
	}
	into.Set(reflect.MakeMapWithSize(into.Type(), len(mapping)))
	for key, entry := range mapping {
		one := reflect.New(into.Type().Elem()).Elem()
		f.value(below(path, key), entry, one)
		into.SetMapIndex(reflect.ValueOf(key), one)
	}
}

func (f *Faults) duration(path string, v any, into reflect.Value) {
	if n, ok := wholeOf(v); ok && n >= 0 && n <= math.MaxInt64/int64(time.Second) {
		into.SetInt(n * int64(time.Second))
		return
	}
	if text, ok := v.(string); ok {
		if d, err := time.ParseDuration(text); err == nil && d >= 0 {
			into.SetInt(int64(d))
			return
		}
	}
	f.Add(path, "must be a duration such as 10s, or a number of seconds")
}

// textOf takes numbers too: YAML reads 0049 and 12 as such.
func textOf(v any) (string, bool) {
	switch v := v.(type) {
	case string:
		return v, true
	case int, int64, uint64:
		return fmt.Sprint(v), true
	case float64:
		if n, ok := wholeOf(v); ok {
			return fmt.Sprint(n), true
		}
	}
	return "", false
}

// wholeOf takes what JSON and YAML make of a whole number.
func wholeOf(v any) (int64, bool) {
	switch v := v.(type) {
	case int:
		return int64(v), true
	case int64:
		return v, true
	case float64:
		if v == math.Trunc(v) && math.Abs(v) < 1<<53 {
			return int64(v), true
		}
	}
	return 0, false
}
