package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

// approvalsAgain gives the approving request once more, in each dialect, and natively
// with idempotency keys, which is where a key has a meaning.
func approvalsAgain(s *siege) figures {
	var used atomic.Int64
	over := s.over(func(l tongue, to string) {
		id, m := s.begin(l, to)
		if v := s.guess(l, 0, id, m.code()); v != approved {
			s.Errorf("%s: the right code is answered %s", l.name, v)
		}
		for i := range 2 {
			if v := s.guess(l, i, id, m.code()); v == approved || v == silence {
				s.Errorf("%s: the same request again is answered %s", l.name, v)
			}
			used.Add(1)
		}
	})
	to := fresh()
	id, m := s.begin(nativeTongue, to)
	check := func(c *client, key, code string) reply {
		return c.send("POST", "/v1/verifications/"+id+"/check", fmt.Sprintf(`{"code":%q}`, code), "Authorization", "Bearer "+c.key, "Content-Type", jsonType, "Idempotency-Key", key)
	}
	globex := newClient(s.T, s.c[0].base)
	globex.key = "globex-key"
	first := check(s.c[0], to, m.code())
	again := check(s.c[len(s.c)-1], to, m.code())
	if first.member("outcome") != "approved" || again.body != first.body || again.header.Get("Idempotency-Replayed") != "true" {
		s.Errorf("with its key it is answered %d %s, then %d %v %s", first.status, first.body, again.status, again.header, again.body)
	}
	other, foreign, fresh := check(s.c[0], to, wrongCode(m.code())), check(globex, to, m.code()), check(s.c[0], to+"x", m.code())
	if other.status != http.StatusUnprocessableEntity || foreign.status != http.StatusNotFound || fresh.member("outcome") != "used" {
		s.Errorf("another code is answered %d %s, another tenant's key %d %s, another key %d %s", other.status, other.body, foreign.status, foreign.body, fresh.status, fresh.body)
	}
	got := s.toll(to)
	if got.approved != 1 || got.evaluated != 1 {
		s.Errorf("%s", got)
	}
	return figures{over: over + "; keys native only", counted: fmt.Sprintf("%d replays: none approved; with its key the stored answer, other code 422, other tenant 404; %s", used.Load(), got)}
}

// untilEnd is how long a verification still lives by the server's clock.
func (s *siege) untilEnd(native string) time.Duration {
	s.Helper()
	v := s.look(native)
	now, err := time.Parse(time.RFC3339Nano, s.c[0].must("GET", "/dev/clock", "").member("now"))
	if err != nil {
		s.Fatal(err)
	}
	return v.Expires.Sub(now)
}

func atTheEnd(s *siege) figures {
	counts := map[string]int{}
	for _, l := range tongues {
		for _, late := range []time.Duration{-time.Second, 0, time.Second, time.Hour} {
			id, m := s.begin(l, fresh())
			s.tokens()
			s.advance(s.untilEnd(m.Verification) + late)
			v := s.guess(l, len(counts), id, m.code())
			if late < 0 && v != approved || late >= 0 && v != over && !(l.vague && v == wrong) {
				s.Errorf("%s: %v after its end the right code is answered %s", l.name, late, v)
			}
			counts[fmt.Sprintf("%v: %s", late, v)]++
		}
	}
	counted := fmt.Sprintf("%v; %s", counts, s.clockSteps())
	return figures{over: "all 6", counted: strings.TrimPrefix(counted, "map")}
}

// clockSteps lets codes end and then sets the clock back by an hour, at once
// and after a restart: what has ended stays so.
func (s *siege) clockSteps() string {
	type ended struct {
		l        tongue
		id, code string
	}
	var all []ended
	for _, l := range tongues {
		id, m := s.begin(l, fresh())
		all = append(all, ended{l, id, m.code()})
	}
	s.advance(time.Hour)
	file := filepath.Join(s.data, "clock.json")
	kept, err := os.ReadFile(file)
	if err != nil {
		s.Fatal(err)
	}
	var saved struct{ Offset string }
	if err := json.Unmarshal(kept, &saved); err != nil {
		s.Fatal(err)
	}
	offset, err := time.ParseDuration(saved.Offset)
	if err != nil {
		s.Fatal(err)
	}
	back := fmt.Sprintf(`{"offset":%q}`, offset-time.Hour)
	if err := os.WriteFile(file, []byte(back), 0o600); err != nil {
		s.Fatal(err)
	}
	s.restart(syscall.SIGKILL)
	for i, one := range all {
		if v := s.guess(one.l, i, one.id, one.code); v == approved || v == silence {
			s.Errorf("%s: with the clock set back the code is answered %s", one.l.name, v)
		}
	}
	id, m := s.begin(nativeTongue, fresh())
	if v := s.guess(nativeTongue, 0, id, m.code()); v != approved {
		s.Errorf("with the clock set back a fresh code is answered %s", v)
	}
	s.advance(time.Hour)
	for i, one := range all {
		if v := s.guess(one.l, i, one.id, one.code); v == approved || v == silence {
			s.Errorf("%s: with the clock forth again the code is answered %s", one.l.name, v)
		}
	}
	return fmt.Sprintf("clock -1 h and +1 h: %d codes, none revived", len(all))
}
