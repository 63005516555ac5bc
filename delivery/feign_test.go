package delivery_test

import (
	"testing"
	"time"

	"github.com/aldaba-otp/aldaba/otp"
)

// sham starts a decoy.
func (s *server) sham(t *testing.T) otp.ID {
	t.Helper()
	v, err := s.Start(t.Context(), otp.StartRequest{
		Caller: otp.Caller{Tenant: "acme", Identity: "key 1"}, Dialect: otp.NativeDialect, To: "+584121234567", Decoy: true,
	})
	if err != nil {
		t.Fatalf("start: %v", err)
	}
	return v.ID
}

func planOfTwo(t *otp.Tenant) {
	t.Profiles = []otp.Profile{{Name: "default", Plan: []otp.Leg{{Channel: otp.WhatsApp, Wait: 20 * time.Second}, {Channel: otp.SMS}}}}
	t.Routes = append(t.Routes, otp.Route{Channel: otp.WhatsApp, Providers: t.Routes[0].Providers})
}

// TestNobodyIsAskedToCarryADecoy: its message is told as taken after a time in
// which a provider might have taken it, its plan goes on, and nothing leaves.
func TestNobodyIsAskedToCarryADecoy(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		h := newHouse("a", "b")
		h.shape = planOfTwo
		s := h.serve(t, 0, carriers{"a": nil, "b": nil})
		id := s.sham(t)
		pass(49 * time.Millisecond)
		if got := h.tries(t, id); got != "" {
			t.Errorf("at once: %s", got)
		}
		pass(time.Second)
		if got := h.tries(t, id); got != "sent whatsapp a (decoy)" {
			t.Errorf("after a second: %s", got)
		}
		pass(25 * time.Second)
		if got := h.tries(t, id); got != "sent whatsapp a (decoy), next sms (decoy), sent sms a (decoy)" {
			t.Errorf("at the end: %s", got)
		}
		if calls := h.line.all(); len(calls) != 0 || h.outbox(t) != 0 {
			t.Errorf("%d calls, %d rows", len(calls), h.outbox(t))
		}
	})
}

// TestADecoyOfADeadServerIsNotSent: who takes over its row sends nothing either.
func TestADecoyOfADeadServerIsNotSent(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		h := newHouse("a")
		first := h.serve(t, 0, carriers{"a": nil})
		id := first.sham(t)
		first.stop(0)
		if h.outbox(t) != 1 {
			t.Fatal("the row is gone")
		}
		h.serve(t, 1, carriers{"a": nil})
		pass(time.Minute)
		if got := h.tries(t, id); got != "sent sms a (decoy)" || len(h.line.all()) != 0 || h.outbox(t) != 0 {
			t.Errorf("%s; %d calls, %d rows", got, len(h.line.all()), h.outbox(t))
		}
	})
}

// TestADecoyWithoutARouteEnds: a tenant that has no provider at all has none to name.
func TestADecoyWithoutARouteEnds(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		h := newHouse() // no route of the tenant has a provider
		h.shape = func(t *otp.Tenant) {
			t.Routes, t.Profiles = nil, []otp.Profile{{Name: "default", Uniform: true}}
		}
		s := h.serve(t, 0, nil)
		id := s.sham(t)
		pass(time.Second)
		if got := h.tries(t, id); got != "unsent sms - no provider (decoy)" || h.outbox(t) != 0 {
			t.Errorf("%s; %d rows", got, h.outbox(t))
		}
	})
}
