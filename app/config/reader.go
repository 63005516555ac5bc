package config

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// reader walks one document and gathers its mistakes. The library's own
// decoder stops at types, tells no path and echoes values, which may be
// secrets; so the nodes are read by hand.
type reader struct {
	file     string
	mistakes Mistakes
	lines    map[string]int // of every path that was read
	broken   []string       // paths that should hold more and could not be read
}

func newReader(file string) *reader {
	return &reader{file: file, lines: make(map[string]int)}
}

// mistakesNamed bounds what is gathered of one file: nobody reads more, and a
// hostile file is not to cost more than its size.
const mistakesNamed = 500

func (r *reader) fail(line int, path, format string, args ...any) {
	if len(r.mistakes) >= mistakesNamed {
		return
	}
	r.mistakes = append(r.mistakes, Mistake{r.file, line, path, fmt.Sprintf(format, args...)})
}

// told tells that a mistake about a path is already known, or one about what
// it holds or stands in: a value that could not be read is missing for the
// core, and one mistake about it is enough.
func (r *reader) told(path string) bool {
	return slices.ContainsFunc(r.mistakes, func(m Mistake) bool { return strings.HasPrefix(m.Path, path) }) ||
		slices.ContainsFunc(r.broken, func(above string) bool { return above == "" || strings.HasPrefix(path, above+".") })
}

// plain refuses what the format does without: anchors, aliases and tags.
func (r *reader) plain(n *yaml.Node, path string) bool {
	r.lines[path] = n.Line
	switch {
	case n.Kind == yaml.AliasNode || n.Anchor != "":
		r.fail(n.Line, path, "anchors and aliases are not supported; quote a text that begins with & or *")
	case n.Style&yaml.TaggedStyle != 0:
		r.fail(n.Line, path, "tags are not supported; quote a text that begins with !")
	default:
		return true
	}
	return false
}

// scalar returns a single value; kinds that are none, and no value, are faults.
func (r *reader) scalar(n *yaml.Node, path, want string) bool {
	switch {
	case !r.plain(n, path):
		return false
	case n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null":
		r.fail(n.Line, path, "has no value; leave the key out, or write %s", want)
		return false
	case n.Kind != yaml.ScalarNode:
		r.fail(n.Line, path, "must be %s", want)
		return false
	}
	return true
}

// text takes a text or a number as it is written, so that 0012 keeps its zeros.
func (r *reader) text(n *yaml.Node, path string) string {
	if !r.scalar(n, path, "a text") {
		return ""
	}
	if n.ShortTag() == "!!bool" {
		r.fail(n.Line, path, "must be a text; put quotes around true and false")
		return ""
	}
	if fault := textFault(n.Value, "the text"); fault != "" {
		r.fail(n.Line, path, "%s", fault)
	}
	return n.Value
}

// list calls item for each entry of a list.
func (r *reader) list(n *yaml.Node, path string, item func(n *yaml.Node, path string)) {
	if !r.plain(n, path) {
		return
	}
	if n.Kind != yaml.SequenceNode {
		r.fail(n.Line, path, "must be a list")
		return
	}
	for i, entry := range n.Content {
		item(entry, fmt.Sprintf("%s[%d]", path, i))
	}
}

// object is a mapping whose keys were checked. That of a faulty node is empty
// and asks for nothing.
type object struct {
	r      *reader
	path   string
	line   int
	faulty bool
	order  []string
	values map[string]*yaml.Node
	lines  map[string]int // of the keys
}

// mapping reads a mapping with any keys.
func (r *reader) mapping(n *yaml.Node, path string) *object {
	o := &object{r: r, path: path, line: n.Line, values: make(map[string]*yaml.Node), lines: make(map[string]int)}
	plain := r.plain(n, path)
	if plain && n.Kind != yaml.MappingNode {
		r.fail(n.Line, path, "must be a mapping of keys to values")
	}
	if !plain || n.Kind != yaml.MappingNode {
		o.faulty = true
		if len(r.broken) < mistakesNamed {
			r.broken = append(r.broken, path)
		}
		return o
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		if key.Kind != yaml.ScalarNode || !r.plain(key, o.at(key.Value)) {
			r.fail(key.Line, path, "has a key that is not a text")
			continue
		}
		if _, twice := o.values[key.Value]; twice {
			r.fail(key.Line, o.at(key.Value), "is given twice; the first time in line %d", o.lines[key.Value])
			continue
		}
		o.order = append(o.order, key.Value)
		o.values[key.Value], o.lines[key.Value] = value, key.Line
	}
	return o
}

// object reads a mapping with known keys only.
func (r *reader) object(n *yaml.Node, path string, known ...string) *object {
	o := r.mapping(n, path)
	o.allow(known...)
	return o
}

// allow refuses all other keys.
func (o *object) allow(known ...string) {
	for _, key := range o.order {
		if fault := unknownKey(key, known); fault != "" {
			o.r.fail(o.lines[key], o.path, "%s", fault)
		}
	}
}

func (o *object) at(key string) string {
	if o.path == "" {
		return key
	}
	return o.path + "." + key
}

func (o *object) has(key string) bool { return o.values[key] != nil }

// fail reports a fault at a key, or at the object when the key is not given.
func (o *object) fail(key, format string, args ...any) {
	if line, ok := o.lines[key]; ok {
		o.r.fail(line, o.at(key), format, args...)
		return
	}
	o.r.fail(o.line, o.path, format, args...)
}

// must reports keys that are missing or empty.
func (o *object) must(keys ...string) {
	for _, key := range keys {
		n := o.values[key]
		switch {
		case o.faulty:
		case n == nil:
			o.r.fail(o.line, o.at(key), "is missing")
		case n.Kind == yaml.ScalarNode && n.Value == "" && n.ShortTag() == "!!str":
			o.fail(key, "must not be empty")
		}
	}
}

func (o *object) text(key string) string {
	if n := o.values[key]; n != nil {
		return o.r.text(n, o.at(key))
	}
	return ""
}

func (o *object) each(key string, item func(n *yaml.Node, path string)) {
	if n := o.values[key]; n != nil {
		o.r.list(n, o.at(key), item)
	}
}

func (o *object) texts(key string) (all []string) {
	o.each(key, func(n *yaml.Node, path string) { all = append(all, o.r.text(n, path)) })
	return all
}

// flag reads true or false.
func (o *object) flag(key string, otherwise bool) bool {
	n := o.values[key]
	if n == nil || !o.r.scalar(n, o.at(key), "true or false") {
		return otherwise
	}
	if n.ShortTag() != "!!bool" {
		o.fail(key, "must be true or false")
		return otherwise
	}
	return strings.EqualFold(n.Value, "true")
}

// whole reads a positive whole number.
func (o *object) whole(key string) int {
	n := o.values[key]
	if n == nil || !o.r.scalar(n, o.at(key), "a whole number") {
		return 0
	}
	number, err := strconv.ParseInt(n.Value, 10, 32)
	if err != nil || n.ShortTag() != "!!int" || strconv.FormatInt(number, 10) != n.Value {
		o.fail(key, "must be a whole number")
		return 0
	}
	if number < 1 {
		o.fail(key, "must be at least 1; leave the key out for the default")
		return 0
	}
	return int(number)
}

func (o *object) duration(key string) time.Duration {
	if n := o.values[key]; n != nil {
		return o.r.duration(n, o.at(key))
	}
	return 0
}

// duration reads "5m", "300s" or a number of seconds.
func (r *reader) duration(n *yaml.Node, path string) time.Duration {
	const want = "a duration such as 5m or 300s, or a number of seconds"
	if !r.scalar(n, path, want) {
		return 0
	}
	d, err := time.ParseDuration(n.Value)
	if seconds, whole := strconv.ParseInt(n.Value, 10, 32); whole == nil {
		d, err = time.Duration(seconds)*time.Second, nil
	}
	if err != nil || d < 0 {
		r.fail(n.Line, path, "must be %s", want)
		return 0
	}
	return d
}

// positive is a duration that cannot be zero.
func (o *object) positive(key string) time.Duration {
	before := len(o.r.mistakes)
	d := o.duration(key)
	if d == 0 && o.has(key) && len(o.r.mistakes) == before {
		o.fail(key, "must be more than 0; leave the key out for the default")
	}
	return d
}

// valueOf returns the value of a mapping's key, or nil.
func valueOf(m *yaml.Node, key string) *yaml.Node {
	for i := 0; m != nil && m.Kind == yaml.MappingNode && i+1 < len(m.Content); i += 2 {
		if m.Content[i].Value == key {
			return m.Content[i+1]
		}
	}
	return nil
}
