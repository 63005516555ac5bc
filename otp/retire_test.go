package otp_test

import (
	"crypto/rand"
	"strings"
	"testing"
	"time"

	"github.com/aldaba-otp/aldaba/otp"
	"github.com/aldaba-otp/aldaba/otp/otptest"
	"github.com/aldaba-otp/aldaba/store/storetest/world"
)

// keyOf returns the id of the n-th key of a use, oldest first.
func keyOf(t testing.TB, r *otp.Ring, use otp.Use, n int) string {
	t.Helper()
	for _, k := range r.Keys() {
		if k.Use == use {
			if n == 0 {
				return k.ID
			}
			n--
		}
	}
	t.Fatalf("the ring has no such %s key", use)
	return ""
}

// rotate gives a world a ring with one more key of each given use, in use from
// a minute on.
func rotate(t testing.TB, w *world.World, uses ...otp.Use) {
	t.Helper()
	r, err := w.Ring().Rotate(w.Clock.Now(), rand.Reader, false, uses...)
	if err != nil {
		t.Fatal(err)
	}
	w.SetRing(r)
}

func needs(t testing.TB, w *world.World, use otp.Use, key string) string {
	t.Helper()
	list, err := w.KeyNeeds(t.Context(), use, key)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(list, "; ")
}

func TestRingRetiresOnlyOldKeys(t *testing.T) {
	t.Parallel()
	now := otptest.Start.Truncate(time.Second)
	one := otptest.Ring(t)
	for _, use := range otp.Uses() {
		if _, err := one.Retire(now, use, keyOf(t, one, use, 0)); err == nil {
			t.Errorf("the only %s key went", use)
		}
	}
	if _, err := one.Retire(now, "", "ffffffff"); otp.KindOf(err) != otp.NotFound {
		t.Errorf("an unknown key: %v", err)
	}
	two, err := one.Rotate(now, rand.Reader, true, otp.UseCode, otp.UseSeal, otp.UseSign)
	if err != nil {
		t.Fatal(err)
	}
	for use, wait := range map[otp.Use]time.Duration{otp.UseCode: 10 * time.Minute, otp.UseSeal: 10 * time.Minute, otp.UseSign: 2 * time.Hour} {
		old, young := keyOf(t, two, use, 0), keyOf(t, two, use, 1)
		if _, err := two.Retire(now.Add(24*time.Hour), use, young); err == nil {
			t.Errorf("the %s key in use went", use)
		}
		if _, err := two.Retire(now.Add(wait-1), use, old); err == nil {
			t.Errorf("the old %s key went too early", use)
		}
		rest, err := two.Retire(now.Add(wait), use, old)
		if err != nil {
			t.Fatal(err)
		}
		if len(rest.Keys()) != len(two.Keys())-1 || keyOf(t, rest, use, 0) != young || rest.Fingerprint() != two.Fingerprint() {
			t.Errorf("%s: left are %v", use, rest.Keys())
		}
	}
}

// TestKeysGoWhenNothingNeedsThem is a part of T72: what lives long is sealed
// anew, what lives short keeps its key as long as it lives, and then no verdict
// changes without the old key.
func TestKeysGoWhenNothingNeedsThem(t *testing.T) {
	t.Parallel()
	w := tenants(t)
	for _, id := range []string{"c1", "c2", "c3"} { // beside the three of the demo
		if _, err := w.PutContact(t.Context(), "acme", id, otp.ContactAddresses{SMS: phone}, false); err != nil {
			t.Fatal(err)
		}
	}
	v, code := start(t, w, native(phone))
	oldCode, oldSeal := keyOf(t, w.Ring(), otp.UseCode, 0), keyOf(t, w.Ring(), otp.UseSeal, 0)
	rotate(t, w, otp.UseCode, otp.UseSeal)
	if n, err := w.ResealContacts(t.Context()); n != 0 || err != nil {
		t.Errorf("before the new key is in use: %d, %v", n, err)
	}
	w.Clock.Advance(2 * time.Minute)
	if got := needs(t, w, otp.UseSeal, oldSeal); !strings.Contains(got, "6 contacts") || !strings.Contains(got, "verifications") {
		t.Errorf("the old seal key: %q", got)
	}
	if got := needs(t, w, otp.UseCode, oldCode); !strings.Contains(got, "codes that people wait for") {
		t.Errorf("the old code key: %q", got)
	}
	if n, err := w.ResealContacts(t.Context()); n != 6 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	if n, err := w.ResealContacts(t.Context()); n != 0 || err != nil {
		t.Errorf("again: %d, %v", n, err)
	}
	if got := needs(t, w, otp.UseSeal, oldSeal); strings.Contains(got, "contacts") || !strings.Contains(got, "verifications") {
		t.Errorf("after sealing anew: %q", got)
	}
	check(t, w, v, code, otp.OutcomeApproved)
	if got := needs(t, w, otp.UseCode, oldCode); got != "" {
		t.Errorf("the old code key: %q", got)
	}
	next, code := start(t, w, native(phone)) // under the new keys
	w.Clock.Advance(time.Hour)
	erase(t, w, phone) // as good as the retention
	if got := needs(t, w, otp.UseSeal, oldSeal); got != "" {
		t.Errorf("the old seal key at last: %q", got)
	}
	again, err := w.Ring().Retire(w.Clock.Now(), otp.UseSeal, oldSeal)
	if err == nil {
		again, err = again.Retire(w.Clock.Now(), otp.UseCode, oldCode)
	}
	if err != nil {
		t.Fatal(err)
	}
	w.SetRing(again)
	if c, err := w.Contact(t.Context(), "acme", "c2"); err != nil || c.SMS != phone {
		t.Errorf("%+v, %v", c, err)
	}
	check(t, w, next, code, otp.OutcomeExpired)
	check(t, w, v, code, otp.OutcomeUsed)
	last, code := start(t, w, native(phone))
	check(t, w, last, code, otp.OutcomeApproved)
}

func TestSuppliedCodesNeedNoCodeKey(t *testing.T) {
	t.Parallel()
	w := tenants(t)
	req := native(phone)
	req.Code = "918273"
	v, _ := start(t, w, req)
	oldCode := keyOf(t, w.Ring(), otp.UseCode, 0)
	rotate(t, w, otp.UseCode, otp.UseSeal)
	w.Clock.Advance(2 * time.Minute)
	if got := needs(t, w, otp.UseCode, oldCode); got != "" { // it is sealed, not derived
		t.Errorf("%q", got)
	}
	check(t, w, v, "918273", otp.OutcomeApproved)
}

// A webhook that was switched off stays so when its secret is sealed anew.
func TestAWebhookStaysOffWhenItsSecretIsSealedAnew(t *testing.T) {
	t.Parallel()
	const url, secret = "https://app.example.com/hooks", "whsec_c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0"
	w := tenants(t)
	configure := func() {
		sealed, err := w.Ring().SealText(w.Clock.Now(), rand.Reader, otp.WebhookSecret("acme", url), secret)
		if err != nil {
			t.Fatal(err)
		}
		w.Configure(t, []otp.Tenant{{Name: "acme", Countries: []string{"*"}, Webhooks: []otp.Webhook{{URL: url, Secret: sealed}}}})
	}
	configure()
	start(t, w, native(phone))
	all := w.Courier.Dispatches()
	for i := range all {
		if m := all[i].Message; m.Kind == otp.EventMessage {
			if _, err := w.Noticed(t.Context(), m, otp.Telling{Gone: true}); err != nil {
				t.Fatal(err)
			}
		}
	}
	rotate(t, w, otp.UseSeal)
	w.Clock.Advance(2 * time.Minute)
	configure()
	if was, err := w.SwitchOn(t.Context(), "acme", url); err != nil || !was {
		t.Errorf("it was off: %v, %v", was, err)
	}
}

func TestTheKeyOfASealedTextIsTold(t *testing.T) {
	t.Parallel()
	r := otptest.Ring(t)
	now := otptest.Start
	sealed, err := r.SealText(now, rand.Reader, "a name", "a secret")
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]string{sealed: keyOf(t, r, otp.UseSeal, 0), "": "", "no base64": "", "AAA=": ""} {
		if got := otp.TextSealedBy(text); got != want {
			t.Errorf("%q: %q", text, got)
		}
	}
	two, err := r.Rotate(now, rand.Reader, true, otp.UseSeal)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		use otp.Use
		key string
		in  bool
	}{
		{otp.UseSeal, keyOf(t, two, otp.UseSeal, 0), false},
		{otp.UseSeal, keyOf(t, two, otp.UseSeal, 1), true},
		{otp.UseCode, keyOf(t, two, otp.UseCode, 0), true},
		{"", "ffffffff", false},
	} {
		if got := two.InUse(now.Add(time.Hour), c.use, c.key); got != c.in {
			t.Errorf("%s %s: %t", c.use, c.key, got)
		}
	}
	if again, err := two.ResealText(now.Add(time.Hour), rand.Reader, "another name", sealed); err == nil {
		t.Errorf("sealed for another place, and anew: %q", again)
	}
}

// TestASuppliedCodeNeedsTheKeyItIsSealedUnder and no other.
func TestASuppliedCodeNeedsTheKeyItIsSealedUnder(t *testing.T) {
	t.Parallel()
	w := tenants(t)
	old := keyOf(t, w.Ring(), otp.UseSeal, 0)
	rotate(t, w, otp.UseSeal)
	w.Clock.Advance(2 * time.Minute)
	req := native(phone)
	req.Code = "918273"
	start(t, w, req)
	if got := needs(t, w, otp.UseSeal, old); strings.Contains(got, "verifications") {
		t.Errorf("%q", got)
	}
}

// TestOneOfManyNeedsItsKey although it stands behind pages of others.
func TestOneOfManyNeedsItsKey(t *testing.T) {
	t.Parallel()
	w := tenants(t, unbounded)
	for n := range 1000 {
		v, code := start(t, w, native(line(n)))
		if n < 999 {
			check(t, w, v, code, otp.OutcomeApproved)
		}
	}
	if got := needs(t, w, otp.UseCode, keyOf(t, w.Ring(), otp.UseCode, 0)); !strings.Contains(got, "codes that people wait for") {
		t.Errorf("%q", got)
	}
}

// TestAContactThatDoesNotOpenIsToldOf, and none is taken for sealed anew.
func TestAContactThatDoesNotOpenIsToldOf(t *testing.T) {
	t.Parallel()
	w := tenants(t)
	rotate(t, w, otp.UseSeal)
	w.Clock.Advance(2 * time.Minute)
	rows, err := w.Store.ScanContacts(t.Context(), "acme", otp.Key{}, 1)
	if err != nil || len(rows) != 1 {
		t.Fatal(rows, err)
	}
	broken := rows[0]
	broken.Sealed = append(broken.Sealed[:len(broken.Sealed)-1:len(broken.Sealed)-1], broken.Sealed[len(broken.Sealed)-1]^1)
	if err := w.Store.Do(t.Context(), otp.Step{Load: otp.Keys{Contacts: []otp.Key{broken.Key}}, Decide: func(_ time.Time, st *otp.State) error {
		st.Contacts.Put(broken.Key, broken)
		return nil
	}}); err != nil {
		t.Fatal(err)
	}
	if n, err := w.ResealContacts(t.Context()); n != 0 || kind(err) != otp.Internal {
		t.Errorf("%d, %v", n, err)
	}
}
