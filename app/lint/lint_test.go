package lint

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/aldaba-otp/aldaba/internal/gsm7"
	"github.com/aldaba-otp/aldaba/otp"
)

// judged checks a template for text messages with a code of six digits.
func judged(t *testing.T, tpl otp.Template) Report {
	t.Helper()
	r, err := Check(Case{
		Subject: "it", Template: tpl, Channel: otp.SMS, Locale: "es",
		Sample: otp.Sample{Brand: "Banco Nuevo", Code: "888888", Left: time.Hour},
	})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// rules are the findings in short: "warning parts, note link".
func rules(r Report) string {
	var all []string
	for _, f := range r.Findings {
		all = append(all, string(f.Severity)+" "+f.Rule)
	}
	return strings.Join(all, ", ")
}

func TestRules(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("palabra ", 10)
	for name, c := range map[string]struct {
		tpl  otp.Template
		want string
	}{
		"nothing to say":             {otp.Template{Text: "{{code}} es tu clave de {{brand}}."}, ""},
		"an accent that costs not":   {otp.Template{Text: "{{code}} es tu código."}, "note encoding"},
		"an accent that costs":       {otp.Template{Text: "{{code}} es tu código. " + long}, "warning parts, warning encoding"},
		"a quote that costs not":     {otp.Template{Text: "{{code}} is today’s code"}, "warning typography"},
		"a space that nobody sees":   {otp.Template{Text: "{{code}}\u00a0is it"}, "warning typography"},
		"another script":             {otp.Template{Text: "{{code}} ваш код"}, "note encoding"},
		"another script, too long":   {otp.Template{Text: "{{code}} ваш код. " + long}, "warning parts, note encoding"},
		"long in the cheap alphabet": {otp.Template{Text: "{{code}} " + long + long}, "warning parts"},
		"signs of two septets":       {otp.Template{Text: "[{{code}}] 5 €"}, "note double"},
		"the code is late":           {otp.Template{Text: "Estimado cliente, la clave para entrar es {{code}}"}, "note code_late"},
		"the code at character 30":   {otp.Template{Text: strings.Repeat("a", 29) + "{{code}}"}, ""},
		"the code behind it":         {otp.Template{Text: strings.Repeat("a", 30) + "{{code}}"}, "note code_late"},

		"a site without a line":      {otp.Template{Text: "{{code}} en www.banco.example"}, "note domain_missing"},
		"a site with its line":       {otp.Template{Text: "{{code}} en banco.example", Domain: "banco.example"}, ""},
		"a mailbox is no site":       {otp.Template{Text: "{{code}} de ana@banco.example"}, ""},
		"a line by hand":             {otp.Template{Text: "{{code}}\n@banco.example #{{code}}"}, "note domain_in_text"},
		"a line by hand, not last":   {otp.Template{Text: "{{code}}\n@banco.example #{{code}}\nGracias"}, "warning domain_in_text"},
		"a line by hand, not alone":  {otp.Template{Text: "{{code}} @banco.example #{{code}}"}, "warning domain_in_text"},
		"a hash in its place":        {otp.Template{Text: "{{code}}", AppHash: "FA+9qCX9VSu"}, ""},
		"a hash in the text":         {otp.Template{Text: "{{code}}\nFA+9qCX9VSu"}, "warning app_hash_place"},
		"a marked hash":              {otp.Template{Text: "<#> {{code}} abcdefghijk"}, "warning app_hash_place"},
		"a mark without a hash":      {otp.Template{Text: "<#> {{code}}"}, "warning app_hash_place"},
		"a brand of eleven letters":  {otp.Template{Text: "{{code}} de MercadoPago"}, ""},
		"a word of eleven letters":   {otp.Template{Text: "{{code}} Confirmamos"}, ""},
		"140 bytes with the hash":    {otp.Template{Text: "{{code}}" + strings.Repeat("a", 140-6-12), AppHash: "FA+9qCX9VSu"}, ""},
		"141 bytes with the hash":    {otp.Template{Text: "{{code}}" + strings.Repeat("a", 141-6-12), AppHash: "FA+9qCX9VSu"}, "warning app_hash_long"},
		"a link":                     {otp.Template{Text: "{{code}} https://banco.example/x", Domain: "banco.example"}, "note link"},
		"a link without TLS":         {otp.Template{Text: "{{code}} HTTP://banco.example/x", Domain: "banco.example"}, "warning link_plain"},
		"a shortener":                {otp.Template{Text: "{{code}} https://bit.ly/x", Domain: "banco.example"}, "warning link_shortener"},
		"a shortener without scheme": {otp.Template{Text: "{{code}} bit.ly/x", Domain: "banco.example"}, "warning link_shortener"},
		"a site that ends like one":  {otp.Template{Text: "{{code}} https://orbit.ly/x", Domain: "orbit.ly"}, "note link"},
	} {
		r := judged(t, c.tpl)
		if got := rules(r); got != c.want {
			t.Errorf("%s: %q has %q, want %q", name, r.Text, got, c.want)
		}
		for _, f := range r.Findings {
			if f.Message == "" || f.Advice == "" {
				t.Errorf("%s: %+v says nothing to do", name, f)
			}
		}
	}
}

func TestWhatAccentsCostIsTold(t *testing.T) {
	t.Parallel()
	r := judged(t, otp.Template{Text: "{{code}} es tu código de acceso rápido. " + strings.Repeat("palabra ", 10)})
	want := Size{Encoding: "ucs2", Characters: utf8.RuneCountInString(r.Text), Units: 118, Parts: 2, Forced: []string{"ó", "á"}}
	if fmt.Sprint(*r.Size) != fmt.Sprint(want) {
		t.Errorf("got %+v, want %+v", *r.Size, want)
	}
	all := Warnings([]Report{r})
	for _, part := range []string{"it: takes 2 parts: twice the price of one", "ó as o, á as a it is GSM-7: 118 of 160 characters, 1 part"} {
		if !strings.Contains(strings.Join(all, "\n"), part) {
			t.Errorf("%q is not told in %q", part, all)
		}
	}
	if r := judged(t, otp.Template{Text: "{{code}}" + strings.Repeat("a", 320)}); !strings.Contains(r.Findings[0].Message, "3 parts: 3 times the price") {
		t.Errorf("three parts: %+v", r.Findings)
	}
	if r := judged(t, otp.Template{Text: "{{code}}\u200b!"}); !strings.Contains(r.Findings[0].Message, "U+200B") {
		t.Errorf("what cannot be seen: %+v", r.Findings)
	}
}

func TestOtherChannelsHaveNoSize(t *testing.T) {
	t.Parallel()
	for _, channel := range []otp.Channel{otp.Email, otp.Voice, otp.WhatsApp, otp.Telegram} {
		r, err := Check(Case{Template: otp.Template{Text: strings.Repeat("código ", 40) + "{{code}} http://x.example"}, Channel: channel, Locale: "es", Sample: otp.Sample{Code: "8"}})
		want := map[otp.Channel]string{otp.Email: "warning link_plain"}[channel]
		if err != nil || r.Size != nil || rules(r) != want {
			t.Errorf("%s: %+v, %v", channel, r, err)
		}
	}
}

// TestBuiltInTextsFitOnePart holds the core's own texts to what it asks of
// others: one part with a code of six digits and a brand of 11 characters.
func TestBuiltInTextsFitOnePart(t *testing.T) {
	t.Parallel()
	for locale, encoding := range map[string]string{"en": "gsm7", "es": "ucs2", "de": "gsm7", "fr": "gsm7"} {
		r, err := Check(Case{Channel: otp.SMS, Locale: locale, Sample: otp.Sample{Brand: "Banco Nuevo", Code: "888888", Left: 24 * time.Hour}})
		if err != nil || r.Size.Parts != 1 || r.Size.Encoding != encoding || len(Warnings([]Report{r})) > 0 {
			t.Errorf("%s: %+v %+v, %v", locale, r, r.Size, err)
		}
		if locale == "es" && rules(r) != "note encoding" || locale != "es" && rules(r) != "" {
			t.Errorf("%s: %s", locale, rules(r))
		}
	}
}

func TestLinksStandAlone(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"{{code}}\n{{link}}\nAdiós":      "",
		"{{link}} {{code}}":              "",
		"{{code}} {{ link }}":            "",
		"{{code}} {{link}}.":             "warning link_alone",
		"{{code}} <{{link}}>":            "warning link_alone",
		"{{code}} {{link}}\n({{link}})":  "warning link_alone",
		"{{code}} {{linked}}. {{links}}": "",
	} {
		tenant := &otp.Tenant{Name: "acme", Templates: []otp.Template{{Channel: otp.Email, Text: text}}}
		all, err := Tenant(tenant)
		if err != nil || len(all) != 1 || rules(all[0]) != want || !strings.Contains(all[0].Text, "https://app.example/verify#token=") != (want == "" && strings.Contains(text, "links")) {
			t.Errorf("%q: %+v, %v", text, all, err)
		}
		tenant.Templates[0].Channel = otp.SMS
		if all, err = Tenant(tenant); err != nil || strings.Contains(rules(all[0]), "warning link_channel") != !strings.Contains(text, "links") {
			t.Errorf("%q as a text message: %s, %v", text, rules(all[0]), err)
		}
	}
}

func TestTenantIsJudgedWithItsLongestValues(t *testing.T) {
	t.Parallel()
	tenant := &otp.Tenant{
		Name: "acme", Locale: "es", Countries: []string{"VE"},
		Profiles: []otp.Profile{
			{Name: "default", Lifetime: 2 * time.Minute},
			{Name: "safe", Length: 8, Lifetime: 24 * time.Hour},
			{Name: "odd", Alphabet: "ab~", Length: 5},
		},
		Templates: []otp.Template{
			{Text: "{{code}} {{brand}} {{expires_in}}"},
			{Profile: "safe", Channel: otp.SMS, Locale: "en", Text: "{{code}} {{name}} {{expires_in}}"},
			{Profile: "default", Channel: otp.Email, Text: "{{code}} {{expires_in}}"},
		},
	}
	reports, err := Tenant(tenant)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range reports {
		got = append(got, r.Subject+": "+r.Text+": "+rules(r))
	}
	want := []string{
		"tenant acme, template */*/*: ~~~~~ acme 1440 min: note double",
		"tenant acme, template safe/sms/en: 88888888 " + strings.Repeat("x", 20) + " 1440 min: note variables",
		"tenant acme, template default/email/*: 888888 2 min: ",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestSendersByCountry(t *testing.T) {
	t.Parallel()
	texts := []otp.Template{{Text: "{{code}}"}}
	india := map[string]string{"dlt_entity_id": "1", "dlt_template_id": "2"}
	for name, c := range map[string]struct {
		tenant otp.Tenant
		want   string
	}{
		"no name at all":           {otp.Tenant{Countries: []string{"US"}}, ""},
		"a name in the US":         {otp.Tenant{Countries: []string{"US"}, Senders: []otp.Sender{{Sender: "ACME"}}}, "warning sender_country"},
		"a profile's name at home": {otp.Tenant{Home: "CA", Profiles: []otp.Profile{{Sender: "ACME"}}}, "warning sender_country"},
		"a route's name": {
			otp.Tenant{Countries: []string{"PR", "VE"}, Routes: []otp.Route{{Channel: otp.SMS, Sender: "ACME"}}},
			"warning sender_country",
		},
		"a number takes its place": {otp.Tenant{Countries: []string{"US"}, Senders: []otp.Sender{{Sender: "ACME"}, {Sender: "+12025550123", Countries: []string{"US"}}}}, ""},
		"a name elsewhere":         {otp.Tenant{Countries: []string{"US", "VE"}, Senders: []otp.Sender{{Sender: "ACME", Countries: []string{"VE"}}}}, ""},
		"everywhere says nothing":  {otp.Tenant{Countries: []string{"*"}, Senders: []otp.Sender{{Sender: "ACME"}}}, ""},
		"a name in Singapore":      {otp.Tenant{Countries: []string{"SG"}, Senders: []otp.Sender{{Sender: "ACME"}}}, "note sender_registered"},
		"India, unregistered":      {otp.Tenant{Countries: []string{"IN"}, Templates: texts}, "warning registration_in"},
		"India, registered":        {otp.Tenant{Countries: []string{"IN"}, Templates: []otp.Template{{Text: "{{code}}", Params: india}}}, ""},
	} {
		reports, err := Tenant(&c.tenant)
		var got []string
		for _, r := range reports {
			if all := rules(r); all != "" {
				got = append(got, all)
			}
		}
		if err != nil || strings.Join(got, ", ") != c.want {
			t.Errorf("%s: %q, %v; want %q", name, got, err, c.want)
		}
	}
}

func TestABrokenTemplateIsToldByName(t *testing.T) {
	t.Parallel()
	_, err := Tenant(&otp.Tenant{Name: "acme", Templates: []otp.Template{{Text: "{{code"}}})
	if err == nil || !strings.HasPrefix(err.Error(), "tenant acme, template */*/*: ") {
		t.Errorf("got %v", err)
	}
}

// FuzzCheck: whatever the text, what is told of its size is what it takes, and
// each finding says what to do.
func FuzzCheck(f *testing.F) {
	for _, seed := range []string{"{{code}} es tu código", "<#> {{code}} FA+9qCX9VSu", "@a.b #{{code}}", "{{code}} http://bit.ly/x’\u200b€", "ваш {{code}} {{name}}"} {
		f.Add(seed, "Banco")
	}
	f.Fuzz(func(t *testing.T, text, brand string) {
		tenant := otp.Tenant{Name: "acme", Brand: brand, Countries: []string{"US", "IN"}, Templates: []otp.Template{{Channel: otp.SMS, Text: text}}}
		reports, err := Tenant(&tenant)
		if err != nil {
			return
		}
		for _, r := range reports {
			for _, finding := range r.Findings {
				if finding.Message == "" || finding.Advice == "" || finding.Rule == "" {
					t.Errorf("%q: %+v", text, finding)
				}
			}
			if r.Size == nil {
				continue
			}
			n := gsm7.Count(r.Text)
			dear := slices.ContainsFunc(r.Findings, func(f Finding) bool { return f.Rule == "parts" })
			if r.Size.Parts != n.Parts || dear != (n.Parts > 1) || (r.Size.Encoding == "ucs2") != (len(r.Size.Forced) > 0) {
				t.Errorf("%q: %+v, counted %+v", text, r.Size, n)
			}
		}
	})
}
