package delivery_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aldaba-otp/aldaba/delivery"
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
	const url = "https://a.example/hook"
	sealed, err := otptest.Ring(t).SealText(otptest.Start, strings.NewReader(strings.Repeat("n", 64)), otp.WebhookSecret("acme", url), "whsec_x")
	if err != nil {
		t.Fatal(err)
	}
	h.shape = func(a *otp.Tenant) {
		a.Webhooks = []otp.Webhook{{URL: url, Secret: sealed, Events: []otp.EventKind{otp.EventSent, otp.EventCanceled}}}
	}
	return h
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
