package e2e

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// onceOnly are T13 to T20.
func onceOnly() []attack {
	return []attack{
		{"T13", "200 right codes at once, the last bytes of all requests together; and in one packet of HTTP/2", rightAtOnce},
		{"T14", "200 different wrong codes at once, then the right one", wrongAtOnce},
		{"T15", "199 wrong codes and the right one at once", oneRightAtOnce},
		{"T16", "the right code at once with resend, cancel, a newer start, the end of its life", codeAgainstEnds},
		{"T17", "100 starts at once for one address", startsAtOnce},
		{"T18", "T13 at two processes on one database, and with one stopped by SIGSTOP for 30 s in the midst", twoProcesses},
		{"T19", "the approving request again: as it is, with its key, with another code, with another tenant's key", approvalsAgain},
		{"T20", "the right code 1 s before its end, then, 1 s and 1 h after; clock set back and forth by 1 h", atTheEnd},
	}
}

const crowdOf = 200 // requests at once

// gate lets requests pass at once when all of them are there.
type gate struct {
	missing atomic.Int64
	open    chan struct{}
}

// volley sends requests of which all but the last byte have arrived before the
// last byte of any is sent (the last-byte synchronisation of race attacks).
type volley struct {
	now     atomic.Pointer[gate]
	clients []*client
}

func newVolley(s *siege) *volley {
	v := &volley{}
	for _, c := range s.c {
		fast := newClient(s.T, c.base)
		fast.http.Transport = &http.Transport{
			MaxIdleConnsPerHost: 2 * crowdOf, MaxIdleConns: 0,
			DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
				conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
				return &held{conn, v}, err
			},
		}
		s.Cleanup(fast.http.CloseIdleConnections)
		v.clients = append(v.clients, fast)
	}
	return v
}

// held keeps back the last byte of what is written until the gate is open.
type held struct {
	net.Conn

	volley *volley
}

func (h *held) Write(b []byte) (int, error) {
	g := h.volley.now.Load()
	if g == nil || len(b) < 2 {
		return h.Conn.Write(b)
	}
	if n, err := h.Conn.Write(b[:len(b)-1]); err != nil {
		return n, err
	}
	if g.missing.Add(-1) == 0 {
		close(g.open)
	}
	select {
	case <-g.open:
	case <-time.After(10 * time.Second): // one that never came must not hold the others
	}
	n, err := h.Conn.Write(b[len(b)-1:])
	return len(b) - 1 + n, err
}

// fire sends n requests at once, to the processes in turn, and counts the
// verdicts.
func (v *volley) fire(s *siege, processes, n int, do func(c *client, i int) verdict) map[verdict]int {
	for i, c := range v.clients { // tokens are got before
		c.mu.Lock()
		for _, path := range []string{"/oauth2/token", "/connect/token"} {
			if s.c[i].tokens[path] != "" {
				c.tokens[path] = s.c[i].tokens[path]
			}
		}
		c.mu.Unlock()
	}
	g := &gate{open: make(chan struct{})}
	g.missing.Store(int64(n))
	v.now.Store(g)
	defer v.now.Store(nil)
	var mu sync.Mutex
	var all sync.WaitGroup
	heard := map[verdict]int{}
	for i := range n {
		all.Go(func() {
			one := do(v.clients[i%processes], i)
			mu.Lock()
			defer mu.Unlock()
			heard[one]++
		})
	}
	all.Wait()
	return heard
}

// tokens gets the tokens of all clients.
func (s *siege) tokens() {
	for _, c := range s.c {
		c.token("/oauth2/token", "conversation:access2api")
		c.token("/connect/token", "")
	}
}

// race runs rounds of requests at once, in the dialects in turn.
func (s *siege) race(processes, rounds int, round func(v *volley, l tongue, to string)) string {
	v := newVolley(s)
	s.tokens()
	for i := range rounds {
		if s.Failed() {
			break
		}
		round(v, tongues[i%len(tongues)], fresh())
	}
	return fmt.Sprintf("%d rounds of %d at %d process(es)", rounds, crowdOf, processes)
}

func (s *siege) rightRound(processes int, sum *toll) func(v *volley, l tongue, to string) {
	return func(v *volley, l tongue, to string) {
		id, m := s.begin(l, to)
		heard := v.fire(s, processes, crowdOf, func(c *client, _ int) verdict { got, _ := l.check(c, id, m.code()); return got })
		got := s.toll(to)
		sum.add(got)
		if heard[approved] != 1 || heard[silence] != 0 || got.approved != 1 || got.evaluated != 1 || s.look(m.Verification).Status != "approved" {
			s.Errorf("%s: heard %v; %s", l.name, heard, got)
		}
	}
}

func rightAtOnce(s *siege) figures {
	var sum toll
	rounds := s.race(1, s.pick(6, 1000), s.rightRound(1, &sum))
	packets := onePacket(s)
	return figures{over: "all 6 in turn; HTTP/2 native", counted: rounds + ": " + sum.String() + "; " + packets}
}

// otherCode is the i-th code that is not the right one.
func otherCode(right string, i int) string {
	n, err := strconv.Atoi(right)
	if err != nil {
		return wrongCode(right)
	}
	return fmt.Sprintf("%06d", (n+1+i)%1_000_000)
}

func wrongAtOnce(s *siege) figures {
	var sum toll
	rounds := s.race(1, s.pick(6, 1000), func(v *volley, l tongue, to string) {
		id, m := s.begin(l, to)
		heard := v.fire(s, 1, crowdOf, func(c *client, i int) verdict { got, _ := l.check(c, id, otherCode(m.code(), i)); return got })
		after := s.guess(l, 0, id, m.code())
		got := s.toll(to)
		sum.add(got)
		if heard[approved]+heard[silence] != 0 || !l.vague && heard[wrong] != tries || got.evaluated != tries || after == approved ||
			s.look(m.Verification).Status != "exhausted" {
			s.Errorf("%s: heard %v, then %s; %s", l.name, heard, after, got)
		}
	})
	return figures{over: "all 6 in turn", counted: rounds + ": " + sum.String()}
}

func oneRightAtOnce(s *siege) figures {
	var sum toll
	rounds := s.race(1, s.pick(6, 1000), func(v *volley, l tongue, to string) {
		id, m := s.begin(l, to)
		lucky := rand.IntN(crowdOf)
		heard := v.fire(s, 1, crowdOf, func(c *client, i int) verdict {
			code := otherCode(m.code(), i)
			if i == lucky {
				code = m.code()
			}
			got, _ := l.check(c, id, code)
			return got
		})
		got, status := s.toll(to), s.look(m.Verification).Status
		sum.add(got)
		if heard[approved] > 1 || got.approved != heard[approved] || got.evaluated > tries || (status == "approved") != (heard[approved] == 1) ||
			status != "approved" && (status != "exhausted" || got.evaluated != tries) {
			s.Errorf("%s: heard %v; it is %s; %s", l.name, heard, status, got)
		}
	})
	return figures{over: "all 6 in turn", counted: rounds + ": " + sum.String()}
}

// codeAgainstEnds lets a right code meet each thing that ends a code. Whoever
// was first, answers and state say the same.
func codeAgainstEnds(s *siege) figures {
	rounds := s.pick(2, 60)
	won, lost := map[string]int{}, map[string]int{}
	for name, end := range map[string]func(l tongue, to, native string) (won bool){
		"cancel": func(_ tongue, _, native string) bool {
			return withKey(s.c[len(s.c)-1], "POST", "/v1/verifications/"+native+"/cancel", "{}").member("status") == "canceled"
		},
		"resend": func(_ tongue, _, native string) bool {
			withKey(s.c[len(s.c)-1], "POST", "/v1/verifications/"+native+"/resend", "{}")
			return false
		},
		"newer start": func(l tongue, to, native string) bool {
			if l.name != nativeTongue.name {
				return false // other dialects keep the older one, see T24
			}
			nativeTongue.start(s.c[len(s.c)-1], to)
			return s.look(native).Status == "superseded"
		},
		"end of life": func(_ tongue, _, native string) bool {
			s.advance(11 * time.Minute)
			return s.look(native).Status == "expired"
		},
	} {
		for range rounds {
			for _, l := range tongues {
				to := fresh()
				id, m := s.begin(l, to)
				if name == "resend" {
					s.advance(61 * time.Second)
				}
				s.tokens()
				ended, heard := make(chan bool, 1), make(chan verdict, 1)
				go func() { heard <- s.guess(l, 0, id, m.code()) }()
				go func() { ended <- end(l, to, m.Verification) }()
				took, got, status := <-ended, <-heard, s.look(m.Verification).Status
				if (got == approved) != (status == "approved") || took && got == approved || got == silence {
					s.Errorf("%s against %s: the code is answered %s, the other won: %t, it is %s", l.name, name, got, took, status)
				}
				if got == approved {
					won[name]++
				} else {
					lost[name]++
				}
			}
		}
	}
	return figures{over: "all 6", counted: fmt.Sprintf("%d meetings; the code came first %v, last %v; answers and states agree", 4*rounds*len(tongues), won, lost)}
}

func startsAtOnce(s *siege) figures {
	var lives []string
	var sum toll
	v := newVolley(s)
	s.tokens()
	for range s.pick(1, 20) {
		lives = nil
		for _, l := range tongues {
			to := fresh()
			var mu sync.Mutex
			var ids []string
			heard := v.fire(s, len(s.c), 100, func(c *client, _ int) verdict {
				id, r := l.start(c, to)
				if id != "" {
					mu.Lock()
					defer mu.Unlock()
					ids = append(ids, id)
				}
				return verdict(fmt.Sprint(r.status))
			})
			got := s.toll(to)
			sum.add(got)
			slices.Sort(ids)
			if n := len(ids); n != 5 || len(slices.Compact(ids)) != n || got.messages != 5 || heard["429"] != 95 || l.name == nativeTongue.name && got.live != 1 {
				s.Errorf("%s: heard %v, ids %v, %d live; %s", l.name, heard, ids, got.live, got)
			}
			lives = append(lives, fmt.Sprintf("%s %d", l.name, got.live))
		}
	}
	return figures{over: "all 6", counted: "5 of 100 taken each, live afterwards: " + strings.Join(lives, ", ") + " (the native API keeps one, the vendors document several); " + sum.String()}
}

func twoProcesses(s *siege) figures {
	if len(s.c) < 2 {
		return figures{over: "none", verdict: "cannot be", counted: "a second process on SQLite is refused (TestASecondProcessOnSQLiteIsRefused)"}
	}
	var sum toll
	rounds := s.race(2, s.pick(6, 1000), s.rightRound(2, &sum))
	stopped := 0
	for range s.pick(1, 3) {
		s.race(2, 1, func(v *volley, l tongue, to string) {
			id, m := s.begin(l, to)
			asleep := s.processes[1].cmd.Process
			var once sync.Once
			heard := v.fire(s, 2, crowdOf, func(c *client, i int) verdict {
				once.Do(func() {
					go func() {
						<-v.now.Load().open
						_ = asleep.Signal(syscall.SIGSTOP)
						<-time.After(time.Duration(s.pick(2, 28)) * time.Second) // below the clients' own patience
						_ = asleep.Signal(syscall.SIGCONT)
					}()
				})
				got, _ := l.check(c, id, m.code())
				return got
			})
			// The one that was stopped may hold the row: then nobody is answered in
			// time, nothing is approved, and the code is good afterwards.
			if s.toll(to).approved == 0 && heard[approved] == 0 && heard[unavailable]+heard[silence] == crowdOf {
				s.guess(l, 0, id, m.code())
			}
			if got := s.toll(to); heard[approved] > 1 || got.approved != 1 || got.evaluated != 1 {
				s.Errorf("%s: heard %v; %s", l.name, heard, got)
			}
			stopped++
		})
	}
	return figures{over: "all 6 in turn", counted: fmt.Sprintf("%s: %s; %d rounds with one stopped: one approved", rounds, sum, stopped)}
}
