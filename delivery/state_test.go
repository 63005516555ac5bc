package delivery_test

import (
	"context"
	"testing"
	"time"

	"github.com/aldaba-otp/aldaba/delivery"
	"github.com/aldaba-otp/aldaba/otp"
)

func TestHoldingTellsWhatWaitsForAVerification(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		h := newHouse("a")
		s := h.serve(t, 1, carriers{"a": {fails}})
		id, other := s.send(t, 1), s.send(t, 2)
		rest()
		held := s.courier.Holding(id)
		if len(held) != 1 || held[0].Verification != id || held[0].Attempt != 1 || held[0].Kind != otp.CodeMessage {
			t.Errorf("%+v", held)
		}
		if n := len(s.courier.Holding(other)); n != 1 {
			t.Errorf("the other has %d rows", n)
		}
		s.courier.Accept(otp.Dispatch{Message: otp.Message{ID: otp.ID{9}, Kind: otp.EventMessage, Verification: id, NextAt: h.clock.Now().Add(time.Hour), Created: h.clock.Now()}})
		if held := s.courier.Holding(id); len(held) != 2 || held[1].Kind != otp.EventMessage {
			t.Errorf("with an event: %+v", held)
		}
		if n := len(s.courier.Holding(otp.ID{7})); n != 0 {
			t.Errorf("an unknown one has %d rows", n)
		}
	})
}

// binds is a carrier with connections.
type binds struct {
	carrier
	up, want int
}

func (b *binds) Status() (up, want int) { return b.up, b.want }

func TestConnectionsAreThoseOfProvidersThatKeepThem(t *testing.T) {
	t.Parallel()
	c := delivery.New(delivery.Options{})
	c.SetProviders(map[string]delivery.Provider{"b": &binds{up: 1, want: 2}, "a": &binds{want: 3}, "plain": &carrier{}})
	got := c.Connections()
	if len(got) != 2 || got[0] != (delivery.ConnectionState{Provider: "a", Want: 3}) || got[1] != (delivery.ConnectionState{Provider: "b", Up: 1, Want: 2}) {
		t.Errorf("%+v", got)
	}
}

// mark is a value that goes with a context.
type mark struct{}

func TestAroundStandsAroundEachCall(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		h := newHouse("a", "b")
		var seen []delivery.Try
		var classes []delivery.Class
		h.around = func(ctx context.Context, try delivery.Try, m *otp.Message) (context.Context, func(error)) {
			seen = append(seen, try)
			return context.WithValue(ctx, mark{}, m.ID), func(err error) { classes = append(classes, delivery.ClassOf(err)) }
		}
		s := h.serve(t, 1, carriers{"a": {panics}, "b": {func(ctx context.Context, m delivery.Message) error {
			if id, ok := ctx.Value(mark{}).(otp.ID); !ok || id.String() != m.ID {
				t.Errorf("the context holds %v", ctx.Value(mark{}))
			}
			return &delivery.Error{Class: delivery.Rejected}
		}}})
		s.send(t, 1)
		rest()
		if len(seen) != 2 || seen[0].Provider != "a" || seen[1].Provider != "b" || seen[0].Tenant != "acme" || seen[0].Country != "VE" || seen[0].Channel != "sms" {
			t.Errorf("%+v", seen)
		}
		if len(classes) != 2 || classes[0] != delivery.Unknown || classes[1] != delivery.Rejected {
			t.Errorf("%v", classes)
		}
	})
}
