package delivery_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/aldaba-otp/aldaba/delivery"
	"github.com/aldaba-otp/aldaba/otp"
	"github.com/aldaba-otp/aldaba/store"
	"github.com/aldaba-otp/aldaba/store/memory"
)

// promising is a house whose carriers report on so many parts.
func promising(parts int, routes ...string) *house {
	h := newHouse(routes...)
	h.promises = parts
	return h
}

// says has a carrier report on a part of the n-th message that left the house.
func (s *server) says(t *testing.T, n int, part int, state delivery.State) {
	t.Helper()
	c := s.line.all()[n]
	r := delivery.Report{ID: receiptID(c.carrier, c.message.ID, part), State: state, Code: "WORD"}
	if err := s.courier.Hear(t.Context(), c.carrier, r); err != nil {
		t.Fatal(err)
	}
}

func TestReceiptsAreNotedOnceAndOnlyForward(t *testing.T) {
	t.Parallel()
	const d, f, e = delivery.Delivered, delivery.Failed, delivery.EnRoute
	for _, c := range []struct {
		name    string
		said    []delivery.State
		journal string
	}{
		{"none", nil, "sent"},
		{"on its way", []delivery.State{e, e}, "sent"},
		{"delivered", []delivery.State{e, d}, "sent, delivered"},
		{"delivered twice", []delivery.State{d, d}, "sent, delivered"},
		{"a late failure takes nothing back", []delivery.State{d, f, e}, "sent, delivered"},
		{"failed", []delivery.State{f}, "sent, unsent, failed"}, // by its number; there is no other provider
		{"failed twice, and then delivered", []delivery.State{f, f, d}, "sent, unsent, failed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(t *testing.T) {
				h := promising(1, "a")
				s := h.serve(t, 1, carriers{"a": nil})
				id := s.send(t, 1)
				rest()
				for _, state := range c.said {
					s.says(t, 0, 0, state)
					rest()
				}
				if got := kinds(h.tries(t, id)); got != c.journal {
					t.Errorf("journal %q, want %q", got, c.journal)
				}
				if n := h.outbox(t); (n == 0) != strings.ContainsAny(c.journal, ",") {
					t.Errorf("%d in the outbox", n)
				}
			})
		})
	}
}

// kinds leaves a journal with nothing but what happened.
func kinds(journal string) string {
	var all []string
	for line := range strings.SplitSeq(journal, ", ") {
		all = append(all, strings.SplitN(line, " ", 2)[0])
	}
	return strings.Join(all, ", ")
}

func TestEveryPartMustArrive(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		h := promising(3, "a")
		s := h.serve(t, 1, carriers{"a": nil})
		id := s.send(t, 1)
		rest()
		s.says(t, 0, 1, delivery.Delivered)
		s.says(t, 0, 0, delivery.Delivered)
		s.says(t, 0, 0, delivery.Delivered)
		if got := kinds(h.tries(t, id)); got != "sent" {
			t.Errorf("journal %q with a part on its way", got)
		}
		s.says(t, 0, 2, delivery.Delivered)
		if got := kinds(h.tries(t, id)); got != "sent, delivered" || h.outbox(t) != 0 {
			t.Errorf("journal %q", got)
		}
	})
}

func TestWhatACarrierLostGoesToTheNextWithTheSameCode(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		h := promising(1, "a", "b")
		s := h.serve(t, 1, carriers{"a": nil, "b": nil})
		id := s.send(t, 1)
		rest()
		s.says(t, 0, 0, delivery.Failed)
		rest()
		calls := h.line.all()
		if h.line.names() != "a b" || calls[0].message.Code != calls[1].message.Code || calls[0].message.ID != calls[1].message.ID {
			t.Fatalf("asked %q", h.line.names())
		}
		s.says(t, 1, 0, delivery.Delivered)
		if got := kinds(h.tries(t, id)); got != "sent, sent, failed, delivered" || h.outbox(t) != 0 {
			t.Errorf("journal %q", got)
		}
	})
}

// TestPartsOfALostCopyChangeNothing: one part that failed sends the message by
// another carrier, and what is said of the other parts is about a copy that
// counts no more.
func TestPartsOfALostCopyChangeNothing(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		h := promising(3, "a", "b")
		s := h.serve(t, 1, carriers{"a": nil, "b": nil})
		id := s.send(t, 1)
		rest()
		s.says(t, 0, 0, delivery.Failed)
		rest()
		s.says(t, 0, 1, delivery.Failed)
		s.says(t, 0, 2, delivery.Delivered)
		rest()
		if h.line.names() != "a b" || h.outbox(t) != 1 {
			t.Fatalf("asked %q, outbox %d", h.line.names(), h.outbox(t))
		}
		for part := range 3 {
			s.says(t, 1, part, delivery.Delivered)
		}
		if got := kinds(h.tries(t, id)); got != "sent, sent, failed, delivered" || h.outbox(t) != 0 {
			t.Errorf("journal %q", got)
		}
	})
}

func TestNothingIsSentForAVerificationThatIsOver(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		h := promising(1, "a", "b")
		s := h.serve(t, 1, carriers{"a": nil, "b": nil})
		id := s.send(t, 1)
		rest()
		if _, err := s.Cancel(t.Context(), otp.CancelRequest{Caller: otp.Caller{Tenant: "acme"}, Dialect: otp.NativeDialect, Ref: otp.Ref{ID: id}}); err != nil {
			t.Fatal(err)
		}
		s.says(t, 0, 0, delivery.Failed)
		pass(10 * time.Minute)
		if h.line.names() != "a" || h.outbox(t) != 0 {
			t.Errorf("asked %q, %d in the outbox", h.line.names(), h.outbox(t))
		}
	})
}

func TestAPromisedReceiptThatNeverComesIsSaidAtTheEnd(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		h := promising(1, "a")
		s := h.serve(t, 1, carriers{"a": nil})
		id := s.send(t, 1)
		pass(299 * time.Second)
		if got := kinds(h.tries(t, id)); got != "sent" {
			t.Errorf("journal %q while the code lives", got)
		}
		pass(2 * time.Second)
		if got := h.tries(t, id); kinds(got) != "sent, unconfirmed" || h.outbox(t) != 0 {
			t.Errorf("journal %q", got)
		}
		s.says(t, 0, 0, delivery.Delivered) // late, and still true
		if got := kinds(h.tries(t, id)); got != "sent, unconfirmed, delivered" {
			t.Errorf("journal %q", got)
		}
	})
}

func TestReceiptsOfUnknownMessagesAreDropped(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		h := promising(1, "a")
		s := h.serve(t, 1, carriers{"a": nil})
		s.send(t, 1)
		rest()
		c := h.line.all()[0]
		begin := time.Now()
		for _, r := range []struct{ provider, id string }{{"a", "nobody"}, {"b", receiptID("a", c.message.ID, 0)}} {
			if err := s.courier.Hear(t.Context(), r.provider, delivery.Report{ID: r.id, State: delivery.Delivered}); err != nil {
				t.Error(err)
			}
		}
		if d := time.Since(begin); d > 5*time.Second {
			t.Errorf("it took %s", d)
		}
	})
}

func TestAReceiptThatOvertakesItsHandOverIsHeldBack(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		h := promising(1, "a")
		s := h.serve(t, 1, carriers{"a": {after(time.Second)}})
		id := s.send(t, 1)
		rest()
		s.says(t, 0, 0, delivery.Delivered) // the carrier has not answered yet
		if got := kinds(h.tries(t, id)); got != "sent, delivered" {
			t.Errorf("journal %q", got)
		}
	})
}

func TestAReceiptIsAskedForAgainWhileTheStoreIsDown(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		h := promising(1, "a")
		s := h.serve(t, 1, carriers{"a": nil})
		id := s.send(t, 1)
		rest()
		h.engine.FailWith(memory.Trouble{Begin: &store.Failure{Class: store.Down, Cause: errors.New("unplugged")}})
		c := h.line.all()[0]
		report := delivery.Report{ID: receiptID("a", c.message.ID, 0), State: delivery.Delivered}
		if err := s.courier.Hear(t.Context(), "a", report); err == nil {
			t.Error("it was taken in without a store")
		}
		h.engine.FailWith(memory.Trouble{})
		if err := s.courier.Hear(t.Context(), "a", report); err != nil {
			t.Error(err)
		}
		if got := kinds(h.tries(t, id)); got != "sent, delivered" {
			t.Errorf("journal %q", got)
		}
	})
}

func TestAnotherServerHearsTheReceiptAndGoesOn(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		h := promising(1, "a", "b")
		first := h.serve(t, 1, carriers{"a": nil, "b": nil})
		second := h.serve(t, 2, carriers{"a": nil, "b": nil})
		id := first.send(t, 1)
		rest()
		second.says(t, 0, 0, delivery.Failed)
		rest()
		if h.line.names() != "a b" {
			t.Errorf("asked %q", h.line.names())
		}
		first.says(t, 1, 0, delivery.Delivered)
		pass(6 * time.Minute)
		if got := kinds(h.tries(t, id)); got != "sent, sent, failed, delivered" || h.outbox(t) != 0 || h.line.names() != "a b" {
			t.Errorf("journal %q, asked %q", got, h.line.names())
		}
	})
}

func TestAPlanGoesOnUntilSomethingIsHeard(t *testing.T) {
	t.Parallel()
	planned := func(parts int, c carriers) (*house, func(*testing.T) *server) {
		h := promising(parts, "wa", "txt", "call")
		h.shape = func(a *otp.Tenant) {
			to := func(c otp.Channel, p string) otp.Route {
				return otp.Route{Channel: c, Providers: []otp.Carrier{{Provider: p}}}
			}
			a.Routes = []otp.Route{to(otp.WhatsApp, "wa"), to(otp.SMS, "txt"), to(otp.Voice, "call")}
			a.Profiles = []otp.Profile{{Name: "default", Plan: []otp.Leg{{Channel: otp.WhatsApp, Wait: 20 * time.Second}, {Channel: otp.SMS, Wait: 30 * time.Second}, {Channel: otp.Voice}}}}
		}
		return h, func(t *testing.T) *server { return h.serve(t, 1, c) }
	}
	for _, c := range []struct {
		name    string
		parts   int
		answers carriers
		during  func(t *testing.T, s *server, id otp.ID)
		asked   string
		at      []time.Duration
	}{
		{name: "to its end", answers: carriers{"wa": nil, "txt": nil, "call": nil}, asked: "wa txt call", at: []time.Duration{0, 20 * time.Second, 50 * time.Second}},
		{name: "over who refuses at once", answers: carriers{"wa": {rejects}, "txt": nil, "call": nil}, asked: "wa txt call", at: []time.Duration{0, 0, 30 * time.Second}},
		{name: "a receipt stops it", parts: 1, answers: carriers{"wa": nil, "txt": nil, "call": nil}, asked: "wa txt", during: func(t *testing.T, s *server, _ otp.ID) {
			pass(25 * time.Second)
			s.says(t, 1, 0, delivery.Delivered)
		}},
		{name: "a failure hurries it", parts: 1, answers: carriers{"wa": nil, "txt": nil, "call": nil}, asked: "wa txt call", at: []time.Duration{0, 5 * time.Second, 35 * time.Second}, during: func(t *testing.T, s *server, _ otp.ID) {
			pass(5 * time.Second)
			s.says(t, 0, 0, delivery.Failed)
		}},
		{name: "the end stops it", answers: carriers{"wa": nil, "txt": nil, "call": nil}, asked: "wa", during: func(t *testing.T, s *server, id otp.ID) {
			pass(19 * time.Second)
			if _, err := s.Cancel(t.Context(), otp.CancelRequest{Caller: otp.Caller{Tenant: "acme"}, Dialect: otp.NativeDialect, Ref: otp.Ref{ID: id}}); err != nil {
				t.Error(err)
			}
		}},
		{name: "next step now", answers: carriers{"wa": nil, "txt": nil, "call": nil}, asked: "wa txt call", at: []time.Duration{0, 3 * time.Second, 33 * time.Second}, during: func(t *testing.T, s *server, id otp.ID) {
			pass(3 * time.Second)
			v, err := s.Next(t.Context(), otp.NextRequest{Caller: otp.Caller{Tenant: "acme"}, Dialect: otp.NativeDialect, Ref: otp.Ref{ID: id}})
			if err != nil || v.Channel != otp.SMS {
				t.Errorf("%+v, %v", v, err)
			}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(t *testing.T) {
				h, serve := planned(c.parts, c.answers)
				s := serve(t)
				begin := time.Now()
				id := s.send(t, 1)
				if c.during != nil {
					c.during(t, s, id)
				}
				pass(6 * time.Minute)
				calls := h.line.all()
				if h.line.names() != c.asked || h.outbox(t) != 0 {
					t.Fatalf("asked %q, %d in the outbox, journal %q", h.line.names(), h.outbox(t), h.tries(t, id))
				}
				for i, call := range calls {
					if i < len(c.at) && call.at.Sub(begin) != c.at[i] {
						t.Errorf("leg %d after %s", i, call.at.Sub(begin))
					}
					if call.message.Code != calls[0].message.Code || call.message.Verification != id.String() {
						t.Errorf("leg %d has another code", i)
					}
				}
			})
		})
	}
}

func TestAPlanOfADeadServerGoesOn(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		h := promising(1, "a", "b")
		h.shape = func(a *otp.Tenant) {
			a.Routes = []otp.Route{{Channel: otp.WhatsApp, Providers: []otp.Carrier{{Provider: "a"}}}, {Channel: otp.SMS, Providers: []otp.Carrier{{Provider: "b"}}}}
			a.Profiles = []otp.Profile{{Name: "default", Plan: []otp.Leg{{Channel: otp.WhatsApp, Wait: time.Minute}, {Channel: otp.SMS}}}}
		}
		dead := h.serve(t, 1, carriers{"a": nil, "b": nil})
		dead.send(t, 1)
		rest()
		dead.stop(0)
		living := h.serve(t, 2, carriers{"a": nil, "b": nil})
		pass(30 * time.Second)
		if h.line.names() != "a" {
			t.Errorf("asked %q before its time", h.line.names())
		}
		if err := living.writer.Beat(t.Context(), living.id); err != nil {
			t.Fatal(err)
		}
		pass(40 * time.Second)
		if h.line.names() != "a b" {
			t.Errorf("asked %q", h.line.names())
		}
	})
}

func TestSilenceOpensABreaker(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		h := promising(1, "a", "b")
		s := h.serve(t, 1, carriers{"a": nil, "b": nil})
		for n := range 20 {
			s.send(t, n)
		}
		pass(91 * time.Second)
		states := s.courier.Breakers()
		if len(states) != 2 || !states[0].Open || states[0].Why != "no receipts" {
			t.Errorf("breakers %+v", states)
		}
		before := len(h.line.all())
		s.send(t, 100)
		rest()
		if calls := h.line.all(); len(calls) != before+1 || calls[before].carrier != "b" {
			t.Errorf("asked %q", h.line.names())
		}
	})
}

func TestProvidersThatKeepConnectionsRunWhileTheyAreConfigured(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		h := newHouse("a")
		s := h.serve(t, 1, nil)
		one, two := &keeper{}, &keeper{}
		for _, step := range []struct {
			set      map[string]delivery.Provider
			one, two int
		}{
			{map[string]delivery.Provider{"a": one}, 1, 0},
			{map[string]delivery.Provider{"a": one, "b": two}, 1, 1},
			{map[string]delivery.Provider{"a": one}, 1, 0},
			{map[string]delivery.Provider{"a": two}, 0, 1},
			{nil, 0, 0},
		} {
			s.courier.SetProviders(step.set)
			rest()
			if one.running != step.one || two.running != step.two {
				t.Errorf("%d and %d run", one.running, two.running)
			}
		}
	})
}

// keeper is a provider that keeps a connection.
type keeper struct {
	carrier
	running int
}

// Run implements [delivery.Runner].
func (k *keeper) Run(ctx context.Context, _ delivery.Sink) {
	k.running++
	<-ctx.Done()
	k.running--
}

func TestWhatEveryCarrierLostIsUnsent(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		h := promising(1, "a", "b")
		s := h.serve(t, 1, carriers{"a": nil, "b": nil})
		id := s.send(t, 1)
		rest()
		for n := range 3 {
			s.says(t, n, 0, delivery.Failed)
			rest()
		}
		if got := h.tries(t, id); h.line.names() != "a b a" || !strings.Contains(got, "unsent sms - every copy was lost on its way") || h.outbox(t) != 0 {
			t.Errorf("asked %q, journal %q", h.line.names(), got)
		}
	})
}
