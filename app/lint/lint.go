// Package lint judges message templates before anybody pays for them: how many
// parts a text takes and which characters make it dear, whether telephones can
// offer the code by themselves, and what carriers filter.
//
// It advises and refuses nothing: what would not work at all is refused by the
// core when a configuration is read. It renders by the core's own rules, with
// the longest values that the configuration allows, and sends nothing.
package lint

import (
	"fmt"
	"unicode/utf8"

	"github.com/aldaba-otp/aldaba/internal/gsm7"
	"github.com/aldaba-otp/aldaba/otp"
)

// Severity tells how much a finding matters.
type Severity string

// The severities.
const (
	Warning Severity = "warning" // it costs money, or does not do what it is meant to
	Note    Severity = "note"    // it is good to know
)

// Finding is one thing to know about a template.
type Finding struct {
	Severity Severity `json:"severity"`
	Rule     string   `json:"rule"`
	Message  string   `json:"message"`
	Advice   string   `json:"advice"` // what to do
}

// Report is what there is to know about one template, or about the senders of
// a tenant.
type Report struct {
	Subject  string      `json:"subject"` // such as "tenant acme, template */sms/es"
	Channel  otp.Channel `json:"channel,omitempty"`
	Locale   string      `json:"locale,omitempty"`
	Text     string      `json:"text,omitempty"` // filled with sample values
	Size     *Size       `json:"size,omitempty"` // of a text message, else nil
	Findings []Finding   `json:"findings"`
}

// Size is what a text costs as a short message.
type Size struct {
	Encoding   string `json:"encoding"` // gsm7 or ucs2
	Characters int    `json:"characters"`
	Units      int    `json:"units"` // septets of gsm7, 16-bit units of ucs2
	Parts      int    `json:"parts"` // the price in messages
	// Forced are the characters that force ucs2, Double those that take two
	// units, each once.
	Forced []string `json:"forced,omitempty"`
	Double []string `json:"double,omitempty"`
}

// Case is one template with what it is to be filled with.
type Case struct {
	Subject  string
	Template otp.Template // without a text: the built-in one
	Channel  otp.Channel
	Locale   string
	Sample   otp.Sample
}

// Check judges one template. Errors: what [otp.Template.Preview] says.
func Check(c Case) (Report, error) {
	text, err := c.Template.Preview(c.Channel, c.Locale, c.Sample)
	if err != nil {
		return Report{}, fmt.Errorf("%s: %w", c.Subject, err)
	}
	r := Report{Subject: c.Subject, Channel: c.Channel, Locale: c.Locale, Text: text.Body, Findings: []Finding{}}
	if c.Channel == otp.SMS {
		r.size()
		r.variables(&c)
		r.place(c.Sample.Code)
		r.lastLine(&c.Template)
	}
	if c.Channel == otp.SMS || c.Channel == otp.Email {
		r.links()
	}
	r.token(&c)
	return r, nil
}

func (r *Report) add(s Severity, rule, advice, format string, args ...any) {
	r.Findings = append(r.Findings, Finding{s, rule, fmt.Sprintf(format, args...), advice})
}

// size counts the text.
func (r *Report) size() {
	n := gsm7.Count(r.Text)
	r.Size = &Size{n.Encoding.String(), utf8.RuneCountInString(r.Text), n.Units, n.Parts, words(n.Forced), words(n.Double)}
	if n.Parts > 1 {
		r.add(Warning, "parts", "shorten it to "+limit(n.Encoding), "takes %d parts: %s the price of one", n.Parts, times(n.Parts))
	}
	switch {
	case n.Encoding == gsm7.UCS2:
		r.encoding(n)
	case len(n.Double) > 0:
		r.add(Note, "double", "write other characters where the room is needed", "pays two characters for each of %s", list(words(n.Double)))
	}
}

func words(runes []rune) (all []string) {
	for _, r := range runes {
		all = append(all, string(r))
	}
	return all
}

// limit is what one part holds.
func limit(e gsm7.Encoding) string {
	if e == gsm7.GSM7 {
		return "160 characters"
	}
	return "70 characters"
}

func times(n int) string {
	if n == 2 {
		return "twice"
	}
	return fmt.Sprintf("%d times", n)
}
