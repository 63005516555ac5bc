package address

import (
	"errors"
	"strings"
	"testing"
)

func TestMailboxesHaveAFormToSendAndAFormToCount(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("a", 64) + "@" + strings.Repeat("b", 63) + "." + strings.Repeat("c", 63) + "." + strings.Repeat("d", 61)
	tests := []struct{ text, send, count string }{
		{"ana@example.com", "ana@example.com", "ana@example.com"},
		{"Ana.B+Shop@EXAMPLE.com", "Ana.B+Shop@example.com", "ana.b@example.com"},
		{"+shop@example.com", "+shop@example.com", "+shop@example.com"},
		{"A.n.a+x@Gmail.com", "A.n.a+x@gmail.com", "ana@gmail.com"},
		{"a.na@googlemail.com", "a.na@googlemail.com", "ana@gmail.com"},
		{"a.na@mail.gmail.com", "a.na@mail.gmail.com", "a.na@mail.gmail.com"},
		{"ana@bücher.example", "ana@xn--bcher-kva.example", "ana@xn--bcher-kva.example"},
		{"ana@XN--BCHER-KVA.example", "ana@xn--bcher-kva.example", "ana@xn--bcher-kva.example"},
		{"ana@example。com", "ana@example.com", "ana@example.com"},
		{"o'neil!#$%&*-/=?^_`{|}~@example.com", "o'neil!#$%&*-/=?^_`{|}~@example.com", "o'neil!#$%&*-/=?^_`{|}~@example.com"},
		{"a@1.example", "a@1.example", "a@1.example"},
		{long, long, long},
	}
	for _, tt := range tests {
		t.Run(tt.text, func(t *testing.T) {
			t.Parallel()
			got, err := ParseEmail(tt.text)
			if want := (Address{Kind: Email, Send: tt.send, Count: tt.count}); err != nil || got != want {
				t.Errorf("ParseEmail(%q) = %+v, %v; want %+v", tt.text, got, err, want)
			}
		})
	}
}

func TestMailboxesOutsideTheStrictFormAreRefusedWithoutEcho(t *testing.T) {
	t.Parallel()
	tests := map[string]string{
		"empty":          "",
		"no at":          "ana.example.com",
		"two ats":        "ana@b@example.com",
		"no local":       "@example.com",
		"no domain":      "ana@",
		"one label":      "ana@localhost",
		"quoted":         `"ana b"@example.com`,
		"quoted at":      `"a@b"@example.com`,
		"display name":   "Ana <ana@example.com>",
		"comment":        "ana(x)@example.com",
		"list":           "ana@example.com,eva@example.com",
		"list in local":  "ana,eva@example.com",
		"semicolon":      "ana;eva@example.com",
		"envelope":       "ana@example.com>\r\nRCPT TO:<eva@example.com",
		"line in local":  "ana\r\n@example.com",
		"line end":       "ana@example.com\n",
		"NUL":            "ana\x00@example.com",
		"space before":   " ana@example.com",
		"space after":    "ana@example.com ",
		"SMTP parameter": "ana@example.com SIZE=1",
		"first dot":      ".ana@example.com",
		"last dot":       "ana.@example.com",
		"double dot":     "a..na@example.com",
		"UTF-8 local":    "añá@example.com",
		"full-width at":  "ana\uff20example.com",
		"literal":        "ana@[127.0.0.1]",
		"IPv6 literal":   "ana@[IPv6:::1]",
		"dotted address": "ana@127.0.0.1",
		"root dot":       "ana@example.com.",
		"empty label":    "ana@example..com",
		"underscore":     "ana@ex_ample.com",
		"hyphen first":   "ana@-example.com",
		"bad punycode":   "ana@xn--zzzzzz.com",
		"broken UTF-8":   "ana@example.\x92",
		"joiner":         "ana@exa\u200dmple.com",
		"RTL override":   "ana@\u202eexample.com",
		"local of 65":    strings.Repeat("a", 65) + "@example.com",
		"label of 64":    "ana@" + strings.Repeat("a", 64) + ".com",
		"255 bytes":      strings.Repeat("a", 64) + "@" + strings.Repeat("b", 63) + "." + strings.Repeat("c", 63) + "." + strings.Repeat("d", 62),
		"320 bytes":      strings.Repeat("a", 64) + "@" + strings.Repeat("b.", 126) + "com",
		"thousands":      "ana@" + strings.Repeat("b.", 5000) + "com",
	}
	for name, text := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := ParseEmail(text)
			if !errors.Is(err, ErrInvalid) || got != (Address{}) {
				t.Fatalf("ParseEmail(%q) = %+v, %v; want ErrInvalid", text, got, err)
			}
			if len(text) > 3 && strings.Contains(err.Error(), text) {
				t.Errorf("error %q echoes the address", err)
			}
		})
	}
}

func BenchmarkParseEmail(b *testing.B) {
	for _, text := range []string{"ana@example.com", "ana@bücher.example"} {
		b.Run(text, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, _ = Parse(text, "")
			}
		})
	}
}
