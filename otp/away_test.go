package otp_test

import (
	"context"
	"crypto/rand"
	"errors"
	"testing"
	"time"

	"github.com/aldaba-otp/aldaba/otp"
	"github.com/aldaba-otp/aldaba/store"
	"github.com/aldaba-otp/aldaba/store/memory"
	"github.com/aldaba-otp/aldaba/store/storetest/world"
)

// TestAStoreThatGoesAwayIsToldOf lets each of the calls that an operation makes
// of the store fail: never is that taken for an answer.
func TestAStoreThatGoesAwayIsToldOf(t *testing.T) {
	t.Parallel()
	for name, prepare := range map[string]func(*testing.T, *world.World) func(context.Context) error{
		"start": func(_ *testing.T, w *world.World) func(context.Context) error {
			return func(ctx context.Context) error { _, err := w.Start(ctx, native(phone)); return err }
		},
		"start with a number": func(_ *testing.T, w *world.World) func(context.Context) error {
			req := vendor(phone)
			req.Dialect, req.Numbered = "danaconnect", true
			return func(ctx context.Context) error { _, err := w.Start(ctx, req); return err }
		},
		"check": func(t *testing.T, w *world.World) func(context.Context) error {
			v, code := start(t, w, native(phone))
			return func(ctx context.Context) error { _, _, err := w.Check(ctx, guess(v, code)); return err }
		},
		"resend": func(t *testing.T, w *world.World) func(context.Context) error {
			ref := otp.ResendRequest{Caller: acme, Dialect: otp.NativeDialect, Ref: otp.Ref{ID: begun(t, w).ID}}
			return func(ctx context.Context) error { _, err := w.Resend(ctx, ref); return err }
		},
		"next channel": func(t *testing.T, w *world.World) func(context.Context) error {
			ref := otp.NextRequest{Caller: acme, Dialect: otp.NativeDialect, Ref: otp.Ref{ID: begun(t, w).ID}}
			return func(ctx context.Context) error { _, err := w.Next(ctx, ref); return err }
		},
		"cancel": func(t *testing.T, w *world.World) func(context.Context) error {
			ref := otp.CancelRequest{Caller: acme, Dialect: otp.NativeDialect, Ref: otp.Ref{ID: begun(t, w).ID}}
			return func(ctx context.Context) error { _, err := w.Cancel(ctx, ref); return err }
		},
		"report": func(t *testing.T, w *world.World) func(context.Context) error {
			begun(t, w)
			d := w.Courier.Dispatches()[0]
			return func(ctx context.Context) error {
				_, err := w.Report(ctx, &d, otp.Attempt{Provider: "p", Result: otp.EventUnsent})
				return err
			}
		},
		"claim": func(t *testing.T, w *world.World) func(context.Context) error {
			begun(t, w)
			waiting := taken(t, w, "one").Waiting
			w.Clock.Advance(10 * time.Second)
			return func(ctx context.Context) error { _, err := w.Claim(ctx, *waiting); return err }
		},
		"a carrier's word": func(t *testing.T, w *world.World) func(context.Context) error {
			begun(t, w)
			taken(t, w, "one")
			word := otp.Word{Provider: "p", ID: "one", Fate: otp.FateFailed}
			return func(ctx context.Context) error { _, err := w.Hear(ctx, word); return err }
		},
		"erasure": func(t *testing.T, w *world.World) func(context.Context) error {
			begun(t, w)
			return func(ctx context.Context) error {
				_, err := w.Erase(ctx, "acme", phone, otp.ActorOperator)
				return err
			}
		},
		"what is kept of a person": func(t *testing.T, w *world.World) func(context.Context) error {
			begun(t, w)
			return func(ctx context.Context) error { _, err := w.PersonalData(ctx, "acme", phone); return err }
		},
		"sweep": func(t *testing.T, w *world.World) func(context.Context) error {
			begun(t, w)
			req := native(another)
			req.Repeat = repeat("k", "start")
			start(t, w, req)
			w.Clock.Advance(32 * 24 * time.Hour)
			s := w.NewSweeper()
			return func(ctx context.Context) error {
				_, err := s.Round(ctx)
				if err != nil { // which is for the log, as it is
					return &otp.Error{Kind: otp.Unavailable, Cause: err}
				}
				return nil
			}
		},
		"fence": func(t *testing.T, w *world.World) func(context.Context) error {
			begun(t, w)
			return func(ctx context.Context) error { _, err := w.Fence(ctx, "", otp.ActorOperator, false); return err }
		},
		"sealing anew": func(t *testing.T, w *world.World) func(context.Context) error {
			rotate(t, w, otp.UseSeal)
			w.Clock.Advance(2 * time.Minute)
			return func(ctx context.Context) error { _, err := w.ResealContacts(ctx); return err }
		},
		"what needs a seal key": func(t *testing.T, w *world.World) func(context.Context) error {
			begun(t, w)
			key := keyOf(t, w.Ring(), otp.UseSeal, 0)
			return func(ctx context.Context) error { _, err := w.KeyNeeds(ctx, otp.UseSeal, key); return err }
		},
		"what needs a code key": func(t *testing.T, w *world.World) func(context.Context) error {
			begun(t, w)
			key := keyOf(t, w.Ring(), otp.UseCode, 0)
			return func(ctx context.Context) error { _, err := w.KeyNeeds(ctx, otp.UseCode, key); return err }
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			goneAtEach(t, prepare)
		})
	}
}

// begun is a verification with a plan, a minute ago.
func begun(t *testing.T, w *world.World) otp.View {
	t.Helper()
	req := native(phone)
	req.Profile = "planned"
	v, _ := start(t, w, req)
	w.Clock.Advance(time.Minute)
	return v
}

// goneAtEach carries out an operation whose first call of the store fails, then
// one whose second does, and so on until it makes no further one.
func goneAtEach(t *testing.T, prepare func(*testing.T, *world.World) func(context.Context) error) {
	t.Helper()
	for after := range 50 {
		w := priced(t)
		act := prepare(t, w)
		w.Engine.FailWith(memory.Trouble{After: after, Times: 1, Begin: &store.Failure{Class: store.Down, Cause: errors.New("no route to the store")}})
		err := act(t.Context())
		left := false // the failure is still to come
		for range after + 1 {
			left = w.Engine.Ping(t.Context()) != nil || left
		}
		switch {
		case left && (err != nil || after == 0):
			t.Fatalf("%d calls go well: %v", after, err)
		case left:
			return
		case kind(err) != otp.Unavailable:
			t.Errorf("call %d fails: %v", after+1, err)
		}
	}
	t.Error("it makes no end of calls")
}

// TestAnAddressWhoseRowIsGoneGetsANewOne: what happens to a verification of it
// is noted under the address's own key.
func TestAnAddressWhoseRowIsGoneGetsANewOne(t *testing.T) {
	t.Parallel()
	for name, act := range map[string]func(*testing.T, *world.World, otp.View){
		"wrong guess": func(t *testing.T, w *world.World, v otp.View) { check(t, w, v, "wrong0", otp.OutcomeWrong) },
		"fence":       func(t *testing.T, w *world.World, _ otp.View) { fence(t, w, "acme", false) },
		"sweep": func(t *testing.T, w *world.World, _ otp.View) {
			w.Clock.Advance(5 * time.Minute)
			sweep(t, w.NewSweeper())
		},
		"next channel": func(t *testing.T, w *world.World, _ otp.View) {
			tell(t, w, w.Courier.Dispatches()[0], otp.Attempt{Provider: "p", Result: otp.EventUnsent})
		},
	} {
		w := priced(t)
		v := begun(t, w)
		key := destinations(t, w)[0].Key
		if err := w.Store.Do(t.Context(), otp.Step{Load: otp.Keys{Destinations: []otp.Key{key}}, Decide: func(_ time.Time, st *otp.State) error {
			st.Destinations.Delete(key)
			return nil
		}}); err != nil {
			t.Fatal(err)
		}
		act(t, w, v)
		if rows := destinations(t, w); len(rows) != 1 || rows[0].Key != key || rows[0].Tenant != "acme" || rows[0].Touched.IsZero() {
			t.Errorf("%s: %+v", name, rows)
		}
	}
}

// TestALetterThatDoesNotOpenIsToldOf, as when its key is gone: it keeps its place in the outbox, and
// nothing is charged.
func TestALetterThatDoesNotOpenIsToldOf(t *testing.T) {
	t.Parallel()
	for name, prepare := range map[string]func(*testing.T, *world.World, otp.View) func(context.Context) error{
		"resend": func(_ *testing.T, w *world.World, v otp.View) func(context.Context) error {
			return func(ctx context.Context) error {
				_, err := w.Resend(ctx, otp.ResendRequest{Caller: acme, Dialect: otp.NativeDialect, Ref: otp.Ref{ID: v.ID}})
				return err
			}
		},
		"hedge": func(t *testing.T, w *world.World, _ otp.View) func(context.Context) error {
			hedged := otp.Attempt{Provider: "p", Result: otp.EventSent, Copies: 1, IDs: []string{"one"}, Hedge: time.Second}
			waiting := tell(t, w, w.Courier.Dispatches()[0], hedged).Waiting
			w.Clock.Advance(time.Second)
			return func(ctx context.Context) error { _, err := w.Claim(ctx, *waiting); return err }
		},
		"next channel": func(t *testing.T, w *world.World, _ otp.View) func(context.Context) error {
			waiting := taken(t, w, "one").Waiting
			w.Clock.Advance(10 * time.Second)
			return func(ctx context.Context) error { _, err := w.Claim(ctx, *waiting); return err }
		},
		"a dead server's message": func(_ *testing.T, w *world.World, _ otp.View) func(context.Context) error {
			return func(ctx context.Context) error {
				other, _ := second(w)
				_, err := other.Claim(ctx, w.Courier.Dispatches()[0].Message)
				return err
			}
		},
		"a lost message": func(t *testing.T, w *world.World, _ otp.View) func(context.Context) error {
			taken(t, w, "one")
			word := otp.Word{Provider: "p", ID: "one", Fate: otp.FateFailed}
			return func(ctx context.Context) error { _, err := w.Hear(ctx, word); return err }
		},
	} {
		w := priced(t)
		v := begun(t, w)
		act := prepare(t, w, v)
		ring, err := w.Ring().Rotate(w.Clock.Now(), rand.Reader, true, otp.UseSeal)
		if err == nil {
			ring, err = ring.Retire(w.Clock.Now().Add(day), otp.UseSeal, keyOf(t, ring, otp.UseSeal, 0))
		}
		if err != nil {
			t.Fatal(err)
		}
		w.SetRing(ring)
		before, err := w.Spend(t.Context(), "acme", w.Clock.Now())
		if err != nil {
			t.Fatal(err)
		}
		if err := act(t.Context()); kind(err) != otp.Internal {
			t.Errorf("%s: %v", name, err)
		}
		if rows, err := w.Store.ScanMessages(t.Context(), otp.ID{}, 10); err != nil || len(rows) != 1 {
			t.Errorf("%s: %+v, %v", name, rows, err)
		}
		spent(t, w, before)
	}
}
