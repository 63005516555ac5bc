package otp_test

import (
	"context"
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
