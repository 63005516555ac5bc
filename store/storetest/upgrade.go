package storetest

import (
	"context"
	"encoding/hex"
	"testing"
	"time"

	"github.com/aldaba-otp/aldaba/otp"
	"github.com/aldaba-otp/aldaba/store"
)

// FirstRows are a row of each table that has grown since migration 0001, as
// that version kept it.
type FirstRows struct {
	Verification otp.Verification
	Spec         []byte // as packed then, without what was appended later
	Message      otp.Message
	Handle       otp.Handle
}

// firstSpec was written by the program that knew migration 0001 only. It never
// changes: it stands for the rows out there.
const firstSpec = "01066e6174697665056b65792d31056c6f67696e017003736d7302657303616e61eea0b0f8e2e0aa060a066469676974730c0e000101" +
	"63067365616c6564027b7d5410010000000000000000000000000000001002000000000000000000000000000000"

// First returns the rows that a caller of [Upgrade] puts into the tables of
// migration 0001.
func First(t *testing.T) FirstRows {
	t.Helper()
	packed, err := hex.DecodeString(firstSpec)
	if err != nil {
		t.Fatal(err)
	}
	created := time.Date(2026, 7, 1, 2, 3, 4, 567000, time.UTC)
	later := created.Add(5 * time.Minute)
	v := otp.Verification{
		ID: otp.ID{3}, Tenant: "acme", Destination: otp.Key{4}, Status: otp.Pending, Attempts: 1, Generation: 2, Sends: 3,
		LastSent: created, Expires: later, Events: 4, Secret: []byte("salt"),
		Spec: otp.Spec{
			Dialect: "native", Owner: "key-1", Profile: "login", Purpose: "p", Channel: otp.SMS, Locale: "es", Subject: "ana",
			Created: created, MaxAttempts: 5, Alphabet: otp.Digits, Length: 6, KeyID: 7, FreshCode: true, Context: []byte("c"),
			Letter: []byte("sealed"), Metadata: []byte("{}"), Number: 42, Handle: otp.Key{1}, Prev: otp.ID{2},
		},
	}
	return FirstRows{
		Verification: v, Spec: packed,
		Message: otp.Message{
			ID: otp.ID{5}, Tenant: "acme", Verification: v.ID, Kind: otp.CodeMessage, Channel: otp.SMS, Created: created,
			Expires: later, NextAt: created, Owner: otp.ID{6}, Attempt: 1, Copies: 2, FirstEvent: 3,
		},
		Handle: otp.Handle{Key: v.Spec.Handle, Verification: v.ID},
	}
}

// Upgrade proves that a database made by migration 0001 and filled with the
// rows of [First] is brought up to date: every row reads as before, with
// nothing in its new fields, and can be given what is new. Each call of open
// opens the same database.
func Upgrade(t *testing.T, open func() store.Engine) {
	first := First(t)
	x := set{Verification: first.Verification, Message: first.Message, Handle: first.Handle}
	within(t, open(), func(w *store.Writer) {
		same(t, x.fetch(t, w), x)
		found, err := w.Verifications(context.Background(), x.Verification.ID)
		if err != nil {
			t.Fatal(err)
		}
		same(t, found, []otp.Verification{x.Verification})
		sample := fullSet()
		x.Verification.Course, x.Message.Progress = sample.Verification.Course, sample.Message.Progress
		x.Handle.Message, x.Handle.Fate = sample.Handle.Message, sample.Handle.Fate
		do(t, w, x.keys(), func(s *otp.State) {
			s.Verifications.Put(x.Verification.ID, x.Verification)
			s.Messages.Put(x.Message.ID, x.Message)
			s.Handles.Put(x.Handle.Key, x.Handle)
		})
	})
	within(t, open(), func(w *store.Writer) { same(t, x.fetch(t, w), x) })
}

// within gives a writer over the engine and closes both.
func within(t *testing.T, e store.Engine, use func(w *store.Writer)) {
	t.Helper()
	w := store.NewWriter(e, store.Options{Floor: floor(e)})
	defer func() {
		if err := w.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	}()
	use(w)
}
