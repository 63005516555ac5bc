// Package webhook is a provider that hands messages to an application of the
// operator's own, which carries them itself: it posts each as a signed event
// (Standard Webhooks 1.0.0) and may be told later what became of it.
//
// It is not the sender of a tenant's events about verifications, and no
// adapter for vendors: who cannot read this one form needs another provider.
package webhook

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aldaba-otp/aldaba/delivery"
	"github.com/aldaba-otp/aldaba/internal/clock"
	"github.com/aldaba-otp/aldaba/internal/egress"
	"github.com/aldaba-otp/aldaba/internal/hook"
	"github.com/aldaba-otp/aldaba/internal/strictjson"
)

// Type returns the gallery's entry.
func Type() delivery.Type {
	return delivery.Type{Name: "webhook", Secrets: []string{"secret", "previous_secret", "secret_headers.*"}, Open: open}
}

// sender is the provider without receipts.
type sender struct {
	url      string
	secrets  hook.Secrets
	headers  http.Header
	client   *egress.Client
	clock    *clock.Clock
	log      *slog.Logger
	receipts bool
}

// event is what the application gets.
type event struct {
	Type      string    `json:"type"`
	Timestamp time.Time `json:"timestamp"`
	Data      data      `json:"data"`
}

type data struct {
	ID           string            `json:"id"`
	Verification string            `json:"verification_id"`
	Tenant       string            `json:"tenant"`
	Channel      string            `json:"channel"`
	To           string            `json:"to"`
	Country      string            `json:"country,omitempty"`
	From         string            `json:"from,omitempty"`
	Subject      string            `json:"subject,omitempty"`
	Body         string            `json:"body"`
	Code         string            `json:"code"`
	Brand        string            `json:"brand,omitempty"`
	Locale       string            `json:"locale,omitempty"`
	Params       map[string]string `json:"params,omitempty"`
	Expires      time.Time         `json:"expires_at"`
}

// Send implements [delivery.Provider].
func (s *sender) Send(ctx context.Context, m delivery.Message) (delivery.Receipt, error) {
	payload, err := json.Marshal(event{Type: "message.send", Timestamp: m.Created.UTC(), Data: data{
		ID: m.ID, Verification: m.Verification, Tenant: m.Tenant, Channel: m.Channel, To: m.To, Country: m.Country,
		From: m.From, Subject: m.Subject, Body: m.Body, Code: m.Code, Brand: m.Brand, Locale: m.Locale, Params: m.Params,
		Expires: m.Expires.UTC(),
	}})
	if err != nil { // a time beyond the year 9999
		return delivery.Receipt{}, &delivery.Error{Class: delivery.Rejected, Cause: errors.New("the message cannot be written as JSON")}
	}
	answer, err := hook.Post(ctx, s, s.url, s.secrets, m.ID, now(s.clock), payload)
	if err != nil {
		return delivery.Receipt{}, lost(err)
	}
	if err := judge(answer); err != nil {
		if answer.Status == http.StatusGone {
			s.log.Error("the application wants no messages any more (410); take the provider from the routes, or correct its url")
		}
		return delivery.Receipt{}, err
	}
	return delivery.Receipt{IDs: []string{receiptID(answer.Body, m)}, Expect: s.receipts}, nil
}

// now is the time as the application has it: nobody turns its clock when
// ours is turned.
func now(c *clock.Clock) time.Time { return c.Now().Add(-c.Offset()) }

// Do implements [hook.Doer]: the guarded client, with the configured headers.
func (s *sender) Do(r *http.Request) (*http.Response, error) {
	for name, values := range s.headers {
		r.Header[name] = values
	}
	return s.client.Do(r)
}

// lost classes a call without an answer. Before there was a connection the
// application cannot have taken anything.
func lost(err error) error {
	class := delivery.Unavailable
	var e *egress.Error
	if errors.As(err, &e) && e.Sent {
		class = delivery.Unknown
	}
	return &delivery.Error{Class: class, Cause: err}
}

// judge puts the application's answer into a class; nil means taken. A 5xx may
// hide that the message was taken, but the next try has the same id.
func judge(a hook.Answer) error {
	if a.Status >= 200 && a.Status < 300 {
		return nil
	}
	e := &delivery.Error{Class: classOf(a.Status), Code: strconv.Itoa(a.Status)}
	if e.Class != delivery.Rejected {
		e.After = a.After
	}
	return e
}

func classOf(status int) delivery.Class {
	switch status {
	case http.StatusTooManyRequests:
		return delivery.Throttled
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusProxyAuthRequired,
		http.StatusRequestTimeout, http.StatusMisdirectedRequest, http.StatusTooEarly, http.StatusUpgradeRequired:
		return delivery.Unavailable // says something of the endpoint, not of the message
	}
	if status >= 400 && status < 500 {
		return delivery.Rejected
	}
	return delivery.Unavailable
}

// receiptID returns the id under which the application will report: the one
// that it answered, if it did and it can stand in a journal, or the message's.
func receiptID(answer []byte, m delivery.Message) string {
	o, err := strictjson.Parse(answer)
	if err != nil {
		return m.ID
	}
	id, ok := o.Get("id").Text()
	hidden := []string{m.Code, strings.TrimPrefix(m.To, "+")}
	if !ok || !validID(id) || slices.ContainsFunc(hidden, func(h string) bool { return h != "" && strings.Contains(id, h) }) {
		return m.ID
	}
	return id
}

// maxID is how many bytes an application's id may have.
const maxID = 128

// validID tells whether an id is 1 to 128 printable ASCII characters without
// spaces.
func validID(id string) bool {
	return id != "" && len(id) <= maxID && !strings.ContainsFunc(id, func(r rune) bool { return r <= ' ' || r > '~' })
}
