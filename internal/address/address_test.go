package address

import (
	"errors"
	"strings"
	"testing"
)

func TestAnAtMakesItMail(t *testing.T) {
	t.Parallel()
	tests := map[string]Kind{"+18091234567": Phone, "809 123 4567": Phone, "ana@example.com": Email, "18091234567@example.com": Email}
	for text, want := range tests {
		t.Run(text, func(t *testing.T) {
			t.Parallel()
			got, err := Parse(text, "DO")
			if err != nil || got.Kind != want {
				t.Errorf("Parse(%q) = %+v, %v; want kind %v", text, got, err, want)
			}
		})
	}
}

func FuzzParse(f *testing.F) {
	for _, text := range []string{
		"+18091234567", "+49 (0) 171 2345678", "0011 49 171 2345678", "tel:+1-809-123-4567;ext=1", "011 15 2345 6789",
		"+5211234567890", "+541112345678901", "Ana.B+x@GMAIL.com", "ana@bücher.example", "a@xn--a.b", "\uff0b\uff11",
	} {
		for _, home := range []string{"", "DE", "AU", "AR"} {
			f.Add(text, home)
		}
	}
	f.Fuzz(func(t *testing.T, text, home string) {
		got, err := Parse(text, home)
		if err != nil {
			if !errors.Is(err, ErrInvalid) || got != (Address{}) {
				t.Fatalf("Parse(%q, %q) = %+v, %v", text, home, got, err)
			}
			return
		}
		again, err := Parse(got.Send, "")
		if err != nil || again != got {
			t.Fatalf("Parse(%q, %q) = %+v, then %+v, %v", text, home, got, again, err)
		}
		if i := strings.IndexFunc(got.Send+got.Count, func(r rune) bool { return r <= ' ' || r > '~' }); i >= 0 {
			t.Fatalf("Parse(%q, %q) = %+v holds more than printable ASCII", text, home, got)
		}
		if c := Country(got.Send); c != "" && len(c) != 2 {
			t.Fatalf("Country(%q) = %q", got.Send, c)
		}
	})
}
