package otp

import "time"

// Sample is what a text is filled with when nobody is to get it: to see how
// long it becomes.
type Sample struct {
	Brand     string
	Code      string
	Left      time.Duration // of the code's life
	Variables map[string]string
}

// Preview fills a template as a message on a channel in a locale would show
// it, its last line included. A template without a text is the built-in one.
//
// Errors: what [NewDirectory] would say about the text.
func (t *Template) Preview(channel Channel, locale string, s Sample) (Text, error) {
	tenant := Tenant{Locale: locale}
	if t.Text != "" {
		alone := *t
		alone.Profile, alone.Channel, alone.Locale = "", "", locale
		tenant.Templates = []Template{alone}
	}
	letter := &Letter{Variables: s.Variables}
	if showsLink(t.Text) {
		letter.link = sampleLink
	}
	w, err := tenant.wordingFor("", channel, locale, letter)
	if err != nil {
		return Text{}, err
	}
	return w.render(channel, letter, s.Code, s.Brand, locale, s.Left), nil
}

// Variables lists what a template shows beside {{code}}, {{link}}, {{brand}},
// {{expires_in}} and {{minutes}}: the request brings these, each once.
//
// Errors: as [Template.Preview].
func (t *Template) Variables() ([]string, error) {
	known := map[string]bool{"code": true, "link": true, "brand": true, "expires_in": true, "minutes": true}
	var all []string
	for _, s := range []string{t.Subject, t.Text} {
		parsed, err := parseTemplate(s)
		if err != nil {
			return nil, err
		}
		for _, p := range parsed {
			if p.variable != "" && !known[p.variable] {
				known[p.variable] = true
				all = append(all, p.variable)
			}
		}
	}
	return all, nil
}
