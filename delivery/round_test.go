package delivery_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/aldaba-otp/aldaba/delivery"
	"github.com/aldaba-otp/aldaba/otp"
)

func TestRounds(t *testing.T) {
	t.Parallel()
	const maybe = "maybe: the answer was lost"
	for _, c := range []struct {
		name    string
		a, b, c []answer
		asked   string // in order
		journal string
	}{
		{"taken at once is asked once", nil, nil, nil, "a", "sent vendor"},
		{"rejected goes to the next", []answer{rejects}, nil, nil, "a b", "sent vendor"},
		{"rejected by all is unsent", []answer{rejects}, []answer{rejects}, []answer{rejects}, "a b c", "unsent rejected"},
		{"throttled goes to the next at once", []answer{throttles}, nil, nil, "a b", "sent vendor"},
		{"out of order goes to the next at once", []answer{fails}, []answer{fails}, nil, "a b c", "sent vendor"},
		{
			"refused by all goes round again",
			[]answer{fails, takes},
			[]answer{throttles},
			[]answer{fails},
			"a b c a", "retry unavailable, sent vendor",
		},
		{
			"who rejected is not asked in the next round",
			[]answer{rejects},
			[]answer{fails, takes},
			[]answer{rejects},
			"a b c b", "retry rejected, sent vendor",
		},
		{
			"rejected by the last that was left is unsent",
			[]answer{rejects},
			[]answer{fails, rejects},
			[]answer{rejects},
			"a b c b", "retry rejected, unsent rejected",
		},
		{"a lost answer goes to the next", []answer{loses}, nil, nil, "a b", "sent vendor"},
		{"two lost answers are enough", []answer{loses}, []answer{loses}, nil, "a b", "sent " + maybe},
		{"a lost answer that everybody else rejected is maybe sent", []answer{loses}, []answer{rejects}, []answer{rejects}, "a b c", "sent " + maybe},
		{
			"a lost answer goes round again to those that were out of order, and not to who may have it",
			[]answer{loses},
			[]answer{rejects},
			[]answer{fails, takes},
			"a b c c", "retry unavailable, sent vendor",
		},
		{
			"a lost answer after refusals goes round again",
			[]answer{fails, takes},
			[]answer{throttles},
			[]answer{loses},
			"a b c a", "retry unknown, sent vendor",
		},
		{
			"two lost answers in two rounds",
			[]answer{fails, loses},
			[]answer{loses},
			[]answer{rejects},
			"a b c a", "retry rejected, sent " + maybe,
		},
		{"a panic is a lost answer", []answer{panics}, nil, nil, "a b", "sent vendor"},
		{
			"an error of no class is a lost answer",
			[]answer{func(context.Context, delivery.Message) error { return errors.New("what") }},
			nil, nil, "a b", "sent vendor",
		},
		{"no answer within 10 s is a lost answer", []answer{hangs}, nil, nil, "a b", "sent vendor"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(t *testing.T) {
				h := newHouse("a", "b", "c")
				s := h.serve(t, 1, carriers{"a": c.a, "b": c.b, "c": c.c})
				id := s.send(t, 1)
				pass(30 * time.Second)
				if got := h.line.names(); got != c.asked {
					t.Errorf("asked %q, want %q", got, c.asked)
				}
				if got := bare(h.tries(t, id)); got != c.journal {
					t.Errorf("journal %q, want %q", got, c.journal)
				}
				if n := h.outbox(t); n != 0 {
					t.Errorf("%d messages in the outbox", n)
				}
				calls := h.line.all()
				for _, m := range calls {
					if !reflect.DeepEqual(m.message, calls[0].message) {
						t.Errorf("another copy: %+v, first %+v", m.message, calls[0].message)
					}
				}
			})
		})
	}
}

// bare leaves a journal without channels, the names of providers and vendors'
// ids.
func bare(journal string) string {
	var lines []string
	for line := range strings.SplitSeq(journal, ", ") {
		words := strings.Fields(line)
		if len(words) > 3 && strings.HasPrefix(words[3], "vendor") {
			words[3] = "vendor"
		}
		if len(words) > 2 {
			words = append(words[:1], words[3:]...)
		}
		lines = append(lines, strings.Join(words, " "))
	}
	return strings.Join(lines, ", ")
}

func TestLostAnswerComesAfterTenSeconds(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		h := newHouse("a", "b")
		h.serve(t, 1, carriers{"a": {hangs}, "b": nil}).send(t, 1)
		rest()
		h.clock.Advance(time.Minute) // the calls' time-out goes by the real clock
		pass(time.Minute)
		calls := h.line.all()
		if len(calls) != 2 || calls[1].at.Sub(calls[0].at) != 10*time.Second {
			t.Errorf("calls %+v", calls)
		}
	})
}

func TestRetriesAreSpread(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		h := newHouse("a")
		s := h.serve(t, 1, carriers{"a": {fails}})
		const messages = 50
		for n := range messages {
			s.send(t, n)
		}
		rest()
		waits := map[time.Duration]bool{}
		for _, m := range h.rows(t) {
			wait := m.NextAt.Sub(m.Created)
			if waits[wait] = true; wait < 500*time.Millisecond || wait > time.Second {
				t.Errorf("a first retry after %s", wait)
			}
		}
		if n := len(h.line.all()); n != messages || len(waits) < messages {
			t.Errorf("%d first tries, %d different waits", n, len(waits))
		}
	})
}

func TestRetriesEnd(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		h := newHouse("a", "b")
		s := h.serve(t, 1, carriers{"a": {throttles, takes, throttles, takes, throttles}, "b": {throttles}})
		// The breakers stay closed while one of five goes well.
		s.send(t, 1)
		id := s.send(t, 2)
		pass(5 * time.Minute)
		journal := bare(h.tries(t, id))
		if tries := strings.Count(journal, "retry"); tries > 7 || h.outbox(t) != 0 {
			t.Errorf("journal %q", journal)
		}
	})
}

func TestAProviderThatIsOutOfOrderIsLeftAloneAndMessagesWait(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		h := newHouse("a")
		const messages, outage = 200, 2 * time.Minute
		back := time.Now().Add(outage)
		broken := func(context.Context, delivery.Message) error {
			if time.Now().Before(back) {
				return &delivery.Error{Class: delivery.Unavailable}
			}
			return nil
		}
		s := h.serve(t, 1, carriers{"a": {broken}})
		ids := make([]otp.ID, messages)
		for n := range messages {
			ids[n] = s.send(t, n)
		}
		pass(outage - time.Second)
		if asked := len(h.line.all()); asked < messages || asked > messages+60 {
			t.Errorf("a broken provider was asked %d times for %d messages", asked, messages)
		}
		if states := s.courier.Breakers(); len(states) != 1 || !states[0].Open || states[0].Why != "errors" {
			t.Errorf("breakers %+v", states)
		}
		pass(time.Minute + time.Second)
		for _, id := range ids {
			if got := bare(h.tries(t, id)); !strings.HasSuffix(got, "sent vendor") {
				t.Fatalf("journal %q", got)
			}
		}
		if states := s.courier.Breakers(); states[0].Open || h.outbox(t) != 0 {
			t.Errorf("breakers %+v", states)
		}
	})
}

func TestTheFirstTryIsMadeThoughEveryBreakerIsOpen(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		h := newHouse("a")
		s := h.serve(t, 1, carriers{"a": {fails, fails, fails, fails, fails, takes}})
		for n := range 5 {
			s.send(t, n)
			rest()
		}
		before := len(h.line.all())
		id := s.send(t, 6)
		rest()
		if got := bare(h.tries(t, id)); got != "sent vendor" || len(h.line.all()) != before+1 {
			t.Errorf("journal %q after %d calls", got, len(h.line.all())-before)
		}
	})
}

func TestAnOpenBreakerSendsTrafficToTheOthers(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		h := newHouse("a", "b")
		s := h.serve(t, 1, carriers{"a": {fails}, "b": nil})
		for n := range 100 {
			s.send(t, n)
			rest()
		}
		asked := strings.Fields(h.line.names())
		toA := 0
		for _, name := range asked {
			if name == "a" {
				toA++
			}
		}
		if toA != 5 || len(asked) != 105 {
			t.Errorf("a was asked %d times of %d", toA, len(asked))
		}
	})
}

func TestNoRetryShortlyBeforeTheCodeExpires(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		h := newHouse("a")
		s := h.serve(t, 1, carriers{"a": {hold(fails), takes}})
		id := s.send(t, 1)
		rest()
		h.clock.Advance(269*time.Second + 600*time.Millisecond) // of 300
		pass(10 * time.Second)
		if got := bare(h.tries(t, id)); got != "unsent unavailable" || h.line.names() != "a" {
			t.Errorf("asked %q, journal %q", h.line.names(), got)
		}
	})
}

// hold answers after a second.
func hold(next answer) answer {
	return func(ctx context.Context, m delivery.Message) error {
		if err := after(time.Second)(ctx, m); err != nil {
			return err
		}
		return next(ctx, m)
	}
}

func TestFirstTryIsMadeWhileTheCodeLives(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		h := newHouse("a")
		s := h.unstarted(t, 1, carriers{"a": nil})
		gone := s.send(t, 1)
		h.clock.Advance(time.Second)
		late := s.send(t, 2)
		h.clock.Advance(299*time.Second + 500*time.Millisecond) // one has expired, one lives half a second
		s.courier.Start(s.Service)
		rest()
		if got := bare(h.tries(t, late)); got != "sent vendor" {
			t.Errorf("the living one: %q", got)
		}
		if got := bare(h.tries(t, gone)); got != "unsent the code has expired" {
			t.Errorf("the expired one: %q", got)
		}
		if n := len(h.line.all()); n != 1 {
			t.Errorf("%d messages left the house", n)
		}
	})
}

func TestNothingIsSentOnceItIsOver(t *testing.T) {
	t.Parallel()
	caller := otp.Caller{Tenant: "acme", Identity: "key 1"}
	for name, end := range map[string]func(*testing.T, *server, otp.ID){
		"canceled": func(t *testing.T, s *server, id otp.ID) {
			if _, err := s.Cancel(t.Context(), otp.CancelRequest{Caller: caller, Dialect: otp.NativeDialect, Ref: otp.Ref{ID: id}}); err != nil {
				t.Fatal(err)
			}
		},
		"approved": func(t *testing.T, s *server, id otp.ID) {
			code := s.line.all()[0].message.Code
			_, outcome, err := s.Check(t.Context(), otp.CheckRequest{Caller: caller, Dialect: otp.NativeDialect, Ref: otp.Ref{ID: id}, Code: code})
			if err != nil || outcome != otp.OutcomeApproved {
				t.Fatal(outcome, err)
			}
		},
		"expired": func(_ *testing.T, s *server, _ otp.ID) { s.clock.Advance(5 * time.Minute) },
	} {
		for when, first := range map[string]answer{"before the retry": fails, "while a carrier hesitates": hangs} {
			t.Run(fmt.Sprint(name, " ", when), func(t *testing.T) {
				t.Parallel()
				inBubble(t, func(t *testing.T) {
					h := newHouse("a", "b")
					s := h.serve(t, 1, carriers{"a": {first}, "b": {fails}})
					id := s.send(t, 1)
					rest()
					before := len(h.line.all())
					end(t, s, id)
					pass(time.Minute)
					if got := len(h.line.all()); got != before || h.outbox(t) != 0 {
						t.Errorf("%d more tries, %d in the outbox", got-before, h.outbox(t))
					}
				})
			})
		}
	}
}

func TestLogHoldsNoCodeAndNoAddress(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		h := newHouse("a", "b", "c")
		chatters := func(ctx context.Context, m delivery.Message) error {
			to := strings.TrimPrefix(m.To, "+")
			return fmt.Errorf(`post "https://sms.example/send?to=%%2B%s&text=%s": to %s, code %s, body %s`, to, m.Code, m.To, m.Code, m.Body)
		}
		s := h.serve(t, 1, carriers{"a": {rejects}, "b": {chatters}, "c": {chatters}})
		s.send(t, 1)
		rest()
		m := h.line.all()[0].message
		text := h.log.String()
		if strings.Count(text, "a provider did not take a message") != 3 || !strings.Contains(text, "https://sms.example/send") {
			t.Errorf("the log says too little: %s", text)
		}
		for _, secret := range []string{m.Code, m.Body, m.To, m.To[1:]} {
			if strings.Contains(text, secret) {
				t.Errorf("the log holds %q: %s", secret, text)
			}
		}
	})
}

// asks refuses and asks to be left alone for a time.
func asks(after time.Duration) answer {
	return func(context.Context, delivery.Message) error {
		return &delivery.Error{Class: delivery.Throttled, After: after, Cause: errors.New("as it was told")}
	}
}

func TestWhoAsksToBeLeftAloneIsAndNobodyElse(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		a, b    []answer
		asked   string
		within  time.Duration // from the first call to the last
		atLeast time.Duration
		journal string
	}{
		{"alone, it is asked again in its time", []answer{asks(20 * time.Second), takes}, nil, "a a", 20 * time.Second, 20 * time.Second, "retry, sent"},
		{"alone, and for longer than the code lives", []answer{asks(time.Hour)}, nil, "a", 0, 0, "unsent"},
		{"another is asked at the usual pace", []answer{asks(20 * time.Second)}, []answer{fails, takes}, "a b b", 2 * time.Second, 500 * time.Millisecond, "retry, sent"},
		{"the other is away for good", []answer{asks(20 * time.Second), takes}, []answer{rejects}, "a b a", 20 * time.Second, 20 * time.Second, "retry, sent"},
		{"it wants nothing of this message, and the other comes back", []answer{asks(time.Hour)}, []answer{fails, fails, takes}, "a b b b", 6 * time.Second, time.Second, "retry, retry, sent"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(t *testing.T) {
				h, all := newHouse("a"), carriers{"a": c.a}
				if c.b != nil {
					h, all["b"] = newHouse("a", "b"), c.b
				}
				h.shape = func(a *otp.Tenant) { // in this order
					for i := range a.Routes[0].Providers {
						a.Routes[0].Providers[i].Priority = i + 1
					}
				}
				id := h.serve(t, 1, all).send(t, 1)
				pass(5 * time.Minute)
				calls := h.line.all()
				took := calls[len(calls)-1].at.Sub(calls[0].at)
				if h.line.names() != c.asked || took > c.within || took < c.atLeast {
					t.Errorf("asked %q within %s", h.line.names(), took)
				}
				if got := kinds(h.tries(t, id)); got != c.journal || h.outbox(t) != 0 {
					t.Errorf("journal %q", got)
				}
			})
		})
	}
}

// What a carrier took of a long message is paid, though the message failed there.
func TestAPartThatWasTakenIsPaid(t *testing.T) {
	t.Parallel()
	partly := func(class delivery.Class) answer {
		return func(context.Context, delivery.Message) error {
			return &delivery.Error{Class: class, Partly: true, Cause: errors.New("the second part was refused")}
		}
	}
	for _, c := range []struct {
		name  string
		a     []answer
		asked string
		want  otp.Money
	}{
		{"and another carried it", []answer{partly(delivery.Rejected)}, "a b", 80},
		{"and it carried it later", []answer{partly(delivery.Throttled), takes}, "a b a", 60},
		{"what may be the whole is paid once", []answer{partly(delivery.Unknown)}, "a b", 80},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(t *testing.T) {
				h := newHouse("a", "b")
				h.shape = func(a *otp.Tenant) {
					a.Routes[0].Providers = []otp.Carrier{{Provider: "a", Priority: 1, Price: 30}, {Provider: "b", Priority: 2, Price: 50}}
				}
				b := []answer{nil}
				if c.want == 60 {
					b = []answer{rejects}
				}
				s := h.serve(t, 1, carriers{"a": c.a, "b": b})
				s.send(t, 1)
				pass(time.Minute)
				if got, err := s.Spend(t.Context(), "acme", h.clock.Now()); err != nil || got != c.want || h.line.names() != c.asked {
					t.Errorf("asked %q, %d spent, %v", h.line.names(), got, err)
				}
			})
		})
	}
}
