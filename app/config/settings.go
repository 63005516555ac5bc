package config

import (
	"math"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/aldaba-otp/aldaba/otp"
)

// The bounds of a provider's settings: they are kept as JSON, whose numbers
// are exact up to 2^53, and no carrier needs deeper ones.
const (
	settingsDepth  = 16
	settingsNumber = 1 << 53
)

// provider reads a provider; every key but two is a setting of its type.
func (r *reader) provider(n *yaml.Node, path string, secrets Secrets) otp.Provider {
	o := r.mapping(n, path)
	o.must("name", "type")
	p := otp.Provider{Name: o.text("name"), Type: o.text("type")}
	if p.Name != "" && !isName(p.Name) {
		o.fail("name", "must be 1 to 64 letters, digits, dots, dashes or underscores")
	}
	o.order = slices.DeleteFunc(o.order, func(key string) bool { return key == "name" || key == "type" })
	if len(o.order) > 0 {
		p.Settings = o.settings(secrets.of(p.Type), settingsDepth)
	}
	return p
}

// settings reads a mapping of settings, some of which are secrets.
func (o *object) settings(secrets patterns, depth int) map[string]any {
	all, ways := make(map[string]any), make(map[string]string)
	for _, key := range o.order {
		name, _, secret := secrets.secret(key)
		if !secret {
			all[key] = o.r.setting(o.values[key], o.at(key), secrets.below(key), depth)
			continue
		}
		if first, twice := ways[name]; twice {
			o.fail(key, "give only one of %q and %q", first, key)
			continue
		}
		ways[name] = key
		o.must(key)
		all[key] = o.text(key)
	}
	return all
}

// setting reads a value of any kind.
func (r *reader) setting(n *yaml.Node, path string, secrets patterns, depth int) any {
	if depth == 0 {
		r.fail(n.Line, path, "is nested too deeply")
		return nil
	}
	switch n.Kind {
	case yaml.MappingNode:
		return r.mapping(n, path).settings(secrets, depth-1)
	case yaml.SequenceNode:
		all := make([]any, 0, len(n.Content))
		r.list(n, path, func(n *yaml.Node, path string) { all = append(all, r.setting(n, path, nil, depth-1)) })
		return all
	}
	if !r.scalar(n, path, "a value") {
		return nil
	}
	switch n.ShortTag() {
	case "!!bool":
		return strings.EqualFold(n.Value, "true")
	case "!!int", "!!float":
		return r.number(n, path)
	}
	if fault := textFault(n.Value, "the text"); fault != "" {
		r.fail(n.Line, path, "%s", fault)
	}
	return n.Value
}

// number takes plain decimals only: 0012 or 0x1F mean something else to
// everybody.
func (r *reader) number(n *yaml.Node, path string) any {
	digits := strings.TrimPrefix(n.Value, "-")
	ambiguous := len(digits) > 1 && digits[0] == '0' && digits[1] != '.' || strings.ContainsAny(digits, "_xXpP:")
	whole, err := strconv.ParseInt(n.Value, 10, 64)
	if err == nil && !ambiguous && whole <= settingsNumber && whole >= -settingsNumber {
		return int(whole)
	}
	fraction, err := strconv.ParseFloat(n.Value, 64)
	if err != nil || ambiguous || !strings.ContainsAny(digits, ".eE") || math.IsInf(fraction, 0) || math.IsNaN(fraction) {
		r.fail(n.Line, path, "must be a plain decimal number; quote it if it is a text")
		return nil
	}
	return fraction
}
