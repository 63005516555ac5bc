package apitest

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/aldaba-otp/aldaba/otp"
	"github.com/aldaba-otp/aldaba/otp/otptest"
)

// wrongOrRefused tells whether an answer says that a code was wrong, or refuses
// the request. That it does not say "approved" would be too little: an answer
// may say so in words that the server never uses.
func (s *Scene) wrongOrRefused(h Heard) bool {
	left := tries - s.newest().Attempts
	return h.Status >= http.StatusBadRequest || h.Word == s.speaker.Outcome(otp.OutcomeWrong, left) || h.Word == s.speaker.Kind(Check, otp.Invalid)
}

// manySources: limits are of the address, wherever requests come from and
// whatever their headers say of that (T05).
//
// GHSA-c55g-q6f4-5qxr (RubyGems): limits were of each source alone.
// CVE-2026-33640, GHSA-cwhc-53hw-qqx6 (Outline): the limiter could be gone
// around.
func manySources(t *testing.T, s *Scene) {
	asked := 0
	elsewhere := func(op Op, w Words) Heard {
		asked++
		source := fmt.Sprintf("198.51.100.%d", asked)
		r := s.speaker.Say(op, w)
		r.RemoteAddr = source + ":1234"
		for _, header := range []string{"X-Forwarded-For", "X-Real-Ip", "True-Client-Ip"} {
			r.Header.Set(header, fmt.Sprintf("203.0.113.%d", asked))
		}
		return s.ask(op, r)
	}
	var id, code string
	for i := range 5 { // 20 wrong guesses in all, and never six in a row
		id = elsewhere(Start, Words{To: number}).ID
		code = s.Courier.Last(t).Code
		for range tries - 1 {
			elsewhere(Check, Words{ID: id, Code: otptest.WrongCode(code)})
		}
		if i < 4 {
			s.expect("the right code", elsewhere(Check, Words{ID: id, Code: code}), s.speaker.Outcome(otp.OutcomeApproved, 1))
		}
	}
	s.expect("the right code", elsewhere(Check, Words{ID: id, Code: code}), s.speaker.Outcome(otp.OutcomeThrottled, 0))
	elsewhere(Start, Words{To: number}) // two limits are full, and each language names the one or the other
	if n := len(s.Courier.Dispatches()); n != 5 {
		t.Errorf("%d messages were sent", n)
	}
}

// partOfTheCode: what is shorter or longer than the code is not the code (T28).
//
// GHSA-rmmc-8cqj-hfp3 (otpauth): a single right digit was accepted.
func partOfTheCode(t *testing.T, s *Scene) {
	id, code := s.start(number)
	for _, guess := range []string{code[:1], code[:len(code)-1], code[1:], code + code} {
		if heard := s.check(id, guess); !s.wrongOrRefused(heard) {
			t.Errorf("%d characters of %d are answered %q", len(guess), len(code), heard.Word)
		}
	}
	v := s.newest()
	s.expect("the whole code", s.check(id, code), s.speaker.Outcome(otp.OutcomeApproved, tries-v.Attempts))
}

// claims is what a request might say and only the server decides.
func claims() [][2]string {
	return [][2]string{
		{"status", "approved"},
		{"verified", "true"},
		{"bypass_otp", "1"},
		{"test_mode", "true"},
		{"tenant", "globex"},
		{"attempts", "0"},
		{"attempts_left", "1000"},
		{"expires_at", "2099-01-01T00:00:00Z"},
	}
}

// claiming returns the request with all claims in its query, its headers or
// its body.
func claiming(t *testing.T, r *http.Request, where string) *http.Request {
	t.Helper()
	text, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	body := string(text)
	query := r.URL.Query()
	for _, c := range claims() {
		switch {
		case where == "query":
			query.Set(c[0], c[1])
		case where == "headers":
			r.Header.Set("X-"+strings.ReplaceAll(c[0], "_", "-"), c[1])
		case strings.HasPrefix(body, "{"):
			body = fmt.Sprintf("{%q:%q,%s", c[0], c[1], body[1:])
		default:
			body += "&" + c[0] + "=" + c[1]
		}
	}
	r.URL.RawQuery = query.Encode()
	r.Body, r.ContentLength = io.NopCloser(bytes.NewBufferString(body)), int64(len(body))
	r.Header.Set("Content-Length", strconv.Itoa(len(body)))
	return r
}

// claimsDecideNothing: a request that says it is verified is not, and one that
// says how it wants to be counted is not counted so (T23, T32).
//
// CVE-2026-14245, CVE-2026-8293, CVE-2026-130070: the step with the code could
// be left out, or a member such as bypass_otp=1 was honoured.
func claimsDecideNothing(t *testing.T, s *Scene) {
	id, code := s.start(number)
	life := s.newest().Expires.Sub(s.Clock.Now())
	for i, where := range []string{"query", "headers", "body"} {
		r := claiming(t, s.speaker.Say(Check, Words{ID: id, Code: otptest.WrongCode(code)}), where)
		if heard := s.ask(Check, r); !s.wrongOrRefused(heard) {
			t.Errorf("a wrong code with claims in its %s is answered %q", where, heard.Word)
		}
		if v := s.newest(); v.Status != otp.Pending || v.Attempts > i+1 {
			t.Errorf("after claims in the %s it is %s with %d tries spent", where, v.Status, v.Attempts)
		}
	}
	v := s.newest()
	s.expect("the right code", s.check(id, code), s.speaker.Outcome(otp.OutcomeApproved, tries-v.Attempts))
	for i, where := range []string{"query", "headers", "body"} {
		r := claiming(t, s.speaker.Say(Start, Words{To: number}), where)
		s.ask(Start, r) // a language may refuse what it does not know
		if n := len(s.Courier.Dispatches()); n > i+2 {
			t.Fatalf("%d messages were sent", n)
		}
		v := s.newest()
		if v.ID == s.Courier.Dispatches()[0].Verification.ID {
			continue // refused
		}
		if v.Status != otp.Pending || v.Tenant != "acme" || v.Spec.Test || v.Spec.MaxAttempts != tries || v.Expires.Sub(v.Spec.Created) != life {
			t.Errorf("a start with claims in its %s made %+v", where, v)
		}
	}
}

// knownAndUnknownAlike: the answer to a start does not tell whether an address
// was seen before (T50). Times are not compared here.
//
// CVE-2024-39891 (Authy), CVE-2022-39314 (Kirby): who asked was told whether a
// number was registered, or an account there.
func knownAndUnknownAlike(t *testing.T, s *Scene) {
	differing := regexp.MustCompile(`[0-9A-Fa-f*]+`) // ids, times and masked addresses
	asked := func() string { return differing.ReplaceAllString(s.answered(Start, Words{To: number}), "x") }
	unseen := asked()
	waiting := asked()
	id, code := s.start(number)
	s.expect("the right code", s.check(id, code), s.speaker.Outcome(otp.OutcomeApproved, tries))
	proven := asked()
	if n := len(s.Courier.Dispatches()); n != 4 {
		t.Fatalf("%d messages were sent", n)
	}
	for name, got := range map[string]string{"a code waits for": waiting, "was proven": proven} {
		if got != unseen {
			t.Errorf("an address that %s is answered\n%s\nand one that nobody has seen\n%s", name, got, unseen)
		}
	}
}
