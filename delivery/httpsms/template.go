package httpsms

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// template is a text with placeholders, parsed once at Open. What is put in
// for a placeholder is never parsed again.
type template struct{ parts []part }

// part is a literal text, or a placeholder when name is not "".
type part struct {
	text    string
	name    string
	others  []string // which stand in, in order, for a name without a value
	filters []filter
}

// values tells what stands for a placeholder. Names are checked when a
// template is parsed, so that it cannot meet an unknown one.
type values func(name string) string

// escape makes a value fit for where it stands, or refuses it.
type escape func(value string) (string, error)

// scope says which placeholders a template may name.
type scope struct {
	names    []string            // fixed names
	prefixes []string            // such as "param.": any name below is known
	given    map[string][]string // by prefix such as "var.": the names there are
}

var placeholderName = regexp.MustCompile(`^[a-z0-9_]+(\.[A-Za-z0-9_-]+)?$`)

// check returns what is wrong with a name, or nil.
func (s scope) check(name string) error {
	if !placeholderName.MatchString(name) || len(name) > 80 {
		return errors.New("must write placeholders as {{name}}, {{name.part}} or {{name|filter}}")
	}
	if slices.Contains(s.names, name) {
		return nil
	}
	for _, prefix := range s.prefixes {
		if strings.HasPrefix(name, prefix) {
			return nil
		}
	}
	for prefix, names := range s.given {
		if rest, ok := strings.CutPrefix(name, prefix); ok {
			if slices.Contains(names, rest) {
				return nil
			}
			return fmt.Errorf("must not name {{%s}}, which %s does not hold", name, settingOf(prefix))
		}
	}
	return fmt.Errorf("must not name {{%s}}; known are: %s", name, strings.Join(s.all(), ", "))
}

// settingOf names the setting that a prefix stands for.
func settingOf(prefix string) string { return strings.TrimSuffix(prefix, ".") + "s" }

func (s scope) all() []string {
	known := slices.Clone(s.names)
	for _, prefix := range s.prefixes {
		known = append(known, prefix+"NAME")
	}
	for prefix := range s.given {
		known = append(known, prefix+"NAME")
	}
	slices.Sort(known)
	return known
}

// parse reads a template. Its errors begin with "must".
func (s scope) parse(text string) (template, error) {
	var t template
	for {
		before, rest, found := strings.Cut(text, "{{")
		if before != "" {
			t.parts = append(t.parts, part{text: before})
		}
		if !found {
			return t, nil
		}
		inside, after, closed := strings.Cut(rest, "}}")
		if !closed {
			return template{}, errors.New("must close each {{ with }}")
		}
		p, err := s.placeholder(inside)
		if err != nil {
			return template{}, err
		}
		t.parts, text = append(t.parts, p), after
	}
}

func (s scope) placeholder(inside string) (part, error) {
	words := strings.Split(inside, "|")
	names := strings.Split(words[0], "??")
	for i := range names {
		names[i] = strings.TrimSpace(names[i])
		if err := s.check(names[i]); err != nil {
			return part{}, err
		}
	}
	p := part{name: names[0], others: names[1:]}
	for _, word := range words[1:] {
		f, err := newFilter(strings.TrimSpace(word))
		if err != nil {
			return part{}, err
		}
		p.filters = append(p.filters, f)
	}
	return p, nil
}

// expand puts the values in.
func (t template) expand(v values, fit escape) (string, error) {
	var b strings.Builder
	for _, p := range t.parts {
		if p.name == "" {
			b.WriteString(p.text)
			continue
		}
		value, err := p.value(v)
		if err == nil && fit != nil {
			value, err = fit(value)
		}
		if err != nil {
			return "", fmt.Errorf("the value of {{%s}} %w", p.name, err)
		}
		b.WriteString(value)
	}
	return b.String(), nil
}

func (p part) value(v values) (string, error) {
	value := v(p.name)
	for i := 0; value == "" && i < len(p.others); i++ {
		value = v(p.others[i])
	}
	for _, f := range p.filters {
		var err error
		if value, err = f.apply(value); err != nil {
			return "", err
		}
	}
	return value, nil
}

// blank reports whether a placeholder has no value: what is optional is left
// out then.
func (t template) blank(v values) bool {
	for _, p := range t.parts {
		if p.name == "" {
			continue
		}
		if value, err := p.value(v); err == nil && value == "" {
			return true
		}
	}
	return len(t.parts) == 0
}

// number reports whether the template is one placeholder made a number.
func (t template) number() bool {
	if len(t.parts) != 1 || len(t.parts[0].filters) == 0 {
		return false
	}
	return t.parts[0].filters[len(t.parts[0].filters)-1].number
}

// literals are the parts that are written by hand.
func (t template) literals() (all []string) {
	for _, p := range t.parts {
		if p.name == "" {
			all = append(all, p.text)
		}
	}
	return all
}
