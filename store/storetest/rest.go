package storetest

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"testing"
	"time"

	"github.com/aldaba-otp/aldaba/otp"
	"github.com/aldaba-otp/aldaba/otp/otptest"
	"github.com/aldaba-otp/aldaba/store"
)

// restFacts are about what a thief of the database finds.
func (s *suite) restFacts() map[string]func(*testing.T) {
	return map[string]func(*testing.T){
		"what rests shows no address, code or secret, and nothing of what was erased": s.atRest,
	}
}

// atRest is a part of T76: it keeps one of everything, reads all bytes of the
// database, and looks for what must not be in them. What was erased, or went
// with its retention, must be gone from where records live, although it stood
// there in clear.
func (s *suite) atRest(t *testing.T) {
	if s.opts.AtRest == nil {
		t.Skip("the engine keeps nothing, as it declares")
	}
	e := s.open(t)
	turned := time.Duration(0)
	ahead := func() time.Duration { return turned }
	w := store.NewWriter(e, store.Options{Writers: s.opts.Writers, Floor: floor(e), Offset: ahead})
	one := serve(t, w, ahead)
	directory, err := otp.NewDirectory([]otp.Tenant{{Name: "acme", Countries: []string{"*"}, Profiles: []otp.Profile{
		{Name: "default", Policy: otp.Compatible, Alphabet: otp.Alnum, Length: 12},
	}}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	one.SetDirectory(directory)
	// Codes of 12 letters and digits, that none is found by chance.
	const retired, erased, kept, owned = "+584127771111", "zoraida.quispe@example.org", "+584127772222", "Wq7Zx9Kp3Mn5"
	began := one.personal(t, retired, "subject-retired", "")
	codes := []string{one.code(t, began.ID)}
	turned += 20 * 24 * time.Hour
	codes = append(codes, one.code(t, one.personal(t, erased, "subject-erased-", "").ID), one.code(t, one.personal(t, kept, "subject-kept", "").ID))
	one.personal(t, erased, "subject-erased-", owned)
	if _, err := one.PutContact(t.Context(), "acme", "c1", otp.ContactAddresses{SMS: kept, Email: erased}, false); err != nil {
		t.Fatal(err)
	}
	if _, err := one.Erase(t.Context(), "acme", erased, otp.ActorOperator); err != nil {
		t.Fatal(err)
	}
	turned += 11 * 24 * time.Hour // the first is beyond its retention
	if _, err := one.NewSweeper().Round(t.Context()); err != nil {
		t.Fatal(err)
	}
	if found, err := w.Verifications(t.Context(), began.ID); err != nil || len(found) != 0 {
		t.Fatalf("what was to be retired: %v, %v", found, err)
	}

	all, live := s.opts.AtRest(t, e)
	if err := w.Close(); err != nil {
		t.Error(err)
	}
	if all == nil {
		t.Skip("the database is somebody else's")
	}
	secrets := append(codes, retired, retired[1:], erased, kept, kept[1:], owned, "Zoraida-Variable")
	for _, leak := range otptest.Leaks(all, secrets...) {
		t.Errorf("at rest: %s", leak)
	}
	for _, leak := range otptest.Leaks(live, "subject-retired", "subject-erased-", "meta-subject-retired", "meta-subject-erased-") {
		t.Errorf("after its erasure or retention: %s", leak)
	}
	// The search is able to find: what is documented as readable is there.
	if len(otptest.Leaks(live, "subject-kept")) == 0 {
		t.Error("nothing was read")
	}
}

// personal starts a verification that brings all that is personal, also more
// metadata than fits on a page, and waits a while, so that no limit is met.
func (s *server) personal(t *testing.T, to, subject, code string) otp.View {
	t.Helper()
	noise := make([]byte, 1500) // of which no engine makes less by packing it
	_, _ = rand.Read(noise)
	v, err := s.Start(context.Background(), otp.StartRequest{
		Caller: acme(), Dialect: otp.NativeDialect, To: to, Subject: subject, Code: code,
		Metadata: []byte(`{"note":"` + hex.EncodeToString(noise) + "meta-" + subject + `"}`), Variables: map[string]string{"name": "Zoraida-Variable"},
		Repeat: &otp.Repeat{Key: "key " + subject + code, Answer: func(otp.View, otp.Outcome) []byte { return []byte("meta-" + subject) }},
	})
	if err != nil {
		t.Fatal(err)
	}
	return v
}
