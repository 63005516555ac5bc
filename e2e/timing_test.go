package e2e

import (
	"fmt"
	"math"
	"math/rand/v2"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// timingLimit is the |t| of Welch's test from which two classes of answers are
// held to differ (Reparaz, Balasch and Verbauwhede, "Dude, is my code constant
// time?", 2017). timingCrop is the part of the measurements that is compared:
// what lies above it is the machine's.
const (
	timingLimit = 4.5
	timingCrop  = 0.9
)

// duel is two classes of requests whose answers must take equally long.
type duel struct {
	name  string
	slow  int // divides the number of requests
	most  int // requests of a round
	names [2]string
	// round prepares n requests of each class; each is made once.
	round func(t *testing.T, s *server, n int) [2][]func() reply
	want  [2]int // statuses
}

func duels() []duel {
	return []duel{
		{"check", 1, 2000, [2]string{"a wrong code", "an id that was never issued"}, checkOrUnknown, [2]int{200, 404}},
		{"check of a decoy", 1, 2000, [2]string{"a wrong code", "any code of a decoy"}, checkOrDecoy, [2]int{200, 200}},
		{"start", 1, 2000, [2]string{"an account", "a decoy"}, startOrDecoy, [2]int{201, 201}},
		{"login", 100, 36, [2]string{"a wrong password", "a login that nobody has"}, loginOrStranger, [2]int{401, 401}},
	}
}

// TestTiming answers two classes of requests in random order and compares the
// answers. With ALDABA_TIMING=100000 it also compares their times and prints
// the figures: make timing.
func TestTiming(t *testing.T) {
	t.Parallel()
	requests, measured := 40, false
	if asked := os.Getenv("ALDABA_TIMING"); asked != "" {
		n, err := strconv.Atoi(asked)
		if err != nil || n < 100 {
			t.Fatalf("ALDABA_TIMING=%s: must be a number of requests, at least 100", asked)
		}
		requests, measured = n, true
	}
	for _, d := range duels() {
		t.Run(d.name, func(t *testing.T) {
			if !measured {
				t.Parallel()
			}
			s := start(t, engines[0])
			if measured { // a provider is not as near as the inbox
				s.must(http.MethodPut, "/dev/simulator", `{"delay":"150ms","receipt":"none"}`)
			}
			times := d.fight(t, s, max(requests/d.slow, 40))
			if !measured {
				return
			}
			value := told(cropped(times))
			t.Logf("%-17s %7d requests: %s %s, %s %s, Welch t %+.2f (uncropped %+.2f)", d.name, len(times[0])+len(times[1]),
				d.names[0], median(times[0]), d.names[1], median(times[1]), value, told(times))
			if math.Abs(value) >= timingLimit {
				t.Errorf("|t| is %.2f, at least %.1f: the times tell the classes apart", math.Abs(value), timingLimit)
			}
		})
	}
}

// fight makes the requests of both classes in random order, one after the
// other, and returns how long each took.
func (d *duel) fight(t *testing.T, s *server, requests int) (times [2][]float64) {
	t.Helper()
	for requests > 0 {
		n := min(requests, d.most) / 2
		requests -= max(2*n, 1)
		queues := d.round(t, s, n)
		order := make([]int, 0, 2*n)
		for range n {
			order = append(order, 0, 1)
		}
		rand.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
		for _, class := range order {
			ask := queues[class][0]
			queues[class] = queues[class][1:]
			began := time.Now()
			r := ask()
			times[class] = append(times[class], time.Since(began).Seconds())
			if r.status != d.want[class] {
				t.Fatalf("%s is answered %d %s", d.names[class], r.status, r.body)
			}
		}
	}
	return times
}

// cropped leaves out what lies above the border of all times together.
func cropped(times [2][]float64) [2][]float64 {
	all := slices.Sorted(slices.Values(slices.Concat(times[0], times[1])))
	border := all[int(timingCrop*float64(len(all)-1))]
	for i := range times {
		times[i] = slices.DeleteFunc(slices.Clone(times[i]), func(x float64) bool { return x > border })
	}
	return times
}

// told returns the t of Welch's test of two lists of times.
func told(times [2][]float64) float64 {
	var classes [2]class
	for i := range times {
		for _, x := range times[i] {
			classes[i].add(x)
		}
	}
	return welch(classes[0], classes[1])
}

func median(x []float64) time.Duration {
	return time.Duration(slices.Sorted(slices.Values(x))[len(x)/2] * float64(time.Second)).Round(time.Microsecond)
}

// native asks the native API for something.
func (c *client) native(path, body string) reply {
	return c.send(http.MethodPost, path, body, "Authorization", "Bearer "+c.key, "Content-Type", "application/json")
}

// wrongs makes n checks, nine for each verification: the tenth try would end it.
func wrongs(t *testing.T, c *client, n int, decoy bool) (all []func() reply) {
	t.Helper()
	for i := range n {
		if i%9 == 0 {
			r := c.native("/v1/verifications", fmt.Sprintf(`{"to":%q,"max_attempts":10,"lifetime":600,"code":"123456","decoy":%t}`, fresh(), decoy))
			if r.status != 201 {
				t.Fatalf("a start is answered %d %s", r.status, r.body)
			}
			path := "/v1/verifications/" + r.member("id") + "/check"
			for range 9 {
				all = append(all, func() reply { return c.native(path, `{"code":"000000"}`) })
			}
		}
	}
	c.inbox("nobody@example.com") // what is under way has arrived
	rand.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	return all[:n]
}

func checkOrUnknown(t *testing.T, s *server, n int) [2][]func() reply {
	t.Helper()
	var unknown []func() reply
	for range n {
		path := "/v1/verifications/" + s.dev.Service.UnusedID().String() + "/check"
		unknown = append(unknown, func() reply { return s.native(path, `{"code":"000000"}`) })
	}
	return [2][]func() reply{wrongs(t, s.client, n, false), unknown}
}

func checkOrDecoy(t *testing.T, s *server, n int) [2][]func() reply {
	t.Helper()
	return [2][]func() reply{wrongs(t, s.client, n, false), wrongs(t, s.client, n, true)}
}

func startOrDecoy(_ *testing.T, s *server, n int) (all [2][]func() reply) {
	for range n {
		for class := range all {
			body := fmt.Sprintf(`{"to":%q,"decoy":%t}`, fresh(), class == 1)
			all[class] = append(all[class], func() reply { return s.native("/v1/verifications", body) })
		}
	}
	return all
}

// loginOrStranger turns the clock, for a login has 20 wrong passwords a minute.
func loginOrStranger(t *testing.T, s *server, n int) (all [2][]func() reply) {
	t.Helper()
	s.must(http.MethodPost, "/dev/clock", `{"advance":"61s"}`)
	for i := range n {
		for class, login := range []string{"demo@acme", fmt.Sprintf("name-%d@acme", i)} {
			password := strconv.FormatUint(rand.Uint64(), 36)
			all[class] = append(all[class], func() reply {
				return s.send(http.MethodPost, "/otp/1.0/send", "{}", "Authorization", basicAuth(login, password), "Content-Type", "application/json")
			})
		}
	}
	return all
}

// drawnValues are members whose values differ from start to start.
var drawnValues = regexp.MustCompile(`("(?:id|to|at|created_at|expires_at|resend_after|retry_after)"):("[^"]*"|[0-9]+)`)

// without leaves the last member of an answer out.
func without(member string, r reply) reply {
	r.body, _, _ = strings.Cut(r.body, `,"`+member+`":`)
	r.header.Del("Content-Length")
	return r
}

// TestDecoysAreAnsweredLikeOthers compares whole answers: status, names of
// headers, names of members, and their values but for what each start draws.
func TestDecoysAreAnsweredLikeOthers(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, e engine) {
		s := start(t, e)
		var told [2][]string
		for class := range told {
			to := fresh()
			say := func(r reply) {
				var names []string
				for name := range r.header {
					names = append(names, name)
				}
				slices.Sort(names)
				body := drawnValues.ReplaceAllString(strings.ReplaceAll(r.body, to[:4], "+..."), "$1:...")
				told[class] = append(told[class], fmt.Sprint(r.status, names, body))
			}
			decoy := fmt.Sprintf(`"decoy":%t`, class == 1)
			first := s.native("/v1/verifications", fmt.Sprintf(`{"to":%q,"metadata":{"a":"b"},%s}`, to, decoy))
			say(first)
			one := "/v1/verifications/" + first.member("id")
			for range 6 {
				say(s.native(one+"/check", `{"code":"abc"}`))
			}
			say(s.native(one+"/resend", "{}"))
			say(s.native(one+"/next", "{}"))
			say(s.native(one+"/cancel", "{}"))
			for range 5 {
				say(s.native("/v1/verifications", fmt.Sprintf(`{"to":%q,%s}`, to, decoy)))
			}
			// A timeline is the tenant's own: it has no carrier's id and no receipt.
			say(without("timeline", s.send(http.MethodGet, one, "", "Authorization", "Bearer demo-key")))
			if got := len(s.inbox(to)); (got > 0) != (class == 0) {
				t.Errorf("%d messages have arrived", got)
			}
		}
		for i := range told[0] {
			if told[0][i] != told[1][i] {
				t.Errorf("answer %d\n%s\nof a decoy\n%s", i, told[0][i], told[1][i])
			}
		}
	})
}
