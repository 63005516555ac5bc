package delivery_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/aldaba-otp/aldaba/delivery"
	"github.com/aldaba-otp/aldaba/otp"
)

// hedged is a house that asks another provider when no receipt came in 20 s.
func hedged(routes ...string) *house {
	h := promising(1, routes...)
	h.shape = func(a *otp.Tenant) { a.Routes[0].Hedge = 20 * time.Second }
	return h
}

func TestAHedgeAsksASecondProviderOnce(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		receipt time.Duration // of the first, 0 never
		b       []answer
		asked   string
		journal string
	}{
		{"no receipt", 0, nil, "a b", "sent, sent, unconfirmed"},
		{"a receipt in time", 10 * time.Second, nil, "a", "sent, delivered"},
		{"a receipt after the hedge", 25 * time.Second, nil, "a b", "sent, sent, delivered"},
		{"the second does not take it", 0, []answer{fails}, "a b", "sent, unconfirmed"},
		{"the second refuses it for good", 0, []answer{rejects}, "a b", "sent, unconfirmed"},
		{"the second may have taken it", 0, []answer{loses}, "a b", "sent, sent"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(t *testing.T) {
				h := promising(1, "a", "b")
				h.shape = func(a *otp.Tenant) { a.Routes[0].Hedge = 20 * time.Second }
				s := h.serve(t, 1, carriers{"a": nil, "b": c.b})
				id := s.send(t, 1)
				if c.receipt > 0 {
					pass(c.receipt)
					s.says(t, 0, 0, delivery.Delivered)
				}
				pass(6 * time.Minute)
				calls := h.line.all()
				if h.line.names() != c.asked || calls[0].message.Code != calls[len(calls)-1].message.Code {
					t.Errorf("asked %q", h.line.names())
				}
				if got := kinds(h.tries(t, id)); got != c.journal || h.outbox(t) != 0 {
					t.Errorf("journal %q, want %q", got, c.journal)
				}
			})
		})
	}
}

func TestAFailureOfOneOfTwoCopiesWaitsForTheOther(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		h := promising(1, "a", "b", "c")
		h.shape = func(a *otp.Tenant) { a.Routes[0].Hedge = 20 * time.Second }
		s := h.serve(t, 1, carriers{"a": nil, "b": nil, "c": nil})
		id := s.send(t, 1)
		pass(21 * time.Second)
		s.says(t, 0, 0, delivery.Failed)
		rest()
		if h.line.names() != "a b" {
			t.Errorf("asked %q with a copy on its way", h.line.names())
		}
		s.says(t, 1, 0, delivery.Failed)
		rest()
		if h.line.names() != "a b a" && h.line.names() != "a b c" {
			t.Errorf("asked %q after both were lost", h.line.names())
		}
		if got := kinds(h.tries(t, id)); !strings.Contains(got, "failed, failed") {
			t.Errorf("journal %q", got)
		}
	})
}

// slowly answers after three seconds.
func slowly(then answer) answer {
	return func(ctx context.Context, m delivery.Message) error {
		if err := after(3*time.Second)(ctx, m); err != nil {
			return err
		}
		return then(ctx, m)
	}
}

// A carrier loses the first copy while another is being asked for the second.
func TestAFailureWhileTheSecondCopyIsInHand(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		b       answer
		asked   []string
		journal string
		copies  int
	}{
		{"who takes it has the message alone", takes, []string{"a b"}, "sent, sent, failed, delivered", 2},
		{"who refuses it leaves it to the next", rejects, []string{"a b c"}, "sent, sent, failed, delivered", 2},
		{"who is away may be asked again", fails, []string{"a b b", "a b c"}, "sent, sent, failed, delivered", 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(t *testing.T) {
				h := hedged("a", "b", "c")
				s := h.serve(t, 1, carriers{"a": nil, "b": {slowly(c.b), takes}, "c": nil})
				id := s.send(t, 1)
				pass(21 * time.Second)
				s.says(t, 0, 0, delivery.Failed)
				pass(time.Second)
				if asked := h.line.names(); asked != "a b" {
					t.Fatalf("asked %q while the second copy was in hand", asked)
				}
				pass(10 * time.Second)
				calls := h.line.all()
				if asked := h.line.names(); !strings.Contains(strings.Join(c.asked, ","), asked) {
					t.Errorf("asked %q, want %q", asked, c.asked)
				}
				if rows := h.rows(t); len(rows) != 1 || rows[0].Copies != c.copies {
					t.Errorf("rows %+v", rows)
				}
				s.says(t, len(calls)-1, 0, delivery.Delivered)
				if got := kinds(h.tries(t, id)); got != c.journal || h.outbox(t) != 0 {
					t.Errorf("journal %q, want %q", got, c.journal)
				}
			})
		})
	}
}

// A server dies with a second copy in hand: it may have left, and counts.
func TestASecondCopyOfADeadServer(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		failed bool // the first copy, while the second was in hand
		asked  string
		copies int
	}{
		{"with the first on its way", false, "a b", 2},
		{"with the first lost", true, "a b a", 3},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(t *testing.T) {
				h := hedged("a", "b")
				dead := h.serve(t, 1, carriers{"a": nil, "b": {hangs}})
				dead.send(t, 1)
				pass(21 * time.Second)
				if c.failed {
					dead.says(t, 0, 0, delivery.Failed)
				}
				dead.stop(0)
				h.serve(t, 2, carriers{"a": nil, "b": nil})
				pass(40 * time.Second)
				if rows := h.rows(t); h.line.names() != c.asked || len(rows) != 1 || rows[0].Copies != c.copies {
					t.Errorf("asked %q, %+v", h.line.names(), rows)
				}
			})
		})
	}
}

// Whoever asks for one more message while the first still waits for a carrier
// gets one, and not both.
func TestAResendTakesThePlaceOfAMessageThatWaits(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		h := newHouse("a")
		back := time.Now().Add(70 * time.Second)
		s := h.serve(t, 1, carriers{"a": {func(ctx context.Context, m delivery.Message) error {
			if time.Now().Before(back) {
				return fails(ctx, m)
			}
			return nil
		}}})
		for n := range 20 {
			s.send(t, 100+n) // they open the breaker, behind which messages wait and use no try up
		}
		id := s.send(t, 1)
		pass(time.Minute)
		asked := len(h.line.all())
		if _, err := s.Resend(t.Context(), otp.ResendRequest{Caller: otp.Caller{Tenant: "acme"}, Dialect: otp.NativeDialect, Ref: otp.Ref{ID: id}}); err != nil {
			t.Fatal(err)
		}
		pass(3 * time.Minute)
		journal := h.tries(t, id)
		if n := strings.Count(journal, "sent sms a"); n != 1 || !strings.Contains(journal, "unsent sms - another message took its place") || h.outbox(t) != 0 {
			t.Errorf("%d times in %q", n, journal)
		}
		var taken []string
		for _, one := range h.line.all()[asked:] {
			if !one.at.Before(back) && one.message.Verification == id.String() {
				taken = append(taken, one.message.ID)
			}
		}
		if len(taken) != 1 {
			t.Errorf("%d messages were taken", len(taken))
		}
	})
}

// A plan goes on while a second copy is in hand: it is offered to nobody else.
func TestAPlanGoesOnWithASecondCopyInHand(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		h := promising(1, "a", "b", "c", "txt")
		h.shape = func(a *otp.Tenant) {
			a.Routes = []otp.Route{
				{Channel: otp.WhatsApp, Hedge: 15 * time.Second, Providers: []otp.Carrier{
					{Provider: "a", Priority: 1}, {Provider: "b", Priority: 2}, {Provider: "c", Priority: 3},
				}},
				{Channel: otp.SMS, Providers: []otp.Carrier{{Provider: "txt"}}},
			}
			a.Profiles = []otp.Profile{{Name: "default", Plan: []otp.Leg{{Channel: otp.WhatsApp, Wait: 20 * time.Second}, {Channel: otp.SMS}}}}
		}
		s := h.serve(t, 1, carriers{"a": nil, "b": {func(ctx context.Context, m delivery.Message) error {
			if err := after(6*time.Second)(ctx, m); err != nil {
				return err
			}
			return rejects(ctx, m)
		}}, "c": nil, "txt": nil})
		s.send(t, 1)
		pass(25 * time.Second)
		calls := h.line.all()
		if h.line.names() != "a b txt" || calls[2].message.Channel != string(otp.SMS) || calls[2].at.Sub(calls[0].at) != 21*time.Second {
			t.Errorf("asked %q, %+v", h.line.names(), calls)
		}
	})
}
