package apitest

import (
	"testing"
	"time"

	"github.com/aldaba-otp/aldaba/otp"
)

// sentAgain: the repeat is answered with the first one's name, under which its
// code is good, and nothing is sent.
func sentAgain(_ *testing.T, s *Scene) {
	begin := func(count string) string {
		r := s.speaker.Say(Start, Words{To: number})
		r.Header.Set("X-Stainless-Retry-Count", count)
		return s.ask(Start, r).ID
	}
	first := begin("0")
	code := s.Courier.Last(s.tb).Code
	s.Clock.Advance(time.Second)
	again := begin("1")
	if sent := len(s.Courier.Dispatches()); again == "" || sent != 1 {
		s.tb.Fatalf("the repeat is told the name %q, and %d messages are sent", again, sent)
	}
	s.expect("the right code under the repeat's name", s.check(again, code), s.speaker.Outcome(otp.OutcomeApproved, tries))
	s.expect("the same under the first one's", s.check(first, code), s.speaker.Outcome(otp.OutcomeUsed, 0))
}
