package otp

import (
	"bytes"
	"crypto/sha256"
	"slices"
	"strings"
	"unicode/utf8"
)

// AuthorizePayment is the purpose of a code that authorises one [Payment] and
// no other (dynamic linking, Commission Delegated Regulation (EU) 2018/389,
// Article 5).
const AuthorizePayment = "authorize_payment"

// Payment is what a code authorises. The payer is shown it with the code, the
// code is derived from it, and a check that names another one is wrong.
type Payment struct {
	Amount   string `json:"amount"`   // 1 to 15 digits, and up to 4 behind a point; no zero in front
	Currency string `json:"currency"` // ISO 4217, in capitals
	Payee    string `json:"payee"`    // one line of 1 to 140 bytes, shown as it is
}

// maxPayee is the longest name that ISO 20022 gives a party (Max140Text).
const maxPayee = 140

// faults names what is wrong with a payment; nil is a payment that nobody
// named, and right.
func (p *Payment) faults() *Error {
	if p == nil {
		return nil
	}
	var first *Error
	for _, part := range []struct {
		ok           bool
		field, fault string
	}{
		{isAmount(p.Amount), "payment.amount", "must be 1 to 15 digits without a zero in front, such as 12, 0.50 or 1999.90"},
		{len(p.Currency) == 3 && strings.Trim(p.Currency, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") == "", "payment.currency", "must be an ISO 4217 code in capitals, such as EUR"},
		{isPayee(p.Payee), "payment.payee", "must be one line of 1 to 140 bytes without controls, invisible characters and outer spaces"},
	} {
		switch {
		case part.ok:
		case first == nil:
			first = invalid(part.field, "%s", part.fault)
		default:
			first.Also = append(first.Also, invalid(part.field, "%s", part.fault))
		}
	}
	return first
}

// isAmount tells whether an amount is written in the one way that is taken, so
// that equal amounts are equal texts but for zeros behind the point.
func isAmount(s string) bool {
	whole, cents, point := strings.Cut(s, ".")
	digits := func(s string, most int) bool {
		return len(s) >= 1 && len(s) <= most && strings.Trim(s, "0123456789") == ""
	}
	return digits(whole, 15) && (whole == "0" || whole[0] != '0') && (!point || digits(cents, 4))
}

// isPayee takes what a text shows unchanged: what the payer reads is then what
// the code is bound to.
func isPayee(s string) bool {
	return s != "" && len(s) <= maxPayee && utf8.ValidString(s) && oneLine(s) == s && strings.TrimSpace(s) == s
}

// digest is what a code is bound to: SHA-256 over four lines without a break at
// the end, of which none can hold a break. Whoever knows the payment can make
// it again and hold a receipt against it. Nobody's payment has none.
func (p *Payment) digest() []byte {
	if p == nil {
		return nil
	}
	sum := sha256.Sum256([]byte("aldaba payment v1\n" + p.Amount + "\n" + p.Currency + "\n" + p.Payee))
	return sum[:]
}

// paymentVariables are the names by which texts show a payment.
func paymentVariables() []string { return []string{"amount", "currency", "payee"} }

// into gives the variables of texts their values.
func (p *Payment) into(values map[string]string) {
	if p != nil {
		values["amount"], values["currency"], values["payee"] = p.Amount, p.Currency, p.Payee
	}
}

// payment holds a start's purpose and payment against each other.
func (d *draft) payment() *Error {
	p := d.req.Payment
	switch {
	case p == nil && d.purpose != AuthorizePayment:
		return nil
	case p == nil:
		return invalid("payment", "is missing: a code for %s is bound to amount, currency and payee", AuthorizePayment)
	case d.purpose != AuthorizePayment:
		return invalid("payment", "must come with the purpose %s", AuthorizePayment)
	case d.req.Code != "":
		return invalid("code", "must be left out: the code of a payment is derived from it")
	}
	return p.faults()
}

// shown refuses a text that keeps a payment from the payer.
func (w wording) shown(p *Payment, channel Channel) *Error {
	if p == nil {
		return nil
	}
	for _, name := range paymentVariables() {
		if !w.body.names(name) {
			return invalid("payment", "would not be shown: the text of this profile for %s lacks {{%s}}", channel, name)
		}
	}
	return nil
}

// checkPayments refuses texts of a profile for payments that would have
// each of its starts refused.
func (t *Tenant) checkPayments(f *faultList, i int, at string) {
	tpl := &t.Templates[i]
	of := slices.IndexFunc(t.Profiles, func(p Profile) bool { return p.Name == tpl.Profile })
	if of < 0 || t.Profiles[of].Purpose != AuthorizePayment {
		return
	}
	body, err := parseTemplate(tpl.Text)
	if err != nil { // told already
		return
	}
	for _, name := range paymentVariables() {
		f.check(body.names(name), at+".text", "must show {{%s}}, since its profile is for payments", name)
	}
}

// binding is what a guess says that the code is for. What it leaves open is
// not asked.
type binding struct {
	purpose string
	context []byte
}

// holds reports whether a code was issued for this.
func (b *binding) holds(s *Spec) bool {
	return (b.purpose == "" || b.purpose == s.Purpose) && (b.context == nil || bytes.Equal(b.context, s.Context))
}
