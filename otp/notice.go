package otp

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// WebhookEvents lists what a tenant's application can hear of.
func WebhookEvents() []EventKind {
	return []EventKind{
		EventStarted, EventResent, EventSent, EventDelivered, EventFailed, EventUnsent, EventSilent, EventNextLeg,
		EventWrong, EventApproved, EventExhausted, EventExpired, EventCanceled, EventSuperseded, EventLocked,
	}
}

// noticeLife is how long an event is offered to a webhook.
const noticeLife = 24 * time.Hour

// wants tells whether the webhook hears of a kind of event.
func (w *Webhook) wants(kind EventKind) bool {
	if len(w.Events) == 0 {
		return slices.Contains(WebhookEvents(), kind)
	}
	return slices.Contains(w.Events, kind)
}

// notices puts an outbox row for each webhook that is to hear of what the step
// journaled, in the same step. They are this server's.
func (s *Service) notices(now time.Time, st *State) (all []Message) {
	if len(st.events) == 0 {
		return nil
	}
	dir := s.Directory()
	if !dir.listens {
		return nil
	}
	for i := range st.events {
		e := &st.events[i]
		t, ok := dir.Tenant(e.Tenant)
		if !ok {
			continue
		}
		for j := range t.Webhooks {
			if !t.Webhooks[j].wants(e.Kind) {
				continue
			}
			m := Message{
				ID: noticeID(e, t.Webhooks[j].URL, now), Tenant: e.Tenant, Verification: e.Verification, Kind: EventMessage,
				Created: now, Expires: now.Add(noticeLife), NextAt: now, Owner: s.o.Server, FirstEvent: e.N,
				Progress: Progress{Provider: t.Webhooks[j].URL},
			}
			st.Messages.Put(m.ID, m)
			all = append(all, m)
		}
	}
	return all
}

// noticeID names a row by event and webhook, since a decision draws nothing:
// when it runs again, it names the same row.
func noticeID(e *Event, url string, now time.Time) ID {
	sum := sha256.Sum256(fmt.Appendf(nil, "notice %s %d %s", e.Verification.Hex(), e.N, url))
	id := ID(sum[:16])
	id.stamp(now)
	return id
}

// Notice is one event ready to be told to a webhook.
type Notice struct {
	ID     string // the same for every try
	URL    string
	Secret string // whsec_...
	At     time.Time
	Body   []byte // JSON
}

// noticeBody is what an application hears: the shape of Standard Webhooks, with
// the verification as the native API names it. No code, no full address.
type noticeBody struct {
	Type      string     `json:"type"`
	Timestamp string     `json:"timestamp"`
	Data      noticeData `json:"data"`
}

type noticeData struct {
	ID       string          `json:"id"`
	Status   string          `json:"status"`
	To       string          `json:"to"`
	Channel  string          `json:"channel"`
	Purpose  string          `json:"purpose"`
	Subject  string          `json:"subject,omitempty"`
	Provider string          `json:"provider,omitempty"`
	Detail   string          `json:"detail,omitempty"`
	Metadata json.RawMessage `json:"metadata,omitempty"`
	Test     bool            `json:"test,omitempty"`
}

func rfc3339(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

// noticeOf makes the body of an event.
func noticeOf(e *Event, v *Verification, to string) ([]byte, error) {
	b := noticeBody{Type: "verification." + string(e.Kind), Timestamp: rfc3339(e.At), Data: noticeData{
		ID: v.ID.String(), Status: v.Status.String(), To: v.masked(to), Channel: string(v.Spec.Channel), Purpose: v.Spec.Purpose,
		Subject: v.Spec.Subject, Metadata: v.Spec.Metadata, Test: v.Spec.Test,
	}}
	if channel, provider, detail, ok := e.Carried(); ok {
		b.Data.Channel, b.Data.Provider, b.Data.Detail = string(channel), provider, unmarked(detail)
	}
	return json.Marshal(b)
}

// SealText seals a secret of the configuration under a name that says what it
// is for; [Ring.OpenText] is its inverse.
func (r *Ring) SealText(now time.Time, random io.Reader, name, text string) (string, error) {
	sealed, err := r.seal(now, random, "text "+name, []byte(text))
	if err != nil {
		return "", err
	}
	return base64.StdEncoding.EncodeToString(sealed), nil
}

// OpenText opens what [Ring.SealText] sealed under the same name.
func (r *Ring) OpenText(name, sealed string) (string, error) {
	raw, err := base64.StdEncoding.DecodeString(sealed)
	if err != nil {
		return "", errSealed
	}
	plain, err := r.open("text "+name, raw)
	return string(plain), err
}

func (t *Tenant) checkWebhooks(f *faultList) {
	for i, w := range t.Webhooks {
		at := fmt.Sprintf(".webhooks[%d]", i)
		f.check(strings.HasPrefix(w.URL, "https://") || strings.HasPrefix(w.URL, "http://"), at+".url", "must begin with https://")
		f.check(len(w.URL) <= 2048 && !hasBreaks(w.URL), at+".url", "must be one line of at most 2048 bytes")
		f.check(w.Secret != "", at+".secret", "is missing; make one with `aldaba webhook secret`")
		twice := slices.ContainsFunc(t.Webhooks[:i], func(o Webhook) bool { return o.URL == w.URL })
		f.check(!twice, at+".url", "stands in the list already")
		for j, kind := range w.Events {
			f.check(slices.Contains(WebhookEvents(), kind), fmt.Sprintf("%s.events[%d]", at, j), "is none of %s", eventWords())
		}
	}
}

func eventWords() string {
	words := make([]string, len(WebhookEvents()))
	for i, k := range WebhookEvents() {
		words[i] = string(k)
	}
	return strings.Join(words, ", ")
}
