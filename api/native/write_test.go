package native

import (
	"strings"
	"testing"
	"time"

	"github.com/aldaba-otp/aldaba/otp"
)

// FuzzAnswersAreThoseOfReflection holds what is written by hand against what
// encoding/json makes of the same forms.
func FuzzAnswersAreThoseOfReflection(f *testing.F) {
	f.Add("+1******4567", "login", "en", "user 7", "a.b-c_d", int64(1_700_000_000_123), 5, uint8(0), false)
	f.Add("", "", "", "", "", int64(0), 0, uint8(3), true)
	f.Add("a\"b\\c", "\x00\x1f\x7f", "<&>", "\u2028\u2029\ufffd", "\xff\xc0\xed\xa0\x80", int64(-62135596800000), -7, uint8(9), true)
	f.Add("línea", "\b\f\n\r\t", "日本", " ~", strings.Repeat("long ", 200), int64(253402300800000), 1<<40, uint8(255), false)
	f.Fuzz(func(t *testing.T, to, purpose, locale, subject, receipt string, at int64, left int, state uint8, test bool) {
		moment := time.UnixMilli(at).In(time.FixedZone("", 3600))
		v := otp.View{
			To: to, Channel: otp.Channel(locale), Purpose: purpose, Locale: locale, Subject: subject, Receipt: receipt, AttemptsLeft: left,
			Status: otp.Status(state), Test: test, Created: moment, Expires: moment.Add(time.Minute), ResendAfter: moment.Add(time.Microsecond),
		}
		if got, want := stamp(moment), moment.UTC().Format("2006-01-02T15:04:05.000Z"); got != want {
			t.Errorf("stamp %s, not %s", got, want)
		}
		v.ID = otp.ID{state, 1, 2, 15: 0xff}
		if got, want := string(verificationAnswer(v, 0)), string(encode(formOf(v))); got != want {
			t.Errorf("verification\n%s, not\n%s", got, want)
		}
		o := otp.Outcome(state)
		form := judgement{v.ID.String(), v.Status.String(), o.String(), v.AttemptsLeft, v.Purpose, v.Subject, v.Receipt, v.Test}
		if got, want := string(checkAnswer(v, o)), string(encode(form)); got != want {
			t.Errorf("judgement\n%s, not\n%s", got, want)
		}
		v.Metadata = []byte(`{"a":"<\u2028>"}`)
		if got, want := string(verificationAnswer(v, 0)), string(encode(formOf(v))); got != want {
			t.Errorf("with metadata\n%s, not\n%s", got, want)
		}
	})
}

// BenchmarkAnswers is both answers of a pair.
func BenchmarkAnswers(b *testing.B) {
	now := time.UnixMilli(1_700_000_000_123)
	v := otp.View{
		To: "+58*******4567", Channel: otp.SMS, Purpose: "login", Locale: "en", AttemptsLeft: 5, Created: now, Expires: now, ResendAfter: now,
	}
	b.ReportAllocs()
	for b.Loop() {
		_, _ = verificationAnswer(v, 0), checkAnswer(v, otp.OutcomeApproved)
	}
}
