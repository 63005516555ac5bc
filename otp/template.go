package otp

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// text is a parsed template: literal parts and named variables in turn. It is
// filled in one pass, so a value is never read as a template again.
type text []textPart

type textPart struct {
	literal  string
	variable string // set instead of literal
}

// The bounds of templates and values, in bytes.
const (
	maxTemplate = 2000
	maxVariable = 200
)

// MaxVariables is how many variables a request may bring.
const MaxVariables = 50

// parseTemplate reads {{name}} placeholders. Anything else between double
// braces is an error, so that a misspelt template is noticed when it is given.
func parseTemplate(s string) (text, error) {
	if len(s) > maxTemplate {
		return nil, fmt.Errorf("must be at most %d bytes", maxTemplate)
	}
	if !utf8.ValidString(s) {
		return nil, errors.New("must be UTF-8")
	}
	parsed := make(text, 0, 1+2*strings.Count(s, "{{"))
	for s != "" {
		before, rest, found := strings.Cut(s, "{{")
		if before != "" {
			parsed = append(parsed, textPart{literal: before})
		}
		if !found {
			break
		}
		name, after, closed := strings.Cut(rest, "}}")
		name = strings.TrimSpace(name)
		if !closed || !IsVariable(name) {
			return nil, errors.New("has {{ without a variable's name and }}")
		}
		parsed = append(parsed, textPart{variable: name})
		s = after
	}
	return parsed, nil
}

// texts are parsed templates by their source, so that what a configuration holds is
// parsed once. They are not changed once the directory is in force.
type texts map[string]text

// builtinTexts returns those without a link or a payment, which are sent most.
func builtinTexts() texts {
	all := make(texts)
	for _, locale := range builtinLocales() {
		b := builtinText(locale)
		all.add(b.subject, b.short, b.long, b.spoken)
	}
	return all
}

// add parses templates; one that is wrong is found out by who checks it.
func (t texts) add(sources ...string) {
	for _, source := range sources {
		if parsed, err := parseTemplate(source); err == nil {
			t[source] = parsed
		}
	}
}

// parsed returns a template, whether it is one of these or not.
func (t texts) parsed(source string) (text, error) {
	if known, ok := t[source]; ok {
		return known, nil
	}
	return parseTemplate(source)
}

// parsePercent reads Modica's form, in which %(code)s is the one placeholder
// and everything else is literal.
func parsePercent(s string) text {
	var parsed text
	for i, literal := range strings.Split(s, PercentCode) {
		if i > 0 {
			parsed = append(parsed, textPart{variable: "code"})
		}
		if literal != "" {
			parsed = append(parsed, textPart{literal: literal})
		}
	}
	return parsed
}

// PercentCode is the placeholder of a request's own text, as Modica's 2FA page
// spells it.
const PercentCode = "%(code)s"

// IsVariable reports whether a template can name the variable: up to 64
// letters, digits and underscores, no digit first.
func IsVariable(name string) bool {
	if name == "" || len(name) > 64 {
		return false
	}
	for i := range len(name) {
		c := name[i]
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_'
		if !letter && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return true
}

// IsValue reports whether a text can show the value: UTF-8 of up to 200 bytes.
func IsValue(value string) bool { return len(value) <= maxVariable && utf8.ValidString(value) }

// names reports whether the text shows a variable.
func (t text) names(variable string) bool {
	return slices.ContainsFunc(t, func(p textPart) bool { return p.variable == variable })
}

// missing returns the first variable that is not given.
func (t text) missing(given func(variable string) bool) (string, bool) {
	for _, p := range t {
		if p.variable != "" && !given(p.variable) {
			return p.variable, true
		}
	}
	return "", false
}

// fill writes the text with its values. Values are made harmless first: no
// line break and no control or formatting character survives, so none can
// begin a new line, a header or a domain-bound code of its own.
func (t text) fill(values map[string]string) string {
	length := 0
	for _, p := range t {
		length += len(p.literal) + len(values[p.variable])
	}
	var b strings.Builder
	b.Grow(length)
	for _, p := range t {
		if p.variable == "" {
			b.WriteString(p.literal)
		} else {
			b.WriteString(oneLine(values[p.variable]))
		}
	}
	return b.String()
}

// oneLine replaces line breaks and controls by spaces and drops invisible
// formatting characters such as right-to-left marks.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case isBreak(r) || unicode.IsControl(r):
			return ' '
		case unicode.Is(unicode.Cf, r) || r == utf8.RuneError:
			return -1
		}
		return r
	}, s)
}

// isBreak tells whether a rune ends a line somewhere: in SMTP, in a terminal,
// or by Unicode (UAX #14 class BK).
func isBreak(r rune) bool {
	switch r {
	case '\n', '\r', '\v', '\f', '\u0085', '\u2028', '\u2029':
		return true
	}
	return false
}

func hasBreaks(s string) bool { return strings.ContainsFunc(s, isBreak) }

// checkVariables refuses values that no text could use.
func checkVariables(values map[string]string, p *Payment) *Error {
	if len(values) > MaxVariables {
		return invalid("variables", "must be at most %d", MaxVariables)
	}
	for name, value := range values {
		switch {
		case p != nil && slices.Contains(paymentVariables(), name):
			return invalid("variables", "must not hold %s, which is the payment's", name)
		case !IsVariable(name):
			return invalid("variables", "must have names of letters, digits and underscores")
		case !IsValue(value):
			return invalid("variables", "must have values of UTF-8 text of at most %d bytes", maxVariable)
		}
	}
	return nil
}

// checkText refuses a request's own text that is not fit to be sent.
func checkText(s string) *Error {
	switch {
	case len(s) > maxTemplate || !utf8.ValidString(s):
		return invalid("text", "must be UTF-8 of at most %d bytes", maxTemplate)
	case !strings.Contains(s, PercentCode):
		return invalid("text", "must hold the placeholder %s", PercentCode)
	case strings.ContainsFunc(s, func(r rune) bool { return unicode.IsControl(r) && r != '\n' && r != '\r' && r != '\t' }):
		return invalid("text", "must hold no control characters")
	}
	return nil
}
