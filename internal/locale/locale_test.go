package locale

import (
	"slices"
	"strings"
	"testing"
)

func TestTagsHaveOneSpelling(t *testing.T) {
	t.Parallel()
	tests := []struct {
		tag, want string
		ok        bool
	}{
		{"es", "es", true},
		{"ES-mx", "es-MX", true},
		{"zh-hant-tw", "zh-Hant-TW", true},
		{"es-419", "es-419", true},
		{"iw", "he", true},
		{"x-FOO", "x-foo", true},
		{"en-u-rg-gbzzzz", "en-u-rg-gbzzzz", true},
		{"XX-yy", "xx-YY", true},
		{"es-qqqq-yy", "es-Qqqq-YY", true},
		{"", "", false},
		{"e", "", false},
		{"es-", "", false},
		{"es--MX", "", false},
		{"es_MX", "", false},
		{"español", "", false},
		{"es, en", "", false},
		{" es", "", false},
		{"es\n", "", false},
		{"*", "", false},
		{"en-x-" + strings.Repeat("a-", 15) + "a", "", false},
	}
	for _, tt := range tests {
		t.Run(tt.tag, func(t *testing.T) {
			t.Parallel()
			if got, ok := Canonical(tt.tag); got != tt.want || ok != tt.ok {
				t.Errorf("Canonical(%q) = %q, %v; want %q, %v", tt.tag, got, ok, tt.want, tt.ok)
			}
		})
	}
}

func TestTheFirstPreferenceThatIsServedWins(t *testing.T) {
	t.Parallel()
	m, err := NewMatcher([]string{"en", "es", "pt-br", "zh-Hant"})
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		preferences []string
		want        string
		ok          bool
	}{
		"none":                {nil, "en", false},
		"exact":               {[]string{"es"}, "es", true},
		"exact as given":      {[]string{"pt-br"}, "pt-br", true},
		"exact canonical":     {[]string{"pt-BR"}, "pt-br", true},
		"default by name":     {[]string{"en"}, "en", true},
		"other case":          {[]string{"ES"}, "es", true},
		"region":              {[]string{"es-MX"}, "es", true},
		"other Portuguese":    {[]string{"pt-PT"}, "pt-br", true},
		"Taiwan":              {[]string{"zh-TW"}, "zh-Hant", true},
		"extension":           {[]string{"es-u-rg-mxzzzz"}, "es", true},
		"header":              {[]string{"fr-CH, fr;q=0.9, es;q=0.8, *;q=0.5"}, "es", true},
		"header by weight":    {[]string{"es;q=0.5,pt;q=0.9"}, "pt-br", true},
		"weight of zero":      {[]string{"es;q=0"}, "en", false},
		"anything":            {[]string{"*"}, "en", false},
		"undetermined":        {[]string{"und"}, "en", false},
		"not served":          {[]string{"fr"}, "en", false},
		"later":               {[]string{"", "fr", "es-MX", "pt"}, "es", true},
		"earlier":             {[]string{"pt", "es"}, "pt-br", true},
		"broken then good":    {[]string{"es;q=abc", "\x00", "pt"}, "pt-br", true},
		"broken":              {[]string{"!!"}, "en", false},
		"unknown":             {[]string{"xx"}, "en", false},
		"longer than is read": {[]string{strings.Repeat("es,", 86), "pt"}, "es", true},
		"beyond what is read": {[]string{strings.Repeat("fr,", 86) + "es", "pt"}, "pt-br", true},
		"one long element":    {[]string{strings.Repeat("e", 300), "pt"}, "pt-br", true},
		"an odd one behind":   {[]string{"es,german"}, "es", true},
		"an odd one before":   {[]string{"c,es"}, "es", true},
		"an unknown one":      {[]string{"xx, es"}, "es", true},
		"an odd weight":       {[]string{"pt;q=high, es;q=0.5"}, "es", true},
		"a capital Q":         {[]string{"es;Q=0.5,fr;q=0.7,pt;Q=0.8"}, "pt-br", true},
		"many hyphens":        {[]string{strings.Repeat("-", 256)}, "en", false},
		"as long as may be":   {[]string{strings.Repeat("es,", 85)}, "es", true},
		"private use":         {[]string{"x-es"}, "en", false},
		"later of one header": {[]string{"fr,pt"}, "pt-br", true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got, ok := m.Match(tt.preferences...); got != tt.want || ok != tt.ok {
				t.Errorf("Match(%q) = %q, %v; want %q, %v", tt.preferences, got, ok, tt.want, tt.ok)
			}
		})
	}
}

func TestSupportedTagsAreChecked(t *testing.T) {
	t.Parallel()
	tests := map[string][]string{
		"none": nil, "empty": {""}, "malformed": {"en", "e"}, "underscore": {"es_MX"}, "unregistered": {"xx"},
		"twice": {"es", "ES"}, "twice by alias": {"iw", "he"},
	}
	for name, supported := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if m, err := NewMatcher(supported); m != nil || err == nil {
				t.Errorf("NewMatcher(%q) = %v, %v; want an error", supported, m, err)
			}
		})
	}
}

func FuzzMatch(f *testing.F) {
	supported := []string{"en", "es", "pt-BR", "zh-Hant", "sr-Latn", "no", "he"}
	m, err := NewMatcher(supported)
	if err != nil {
		f.Fatal(err)
	}
	for _, s := range []string{"es-MX", "iw", "fr, es;q=0.5", "nb", "*", "en-a-b", "i-klingon", "sr", "x-a", "de-1996"} {
		f.Add(s)
	}
	for _, s := range supported {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if got, _ := m.Match(s); !slices.Contains(supported, got) {
			t.Fatalf("Match(%q) = %q", s, got)
		}
		if i, ok := m.exact[s]; ok {
			if j, found := m.search(s); !found || i != j {
				t.Fatalf("%q: the fast path says %d, the matcher %d, %v", s, i, j, found)
			}
		}
		c, ok := Canonical(s)
		if again, same := Canonical(c); ok && (!same || again != c || len(c) > maxTag) {
			t.Fatalf("Canonical(%q) = %q, then %q, %v", s, c, again, same)
		}
	})
}

func BenchmarkMatch(b *testing.B) {
	m, err := NewMatcher([]string{"en", "es", "pt-BR"})
	if err != nil {
		b.Fatal(err)
	}
	for _, preference := range []string{"es", "es-MX", "fr-CH, fr;q=0.9, es;q=0.8, *;q=0.5"} {
		b.Run(preference, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, _ = m.Match(preference)
			}
		})
	}
}

// TestTheFirstIsFound: who asks for the default language alone gets it, whatever
// else there is. The core relies on it where nobody has asked for a language.
func TestTheFirstIsFound(t *testing.T) {
	t.Parallel()
	tags := []string{"en", "en-GB", "es", "es-VE", "es-419", "pt-BR", "de-CH", "fr", "zh-Hant-TW", "sr-Latn", "nn", "he", "x-foo"}
	for _, first := range tags {
		for _, second := range tags {
			for _, third := range tags {
				if first == second || second == third || third == first {
					continue
				}
				m, err := NewMatcher([]string{first, second, third})
				if err != nil {
					t.Fatal(err)
				}
				if got, _ := m.Match(first); got != first {
					t.Errorf("of %s, %s and %s the first was asked for, and %s came", first, second, third, got)
				}
			}
		}
	}
}
