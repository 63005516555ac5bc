package otp_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/aldaba-otp/aldaba/otp"
)

func TestContactsAreKeptApartSealedAndNormalised(t *testing.T) {
	t.Parallel()
	w := tenants(t)
	in := otp.ContactAddresses{SMS: "0412 123 45 67", Email: "Ana@EXAMPLE.com"}
	want1 := otp.ContactAddresses{SMS: phone, Email: "Ana@example.com"}
	if got, err := w.PutContact(t.Context(), "acme", "7", in, false); err != nil || got != want1 {
		t.Fatalf("%+v, %v", got, err)
	}
	if got, err := w.Contact(t.Context(), "acme", "7"); err != nil || got != want1 || got.Of(otp.SMS, false) != phone || got.Of(otp.Email, true) != "" {
		t.Errorf("%+v, %v", got, err)
	}
	rows, err := w.Store.ScanContacts(t.Context(), "acme", otp.Key{}, 10)
	if err != nil || len(rows) != 3 {
		t.Fatalf("%d rows, %v", len(rows), err)
	}
	for _, r := range rows {
		if strings.Contains(string(r.Sealed), "example.com") {
			t.Error("a contact rests readable")
		}
	}
	for name, f := range map[string]func() error{
		"another tenant":    func() error { _, err := w.Contact(t.Context(), "globex", "7"); return err },
		"unknown":           func() error { _, err := w.Contact(t.Context(), "acme", "8"); return err },
		"delete of another": func() error { return w.DeleteContact(t.Context(), "globex", "7") },
		"tenant of a put":   func() error { _, err := w.PutContact(t.Context(), "x", "7", in, false); return err },
		"delete": func() error {
			_ = w.DeleteContact(t.Context(), "acme", "7")
			return w.DeleteContact(t.Context(), "acme", "7")
		},
		"deleted is unknown": func() error {
			_ = w.DeleteContact(t.Context(), "acme", "7")
			_, err := w.Contact(t.Context(), "acme", "7")
			return err
		},
	} {
		if err := f(); kind(err) != otp.NotFound {
			t.Errorf("%s: got %v", name, err)
		}
	}
	for _, bad := range []otp.ContactAddresses{{SMS: mail}, {Email: phone}, {PendingSMS: "x"}, {PendingEmail: "x"}} {
		if _, err := w.PutContact(t.Context(), "acme", "9", bad, false); kind(err) != otp.Invalid {
			t.Errorf("%+v: got %v", bad, err)
		}
	}
	for _, id := range []string{"", strings.Repeat("x", 65), "a\nb"} {
		if _, err := w.PutContact(t.Context(), "acme", id, in, false); kind(err) != otp.Invalid {
			t.Errorf("id %q: got %v", id, err)
		}
	}
}

func TestContactsAreListedPageByPage(t *testing.T) {
	t.Parallel()
	w := tenants(t)
	seen := map[string]bool{}
	for i := range 8 {
		if _, err := w.PutContact(t.Context(), "acme", itoa(int64(i)), otp.ContactAddresses{SMS: phone}, false); err != nil {
			t.Fatal(err)
		}
	}
	for after, pages := (otp.Key{}), 0; pages == 0 || after != (otp.Key{}); pages++ {
		list, next, err := w.Contacts(t.Context(), "acme", after, 3)
		if err != nil || pages > 10 {
			t.Fatal(err)
		}
		for _, c := range list {
			if seen[c.ID] || c.Configured != (len(c.ID) == 4) {
				t.Errorf("contact %+v", c)
			}
			seen[c.ID] = true
		}
		after = next
	}
	if len(seen) != 10 { // with the demo's two
		t.Errorf("saw %v", seen)
	}
}

func TestLanguageIsChosenAtTheStart(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		tenant    string
		templates []otp.Template
		asked     []string
		want      string
		body      string
	}{
		"nobody says":              {"", nil, nil, "en", "your code is"},
		"asked for":                {"", nil, []string{"de"}, "de", "Ihr Code lautet"},
		"a header":                 {"", nil, []string{"ja, fr-CA;q=0.8"}, "fr", "votre code est"},
		"tenant's own":             {"es", nil, nil, "es", "tu código es"},
		"tenant's with its region": {"es-VE", nil, nil, "es", "tu código es"},
		"asked over tenant's":      {"es-VE", nil, []string{"de"}, "de", "Ihr Code lautet"},
		"nothing fits":             {"es-VE", nil, []string{"ja"}, "es", "tu código es"},
		"own texts": {
			"",
			[]otp.Template{{Locale: "pt", Text: "pt {{code}}"}, {Locale: "es", Text: "es {{code}}"}},
			[]string{"es-MX"},
			"es", "es ",
		},
		"one language twice": {
			"en",
			[]otp.Template{{Text: "one {{code}}"}, {Locale: "en", Text: "two {{code}}"}, {Locale: "es", Text: "es {{code}}"}},
			[]string{"es"},
			"es", "es ",
		},
	} {
		w := tenants(t, func(tn *otp.Tenant) { tn.Locale, tn.Templates = c.tenant, c.templates })
		req := native(phone)
		req.Locales = c.asked
		v, code := start(t, w, req)
		if text := w.Courier.Last(t); v.Locale != c.want || !strings.Contains(text.Body, c.body) || !strings.Contains(text.Body, code) || text.To != phone {
			t.Errorf("%s: locale %s, %q", name, v.Locale, text.Body)
		}
	}
}

// TestContactsAreDeletedTogether goes over several steps and leaves others' alone.
func TestContactsAreDeletedTogether(t *testing.T) {
	t.Parallel()
	w := tenants(t)
	const n = 203
	for i := range n {
		if _, err := w.PutContact(t.Context(), "acme", fmt.Sprint(i), otp.ContactAddresses{SMS: phone}, i%2 == 0); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := w.PutContact(t.Context(), "globex", "1", otp.ContactAddresses{SMS: phone}, false); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		dry  bool
		want int
	}{{true, n + 2}, {false, n + 2}, {false, 0}} { // with the demo's two
		if got, err := w.DeleteContacts(t.Context(), "acme", c.dry); got != c.want || err != nil {
			t.Errorf("dry %t: %d, %v; want %d", c.dry, got, err, c.want)
		}
	}
	if _, err := w.Contact(t.Context(), "globex", "1"); err != nil {
		t.Errorf("another tenant's: %v", err)
	}
	if _, err := w.Contact(t.Context(), "acme", "7"); kind(err) != otp.NotFound {
		t.Errorf("its own: %v", err)
	}
	down(w, true)
	if _, err := w.DeleteContacts(t.Context(), "globex", false); kind(err) != otp.Unavailable {
		t.Errorf("without its store: %v", err)
	}
}
