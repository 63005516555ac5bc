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
	// Carried returns the bodies that the carrier took.
	Carried func() []string
}

// message is what the suite sends.
func message() delivery.Message {
	now := time.Date(2026, 1, 31, 9, 5, 7, 0, time.UTC)
	return delivery.Message{
		ID: "0198c0de-0000-7000-8000-000000000001", Tenant: "acme", Verification: "0198c0de-0000-7000-8000-000000000002", Channel: "sms",
		To: "+18091234567", From: "Acme", Body: "Your code is 482913", Locale: "en", Code: "482913",
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
		{"no error holds a code or a full address", silent},
	}
	for _, f := range facts {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			f.fact(t, open(t))
		})
	}
}

func taken(t *testing.T, h Harness) {
	if _, err := h.Provider.Send(t.Context(), message()); err != nil {
		t.Fatalf("send: %v", err)
	}
	if got := h.Carried(); len(got) != 1 || got[0] != message().Body {
		t.Errorf("carried %q", got)
	}
}

func refused(t *testing.T, h Harness) {
	for _, class := range []delivery.Class{delivery.Rejected, delivery.Throttled, delivery.Unavailable} {
		if !h.Refuse(class) {
			continue
		}
		_, err := h.Provider.Send(t.Context(), message())
		var e *delivery.Error
		if !errors.As(err, &e) || e.Class != class {
			t.Errorf("a carrier that is %s gives %v", class, err)
		}
	}
	h.Heal()
	if _, err := h.Provider.Send(t.Context(), message()); err != nil {
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
		_, err := h.Provider.Send(ctx, message())
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
		_, err := h.Provider.Send(t.Context(), message())
		if err == nil {
			t.Fatal("it was taken")
		}
		for _, secret := range []string{message().Code, message().To, message().Body} {
			if strings.Contains(err.Error(), secret) {
				t.Errorf("%q holds %q", err, secret)
			}
		}
	}
}
