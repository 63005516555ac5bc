package native

import (
	"bytes"
	"encoding/json"
	"time"

	"github.com/aldaba-otp/aldaba/otp"
)

// verification is the JSON form of a verification. The members of the contract
// come first, in its order.
type verification struct {
	ID           string          `json:"id"`
	Status       string          `json:"status"`
	To           string          `json:"to"` // masked
	Channel      string          `json:"channel"`
	CreatedAt    string          `json:"created_at"`
	ExpiresAt    string          `json:"expires_at"`
	AttemptsLeft int             `json:"attempts_left"`
	ResendAfter  string          `json:"resend_after"`
	Purpose      string          `json:"purpose"`
	Locale       string          `json:"locale"`
	Subject      string          `json:"subject,omitempty"`
	Metadata     json.RawMessage `json:"metadata,omitempty"`
	Test         bool            `json:"test,omitempty"` // of a test address
	// Timeline is told by the look at one verification alone: an answer that an
	// idempotency record keeps must not grow with it.
	Timeline []entry `json:"timeline,omitempty"`
}

// entry is the JSON form of one event of a verification.
type entry struct {
	At       string `json:"at"`
	Event    string `json:"event"`
	Actor    string `json:"actor"`
	Channel  string `json:"channel,omitempty"`
	Provider string `json:"provider,omitempty"`
	Detail   string `json:"detail,omitempty"`
}

// judgement is the JSON form of what became of a guess.
type judgement struct {
	ID           string `json:"id"`
	Status       string `json:"status"`
	Outcome      string `json:"outcome"`
	AttemptsLeft int    `json:"attempts_left"`
	// Purpose and Subject let the application hold the proof against what it
	// is about to allow.
	Purpose string `json:"purpose"`
	Subject string `json:"subject,omitempty"`
	Receipt string `json:"receipt,omitempty"`
	Test    bool   `json:"test,omitempty"` // it proves nothing: the address is a test address
}

// listing is the JSON form of many verifications.
type listing struct {
	Verifications []verification `json:"verifications"`
}

func formOf(v otp.View) verification {
	return verification{
		ID: v.ID.String(), Status: v.Status.String(), To: v.To, Channel: string(v.Channel),
		CreatedAt: stamp(v.Created), ExpiresAt: stamp(v.Expires), AttemptsLeft: v.AttemptsLeft, ResendAfter: stamp(v.ResendAfter),
		Purpose: v.Purpose, Locale: v.Locale, Subject: v.Subject, Metadata: v.Metadata, Test: v.Test,
	}
}

// stamp writes a time of RFC 3339 in UTC, always with milliseconds.
func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

// verificationAnswer has the form that an idempotency record asks for; what is
// remembered and what is said are the same bytes.
func verificationAnswer(v otp.View, _ otp.Outcome) []byte { return encode(formOf(v)) }

// lookAnswer is the answer to a look at one verification.
func lookAnswer(v otp.View, timeline []otp.TimelineEntry) []byte {
	form := formOf(v)
	for _, e := range timeline {
		form.Timeline = append(form.Timeline, entry{stamp(e.At), string(e.Event), e.Actor, string(e.Channel), e.Provider, e.Detail})
	}
	return encode(form)
}

func checkAnswer(v otp.View, o otp.Outcome) []byte {
	return encode(judgement{v.ID.String(), v.Status.String(), o.String(), v.AttemptsLeft, v.Purpose, v.Subject, v.Receipt, v.Test})
}

func listAnswer(all []otp.View) []byte {
	forms := make([]verification, len(all))
	for i := range all {
		forms[i] = formOf(all[i])
	}
	return encode(listing{forms})
}

// encode writes JSON without the escapes that only web pages need.
func encode(v any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(v) // strings, numbers and JSON that was parsed before always encode
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}
