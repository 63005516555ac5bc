package delivery_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aldaba-otp/aldaba/delivery"
	"github.com/aldaba-otp/aldaba/internal/clock"
	"github.com/aldaba-otp/aldaba/otp"
	"github.com/aldaba-otp/aldaba/otp/otptest"
)

// listener is a tenant's application: it answers what it is told to.
type listener struct {
	mu      sync.Mutex
	answers []delivery.Told // used up one a call; the last one stays
	heard   []heard
}

type heard struct {
	at   time.Time
	id   string
	kind string
}

func (l *listener) tell(_ context.Context, n otp.Notice) delivery.Told {
	l.mu.Lock()
	defer l.mu.Unlock()
	kind, _, _ := strings.Cut(strings.TrimPrefix(string(n.Body), `{"type":"verification.`), `"`)
	l.heard = append(l.heard, heard{time.Now(), n.ID, kind})
	if len(l.answers) == 0 {
		return delivery.Told{Done: true}
	}
	a := l.answers[0]
	if len(l.answers) > 1 {
		l.answers = l.answers[1:]
	}
	return a
}

func (l *listener) all() []heard {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]heard(nil), l.heard...)
}

// listening is a house whose tenant has a webhook.
func listening(t *testing.T, l *listener) *house {
	t.Helper()
	h := newHouse("a")
	h.tell = l.tell
	hook := webhook(t, "https://a.example/hook")
	h.shape = func(a *otp.Tenant) { a.Webhooks = []otp.Webhook{hook} }
	return h
}

func webhook(t *testing.T, url string) otp.Webhook {
	t.Helper()
	sealed, err := otptest.Ring(t).SealText(otptest.Start, strings.NewReader(strings.Repeat("n", 64)), otp.WebhookSecret("acme", url), "whsec_x")
	if err != nil {
		t.Fatal(err)
	}
	return otp.Webhook{URL: url, Secret: sealed, Events: []otp.EventKind{otp.EventSent, otp.EventCanceled}}
}

// street is a house whose tenant has webhooks that hang from a time on, each try
// until its time-out, and one that hears at once.
type street struct {
	*house
	hangs func() bool

	mu    sync.Mutex
	deaf  bool            // the good one refuses its next event, and hears again
	hung  int             // tries that hang now
	most  int             // and the most of them since it was last set to nothing
	after []time.Duration // from each event to its being heard
}

func newStreet(t *testing.T, hanging int, hangs func() bool) *street {
	t.Helper()
	s := &street{house: newHouse("a"), hangs: hangs}
	hooks := []otp.Webhook{webhook(t, "https://good.example")}
	for n := range hanging {
		hooks = append(hooks, webhook(t, fmt.Sprintf("https://dead%d.example", n)))
	}
	s.shape = func(a *otp.Tenant) { a.Webhooks = hooks }
	s.house.tell = s.tell
	return s
}

func (s *street) tell(ctx context.Context, n otp.Notice) delivery.Told {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case n.URL == "https://good.example" && s.deaf:
		s.deaf = false
		return delivery.Told{Why: "Bad Request"}
	case n.URL == "https://good.example":
		var body struct{ Timestamp time.Time }
		_ = json.Unmarshal(n.Body, &body)
		s.after = append(s.after, s.clock.Now().Sub(body.Timestamp))
	case s.hangs():
		s.hung++
		s.most = max(s.most, s.hung)
		s.mu.Unlock()
		_ = after(10*time.Second)(ctx, delivery.Message{})
		s.mu.Lock()
		s.hung--
		return delivery.Told{Why: "no answer in time"}
	}
	return delivery.Told{Done: true}
}

// worst is the longest that an event took to be heard, and how many were; they
// are forgotten.
func (s *street) worst() (time.Duration, int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer func() { s.after, s.most = nil, 0 }()
	return slices.Max(append(s.after, 0)), len(s.after)
}

func TestAWebhookHearsWhatItAskedFor(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		l := &listener{}
		h := listening(t, l)
		s := h.serve(t, 1, carriers{"a": nil})
		id := s.send(t, 1)
		rest()
		if _, err := s.Cancel(t.Context(), otp.CancelRequest{Caller: otp.Caller{Tenant: "acme"}, Dialect: otp.NativeDialect, Ref: otp.Ref{ID: id}}); err != nil {
			t.Fatal(err)
		}
		rest()
		got := l.all()
		if len(got) != 2 || got[0].kind != "sent" || got[1].kind != "canceled" || got[0].id == got[1].id || h.outbox(t) != 0 {
			t.Errorf("heard %+v, %d in the outbox", got, h.outbox(t))
		}
	})
}

func TestAWebhookIsToldAgainForADay(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		l := &listener{answers: []delivery.Told{{Why: "it is down"}}}
		h := listening(t, l)
		s := h.serve(t, 1, carriers{"a": nil})
		s.send(t, 1)
		pass(30 * time.Hour)
		got := l.all()
		last := got[len(got)-1].at.Sub(got[0].at)
		if len(got) != 7 || last < 17*time.Hour || last > 24*time.Hour || h.outbox(t) != 0 {
			t.Errorf("%d tries in %s, %d in the outbox", len(got), last, h.outbox(t))
		}
		for _, one := range got {
			if one.id != got[0].id {
				t.Error("another id for the same event")
			}
		}
		s.send(t, 2) // it is off now
		pass(time.Minute)
		if n := len(l.all()); n != len(got) {
			t.Errorf("a webhook that is off was told %d times", n-len(got))
		}
	})
}

// deafTo makes the listener's application refuse one kind of event, always.
func (l *listener) deafTo(kind string) func(context.Context, otp.Notice) delivery.Told {
	return func(ctx context.Context, n otp.Notice) delivery.Told {
		if told := l.tell(ctx, n); !strings.Contains(string(n.Body), "verification."+kind) {
			return told
		}
		return delivery.Told{Why: "Bad Request"}
	}
}

// cancel ends a verification.
func (s *server) cancel(t *testing.T, id otp.ID) {
	t.Helper()
	if _, err := s.Cancel(t.Context(), otp.CancelRequest{Caller: otp.Caller{Tenant: "acme"}, Dialect: otp.NativeDialect, Ref: otp.Ref{ID: id}}); err != nil {
		t.Fatal(err)
	}
}

func TestOneEventThatIsNeverHeardSwitchesNothingOff(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		l := &listener{}
		h := listening(t, l)
		h.tell = l.deafTo("canceled")
		s := h.serve(t, 1, carriers{"a": nil})
		s.cancel(t, s.send(t, 1))
		pass(5 * time.Hour)
		s.send(t, 2) // between the first try and the last
		pass(20 * time.Hour)
		if n := len(l.all()); n != 1+7+1 || h.outbox(t) != 0 {
			t.Errorf("told %d times, %d in the outbox", n, h.outbox(t))
		}
		if log := h.log.String(); strings.Count(log, "it is not told again") != 1 || strings.Contains(log, "switched off") {
			t.Errorf("the log: %s", log)
		}
		s.send(t, 3)
		rest()
		if n := len(l.all()); n != 1+7+1+1 {
			t.Errorf("told %d times", n)
		}
	})
}

// TestAWebhookThatHeardAnotherServerStaysOn: which server tells an event is
// chance, and none remembers over a restart.
func TestAWebhookThatHeardAnotherServerStaysOn(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		l := &listener{}
		h := listening(t, l)
		h.tell = l.deafTo("canceled")
		one := h.serve(t, 1, carriers{"a": nil})
		one.cancel(t, one.send(t, 1))
		pass(time.Hour)
		one.stop(time.Minute)
		two := h.serve(t, 2, carriers{"a": nil})
		two.send(t, 2)
		pass(time.Hour)
		two.stop(time.Minute)
		heard := len(l.all())
		three := h.serve(t, 3, carriers{"a": nil}) // it tells the one that is never heard, and nothing else
		pass(21 * time.Hour)
		if was, err := three.SwitchOn(t.Context(), "acme", "https://a.example/hook"); err != nil || was || len(l.all()) == heard || h.outbox(t) != 0 {
			t.Errorf("it was off: %v, %v, after %d and %d tries; %d in the outbox", was, err, heard, len(l.all()), h.outbox(t))
		}
	})
}

// TestAWebhookThatHeardBeforeAndNothingSinceIsSwitchedOff: what it heard before
// the event does not speak for it.
func TestAWebhookThatHeardBeforeAndNothingSinceIsSwitchedOff(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		l := &listener{answers: []delivery.Told{{Done: true}, {Why: "it is down"}}}
		h := listening(t, l)
		s := h.serve(t, 1, carriers{"a": nil})
		s.send(t, 1)
		pass(2 * time.Minute)
		s.send(t, 2)
		pass(25 * time.Hour)
		if was, err := s.SwitchOn(t.Context(), "acme", "https://a.example/hook"); err != nil || !was {
			t.Errorf("it was off: %v, %v", was, err)
		}
		if log := h.log.String(); strings.Count(log, "a webhook is switched off") != 1 {
			t.Errorf("the log: %s", log)
		}
	})
}

// TestAWebhookThatAsksForADayIsToldWithinHours: a wait as long as the event's own
// life would be the end of it, and of the webhook.
func TestAWebhookThatAsksForADayIsToldWithinHours(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		l := &listener{answers: []delivery.Told{{After: 24 * time.Hour}, {Done: true}}}
		h := listening(t, l)
		s := h.serve(t, 1, carriers{"a": nil})
		id := s.send(t, 1)
		if _, err := s.Cancel(t.Context(), otp.CancelRequest{Caller: otp.Caller{Tenant: "acme"}, Dialect: otp.NativeDialect, Ref: otp.Ref{ID: id}}); err != nil {
			t.Fatal(err)
		}
		pass(2 * time.Hour)
		if got := l.all(); len(got) != 3 || got[2].id != got[0].id || s.courier.Queue().Events != 0 {
			t.Errorf("heard %+v, %d wait", got, s.courier.Queue().Events)
		}
	})
}

func TestAWebhookThatIsGoneIsSwitchedOff(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		l := &listener{answers: []delivery.Told{{Gone: true, Why: "Gone"}, {Done: true}}}
		h := listening(t, l)
		s := h.serve(t, 1, carriers{"a": nil})
		s.send(t, 1)
		rest()
		s.send(t, 2)
		rest()
		if n := len(l.all()); n != 1 || h.outbox(t) != 0 {
			t.Errorf("told %d times, %d in the outbox", n, h.outbox(t))
		}
		if was, err := s.SwitchOn(t.Context(), "acme", "https://a.example/hook"); err != nil || !was {
			t.Errorf("%v, %v", was, err)
		}
		s.send(t, 3)
		rest()
		if n := len(l.all()); n != 2 {
			t.Errorf("told %d times after it was switched on", n)
		}
	})
}

func TestEventsOfADeadServerAreTold(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		l := &listener{}
		h := listening(t, l)
		dead := h.unstarted(t, 1, nil)
		id := dead.send(t, 1)
		if _, err := dead.Cancel(t.Context(), otp.CancelRequest{Caller: otp.Caller{Tenant: "acme"}, Dialect: otp.NativeDialect, Ref: otp.Ref{ID: id}}); err != nil {
			t.Fatal(err)
		}
		h.serve(t, 2, carriers{"a": nil})
		pass(10 * time.Second)
		if got := l.all(); len(got) != 1 || got[0].kind != "canceled" {
			t.Errorf("heard %+v", got)
		}
	})
}

func TestManyEventsOfADeadServerAreToldOnceEach(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		end := make(chan struct{})
		l := &listener{}
		h := listening(t, l)
		h.tell = func(ctx context.Context, n otp.Notice) delivery.Told {
			<-end // nothing is told while the rows are adopted
			return l.tell(ctx, n)
		}
		dead := h.unstarted(t, 1, nil)
		for n := range 450 {
			id := dead.send(t, n)
			if _, err := dead.Cancel(t.Context(), otp.CancelRequest{Caller: otp.Caller{Tenant: "acme"}, Dialect: otp.NativeDialect, Ref: otp.Ref{ID: id}}); err != nil {
				t.Fatal(err)
			}
		}
		s := h.serve(t, 2, carriers{"a": nil})
		pass(30 * time.Second)
		if q := s.courier.Queue(); q.Events != 450 {
			t.Errorf("%d events wait", q.Events)
		}
		close(end)
		rest()
		if n := len(l.all()); n != 450 {
			t.Errorf("%d events were told", n)
		}
	})
}

func TestASlowWebhookHoldsUpNoMessage(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		end := make(chan struct{})
		l := &listener{}
		h := listening(t, l)
		h.tell = func(ctx context.Context, n otp.Notice) delivery.Told {
			select {
			case <-end:
			case <-ctx.Done():
			}
			return l.tell(ctx, n)
		}
		s := h.serve(t, 1, carriers{"a": nil})
		for n := range 100 {
			s.send(t, n)
		}
		rest()
		if n := len(h.line.all()); n != 100 {
			t.Errorf("%d of 100 messages left the house", n)
		}
		if q := s.courier.Queue(); q.Events != 100 {
			t.Errorf("%d events wait", q.Events)
		}
		close(end)
		rest()
		if n := len(l.all()); n != 100 {
			t.Errorf("%d of 100 events were told", n)
		}
	})
}

// TestWebhooksThatHangHoldUpNoOther: forty that never answered, and four that
// stop when they have several in hand.
func TestWebhooksThatHangHoldUpNoOther(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		hooks   int
		heard   bool          // they heard before
		atFirst time.Duration // that an event of another waits until they are known
		most    int           // tries that hang at once from then on
	}{
		{"forty from the start", 40, false, 30 * time.Second, 8},
		{"four that heard", 4, true, 10 * time.Second, 4},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(t *testing.T) {
				hang := !c.heard
				h := newStreet(t, c.hooks, func() bool { return hang })
				s := h.serve(t, 1, carriers{"a": nil})
				s.send(t, 0)
				rest()
				hang = true
				for n := range 100 { // at once, so that all workers are wanted
					s.send(t, 1+n)
				}
				pass(time.Minute)
				if took, n := h.worst(); took > c.atFirst || n != 101 {
					t.Errorf("at first %d events were heard, the last after %s", n, took)
				}
				for n := range 60 {
					s.send(t, 200+n)
					pass(time.Second)
				}
				h.mu.Lock()
				most := h.most
				h.mu.Unlock()
				if took, n := h.worst(); took > 10*time.Millisecond || n != 60 || most != c.most {
					t.Errorf("then %d events were heard, the last after %s; %d hung at once", n, took, most)
				}
			})
		})
	}
}

// TestAWebhookThatRefusedOneEventHasItsTurnAmongThoseThatHang: it has fewer and
// younger events than they have, which is no reason that it waits for ever.
func TestAWebhookThatRefusedOneEventHasItsTurnAmongThoseThatHang(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		h := newStreet(t, 16, func() bool { return true })
		s := h.serve(t, 1, carriers{"a": nil})
		for n := range 100 {
			s.send(t, n)
		}
		pass(time.Minute)
		h.worst()
		h.mu.Lock()
		h.deaf = true
		h.mu.Unlock()
		for n := range 3 {
			s.send(t, 200+n)
		}
		pass(time.Minute)
		// Eight workers for 17 webhooks, of which 16 take 10 s: its turn comes after 20 s.
		if took, n := h.worst(); n != 3 || took > 31*time.Second {
			t.Errorf("%d of 3 events were heard, the last after %s", n, took)
		}
	})
}

// TestWebhooksFarBehindLeaveRoomForTheOthers: the courier is not started, so that
// what it accepts waits.
func TestWebhooksFarBehindLeaveRoomForTheOthers(t *testing.T) {
	t.Parallel()
	c := delivery.New(delivery.Options{Clock: clock.New(0)})
	accept := func(hook byte, n int) (queued int) {
		for range n {
			c.Accept(otp.Dispatch{Message: otp.Message{
				Kind: otp.EventMessage, Tenant: "acme", Verification: otp.ID{hook}, Progress: otp.Progress{Provider: fmt.Sprint(hook)},
			}})
		}
		return len(c.Holding(otp.ID{hook}))
	}
	const room = 100_000
	if got := accept(1, room+1); got != room {
		t.Errorf("%d are queued", got)
	}
	for hook := range byte(20) {
		accept(2+hook, 10_000)
	}
	if got := accept(30, 1000); got != 1000 || c.Queue().Events != room {
		t.Errorf("%d of 1000 are queued beside those that are far behind, %d in all", got, c.Queue().Events)
	}
}
