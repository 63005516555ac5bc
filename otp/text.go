package otp

import (
	"cmp"
	"fmt"
	"slices"
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
}

// wording is the pair of parsed templates that a message is made of.
type wording struct{ subject, body text }

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
	subject, body, own := base.subject, base.short, cmp.Or(letter.Text, letter.Default)
	switch channel {
	case Email:
		body = base.long
	case Voice:
		body = base.spoken
	}
	for _, tpl := range t.templatesFor(profile, channel) {
		if tpl.locale(t) == locale {
			body, own = tpl.Text, letter.Text
			if tpl.Subject != "" {
				subject = tpl.Subject
			}
			break
		}
	}
	var w wording
	var err error
	if channel == Email { // nothing else shows one
		if w.subject, err = parseTemplate(subject); err != nil {
			return w, err
		}
	}
	if own != "" {
		w.body = parsePercent(own)
		return w, nil
	}
	w.body, err = parseTemplate(body)
	return w, err
}

// render fills the wording.
func (w wording) render(channel Channel, letter *Letter, code, brand, locale string, left time.Duration) Text {
	values := make(map[string]string, len(letter.Variables)+4)
	for name, value := range letter.Variables {
		values[name] = value
	}
	values["brand"], values["expires_in"] = brand, lifeText(left)
	values["minutes"] = fmt.Sprint(minutes(left))
	values["code"] = code
	if channel == Voice {
		values["code"] = strings.Join(strings.Split(code, ""), ", ")
	}
	t := Text{Channel: channel, To: letter.To, From: oneLine(letter.Sender), Locale: locale, Body: w.body.fill(values), Code: code}
	if channel == Email {
		values["code"] = "" // a subject shows on locked screens
		t.Subject = strings.TrimSpace(w.subject.fill(values))
	}
	return t
}

// minutes rounds up, so that a text never promises less than there is.
func minutes(d time.Duration) int64 { return int64((d + time.Minute - 1) / time.Minute) }

// lifeText tells a remaining life in units that read the same in all built-in
// languages.
func lifeText(d time.Duration) string {
	if d < time.Minute {
		return fmt.Sprintf("%d s", max(int64((d+time.Second-1)/time.Second), 1))
	}
	return fmt.Sprintf("%d min", minutes(d))
}
