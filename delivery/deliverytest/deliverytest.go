// Package deliverytest is the suite that every provider passes. It is for
// tests alone.
package deliverytest

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/aldaba-otp/aldaba/delivery"
)

// Harness tells how a provider is made and how its carrier is made to behave.
type Harness struct {
	Provider delivery.Provider
	// Refuse makes the carrier refuse in a class from now on; it returns false
	// when this carrier cannot refuse so.
	Refuse func(delivery.Class) bool
	// Heal makes the carrier take messages again.
	Heal func()
	// Slow makes the carrier take its time, far more than a minute.
	Slow func()
	// Garble makes the carrier answer what no carrier should: nothing that can
	// be read, or far too much of it. Nil when there is no answer to garble.
	Garble func()
	// Carried returns the bodies that the carrier took.
	Carried func() []string
	// Repeats says that the carrier tells two tries of one message by its id
	// and carries one.
	Repeats bool
	// Message is what is sent; a text for a telephone when zero.
	Message delivery.Message
	// Secrets are the settings that no error may hold.
	Secrets []string
}

// message is what the suite sends to a carrier.
func (h Harness) message() delivery.Message {
	if h.Message.ID != "" {
		return h.Message
	}
	return Message()
}

// Message is a text for a telephone, as the courier gives it to a provider.
func Message() delivery.Message {
	now := time.Now().UTC().Truncate(time.Microsecond)
	return delivery.Message{
		ID: "0198c0de-0000-7000-8000-000000000001", Tenant: "acme", Verification: "0198c0de-0000-7000-8000-000000000002", Channel: "sms",
		To: "+18091234567", Country: "DO", From: "Acme", Brand: "Acme", Body: "Your code is 482913", Locale: "en", Code: "482913",
		Created: now, Expires: now.Add(5 * time.Minute),
	}
}

// Run holds a provider to the facts. Each gets a harness of its own.
func Run(t *testing.T, open func(t *testing.T) Harness) {
	t.Helper()
	facts := []struct {
		name string
		fact func(*testing.T, Harness)
	}{
		{"a message that is taken is carried once", taken},
		{"each refusal is told in its class", refused},
		{"a slow carrier ends with the context", slow},
		{"no error holds a code, a secret or a full address", silent},
		{"an answer that makes no sense is an error", garbled},
		{"a message that is sent twice is carried once where the carrier can tell", repeated},
	}
	for _, f := range facts {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			f.fact(t, open(t))
		})
	}
}

func taken(t *testing.T, h Harness) {
	if _, err := h.Provider.Send(t.Context(), h.message()); err != nil {
		t.Fatalf("send: %v", err)
	}
	if got := h.Carried(); len(got) != 1 || got[0] != h.message().Body {
		t.Errorf("carried %q", got)
	}
}

func refused(t *testing.T, h Harness) {
	for _, class := range []delivery.Class{delivery.Rejected, delivery.Throttled, delivery.Unavailable} {
		if !h.Refuse(class) {
			continue
		}
		_, err := h.Provider.Send(t.Context(), h.message())
		var e *delivery.Error
		if !errors.As(err, &e) || e.Class != class {
			t.Errorf("a carrier that is %s gives %v", class, err)
		}
	}
	h.Heal()
	if _, err := h.Provider.Send(t.Context(), h.message()); err != nil {
		t.Errorf("after it healed: %v", err)
	}
	if got := h.Carried(); len(got) != 1 {
		t.Errorf("carried %d messages", len(got))
	}
}

func slow(t *testing.T, h Harness) {
	h.Slow()
	ctx, cancel := context.WithCancel(t.Context())
	context.AfterFunc(t.Context(), cancel)
	ended := make(chan error, 1)
	go func() {
		_, err := h.Provider.Send(ctx, h.message())
		ended <- err
	}()
	cancel()
	if err := <-ended; err == nil {
		t.Error("it was taken")
	}
}

func silent(t *testing.T, h Harness) {
	for _, class := range []delivery.Class{delivery.Rejected, delivery.Throttled, delivery.Unavailable} {
		if !h.Refuse(class) {
			continue
		}
		_, err := h.Provider.Send(t.Context(), h.message())
		if err == nil {
			t.Fatal("it was taken")
		}
		h.holdsNothing(t, err)
	}
}

// holdsNothing fails when the text of an error holds what nobody may read.
func (h Harness) holdsNothing(t *testing.T, err error) {
	t.Helper()
	m := h.message()
	for _, secret := range append([]string{m.Code, m.To, strings.TrimPrefix(m.To, "+"), m.Body}, h.Secrets...) {
		if secret != "" && strings.Contains(err.Error(), secret) {
			t.Errorf("%q holds %q", err, secret)
		}
	}
}

func garbled(t *testing.T, h Harness) {
	if h.Garble == nil {
		t.Skip("this carrier has no answer to garble")
	}
	h.Garble()
	_, err := h.Provider.Send(t.Context(), h.message())
	if err == nil {
		t.Fatal("it was taken")
	}
	h.holdsNothing(t, err)
}

func repeated(t *testing.T, h Harness) {
	if !h.Repeats {
		t.Skip("this carrier cannot tell")
	}
	for range 2 {
		if _, err := h.Provider.Send(t.Context(), h.message()); err != nil {
			t.Fatal(err)
		}
	}
	if got := h.Carried(); len(got) != 1 {
		t.Errorf("carried %d messages", len(got))
	}
}
