package otp_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/aldaba-otp/aldaba/otp"
	"github.com/aldaba-otp/aldaba/otp/otptest"
	"github.com/aldaba-otp/aldaba/store/storetest/world"
)

func TestRefusedStartsAreNamed(t *testing.T) {
	t.Parallel()
	routed := func(tn *otp.Tenant) {
		tn.Countries, tn.Home = nil, "VE"
		tn.Profiles = []otp.Profile{{Name: "off", Inactive: true, Aliases: map[string][]string{"modica": {"app"}}}}
		tn.Profiles = append(tn.Profiles, otp.Profile{Name: "legs", Plan: []otp.Leg{{Channel: otp.SMS, Wait: 20 * time.Second}, {Channel: otp.Voice}}})
		tn.Templates = []otp.Template{
			{Channel: otp.Email, Subject: "for {{name}}", Text: "{{code}}"},
			{Channel: otp.Voice, Text: "{{code}} for {{name}}"},
			{Channel: otp.WhatsApp, Text: "{{code}} for {{amount}}"},
		}
	}
	for name, c := range map[string]struct {
		change func(*otp.StartRequest)
		kind   otp.Kind
		field  string
		rule   string
	}{
		"no address":        {func(r *otp.StartRequest) { r.To = "" }, otp.Invalid, "to", ""},
		"e-mail by SMS":     {func(r *otp.StartRequest) { r.To, r.Channel = mail, otp.SMS }, otp.Invalid, "channel", ""},
		"number by e-mail":  {func(r *otp.StartRequest) { r.Channel = otp.Email }, otp.Invalid, "channel", ""},
		"unknown channel":   {func(r *otp.StartRequest) { r.Channel = "fax" }, otp.Invalid, "channel", ""},
		"another country":   {func(r *otp.StartRequest) { r.To = "+525512345678" }, otp.Undeliverable, "to", "country"},
		"tenant is gone":    {func(r *otp.StartRequest) { r.Caller.Tenant = "nobody" }, otp.Unauthenticated, "", ""},
		"no credit":         {func(r *otp.StartRequest) { r.Caller.NoCredit = true }, otp.NoCredit, "", ""},
		"unknown profile":   {func(r *otp.StartRequest) { r.Profile = "x" }, otp.Inactive, "profile", ""},
		"switched off":      {func(r *otp.StartRequest) { r.Profile = "off" }, otp.Inactive, "profile", ""},
		"off by its alias":  {func(r *otp.StartRequest) { r.Dialect, r.Profile = "modica", "app" }, otp.Inactive, "profile", ""},
		"purpose":           {func(r *otp.StartRequest) { r.Purpose = "fun" }, otp.Invalid, "purpose", ""},
		"short own code":    {func(r *otp.StartRequest) { r.Code = "12" }, otp.Invalid, "code", ""},
		"long own code":     {func(r *otp.StartRequest) { r.Code = "1234567890123" }, otp.Invalid, "code", ""},
		"odd own code":      {func(r *otp.StartRequest) { r.Code = "12-34" }, otp.Invalid, "code", ""},
		"own code, length":  {func(r *otp.StartRequest) { r.Code, r.Asked.Length = "123456", 7 }, otp.Invalid, "length", ""},
		"own code, letters": {func(r *otp.StartRequest) { r.Code, r.Asked.Alphabet = "abc123", otp.Digits }, otp.Invalid, "alphabet", ""},
		"weak own code":     {func(r *otp.StartRequest) { r.Code = "12345" }, otp.Invalid, "length", ""},
		"text without code": {func(r *otp.StartRequest) { r.Text = "hello" }, otp.Invalid, "text", ""},
		"text with control": {func(r *otp.StartRequest) { r.Text = "%(code)s\x00" }, otp.Invalid, "text", ""},
		"text too long":     {func(r *otp.StartRequest) { r.Text = "%(code)s" + strings.Repeat("x", 2000) }, otp.Invalid, "text", ""},
		"variable's name":   {func(r *otp.StartRequest) { r.Variables = map[string]string{"a b": ""} }, otp.Invalid, "variables", ""},
		"variable's value":  {func(r *otp.StartRequest) { r.Variables = map[string]string{"a": strings.Repeat("x", 201)} }, otp.Invalid, "variables", ""},
		"subject's value":   {func(r *otp.StartRequest) { r.To = mail }, otp.Invalid, "variables", ""},
		"a later channel's": {func(r *otp.StartRequest) { r.Profile = "legs" }, otp.Invalid, "variables", ""},
		"a payment's":       {func(r *otp.StartRequest) { r.Channel = otp.WhatsApp }, otp.Invalid, "variables", ""},
		"subject":           {func(r *otp.StartRequest) { r.Subject = strings.Repeat("x", 257) }, otp.Invalid, "subject", ""},
		"key too long":      {func(r *otp.StartRequest) { r.Repeat = &otp.Repeat{Key: strings.Repeat("k", 256)} }, otp.Invalid, "Idempotency-Key", ""},
		"key empty":         {func(r *otp.StartRequest) { r.Repeat = &otp.Repeat{} }, otp.Invalid, "Idempotency-Key", ""},
	} {
		w := tenants(t, routed)
		req := native(phone)
		c.change(&req)
		_, err := w.Start(t.Context(), req)
		e := otp.AsError(err)
		if err == nil || e.Kind != c.kind || e.Field != c.field || e.Rule != c.rule || strings.Contains(e.Error(), phone) {
			t.Errorf("%s: got %#v", name, err)
		}
		if len(all(t, w)) != 0 || len(w.Courier.Dispatches()) != 0 || len(destinations(t, w)) != 0 {
			t.Errorf("%s: the refusal left a trace", name)
		}
	}
	w := world.New(t, world.Options{NoInbox: true})
	_, err := w.Start(t.Context(), native(phone))
	want(t, err, otp.Undeliverable, "route", 0)
}

func TestStoreThatIsDownIsUnavailable(t *testing.T) {
	t.Parallel()
	w := tenants(t)
	v, code := start(t, w, native(phone))
	down(w, true)
	_, err1 := w.Start(t.Context(), native(phone))
	_, _, err2 := w.Check(t.Context(), guess(v, code))
	_, err3 := w.Lookup(t.Context(), acme, v.ID)
	_, err4 := w.List(t.Context(), acme, phone)
	_, err5 := w.Contact(t.Context(), "acme", "4711")
	for i, err := range []error{err1, err2, err3, err4, err5} {
		if kind(err) != otp.Unavailable {
			t.Errorf("%d: got %v", i+1, err)
		}
	}
	down(w, false)
	check(t, w, v, code, otp.OutcomeApproved)
	if n := len(all(t, w)); n != 1 || len(w.Courier.Dispatches()) != 1 {
		t.Errorf("%d verifications", n)
	}
}

// The ledger is full for one second more, the sends of ten minutes for ten minutes.
func TestStartNamesTheLimitThatLastsLongest(t *testing.T) {
	t.Parallel()
	w := tenants(t, loose(otp.Profile{Length: 3}))
	v, code := start(t, w, vendor(phone))
	for range 5 {
		check(t, w, v, otptest.WrongCode(code), otp.OutcomeWrong)
	}
	w.Clock.Advance(24*time.Hour - time.Second)
	full := w.Clock.Now()
	err := w.Store.Do(t.Context(), otp.Step{Load: otp.Keys{Verifications: []otp.ID{v.ID}}, Decide: func(_ time.Time, st *otp.State) error {
		r, _ := st.Verifications.Get(v.ID)
		d, _ := st.Destinations.Get(r.Destination)
		d.Sends = []time.Time{full, full, full, full, full}
		st.Destinations.Put(d.Key, d)
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	_, err = w.Start(t.Context(), vendor(phone))
	want(t, err, otp.Throttled, otp.RuleBurst, 10*time.Minute)
}

func TestDecisionThatPanicsHarmsNobody(t *testing.T) {
	t.Parallel()
	w := tenants(t)
	v, code := start(t, w, native(phone))
	for name, decide := range map[string]func(st *otp.State){
		"error":      func(*otp.State) { panic(errors.New("defect")) },
		"text":       func(*otp.State) { panic("defect") },
		"not loaded": func(st *otp.State) { st.Messages.Get(otp.ID{9}) },
	} {
		err := w.Store.Do(t.Context(), otp.Step{Load: otp.Keys{Verifications: []otp.ID{v.ID}}, Decide: func(_ time.Time, st *otp.State) error {
			st.Verifications.Delete(v.ID)
			st.Journal(otp.Event{Verification: v.ID, N: 5})
			decide(st)
			return nil
		}})
		if kind(err) != otp.Internal || otp.AsError(err).Unwrap() == nil {
			t.Errorf("%s: got %v", name, err)
		}
	}
	check(t, w, v, code, otp.OutcomeApproved)
	if j := journal(t, w, v.ID); j != "a started, k approved" {
		t.Errorf("journal %s", j)
	}
}

func TestCodesOutliveARotationOfTheRing(t *testing.T) {
	t.Parallel()
	w := tenants(t)
	v, code := start(t, w, native(phone))
	req := vendor(mail)
	req.Code = "7654321"
	own, _ := start(t, w, req)
	next, err := w.Ring().Rotate(w.Clock.Now(), strings.NewReader(strings.Repeat("another key of the ring ", 9)), true, otp.UseCode, otp.UseSeal)
	if err != nil {
		t.Fatal(err)
	}
	w.SetRing(next)
	later, fresh := start(t, w, native(mail))
	if a, b := stored(t, w, v.ID).Spec.KeyID, stored(t, w, later.ID).Spec.KeyID; a == b {
		t.Errorf("both codes are of key %d", a)
	}
	check(t, w, v, code, otp.OutcomeApproved)
	check(t, w, own, "7654321", otp.OutcomeApproved)
	check(t, w, later, fresh, otp.OutcomeApproved)
}

func TestAllFaultsOfARequestAreToldAtOnce(t *testing.T) {
	t.Parallel()
	w := tenants(t)
	req := native("nobody")
	req.Asked.Length, req.Text = 3, "hello"
	_, err := w.Start(t.Context(), req)
	e := otp.AsError(err)
	fields := []string{e.Field}
	for _, also := range e.Also {
		fields = append(fields, also.Field)
	}
	if got := strings.Join(fields, " "); e.Kind != otp.Invalid || got != "to length text" {
		t.Errorf("%s is at fault: %v", got, err)
	}
}
