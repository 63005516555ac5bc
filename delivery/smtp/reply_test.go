package smtp

import (
	"strings"
	"testing"

	"github.com/aldaba-otp/aldaba/delivery"
)

func TestRefusalsAreClassified(t *testing.T) {
	t.Parallel()
	const (
		rejected    = delivery.Rejected
		throttled   = delivery.Throttled
		unavailable = delivery.Unavailable
	)
	for _, c := range []struct {
		at   stage
		code int
		text string
		want delivery.Class
		word string
	}{
		// the relay itself
		{greeting, 421, "4.3.2 closing", unavailable, "4.3.2"},
		{greeting, 421, "4.7.0 too many connections", throttled, "4.7.0"},
		{greeting, 554, "5.7.1 your host is blocked", unavailable, "5.7.1"},
		{greeting, 554, "no service", unavailable, "554"},
		{greeting, 521, "5.3.2 host takes no mail", unavailable, "5.3.2"},
		{encrypting, 454, "4.7.0 TLS not available", unavailable, "4.7.0"},
		{encrypting, 501, "5.5.4 no parameters", unavailable, "5.5.4"},
		// credentials
		{authenticating, 535, "5.7.8 authentication failed", unavailable, "5.7.8"},
		{authenticating, 535, "authentication failed", unavailable, "535"},
		{authenticating, 454, "4.7.0 temporary failure", unavailable, "4.7.0"},
		{authenticating, 432, "4.7.12 a password transition is needed", unavailable, "4.7.12"},
		{authenticating, 534, "5.7.9 mechanism too weak", unavailable, "5.7.9"},
		{authenticating, 538, "5.7.11 encryption needed", unavailable, "5.7.11"},
		{authenticating, 421, "4.7.0 try again later", throttled, "4.7.0"},
		{sending, 530, "5.7.0 authentication required", unavailable, "5.7.0"},
		{sending, 530, "must issue STARTTLS first", unavailable, "530"},
		{sending, 550, "5.7.13 account disabled", unavailable, "5.7.13"},
		{sending, 550, "5.7.14 no trust", unavailable, "5.7.14"},
		{addressing, 530, "5.7.0 authentication required", unavailable, "5.7.0"},
		// the sender
		{sending, 553, "5.7.1 not owned by user", rejected, "5.7.1"},
		{sending, 550, "5.1.8 bad sender's system", rejected, "5.1.8"},
		{sending, 450, "4.1.8 domain of the sender not found", unavailable, "4.1.8"},
		{sending, 451, "4.1.7 sender", unavailable, "4.1.7"},
		{sending, 552, "5.3.4 too big", rejected, "5.3.4"},
		{sending, 555, "5.5.4 unsupported option", unavailable, "5.5.4"},
		{sending, 503, "5.5.1 say EHLO first", unavailable, "5.5.1"},
		// the recipient
		{addressing, 550, "5.1.1 user unknown", rejected, "5.1.1"},
		{addressing, 550, "user unknown", rejected, "550"},
		{addressing, 551, "5.1.6 moved", rejected, "5.1.6"},
		{addressing, 550, "5.1.10 null MX", rejected, "5.1.10"},
		{addressing, 556, "5.1.10 null MX", rejected, "5.1.10"},
		{addressing, 553, "5.1.3 bad syntax", rejected, "5.1.3"},
		{addressing, 553, "not allowed", rejected, "553"},
		{addressing, 501, "5.5.4 bad address", rejected, "5.5.4"},
		{addressing, 501, "bad address", rejected, "501"},
		{addressing, 503, "5.5.1 MAIL first", unavailable, "5.5.1"},
		{addressing, 550, "5.2.1 disabled", rejected, "5.2.1"},
		{addressing, 552, "5.2.2 full", rejected, "5.2.2"},
		{addressing, 452, "4.2.2 over quota", throttled, "4.2.2"},
		{addressing, 450, "4.2.1 receives too fast", throttled, "4.2.1"},
		{addressing, 450, "4.2.0 greylisted", throttled, "4.2.0"},
		{addressing, 450, "busy", throttled, "450"},
		{addressing, 451, "4.7.1 greylisted", throttled, "4.7.1"},
		{addressing, 450, "4.7.28 rate limit", throttled, "4.7.28"},
		{addressing, 450, "4.1.1 unverified", throttled, "4.1.1"},
		{addressing, 451, "4.3.0 local error", unavailable, "4.3.0"},
		{addressing, 451, "local error", unavailable, "451"},
		{addressing, 452, "4.3.1 no storage", unavailable, "4.3.1"},
		{addressing, 452, "no storage", unavailable, "452"},
		{addressing, 452, "4.5.3 too many recipients", throttled, "4.5.3"},
		{addressing, 451, "4.4.3 directory is away", unavailable, "4.4.3"},
		{addressing, 451, "4.4.5 congestion", throttled, "4.4.5"},
		{addressing, 421, "closing", unavailable, "421"},
		{addressing, 550, "5.4.4 no route", rejected, "5.4.4"},
		{addressing, 554, "5.7.1 relay access denied", rejected, "5.7.1"},
		{addressing, 550, "5.7.1 blocked", rejected, "5.7.1"},
		{addressing, 554, "failed", rejected, "554"},
		{addressing, 550, "5.3.0 system", unavailable, "5.3.0"},
		{addressing, 550, "5.6.7 no SMTPUTF8", rejected, "5.6.7"},
		// the message
		{opening, 554, "5.5.1 no valid recipients", unavailable, "5.5.1"},
		{opening, 500, "what?", unavailable, "500"},
		{opening, 451, "4.3.5 misconfigured", unavailable, "4.3.5"},
		{ending, 550, "5.7.1 looks like spam", rejected, "5.7.1"},
		{ending, 554, "5.6.0 bad content", rejected, "5.6.0"},
		{ending, 552, "5.3.4 too big", rejected, "5.3.4"},
		{ending, 552, "too big", rejected, "552"},
		{ending, 554, "5.3.5 misconfigured", unavailable, "5.3.5"},
		{ending, 451, "4.7.1 later", throttled, "4.7.1"},
		{ending, 452, "4.3.1 no storage", unavailable, "4.3.1"},
		{ending, 421, "4.3.2 shutting down", unavailable, "4.3.2"},
		{ending, 454, "4.7.0 sending paused", unavailable, "4.7.0"},
		// an enhanced code that is none, or contradicts the three digits
		{addressing, 550, "4.7.1 later", rejected, "550"},
		{addressing, 450, "5.1.1 never", throttled, "450"},
		{addressing, 550, "5.1 short", rejected, "550"},
		{addressing, 550, "5.1.1111 long", rejected, "550"},
		{addressing, 550, "5.+1.1 sign", rejected, "550"},
		{addressing, 550, "", rejected, "550"},
	} {
		r := parseReply(c.code, c.text)
		if got := classify(c.at, r); got != c.want || r.word() != c.word {
			t.Errorf("%d %q to %v: %v (%s), want %v (%s)", c.code, c.text, c.at, got, r.word(), c.want, c.word)
		}
	}
}

func FuzzReply(f *testing.F) {
	for _, seed := range []string{"5.1.1 user unknown", "4.7.1", "5.7.8 no\nmore", " 5..1", "5.1.-1", "ana@example.com 482913"} {
		f.Add(uint8(addressing), 550, seed)
	}
	f.Fuzz(func(t *testing.T, at uint8, code int, text string) {
		if code < 400 || code > 599 {
			return
		}
		r := parseReply(code, text)
		class := classify(stage(at%uint8(ending+1)), r)
		if class == delivery.Unknown {
			t.Errorf("%d %q is unknown", code, text)
		}
		if code < 500 && class == delivery.Rejected {
			t.Errorf("%d %q is for ever", code, text)
		}
		if w := r.word(); delivery.Word(w) != w || strings.Trim(w, "0123456789.") != "" {
			t.Errorf("%d %q: the word is %q", code, text, w)
		}
		if id := queueID(text); len(id) > 80 || strings.ContainsFunc(id, func(r rune) bool { return !isIDRune(r) }) {
			t.Errorf("%q: the id is %q", text, id)
		}
	})
}
