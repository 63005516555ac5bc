package native

import (
	"strconv"
	"time"

	"github.com/aldaba-otp/aldaba/otp"
)

// The answers to a start and to a check are most of all answers, and reflection
// would be most of what they cost. So these are written by hand, to the very
// bytes of [encode].

// usual is room for most answers.
const usual = 384

// writer appends the members of one object to what it has.
type writer struct{ b []byte }

// writeVerification is encode(formOf(*v)) for a verification without metadata.
func writeVerification(v *otp.View) []byte {
	w := writer{make([]byte, 0, usual)}
	w.text("id", v.ID.String())
	w.text("status", v.Status.String())
	w.text("to", v.To)
	w.text("channel", string(v.Channel))
	w.stamp("created_at", v.Created)
	w.stamp("expires_at", v.Expires)
	w.integer("attempts_left", v.AttemptsLeft)
	w.stamp("resend_after", v.ResendAfter)
	w.text("purpose", v.Purpose)
	w.text("locale", v.Locale)
	if v.Subject != "" {
		w.text("subject", v.Subject)
	}
	return w.end(v.Test)
}

// writeJudgement is encode(*j).
func writeJudgement(j *judgement) []byte {
	w := writer{make([]byte, 0, usual)}
	w.text("id", j.ID)
	w.text("status", j.Status)
	w.text("outcome", j.Outcome)
	w.integer("attempts_left", j.AttemptsLeft)
	w.text("purpose", j.Purpose)
	if j.Subject != "" {
		w.text("subject", j.Subject)
	}
	if j.Receipt != "" {
		w.text("receipt", j.Receipt)
	}
	return w.end(j.Test)
}

// name begins a member. Names are ours and need no escapes.
func (w *writer) name(name string) {
	before := byte(',')
	if len(w.b) == 0 {
		before = '{'
	}
	w.b = append(w.b, before, '"')
	w.b = append(w.b, name...)
	w.b = append(w.b, '"', ':')
}

// text appends a string. What is not plain is left to encoding/json.
func (w *writer) text(name, value string) {
	w.name(name)
	if !plain(value) {
		w.b = append(w.b, encode(value)...)
		return
	}
	w.b = append(w.b, '"')
	w.b = append(w.b, value...)
	w.b = append(w.b, '"')
}

// plain reports whether a string stands in JSON as it is.
func plain(text string) bool {
	for i := range len(text) {
		if c := text[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}

func (w *writer) integer(name string, value int) {
	w.name(name)
	w.b = strconv.AppendInt(w.b, int64(value), 10)
}

func (w *writer) stamp(name string, at time.Time) {
	w.name(name)
	w.b = append(w.b, '"')
	w.b = appendStamp(w.b, at)
	w.b = append(w.b, '"')
}

// end closes the object, with the last member of both forms.
func (w *writer) end(test bool) []byte {
	if test {
		w.b = append(w.b, `,"test":true`...)
	}
	return append(w.b, '}')
}
