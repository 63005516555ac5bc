package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"time"
	"unicode/utf8"
)

func boundsAttacks() []attack {
	return []attack{
		{"T34", "a destination of 16 digits, letters, two @, a list, a quoted local part, 320 characters ...", destinations},
		{"T35", "lengths, lives, types and senders at each bound and beyond", bounds},
		{"T36", "RTL marks, emoji, 10 kB and controls in what stands in a text", textMaterial},
		{"T37", "fuzzing for 24 h", func(*siege) figures {
			return figures{over: "each dialect has its targets", verdict: "elsewhere", counted: "make fuzz FUZZ=24h runs every target; make fuzz is a short run of all"}
		}},
		{"T38", "one history told in every dialect", sameHistory},
	}
}

func destinations(s *siege) figures {
	refusedOnes := []string{
		"+1809555123456789", "+18095551234567890", "+1809ABCDEFG", "+12345", "911", "", "+", "ana", "ana@", "@example.com", "ana@@example.com", "a@b@example.com",
		`"ana b"@example.com`, `"ana"@example.com`, strings.Repeat("a", 309) + "@example.com", "ana@example.com,eva@example.com", "ana@example.com;eva@example.com",
		"ana@example.com eva@example.com", "+18095551234,+18095554321", "+18095551234;+18095554321", "+18095551234\n+18095554321", "ana@example.com\r\nBcc: eva@example.com",
		"ana@[127.0.0.1]", "ana@127.0.0.1", "ana@localhost", "<ana@example.com>", "ana@exam ple.com", "ana\x00@example.com", "ana@example.com> RCPT TO:<eva@example.com",
		"+1809555\u202e1234", "tel:+18095551234;ext=1", "sms:+18095551234", "+0809555123", "file:///etc/passwd", "ana@xn--.com", "ána@example.com",
	}
	// These are lines of their own; whether they are sent to is a matter of
	// countries. What could be a short code is read as a number of the tenant's
	// home, +5812345, and never dialled as it is.
	single := []string{"12345", "+881612345678", "+979123456789", "+582121234567", "+390612345678", "ana@bücher.example"}
	refused, sent := 0, 0
	for _, h := range hands {
		if h.startBody == nil {
			continue
		}
		for i, to := range append(slices.Clone(refusedOnes), single...) {
			s.c[0].must("DELETE", "/dev/inbox", "")
			id, r := h.begin(s.c[0], to, "")
			list := s.c[0].inbox("")
			got := len(list)
			switch {
			case r.status >= 500 || r.status == 0 || got > 1 || got == 1 && strings.ContainsAny(list[0].To, ",; \r\n<>"):
				s.Errorf("%s: %q is answered %d %s, sent: %d", h.name, to, r.status, r.body, got)
			case id != "" && i < len(refusedOnes):
				s.Errorf("%s: %q is taken, sent to %q", h.name, to, list[0].To)
			case got == 1:
				sent++
			default:
				refused++
			}
		}
	}
	return figures{
		over:    "5; additiv's addresses are contacts of the native API",
		counted: fmt.Sprintf("%d refused, %d sent to one recipient each", refused, sent),
	}
}

// bound is a member at or beyond a bound of its dialect.
type bound struct {
	hand
	member string
	good   bool
}

func allBounds() (all []bound) {
	add := func(h hand, good bool, name string, values ...string) {
		for _, v := range values {
			all = append(all, bound{h, fmt.Sprintf("%q:%s", name, v), good})
		}
	}
	// Natively the strict policy holds, the vendors' bounds elsewhere.
	add(nativeHand, true, "length", "6", "12")
	add(nativeHand, false, "length", "5", "3", "2", "13", "-6", "0", `"6"`, "6.5", "1e400", "null")
	add(nativeHand, true, "lifetime", "30", "600")
	add(nativeHand, false, "lifetime", "29", "601", "0", "86400", "86401", "-1", "1e99", `"300"`)
	add(nativeHand, true, "alphabet", `"digits"`, `"alnum"`)
	add(nativeHand, false, "alphabet", `"01"`, `""`, "7", `"DIGITS"`)
	add(nativeHand, false, "code", `"12"`, `"1234567890123"`, `"12 456"`, `""`, "123456", `"१२३४५६"`)
	add(nativeHand, false, "channel", `"fax"`, `"Sms"`, "1")
	add(danaHand, true, "type", "1", "2")
	add(danaHand, false, "type", "0", "3", "-1", `"1"`, "1.0")
	add(danaHand, true, "length", "3", "12")
	add(danaHand, false, "length", "2", "13", "-6", `"6"`)
	add(danaHand, true, "secondsExpiration", "1", "3200")
	add(danaHand, false, "secondsExpiration", "0", "3201", "-1", `"300"`)
	for _, one := range slices.Clone(all) { // the same bounds in version 2
		if one.name == danaHand.name {
			all = append(all, bound{dana2Hand, strings.Replace(one.member, "secondsExpiration", "expiresInSeconds", 1), one.good})
		}
	}
	add(modicaHand, true, "expiresIn", "1", "86400", `"86400"`, `"600"`)
	add(modicaHand, false, "expiresIn", "0", "86401", "-1", `"1e3"`, `""`, `"x"`)
	add(modicaHand, true, "mask", `"ABCDEFGHIJK"`)
	add(modicaHand, false, "mask", `"ABCDEFGHIJKL"`, `"A\nB"`, `"Añ"`, "1")
	add(modicaHand, true, "content", `"%(code)s"`, `"%(code)s %(code)s"`, `"`+strings.Repeat("a", 1991)+`%(code)s"`)
	add(modicaHand, false, "content", `"none"`, `""`, `"%(code)"`, `"`+strings.Repeat("a", 2000)+`%(code)s"`)
	return all
}

// replace puts a member into a start's body in place of the one that is there.
func (b bound) replace(to string) string {
	body := b.startBody(to) + "}"
	name := b.member[:strings.Index(b.member, ":")+1]
	if at := strings.Index(body, name); at >= 0 {
		end := at + strings.IndexAny(body[at:], ",}")
		return body[:at] + b.member + body[end:]
	}
	return body[:len(body)-1] + "," + b.member + "}"
}

func bounds(s *siege) figures {
	taken, refused := 0, 0
	s.tokens()
	for _, b := range allBounds() {
		to := fresh()
		r := s.c[0].send(http.MethodPost, b.startPath, b.replace(to), "Authorization", b.auth(s.c[0]), "Content-Type", jsonType)
		list := s.c[0].inbox(to)
		if b.good != (r.status/100 == 2) || b.good != (len(list) == 1) || r.status >= 500 {
			s.Errorf("%s: %.80s is answered %d %s, %d messages", b.name, b.member, r.status, r.body, len(list))
			continue
		}
		if !b.good {
			refused++
			continue
		}
		taken++
		if left := s.untilEnd(list[0].Verification); left > 24*time.Hour {
			s.Errorf("%s: %s lives for %v", b.name, b.member, left)
		}
	}
	return figures{over: "native, danaconnect v1 and v2, modica; additiv and unityvox fix all of it", counted: fmt.Sprintf("%d at a bound taken, %d beyond one refused", taken, refused)}
}

func textMaterial(s *siege) figures {
	var refused, sent atomic.Int64
	materials := []string{"\u202eabc\u202c", "\u200f\u200e", "👩‍👩‍👧‍👦🏳️‍🌈", "שלום", "\x07\x1b[31m", "a\r\nb\nc", "\x00", "\ufffe", strings.Repeat("ñ", 5000), "{{code}} {{.}} ${code} %(code)s %s", "<script>alert(1)</script>", "@evil.example #000000"}
	longest := 0
	named := nativeHand // of a tenant whose text shows a variable
	named.auth = func(*client) string { return "Bearer named-key" }
	for _, material := range materials {
		quoted := quoteJSON(material)
		for _, start := range []struct {
			hand
			more string
		}{
			{named, `,"variables":{"NAME":` + quoted + `}`},
			{nativeHand, `,"locale":` + quoted},
			{nativeHand, `,"subject":` + quoted},
			{nativeHand, `,"metadata":{"a":` + quoted + `}`},
			{modicaHand, `,"content":` + quoteJSON("Code %(code)s "+material)},
			{modicaHand, `,"mask":` + quoted},
			{danaHand, `,"otpFieldCode":` + quoted},
			{dana2Hand, `,"otpFieldCode":` + quoted},
		} {
			to := fresh()
			r := s.c[0].send(http.MethodPost, start.startPath, start.startBody(to)+start.more+"}", "Authorization", start.auth(s.c[0]), "Content-Type", jsonType, "Accept-Language", "x-"+strings.Repeat("é", 20))
			list := s.c[0].inbox(to)
			if r.status >= 500 || r.status == 0 || len(list) > 1 {
				s.Errorf("%s: %.60q is answered %d %s, %d messages", start.name, start.more, r.status, r.body, len(list))
			}
			if len(list) == 0 {
				refused.Add(1)
				continue
			}
			sent.Add(1)
			m := list[0]
			longest = max(longest, len(m.Body))
			if !utf8.ValidString(m.Body) || len(m.Body) > 2100 || m.code() == "" || strings.ContainsAny(m.Body, "\x00\x07\x1b") {
				s.Errorf("%s: %.60q made the text %.200q", start.name, start.more, m.Body)
			}
		}
	}
	return figures{
		over:    "native, danaconnect v1 and v2, modica; additiv and unityvox have no place for it",
		counted: fmt.Sprintf("%d sent, the longest %d bytes, %d refused", sent.Load(), longest, refused.Load()),
	}
}

// sameHistory tells what happens to one verification in every dialect, and asks
// natively what the core made of it.
func sameHistory(s *siege) figures {
	histories := map[string]func(l tongue, id, right string){
		"wrong, wrong, right, right, wrong": func(l tongue, id, right string) {
			for i, code := range []string{wrongCode(right), otherCode(right, 3), right, right, wrongCode(right)} {
				s.guess(l, i, id, code)
			}
		},
		"5 wrong, right": func(l tongue, id, right string) {
			for i := range tries {
				s.guess(l, i, id, otherCode(right, i))
			}
			s.guess(l, 0, id, right)
		},
		"wrong, expiry, right": func(l tongue, id, right string) {
			s.guess(l, 0, id, wrongCode(right))
			s.advance(601 * time.Second)
			s.guess(l, 0, id, right)
		},
	}
	told := map[string]string{}
	for name, play := range histories {
		for _, l := range tongues {
			id, m := s.begin(l, fresh())
			play(l, id, m.code())
			v := s.look(m.Verification)
			came := v.Status + ":"
			for _, e := range v.Timeline {
				if slices.Contains([]string{"started", "wrong", "approved", "exhausted", "expired", "canceled", "superseded", "locked"}, e.Event) {
					came += " " + e.Event
				}
			}
			if first := told[name]; first != "" && first != came {
				s.Errorf("%s: %s is %q in the core, elsewhere %q", l.name, name, came, first)
			}
			told[name] = came
		}
	}
	return figures{over: "all 6", counted: fmt.Sprintf("%d histories, the same in the core: %v", len(told), told)}
}

// quoteJSON writes a string as JSON does; %q would write escapes of Go's.
func quoteJSON(text string) string {
	quoted, err := json.Marshal(text)
	if err != nil {
		return `""`
	}
	return string(quoted)
}
