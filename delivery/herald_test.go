package delivery_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
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

// An application that refuses one event and hears the others loses that event alone.
func TestAnEventThatIsNeverHeardSwitchesNothingOff(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		others bool // are heard meanwhile
		on     bool // at the end
	}{{"others are heard", true, true}, {"nothing is heard", false, false}} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(t *testing.T) {
				l := &listener{}
				h := listening(t, l)
				h.tell = func(ctx context.Context, n otp.Notice) delivery.Told {
					told := l.tell(ctx, n)
					if n.ID == l.all()[0].id || !c.others {
						return delivery.Told{Why: "Bad Request"}
					}
					return told
				}
				s := h.serve(t, 1, carriers{"a": nil})
				s.send(t, 1)
				pass(time.Second)
				s.send(t, 2)
				pass(30 * time.Hour)
				before := len(l.all())
				s.send(t, 3)
				rest()
				if heard := len(l.all()) > before; heard != c.on {
					t.Errorf("a later event is told: %v", heard)
				}
				if given := strings.Contains(h.log.String(), "a webhook was told of an event in vain"); given != c.on || c.on && h.outbox(t) != 0 {
					t.Errorf("%d in the outbox, log %s", h.outbox(t), h.log.String())
				}
			})
		})
	}
}

// Webhooks that do not answer hold up the others for one time-out at most.
func TestWebhooksThatHangHoldUpNoOther(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		const hanging, good = 60, "https://a.example/hook"
		h := listening(t, &listener{})
		shape := h.shape
		var told atomic.Int64
		h.shape = func(a *otp.Tenant) {
			shape(a)
			for n := range hanging {
				w := a.Webhooks[0]
				w.URL = fmt.Sprintf("https://b.example/%d", n)
				sealed, err := otptest.Ring(t).SealText(otptest.Start, strings.NewReader(strings.Repeat("n", 64)), otp.WebhookSecret("acme", w.URL), "whsec_x")
				if err != nil {
					t.Fatal(err)
				}
				w.Secret = sealed
				a.Webhooks = append(a.Webhooks, w)
			}
		}
		h.tell = func(ctx context.Context, n otp.Notice) delivery.Told {
			if n.URL == good {
				told.Add(1)
				return delivery.Told{Done: true}
			}
			select {
			case <-ctx.Done():
			case <-time.After(10 * time.Second):
			}
			return delivery.Told{Why: "timeout"}
		}
		s := h.serve(t, 1, carriers{"a": nil})
		const before = 8
		for n := range before {
			s.send(t, n)
		}
		pass(41 * time.Second) // 64 at once: the first answers of 60 of them are known after two time-outs
		if told.Load() != before {
			t.Fatalf("%d of %d events were heard after the first time-outs", told.Load(), before)
		}
		for n := range 20 {
			s.send(t, 100+n)
			rest()
			if told.Load() != before+int64(n)+1 {
				t.Fatalf("an event waits behind webhooks that hang")
			}
		}
	})
}
