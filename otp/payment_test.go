package otp

import (
	"crypto/rand"
	"encoding/hex"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestPaymentsAreWrittenInOneWay(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		p      Payment
		fields string // at fault
	}{
		"usual":                   {Payment{"1999.90", "EUR", "Ferretería La Unión, C.A."}, ""},
		"a cent":                  {Payment{"0.01", "USD", "a"}, ""},
		"nothing":                 {Payment{"0", "USD", "a"}, ""},
		"15 digits and 4":         {Payment{strings.Repeat("9", 15) + ".9999", "VES", strings.Repeat("a", 140)}, ""},
		"16 digits":               {Payment{strings.Repeat("9", 16), "VES", "a"}, "payment.amount"},
		"5 behind the point":      {Payment{"1.00000", "VES", "a"}, "payment.amount"},
		"a point and no more":     {Payment{"1.", "VES", "a"}, "payment.amount"},
		"no digit before":         {Payment{".5", "VES", "a"}, "payment.amount"},
		"zero in front":           {Payment{"01", "VES", "a"}, "payment.amount"},
		"a comma":                 {Payment{"1,50", "VES", "a"}, "payment.amount"},
		"negative":                {Payment{"-1", "VES", "a"}, "payment.amount"},
		"exponent":                {Payment{"1e3", "VES", "a"}, "payment.amount"},
		"other digits":            {Payment{"١", "VES", "a"}, "payment.amount"},
		"two points":              {Payment{"1.2.3", "VES", "a"}, "payment.amount"},
		"small currency":          {Payment{"1", "eur", "a"}, "payment.currency"},
		"long currency":           {Payment{"1", "EURO", "a"}, "payment.currency"},
		"141 bytes":               {Payment{"1", "EUR", strings.Repeat("a", 141)}, "payment.payee"},
		"a line break":            {Payment{"1", "EUR", "a\nb"}, "payment.payee"},
		"a line of Unicode":       {Payment{"1", "EUR", "a\u2028b"}, "payment.payee"},
		"text that runs back":     {Payment{"1", "EUR", "a\u202eb"}, "payment.payee"},
		"outer spaces":            {Payment{"1", "EUR", " a"}, "payment.payee"},
		"no UTF-8":                {Payment{"1", "EUR", "a\xff"}, "payment.payee"},
		"nothing at all, at once": {Payment{}, "payment.amount payment.currency payment.payee"},
	} {
		var fields []string
		if e := c.p.faults(); e != nil {
			for _, one := range append([]*Error{e}, e.Also...) {
				fields = append(fields, one.Field)
			}
		}
		if got := strings.Join(fields, " "); got != c.fields {
			t.Errorf("%s: %q is at fault, want %q", name, got, c.fields)
		}
	}
}

// The digest is documented for those who hold a receipt against a payment.
func TestPaymentsHaveTheDocumentedDigest(t *testing.T) {
	t.Parallel()
	p := &Payment{"1999.90", "USD", "Green Garden Ltd"}
	// printf 'aldaba payment v1\n1999.90\nUSD\nGreen Garden Ltd' | sha256sum
	if got := hex.EncodeToString(p.digest()); got != "ba58a26f2082bf035e05e27f7ef86f4c2032cc78abec3c075997afd7da111a8d" {
		t.Errorf("got %s", got)
	}
	if (*Payment)(nil).digest() != nil {
		t.Error("no payment has a digest")
	}
}

// FuzzPaymentDigest looks for two payments with one digest, and for a payee that
// a text would show otherwise.
func FuzzPaymentDigest(f *testing.F) {
	f.Add("1", "EUR", "a", "1", "EUR", "b")
	f.Add("1", "EUR", "a\nb", "1\nEUR", "a", "b")
	f.Fuzz(func(t *testing.T, a1, c1, p1, a2, c2, p2 string) {
		a, b := &Payment{a1, c1, p1}, &Payment{a2, c2, p2}
		if a.faults() != nil || b.faults() != nil {
			return
		}
		if (string(a.digest()) == string(b.digest())) != (*a == *b) {
			t.Errorf("%+v and %+v", a, b)
		}
		values := map[string]string{}
		a.into(values)
		w := text{{variable: "amount"}, {literal: "|"}, {variable: "currency"}, {literal: "|"}, {variable: "payee"}}
		if got := w.fill(values); got != a1+"|"+c1+"|"+p1 {
			t.Errorf("shown as %q", got)
		}
	})
}

// Each built-in text for payments shows what is paid before the code, in every
// language and on every channel.
func TestBuiltInTextsShowThePayment(t *testing.T) {
	t.Parallel()
	letter := &Letter{To: "x", Payment: &Payment{"1999.90", "USD", "Green Garden Ltd"}}
	seen := map[string]bool{}
	for _, locale := range builtinLocales() {
		for _, channel := range Channels() {
			w, err := (&Tenant{}).wordingFor("", channel, locale, letter)
			if err != nil {
				t.Fatal(err)
			}
			if err := w.shown(letter.Payment, channel); err != nil {
				t.Error(err)
			}
			got := w.render(channel, letter, "012345", "Acme", locale, 5*time.Minute)
			code := strings.Index(strings.ReplaceAll(got.Body, ", ", ""), "012345")
			for _, part := range []string{"1999.90 USD", "Green Garden Ltd"} {
				if at := strings.Index(got.Body, part); at < 0 || at > code {
					t.Errorf("%s by %s: %q stands at %d, the code at %d: %s", locale, channel, part, at, code, got.Body)
				}
			}
			if strings.Contains(got.Subject, "Garden") || channel == Email && got.Subject == "" || strings.Contains(got.Body, "{{") {
				t.Errorf("%s by %s: %+v", locale, channel, got)
			}
			seen[got.Body] = true
		}
	}
	if len(seen) != 3*len(builtinLocales()) { // short, long and spoken
		t.Errorf("%d different texts", len(seen))
	}
}

// A payment is part of what a code is derived from, with the purpose: each one
// changed gives another code.
func TestCodesAreDerivedFromWhatTheyAreFor(t *testing.T) {
	t.Parallel()
	base := Payment{"10.00", "EUR", "Ana"}
	codes := map[string]string{}
	for name, c := range map[string]struct {
		purpose string
		payment *Payment
	}{
		"itself":   {AuthorizePayment, &base},
		"amount":   {AuthorizePayment, &Payment{"10.01", "EUR", "Ana"}},
		"currency": {AuthorizePayment, &Payment{"10.00", "USD", "Ana"}},
		"payee":    {AuthorizePayment, &Payment{"10.00", "EUR", "Eva"}},
		"shifted":  {AuthorizePayment, &Payment{"10.0", "EUR", "0Ana"}},
		"none":     {AuthorizePayment, nil},
		"purpose":  {Authenticate, &base},
	} {
		d := derivation{id: ID{1}, salt: []byte("0123456789abcdef"), purpose: c.purpose, context: c.payment.digest(), alphabet: Digits, length: 12}
		codes[d.derive(&keyed{key: []byte("key")})] = name
	}
	if len(codes) != 7 {
		t.Errorf("only %d codes differ: %v", len(codes), slices.Sorted(maps.Values(codes)))
	}
}

func TestDoubtfulSettingsHaveAnOrder(t *testing.T) {
	t.Parallel()
	const m, h = time.Minute, time.Hour
	for name, c := range map[string]struct {
		a             asked
		names, detail string
	}{
		"nothing asked":            {asked{}, "", ""},
		"tries 10":                 {asked{request: Settings{MaxAttempts: 10}}, "", ""},
		"tries 11":                 {asked{request: Settings{MaxAttempts: 11}}, "max_attempts", "cut: max_attempts"},
		"the dialect's tries":      {asked{dialect: Settings{MaxAttempts: 11}}, "max_attempts", "cut: max_attempts"},
		"the profile's are lower":  {asked{profile: Settings{MaxAttempts: 3}, dialect: Settings{MaxAttempts: 11}}, "", ""},
		"an hour stays, and weak":  {asked{request: Settings{Lifetime: h}, shorten: true}, "lifetime", "weak: lifetime"},
		"a second more is cut":     {asked{request: Settings{Lifetime: h + 1}, shorten: true}, "lifetime", "weak: lifetime; cut: lifetime"},
		"cut to what is strong":    {asked{request: Settings{Lifetime: h}, shorten: true, ceiling: 5 * m}, "lifetime", "cut: lifetime"},
		"600 s":                    {asked{request: Settings{Lifetime: 600 * time.Second}}, "", ""},
		"601 s":                    {asked{request: Settings{Lifetime: 601 * time.Second}}, "lifetime", "weak: lifetime"},
		"5 digits":                 {asked{request: Settings{Length: 5}}, "length", "weak: length"},
		"everything":               {asked{request: Settings{Length: 5, Lifetime: 2 * h, MaxAttempts: 99}, shorten: true}, "max_attempts length lifetime", "weak: length, lifetime; cut: max_attempts, lifetime"},
		"a payment waits no day":   {asked{request: Settings{Length: 8, Lifetime: h}, channel: Email, purpose: AuthorizePayment}, "lifetime", "weak: lifetime"},
		"an address may wait long": {asked{request: Settings{Length: 8, Lifetime: h}, channel: Email, purpose: ConfirmAddress}, "", ""},
	} {
		s, err := settle(c.a)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		d := doubtful{s.weak(c.a.channel, c.a.purpose), c.a.cut(s)}
		if got := strings.Join(d.names(), " "); got != c.names || d.detail() != c.detail {
			t.Errorf("%s: %q, %q; want %q, %q", name, got, d.detail(), c.names, c.detail)
		}
	}
}

// BenchmarkReceipt is what an approval costs more when a receipt is asked for;
// it is made after the step, beside all others.
func BenchmarkReceipt(b *testing.B) {
	now := time.Unix(1.8e9, 0)
	ring, err := NewRing(now, rand.Reader)
	if err != nil {
		b.Fatal(err)
	}
	s, v := &Service{}, Verification{ID: ID{1}, Tenant: "acme", Destination: Key{2}, Ended: now}
	b.ReportAllocs()
	for b.Loop() {
		s.receipt(ring, &v)
	}
}
