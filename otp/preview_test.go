package otp

import (
	"slices"
	"testing"
	"time"
)

func TestPreviewIsWhatAMessageWouldSay(t *testing.T) {
	t.Parallel()
	sample := Sample{Brand: "Banco", Code: "123456", Left: 90 * time.Second, Variables: map[string]string{"name": "Ana"}}
	for _, c := range []struct {
		template Template
		channel  Channel
		locale   string
		want     string
	}{
		{Template{Text: "{{code}} {{brand}} {{expires_in}} {{name}}"}, SMS, "es", "123456 Banco 90 s Ana"},
		{Template{Profile: "login", Channel: Email, Locale: "de", Text: "{{code}}"}, SMS, "es", "123456"}, // it is this one that is asked about
		{Template{Text: "{{code}}", Domain: "bank.example"}, SMS, "en", "123456\n@bank.example #123456"},
		{Template{Text: "{{code}}", AppHash: "FA+9qCX9VSu"}, SMS, "en", "123456\nFA+9qCX9VSu"},
		{Template{Text: "{{code}}", Domain: "bank.example"}, Email, "en", "123456"},
		{Template{Text: "{{code}}"}, Voice, "en", "1, 2, 3, 4, 5, 6"},
		{Template{}, SMS, "es-VE", "Banco: tu código es 123456. Vence en 90 s. No lo compartas."},
	} {
		text, err := c.template.Preview(c.channel, c.locale, sample)
		if err != nil || text.Body != c.want || text.To != "" {
			t.Errorf("%+v: %q, %v; want %q", c.template, text.Body, err, c.want)
		}
	}
	if _, err := (&Template{Text: "{{code"}).Preview(SMS, "en", sample); err == nil {
		t.Error("a broken template is shown")
	}
}

func TestVariablesAreThoseOfTheRequest(t *testing.T) {
	t.Parallel()
	tpl := Template{Subject: "{{shop}}", Text: "{{code}} {{brand}} {{ name }} {{expires_in}} {{minutes}} {{name}} {{shop}}"}
	if got, err := tpl.Variables(); err != nil || !slices.Equal(got, []string{"shop", "name"}) {
		t.Errorf("got %v, %v", got, err)
	}
	if _, err := (&Template{Text: "{{}}"}).Variables(); err == nil {
		t.Error("a broken template has variables")
	}
}
