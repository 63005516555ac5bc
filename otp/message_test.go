package otp_test

import (
	"testing"
	"time"

	"github.com/aldaba-otp/aldaba/otp"
	"github.com/aldaba-otp/aldaba/otp/otptest"
	"github.com/aldaba-otp/aldaba/store"
	"github.com/aldaba-otp/aldaba/store/memory"
	"github.com/aldaba-otp/aldaba/store/storetest/world"
)

// second is another server on the store of a world.
func second(w *world.World) (*otp.Service, *world.Courier) {
	c := &world.Courier{}
	s := otp.New(otp.Options{
		Store: w.Store, Ring: w.Ring(), Courier: c, Addresses: otptest.Addresses{}, Passwords: otptest.Passwords{},
		Languages: otptest.Languages{}, Now: w.Clock.Now, Server: otp.FirstID(otptest.Start.Add(time.Hour)), Inbox: "inbox",
	})
	s.SetDirectory(w.Directory())
	return s, c
}

// report tells of a try of a message that has no plan.
func report(t testing.TB, s *otp.Service, m otp.Message, a otp.Attempt) error {
	t.Helper()
	_, err := s.Report(t.Context(), &otp.Dispatch{Message: m}, a)
	return err
}

// claim claims a message that no carrier took, and tells whether it is to be
// carried.
func claim(t testing.TB, s *otp.Service, m otp.Message) (otp.Dispatch, bool, error) {
	t.Helper()
	c, err := s.Claim(t.Context(), m)
	if c.Task != otp.TaskSend && c.Task != otp.TaskNothing {
		t.Errorf("task %d", c.Task)
	}
	return c.Dispatch, c.Task == otp.TaskSend, err
}

func orphans(t testing.TB, s *otp.Service) []otp.Message {
	t.Helper()
	found, err := s.Orphans(t.Context(), 10)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestCarriedMessageLeavesTheOutbox(t *testing.T) {
	t.Parallel()
	for _, result := range []otp.EventKind{otp.EventSent, otp.EventUnsent} {
		w := tenants(t)
		v, _ := start(t, w, native(phone))
		m := w.Courier.Dispatches()[0].Message
		if err := report(t, w.Service, m, otp.Attempt{Provider: "inbox", Result: result, Detail: "id-1"}); err != nil {
			t.Fatal(err)
		}
		want(t, report(t, w.Service, m, otp.Attempt{Result: result}), otp.NotFound, "", 0)
		other, _ := second(w)
		if j := journal(t, w, v.ID); j != "a started, b "+string(result) || len(orphans(t, other)) != 0 {
			t.Errorf("journal %s", j)
		}
	}
}

func TestRetryIsKeptAndEachTryHasItsLine(t *testing.T) {
	t.Parallel()
	w := tenants(t)
	v, code := start(t, w, native(phone))
	m := w.Courier.Dispatches()[0].Message
	tries := 0
	for m.MayRetry(w.Clock.Now()) {
		tries++
		next := w.Clock.Now().Add(time.Second)
		if err := report(t, w.Service, m, otp.Attempt{Provider: "p", Result: otp.EventRetry, NextAt: next, Copies: tries}); err != nil {
			t.Fatal(err)
		}
		d, ok, err := claim(t, w.Service, m)
		if err != nil || !ok || d.Message.Attempt != tries || d.Message.Copies != tries || !d.Message.NextAt.Equal(next) {
			t.Fatalf("%+v, %v, %v", d, ok, err)
		}
		if text, err := w.Render(&d); err != nil || text.Code != code {
			t.Fatalf("%+v, %v", text, err)
		}
		m = d.Message
	}
	if err := report(t, w.Service, m, otp.Attempt{Provider: "p", Result: otp.EventUnsent}); err != nil {
		t.Fatal(err)
	}
	if j := journal(t, w, v.ID); tries != 8 || j != "a started, b retry, c retry, d retry, e retry, f retry, g retry, h retry, i retry, j unsent" {
		t.Errorf("%d tries, journal %s", tries, j)
	}
}

func TestMessageOfAnEndedVerificationIsDropped(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(w *world.World, v otp.View, code string){
		"approved": func(w *world.World, v otp.View, code string) { check(t, w, v, code, otp.OutcomeApproved) },
		"expired":  func(w *world.World, _ otp.View, _ string) { w.Clock.Advance(5 * time.Minute) },
	} {
		w := tenants(t)
		v, code := start(t, w, native(phone))
		m := w.Courier.Dispatches()[0].Message
		end(w, v, code)
		for range 2 {
			if _, ok, err := claim(t, w.Service, m); ok || err != nil {
				t.Errorf("%s: %v, %v", name, ok, err)
			}
		}
		want(t, report(t, w.Service, m, otp.Attempt{Result: otp.EventSent}), otp.NotFound, "", 0)
		if events, _ := w.Store.Events(t.Context(), v.ID); events[1].N != 1 || events[1].Kind != otp.EventUnsent {
			t.Errorf("%s: events %+v", name, events)
		}
	}
}

func TestMessageOfADeadServerIsTakenOver(t *testing.T) {
	t.Parallel()
	w := tenants(t)
	if err := w.Store.Beat(t.Context(), otp.FirstID(otptest.Start)); err != nil {
		t.Fatal(err)
	}
	start(t, w, native(phone))
	m := w.Courier.Dispatches()[0].Message
	other, _ := second(w)
	if len(orphans(t, other)) != 0 || len(orphans(t, w.Service)) != 0 {
		t.Fatal("a message whose server lives is an orphan")
	}
	want(t, report(t, other, m, otp.Attempt{Result: otp.EventSent}), otp.NotFound, "", 0)
	w.Clock.Advance(store.FleetTimeout)
	found := orphans(t, other)
	if len(found) != 1 || found[0].ID != m.ID {
		t.Fatalf("orphans %v", found)
	}
	d, ok, err := claim(t, other, found[0])
	if err != nil || !ok || d.Message.Owner != otp.FirstID(otptest.Start.Add(time.Hour)) {
		t.Fatalf("%+v, %v, %v", d, ok, err)
	}
	if _, ok, err := claim(t, w.Service, m); ok || err != nil {
		t.Errorf("the first server claims it back: %v, %v", ok, err)
	}
	want(t, report(t, w.Service, m, otp.Attempt{Result: otp.EventSent}), otp.NotFound, "", 0)
	if err := report(t, other, d.Message, otp.Attempt{Result: otp.EventSent}); err != nil {
		t.Error(err)
	}
}

func TestRetriesEndBeforeTheCode(t *testing.T) {
	t.Parallel()
	for life, last := range map[time.Duration]time.Duration{5 * time.Minute: 270 * time.Second, time.Minute: 30 * time.Second, 20 * time.Second: 10 * time.Second} {
		m := otp.Message{Created: otptest.Start, Expires: otptest.Start.Add(life)}
		at := otptest.Start.Add(last)
		if !m.LastRetry().Equal(at) || !m.MayRetry(at) || m.MayRetry(at.Add(1)) {
			t.Errorf("%s: last retry at %s", life, m.LastRetry())
		}
	}
}

func TestTwoServersNeverGiveOneNumberTwice(t *testing.T) {
	t.Parallel()
	w := tenants(t)
	other, _ := second(w)
	seen := map[int64]bool{}
	for i := range 2500 {
		s := []*otp.Service{w.Service, other}[i%2]
		req := vendor(mail)
		req.Dialect, req.Numbered, req.To = "danaconnect", true, "a"+otp.ID{byte(i), byte(i >> 8)}.Hex()+"@example.com"
		v, err := s.Start(t.Context(), req)
		if err != nil || seen[v.Number] || v.Number < 1 || v.Number > 4000 {
			t.Fatalf("%d: number %d, %v", i, v.Number, err)
		}
		seen[v.Number] = true
		if i%500 == 0 {
			_, o, err := w.Check(t.Context(), otp.CheckRequest{Caller: acme, Dialect: "danaconnect", Ref: otp.Ref{Session: itoa(v.Number)}, Code: "x"})
			if o != otp.OutcomeWrong || err != nil {
				t.Fatalf("by its number: %s, %v", o, err)
			}
		}
	}
}

func TestJournalStaysWholeWhenABatchRunsAgain(t *testing.T) {
	t.Parallel()
	for name, class := range map[string]store.Class{"conflict": store.Again, "doubt": store.InDoubt} {
		w := tenants(t)
		w.Engine.FailWith(memory.Trouble{Times: 2, Commit: func(*otp.Records) *store.Failure {
			return &store.Failure{Class: class, Committed: notCommitted}
		}})
		v, code := start(t, w, native(phone))
		check(t, w, v, code, otp.OutcomeApproved)
		if j := journal(t, w, v.ID); j != "a started, k approved" || stored(t, w, v.ID).Sends != 1 || len(destinations(t, w)[0].Sends) != 1 {
			t.Errorf("%s: journal %s", name, j)
		}
	}
}

func TestAMessageWaitsForTheFirstOfItsTimers(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		profile string
		ids     []string
		hedge   time.Duration
		want    time.Duration
	}{
		"a second copy":                   {"default", []string{"one"}, 20 * time.Second, 20 * time.Second},
		"the receipt":                     {"default", []string{"one"}, 0, 90 * time.Second},
		"the receipt before a late copy":  {"default", []string{"one"}, 100 * time.Second, 90 * time.Second},
		"the next channel":                {"planned", nil, 0, 10 * time.Second},
		"the next channel before a copy":  {"planned", []string{"one"}, 20 * time.Second, 10 * time.Second},
		"a copy before the next channel":  {"planned", []string{"one"}, 5 * time.Second, 5 * time.Second},
		"nothing: nobody will tell of it": {"default", nil, 20 * time.Second, 0},
	} {
		w := priced(t)
		req := native(phone)
		req.Profile = c.profile
		start(t, w, req)
		f := tell(t, w, w.Courier.Dispatches()[0], otp.Attempt{Provider: "p", Result: otp.EventSent, Copies: 1, IDs: c.ids, Hedge: c.hedge})
		switch {
		case c.want == 0:
			if f.Waiting != nil {
				t.Errorf("%s: %+v", name, f.Waiting)
			}
		case f.Waiting == nil || !f.Waiting.NextAt.Equal(w.Clock.Now().Add(c.want)):
			t.Errorf("%s: %+v", name, f.Waiting)
		}
	}
}

func TestAMessageThatNobodyTakesLeadsOnOnlyWhatWaitsForIt(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		meanwhile func(*testing.T, *world.World, otp.View)
		next      bool
	}{
		"it is waited for": {func(*testing.T, *world.World, otp.View) {}, true},
		"canceled": {func(t *testing.T, w *world.World, v otp.View) {
			if _, err := w.Cancel(t.Context(), otp.CancelRequest{Caller: acme, Dialect: otp.NativeDialect, Ref: otp.Ref{ID: v.ID}}); err != nil {
				t.Fatal(err)
			}
		}, false},
		"its life is over": {func(_ *testing.T, w *world.World, _ otp.View) { w.Clock.Advance(5 * time.Minute) }, false},
		"another message leads": {func(t *testing.T, w *world.World, v otp.View) {
			w.Clock.Advance(time.Minute)
			if _, err := resend(w, t, v); err != nil {
				t.Fatal(err)
			}
		}, false},
		"the last channel began": {func(t *testing.T, w *world.World, v otp.View) {
			w.Clock.Advance(time.Minute)
			if _, err := w.Next(t.Context(), otp.NextRequest{Caller: acme, Dialect: otp.NativeDialect, Ref: otp.Ref{ID: v.ID}}); err != nil {
				t.Fatal(err)
			}
		}, false},
	} {
		w := priced(t)
		req := native(phone)
		req.Profile = "planned"
		v, _ := start(t, w, req)
		d := w.Courier.Dispatches()[0]
		c.meanwhile(t, w, v)
		if f := tell(t, w, d, otp.Attempt{Provider: "p", Result: otp.EventUnsent}); (f.Next != nil) != c.next || f.Waiting != nil {
			t.Errorf("%s: %+v", name, f)
		}
	}
}

// Only what a dead server may have had in hand counts as a copy, and is paid.
func TestWhatADeadServerHadNotTriedIsNoCopy(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		later  time.Duration // than the message's next try
		copies int
		want   otp.Money
	}{"before its next try": {-1, 1, 80}, "at its next try": {0, 2, 130}} {
		w := priced(t)
		start(t, w, native(phone))
		d := w.Courier.Dispatches()[0]
		tell(t, w, d, otp.Attempt{Provider: "p", Result: otp.EventRetry, NextAt: w.Clock.Now().Add(time.Minute), Copies: 1, Cost: 30})
		w.Clock.Advance(time.Minute + c.later)
		other, _ := second(w)
		got, ok, err := claim(t, other, d.Message)
		if err != nil || !ok || got.Message.Copies != c.copies {
			t.Errorf("%s: %+v, %t, %v", name, got.Message, ok, err)
		}
		spent(t, w, c.want)
	}
}

// A carrier that promised no receipt is silent about nothing.
func TestOnlyAPromisedReceiptIsMissed(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		ids  []string
		want string
	}{"promised": {[]string{"one"}, "a started, b sent, c unconfirmed"}, "not promised": {nil, "a started, b sent"}} {
		w := priced(t)
		req := native(phone)
		req.Profile = "planned"
		v, _ := start(t, w, req)
		waiting := taken(t, w, c.ids...).Waiting
		w.Clock.Advance(5 * time.Minute)
		task(t, w, *waiting, otp.TaskNothing)
		if got := journal(t, w, v.ID); got != c.want {
			t.Errorf("%s: journal %s", name, got)
		}
	}
}
