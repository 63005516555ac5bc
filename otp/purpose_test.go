package otp_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/aldaba-otp/aldaba/otp"
)

// paying is a start for a payment.
func paying(amount string) otp.StartRequest {
	req := native(phone)
	req.Purpose, req.Payment = otp.AuthorizePayment, &otp.Payment{Amount: amount, Currency: "EUR", Payee: "Ana"}
	return req
}

// A code is good for what it was issued for and for nothing else (T22, T25): the
// right code for another purpose or payment is a wrong guess that costs a try,
// and leaves the code good for its own.
func TestRightCodesForSomethingElseAreWrong(t *testing.T) {
	t.Parallel()
	confirming := native(phone)
	confirming.Purpose = otp.ConfirmAddress
	plain := native(phone)
	payment := func(amount, currency, payee string) *otp.Payment {
		return &otp.Payment{Amount: amount, Currency: currency, Payee: payee}
	}
	for name, c := range map[string]struct {
		start   otp.StartRequest
		purpose string
		payment *otp.Payment
		want    otp.Outcome
	}{
		"nothing said":                 {plain, "", nil, otp.OutcomeApproved},
		"its purpose":                  {plain, otp.Authenticate, nil, otp.OutcomeApproved},
		"to sign in, used to confirm":  {plain, otp.ConfirmAddress, nil, otp.OutcomeWrong},
		"to confirm, used to sign in":  {confirming, otp.Authenticate, nil, otp.OutcomeWrong},
		"to confirm":                   {confirming, otp.ConfirmAddress, nil, otp.OutcomeApproved},
		"to confirm, used to recover":  {confirming, otp.Recover, nil, otp.OutcomeWrong},
		"a purpose that nobody has":    {plain, "anything", nil, otp.OutcomeWrong},
		"to sign in, used to pay":      {plain, "", payment("10.00", "EUR", "Ana"), otp.OutcomeWrong},
		"to pay, nothing said":         {paying("10.00"), "", nil, otp.OutcomeApproved},
		"to pay":                       {paying("10.00"), otp.AuthorizePayment, payment("10.00", "EUR", "Ana"), otp.OutcomeApproved},
		"to pay this, purpose unsaid":  {paying("10.00"), "", payment("10.00", "EUR", "Ana"), otp.OutcomeApproved},
		"to pay, used to sign in":      {paying("10.00"), otp.Authenticate, payment("10.00", "EUR", "Ana"), otp.OutcomeWrong},
		"to pay a cent more":           {paying("10.00"), "", payment("10.01", "EUR", "Ana"), otp.OutcomeWrong},
		"to pay in another currency":   {paying("10.00"), "", payment("10.00", "USD", "Ana"), otp.OutcomeWrong},
		"to pay somebody else":         {paying("10.00"), "", payment("10.00", "EUR", "Eva"), otp.OutcomeWrong},
		"to pay the same, written new": {paying("10.00"), "", payment("10.0", "EUR", "Ana"), otp.OutcomeWrong},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := tenants(t)
			v, code := start(t, w, c.start)
			req := guess(v, code)
			req.Purpose, req.Payment = c.purpose, c.payment
			req.Peek = true // which binds like a check
			for range 2 {
				got, outcome, err := w.Check(t.Context(), req)
				if err != nil || outcome != c.want || got.Receipt != "" {
					t.Fatalf("peek %t: %s, %v", req.Peek, outcome, err)
				}
				req.Peek = false
			}
			if c.want == otp.OutcomeWrong {
				if s := stored(t, w, v.ID); s.Attempts != 2 || len(destinations(t, w)[0].Wrongs) != 2 {
					t.Errorf("%d tries are spent, %d charged", s.Attempts, len(destinations(t, w)[0].Wrongs))
				}
				check(t, w, v, code, otp.OutcomeApproved)
			}
		})
	}
}

// The right code said to be for something else ends a verification like any
// wrong guess does.
func TestForeignPurposesUseUpTries(t *testing.T) {
	t.Parallel()
	w := tenants(t)
	req := native(phone)
	req.Asked.MaxAttempts = 2
	v, code := start(t, w, req)
	for range 2 {
		g := guess(v, code)
		g.Purpose = otp.Recover
		if _, outcome, err := w.Check(t.Context(), g); outcome != otp.OutcomeWrong || err != nil {
			t.Fatalf("%s, %v", outcome, err)
		}
	}
	check(t, w, v, code, otp.OutcomeExhausted)
}

// A new code for a payment takes the place of the older one, and of none for
// another purpose (T24 within a purpose).
func TestPaymentsSupersedePayments(t *testing.T) {
	t.Parallel()
	w := tenants(t)
	login, loginCode := start(t, w, native(phone))
	old, oldCode := start(t, w, paying("1.00"))
	fresh, freshCode := start(t, w, paying("2.00"))
	check(t, w, old, oldCode, otp.OutcomeSuperseded)
	check(t, w, fresh, freshCode, otp.OutcomeApproved)
	check(t, w, login, loginCode, otp.OutcomeApproved)
}

func TestBrokenPaymentsAreNoGuesses(t *testing.T) {
	t.Parallel()
	w := tenants(t)
	v, code := start(t, w, paying("1.00"))
	req := guess(v, code)
	req.Payment = &otp.Payment{Amount: "1,00"}
	if _, _, err := w.Check(t.Context(), req); kind(err) != otp.Invalid {
		t.Errorf("got %v", err)
	}
	if s := stored(t, w, v.ID); s.Attempts != 0 || s.Status != otp.Pending {
		t.Errorf("it is %s after %d tries", s.Status, s.Attempts)
	}
}

func TestStartsOfPaymentsThatAreRefused(t *testing.T) {
	t.Parallel()
	own := func(text string) func(*otp.Tenant) {
		return func(t *otp.Tenant) { t.Templates = []otp.Template{{Text: text}} }
	}
	for name, c := range map[string]struct {
		tenant func(*otp.Tenant)
		change func(*otp.StartRequest)
		field  string // "" is granted
	}{
		"as it should be":       {nil, func(*otp.StartRequest) {}, ""},
		"no payment":            {nil, func(r *otp.StartRequest) { r.Payment = nil }, "payment"},
		"no purpose":            {nil, func(r *otp.StartRequest) { r.Purpose = "" }, "payment"},
		"another purpose":       {nil, func(r *otp.StartRequest) { r.Purpose = otp.Recover }, "payment"},
		"a code of one's own":   {nil, func(r *otp.StartRequest) { r.Code = "123456" }, "code"},
		"a broken amount":       {nil, func(r *otp.StartRequest) { r.Payment.Amount = "x" }, "payment.amount"},
		"a variable twice":      {nil, func(r *otp.StartRequest) { r.Variables = map[string]string{"payee": "Eva"} }, "variables"},
		"other variables":       {nil, func(r *otp.StartRequest) { r.Variables = map[string]string{"name": "Eva"} }, ""},
		"a text that hides it":  {own("Your code is {{code}}."), func(*otp.StartRequest) {}, "payment"},
		"a text without payee":  {own("{{code}} {{amount}} {{currency}}"), func(*otp.StartRequest) {}, "payment"},
		"a text that shows it":  {own("{{amount}} {{currency}} to {{payee}}: {{code}}"), func(*otp.StartRequest) {}, ""},
		"the request's own one": {nil, func(r *otp.StartRequest) { r.Text = "Code %(code)s" }, "payment"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			change := func(*otp.Tenant) {}
			if c.tenant != nil {
				change = c.tenant
			}
			w := tenants(t, change)
			req := paying("10.00")
			c.change(&req)
			_, err := w.Start(t.Context(), req)
			var e *otp.Error
			switch {
			case c.field == "" && err != nil, c.field != "" && (!errors.As(err, &e) || e.Kind != otp.Invalid || e.Field != c.field):
				t.Fatalf("got %v, want a refusal of %q", err, c.field)
			case c.field == "":
				text := w.Courier.Last(t)
				for _, part := range []string{"10.00", "EUR", "Ana", text.Code} {
					if !strings.Contains(text.Body, part) {
						t.Errorf("the text lacks %s: %s", part, text.Body)
					}
				}
			}
		})
	}
}

// A profile for payments whose own text hides them is a mistake of the
// configuration, not of each start.
func TestTextsOfPaymentProfilesShowThem(t *testing.T) {
	t.Parallel()
	tenant := otp.Tenant{
		Name: "acme", Profiles: []otp.Profile{{Name: "pay", Purpose: otp.AuthorizePayment}, {Name: "login"}},
		Templates: []otp.Template{
			{Profile: "login", Text: "{{code}}"},
			{Text: "{{code}}"},
			{Profile: "pay", Channel: otp.SMS, Text: "{{amount}} {{currency}} {{payee}} {{code}}"},
			{Profile: "pay", Channel: otp.Email, Text: "{{code}} {{amount}} {{currency}}"},
		},
	}
	_, err := otp.NewDirectory([]otp.Tenant{tenant}, nil)
	var all otp.Mistakes
	if !errors.As(err, &all) || len(all) != 1 || !strings.HasSuffix(all[0].Path, ".templates[3].text") || !strings.Contains(all[0].Message, "{{payee}}") {
		t.Errorf("got %v", err)
	}
}

// What was cut or is weak is told to the caller, in the journal and to those
// who count.
func TestWeakSettingsAreTold(t *testing.T) {
	t.Parallel()
	w := tenants(t, loose(otp.Profile{Length: 4}))
	req := vendor(phone)
	req.Asked.MaxAttempts = 50
	v, _ := start(t, w, req)
	if got := strings.Join(v.Weak, ", "); got != "max_attempts, length" {
		t.Errorf("the caller is told %q", got)
	}
	events, err := w.Store.Events(t.Context(), v.ID)
	if err != nil || events[0].Detail != "weak: length; cut: max_attempts" {
		t.Errorf("the journal says %+v, %v", events, err)
	}
}

// A payee may be a person: what is kept of a payment is told to who asks for it.
func TestPaymentsArePersonalData(t *testing.T) {
	t.Parallel()
	w := tenants(t)
	v, _ := start(t, w, paying("10.00"))
	kept, err := w.PersonalData(t.Context(), "acme", phone)
	if err != nil || len(kept.Verifications) != 1 || kept.Verifications[0].Variables["payee"] != "Ana" {
		t.Errorf("%+v, %v", kept, err)
	}
	if stored(t, w, v.ID).Spec.Context == nil {
		t.Error("the payment's digest is not kept")
	}
}
