package smtp

import (
	"fmt"
	"mime"
	"net/mail"
	"strings"
	"testing"
	"time"

	"github.com/aldaba-otp/aldaba/delivery"
	"github.com/aldaba-otp/aldaba/internal/clock"
)

// sound fails unless a letter is canonical: CRLF only, no line over 998 bytes
// (RFC 5321 section 4.5.3.1.6), no byte over 127 unless the address needs it.
func sound(t *testing.T, l *letter) {
	t.Helper()
	rest := strings.ReplaceAll(string(l.data), "\r\n", "")
	if strings.ContainsAny(rest, "\r\n\x00") {
		t.Error("there is a lone CR, LF or a NUL")
	}
	for line := range strings.SplitSeq(string(l.data), "\r\n") {
		if len(line) > 998 {
			t.Errorf("a line has %d bytes", len(line))
		}
	}
	if !l.utf8 && strings.ContainsFunc(rest, func(r rune) bool { return r > 126 }) {
		t.Error("it is not 7 bit")
	}
}

func composed(t *testing.T, p *provider, m delivery.Message) *letter {
	t.Helper()
	l, err := p.composer.compose(m)
	if err != nil {
		t.Fatal(err)
	}
	sound(t, l)
	return l
}

func TestALetterHasWhatItShould(t *testing.T) {
	t.Parallel()
	p := opened(t, plainly("127.0.0.1:25", given{"from": "Acmé Ñandú <no-reply@acme.example>", "reply_to": "Help <help@acme.example>"}))
	m := letterTo("ana@example.com")
	m.From, m.Subject, m.Locale, m.Brand = "", "Su código está aquí: 日本語 — y una línea que es bastante más larga de lo que cabe en una", "es-DO", "Acmé & <Söhne>"
	m.Body = "Hola <b>Ana</b> & Cía.\n\nSu código es 482913.\nNo lo comparta."
	l := composed(t, p, m)
	got := read(t, string(l.data))
	words := mail.AddressParser{}
	from, err := words.Parse(got.header.Get("From"))
	if err != nil || from.Name != "Acmé Ñandú" || from.Address != "no-reply@acme.example" {
		t.Errorf("from %v: %v", from, err)
	}
	if subject := unworded(t, got.header.Get("Subject")); subject != m.Subject {
		t.Errorf("subject %q", subject)
	}
	for name, want := range map[string]string{
		"To": "<ana@example.com>", "Reply-To": `"Help" <help@acme.example>`, "Message-Id": "<" + m.ID + "@acme.example>",
		"Auto-Submitted": "auto-generated", "X-Auto-Response-Suppress": "All", "Mime-Version": "1.0",
		"List-Unsubscribe": "", "X-Mailer": "", "User-Agent": "", "Bcc": "", "Cc": "",
	} {
		if got.header.Get(name) != want {
			t.Errorf("%s: %q", name, got.header.Get(name))
		}
	}
	if date, err := got.header.Date(); err != nil || !date.Equal(m.Created.Truncate(time.Second)) {
		t.Errorf("date %v: %v", date, err)
	}
	if got.text != m.Body {
		t.Errorf("text %q", got.text)
	}
	for _, want := range []string{
		`<html lang="es-DO" dir="auto">`, `<meta name="color-scheme" content="light dark">`, "Hola &lt;b&gt;Ana&lt;/b&gt; &amp; Cía.",
		">482913</strong>.<br>No lo comparta.</p>", "Acmé &amp; &lt;Söhne&gt;</h1>", "<main",
	} {
		if !strings.Contains(got.html, want) {
			t.Errorf("the page lacks %s:\n%s", want, got.html)
		}
	}
	for _, no := range []string{"<img", "href", "src", "url(", "<script", "http", "<b>Ana", "#", "rgb"} {
		if strings.Contains(got.html, no) {
			t.Errorf("the page has %s", no)
		}
	}
}

// TestALinkIsAButtonThatKeepsItsToken takes a code that stands in the token too,
// and a page whose address wants to be markup.
func TestALinkIsAButtonThatKeepsItsToken(t *testing.T) {
	t.Parallel()
	p := opened(t, plainly("127.0.0.1:25"))
	m := letterTo("ana@example.com")
	m.Code = "482913"
	m.Link = "https://app.example/a&b;'c=" + strings.Repeat("x", 400) + "#token=AZ482913_-abcdefghijklmnopqrstuvwxyz0123456"
	m.Body = "Code: 482913.\n\nOr open\n" + m.Link + "\nand confirm 482913."
	got := read(t, string(composed(t, p, m).data))
	if got.text != m.Body {
		t.Errorf("the text is %q", got.text)
	}
	page, _, _ := strings.Cut(m.Link, "#")
	shown := strings.NewReplacer("&", "&amp;", "'", "&#39;").Replace(page)
	if strings.Count(got.html, "<a href=") != 1 || strings.Count(got.html, "</a>") != 1 || strings.Count(got.html, "token=AZ") != 1 {
		t.Errorf("the page has not one link:\n%s", got.html)
	}
	if !strings.Contains(got.html, ">"+shown+"</a><br>and confirm ") || strings.Count(got.html, ">482913</strong>") != 2 {
		t.Errorf("the page shows it as\n%s", got.html)
	}
	_, href, _ := strings.Cut(got.html, `<a href="`)
	href, _, _ = strings.Cut(href, `"`)
	if strings.NewReplacer("&amp;", "&", "&#39;", "'", "%27", "'").Replace(href) != m.Link {
		t.Errorf("it leads to %s, want %s", href, m.Link)
	}
	for _, no := range []string{"<img", "src", "url(", "<script", "rgb", "color: #"} {
		if strings.Contains(got.html, no) {
			t.Errorf("the page has %s", no)
		}
	}
}

// A link that is none is never one in the page, whoever made the message.
func TestAScriptIsNoLink(t *testing.T) {
	t.Parallel()
	p := opened(t, plainly("127.0.0.1:25"))
	m := letterTo("ana@example.com")
	m.Link = "javascript:alert(1)"
	m.Body = m.Link
	if got := read(t, string(composed(t, p, m).data)); strings.Contains(got.html, `href="javascript`) {
		t.Errorf("the page has\n%s", got.html)
	}
}

func unworded(t *testing.T, text string) string {
	t.Helper()
	shown, err := (&mime.WordDecoder{}).DecodeHeader(text)
	if err != nil {
		t.Fatal(err)
	}
	return shown
}

func TestTriesOfOneMessageAreAlike(t *testing.T) {
	t.Parallel()
	p := opened(t, plainly("127.0.0.1:25"))
	p.composer.now = clock.Over(func() time.Time { return time.Unix(0, 0) }, 0).Now
	m := letterTo("ana@example.com")
	one, two := read(t, string(composed(t, p, m).data)), read(t, string(composed(t, p, m).data))
	for _, name := range []string{"Message-Id", "Date", "Subject", "From"} {
		if a, b := one.header.Get(name), two.header.Get(name); a != b || a == "" {
			t.Errorf("%s: %q and %q", name, a, b)
		}
	}
	m.ID = "another> id\r\n"
	third := read(t, string(composed(t, p, m).data)).header.Get("Message-Id")
	if third == one.header.Get("Message-Id") || strings.Trim(third, "<>0123456789abcdef@.mxpl") != "" {
		t.Errorf("an id that does not fit gives %q", third)
	}
}

func TestPlainTextAlone(t *testing.T) {
	t.Parallel()
	p := opened(t, plainly("127.0.0.1:25", given{"html": false}))
	m := letterTo("ana@example.com")
	got := read(t, string(composed(t, p, m).data))
	if got.text != m.Body || got.html != "" {
		t.Errorf("%+v", got)
	}
}

func TestSenders(t *testing.T) {
	t.Parallel()
	p := opened(t, plainly("127.0.0.1:25", given{"senders": []any{"Bank <bank@acme.example>", "shop@acme.example"}}))
	for _, c := range []struct{ wanted, name, address string }{
		{"", "Acme", "no-reply@acme.example"},
		{"Globex", "Globex", "no-reply@acme.example"},
		{`O"Neil, Inc.`, `O"Neil, Inc.`, "no-reply@acme.example"},
		{"bank@acme.example", "Bank", "bank@acme.example"},
		{"My bank <BANK@acme.example>", "My bank", "bank@acme.example"},
		{"shop@acme.example", "", "shop@acme.example"},
		{"ceo@acme.example", "", ""},
		{"Acme <ceo@acme.example>", "", ""},
		{"ceo@bank.example <no-reply@acme.example>", "", ""},
		{"bank@acme.example, ceo@acme.example", "", ""},
		{"=?utf-8?q?ceo=40bank.example?=", "", ""},
		{strings.Repeat("x", 101), "", ""},
	} {
		m := letterTo("ana@example.com")
		m.From = c.wanted
		l, err := p.composer.compose(m)
		if c.address == "" {
			classed(t, err, delivery.Rejected, "bad_sender")
			continue
		}
		if err != nil {
			t.Errorf("%q: %v", c.wanted, err)
			continue
		}
		from, err := mail.ParseAddress(read(t, string(l.data)).header.Get("From"))
		if err != nil || from.Name != c.name || from.Address != c.address || l.from != c.address {
			t.Errorf("%q: %v, envelope %s: %v", c.wanted, from, l.from, err)
		}
	}
}

// injections are the shapes of row T39: what must never reach the wire as it
// is. golang/go#21159, CVE-2025-59937, GHSA-g7hc-96xr-gvvx, CVE-2015-9097.
func injections() []string {
	var all []string
	for _, cut := range []string{"\r\n", "\n", "\r", "\x00", "\u2028", "\u2029", "\u0085", "\r\n.\r\n", "\n.\n", "\x7f", "\u202e", "\xff"} {
		all = append(all, "a"+cut+"b", "Acme"+cut+"Bcc: eve@evil.example", cut+"RCPT TO:<eve@evil.example>"+cut)
	}
	return all
}

// TestNothingIsInjected is row T39, at every field of a message.
//
// CVE-2025-59937 (go-mail), golang/go#21159, GHSA-g7hc-96xr-gvvx (MimeKit): a
// line break or quoted part of an address became commands to the relay.
func TestNothingIsInjected(t *testing.T) {
	t.Parallel()
	addresses := []string{
		"", "@", "ana", "ana@", "@example.com", "ana@example.com>", "<ana@example.com>", "ana@example.com>\r\nRCPT TO:<eve@evil.example>",
		"ana@example.com\r\nDATA", "ana@example.com> SIZE=1", "ana@example.com NOTIFY=NEVER", "ana@example.com,eve@evil.example",
		"ana@example.com;eve@evil.example", "ana@example.com eve@evil.example", `"ana\r\nRCPT TO:<eve@evil.example>"@example.com`,
		`"toni@xyz> ORCPT=admin@evil.example"@example.com`, `"ana@evil.example>"@example.com`, "ana@[127.0.0.1]", "ana@exam ple.com",
		"Ana <ana@example.com>", "ana(comment)@example.com", "ana@example.com@evil.example", "@evil.example:ana@example.com", "+18091234567",
		"ñandú\u2028@example.com", "ñan\u00a0dú@example.com", "ñandú>@example.com", "ñ\u202eandu@example.com", strings.Repeat("ñ", 33) + "@example.com",
		"ana%evil.example@\r\nexample.com", "ana@example.com\x00", "ana@localhost", "ana@example..com",
	}
	for _, cut := range injections() {
		addresses = append(addresses, cut+"@example.com", "ana@"+cut, "ana@example.com"+cut)
	}
	r := startRelay(t)
	p := opened(t, plainly(r.address))
	try := func(change func(*delivery.Message), value string) {
		t.Helper()
		m := letterTo("ana@example.com")
		change(&m)
		if _, err := p.Send(t.Context(), m); delivery.ClassOf(err) != delivery.Rejected || err == nil {
			t.Errorf("%q: %v", value, err)
		} else if len(value) > 12 && strings.Contains(err.Error(), value) {
			t.Errorf("the error repeats %q", value)
		}
	}
	for _, a := range addresses {
		try(func(m *delivery.Message) { m.To = a }, a)
	}
	for _, bad := range injections() {
		try(func(m *delivery.Message) { m.From = bad }, bad)
		try(func(m *delivery.Message) { m.From = bad + " <no-reply@acme.example>" }, bad)
		try(func(m *delivery.Message) { m.Subject = bad }, bad)
		try(func(m *delivery.Message) { m.Brand = bad }, bad)
	}
	if r.connections() != 0 {
		t.Error("it spoke with the relay")
	}
}

// TestWhatLooksLikeSyntaxIsText sends what is odd but allowed.
func TestWhatLooksLikeSyntaxIsText(t *testing.T) {
	t.Parallel()
	r := startRelay(t)
	p := opened(t, plainly(r.address))
	for _, subject := range []string{
		"", "Bcc: eve@evil.example", "=?utf-8?q?=0D=0ABcc:_eve=40evil.example?=", "a > b; RCPT TO:<eve@evil.example>", " spaced  out ",
		strings.Repeat("x", 400), strings.Repeat("ñ", 400), strings.Repeat("word ", 70) + "end", "שלום 482913", "\"quoted\" \\ back",
	} {
		m := letterTo("ana@example.com")
		m.Subject, m.Locale, m.Brand = subject, `en" onload="x`, `"><script>alert(1)</script>`
		if _, err := p.Send(t.Context(), m); err != nil {
			t.Fatalf("%q: %v", subject, err)
		}
		all := r.took()
		last := all[len(all)-1]
		got := read(t, last.data)
		if len(last.rcptTo) != 1 || last.rcptTo[0] != "RCPT TO:<ana@example.com>" || got.header.Get("Bcc") != "" {
			t.Errorf("%q: envelope %q, header %v", subject, last.rcptTo, got.header)
		}
		if shown := unworded(t, got.header.Get("Subject")); shown != subject {
			t.Errorf("%q is shown as %q", subject, shown)
		}
		if strings.Contains(got.html, "<script>") || strings.Contains(got.html, "onload=") && !strings.Contains(got.html, "<html dir") {
			t.Errorf("markup got in:\n%s", got.html)
		}
		if n := len(got.header); n > 10 {
			t.Errorf("%d headers: %v", n, got.header)
		}
	}
}

// TestBodiesArriveAsTheyAre is row T40 with the shapes of SMTP smuggling:
// CVE-2023-51764 (Postfix), CVE-2023-51765 (Sendmail), CVE-2023-51766 (Exim).
func TestBodiesArriveAsTheyAre(t *testing.T) {
	t.Parallel()
	r := startRelay(t)
	p := opened(t, plainly(r.address))
	attack := "MAIL FROM:<eve@evil.example>\r\nRCPT TO:<ana@example.com>\r\nDATA\r\nSubject: hi\r\n\r\nhi\r\n.\r\n"
	bodies := []string{
		".", "..", ".\n.\n..\n...", "\n\n.\n\n", "a\rb", "a\nb", "a\r\nb", "a\n\rb", strings.Repeat("x", 10_000), strings.Repeat("ñ", 5_000),
		strings.Repeat(".", 2_000), "From ana\n>From ana", "ends with space \nand tab\t", "=3D =\n=", "QUIT\nRSET", "482913 482913\n482913", "\x00\x01\x1b[2J",
		"日本語\u2028next", "-- \n--=_boundary--",
	}
	for _, end := range []string{"\n.\n", "\r.\r", "\n.\r\n", "\r\n.\n", "\r\n.\r", "\r.\r\n", "\r\n\x00.\r\n", "\r\n.\r\n", "\r\n.\r\r\n"} {
		bodies = append(bodies, "text"+end+attack)
	}
	for i, body := range bodies {
		m := letterTo("ana@example.com")
		m.Body = body
		if _, err := p.Send(t.Context(), m); err != nil {
			t.Fatalf("%q: %v", body, err)
		}
		all := r.took()
		if len(all) != i+1 {
			t.Fatalf("%q: %d messages after %d", body, len(all), i+1)
		}
		sound(t, composed(t, p, m))
		if got := read(t, all[i].data).text; got != canonical(body) {
			t.Errorf("%q arrived as %q", body, got)
		}
	}
	if n := len(r.said("MAIL")); n != len(bodies) {
		t.Errorf("the relay heard MAIL %d times for %d messages", n, len(bodies))
	}
}

func TestInternationalAddresses(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		to, rcpt string
		utf8     bool
	}{
		{"ana@bücher.example", "RCPT TO:<ana@xn--bcher-kva.example>", false},
		{"ana@例え.テスト", "RCPT TO:<ana@xn--r8jz45g.xn--zckzah>", false},
		{"ñandú@example.com", "RCPT TO:<ñandú@example.com>", true},
		{"用户@例え.テスト", "RCPT TO:<用户@xn--r8jz45g.xn--zckzah>", true},
	} {
		r := startRelay(t)
		p := opened(t, plainly(r.address))
		if _, err := p.Send(t.Context(), letterTo(c.to)); err != nil {
			t.Fatalf("%s: %v", c.to, err)
		}
		if got := r.took()[0]; got.rcptTo[0] != c.rcpt || strings.HasSuffix(got.mailFrom, " SMTPUTF8") != c.utf8 {
			t.Errorf("%s: %q %q", c.to, got.mailFrom, got.rcptTo)
		}
		if to, err := mail.ParseAddress(read(t, r.took()[0].data).header.Get("To")); err != nil || !strings.Contains(c.rcpt, "<"+to.Address+">") {
			t.Errorf("%s: the header says %v: %v", c.to, to, err)
		}
	}
	old := startRelay(t, func(r *testRelay) { r.offers = []string{"8BITMIME"} })
	p := opened(t, plainly(old.address))
	_, err := p.Send(t.Context(), letterTo("ñandú@example.com"))
	classed(t, err, delivery.Rejected, "5.6.7")
	if _, err := p.Send(t.Context(), letterTo("ana@bücher.example")); err != nil || old.connections() != 1 {
		t.Errorf("afterwards: %v over %d connections", err, old.connections())
	}
}

func FuzzRecipient(f *testing.F) {
	for _, seed := range append(injections(), "ana@example.com", "ñandú@bücher.example", `"a b"@example.com`, "a@b>c.example") {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		box, international, ok := parseRecipient(text)
		if !ok {
			return
		}
		if !clean(box) || strings.ContainsAny(box, " <>,;:\"()[]\\\t") || strings.Count(box, "@") != 1 || len(box) > 254+64 {
			t.Errorf("%q gives %q", text, box)
		}
		if ascii := strings.IndexFunc(box, func(r rune) bool { return r > 126 }) < 0; ascii == international {
			t.Errorf("%q gives %q, SMTPUTF8 %v", text, box, international)
		}
	})
}

func FuzzHeaders(f *testing.F) {
	for _, seed := range injections() {
		f.Add(seed, seed, seed)
	}
	f.Add("Globex", "Su código", ".\r\n.\n")
	f.Add("=?utf-8?q?x?=", "=?utf-8?q?x?=", "\x00")
	values := plainly("127.0.0.1:25", given{"senders": []any{"bank@acme.example"}})
	f.Fuzz(func(t *testing.T, from, subject, body string) {
		p := opened(t, values)
		m := letterTo("ana@example.com")
		m.From, m.Subject, m.Body = from, subject, body
		l, err := p.composer.compose(m)
		if err != nil {
			classed(t, err, delivery.Rejected, "*")
			return
		}
		sound(t, l)
		got := read(t, string(l.data))
		if got.text != canonical(body) {
			t.Errorf("%q arrived as %q", body, got.text)
		}
		for name, lines := range got.header {
			if len(lines) != 1 || !strings.Contains(" From To Subject Date Message-Id Mime-Version Content-Type Auto-Submitted X-Auto-Response-Suppress ", " "+name+" ") {
				t.Errorf("header %s: %q", name, lines)
			}
		}
		if a, err := mail.ParseAddress(got.header.Get("From")); err != nil || a.Address != "no-reply@acme.example" && a.Address != "bank@acme.example" {
			t.Errorf("from %q: %v", got.header.Get("From"), err)
		}
	})
}

func BenchmarkCompose(b *testing.B) {
	p := opened(b, plainly("127.0.0.1:25"))
	for i := range b.N {
		if _, err := p.composer.compose(letterTo(fmt.Sprintf("a%d@example.com", i))); err != nil {
			b.Fatal(err)
		}
	}
}
