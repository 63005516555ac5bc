package e2e

import (
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aldaba-otp/aldaba/otp"
)

const (
	rivals  = 64 // guesses at once
	tries   = 5  // of every dialect that was told nothing else
	abreast = 6  // rounds at once
)

// setting reads how much of a long test is wanted.
func setting(name string, otherwise int) int {
	if n, err := strconv.Atoi(os.Getenv(name)); err == nil && n > 0 {
		return n
	}
	return otherwise
}

// arenas are what the races are run on.
var arenas = []struct {
	name  string
	start func(t *testing.T) []*server
}{
	{"sqlite", func(t *testing.T) []*server { return []*server{start(t, engines[0])} }},
	{"two servers on one postgres", func(t *testing.T) []*server { p := pair(t); return p[:] }},
}

// rounds runs a race many times, a few at once, in the languages in turn.
func rounds(t *testing.T, race func(t *testing.T, servers []*server, l tongue)) {
	t.Helper()
	n := setting("ALDABA_ROUNDS", 20)
	for _, arena := range arenas {
		t.Run(arena.name, func(t *testing.T) {
			servers := arena.start(t)
			began := time.Now()
			var next atomic.Int64
			var all sync.WaitGroup
			for range abreast {
				all.Go(func() {
					for i := next.Add(1) - 1; i < int64(n) && !t.Failed(); i = next.Add(1) - 1 {
						race(t, servers, tongues[i%int64(len(tongues))])
					}
				})
			}
			all.Wait()
			t.Logf("%d rounds of %d in %v", n, rivals, time.Since(began).Round(time.Millisecond))
		})
	}
}

// fight gives 64 guesses at once, to all servers, half of them in the language
// of the start and half in the native one, which sees all of a tenant's.
func fight(servers []*server, l tongue, id, native, code string) map[verdict]int {
	var mu sync.Mutex
	var all sync.WaitGroup
	gate := make(chan struct{})
	heard := map[verdict]int{}
	for i := range rivals {
		all.Go(func() {
			<-gate
			var v verdict
			if s := servers[i%len(servers)]; i/len(servers)%2 == 0 {
				v, _ = l.check(s.client, id, code)
				if l.vague && v == wrong {
					v = "wrong or over"
				}
			} else {
				v, _ = nativeTongue.check(s.client, native, code)
			}
			mu.Lock()
			defer mu.Unlock()
			heard[v]++
		})
	}
	close(gate)
	all.Wait()
	return heard
}

// TestOfManyRightCodesAtOnceOneIsApproved is the first promise of all.
//
// CVE-2026-107276 (MISP), GHSA-x2wq-9x2f-fhj7 (Spring Security, over JDBC),
// GHSA-2299-ghjr-6vjp, GHSA-w73w-g5xw-rwhf (Parse Server): one code let several
// in; here also with two servers over one database.
func TestOfManyRightCodesAtOnceOneIsApproved(t *testing.T) {
	rounds(t, func(t *testing.T, servers []*server, l tongue) {
		to := fresh()
		id, r := l.start(servers[0].client, to)
		if id == "" {
			t.Errorf("%s: the start is answered %d %s", l.name, r.status, r.body)
			return
		}
		m := servers[0].newest(to)
		heard := fight(servers, l, id, m.Verification, m.code())
		if heard[approved] != 1 || heard[approved]+heard[over]+heard["wrong or over"] != rivals {
			t.Errorf("%s: heard %v", l.name, heard)
		}
		v, d := servers[len(servers)-1].verification(t, m.Verification)
		if v.Status != otp.Approved || v.Attempts != 0 || len(d.Wrongs) != 0 {
			t.Errorf("%s: it is %s, %d tries are spent and %d wrong guesses charged", l.name, v.Status, v.Attempts, len(d.Wrongs))
		}
	})
}

// TestOfManyWrongCodesAtOnceEachTryIsUsedOnce also asks the ledger: it is
// charged what was judged and nothing else.
func TestOfManyWrongCodesAtOnceEachTryIsUsedOnce(t *testing.T) {
	rounds(t, func(t *testing.T, servers []*server, l tongue) {
		to := fresh()
		id, r := l.start(servers[0].client, to)
		if id == "" {
			t.Errorf("%s: the start is answered %d %s", l.name, r.status, r.body)
			return
		}
		m := servers[0].newest(to)
		heard := fight(servers, l, id, m.Verification, wrongCode(m.code()))
		vague := heard["wrong or over"]
		if heard[wrong] > tries || heard[wrong]+vague < tries || !l.vague && heard[wrong] != tries ||
			heard[wrong]+heard[over]+vague != rivals {
			t.Errorf("%s: heard %v", l.name, heard)
		}
		v, d := servers[len(servers)-1].verification(t, m.Verification)
		if v.Status != otp.Exhausted || v.Attempts != tries || len(d.Wrongs) != tries {
			t.Errorf("%s: it is %s, %d tries are spent and %d wrong guesses charged", l.name, v.Status, v.Attempts, len(d.Wrongs))
		}
		if got, r := l.check(servers[0].client, id, m.code()); got == approved || got == silence {
			t.Errorf("%s: the right code afterwards is answered %d %s", l.name, r.status, r.body)
		}
	})
}

// TestOneRightAmongWrongCodes: whoever wins, no more than the tries are judged.
func TestOneRightAmongWrongCodes(t *testing.T) {
	rounds(t, func(t *testing.T, servers []*server, l tongue) {
		to := fresh()
		id, _ := l.start(servers[0].client, to)
		m := servers[0].newest(to)
		var mine verdict
		var alone sync.WaitGroup
		alone.Go(func() { mine, _ = nativeTongue.check(servers[len(servers)-1].client, m.Verification, m.code()) })
		heard := fight(servers, l, id, m.Verification, wrongCode(m.code()))
		alone.Wait()
		v, d := servers[0].verification(t, m.Verification)
		if heard[approved] != 0 || (v.Status == otp.Approved) != (mine == approved) || v.Attempts > tries || len(d.Wrongs) != v.Attempts ||
			v.Status != otp.Approved && v.Status != otp.Exhausted {
			t.Errorf("%s: heard %v and for the right one %s; it is %s, %d tries are spent and %d wrong guesses charged",
				l.name, heard, mine, v.Status, v.Attempts, len(d.Wrongs))
		}
	})
}

// TestManyStartsAtOnceStayWithinTheLimit: of starts for one number, in all
// languages and at all servers, five are taken, each sent once.
func TestManyStartsAtOnceStayWithinTheLimit(t *testing.T) {
	for _, arena := range arenas {
		t.Run(arena.name, func(t *testing.T) {
			servers := arena.start(t)
			to := fresh()
			var all sync.WaitGroup
			var mu sync.Mutex
			status := map[int]int{}
			for i := range 48 {
				all.Go(func() {
					_, r := tongues[i%len(tongues)].start(servers[i/len(tongues)%len(servers)].client, to)
					mu.Lock()
					defer mu.Unlock()
					status[r.status/100]++
				})
			}
			all.Wait()
			sent := 0
			var codes []string
			for _, s := range servers {
				for _, m := range s.inbox(to) {
					sent++
					codes = append(codes, m.Verification)
				}
			}
			slices.Sort(codes)
			if status[2] != 5 || status[4] != 43 || sent != 5 || len(slices.Compact(codes)) != 5 {
				t.Errorf("answers by class %v, %d messages for %v", status, sent, codes)
			}
			refusal := servers[0].send("POST", "/v1/verifications", `{"to":"`+to+`"}`, "Authorization", "Bearer demo-key", "Content-Type", "application/json")
			if refusal.status != 429 || refusal.header.Get("Retry-After") == "" || !strings.Contains(refusal.body, "sends_per_destination_10m") {
				t.Errorf("one more is answered %d %v %s", refusal.status, maps.Collect(maps.All(refusal.header)), refusal.body)
			}
		})
	}
}
