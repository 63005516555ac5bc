package delivery_test

import (
	"errors"
	"testing"
	"time"

	"github.com/aldaba-otp/aldaba/otp"
	"github.com/aldaba-otp/aldaba/store"
	"github.com/aldaba-otp/aldaba/store/memory"
)

// TestEachThatMayHaveTakenAMessageIsPaid, and nobody else.
func TestEachThatMayHaveTakenAMessageIsPaid(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		a, b []answer
		want otp.Money
	}{
		"the first takes it":                    {nil, nil, 30},
		"the first rejects it":                  {[]answer{rejects}, nil, 50},
		"the first is out of order":             {[]answer{fails}, nil, 50},
		"the first one's answer is lost":        {[]answer{loses}, nil, 80},
		"both answers are lost":                 {[]answer{loses}, []answer{loses}, 80},
		"nobody takes it":                       {[]answer{rejects}, []answer{rejects}, 0},
		"an answer is lost, the other rejects":  {[]answer{loses}, []answer{rejects}, 30},
		"an answer is lost, the other is later": {[]answer{loses}, []answer{fails, takes}, 80},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(t *testing.T) {
				h := newHouse("a", "b")
				h.shape = func(acme *otp.Tenant) {
					acme.Routes[0].Providers[0].Price, acme.Routes[0].Providers[1].Price = 30, 50
				}
				s := h.serve(t, 1, carriers{"a": c.a, "b": c.b})
				begin := h.clock.Now()
				s.send(t, 1)
				pass(10 * time.Minute)
				if got, err := s.Spend(t.Context(), "acme", begin); err != nil || got != c.want {
					t.Errorf("the day costs %d, want %d (%v); asked %s", got, c.want, err, h.line.names())
				}
			})
		})
	}
}

// TestAStoreThatIsAwayLosesNoRetry: what waits for its next try is not forgotten
// when it is due while nobody can be asked whether it is wanted.
func TestAStoreThatIsAwayLosesNoRetry(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		h := newHouse("a")
		s := h.serve(t, 1, carriers{"a": {fails, takes}})
		id := s.send(t, 1)
		rest()
		q := s.courier.Queue()
		if rows := h.rows(t); q.Waiting != 1 || len(rows) != 1 || !q.Oldest.Equal(rows[0].Created) {
			t.Errorf("%+v waits, the outbox is %+v", q, rows)
		}
		h.engine.FailWith(memory.Trouble{Begin: &store.Failure{Class: store.Down, Cause: errors.New("unplugged")}})
		pass(20 * time.Second)
		if got := h.line.names(); got != "a" {
			t.Errorf("asked %q while the store is away", got)
		}
		h.engine.FailWith(memory.Trouble{})
		pass(20 * time.Second)
		if got := bare(h.tries(t, id)); got != "retry unavailable, sent vendor" || h.outbox(t) != 0 {
			t.Errorf("journal %s", got)
		}
		if q := s.courier.Queue(); q.Waiting != 0 || !q.Oldest.IsZero() {
			t.Errorf("%+v waits", q)
		}
	})
}
