package e2e

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// guessing are T01 to T10 and T12; T11 stands in attack_codes_test.go.
func guessing() []attack {
	return []attack{
		{"T01", "5 wrong codes, then the right one", fiveWrongThenRight},
		{"T02", "4 wrong codes, then the right one, then again", fourWrongThenRight},
		{"T03", "the right code after exhaustion, after 1 h, after kill -9 and restart", rightAfterExhaustion},
		{"T04", "start and guess once, over and over for 24 h, at one address in each dialect and at one in all in turn", newChallenges},
		{"T05", "T04 from 1,000 source addresses with forged X-Forwarded-For", scatteredChallenges},
		{"T06", "one number and one mailbox in many spellings", spellings},
		{"T07", "100 wrong guesses in a row over five days, then on", hundredInARow},
		{"T08", "wait for the end of a window of wrong guesses, then guess on", windowsEnd},
		{"T09", "one wrong guess at each of many addresses of one tenant within 10 min", spray},
		{"T10", "ask for 1,000,000, 0, -1, 2^31, 1e3 and \"5\" tries", manyTries},
		{"T11", "draw codes by the million and look for a pattern", codesHaveNoPattern},
		{"T12", "guess at ids that were never issued", idsNeverIssued},
	}
}

// sums adds up tolls of attacks that run at once.
type sums struct {
	mu  sync.Mutex
	all toll
}

func (a *sums) add(t toll) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.all.add(t)
}

func fiveWrongThenRight(s *siege) figures {
	var sum sums
	over := s.over(func(l tongue, to string) {
		id, m := s.begin(l, to)
		for i := range tries {
			if v := s.guess(l, i, id, wrongCode(m.code())); v != wrong {
				s.Errorf("%s: wrong code %d is answered %s", l.name, i, v)
			}
		}
		if v := s.guess(l, 0, id, m.code()); v != over && !(l.vague && v == wrong) {
			s.Errorf("%s: the right code after them is answered %s", l.name, v)
		}
		got := s.toll(to)
		if got.evaluated != tries || got.approved != 0 || got.messages != 1 {
			s.Errorf("%s: %s", l.name, got)
		}
		sum.add(got)
	})
	return figures{over: over, counted: sum.all.String()}
}

func fourWrongThenRight(s *siege) figures {
	var sum sums
	over := s.over(func(l tongue, to string) {
		id, m := s.begin(l, to)
		for i := range tries - 1 {
			s.guess(l, i, id, wrongCode(m.code()))
		}
		if v := s.guess(l, 1, id, m.code()); v != approved {
			s.Errorf("%s: the right code is answered %s", l.name, v)
		}
		for i := range 2 {
			if v := s.guess(l, i, id, m.code()); v == approved || v == silence {
				s.Errorf("%s: the used code is answered %s", l.name, v)
			}
		}
		got := s.toll(to)
		if got.evaluated != tries || got.approved != 1 {
			s.Errorf("%s: %s", l.name, got)
		}
		sum.add(got)
	})
	return figures{over: over, counted: sum.all.String()}
}

func rightAfterExhaustion(s *siege) figures {
	type spent struct {
		l            tongue
		to, id, code string
	}
	var mu sync.Mutex
	var all []spent
	over := s.over(func(l tongue, to string) {
		id, m := s.begin(l, to)
		for i := range tries {
			s.guess(l, i, id, wrongCode(m.code()))
		}
		mu.Lock()
		defer mu.Unlock()
		all = append(all, spent{l, to, id, m.code()})
	})
	guesses := 0
	again := func(when string) {
		for i, one := range all {
			guesses++
			if v := s.guess(one.l, i, one.id, one.code); v == approved || v == silence {
				s.Errorf("%s: %s the right code is answered %s", one.l.name, when, v)
			}
		}
	}
	again("at once")
	s.restart(syscall.SIGKILL)
	again("after a kill")
	s.advance(time.Hour)
	again("after an hour")
	s.restart(syscall.SIGTERM)
	again("after a restart")
	var sum toll
	for _, one := range all {
		sum.add(s.toll(one.to))
	}
	if sum.evaluated != tries*len(all) || sum.approved != 0 {
		s.Errorf("%s", sum)
	}
	return figures{over: over, counted: fmt.Sprintf("right codes %d, %s", guesses, sum)}
}

const (
	guessesADay  = 20
	messagesADay = 10
)

// newChallenges spreads its rounds over 24 hours, so that no window but that of
// a day is filled.
func newChallenges(s *siege) figures {
	rounds := s.pick(36, 200)
	type victim struct {
		to        string
		ids       map[string]string // by dialect
		throttled atomic.Int64
	}
	mixed := &victim{to: fresh(), ids: map[string]string{}}
	own := map[string]*victim{}
	for _, l := range tongues {
		own[l.name] = &victim{to: fresh(), ids: map[string]string{}}
	}
	once := func(v *victim, l tongue, round int) {
		id, r := l.start(s.c[0], v.to)
		if id == "" {
			v.throttled.Add(1)
			if r.status != http.StatusTooManyRequests || r.header.Get("Retry-After") == "" {
				s.Errorf("%s: a start in round %d is answered %d %v %s", l.name, round, r.status, r.header, r.body)
			}
		} else {
			v.ids[l.name] = id
		}
		if v.ids[l.name] != "" {
			l.check(s.c[round%len(s.c)], v.ids[l.name], fmt.Sprintf("%06d", round))
		}
	}
	var over string
	for round := range rounds {
		over = s.over(func(l tongue, _ string) { once(own[l.name], l, round) })
		once(mixed, tongues[round%len(tongues)], round)
		s.advance((24*time.Hour - 10*time.Minute) / time.Duration(rounds))
	}
	var sum toll
	own["all in turn"] = mixed
	for name, v := range own {
		got := s.toll(v.to)
		if got.evaluated > guessesADay || got.messages > messagesADay || got.messages == 0 || v.throttled.Load() == 0 {
			s.Errorf("%s: %d rounds: %s, %d times throttled", name, rounds, got, v.throttled.Load())
		}
		sum.add(got)
	}
	return figures{over: over + ", and mixed", counted: fmt.Sprintf("7 x %d rounds, at most %d messages and %d guesses each: %s", rounds, messagesADay, guessesADay, sum)}
}

// scatter makes clients whose every connection comes from another address of
// the loopback network, and which forge what a proxy would tell.
func (s *siege) scatter(sources int) {
	var next atomic.Int64
	for i, c := range s.c {
		forger := newClient(s.T, c.base)
		forger.http.Transport = forging{&http.Transport{
			DisableKeepAlives: true,
			DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
				n := next.Add(1) % int64(sources)
				from := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 1, byte(n/250), byte(1+n%250))}}
				return from.DialContext(ctx, network, address)
			},
		}}
		s.c[i] = forger
	}
}

// forging adds what a proxy would.
type forging struct{ next http.RoundTripper }

func (f forging) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	address := fmt.Sprintf("198.18.%d.%d", rand.IntN(256), rand.IntN(256))
	for _, name := range []string{"X-Forwarded-For", "X-Real-Ip", "True-Client-Ip", "Cf-Connecting-Ip", "X-Client-Ip"} {
		r.Header.Set(name, address)
	}
	r.Header.Set("Forwarded", "for="+address)
	return f.next.RoundTrip(r)
}

func scatteredChallenges(s *siege) figures {
	s.scatter(1000)
	return newChallenges(s)
}

// numberSpellings are ways to write a Venezuelan number, which is the home of
// acme, and what is no number at all.
func numberSpellings(n string) []string {
	cc, area, rest := n[1:3], n[3:6], n[6:]
	wide := strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' {
			return r - '0' + '０'
		}
		return r
	}, n)
	return []string{
		n, cc + area + rest, "00" + n[1:], "+" + cc + " " + area + " " + rest, "+" + cc + "-" + area + "-" + rest, "+" + cc + " (0)" + area + rest,
		"+" + cc + "." + area + "." + rest, "0" + area + rest, "0" + area + "-" + rest[:3] + " " + rest[3:], "(0" + area + ") " + rest, wide, "tel:" + n,
		n + " ext 5", n + ";ext=5", n + "x5", n + "#5", n + ",," + "5", " " + n + " ", "\u200b" + n, n + "\u202c", "+" + n, n + n,
		"tel:" + n + ";phone-context=example.com", n + "\n", "+0" + n[1:], n + ",+584240000000", "+" + cc + "0" + area + rest,
	}
}

// mailSpellings are ways to write one mailbox of gmail.com.
func mailSpellings(local string) []string {
	return []string{
		local + "@gmail.com", strings.ToUpper(local) + "@gmail.com", local + "@GMAIL.COM", local[:2] + "." + local[2:] + "@gmail.com",
		local + "+a@gmail.com", local + "+b.c@googlemail.com", local + "@ｇｍａｉｌ.com", local + "@gmail.com.", `"` + local + `"@gmail.com`, local + "(x)@gmail.com",
		"Ana <" + local + "@gmail.com>", local + "@gmail.com,x@example.com", local + "@@gmail.com", " " + local + "@gmail.com", local + "@gmail。com",
	}
}

// spellings counts what all spellings of one line bring about: a message to any
// other line would show in the inbox of all.
func spellings(s *siege) figures {
	tried, taken, held, refused := 0, 0, 0, 0
	var some []tongue
	for _, l := range tongues {
		if l.name != additivTongue.name {
			some = append(some, l)
		}
	}
	all := func(l tongue, lines []string) {
		s.c[0].must("DELETE", "/dev/inbox", "")
		accepted := 0
		for _, line := range lines {
			asked := line
			if l.name == unityvoxTongue.name { // which stands in a form
				asked = url.QueryEscape(strings.TrimPrefix(line, "+"))
			}
			id, r := l.start(s.c[0], asked)
			tried++
			switch {
			case id != "":
				accepted++
				l.check(s.c[0], id, "000000")
			case r.status == http.StatusTooManyRequests:
				held++
			case r.status >= http.StatusInternalServerError || r.status == 0:
				s.Errorf("%s: %q is answered %d %s", l.name, line, r.status, r.body)
			default:
				refused++
			}
		}
		taken += accepted
		if got := len(s.c[0].inbox("")); got != accepted || got > 5 {
			s.Errorf("%s: %d spellings were taken and %d messages sent: %q", l.name, accepted, got, lines)
		}
	}
	for i, l := range some { // one after the other, since all messages are counted
		all(l, numberSpellings(fmt.Sprintf("+58412%07d", rand.IntN(10_000_000))))
		if l.name != modicaTongue.name && l.name != unityvoxTongue.name {
			all(l, mailSpellings(fmt.Sprintf("ana%d%d", time.Now().UnixNano(), i)))
		}
	}
	return figures{
		over:    "5; additiv names contacts and no addresses, modica and unityvox no mailboxes",
		counted: fmt.Sprintf("%d spellings: %d sent to the one line (at most 5 each), %d throttled with it, %d refused", tried, taken, held, refused),
	}
}

// wear spends guesses at an address until no start is taken any more.
func (s *siege) wear(l tongue, to string, most int) {
	for range most {
		id, r := l.start(s.c[0], to)
		if id == "" {
			if r.status != http.StatusTooManyRequests {
				s.Errorf("%s: a start is answered %d %s", l.name, r.status, r.body)
			}
			return
		}
		for i := range tries + 1 {
			l.check(s.c[i%len(s.c)], id, fmt.Sprintf("%06d", rand.IntN(1_000_000)))
		}
	}
}

func hundredInARow(s *siege) figures {
	victims := map[string]string{}
	for _, l := range tongues {
		victims[l.name] = fresh()
	}
	for day := range 5 {
		s.over(func(l tongue, _ string) { s.wear(l, victims[l.name], 8) })
		s.advance(25 * time.Hour * time.Duration(1+day%2))
	}
	var sum sums
	over := s.over(func(l tongue, other string) {
		to := victims[l.name]
		if id, r := l.start(s.c[0], to); id != "" || r.status != http.StatusTooManyRequests {
			s.Errorf("%s: after 100 wrong guesses a start is answered %d %s", l.name, r.status, r.body)
		}
		got := s.toll(to)
		if got.evaluated != 100 || got.locked != 1 {
			s.Errorf("%s: %s, %d entries of a lock", l.name, got, got.locked)
		}
		sum.add(got)
		s.begin(l, other)
		globex := newClient(s.T, s.c[0].base)
		globex.key = "globex-key"
		if id, r := nativeTongue.start(globex, to); id == "" {
			s.Errorf("%s: another tenant's start is answered %d %s", l.name, r.status, r.body)
		}
	})
	s.c[0].forgive()
	s.over(func(l tongue, _ string) {
		id, m := s.begin(l, victims[l.name])
		if v := s.guess(l, 0, id, m.code()); v != approved {
			s.Errorf("%s: after a reset the right code is answered %s", l.name, v)
		}
	})
	return figures{over: over, counted: fmt.Sprintf("locks %d after 100 each, %s; other tenants and addresses open", sum.all.locked, sum.all)}
}

func windowsEnd(s *siege) figures {
	victims := map[string]string{}
	for _, l := range tongues {
		victims[l.name] = fresh()
	}
	var sum sums
	var over string
	for day := 1; day <= 3; day++ {
		over = s.over(func(l tongue, _ string) {
			s.wear(l, victims[l.name], 5)
			if got := s.toll(victims[l.name]); got.evaluated != day*guessesADay {
				s.Errorf("%s: after window %d: %s", l.name, day, got)
			} else if day == 3 {
				sum.add(got)
			}
		})
		s.advance(24*time.Hour + time.Minute)
	}
	return figures{over: over, counted: "3 windows, 20 guesses each and no more (5 windows lock, see T07): " + sum.all.String()}
}
