package otp

import (
	"reflect"
	"testing"
)

func TestParsedTextsAreThoseOfTheirSources(t *testing.T) {
	t.Parallel()
	own := Template{Subject: "{{brand}}", Text: "{{brand}}: {{code}}, {{ name }}"}
	d, err := NewDirectory([]Tenant{{Name: "acme", Templates: []Template{own}}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	acme, _ := d.Tenant("acme")
	for _, source := range []string{own.Subject, own.Text, builtinText("es").short, builtinText("fr").long} {
		if _, known := acme.texts[source]; !known {
			t.Errorf("%q is parsed for each message", source)
		}
	}
	for _, source := range []string{own.Text, builtinText("en").spoken, "a text of {{code}} that nobody has configured", "", "{{code", "{{1}}"} {
		got, fault := acme.texts.parsed(source)
		want, wrong := parseTemplate(source)
		if !reflect.DeepEqual(got, want) || (fault == nil) != (wrong == nil) {
			t.Errorf("%q is %v, %v; want %v, %v", source, got, fault, want, wrong)
		}
	}
}
