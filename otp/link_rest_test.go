package otp_test

import (
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"github.com/aldaba-otp/aldaba/otp"
	"github.com/aldaba-otp/aldaba/otp/otptest"
)

func TestNothingAtRestHoldsAToken(t *testing.T) {
	t.Parallel()
	w := linked(t, otp.Profile{})
	v, _ := start(t, w, native(mail))
	token := lastToken(t, w)
	raw, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil {
		t.Fatal(err)
	}
	row := stored(t, w, v.ID)
	data := append(append(append([]byte{}, row.Secret...), row.Spec.Letter...), row.Spec.Metadata...)
	if leaks := otptest.Leaks(data, token, string(raw[16:])); len(leaks) > 0 {
		t.Error(leaks)
	}
}

// TestAChangedProfileChangesNoLink holds what a verification was started with
// against the configuration of now.
func TestAChangedProfileChangesNoLink(t *testing.T) {
	t.Parallel()
	w := linked(t, otp.Profile{})
	configure := func(link, text string) {
		a := otp.Tenant{Name: "acme", Countries: []string{"*"}, Profiles: []otp.Profile{{Name: "default", Policy: otp.Compatible, Link: link}}}
		if text != "" {
			a.Templates = []otp.Template{{Channel: otp.Email, Text: text}}
		}
		w.Configure(t, []otp.Tenant{a})
	}
	start(t, w, native(mail))
	token := lastToken(t, w)
	configure("", "")
	if text := w.Courier.Last(t); text.Link != "" || strings.Contains(text.Body, token) {
		t.Errorf("it is shown without a page: %+v", text)
	}
	redeem(t, w, token, otp.OutcomeApproved)
	v, code := start(t, w, native(mail))
	configure(page, "{{code}} {{link}}")
	if text := w.Courier.Last(t); text.Link != "" || !strings.Contains(text.Body, "\n"+code+"\n") {
		t.Errorf("a verification from before shows %q", text.Body)
	}
	row := stored(t, w, v.ID)
	unknownLink(t, w, acme, otp.LinkTokenForTest(w.Ring(), &row))
	check(t, w, v, code, otp.OutcomeApproved)
	_, code = start(t, w, native(mail))
	if text := w.Courier.Last(t); text.Body != code+" "+text.Link || !strings.HasPrefix(text.Link, page+"#token=") {
		t.Errorf("a template shows %q", text.Body)
	}
}

// TestNoDecoyAndNothingUnknownIsApproved makes tokens that are right for what
// they are made of, as nobody without the ring can.
func TestNoDecoyAndNothingUnknownIsApproved(t *testing.T) {
	t.Parallel()
	w := linked(t, otp.Profile{})
	v, _ := start(t, w, native(mail))
	row := stored(t, w, v.ID)
	row.ID[15] ^= 1
	row.Spec.Decoy = true
	err := w.Store.Do(t.Context(), otp.Step{
		Load:   otp.Keys{Verifications: []otp.ID{row.ID}},
		Decide: func(_ time.Time, st *otp.State) error { st.Verifications.Put(row.ID, row); return nil },
	})
	if err != nil || !stored(t, w, row.ID).Spec.Link {
		t.Fatalf("the decoy is not there: %v", err)
	}
	unknownLink(t, w, acme, otp.LinkTokenForTest(w.Ring(), &row))

	nothing := otp.Verification{Secret: make([]byte, 16), Spec: otp.Spec{KeyID: row.Spec.KeyID}}
	raw, err := base64.RawURLEncoding.DecodeString(otp.LinkTokenForTest(w.Ring(), &nothing))
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range []otp.ID{{1}, row.ID, v.ID} {
		unknownLink(t, w, acme, base64.RawURLEncoding.EncodeToString(append(id[:], raw[16:]...)))
	}
	redeem(t, w, lastToken(t, w), otp.OutcomeApproved)
}
