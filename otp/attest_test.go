package otp_test

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/aldaba-otp/aldaba/otp"
	"github.com/aldaba-otp/aldaba/otp/otptest"
	"github.com/aldaba-otp/aldaba/store/storetest/world"
)

// opened checks a receipt with the keys that the server shows, and returns what
// it says.
func opened(t testing.TB, s *otp.Service, receipt string) (kid string, claims map[string]any) {
	t.Helper()
	parts := strings.Split(receipt, ".")
	if len(parts) != 3 {
		t.Fatalf("%q is no JWT", receipt)
	}
	part := func(i int) []byte {
		b, err := base64.RawURLEncoding.Strict().DecodeString(parts[i])
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	var header map[string]string
	if err := json.Unmarshal(part(0), &header); err != nil || header["alg"] != "EdDSA" || header["typ"] != "verification-receipt+jwt" || len(header) != 3 {
		t.Fatalf("header %s, %v", part(0), err)
	}
	for _, k := range s.ReceiptKeys() {
		if k.ID == header["kid"] && ed25519.Verify(k.Key, []byte(parts[0]+"."+parts[1]), part(2)) {
			if err := json.Unmarshal(part(1), &claims); err != nil {
				t.Fatal(err)
			}
			return k.ID, claims
		}
	}
	t.Fatalf("no key of the server has signed %q", receipt)
	return "", nil
}

// approved starts, guesses right and returns the receipt.
func approved(t testing.TB, w *world.World, s *otp.Service, req otp.StartRequest) (otp.View, string) {
	t.Helper()
	v, code := start(t, w, req)
	g := guess(v, code)
	g.Receipt, g.Caller = true, req.Caller
	got, outcome, err := s.Check(t.Context(), g)
	if err != nil || outcome != otp.OutcomeApproved {
		t.Fatalf("%s, %v", outcome, err)
	}
	return v, got.Receipt
}

func TestReceiptsSayWhatWasProven(t *testing.T) {
	t.Parallel()
	w := tenants(t)
	req := paying("10.00")
	req.Subject = "ana@example.com"
	w.Clock.Advance(1500 * time.Millisecond)
	v, receipt := approved(t, w, w.Service, req)
	_, got := opened(t, w.Service, receipt)
	at := float64(otptest.Start.Add(time.Second).Unix())
	for name, want := range map[string]any{
		"iss": "aldaba", "aud": "acme", "jti": v.ID.String(), "verification_id": v.ID.String(), "purpose": "authorize_payment", "channel": "sms",
		"iat": at, "approved_at": at, "exp": at + 300, "payment": "", "sub": "",
	} {
		switch {
		case want == "" && got[name] == nil || want != "" && got[name] != want:
			t.Errorf("%s is %v, want %v", name, got[name], want)
		}
		delete(got, name)
	}
	if len(got) != 0 {
		t.Errorf("it says more: %v", got)
	}
	body, _ := base64.RawURLEncoding.DecodeString(strings.Split(receipt, ".")[1])
	for _, secret := range []string{strings.TrimPrefix(phone, "+")[4:], "ana@", "Ana", "10.00"} {
		if strings.Contains(string(body), secret) {
			t.Errorf("the receipt tells %q: %s", secret, body)
		}
	}
}

// The subject is one for one address of one tenant, over channels and
// purposes, and tells nobody else who it is.
func TestReceiptsNameAddressesByPseudonyms(t *testing.T) {
	t.Parallel()
	w := tenants(t)
	sub := func(caller otp.Caller, to string, channel otp.Channel) string {
		req := native(to)
		req.Caller, req.Channel = caller, channel
		v, receipt := approved(t, w, w.Service, req)
		_, claims := opened(t, w.Service, receipt)
		if row := stored(t, w, v.ID).Destination; strings.Contains(claims["sub"].(string), otp.ID(row).Hex()) {
			t.Error("the subject is the name of the row")
		}
		return claims["sub"].(string)
	}
	ana := sub(acme, phone, otp.SMS)
	if got := sub(acme, "0412-123 45 67", otp.Voice); got != ana {
		t.Errorf("%s and %s are one line", got, ana)
	}
	if sub(acme, mail, otp.Email) == ana || sub(globex, phone, otp.SMS) == ana {
		t.Error("another address or tenant has the same subject")
	}
}

// No receipt is for anything but the one approval that asked for it.
func TestReceiptsAreForApprovalsAlone(t *testing.T) {
	t.Parallel()
	w := tenants(t)
	v, code := start(t, w, native(phone))
	for _, c := range []struct {
		what    string
		code    string
		peek    bool
		receipt bool
		want    otp.Outcome
		given   bool
	}{
		{"wrong", otptest.WrongCode(code), false, true, otp.OutcomeWrong, false},
		{"peek", code, true, true, otp.OutcomeApproved, false},
		{"right", code, false, true, otp.OutcomeApproved, true},
		{"used", code, false, true, otp.OutcomeUsed, false},
	} {
		g := guess(v, c.code)
		g.Peek, g.Receipt = c.peek, c.receipt
		got, outcome, err := w.Check(t.Context(), g)
		if err != nil || outcome != c.want || (got.Receipt != "") != c.given {
			t.Errorf("%s: %s, %q, %v", c.what, outcome, got.Receipt, err)
		}
	}
	quiet, code := start(t, w, native(mail))
	if got := check(t, w, quiet, code, otp.OutcomeApproved); got.Receipt != "" {
		t.Error("nobody asked for a receipt")
	}
}

// A profile may ask for all; a changed one changes no live verification, and no
// dialect that has no place for a receipt pays for one.
func TestProfilesAskForReceipts(t *testing.T) {
	t.Parallel()
	w := tenants(t, loose(otp.Profile{Receipt: true}))
	v, code := start(t, w, native(phone))
	other, otherCode := start(t, w, vendor(mail))
	w.Configure(t, []otp.Tenant{{Name: "acme", Countries: []string{"*"}, Home: "VE"}})
	if got := check(t, w, v, code, otp.OutcomeApproved); got.Receipt == "" {
		t.Error("no receipt")
	}
	if got := check(t, w, other, otherCode, otp.OutcomeApproved); got.Receipt != "" {
		t.Error("a vendor's dialect got a receipt")
	}
}

// A repeat is told the same bytes, hours later and after a rotation.
func TestRepeatsHoldTheSameReceipt(t *testing.T) {
	t.Parallel()
	w := tenants(t)
	v, code := start(t, w, native(phone))
	g := guess(v, code)
	g.Receipt = true
	g.Repeat = &otp.Repeat{Key: "k", Payload: []byte("p"), Answer: func(v otp.View, _ otp.Outcome) []byte { return []byte(v.Receipt) }}
	first, outcome, err := w.Check(t.Context(), g)
	if err != nil || outcome != otp.OutcomeApproved {
		t.Fatalf("%s, %v", outcome, err)
	}
	w.Clock.Advance(23 * time.Hour)
	next, err := w.Ring().Rotate(w.Clock.Now(), seeded{}, true, otp.UseSign)
	if err != nil {
		t.Fatal(err)
	}
	w.SetRing(next)
	var again *otp.Repeated
	if _, _, err = w.Check(t.Context(), g); !asRepeated(err, &again) || string(again.Answer) != first.Receipt || first.Receipt == "" {
		t.Errorf("first %q, then %v", first.Receipt, err)
	}
}

// A key is shown before it signs, and goes when nothing that it signed is good
// any more; the ring keeps it.
func TestReceiptKeysComeAndGo(t *testing.T) {
	t.Parallel()
	w := tenants(t)
	ids := func() (all []string) {
		for _, k := range w.ReceiptKeys() {
			all = append(all, k.ID)
		}
		return all
	}
	signer := func() string {
		w.Clock.Advance(time.Hour) // past the limits of the address
		_, receipt := approved(t, w, w.Service, native(phone))
		kid, _ := opened(t, w.Service, receipt)
		return kid
	}
	old := signer()
	next, err := w.Ring().Rotate(w.Clock.Now(), seeded{}, false, otp.UseSign)
	if err != nil {
		t.Fatal(err)
	}
	w.SetRing(next)
	if got := ids(); len(got) != 2 || got[0] != old {
		t.Fatalf("keys %v; the new one must be shown at once", got)
	}
	_, receipt := approved(t, w, w.Service, native(mail))
	if kid, _ := opened(t, w.Service, receipt); kid != old {
		t.Error("the new key signs before its time")
	}
	w.Clock.Advance(time.Minute + time.Minute + 5*time.Minute - time.Second) // it begins, then a life and the slack of clocks
	if got := ids(); len(got) != 2 {
		t.Errorf("keys %v; receipts of the old one may still be good", got)
	}
	w.Clock.Advance(time.Second)
	if got := ids(); len(got) != 1 || got[0] == old || signer() != got[0] {
		t.Errorf("keys %v; the old one must be gone", got)
	}
}

// The receipt key is derived, so that a ring file of before has one too, and
// the same on every server.
func TestReceiptKeysAreInEveryRing(t *testing.T) {
	t.Parallel()
	w := tenants(t)
	data, err := w.Ring().MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	again, err := otp.ParseRing(data)
	if err != nil {
		t.Fatal(err)
	}
	before := w.ReceiptKeys()
	w.SetRing(again)
	if after := w.ReceiptKeys(); len(after) != 1 || !after[0].Key.Equal(before[0].Key) || after[0].ID != before[0].ID {
		t.Errorf("%v, then %v", before, after)
	}
}

// Issuer and life are the operator's.
func TestReceiptsOfAnInstallation(t *testing.T) {
	t.Parallel()
	w := tenants(t)
	s := otp.New(otp.Options{
		Store: w.Store, Ring: w.Ring(), Courier: w.Courier, Addresses: otptest.Addresses{}, Passwords: otptest.Passwords{},
		Languages: otptest.Languages{}, Now: w.Clock.Now, Issuer: "https://otp.example.com", ReceiptLife: 90 * time.Second,
	})
	s.SetDirectory(w.Directory())
	_, receipt := approved(t, w, s, native(phone))
	_, claims := opened(t, s, receipt)
	if claims["iss"] != "https://otp.example.com" || claims["exp"].(float64)-claims["iat"].(float64) != 90 {
		t.Errorf("it says %v", claims)
	}
}

// seeded draws the bytes of other keys than the world's.
type seeded struct{}

func (seeded) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = byte(i*11 + 3)
	}
	return len(p), nil
}

func asRepeated(err error, into **otp.Repeated) bool { return errors.As(err, into) }
