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

// asks refuses and asks to be left alone for a while.
func asks(class delivery.Class, after time.Duration) answer {
	return func(context.Context, delivery.Message) error {
		return &delivery.Error{Class: class, After: after, Cause: errors.New("as it was told")}
	}
}

// TestAProviderThatAsksForTimeIsLeftAloneAndHoldsUpNoOther: the code lives 300 s,
// and is tried again for 270 of them.
func TestAProviderThatAsksForTimeIsLeftAloneAndHoldsUpNoOther(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		a, b    []answer
		asked   string
		journal string
		within  time.Duration // the last try, at the latest
		from    time.Duration // and at the earliest
	}{
		{
			"the other goes round at its own pace",
			[]answer{asks(delivery.Throttled, time.Minute)},
			[]answer{fails, fails, takes},
			"a b b b", "retry unavailable, retry unavailable, sent vendor", 5 * time.Second, time.Second,
		},
		{
			"it is asked again when its time has come",
			[]answer{asks(delivery.Unavailable, time.Minute), takes},
			[]answer{rejects},
			"a b a", "retry rejected, sent vendor", time.Minute + time.Second, time.Minute,
		},
		{
			"of two that ask for time each has its own",
			[]answer{asks(delivery.Throttled, 2*time.Minute), takes},
			[]answer{asks(delivery.Throttled, time.Minute), rejects},
			"a b b a", "retry throttled, retry rejected, sent vendor", 2*time.Minute + time.Second, 2 * time.Minute,
		},
		{
			"one that asks for longer than the code is tried is asked once",
			[]answer{asks(delivery.Throttled, 271*time.Second), takes},
			[]answer{fails, takes},
			"a b b", "retry unavailable, sent vendor", 2 * time.Second, 0,
		},
		{
			"when all do so it is over",
			[]answer{asks(delivery.Unavailable, time.Hour)},
			[]answer{asks(delivery.Throttled, 271*time.Second)},
			"a b", "unsent throttled", 0, 0,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(t *testing.T) {
				h := newHouse("a", "b")
				s := h.serve(t, 1, carriers{"a": c.a, "b": c.b})
				id := s.send(t, 1)
				pass(5 * time.Minute)
				if got := h.line.names(); got != c.asked {
					t.Fatalf("asked %q, want %q", got, c.asked)
				}
				if got := bare(h.tries(t, id)); got != c.journal {
					t.Errorf("journal %q, want %q", got, c.journal)
				}
				calls := h.line.all()
				if took := calls[len(calls)-1].at.Sub(calls[0].at); took < c.from || took > c.within {
					t.Errorf("the last try after %s, want %s to %s", took, c.from, c.within)
				}
			})
		})
	}
}

// TestAMessageWaitsForWhoIsOutOfOrderThoughAnotherIsNotToBeAsked: who refused the
// message, or asks for time, has a closed breaker, and is no reason for rounds
// in which nobody is asked.
func TestAMessageWaitsForWhoIsOutOfOrderThoughAnotherIsNotToBeAsked(t *testing.T) {
	t.Parallel()
	for name, first := range map[string]answer{"rejected": rejects, "asked for time": asks(delivery.Throttled, 4*time.Minute)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(t *testing.T) {
				h := newHouse("a", "b")
				back := time.Now().Add(2 * time.Minute)
				broken := func(context.Context, delivery.Message) error {
					if time.Now().Before(back) {
						return &delivery.Error{Class: delivery.Unavailable}
					}
					return nil
				}
				s := h.serve(t, 1, carriers{"a": {first}, "b": {broken}})
				ids := make([]otp.ID, 4) // few, so that a's breaker stays closed
				for n := range ids {
					ids[n] = s.send(t, n)
				}
				pass(3 * time.Minute)
				for _, id := range ids {
					got := bare(h.tries(t, id))
					if !strings.HasSuffix(got, "sent vendor") || strings.Contains(got, "no provider") {
						t.Errorf("journal %q", got)
					}
				}
			})
		})
	}
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
		{"and no more than three of them", []answer{partly(delivery.Throttled)}, "a b a a", 90},
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
				if c.want == 60 || c.want == 90 {
					b = []answer{rejects}
				}
				s := h.serve(t, 1, carriers{"a": c.a, "b": b})
				id := s.send(t, 1)
				pass(time.Minute)
				if journal := h.tries(t, id); strings.Contains(journal, "maybe") {
					t.Errorf("told as sent: %q", journal)
				}
				if got, err := s.Spend(t.Context(), "acme", h.clock.Now()); err != nil || got != c.want || h.line.names() != c.asked {
					t.Errorf("asked %q, %d spent, %v", h.line.names(), got, err)
				}
			})
		})
	}
}
