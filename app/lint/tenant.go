package lint

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aldaba-otp/aldaba/internal/gsm7"
	"github.com/aldaba-otp/aldaba/otp"
)

// What is taken where neither profile nor template says it.
const (
	usualLength = 6
	usualLife   = time.Hour // "60 min" is as long as any life of a text message in practice
	sampleValue = 20
)

// Tenant judges all templates of a tenant, and its senders when it has
// templates for text messages or names any sender.
//
// Errors: as [Check].
func Tenant(t *otp.Tenant) ([]Report, error) {
	var all []Report
	for i := range t.Templates {
		tpl := &t.Templates[i]
		c, err := caseOf(t, tpl)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", c.Subject, err)
		}
		r, err := Check(c)
		if err != nil {
			return nil, err
		}
		if c.Channel == otp.SMS {
			r.registration(t, tpl)
		}
		all = append(all, r)
	}
	if r := senders(t); len(r.Findings) > 0 {
		all = append(all, r)
	}
	return all, nil
}

// caseOf fills a template with the longest values that its profiles allow. A
// template for every channel is judged as a text message, the dearest of them.
func caseOf(t *otp.Tenant, tpl *otp.Template) (Case, error) {
	name := cmp.Or(tpl.Profile, "*") + "/" + cmp.Or(string(tpl.Channel), "*") + "/" + cmp.Or(tpl.Locale, "*")
	c := Case{
		Subject: "tenant " + t.Name + ", template " + name, Template: *tpl,
		Channel: cmp.Or(tpl.Channel, otp.SMS), Locale: cmp.Or(tpl.Locale, t.Locale, "en"),
		Sample: otp.Sample{Brand: cmp.Or(t.Brand, t.Name)},
	}
	profiles := slices.DeleteFunc(slices.Clone(t.Profiles), func(p otp.Profile) bool { return tpl.Profile != "" && p.Name != tpl.Profile })
	if len(profiles) == 0 {
		profiles = []otp.Profile{{}}
	}
	for i := range profiles {
		code := longest(&profiles[i])
		if a, b := gsm7.Count(code), gsm7.Count(c.Sample.Code); a.Encoding > b.Encoding || a.Encoding == b.Encoding && a.Units > b.Units {
			c.Sample.Code = code
		}
		c.Sample.Left = max(c.Sample.Left, cmp.Or(profiles[i].Lifetime, usualLife))
	}
	names, err := tpl.Variables()
	if err != nil {
		return c, err
	}
	for _, n := range names {
		if c.Sample.Variables == nil {
			c.Sample.Variables = map[string]string{}
		}
		c.Sample.Variables[n] = strings.Repeat("x", sampleValue)
	}
	return c, nil
}

// longest is a code of a profile made of the dearest character that its
// alphabet has: an own one may hold { or the backquote.
func longest(p *otp.Profile) string {
	alphabet := cmp.Or(p.Alphabet, otp.Digits).Characters()
	dearest := "8"
	for _, r := range alphabet {
		a, b := gsm7.Count(string(r)), gsm7.Count(dearest)
		if a.Encoding > b.Encoding || a.Encoding == b.Encoding && a.Units > b.Units {
			dearest = string(r)
		}
	}
	if !strings.Contains(alphabet, dearest) {
		dearest = alphabet[:1]
	}
	return strings.Repeat(dearest, cmp.Or(p.Length, usualLength))
}

// registration warns of a template that a country wants registered.
func (r *Report) registration(t *otp.Tenant, tpl *otp.Template) {
	if !slices.Contains(countries(t), "IN") {
		return
	}
	for _, param := range []string{"dlt_entity_id", "dlt_template_id"} {
		if tpl.Params[param] == "" {
			r.add(Warning, "registration_in", "register entity, header and template on an operator's DLT portal and give params: {dlt_entity_id, dlt_template_id}",
				"goes to IN without %s; carriers there drop domestic texts whose template is not registered (TRAI)", param)
			return
		}
	}
}

// countries are those that a tenant names; with "*" no others are known.
func countries(t *otp.Tenant) []string {
	if len(t.Countries) == 0 && t.Home != "" {
		return []string{t.Home}
	}
	return t.Countries
}

// senders judges the names that a tenant shows, country by country.
func senders(t *otp.Tenant) Report {
	r := Report{Subject: "tenant " + t.Name + ", senders", Findings: []Finding{}}
	for _, country := range countries(t) {
		name, number := inPlay(t, country)
		if name == "" {
			continue
		}
		switch country {
		case "US", "CA", "PR":
			if !number {
				r.add(Warning, "sender_country", "add a number or a short code for "+country+" to senders",
					"%q is not shown in %s, where senders are numbers; telephones there get the provider's own", name, country)
			}
		case "SG":
			r.add(Note, "sender_registered", "register it with SGNIC's SMS Sender ID Registry", "%q is blocked in SG unless it is registered", name)
		case "IN":
			r.add(Note, "sender_registered", "register it as a header on an operator's DLT portal", "%q is shown in IN only when it is registered", name)
		}
	}
	return r
}

// inPlay returns the first name that would be shown in a country, and whether
// a number of the tenant takes its place there.
func inPlay(t *otp.Tenant, country string) (name string, number bool) {
	take := func(sender string) {
		if sender == "" {
			return
		}
		if strings.Trim(sender, "+0123456789") == "" {
			number = true
		} else if name == "" {
			name = sender
		}
	}
	for _, s := range t.Senders {
		if len(s.Countries) == 0 || slices.Contains(s.Countries, country) {
			take(s.Sender)
		}
	}
	for i := range t.Profiles {
		take(t.Profiles[i].Sender)
	}
	for _, r := range t.Routes {
		if r.Channel == otp.SMS && (len(r.Countries) == 0 || slices.Contains(r.Countries, country)) {
			take(r.Sender)
		}
	}
	return name, number
}

// Warnings are the warnings of reports, one a line.
func Warnings(reports []Report) (lines []string) {
	for _, r := range reports {
		for _, f := range r.Findings {
			if f.Severity == Warning {
				lines = append(lines, fmt.Sprintf("%s: %s; %s (%s)", r.Subject, f.Message, f.Advice, f.Rule))
			}
		}
	}
	return lines
}
