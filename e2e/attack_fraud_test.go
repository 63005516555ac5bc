package e2e

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/aldaba-otp/aldaba/otp"
)

// frauds are T55 to T58 and T61. They are played natively, since the tenants
// that they need have keys of the native API; the rules stand in the core's step
// of a start, which every dialect goes through.
func frauds() []attack {
	return []attack{
		{"T55", "500 numbers in a row of one prefix, no code comes back", pumpPrefix},
		{"T56", "the same with every code typed back, and many starts of one end user's network", pumpWithCodes},
		{"T57", "numbers of countries that are not on the tenant's list; premium, shared-cost and satellite numbers", foreignCountries},
		{"T58", "100 starts for one address by many tenants", manyTenants},
		{"T61", "50 starts at once where the day has room for 25, and money for 20", dayCap},
	}
}

const nativeOnly = "native; the rules stand in the core's start, which every dialect goes through"

// as are clients of all processes with a tenant's key.
func (s *siege) as(key string) (all []*client) {
	for _, c := range s.c {
		one := newClient(s.T, c.base)
		one.key = key
		all = append(all, one)
	}
	return all
}

// prefix draws a prefix of ten thousand numbers.
func prefix() string { return fmt.Sprintf("+58414%03d", rand.IntN(1000)) }

// approve starts and gives the right code.
func (s *siege) approve(c *client, to string) {
	s.Helper()
	id, r := nativeTongue.start(c, to)
	list := c.inbox(to)
	if id == "" || len(list) == 0 {
		s.Errorf("a start is answered %d %s", r.status, r.body)
		return
	}
	if v, r := nativeTongue.check(c, id, list[0].code()); v != approved {
		s.Errorf("the right code is answered %d %s", r.status, r.body)
	}
}

// refusedBy expects that a rule refuses a start, and returns how long it says to
// wait.
func (s *siege) refusedBy(r reply, rule string) time.Duration {
	s.Helper()
	seconds, err := strconv.Atoi(r.header.Get("Retry-After"))
	if r.status != http.StatusTooManyRequests || r.member("rule") != rule || err != nil {
		s.Errorf("a start is answered %d %s %s, not by %s", r.status, r.header.Get("Retry-After"), r.body, rule)
	}
	return time.Duration(seconds) * time.Second
}

func pumpPrefix(s *siege) figures {
	c := s.as("shipped-key")
	area := prefix()
	friend := area + "9999"
	s.approve(c[0], friend)
	s.advance(25 * time.Hour) // his approval counts no more in the window
	said := make([]int, len(s.processes))
	for i, p := range s.processes {
		said[i] = len(p.said())
	}
	sent := 0
	for i := range 500 {
		if id, r := nativeTongue.start(c[i%len(c)], fmt.Sprintf("%s%04d", area, i)); id != "" {
			sent++
		} else {
			s.refusedBy(r, otp.RuleConversion)
		}
	}
	s.advance(10*time.Minute + time.Second)
	_, r := nativeTongue.start(c[0], area+"5000")
	if wait := s.refusedBy(r, otp.RuleConversion); wait != 12*time.Hour {
		s.Errorf("the prefix is blocked for %v", wait)
	}
	alerts := 0
	eventually(s.T, 10*time.Second, "the block is told in the log", func() bool {
		alerts = 0
		for i, p := range s.processes {
			alerts += strings.Count(p.said()[said[i]:], otp.RuleConversion)
		}
		return alerts > 0
	})
	if sent != 20 || alerts != 1 {
		s.Errorf("%d of 500 were sent, %d alerts", sent, alerts)
	}
	s.approve(c[0], friend)
	s.approve(c[len(c)-1], prefix()+"0001")
	globex := s.as("globex-key")
	s.approve(globex[0], area+"5001")
	s.advance(12*time.Hour - 2*time.Second)
	if _, r := nativeTongue.start(c[0], area+"5002"); r.status == http.StatusCreated {
		s.Errorf("the block ended early")
	}
	s.advance(3 * time.Second)
	s.approve(c[0], area+"5003")
	over, counted := pumpEverywhere(s)
	return figures{over: over, counted: fmt.Sprintf("%d of 500 sent, then blocked 12 h, %d alerts; a known number of it, other prefixes and tenants served; %s", sent, alerts, counted)}
}

// pumpEverywhere pumps a prefix in each dialect at a server of its own, where
// the demo's acme is watched as it is shipped, and then one in all dialects in
// turn.
func pumpEverywhere(s *siege) (over, counted string) {
	s.Helper()
	file := filepath.Join(s.TempDir(), "watched.yaml")
	if err := os.WriteFile(file, []byte("tenants: [{name: acme, fraud_watch: {mode: block}}]"), 0o600); err != nil {
		s.Fatal(err)
	}
	e := engines[0]
	if s.database != "" {
		e = engines[1]
	}
	c := start(s.T, e, file).client
	mixed, sum := prefix(), 0
	for round, l := range append(slices.Clone(tongues), tongue{name: "all in turn"}) {
		area, sent := fmt.Sprintf("+58412%03d", 100+round), 0
		for i := range 40 {
			speaker, to := l, fmt.Sprintf("%s%04d", area, i)
			if l.start == nil {
				speaker, to = tongues[i%len(tongues)], fmt.Sprintf("%s%04d", mixed, i)
			}
			speaker.start(c, to)
			sent += len(c.inbox(to))
		}
		if sent != 20 {
			s.Errorf("%s: %d of 40 were sent", l.name, sent)
		}
		sum += sent
	}
	return "all 6, and mixed", fmt.Sprintf("each dialect alone and all in turn: %d of %d sent", sum, 40*(len(tongues)+1))
}

func pumpWithCodes(s *siege) figures {
	c := s.as("brisk-key")
	area := prefix()
	n := s.pick(80, 500)
	sent := 0
	for i := range n {
		to := fmt.Sprintf("%s%04d", area, i)
		if id, r := nativeTongue.start(c[0], to); id != "" {
			sent++
			// At the same process: what another one approves is known here seconds later.
			nativeTongue.check(c[0], id, c[0].newest(to).code())
		} else {
			s.refusedBy(r, otp.RulePrefix)
		}
	}
	if sent < 40 || sent > 41+n/20 { // the rate gives one back each 90 s
		s.Errorf("%d of %d were sent where 40 an hour may be", sent, n)
	}
	shipped := s.as("shipped-key")
	networks := map[string]func(i int) string{
		"one IPv4 address": func(int) string { return "203.0.113.7" },
		"an IPv6 /64":      func(i int) string { return fmt.Sprintf("2001:db8:1:2::%x", i+1) },
	}
	for name, address := range networks {
		taken := 0
		for i := range 30 {
			r := withKey(shipped[i%len(shipped)], "POST", "/v1/verifications", fmt.Sprintf(`{"to":%q,"client_ip":%q}`, fmt.Sprintf("%s%04d", prefix(), rand.IntN(10_000)), address(i)))
			if r.status == http.StatusCreated {
				taken++
			} else {
				s.refusedBy(r, otp.RuleClient)
			}
		}
		if taken != 20 {
			s.Errorf("of 30 starts of %s %d were taken", name, taken)
		}
	}
	return figures{over: nativeOnly, counted: fmt.Sprintf("limits.prefix 40/1h: %d of %d sent; of 30 starts of one IPv4 address, and of an IPv6 /64, 20 each", sent, n)}
}

func foreignCountries(s *siege) figures {
	home := s.as("homely-key")[0]
	abroad := []string{"+18095550123", "+447700900123", "+2521234567", "+37122223333", "+19005550123", "+881612345678", "+979123456789", "00 44 7700 900124", "+8613800138000"}
	home.must("DELETE", "/dev/inbox", "")
	for _, to := range abroad {
		if id, r := nativeTongue.start(home, to); id != "" || r.status != http.StatusUnprocessableEntity || r.member("rule") != "country" {
			s.Errorf("%s is answered %d %s", to, r.status, r.body)
		}
	}
	if sent := len(home.inbox("")); sent != 0 {
		s.Errorf("%d messages were sent", sent)
	}
	s.approve(home, prefix()+"0002")

	// A tenant that sends to all countries still pays no premium numbers.
	shipped := s.as("shipped-key")[0]
	kinds := map[string]string{
		"premium": "+19005550123", "satellite": "+881612345678", "international premium": "+979123456789", "shared cost": "+448431234567",
		"premium, in Peru": "+5180512345", "premium, in Germany": "+499001234567",
	}
	shipped.must("DELETE", "/dev/inbox", "")
	for kind, to := range kinds {
		if id, r := nativeTongue.start(shipped, to); id != "" || r.status != http.StatusUnprocessableEntity || r.member("rule") != otp.RuleNumberKind {
			s.Errorf("%s %s is answered %d %s", kind, to, r.status, r.body)
		}
	}
	if sent := len(shipped.inbox("")); sent != 0 {
		s.Errorf("%d messages were sent", sent)
	}
	return figures{over: nativeOnly, counted: fmt.Sprintf("%d numbers abroad: refused, messages 0; at home 1; %d premium, shared-cost and satellite numbers: refused, messages 0", len(abroad), len(kinds))}
}

func manyTenants(s *siege) figures {
	to := fresh()
	sent, held := 0, map[string]int{}
	for round := range 9 { // spread, so that no tenant's own limit is in the way
		for i := range crowdTenants {
			c := s.as(fmt.Sprintf("crowd-key-%d", i))
			if id, r := nativeTongue.start(c[(i+round)%len(c)], to); id != "" {
				sent++
			} else {
				held[r.member("rule")]++
			}
		}
		s.advance(11 * time.Minute)
	}
	messages := 0
	for _, c := range s.c {
		messages += len(c.inbox(to, "&limit=1000"))
	}
	if sent != 20 || messages != 20 || held[otp.RuleEverywhere] != 9*crowdTenants-20 {
		s.Errorf("%d of %d starts were taken, %d messages, refused by %v", sent, 9*crowdTenants, messages, held)
	}
	return figures{over: nativeOnly, counted: fmt.Sprintf("%d starts of %d tenants: %d sent", 9*crowdTenants, crowdTenants, sent)}
}

// dayCap begins a fresh day, so that midnight does not fall into the burst.
func dayCap(s *siege) figures {
	now, err := time.Parse(time.RFC3339Nano, s.c[0].must("GET", "/dev/clock", "").member("now"))
	if err != nil {
		s.Fatal(err)
	}
	s.advance(now.Truncate(24 * time.Hour).Add(25 * time.Hour).Sub(now))
	var told []string
	for _, one := range []struct {
		key, rule string
		most      int
	}{{"frugal-key", otp.RuleDayMessages, 25}, {"thrifty-key", otp.RuleDayMoney, 20}} {
		c := s.as(one.key)
		v := newVolley(s)
		for _, fast := range v.clients {
			fast.key = one.key
		}
		for range s.pick(1, 20) {
			var mu sync.Mutex
			taken, messages := 0, 0
			var lines []string
			v.fire(s, len(c), 50, func(fast *client, _ int) verdict {
				to := fresh()
				id, r := nativeTongue.start(fast, to)
				mu.Lock()
				defer mu.Unlock()
				if id != "" {
					taken++
					lines = append(lines, to)
				} else {
					s.refusedBy(r, one.rule)
				}
				return ""
			})
			for _, to := range lines {
				for _, c := range s.c {
					messages += len(c.inbox(to))
				}
			}
			if taken != one.most || messages != one.most {
				s.Errorf("%s: %d of 50 at once were taken, %d messages, the day has room for %d", one.rule, taken, messages, one.most)
			}
			s.advance(24 * time.Hour)
		}
		told = append(told, fmt.Sprintf("%s: %d of 50", one.rule, one.most))
	}
	return figures{over: nativeOnly, counted: strings.Join(told, ", ") + ", overshoot 0"}
}
