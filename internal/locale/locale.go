// Package locale chooses a language: it brings language tags (BCP 47) into one spelling and finds the supported tag that
// serves a reader best.
//
// It holds no texts, formats nothing and does not guess a language from a phone number or a country.
package locale

import (
	"errors"
	"fmt"
	"strings"

	"golang.org/x/text/language"
)

const (
	maxTag    = 35  // bytes: the buffer that RFC 5646 section 4.4.1 asks for
	maxHeader = 256 // bytes of a preference
)

// Canonical returns a language tag in its canonical spelling: "ES-mx" becomes "es-MX", and the retired "iw" becomes "he".
// It is false when tag is not well-formed (an underscore is no separator) or has more than 35 bytes. A well-formed tag
// with subtags that are not registered is taken, with the letter case of RFC 5646 section 2.1.1.
func Canonical(tag string) (string, bool) {
	if len(tag) > maxTag || strings.IndexByte(tag, '_') >= 0 {
		return "", false
	}
	t, err := language.Parse(tag)
	if err == nil {
		if s := t.String(); len(s) <= maxTag {
			return s, true
		}
		return "", false
	}
	var unknown language.ValueError
	if errors.As(err, &unknown) { // the parser has dropped what it does not know
		return recase(tag), true
	}
	return "", false
}

// recase writes the subtags of a well-formed tag in the conventional case: regions upper, scripts title, the rest lower,
// and all of what follows a singleton lower.
func recase(tag string) string {
	subtags := strings.Split(strings.ToLower(tag), "-")
	for i := 1; i < len(subtags); i++ {
		s := subtags[i]
		if len(s) == 1 {
			break
		}
		switch len(s) {
		case 2:
			subtags[i] = strings.ToUpper(s)
		case 4:
			subtags[i] = strings.ToUpper(s[:1]) + s[1:]
		}
	}
	return strings.Join(subtags, "-")
}

// Matcher finds the supported tag that serves given preferences. It never changes once made, and may be shared.
type Matcher struct {
	supported []string
	exact     map[string]int // given and canonical spellings
	matcher   language.Matcher
}

// NewMatcher returns a Matcher for the supported tags, of which the first is the default. It fails when there are none,
// when one is not well-formed or not registered, and when two are the same tag.
func NewMatcher(supported []string) (*Matcher, error) {
	if len(supported) == 0 {
		return nil, errors.New("locale: no supported tags")
	}
	m := &Matcher{supported: append([]string(nil), supported...), exact: make(map[string]int, len(supported))}
	tags := make([]language.Tag, len(supported))
	seen := make(map[string]bool, len(supported))
	for i, s := range supported {
		canonical, ok := Canonical(s)
		t, err := language.Parse(s)
		if !ok || err != nil {
			return nil, fmt.Errorf("locale: supported tag %d is not a registered BCP 47 tag", i+1)
		}
		if seen[canonical] {
			return nil, fmt.Errorf("locale: supported tag %d repeats an earlier one", i+1)
		}
		seen[canonical] = true
		tags[i] = t
		m.exact[canonical] = i
		m.exact[s] = i
	}
	m.matcher = language.NewMatcher(tags)
	return m, nil
}

// Match returns the supported tag, spelled as NewMatcher was given it, that serves the first preference that any serves
// at all, by the matching of CLDR: "es-MX" is served by "es", "pt-PT" by "pt-BR". Each preference is a tag or the value
// of an Accept-Language header (RFC 9110); one that is empty counts as not given, and so does each element of a header
// that is broken or lies beyond 256 bytes. It is false when no preference was served and the default is returned.
func (m *Matcher) Match(preferences ...string) (string, bool) {
	for _, p := range preferences {
		if i, ok := m.exact[p]; ok { // most callers name a supported tag; the matcher costs a hundred times this
			return m.supported[i], true
		}
		if i, ok := m.search(p); ok {
			return m.supported[i], true
		}
	}
	return m.supported[0], false
}

// search asks the CLDR matcher. It uses the index of the answer, since the tag carries extensions that nobody supports.
func (m *Matcher) search(preference string) (int, bool) {
	if len(preference) > maxHeader {
		preference = preference[:max(strings.LastIndexByte(preference[:maxHeader+1], ','), 0)]
	}
	tags, _, err := language.ParseAcceptLanguage(preference)
	if err != nil {
		tags, _, err = language.ParseAcceptLanguage(readable(preference))
	}
	if err != nil || len(tags) == 0 {
		return 0, false
	}
	_, i, confidence := m.matcher.Match(tags...)
	return i, confidence != language.No
}

// readable leaves out the elements of a header that are none: one of them takes nothing from the others.
func readable(header string) string {
	var kept []string
	for element := range strings.SplitSeq(strings.ToLower(header), ",") { // Q is q (RFC 9110, section 5.6.6)
		if tags, _, err := language.ParseAcceptLanguage(element); err == nil && len(tags) > 0 {
			kept = append(kept, element)
		}
	}
	return strings.Join(kept, ",")
}
