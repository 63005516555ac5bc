package e2e

import (
	"fmt"
	"math"
	"math/rand/v2"
	"net/http"
	"regexp"
	"strings"
	"time"
)

// welchBound is the border that is usual in tests of leakage: above it two
// classes of times differ beyond doubt.
const welchBound = 4.5

// class is one of two kinds of requests whose answers must not be told apart.
type class struct{ n, mean, squares float64 }

func (c *class) add(x float64) { // after Welford
	c.n++
	d := x - c.mean
	c.mean += d / c.n
	c.squares += d * (x - c.mean)
}

func welch(a, b class) float64 {
	return (a.mean - b.mean) / math.Sqrt(a.squares/(a.n-1)/a.n+b.squares/(b.n-1)/b.n)
}

var (
	stamps   = regexp.MustCompile(`\d{4}-\d\d-\d\dT[0-9:.]+Z`)
	maskedTo = regexp.MustCompile(`\+1\d*\*+\d+`)
)

// shape is an answer without what differs in each.
func shape(r reply) string {
	text := maskedTo.ReplaceAllString(stamps.ReplaceAllString(uuids.ReplaceAllString(r.body, "ID"), "TIME"), "TO")
	var names []string
	for name := range r.header {
		names = append(names, name)
	}
	return fmt.Sprint(r.status, len(names), text)
}

// distinguish asks in two ways, in an order that nobody could foresee, and
// compares the forms and times of the answers.
func (s *siege) distinguish(what string, n int, ask [2]func() (reply, time.Duration)) string {
	s.Helper()
	worst := 0.0
	for range samples { // one sample in 100,000 of equals is above the bound; other work on the machine makes it more
		var classes [2]class
		forms := map[string]bool{}
		for range n {
			which := rand.IntN(2)
			r, took := ask[which]()
			forms[shape(r)] = true
			classes[which].add(float64(took.Microseconds()))
		}
		if len(forms) != 1 {
			s.Errorf("%s: the answers have %d forms: %v", what, len(forms), forms)
		}
		if worst = welch(classes[0], classes[1]); math.Abs(worst) < welchBound {
			break
		}
	}
	if math.Abs(worst) >= welchBound {
		s.Errorf("%s: by their times t = %.1f of %d in each of %d samples", what, worst, n, samples)
	}
	return fmt.Sprintf("%s t=%+.1f of %d", what, worst, n)
}

// clocked makes a native request and measures it.
func clocked(c *client, method, path, body string) func() (reply, time.Duration) {
	return func() (reply, time.Duration) {
		began := time.Now()
		r := withKey(c, method, path, body)
		return r, time.Since(began)
	}
}

// timing asks natively. A limit that is reached is told to the application, as
// each dialect documents; there are no blocked addresses.
func timing(s *siege) figures {
	c := s.c[0]
	globex := newClient(s.T, c.base)
	globex.key = "globex-key"
	foreign, r := nativeTongue.start(globex, fresh())
	if foreign == "" {
		s.Fatalf("a start is answered %d %s", r.status, r.body)
	}
	path := func(id string) string { return "/v1/verifications/" + id + "/check" }
	strangers := [2]func() (reply, time.Duration){
		clocked(c, "POST", path(foreign), `{"code":"123456"}`),
		func() (reply, time.Duration) {
			return clocked(c, "POST", path(strayID(nativeTongue)), `{"code":"123456"}`)()
		},
	}
	told := []string{s.distinguish("another tenant's id and nobody's", s.pick(1000, 200_000), strangers)}

	// A known address is one that was proved before.
	known := []string{}
	begin := func(to func() string) func() (reply, time.Duration) {
		return func() (reply, time.Duration) {
			return clocked(c, "POST", "/v1/verifications", fmt.Sprintf(`{"to":%q}`, to()))()
		}
	}
	n := s.pick(150, 10_000)
	for range 2 * n { // each is asked again within its limit
		to := fresh()
		id, m := s.begin(nativeTongue, to)
		s.guess(nativeTongue, 0, id, m.code())
		known = append(known, to)
	}
	told = append(told, s.distinguish("a known address and a new one", n, [2]func() (reply, time.Duration){
		begin(func() string {
			to := known[0]
			known = append(known[1:], to)
			return to
		}),
		begin(fresh),
	}))

	// A code that is wrong in its first digit, and one that is so in its last.
	digit := func(at int) func() (reply, time.Duration) {
		return func() (reply, time.Duration) {
			id, m := s.begin(nativeTongue, fresh())
			code := []byte(m.code())
			code[at] = '0' + (code[at]-'0'+5)%10
			return clocked(c, "POST", path(id), fmt.Sprintf(`{"code":%q}`, code))()
		}
	}
	told = append(told, s.distinguish("wrong at the first digit and at the last", n, [2]func() (reply, time.Duration){digit(0), digit(5)}))
	s.overTheLimit()
	return figures{over: "native; forms over each dialect in its own suite (T48, T33)", counted: strings.Join(told, "; ")}
}

// overTheLimit: what is over a limit is so whether the address was ever proved.
func (s *siege) overTheLimit() {
	var forms [2]string
	for i := range forms {
		to := fresh()
		for n := range 5 {
			id, m := s.begin(nativeTongue, to)
			if i == 1 && n == 0 {
				s.guess(nativeTongue, 0, id, m.code())
			}
		}
		_, r := nativeTongue.start(s.c[0], to)
		if r.status != http.StatusTooManyRequests {
			s.Errorf("the sixth start is answered %d %s", r.status, r.body)
		}
		forms[i] = regexp.MustCompile(`\d+`).ReplaceAllString(shape(r), "N")
	}
	if forms[0] != forms[1] {
		s.Errorf("over the limit a known address is answered %s and an unknown one %s", forms[1], forms[0])
	}
}
