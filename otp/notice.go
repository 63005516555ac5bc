package otp

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"
)

// WebhookEvents lists what a tenant's application can hear of.
func WebhookEvents() []EventKind {
	return []EventKind{
		EventStarted, EventResent, EventSent, EventDelivered, EventFailed, EventUnsent, EventSilent, EventNextLeg,
		EventWrong, EventApproved, EventExhausted, EventExpired, EventCanceled, EventSuperseded, EventVoid, EventLocked,
		EventAlert, EventReleased, EventListed, EventRefused,
	}
}

// noticeLife is how long an event is offered to a webhook.
const noticeLife = 24 * time.Hour

// ofTenant tells whether events of a kind belong to no verification.
func ofTenant(kind EventKind) bool {
	return slices.Contains([]EventKind{EventAlert, EventReleased, EventListed, EventRefused}, kind)
}

// wants tells whether the webhook hears of a kind of event. Of refusals, of which
// an attack makes many, it hears when they are asked for by name.
func (w *Webhook) wants(kind EventKind) bool {
	if len(w.Events) == 0 {
		return kind != EventRefused && slices.Contains(WebhookEvents(), kind)
	}
	return slices.Contains(w.Events, kind)
}

// notices puts an outbox row for each webhook that is to hear of what the step
// journaled, in the same step. They are this server's. Those of once are not to be
// told again by it.
func (s *Service) notices(now time.Time, st *State) (all []Message, once []ID) {
	if len(st.events) == 0 {
		return nil, nil
	}
	dir := s.Directory()
	if !dir.listens {
		return nil, nil
	}
	for i := range st.events {
		e := &st.events[i]
		t, ok := dir.Tenant(e.Tenant)
		if !ok {
			continue
		}
		for j := range t.Webhooks {
			id := noticeID(e, t.Webhooks[j].URL, now)
			if !t.Webhooks[j].wants(e.Kind) || s.once.has(id) {
				continue
			}
			m := Message{
				ID: id, Tenant: e.Tenant, Verification: e.Verification, Kind: EventMessage,
				Created: now, Expires: now.Add(noticeLife), NextAt: now, Owner: s.o.Server, FirstEvent: e.N,
				Progress: Progress{Provider: t.Webhooks[j].URL},
			}
			st.Messages.Put(m.ID, m)
			all = append(all, m)
			if ofTenant(e.Kind) {
				once = append(once, id)
			}
		}
	}
	return all, once
}

// noticeID names a row by event and webhook, since a decision draws nothing:
// when it runs again, it names the same row.
func noticeID(e *Event, url string, now time.Time) ID {
	sum := sha256.Sum256(fmt.Appendf(nil, "notice %s %d %s", e.Verification.Hex(), e.N, url))
	id := ID(sum[:16])
	if ofTenant(e.Kind) { // lines of one name are one line, and told once
		now = e.Verification.Born()
	}
	id.stamp(now)
	return id
}

// toldOnce remembers what of events without a verification was handed to the courier
// by this server: one line of the journal may be written many times in its
// minute.
type toldOnce struct {
	mu  sync.Mutex
	ids [2]map[ID]bool // young and older ones
}

const toldKept = 10_000

func (t *toldOnce) has(id ID) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.ids[0][id] || t.ids[1][id]
}

// note is called after the commit.
func (t *toldOnce) note(id ID) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ids[0] == nil || len(t.ids[0]) >= toldKept {
		t.ids[0], t.ids[1] = make(map[ID]bool), t.ids[0]
	}
	t.ids[0][id] = true
}

// Notice is one event ready to be told to a webhook.
type Notice struct {
	ID       string // the same for every try
	URL      string
	Secret   string // whsec_...
	Previous string // the one before it, which signs too; "" for none
	At       time.Time
	Body     []byte // JSON
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

// tenantNotice is what an application hears of an event that belongs to no
// verification.
type tenantNotice struct {
	Type      string     `json:"type"`
	Timestamp string     `json:"timestamp"`
	Data      tenantData `json:"data"`
}

type tenantData struct {
	Rule   string `json:"rule,omitempty"`
	Detail string `json:"detail,omitempty"` // no address, and no tag of one
}

func noticeOfTenant(e *Event) ([]byte, error) {
	rule, detail := e.Rule(), strings.TrimSpace(strings.TrimPrefix(e.Detail, e.Rule()))
	if e.Kind == EventListed { // its first word is the verdict
		rule, detail = "", e.Detail
	}
	if at := strings.LastIndexByte(detail, '#'); at >= 0 && !strings.Contains(detail[at:], " ") {
		detail = strings.TrimSpace(detail[:at])
	}
	return json.Marshal(tenantNotice{"tenant." + string(e.Kind), rfc3339(e.At), tenantData{rule, detail}})
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
