package delivery_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/aldaba-otp/aldaba/delivery"
	"github.com/aldaba-otp/aldaba/otp"
	"github.com/aldaba-otp/aldaba/store"
	"github.com/aldaba-otp/aldaba/store/memory"
)

func TestBurstIsSentWhole(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h := newHouse("a")
		s := h.serve(t, 1, carriers{"a": {after(time.Millisecond)}})
		const messages = 10_000
		seen := map[string]bool{}
		done := make(chan struct{})
		for w := range 8 {
			go func() {
				for n := range messages / 8 {
					s.send(t, w*messages+n)
				}
				done <- struct{}{}
			}()
		}
		for range 8 {
			<-done
		}
		s.courier.Settle(t.Context())
		for _, c := range h.line.all() {
			seen[c.message.ID] = true
		}
		if len(seen) != messages || len(h.line.all()) != messages || h.outbox(t) != 0 {
			t.Errorf("%d messages in %d calls, %d in the outbox", len(seen), len(h.line.all()), h.outbox(t))
		}
	})
}

func TestStoreDownWhileReportingSendsNothingAnew(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h := newHouse("a")
		s := h.serve(t, 1, carriers{"a": {after(2 * time.Second)}})
		id := s.send(t, 1)
		rest()
		h.engine.FailWith(memory.Trouble{Begin: &store.Failure{Class: store.Down, Cause: errors.New("unplugged")}})
		pass(20 * time.Second)
		if n := len(h.line.all()); n != 1 {
			t.Errorf("it was sent %d times while the store was down", n)
		}
		h.engine.FailWith(memory.Trouble{})
		pass(5 * time.Second)
		if got := bare(h.tries(t, id)); got != "sent vendor" || len(h.line.all()) != 1 || h.outbox(t) != 0 {
			t.Errorf("journal %q after %d calls", got, len(h.line.all()))
		}
	})
}

func TestReportWhoseAnswerWasLostIsToldOnce(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h := newHouse("a")
		s := h.serve(t, 1, nil)
		lost := func(*otp.Records) *store.Failure {
			unknown := func(context.Context) (bool, error) { return false, errors.New("line cut") }
			return &store.Failure{Class: store.InDoubt, Cause: errors.New("line cut"), Committed: unknown}
		}
		s.courier.SetProviders(h.providers(carriers{"a": {func(context.Context, delivery.Message) error {
			h.engine.FailWith(memory.Trouble{Commit: lost, Lost: true, Times: 1})
			return &delivery.Error{Class: delivery.Unavailable}
		}, takes}}))
		id := s.send(t, 1)
		pass(30 * time.Second)
		if got := bare(h.tries(t, id)); got != "retry unavailable, sent vendor" {
			t.Errorf("journal %q", got)
		}
	})
}

func TestAdvancedClockWakesRetries(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h := newHouse("a")
		s := h.serve(t, 1, carriers{"a": {fails, takes}})
		s.send(t, 1)
		rest()
		h.clock.Advance(8 * time.Second)
		s.courier.Rest(t.Context())
		if got := h.line.names(); got != "a a" {
			t.Errorf("asked %q, with no time gone by", got)
		}
	})
}

func TestSettleWaitsForFirstTriesOnly(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h := newHouse("a")
		s := h.serve(t, 1, carriers{"a": {after(3 * time.Second), fails}})
		begin := time.Now()
		s.courier.Settle(t.Context())
		s.send(t, 1)
		s.courier.Settle(t.Context())
		if d := time.Since(begin); d != 3*time.Second {
			t.Errorf("settled after %s, want 3 s", d)
		}
		s.send(t, 2) // refused: a retry waits, which Settle does not
		s.courier.Settle(t.Context())
		if d := time.Since(begin); d != 3*time.Second {
			t.Errorf("settled after %s, want 3 s still", d)
		}
		s.courier.SetProviders(h.providers(carriers{"a": {after(5 * time.Second)}}))
		s.send(t, 3)
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		begin = time.Now()
		s.courier.Settle(ctx)
		if d := time.Since(begin); d != 2*time.Second {
			t.Errorf("settled after %s, want the 2 s it was given", d)
		}
	})
}

func TestRestWaitsForWhatIsInHand(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h := newHouse("a")
		s := h.serve(t, 1, carriers{"a": {fails, after(2 * time.Second)}})
		s.send(t, 1)
		rest()
		begin := time.Now()
		s.courier.Rest(t.Context()) // the retry is not due
		h.clock.Advance(8 * time.Second)
		s.courier.Rest(t.Context())
		if d := time.Since(begin); d != 2*time.Second {
			t.Errorf("at rest after %s, want 2 s", d)
		}
	})
}

func TestProvidersAreReplacedWhileItRuns(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h := newHouse("a", "b")
		s := h.serve(t, 1, nil)
		id := s.send(t, 1) // the providers are not there yet
		rest()
		if got := bare(h.tries(t, id)); got != "retry unavailable" {
			t.Errorf("journal %q", got)
		}
		s.courier.SetProviders(h.providers(carriers{"b": nil}))
		pass(10 * time.Second)
		if got := bare(h.tries(t, id)); got != "retry unavailable, sent vendor" || h.line.names() != "b" {
			t.Errorf("asked %q, journal %q", h.line.names(), got)
		}
	})
}

func TestMessagesWaitUntilTheCourierStarts(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h := newHouse("a")
		s := h.unstarted(t, 1, carriers{"a": nil})
		for n := range 300 {
			s.send(t, n)
		}
		rest()
		if n := len(h.line.all()); n != 0 {
			t.Errorf("%d were sent before the start", n)
		}
		s.courier.Start(s.Service)
		s.courier.Settle(t.Context())
		if n := len(h.line.all()); n != 300 {
			t.Errorf("%d were sent", n)
		}
	})
}
