package native

import (
	"time"

	"github.com/aldaba-otp/aldaba/otp"
)

// decision is the JSON form of what is decided about an address or a match.
type decision struct {
	To      string `json:"to,omitempty"` // masked; of one address
	Match   string `json:"match,omitempty"`
	Verdict string `json:"verdict"`
	Until   string `json:"until,omitempty"`
	Reason  string `json:"reason,omitempty"`
}

// decisions is the JSON form of a tenant's matches.
type decisions struct {
	Lists []decision `json:"lists"`
}

// verdictNone takes a decision back.
const verdictNone = "none"

func decisionOf(l *otp.Listed) decision {
	d := decision{To: l.To, Match: l.Match, Verdict: verdictNone, Reason: l.Reason}
	if l.Verdict != otp.Unlisted {
		d.Verdict = l.Verdict.String()
	}
	if !l.Until.IsZero() {
		d.Until = stamp(l.Until)
	}
	return d
}

// decisionAnswer has the form that an idempotency record asks for.
func decisionAnswer(l otp.Listed) []byte { return encode(decisionOf(&l)) }

// decide decides about one address or about all that a match stands for.
func (d *dialect) decide(r request) ([]byte, error) {
	body, raw, err := r.readBody(false, "to", "verdict", "until", "reason")
	if err != nil {
		return nil, err
	}
	f := &faults{body: body}
	to := f.needed("to", maxAddress)
	if _, given := f.given("verdict"); !given {
		f.add("verdict", "is missing")
	}
	word := f.word("verdict", otp.Allowed.String(), otp.Blocked.String(), verdictNone)
	l := otp.Listing{Until: f.moment("until"), Reason: f.text("reason", maxReason), By: r.caller.Identity}
	switch word {
	case otp.Allowed.String():
		l.Verdict = otp.Allowed
	case otp.Blocked.String():
		l.Verdict = otp.Blocked
	}
	repeat, err := r.repeat("decide", raw, nil)
	if f.join(err); repeat != nil {
		repeat.Decided = decisionAnswer
	}
	if err := f.err(); err != nil {
		return nil, err
	}
	found, err := d.service.DecideAbout(r.Context(), r.caller.Tenant, to, l, repeat)
	return decisionAnswer(found), err
}

// maxReason bounds the reason of a decision, in bytes.
const maxReason = 200

// lists tells what is decided about many addresses.
func (d *dialect) lists(r request) ([]byte, error) {
	entries, err := d.service.Lists(r.caller.Tenant)
	all := decisions{Lists: []decision{}}
	for _, e := range entries {
		all.Lists = append(all.Lists, decisionOf(&otp.Listed{Match: e.Match, Listing: otp.Listing{Verdict: e.Verdict, Until: e.Until, Reason: e.Reason}}))
	}
	return encode(all), err
}

// moment reads a time of RFC 3339; absent is zero.
func (f *faults) moment(name string) time.Time {
	text := f.text(name, maxName)
	if text == "" {
		return time.Time{}
	}
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		f.add(name, "must be a time of RFC 3339, such as 2026-12-31T00:00:00Z")
	}
	return at.UTC()
}
