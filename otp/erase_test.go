package otp_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aldaba-otp/aldaba/otp"
	"github.com/aldaba-otp/aldaba/otp/otptest"
	"github.com/aldaba-otp/aldaba/store"
	"github.com/aldaba-otp/aldaba/store/memory"
	"github.com/aldaba-otp/aldaba/store/storetest/world"
)

func erase(t testing.TB, w *world.World, to string) otp.Erasure {
	t.Helper()
	done, err := w.Erase(t.Context(), "acme", to, otp.ActorOperator)
	if err != nil {
		t.Fatal(err)
	}
	return done
}

// personal is a start that brings all that is personal.
func personal(to string) otp.StartRequest {
	req := vendor(to)
	req.Subject, req.Metadata, req.Variables = "user-4711", []byte(`{"cart":"c-99"}`), map[string]string{"name": "Ana"}
	return req
}

// TestEraseRemovesWhatIsPersonal is T73: what lives is canceled, nothing that
// is personal is left, and an old id answers as before.
func TestEraseRemovesWhatIsPersonal(t *testing.T) {
	t.Parallel()
	w := tenants(t)
	approved, right := start(t, w, personal(phone))
	check(t, w, approved, right, otp.OutcomeApproved)
	exhausted, code := start(t, w, personal(phone))
	for range 5 {
		check(t, w, exhausted, otptest.WrongCode(code), otp.OutcomeWrong)
	}
	expired, _ := start(t, w, personal(phone))
	w.Clock.Advance(5 * time.Minute)
	own := personal(phone)
	own.Code, own.Session = "918273", "session-1"
	pending, _ := start(t, w, own)
	theirs := native(phone)
	theirs.Caller = globex
	other, err := w.Start(t.Context(), theirs)
	if err != nil {
		t.Fatal(err)
	}
	others := stored(t, w, other.ID)
	all := []otp.View{approved, exhausted, expired, pending}

	if got := erase(t, w, "0412-123.45.67"); got.Verifications != 4 || got.Canceled != 1 || got.Before != 0 || len(got.Contacts) != 0 {
		t.Errorf("got %+v", got)
	}
	for i, want := range []otp.Status{otp.Approved, otp.Exhausted, otp.Expired, otp.Canceled} {
		v := stored(t, w, all[i].ID)
		s := v.Spec
		if v.Status != want || v.Secret != nil || s.Subject != "" || s.Letter != nil || s.Metadata != nil || s.Context != nil || s.Erased.IsZero() {
			t.Errorf("%s: %+v", want, v)
		}
		if j := journal(t, w, v.ID); strings.Count(j, "erased") != 1 {
			t.Errorf("%s: journal %s", want, j)
		}
		view, err := w.Lookup(t.Context(), acme, v.ID)
		if err != nil || view.To != otp.Erased || view.Subject != "" || view.Status != want {
			t.Errorf("%s: look-up %+v, %v", want, view, err)
		}
		if line, err := w.Timeline(t.Context(), acme, v.ID); err != nil || len(line) == 0 {
			t.Errorf("%s: timeline %v, %v", want, line, err)
		}
		if one, err := w.Trace(t.Context(), v.ID); err != nil || one.To != otp.Erased {
			t.Errorf("%s: trace to %q, %v", want, one.To, err)
		}
	}
	check(t, w, approved, right, otp.OutcomeUsed)
	check(t, w, exhausted, code, otp.OutcomeExhausted)
	check(t, w, expired, "000000", otp.OutcomeExpired)
	check(t, w, pending, "918273", otp.OutcomeCanceled)
	if _, o, err := w.Check(t.Context(), otp.CheckRequest{Caller: acme, Dialect: "modica", Ref: otp.Ref{Session: "session-1"}, Code: "918273"}); o != otp.OutcomeCanceled || err != nil {
		t.Errorf("by its handle: %s, %v", o, err)
	}
	if _, err := w.Resend(t.Context(), otp.ResendRequest{Caller: acme, Dialect: "modica", Ref: otp.Ref{ID: pending.ID}}); otp.KindOf(err) != otp.Ended {
		t.Errorf("resend: %v", err)
	}
	if list, err := w.List(t.Context(), acme, phone); err != nil || len(list) != 4 || list[0].To != otp.Erased {
		t.Errorf("list %v, %v", list, err)
	}
	if got := stored(t, w, other.ID); got.Status != otp.Pending || !bytes.Equal(got.Spec.Letter, others.Spec.Letter) {
		t.Errorf("another tenant's: %+v", got)
	}

	// A second time changes nothing.
	commits := w.Store.Stats().Commits
	if got := erase(t, w, phone); got.Verifications != 0 || got.Before != 4 || got.Canceled != 0 {
		t.Errorf("again: %+v", got)
	}
	if n := w.Store.Stats().Commits - commits; n != 0 {
		t.Errorf("again: %d commits", n)
	}
}

func TestEraseOfWhatIsNotThere(t *testing.T) {
	t.Parallel()
	w := tenants(t)
	if got := erase(t, w, phone); got.Verifications != 0 || len(destinations(t, w)) != 0 {
		t.Errorf("%+v", got)
	}
	if _, err := w.Erase(t.Context(), "nobody", phone, "x"); otp.KindOf(err) != otp.NotFound {
		t.Errorf("no tenant: %v", err)
	}
	if _, err := w.Erase(t.Context(), "acme", "pigeon", "x"); otp.KindOf(err) != otp.Invalid || strings.Contains(err.Error(), "pigeon") {
		t.Errorf("no address: %v", err)
	}
	if _, err := w.PersonalData(t.Context(), "nobody", phone); otp.KindOf(err) != otp.NotFound {
		t.Errorf("no tenant: %v", err)
	}
}

// An erasure gives nobody new guesses or sends.
func TestEraseResetsNoLimit(t *testing.T) {
	t.Parallel()
	w := tenants(t)
	for range 4 {
		v, code := start(t, w, vendor(phone))
		forget(t, w) // else they would wait for one another
		for range 5 {
			check(t, w, v, otptest.WrongCode(code), otp.OutcomeWrong)
		}
	}
	change(t, w, func(d *otp.Destination) { d.Subject = otp.SubjectTag{1} })
	before := destinations(t, w)[0]
	erase(t, w, phone)
	after := destinations(t, w)[0]
	if !slices.Equal(before.Sends, after.Sends) || !slices.Equal(before.Wrongs, after.Wrongs) || !after.Touched.Equal(before.Touched) || after.Run != before.Run || after.Run.Failures != 5 || after.Subject != (otp.SubjectTag{}) || len(after.Live) != 0 {
		t.Errorf("before %+v\nafter %+v", before, after)
	}
	_, err := w.Start(t.Context(), vendor(phone))
	want(t, err, otp.Throttled, otp.RuleLedger, 24*time.Hour)
	w.Clock.Advance(24 * time.Hour)
	again, _ := start(t, w, vendor(phone)) // what is new is kept as ever
	if got := stored(t, w, again.ID); !got.Spec.Erased.IsZero() || got.Spec.Letter == nil {
		t.Errorf("%+v", got)
	}
	if got := erase(t, w, phone); got.Verifications != 1 || got.Before != 4 {
		t.Errorf("%+v", got)
	}
}

// TestEraseGoesOnAfterAFailure lets each commit of an erasure in steps fail.
func TestEraseGoesOnAfterAFailure(t *testing.T) {
	t.Parallel()
	w := tenants(t)
	const all = 120 // three steps
	for range all {
		start(t, w, vendor(phone))
		w.Clock.Advance(3 * time.Hour)
	}
	for _, failing := range []int{0, 1, 1} { // a step with nothing to do commits nothing
		left := failing
		w.Engine.FailWith(memory.Trouble{Commit: func(*otp.Records) *store.Failure {
			if left--; left >= 0 {
				return nil
			}
			return &store.Failure{Class: store.Down, Cause: errors.New("no route to the store")}
		}})
		if _, err := w.Erase(t.Context(), "acme", phone, "x"); otp.KindOf(err) != otp.Unavailable {
			t.Fatalf("commit %d fails: %v", failing, err)
		}
	}
	w.Engine.FailWith(memory.Trouble{})
	if got := erase(t, w, phone); got.Verifications+got.Before != all {
		t.Errorf("%+v", got)
	}
	n := 0
	if list, err := w.PersonalData(t.Context(), "acme", phone); err != nil {
		t.Error(err)
	} else {
		for _, v := range list.Verifications {
			if v.To == otp.Erased && strings.Count(journal(t, w, v.ID), "erased") == 1 {
				n++
			}
		}
	}
	if n != all {
		t.Errorf("%d are erased once", n)
	}
}

// What waits for the person is dropped, and what a carrier says later is for
// nobody.
func TestEraseDropsMessages(t *testing.T) {
	t.Parallel()
	w := priced(t)
	to := "+18095550100"
	req := native(to)
	hand, _ := start(t, w, req) // a provider has it in hand
	inHand := w.Courier.Dispatches()[0]
	req = vendor(to)
	took, _ := start(t, w, req)
	taken(t, w, "carrier-1")
	if got := erase(t, w, to); got.Messages != 2 || got.Canceled != 2 {
		t.Errorf("%+v", got)
	}
	if rows, err := w.Store.ScanMessages(t.Context(), otp.ID{}, 10); err != nil || len(rows) != 0 {
		t.Errorf("%v, %v", rows, err)
	}
	before := journal(t, w, hand.ID) + journal(t, w, took.ID)
	if _, err := w.Report(t.Context(), &inHand, otp.Attempt{Provider: "p", Result: otp.EventSent, Detail: "late " + to, IDs: []string{to}}); otp.KindOf(err) != otp.NotFound {
		t.Errorf("a late report: %v", err)
	}
	if h := hear(t, w, "p", "carrier-1", otp.FateDelivered); h.Known {
		t.Errorf("a late receipt: %+v", h)
	}
	if after := journal(t, w, hand.ID) + journal(t, w, took.ID); after != before {
		t.Errorf("the journal went on: %s", after)
	}
	// The one in hand may have been sent, so what was reserved for it stays spent.
	if spent, err := w.Spend(t.Context(), "acme", w.Clock.Now()); err != nil || spent != 50 {
		t.Errorf("spent %s, %v", spent, err)
	}
	if _, err := w.Render(&otp.Dispatch{Message: inHand.Message, Verification: stored(t, w, hand.ID)}); err == nil {
		t.Error("an erased verification was rendered")
	}
}

func TestEraseNamesContacts(t *testing.T) {
	t.Parallel()
	w := tenants(t)
	for id, a := range map[string]otp.ContactAddresses{
		"c1": {SMS: phone}, "c2": {Email: mail}, "c3": {SMS: "+18095550100", PendingSMS: "0412 1234567"}, "c4": {SMS: "+584121234568"},
	} {
		if _, err := w.PutContact(t.Context(), "acme", id, a, false); err != nil {
			t.Fatal(err)
		}
	}
	if got := erase(t, w, phone); !slices.Equal(got.Contacts, []string{"c1", "c3"}) {
		t.Errorf("%+v", got)
	}
	if c, err := w.Contact(t.Context(), "acme", "c1"); err != nil || c.SMS != phone {
		t.Errorf("%+v, %v", c, err)
	}
}

// TestJournalHoldsNoAddress has carriers that name messages after the number,
// or repeat it: it is covered in the journal, receipts find their message all
// the same, and the names go with the verification.
func TestJournalHoldsNoAddress(t *testing.T) {
	t.Parallel()
	w := tenants(t)
	v, _ := start(t, w, native(phone))
	taken(t, w, "584121234567-9", "x.04121234567.y", "1234567")
	names := []string{"584121234567-9", "x.04121234567.y", "1234567"}
	if _, err := w.Hear(t.Context(), otp.Word{Provider: "p", ID: names[0], Fate: otp.FateFailed, Detail: "absent +584121234567"}); err != nil {
		t.Fatal(err)
	}
	events, err := w.Store.Events(t.Context(), v.ID)
	if err != nil || len(events) != 3 {
		t.Fatalf("%v, %v", events, err)
	}
	for _, e := range events {
		if strings.Contains(e.Detail, "1234567") {
			t.Errorf("%s: %q", e.Kind, e.Detail)
		}
	}
	for _, name := range names {
		if h := hear(t, w, "p", name, otp.FateUnknown); !h.Known {
			t.Errorf("%s is not known", name)
		}
	}
	w.Clock.Advance(30*24*time.Hour + time.Second)
	sweep(t, w.NewSweeper())
	for _, name := range names {
		if h := hear(t, w, "p", name, otp.FateUnknown); h.Known {
			t.Errorf("%s is left", name)
		}
	}
}

func TestPersonalDataIsWholeAndHoldsNoCode(t *testing.T) {
	t.Parallel()
	w := tenants(t)
	req := personal(phone)
	req.Code, req.Sender = "918273", ""
	old, _ := start(t, w, req)
	check(t, w, old, "000000", otp.OutcomeWrong)
	erase(t, w, phone)
	v, code := start(t, w, personal(phone))
	if _, err := w.PutContact(t.Context(), "acme", "c1", otp.ContactAddresses{SMS: phone, Email: mail}, false); err != nil {
		t.Fatal(err)
	}
	got, err := w.PersonalData(t.Context(), "acme", phone)
	if err != nil || len(got.Verifications) != 2 || got.To != phone {
		t.Fatalf("%+v, %v", got, err)
	}
	one, was := got.Verifications[0], got.Verifications[1]
	if one.ID != v.ID || one.To != phone || one.Subject != "user-4711" || string(one.Metadata) != `{"cart":"c-99"}` || one.Variables["name"] != "Ana" ||
		one.Profile != "default" || one.Status != otp.Pending || one.Created.IsZero() || len(one.Journal) != 1 {
		t.Errorf("%+v", one)
	}
	if was.ID != old.ID || was.To != otp.Erased || was.Subject != "" || was.Metadata != nil || was.Erased.IsZero() || was.Status != otp.Canceled || len(was.Journal) != 4 {
		t.Errorf("%+v", was)
	}
	if len(got.Contacts) != 1 || got.Contacts[0].ID != "c1" || len(got.Limits.Sends) != 2 || len(got.Limits.Wrongs) != 1 {
		t.Errorf("%+v, %+v", got.Contacts, got.Limits)
	}
	text, err := json.Marshal(got)
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{code, "918273"} {
		if bytes.Contains(text, []byte(secret)) {
			t.Errorf("it holds the code %s: %s", secret, text)
		}
	}
}

// What no carrier can have taken costs nothing, and what one took costs what it
// cost.
func TestEraseSettlesWhatWasReserved(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		try  otp.Attempt
		wait time.Duration // until the message is claimed, and again until the erasure
		want otp.Money
	}{
		"waits for its next try": {otp.Attempt{Provider: "p", Result: otp.EventRetry, NextAt: otptest.Start.Add(time.Minute)}, 0, 0},
		"taken, and a second copy waits in vain": {
			otp.Attempt{Provider: "p", Result: otp.EventSent, Copies: 1, Cost: 30, IDs: []string{"one"}, Hedge: 20 * time.Second}, 90 * time.Second, 30,
		},
	} {
		w := priced(t)
		start(t, w, native(phone))
		d := w.Courier.Dispatches()[0]
		tell(t, w, d, c.try)
		if c.wait > 0 {
			w.Clock.Advance(c.try.Hedge)
			task(t, w, d.Message, otp.TaskHedge)
			w.Clock.Advance(c.wait)
		}
		if got := erase(t, w, phone); got.Messages != 1 {
			t.Errorf("%s: %+v", name, got)
		}
		if spent, err := w.Spend(t.Context(), "acme", otptest.Start); err != nil || spent != c.want {
			t.Errorf("%s: spent %s, %v", name, spent, err)
		}
	}
}
