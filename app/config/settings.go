package config

import (
	"math"
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
func (r *reader) provider(n *yaml.Node, path string) otp.Provider {
	o := r.mapping(n, path)
	o.must("name", "type")
	p := otp.Provider{Name: o.text("name"), Type: o.text("type")}
	if p.Name != "" && !isName(p.Name) {
		o.fail("name", "must be 1 to 64 letters, digits, dots, dashes or underscores")
	}
	for _, key := range o.order {
		if key == "name" || key == "type" {
			continue
		}
		if p.Settings == nil {
			p.Settings = make(map[string]any)
		}
		name := strings.TrimSuffix(strings.TrimSuffix(key, fromFile), fromEnv)
		if name == key {
			p.Settings[key] = r.setting(o.values[key], o.at(key), settingsDepth)
			continue
		}
		o.secret(name, false)
	}
	return p
}

// setting reads a value of any kind.
func (r *reader) setting(n *yaml.Node, path string, depth int) any {
	if depth == 0 {
		r.fail(n.Line, path, "is nested too deeply")
		return nil
	}
	switch n.Kind {
	case yaml.MappingNode:
		o, all := r.mapping(n, path), make(map[string]any)
		for _, key := range o.order {
			all[key] = r.setting(o.values[key], o.at(key), depth-1)
		}
		return all
	case yaml.SequenceNode:
		all := make([]any, 0, len(n.Content))
		r.list(n, path, func(n *yaml.Node, path string) { all = append(all, r.setting(n, path, depth-1)) })
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
