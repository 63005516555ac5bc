package delivery_test

import (
	"context"
	"testing"
	"time"

	"github.com/aldaba-otp/aldaba/delivery"
	"github.com/aldaba-otp/aldaba/otp"
)

func TestStopWaitsForWhatIsInHandAndLeavesTheRest(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		h := newHouse("a")
		s := h.serve(t, 1, carriers{"a": {after(3 * time.Second)}})
		const messages, hands = 300, 256
		for n := range messages {
			s.send(t, n)
		}
		rest()
		if d := s.stop(20 * time.Second); d != 3*time.Second {
			t.Errorf("stopped after %s, want 3 s", d)
		}
		if sent, left := len(h.line.all()), h.outbox(t); sent != hands || left != messages-hands {
			t.Errorf("%d sent, %d left", sent, left)
		}
		s.send(t, messages) // it stays in the outbox
		if left := h.outbox(t); left != messages-hands+1 {
			t.Errorf("%d left", left)
		}
	})
}

func TestStopCutsShortAtItsDeadline(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		h := newHouse("a", "b")
		s := h.serve(t, 1, carriers{"a": {hangs}, "b": nil})
		id := s.send(t, 1)
		rest()
		if d := s.stop(4 * time.Second); d > 4*time.Second {
			t.Errorf("stopped after %s, want 4 s", d)
		}
		// Nobody knows whether it was taken: the next server sends it once more.
		if got := h.tries(t, id); got != "" || h.outbox(t) != 1 || h.line.names() != "a" {
			t.Errorf("asked %q, journal %q, %d in the outbox", h.line.names(), got, h.outbox(t))
		}
	})
}

func TestStopDoesNotWaitForAProviderThatNeverEnds(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		h := newHouse("a")
		end := make(chan struct{})
		deaf := func(context.Context, delivery.Message) error {
			<-end
			return nil
		}
		s := h.serve(t, 1, carriers{"a": {deaf}})
		s.send(t, 1)
		rest()
		if d := s.stop(4 * time.Second); d != 4*time.Second {
			t.Errorf("stopped after %s, want 4 s", d)
		}
		close(end)
	})
}

func TestRetriesAreLeftToTheNextServer(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		h := newHouse("a")
		first := h.serve(t, 1, carriers{"a": {fails}})
		id := first.send(t, 1)
		rest()
		if d := first.stop(time.Minute); d != 0 {
			t.Errorf("stopped after %s with nothing in hand", d)
		}
		if err := first.writer.Leave(t.Context(), first.id); err != nil {
			t.Fatal(err)
		}
		h.serve(t, 2, carriers{"a": nil})
		pass(time.Second)
		if got := bare(h.tries(t, id)); got != "retry unavailable, sent vendor" || h.line.names() != "a a" {
			t.Errorf("asked %q, journal %q", h.line.names(), got)
		}
	})
}

func TestOrphansOfTheDeadAreSentOnceMore(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		h := newHouse("a")
		dead := h.serve(t, 1, carriers{"a": {hangs}})
		const messages = 450 // more than two looks
		var id otp.ID
		for n := range messages {
			id = dead.send(t, n)
		}
		rest()
		dead.stop(0) // as a crash: what was in hand is not noted
		living := h.serve(t, 2, carriers{"a": nil})
		before := len(h.line.all())
		pass(10 * time.Second)
		if n := len(h.line.all()); n != before {
			t.Errorf("%d messages were taken from a server that may live", n-before)
		}
		if err := living.writer.Beat(t.Context(), living.id); err != nil {
			t.Fatal(err)
		}
		pass(10 * time.Second)
		if n := len(h.line.all()); n != before+messages || h.outbox(t) != 0 {
			t.Errorf("%d were sent, %d left", n-before, h.outbox(t))
		}
		if got := bare(h.tries(t, id)); got != "sent vendor" {
			t.Errorf("journal %q", got)
		}
	})
}

func TestTwoServersNeverBothSend(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		h := newHouse("a")
		dead := h.unstarted(t, 1, nil)
		for n := range 500 {
			dead.send(t, n)
		}
		for n := range 4 {
			h.serve(t, n+2, carriers{"a": {after(time.Second)}})
		}
		pass(30 * time.Second)
		seen := map[string]int{}
		for _, c := range h.line.all() {
			seen[c.message.ID]++
		}
		if len(seen) != 500 || len(h.line.all()) != 500 {
			t.Errorf("%d messages in %d calls", len(seen), len(h.line.all()))
		}
	})
}

func TestServerThatWokeUpSendsNothingThatWasTakenOver(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		h := newHouse("a")
		asleep := h.unstarted(t, 1, carriers{"a": nil}) // its queue stands still, it does not beat
		asleep.send(t, 1)
		h.serve(t, 2, carriers{"a": nil})
		pass(2 * time.Second)
		asleep.courier.Start(asleep.Service)
		pass(time.Minute)
		if got := h.line.names(); got != "a" {
			t.Errorf("asked %q", got)
		}
	})
}

func TestMessageIsHandedOverThriceAtMost(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		h := newHouse("a")
		s := h.serve(t, 1, carriers{"a": {hangs}})
		id := s.send(t, 1)
		for n := range 5 { // each crashes with the message in hand
			rest()
			s.stop(0)
			if err := s.writer.Leave(t.Context(), s.id); err != nil {
				t.Fatal(err)
			}
			s = h.serve(t, n+2, carriers{"a": {hangs}})
		}
		pass(time.Second)
		if got := h.line.names(); got != "a a a" {
			t.Errorf("asked %q", got)
		}
		if got := h.tries(t, id); bare(got) != "sent maybe: the answer was lost" || h.outbox(t) != 0 {
			t.Errorf("journal %q", got)
		}
	})
}
