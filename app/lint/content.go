package lint

import (
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/aldaba-otp/aldaba/otp"
)

const (
	// early is how many characters a notification surely shows.
	early = 30
	// retriever is how many bytes Android's SMS Retriever takes, by the guide of
	// its API.
	retriever = 140
)

// place advises to show the code where a locked screen shows it.
func (r *Report) place(code string) {
	before, _, found := strings.Cut(r.Text, code)
	if n := utf8.RuneCountInString(before); found && n >= early {
		r.add(Note, "code_late", "begin with it, such as \"{{code}} is your {{brand}} code\"", "the code begins after %d characters; notifications and autofill look at the first %d", n, early)
	}
}

// variables notes what the counting had to assume.
func (r *Report) variables(c *Case) {
	if len(c.Sample.Variables) == 0 {
		return
	}
	names := make([]string, 0, len(c.Sample.Variables))
	for name := range c.Sample.Variables {
		names = append(names, "{{"+name+"}}")
	}
	slices.Sort(names)
	r.add(Note, "variables", "keep such values short and plain", "%s come with the request and were counted with %d plain letters each; a longer value, or one with other letters, costs more",
		strings.Join(names, ", "), sampleValue)
}

// lastLine looks for what machines read: the code bound to a site (WICG,
// origin-bound one-time codes) and the hash of an Android app, which the core
// writes itself when the template names them.
func (r *Report) lastLine(t *otp.Template) {
	if t.AppHash != "" && len(r.Text) > retriever {
		r.add(Warning, "app_hash_long", "shorten it; a letter with an accent has two bytes", "has %d bytes with its app hash, and Android hands an app at most %d", len(r.Text), retriever)
	}
	if t.Domain != "" || t.AppHash != "" {
		return
	}
	if looksHashed(r.Text) {
		r.add(Warning, "app_hash_place", "take it out of the text and give it as app_hash", "seems to hold the hash of an Android app in its text, where a later change moves it from the end")
	}
	lines := strings.Split(strings.TrimRight(r.Text, "\n"), "\n")
	last := lines[len(lines)-1]
	bound := regexp.MustCompile(`@[a-z0-9.-]+\.[a-z]+ #\S`)
	switch {
	case regexp.MustCompile(`^@[a-z0-9.-]+\.[a-z]+ #\S+$`).MatchString(last):
		r.add(Note, "domain_in_text", "take the line out of the text and give the site as domain, which keeps it last", "writes the line for autofill itself")
	case bound.MatchString(r.Text):
		r.add(Warning, "domain_in_text", "take it out of the text and give the site as domain", "binds the code to a site in a line that is not the last or not alone, so that telephones pass over it")
	default:
		if site := siteIn(r.Text); site != "" {
			r.add(Note, "domain_missing", "give domain: "+site+" if people type the code there", "names the site %s, but no last line binds the code to it, so that a telephone may offer the code to a forged site", site)
		}
	}
}

// looksHashed tells whether a text shows what Android's app signature helper
// prints: 11 characters of base64. A name of 11 letters must not be taken for
// one, so a digit, a + or a /, or capitals within the word are asked for.
func looksHashed(text string) bool {
	marked := strings.HasPrefix(text, "<#>") // the mark of the first version of the API
	for _, word := range strings.Fields(text) {
		if len(word) != 11 || strings.Trim(word, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/") != "" {
			continue
		}
		lower := strings.ContainsAny(word, "abcdefghijklmnopqrstuvwxyz")
		capitals := len(regexp.MustCompile(`[A-Z]`).FindAllString(word[1:], -1))
		if marked || lower && capitals >= 2 || lower && capitals == 1 && strings.ContainsAny(word, "0123456789+/") {
			return true
		}
	}
	return marked
}

// siteIn returns the first host name that a text shows outside of an e-mail
// address.
func siteIn(text string) string {
	host := regexp.MustCompile(`(?:[a-z0-9-]+\.)+[a-z]{2,}`)
	lower := strings.ToLower(text)
	for _, at := range host.FindAllStringIndex(lower, -1) {
		if at[0] == 0 || lower[at[0]-1] != '@' {
			return strings.TrimPrefix(lower[at[0]:at[1]], "www.")
		}
	}
	return ""
}

// links warns of what carriers filter.
func (r *Report) links() {
	lower := strings.ToLower(r.Text)
	shortener := ""
	for _, host := range shorteners() {
		if regexp.MustCompile(`(^|[^a-z0-9.-])` + regexp.QuoteMeta(host) + `/`).MatchString(lower) {
			shortener = host
		}
	}
	switch {
	case shortener != "":
		r.add(Warning, "link_shortener", "name your own site, or no link at all", "holds a link of the public shortener %s; carriers block such texts", shortener)
	case strings.Contains(lower, "http://"):
		r.add(Warning, "link_plain", "write https://, or no link at all", "holds a link without TLS (http://); filters take it for phishing")
	case strings.Contains(lower, "https://") && r.Channel == otp.SMS:
		r.add(Note, "link", "leave it out: a text with a code needs none, and people learn to follow links in forged ones", "holds a link; some countries' carriers block texts with links that are not registered")
	}
}

// token judges the place of {{link}}.
func (r *Report) token(c *Case) {
	at := regexp.MustCompile(`\{\{\s*link\s*\}\}`)
	for _, found := range at.FindAllStringIndex(c.Template.Text, -1) {
		before, _ := utf8.DecodeLastRuneInString(c.Template.Text[:found[0]])
		after, _ := utf8.DecodeRuneInString(c.Template.Text[found[1]:])
		switch {
		case c.Template.Channel != otp.Email:
			r.add(Warning, "link_channel", "write a text of its own with channel: email", "shows {{link}}, which only e-mail has; such a template is refused")
			return
		case found[0] > 0 && !unicode.IsSpace(before) || found[1] < len(c.Template.Text) && !unicode.IsSpace(after):
			r.add(Warning, "link_alone", "give it a line of its own, without a full stop", "has something right before or behind {{link}}, which mail programs may take for a part of it")
			return
		}
	}
}

// shorteners are public ones that carriers' guides name as blocked.
func shorteners() []string {
	return []string{
		"bit.ly", "bitly.com", "tinyurl.com", "goo.gl", "ow.ly", "is.gd", "t.co", "t.ly", "tiny.cc", "rb.gy", "rebrand.ly", "cutt.ly",
		"buff.ly", "bit.do", "shorturl.at", "lnkd.in", "soo.gd", "shrtco.de",
	}
}
