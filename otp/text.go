package otp

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// builtin is what a message says when neither request nor tenant has a text.
type builtin struct{ subject, short, long, spoken string }

// builtinLocales are the languages of the built-in texts; the first is the
// default.
func builtinLocales() []string { return []string{"en", "es", "de", "fr"} }

// builtinText returns the built-in text of a language.
func builtinText(locale string) builtin {
	language, _, _ := strings.Cut(locale, "-")
	switch language {
	case "es":
		return builtin{
			subject: "{{brand}}: tu código de verificación",
			short:   "{{brand}}: tu código es {{code}}. Vence en {{expires_in}}. No lo compartas.",
			long:    "Tu código de verificación de {{brand}} es:\n\n{{code}}\n\nVence en {{expires_in}}. No lo compartas con nadie. Si no lo pediste, ignora este mensaje.\n",
			spoken:  "Tu código de {{brand}} es: {{code}}. Repito: {{code}}.",
		}
	case "de":
		return builtin{
			subject: "{{brand}}: Ihr Bestätigungscode",
			short:   "{{brand}}: Ihr Code lautet {{code}}. Er gilt {{expires_in}}. Geben Sie ihn niemandem weiter.",
			long:    "Ihr Bestätigungscode von {{brand}} lautet:\n\n{{code}}\n\nEr gilt {{expires_in}}. Geben Sie ihn niemandem weiter. Wenn Sie ihn nicht angefordert haben, ignorieren Sie diese Nachricht.\n",
			spoken:  "Ihr Code von {{brand}} lautet: {{code}}. Ich wiederhole: {{code}}.",
		}
	case "fr":
		return builtin{
			subject: "{{brand}} : votre code de vérification",
			short:   "{{brand}} : votre code est {{code}}. Il expire dans {{expires_in}}. Ne le communiquez à personne.",
			long:    "Votre code de vérification {{brand}} est :\n\n{{code}}\n\nIl expire dans {{expires_in}}. Ne le communiquez à personne. Si vous n'avez rien demandé, ignorez ce message.\n",
			spoken:  "Votre code {{brand}} est : {{code}}. Je répète : {{code}}.",
		}
	}
	return builtin{
		subject: "{{brand}}: your verification code",
		short:   "{{brand}}: your code is {{code}}. It expires in {{expires_in}}. Do not share it with anyone.",
		long:    "Your {{brand}} verification code is:\n\n{{code}}\n\nIt expires in {{expires_in}}. Do not share it with anyone. If you did not ask for it, ignore this message.\n",
		spoken:  "Your {{brand}} code is: {{code}}. Again: {{code}}.",
	}
}

// Text is a message ready to be carried.
type Text struct {
	Channel Channel
	To      string
	From    string // the sender to show, or "" for the provider's own
	Subject string // e-mail only
	Body    string // plain text
	Locale  string
	Code    string // for carriers that take it by itself, such as approved templates
	Link    string // that Body shows, with its token, or ""
	Brand   string
	Params  map[string]string // see [Template.Params]
}

// wording is what a message is made of.
type wording struct {
	subject, body text
	last          text // the line that machines read, or none
	params        map[string]string
}

// templatesFor returns the tenant's own templates for a profile and channel,
// the more particular first.
func (t *Tenant) templatesFor(profile string, channel Channel) []Template {
	var best []Template
	rank := -1
	for _, tpl := range t.Templates {
		if tpl.Profile != "" && tpl.Profile != profile || tpl.Channel != "" && tpl.Channel != channel {
			continue
		}
		r := 0
		if tpl.Profile != "" {
			r += 2
		}
		if tpl.Channel != "" {
			r++
		}
		if r > rank {
			best, rank = nil, r
		}
		if r == rank {
			best = append(best, tpl)
		}
	}
	return best
}

// locales lists the languages that a message of the profile can be in, the
// default first: those of the tenant's own templates, else the built-in ones.
func (t *Tenant) locales(profile string, channel Channel) []string {
	all := []string{}
	for _, tpl := range t.templatesFor(profile, channel) {
		if l := tpl.locale(t); !slices.Contains(all, l) {
			all = append(all, l)
		}
	}
	if len(all) == 0 {
		all = builtinLocales()
	}
	for i, l := range all {
		if l == t.locale() {
			all[0], all[i] = all[i], all[0]
		}
	}
	return all
}

func (t *Template) locale(of *Tenant) string {
	if t.Locale != "" {
		return t.Locale
	}
	return of.locale()
}

// wordingFor chooses the text: the request's own, the tenant's template in the
// locale, the dialect's, or the built-in one.
func (t *Tenant) wordingFor(profile string, channel Channel, locale string, letter *Letter) (wording, error) {
	base := builtinText(locale)
	if letter.Payment != nil {
		base = builtinPayment(locale)
	}
	subject, body, own := base.subject, base.short, cmp.Or(letter.Text, letter.Default)
	var chosen Template
	switch channel {
	case Email:
		body = base.long
		if letter.link != "" {
			body += builtinLink(locale)
		}
	case Voice:
		body = base.spoken
	}
	for _, tpl := range t.templatesFor(profile, channel) {
		// A text with a link is not for a verification from before its profile
		// had one.
		if tpl.locale(t) == locale && (letter.link != "" || !showsLink(tpl.Text)) {
			body, own, chosen = tpl.Text, letter.Text, tpl
			if tpl.Subject != "" {
				subject = tpl.Subject
			}
			break
		}
	}
	w := wording{params: chosen.Params}
	if channel == SMS {
		w.last = chosen.lastLine()
	}
	var err error
	if channel == Email { // nothing else shows one
		if w.subject, err = t.texts.parsed(subject); err != nil {
			return w, err
		}
	}
	if own != "" {
		w.body = parsePercent(own)
		return w, nil
	}
	w.body, err = t.texts.parsed(body)
	return w, err
}

// lastLine is what a telephone reads by itself: the code bound to a site, or
// the hash of an app.
func (t *Template) lastLine() text {
	switch {
	case t.Domain != "":
		return text{{literal: "@" + t.Domain + " #"}, {variable: "code"}}
	case t.AppHash != "":
		return text{{literal: t.AppHash}}
	}
	return nil
}

func (t *Template) checkLastLine(f *faultList, at string) {
	f.check(t.Domain == "" || isDomain(t.Domain), at+".domain", "must be a host name such as example.com, without scheme, port and path")
	hash := len(t.AppHash) == 11 && strings.Trim(t.AppHash, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/") == ""
	f.check(t.AppHash == "" || hash, at+".app_hash", "must be the 11 characters that Android's app signature helper shows")
	f.check(t.Domain == "" || t.AppHash == "", at+".app_hash", "cannot stand beside a domain: both want the last line")
	f.check(t.Domain == "" && t.AppHash == "" || t.Channel == "" || t.Channel == SMS, at+".channel", "must be sms for a template with a domain or an app_hash")
}

// isDomain tells whether s is a host name that a browser could show.
func isDomain(s string) bool {
	if len(s) > 253 || !strings.Contains(s, ".") {
		return false
	}
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || len(label) > 63 || strings.Trim(label, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" ||
			strings.HasPrefix(label, "-") || strings.HasSuffix(label, "-") {
			return false
		}
	}
	return true
}

// render fills the wording.
func (w wording) render(channel Channel, letter *Letter, code, brand, locale string, left time.Duration) Text {
	values := make(map[string]string, len(letter.Variables)+4)
	for name, value := range letter.Variables {
		values[name] = value
	}
	letter.Payment.into(values)
	values["brand"], values["expires_in"] = brand, lifeText(left)
	values["minutes"] = strconv.FormatInt(minutes(left), 10)
	values["code"], values["link"] = code, letter.link
	if channel == Voice {
		values["code"] = strings.Join(strings.Split(code, ""), ", ")
	}
	t := Text{
		Channel: channel, To: letter.To, From: oneLine(letter.Sender), Locale: locale, Body: w.body.fill(values), Code: code,
		Brand: brand, Params: w.params,
	}
	if w.body.names("link") {
		t.Link = letter.link
	}
	if len(w.last) > 0 {
		t.Body = strings.TrimRight(t.Body, "\r\n") + "\n" + w.last.fill(values)
	}
	if channel == Email {
		values["code"], values["link"] = "", "" // a subject shows on locked screens
		t.Subject = strings.TrimSpace(w.subject.fill(values))
	}
	return t
}

// tellSlack is what may pass between a start and the making of its text before
// the text tells a minute less than was asked for.
const tellSlack = 5 * time.Second

// minutes are whole ones, so that a text promises no minute that there is not;
// at least 1.
func minutes(d time.Duration) int64 { return max(int64((d+tellSlack)/time.Minute), 1) }

// lifeText tells a remaining life in units that read the same in all built-in
// languages: seconds below two minutes, where a minute more or less is much.
func lifeText(d time.Duration) string {
	if seconds := int64((d + time.Second - 1) / time.Second); seconds < 120 {
		return strconv.FormatInt(max(seconds, 1), 10) + " s"
	}
	return strconv.FormatInt(minutes(d), 10) + " min"
}
