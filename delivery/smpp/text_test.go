package smpp

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/aldaba-otp/aldaba/delivery"
	"github.com/aldaba-otp/aldaba/delivery/deliverytest"
	"github.com/aldaba-otp/aldaba/internal/gsm7"
)

// with reads settings besides the necessary ones.
func with(t testing.TB, more map[string]any) settings {
	t.Helper()
	values := map[string]any{"address": "127.0.0.1:2775", "system_id": "aldaba", "password": "hush-hush"}
	for key, value := range more {
		values[key] = value
	}
	s, err := read(values)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// phone reads a text as a person sees it.
func phone(m short) string {
	text := m.text
	if m.class&classHeader != 0 {
		text = text[1+int(text[0]):]
	}
	switch m.coding {
	case codingUCS2:
		return gsm7.DecodeUCS2(text)
	case codingLatin1:
		return gsm7.DecodeLatin1(text)
	}
	return gsm7.Decode(text)
}

func TestEncodings(t *testing.T) {
	t.Parallel()
	const bound = "482913\n@example.com #482913"
	for _, c := range []struct {
		settings map[string]any
		body     string
		coding   byte
		octets   string // "" when it is refused
	}{
		{nil, bound, 0, "482913\n\x00example.com #482913"},
		{nil, "[€]_$", 0, "\x1b<\x1be\x1b>\x11\x02"},
		{nil, "ñ á @", 8, "\x00\xf1\x00 \x00\xe1\x00 \x00@"},
		{map[string]any{"transliterate": true}, "ñ á @", 0, "\x7d a \x00"},
		{map[string]any{"transliterate": true}, "á ✓", 8, "\x00\xe1\x00 \x27\x13"},
		{map[string]any{"encoding": "gsm7"}, "á", 0, ""},
		{map[string]any{"encoding": "gsm7"}, bound, 0, "482913\n\x00example.com #482913"},
		{map[string]any{"encoding": "ucs2"}, "@1", 8, "\x00@\x001"},
		{map[string]any{"encoding": "latin1"}, "@ á", 3, "@ \xe1"},
		{map[string]any{"encoding": "latin1"}, "€", 0, ""},
		{map[string]any{"default_alphabet": "latin1"}, bound, 0, bound},
		{map[string]any{"default_alphabet": "latin1"}, "ñ_$", 0, "\xf1_$"},
		{map[string]any{"default_alphabet": "latin1"}, "€", 8, "\x20\xac"},
		{map[string]any{"default_alphabet": "latin1"}, "á", 8, "\x00\xe1"}, // no phone shows it in GSM-7
		{map[string]any{"default_alphabet": "latin1", "encoding": "gsm7"}, "Δ", 0, ""},
	} {
		s := with(t, c.settings)
		parts, coding, err := s.texts(c.body)
		if c.octets == "" {
			if err == nil {
				t.Errorf("%v %q: %q", c.settings, c.body, parts)
			}
			continue
		}
		if err != nil || coding != c.coding || len(parts) != 1 || string(parts[0]) != c.octets {
			t.Errorf("%v %q: %q coding %d, %v", c.settings, c.body, parts, coding, err)
		}
	}
}

func TestLongMessages(t *testing.T) {
	t.Parallel()
	for _, body := range []string{
		strings.Repeat("a", 160), strings.Repeat("a", 161), strings.Repeat("a", 152) + "€" + strings.Repeat("b", 200),
		strings.Repeat("á", 70), strings.Repeat("á", 71), strings.Repeat("😀", 100),
	} {
		for _, alphabet := range []string{"gsm7", "latin1"} {
			for _, how := range []string{"udh", "sar", "payload"} {
				m := deliverytest.Message()
				m.Body = body
				s := with(t, map[string]any{"long": how, "default_alphabet": alphabet})
				all, err := s.parts(m, time.Now())
				want := gsm7.Count(body).Parts
				if alphabet == "latin1" && strings.Contains(body, "€") {
					want = 6 // 353 characters of UCS-2
				}
				if how == "payload" {
					want = 1
				}
				if err != nil || len(all) != want {
					t.Fatalf("%s: %d parts, want %d: %v", how, len(all), want, err)
				}
				var seen strings.Builder
				for i, part := range all {
					seen.WriteString(phone(part))
					isNumbered(t, how, part, i+1, len(all))
					if len(part.text) > 160 && !part.withPayload {
						t.Errorf("a part of %d octets", len(part.text))
					}
				}
				if seen.String() != body {
					t.Errorf("%s: the phone shows %q, not %q", how, seen.String(), body)
				}
			}
		}
	}
}

// isNumbered holds a part of a long message to its number.
func isNumbered(t *testing.T, how string, part short, n, of int) {
	t.Helper()
	ref := reference(deliverytest.Message().ID)
	header := []byte{5, 0, 3, ref, byte(of), byte(n)}
	switch {
	case of == 1:
		if part.class&classHeader != 0 || find(part.parameters, tagSegments) != nil {
			t.Errorf("%s: a single part is numbered", how)
		}
	case how == "udh":
		if part.class != classHeader || !bytes.HasPrefix(part.text, header) {
			t.Errorf("class %x, % x", part.class, part.text)
		}
	default:
		if !bytes.Equal(find(part.parameters, tagReference), []byte{0, ref}) || !bytes.Equal(find(part.parameters, tagSegments), []byte{byte(of)}) ||
			!bytes.Equal(find(part.parameters, tagSegment), []byte{byte(n)}) {
			t.Errorf("part %d: %+v", n, part.parameters)
		}
	}
}

func TestSenders(t *testing.T) {
	t.Parallel()
	for from, want := range map[string]address{
		"": {0, 0, ""}, "Acme": {5, 0, "Acme"}, "Acme Corp 1": {5, 0, "Acme Corp 1"}, "+18091234567": {1, 1, "18091234567"},
		"18091234567": {1, 1, "18091234567"}, "12345": {3, 0, "12345"}, "12345678": {3, 0, "12345678"}, "123456789": {1, 1, "123456789"},
		"+12345": {1, 1, "12345"}, "1-800": {5, 0, "1-800"},
	} {
		if got, err := sender(from); err != nil || got != want {
			t.Errorf("%q: %+v %v", from, got, err)
		}
	}
	for _, from := range []string{"Acme Company", "1234567890123456", "+1234567890123456", "Ñandú", "a\nb", "a\x00"} {
		if got, err := sender(from); err == nil {
			t.Errorf("%q: %+v", from, got)
		}
	}
	s := with(t, map[string]any{"source": "Aldaba", "source_ton": 0, "source_npi": 1})
	for from, want := range map[string]string{"": "Aldaba", "Acme": "Acme"} {
		if got, err := s.source(delivery.Message{From: from}); err != nil || got != (address{0, 1, want}) {
			t.Errorf("%q: %+v %v", from, got, err)
		}
	}
}

func TestMessagesThatCannotGo(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*delivery.Message){
		"a mailbox":       func(m *delivery.Message) { m.To = "ana@example.com" },
		"no number":       func(m *delivery.Message) { m.To = "" },
		"letters":         func(m *delivery.Message) { m.To = "+1809CALLME" },
		"without a plus":  func(m *delivery.Message) { m.To = "18091234567" },
		"a long sender":   func(m *delivery.Message) { m.From = "Acme Company" },
		"an expired code": func(m *delivery.Message) { m.Expires = m.Created.Add(900 * time.Millisecond) },
		"256 parts":       func(m *delivery.Message) { m.Body = strings.Repeat("a", 255*153+1) },
		"a long param":    func(m *delivery.Message) { m.Params = map[string]string{"dlt_entity_id": strings.Repeat("1", 255)} },
	} {
		m := deliverytest.Message()
		change(&m)
		s := with(t, nil)
		if all, err := s.parts(m, m.Created); err == nil {
			t.Errorf("%s: %d parts", name, len(all))
		}
	}
	m := deliverytest.Message()
	m.Body = strings.Repeat("a", maxPayload+1)
	s := with(t, map[string]any{"long": "payload"})
	if all, err := s.parts(m, m.Created); err == nil {
		t.Errorf("%d parts", len(all))
	}
}

func TestValidity(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 22, 10, 30, 0, 0, time.FixedZone("", 3600))
	for _, c := range []struct {
		form string
		left time.Duration
		want string
	}{
		{"relative", 5*time.Minute - time.Millisecond, "000000000459000R"},
		{"relative", 26*time.Hour + time.Minute + time.Second, "000001020101000R"},
		{"relative", 90 * 24 * time.Hour, "000030000000000R"},
		{"absolute", 5 * time.Minute, "261122093500000+"},
		{"none", 5 * time.Minute, ""},
	} {
		s := with(t, map[string]any{"validity": c.form})
		if got, err := s.validity(delivery.Message{Expires: now.Add(c.left)}, now); err != nil || got != c.want {
			t.Errorf("%s, %s: %q %v, want %q", c.form, c.left, got, err, c.want)
		}
	}
	s := with(t, nil)
	if got, err := s.validity(delivery.Message{}, now); got != "" || err != nil {
		t.Errorf("no end: %q %v", got, err)
	}
}

func TestParameters(t *testing.T) {
	t.Parallel()
	m := deliverytest.Message()
	m.Params = map[string]string{"dlt_template_id": "1107", "dlt_entity_id": "1101", "other": "x"}
	for _, c := range []struct {
		settings map[string]any
		want     string
	}{
		{nil, "\x14\x00\x00\x041101\x14\x01\x00\x041107"},
		{map[string]any{"tlvs": map[string]any{"dlt_entity_id": 0x1500}, "tlv_nul": true}, "\x15\x00\x00\x051101\x00"},
	} {
		s := with(t, c.settings)
		all, err := s.parts(m, m.Created)
		if err != nil || !bytes.HasSuffix(all[0].encode(), []byte(m.Body+c.want)) {
			t.Errorf("%v: % x %v", c.settings, all[0].encode(), err)
		}
	}
}
