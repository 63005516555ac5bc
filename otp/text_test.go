package otp

import (
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"
)

func TestTemplatesAreParsedStrictly(t *testing.T) {
	t.Parallel()
	for text, ok := range map[string]bool{
		"": true, "plain": true, "{{code}}": true, "a {{ code }} b {{name_2}}": true, "} }} {": true, "{code}": true,
		"{{": false, "{{}}": false, "{{ }}": false, "{{code": false, "{{code}": false, "{{2x}}": false, "{{a b}}": false, "{{a-b}}": false,
		"{{{code}}}": false, "{{code}} {{": false, "{{ñ}}": false, "\xff": false, "{{" + strings.Repeat("a", 64) + "}}": true,
		"{{" + strings.Repeat("a", 65) + "}}": false, strings.Repeat("x", 2000): true, strings.Repeat("x", 2001): false,
	} {
		if _, err := parseTemplate(text); (err == nil) != ok {
			t.Errorf("%q: got %v", text, err)
		}
	}
}

func TestValuesAreFilledInOnePassAndStayOnTheirLine(t *testing.T) {
	t.Parallel()
	values := map[string]string{"code": "123456", "a": "{{code}}", "b": "{{", "c": "x\r\nBcc: y\u2028z\x00\u0085\v", "d": "\u202eabc\u200b\ufeff\xff"}
	for template, want := range map[string]string{
		"{{a}} {{code}}": "{{code}} 123456", "{{b}}code}}": "{{code}}", "{{c}}": "x  Bcc: y z   ", "{{d}}.": "abc.", "{{code}}{{code}}": "123456123456",
		"line\n{{code}}": "line\n123456", "{{gone}}!": "!",
	} {
		parsed, err := parseTemplate(template)
		if got := parsed.fill(values); err != nil || got != want {
			t.Errorf("%q: got %q, %v; want %q", template, got, err, want)
		}
	}
	parsed, _ := parseTemplate("{{code}} {{gone}}")
	if name, missing := parsed.missing(func(variable string) bool { _, ok := values[variable]; return ok }); !missing || name != "gone" {
		t.Errorf("missing %q", name)
	}
}

func TestPercentFormHasOnePlaceholder(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"%(code)s": "42", "a %(code)s b %(code)s": "a 42 b 42", "{{code}} %(code)s": "{{code}} 42", "%(name)s 100% %%": "%(name)s 100% %%", "%(code)": "%(code)",
	} {
		if got := parsePercent(text).fill(map[string]string{"code": "42", "name": "x"}); got != want {
			t.Errorf("%q: got %q", text, got)
		}
	}
}

func FuzzFill(f *testing.F) {
	f.Add("{{brand}}: {{code}}", "x\r\n{{code}}")
	f.Add("{{a}}{{b}}", "%(code)s\u2029")
	f.Fuzz(func(t *testing.T, template, value string) {
		parsed, err := parseTemplate(template)
		if err != nil {
			return
		}
		values, empty := map[string]string{}, map[string]string{}
		for _, p := range parsed {
			if p.variable != "" {
				values[p.variable], empty[p.variable] = value, ""
			}
		}
		clean := oneLine(value)
		if strings.ContainsFunc(clean, func(r rune) bool { return isBreak(r) || unicode.IsControl(r) || unicode.Is(unicode.Cf, r) }) || !utf8.ValidString(clean) {
			t.Errorf("%q became %q", value, clean)
		}
		if got := len(parsed.fill(values)); got != len(parsed.fill(empty))+countVariables(parsed)*len(clean) {
			t.Errorf("%q with %q has %d bytes", template, value, got)
		}
	})
}

func countVariables(parsed text) (n int) {
	for _, p := range parsed {
		if p.variable != "" {
			n++
		}
	}
	return n
}

// gsm7 is the basic set of GSM 03.38, and behind the bar its extension, of
// which each character takes two septets.
const gsm7 = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"

func TestBuiltInTextsShowTheCodeAndFitOneSMS(t *testing.T) {
	t.Parallel()
	const brand, code = "Banco Aldaba", "738291"
	tenant := &Tenant{Name: "acme", Brand: brand}
	beyondGSM := ""
	for _, locale := range builtinLocales() {
		for _, channel := range []Channel{SMS, Email, Voice} {
			w, err := tenant.wordingFor("default", channel, locale, &Letter{})
			if err != nil {
				t.Fatal(err)
			}
			text := w.render(channel, &Letter{To: "x"}, code, brand, locale, time.Hour)
			shown, times := code, 1
			if channel == Voice {
				shown, times = "7, 3, 8, 2, 9, 1", 2
			}
			if strings.Count(text.Body, shown) != times || !strings.Contains(text.Body, brand) || strings.Contains(text.Body, "{") || text.Code != code {
				t.Errorf("%s, %s: %q", locale, channel, text.Body)
			}
			if strings.Contains(text.Subject, code) || (text.Subject != "") != (channel == Email) || hasBreaks(text.Subject) {
				t.Errorf("%s, %s: subject %q", locale, channel, text.Subject)
			}
			if channel != Voice && !strings.Contains(text.Body, "60 min") {
				t.Errorf("%s, %s: no life in %q", locale, channel, text.Body)
			}
			if channel != SMS {
				continue
			}
			most := 160
			if strings.ContainsFunc(text.Body, func(r rune) bool { return !strings.ContainsRune(gsm7, r) }) {
				most, beyondGSM = 70, beyondGSM+locale+" " // UCS-2
			}
			if n := utf8.RuneCountInString(text.Body); n > most {
				t.Errorf("%s: %d of %d characters: %q", locale, n, most, text.Body)
			}
		}
	}
	if beyondGSM != "es " { // the ó of código
		t.Errorf("beyond GSM-7: %s", beyondGSM)
	}
}

func TestSubjectNeverHoldsTheCode(t *testing.T) {
	t.Parallel()
	tenant := &Tenant{Name: "acme", Templates: []Template{{Channel: Email, Subject: "{{code}} is it, {{name}}", Text: "{{code}}"}}}
	w, err := tenant.wordingFor("default", Email, "en", &Letter{})
	if err != nil {
		t.Fatal(err)
	}
	text := w.render(Email, &Letter{Variables: map[string]string{"name": "A\r\nBcc: b", "code": "999999", "brand": "evil"}}, "123456", "acme", "en", time.Minute)
	if text.Subject != "is it, A  Bcc: b" || text.Body != "123456" {
		t.Errorf("got %+v", text)
	}
}

func TestMostParticularTemplateIsChosen(t *testing.T) {
	t.Parallel()
	tpl := func(profile string, channel Channel, locale, text string) Template {
		return Template{Profile: profile, Channel: channel, Locale: locale, Text: text + "{{code}}"}
	}
	tenant := &Tenant{Name: "acme", Locale: "es-VE", Templates: []Template{
		tpl("", "", "", "all"), tpl("", SMS, "", "sms"), tpl("login", "", "es-VE", "login"), tpl("login", SMS, "en", "both en"), tpl("login", SMS, "", "both"), tpl("login", SMS, "es-VE", "twice"),
	}}
	for _, c := range []struct {
		profile string
		channel Channel
		locale  string
		want    string
		locales string
	}{
		{"x", Email, "es-VE", "all", "es-VE"},
		{"x", SMS, "es-VE", "sms", "es-VE"},
		{"login", Email, "es-VE", "login", "es-VE"},
		{"login", SMS, "es-VE", "both", "es-VE en"},
		{"login", SMS, "en", "both en", "es-VE en"},
	} {
		w, err := tenant.wordingFor(c.profile, c.channel, c.locale, &Letter{})
		if got := w.body.fill(nil); err != nil || got != c.want {
			t.Errorf("%+v: got %q, %v", c, got, err)
		}
		if got := strings.Join(tenant.locales(c.profile, c.channel), " "); got != c.locales {
			t.Errorf("%+v: locales %s", c, got)
		}
	}
	if got := strings.Join((&Tenant{Locale: "de"}).locales("x", SMS), " "); got != "de es en fr" {
		t.Errorf("locales %s", got)
	}
}

func TestATextPromisesNoMinuteThatThereIsNot(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]struct {
		text    string
		minutes int64
	}{
		24 * time.Hour: {"1440 min", 1440}, 5 * time.Minute: {"5 min", 5}, 5*time.Minute - time.Millisecond: {"5 min", 5},
		5*time.Minute - tellSlack: {"5 min", 5}, 5*time.Minute - tellSlack - 1: {"4 min", 4}, 601 * time.Second: {"10 min", 10},
		2 * time.Minute: {"2 min", 2}, 2*time.Minute - time.Millisecond: {"2 min", 2}, 119 * time.Second: {"119 s", 2},
		61 * time.Second: {"61 s", 1}, time.Minute: {"60 s", 1}, time.Minute - 1: {"60 s", 1},
		time.Second: {"1 s", 1}, 1: {"1 s", 1}, 0: {"1 s", 1}, -time.Second: {"1 s", 1},
	} {
		if got := lifeText(d); got != want.text {
			t.Errorf("%s: got %q, want %q", d, got, want.text)
		}
		if got := minutes(d); got != want.minutes {
			t.Errorf("%s: got %d minutes, want %d", d, got, want.minutes)
		}
	}
}
