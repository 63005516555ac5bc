package storetest

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aldaba-otp/aldaba/otp"
	"github.com/aldaba-otp/aldaba/otp/otptest"
	"github.com/aldaba-otp/aldaba/store"
)

// serviceFacts are the core's promises over the engine, where half of the
// callers are on a second server when there can be one.
func (s *suite) serviceFacts() map[string]func(*testing.T) {
	return map[string]func(*testing.T){
		"of 64 right guesses at once exactly one is approved":    s.rightGuesses,
		"64 wrong guesses at once use each try exactly once":     s.wrongGuesses,
		"of 64 starts at once for one address exactly five send": s.manyStarts,
		"of 64 guesses at once at 99 in a row one is judged":     s.lastGuess,
		"tenants never meet": s.tenantsApart,
		"an erasure among starts and guesses leaves nothing behind": s.erasing,
		"the sweeper expires, erases and deletes what time asks it": s.sweeping,
	}
}

// server is the core over one writer.
type server struct {
	*otp.Service
	store    *store.Writer
	mu       sync.Mutex
	messages map[otp.ID]otp.Dispatch
}

// Accept implements [otp.Courier]: it keeps the messages.
func (s *server) Accept(d otp.Dispatch) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.messages[d.Verification.ID] = d
}

// code returns what a verification waits for.
func (s *server) code(t *testing.T, id otp.ID) string {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	v := s.messages[id].Verification
	code, err := otptest.Ring(t).Code(&v)
	if err != nil {
		t.Fatalf("code of %s: %v", id, err)
	}
	return code
}

// serve makes a core over a writer; ahead is how far its clock is turned.
func serve(t *testing.T, w *store.Writer, ahead func() time.Duration) *server {
	t.Helper()
	s := &server{store: w, messages: make(map[otp.ID]otp.Dispatch)}
	id := newID()
	s.Service = otp.New(otp.Options{
		Store: w, Ring: otptest.Ring(t), Courier: s, Addresses: otptest.Addresses{}, Passwords: otptest.Passwords{},
		Languages: otptest.Languages{}, Now: func() time.Time { return time.Now().Add(ahead()) }, Server: id, Inbox: "inbox",
	})
	directory, err := otp.NewDirectory(otptest.Demo(otptest.Ring(t)), nil)
	if err != nil {
		t.Fatal(err)
	}
	s.SetDirectory(directory)
	return s
}

func (s *suite) servers(t *testing.T) [2]*server {
	t.Helper()
	still := func() time.Duration { return 0 }
	pair := s.pair(t)
	return [2]*server{serve(t, pair[0], still), serve(t, pair[1], still)}
}

func acme() otp.Caller { return otp.Caller{Tenant: "acme", Identity: "test"} }

// begin starts a verification of a tenant.
func (s *server) begin(tenant, to string) (otp.View, error) {
	return s.Start(context.Background(), otp.StartRequest{
		Caller: otp.Caller{Tenant: tenant, Identity: "test"}, Dialect: otp.NativeDialect, To: to,
	})
}

func (s *server) guess(caller otp.Caller, id otp.ID, code string) (otp.View, otp.Outcome, error) {
	return s.Check(context.Background(), otp.CheckRequest{Caller: caller, Dialect: otp.NativeDialect, Ref: otp.Ref{ID: id}, Code: code})
}

// number is a telephone number for one round.
func number(n int) string { return fmt.Sprintf("+1809555%04d", n) }

// everybody calls f at once, half of the callers on each server.
func everybody(servers [2]*server, f func(s *server)) {
	var all sync.WaitGroup
	for i := range callers {
		all.Go(func() { f(servers[i%2]) })
	}
	all.Wait()
}

func (s *suite) rightGuesses(t *testing.T) {
	servers := s.servers(t)
	for round := range s.opts.Rounds {
		v, err := servers[0].begin("acme", number(round))
		if err != nil {
			t.Fatal(err)
		}
		code := servers[0].code(t, v.ID)
		var approved, used atomic.Int64
		everybody(servers, func(s *server) {
			switch _, outcome, err := s.guess(acme(), v.ID, code); {
			case err != nil:
				t.Error(err)
			case outcome == otp.OutcomeApproved:
				approved.Add(1)
			case outcome == otp.OutcomeUsed:
				used.Add(1)
			}
		})
		same(t, [2]int64{approved.Load(), used.Load()}, [2]int64{1, callers - 1})
	}
}

func (s *suite) wrongGuesses(t *testing.T) {
	servers := s.servers(t)
	for round := range s.opts.Rounds {
		v, err := servers[0].begin("acme", number(round))
		if err != nil {
			t.Fatal(err)
		}
		code := servers[0].code(t, v.ID)
		var wrong, exhausted atomic.Int64
		everybody(servers, func(s *server) {
			switch _, outcome, err := s.guess(acme(), v.ID, otptest.WrongCode(code)); {
			case err != nil:
				t.Error(err)
			case outcome == otp.OutcomeWrong:
				wrong.Add(1)
			case outcome == otp.OutcomeExhausted:
				exhausted.Add(1)
			}
		})
		same(t, [2]int64{wrong.Load(), exhausted.Load()}, [2]int64{5, callers - 5})
		if _, outcome, err := servers[1].guess(acme(), v.ID, code); err != nil || outcome != otp.OutcomeExhausted {
			t.Errorf("the right code afterwards: %v, %v", outcome, err)
		}
	}
}

// lastGuess: one more wrong guess locks the address, and no second is judged.
func (s *suite) lastGuess(t *testing.T) {
	servers := s.servers(t)
	for round := range s.opts.Rounds {
		v, err := servers[0].begin("acme", number(round))
		if err != nil {
			t.Fatal(err)
		}
		err = servers[0].store.Do(t.Context(), otp.Step{Load: otp.Keys{Verifications: []otp.ID{v.ID}}, Decide: func(now time.Time, st *otp.State) error {
			row, _ := st.Verifications.Get(v.ID)
			d, _ := st.Destinations.Get(row.Destination)
			d.Run = otp.Run{Failures: 99, At: now.Add(-2 * time.Hour), Channels: 1}
			st.Destinations.Put(d.Key, d)
			return nil
		}})
		if err != nil {
			t.Fatal(err)
		}
		code := otptest.WrongCode(servers[0].code(t, v.ID))
		var wrong, refused atomic.Int64
		everybody(servers, func(s *server) {
			switch _, outcome, err := s.guess(acme(), v.ID, code); {
			case outcome == otp.OutcomeWrong:
				wrong.Add(1)
			case outcome == otp.OutcomeThrottled && otp.AsError(err).Rule == otp.RuleLock:
				refused.Add(1)
			default:
				t.Errorf("%v, %v", outcome, err)
			}
		})
		same(t, [2]int64{wrong.Load(), refused.Load()}, [2]int64{1, callers - 1})
	}
}

func (s *suite) manyStarts(t *testing.T) {
	servers := s.servers(t)
	for round := range s.opts.Rounds {
		var sent, refused atomic.Int64
		everybody(servers, func(s *server) {
			switch _, err := s.begin("acme", number(round)); {
			case err == nil:
				sent.Add(1)
			case otp.KindOf(err) == otp.Throttled:
				refused.Add(1)
			default:
				t.Error(err)
			}
		})
		same(t, [2]int64{sent.Load(), refused.Load()}, [2]int64{5, callers - 5})
	}
}

// tenantsApart has two tenants verify one number: neither sees, spends or
// counts what is the other's.
func (s *suite) tenantsApart(t *testing.T) {
	servers := s.servers(t)
	globex := otp.Caller{Tenant: "globex", Identity: "test"}
	for range 5 {
		if _, err := servers[0].begin("globex", number(1)); err != nil {
			t.Fatal(err)
		}
	}
	v, err := servers[0].begin("acme", number(1))
	if err != nil {
		t.Fatalf("globex's sends count for acme: %v", err)
	}
	code := servers[0].code(t, v.ID)
	if _, _, err := servers[1].guess(globex, v.ID, code); otp.KindOf(err) != otp.NotFound {
		t.Errorf("globex checks acme's: %v", err)
	}
	if _, err := servers[1].Lookup(t.Context(), globex, v.ID); otp.KindOf(err) != otp.NotFound {
		t.Errorf("globex looks at acme's: %v", err)
	}
	if _, err := servers[1].Cancel(t.Context(), otp.CancelRequest{Caller: globex, Dialect: otp.NativeDialect, Ref: otp.Ref{ID: v.ID}}); otp.KindOf(err) != otp.NotFound {
		t.Errorf("globex cancels acme's: %v", err)
	}
	list, err := servers[1].List(t.Context(), acme(), number(1))
	if err != nil || len(list) != 1 || list[0].ID != v.ID {
		t.Errorf("acme's list holds %d, %v", len(list), err)
	}
	if view, outcome, err := servers[1].guess(acme(), v.ID, code); err != nil || outcome != otp.OutcomeApproved || view.Status != otp.Approved {
		t.Errorf("acme's own check: %v, %v", outcome, err)
	}
}

// erasing is T73: it erases an address while others start and guess at it. What
// was there when it began is erased, nothing is approved afterwards, and the
// limits are as exact as without it.
func (s *suite) erasing(t *testing.T) {
	servers := s.servers(t)
	for round := range s.opts.Rounds {
		v, err := servers[0].begin("acme", number(round))
		if err != nil {
			t.Fatal(err)
		}
		code := servers[0].code(t, v.ID)
		var sent, wrong atomic.Int64
		sent.Add(1)
		everybody(servers, func(s *server) {
			switch _, err := s.begin("acme", number(round)); {
			case err == nil:
				sent.Add(1)
			case otp.KindOf(err) != otp.Throttled:
				t.Error(err)
			}
			switch _, outcome, err := s.guess(acme(), v.ID, otptest.WrongCode(code)); {
			case err != nil:
				t.Error(err)
			case outcome == otp.OutcomeWrong:
				wrong.Add(1)
			}
			if _, err := s.Erase(context.Background(), "acme", number(round), otp.ActorOperator); err != nil {
				t.Error(err)
			}
		})
		if _, err := servers[1].Erase(context.Background(), "acme", number(round), otp.ActorOperator); err != nil {
			t.Fatal(err)
		}
		if _, outcome, err := servers[1].guess(acme(), v.ID, code); err != nil || outcome == otp.OutcomeApproved {
			t.Errorf("afterwards the right code: %v, %v", outcome, err)
		}
		all, err := servers[0].PersonalData(context.Background(), "acme", number(round))
		if err != nil || len(all.Verifications) != 5 {
			t.Fatalf("%d verifications, %v", len(all.Verifications), err)
		}
		for _, one := range all.Verifications {
			erased := 0
			for _, e := range one.Journal {
				if e.Kind == otp.EventErased {
					erased++
				}
			}
			if one.To != otp.Erased || one.Status == otp.Pending || erased != 1 {
				t.Errorf("%s is %s, to %s, erased %d times", one.ID, one.Status, one.To, erased)
			}
		}
		same(t, [3]int64{sent.Load(), int64(len(all.Limits.Sends)), int64(len(all.Limits.Wrongs))}, [3]int64{5, 5, wrong.Load()})
	}
}

func (s *suite) sweeping(t *testing.T) {
	var turned atomic.Int64
	ahead := func() time.Duration { return time.Duration(turned.Load()) }
	e := s.open(t)
	w := store.NewWriter(e, store.Options{Writers: s.opts.Writers, Floor: floor(e), Offset: ahead})
	t.Cleanup(func() {
		if err := w.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	one := serve(t, w, ahead)
	v, err := one.begin("acme", number(1))
	if err != nil {
		t.Fatal(err)
	}
	sweeper := one.NewSweeper()
	after := func(d time.Duration) []otp.Verification {
		turned.Add(int64(d))
		if _, err := sweeper.Round(t.Context()); err != nil {
			t.Fatal(err)
		}
		found, err := w.Verifications(t.Context(), v.ID)
		if err != nil {
			t.Fatal(err)
		}
		return found
	}
	if found := after(10 * time.Minute); len(found) != 1 || found[0].Status != otp.Expired || len(found[0].Secret) == 0 {
		t.Errorf("after its life: %+v", found)
	}
	if found := after(2 * time.Hour); len(found) != 1 || len(found[0].Secret) != 0 {
		t.Errorf("an hour after its end: %+v", found)
	}
	if found := after(31 * 24 * time.Hour); len(found) != 0 {
		t.Errorf("after a month: %+v", found)
	}
}
