package e2e

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

const (
	outageMessages = 600                     // unless ALDABA_OUTAGE_MESSAGES says otherwise
	outageLong     = 5000                    // from here on the machine is the test's own, and its times are judged
	recovery       = 60 * time.Second        // from a carrier's return until nothing waits
	handOver       = 2 * time.Second         // p99 while one carrier of two is out of order
	slack          = 1500 * time.Millisecond // in which a call may still arrive that began before an end: what the courier has seen within a second is not asked for again
)

// begins starts so many verifications with 16 callers, each as soon as its turn
// comes; more are further members of the call's body.
func (s served) begins(t *testing.T, n int, turn <-chan time.Time, more string) []begun {
	t.Helper()
	var mu sync.Mutex
	var all sync.WaitGroup
	var book []begun
	work := make(chan string)
	for range callers {
		all.Go(func() {
			for to := range work {
				at := time.Now()
				r := s.send(http.MethodPost, "/v1/verifications", fmt.Sprintf(`{"to":%q%s}`, to, more), "Authorization", "Bearer "+s.key, "Content-Type", "application/json")
				if r.status != http.StatusCreated {
					t.Errorf("a start is answered %d %s", r.status, r.body)
					continue
				}
				mu.Lock()
				book = append(book, begun{to, r.member("id"), at})
				mu.Unlock()
			}
		})
	}
	for i := 0; i < n && !t.Failed(); i++ {
		if turn != nil {
			<-turn
		}
		work <- fresh()
	}
	close(work)
	all.Wait()
	if t.Failed() {
		t.FailNow()
	}
	return book
}

// writes returns the transactions and steps that the server has committed.
func (s served) writes(t *testing.T) (commits, steps int) {
	t.Helper()
	r := s.admin.send(http.MethodGet, "/admin/stats", "", "Authorization", "Bearer "+adminToken)
	var said struct{ Commits, Steps int }
	if r.status != http.StatusOK || json.Unmarshal([]byte(r.body), &said) != nil {
		t.Fatalf("the statistics are answered %d %s", r.status, r.body)
	}
	return said.Commits, said.Steps
}

// closeEmpty ends a server in order and looks into its outbox.
func closeEmpty(t *testing.T, s site, p served, gateways ...*gateway) {
	t.Helper()
	eventually(t, time.Minute, "every copy is reported on", func() bool {
		for _, g := range gateways {
			if slices.ContainsFunc(g.all(), func(h handed) bool { return h.kept && !h.heard }) {
				return false
			}
		}
		return true
	})
	if status := p.end(t, syscall.SIGTERM); status != 0 {
		t.Errorf("it ends with %d: %s", status, p.said())
	}
	for i, m := range s.left(t, "") {
		if i < 10 {
			t.Errorf("a message is left in the outbox: %+v", m)
		}
	}
}

// TestAnOutageOfACarrierLosesNothing queues messages while their only carrier
// is out of order.
func TestAnOutageOfACarrierLosesNothing(t *testing.T) {
	t.Parallel()
	n := setting("ALDABA_OUTAGE_MESSAGES", outageMessages)
	d, g := newDoor(t), newGateway(t)
	s := newSite(t, "", "public_url: "+d.url)
	p := s.serve(t)
	p.apply(t, gatewayTenants([]string{g.provider("gateway")}, "gateway"))
	d.open(t, p.base)
	g.confirm()
	g.follow(func(_ *handed, w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) })

	book := p.begins(t, n, nil, `,"lifetime":600`)
	eventually(t, time.Minute, "each message was tried", func() bool { return len(g.all()) >= n })
	quiet := time.NewTimer(backlog)
	<-quiet.C // the retries of the first tries go to rest
	_, before := p.writes(t)
	tried := len(g.all())
	for range outageSeconds {
		quiet.Reset(time.Second)
		<-quiet.C
	}
	_, after := p.writes(t)
	probes := len(g.all()) - tried
	// One look of each message a second would be ten times as many steps as
	// messages; the server's own loops write a few.
	if most := max(50, n/50); after-before > most || probes > 50 {
		t.Errorf("while the carrier is out it is asked %d times and %d steps are written for %d waiting messages", probes, after-before, n)
	}

	began := time.Now()
	g.follow(nil)
	eventually(t, 2*recovery, "all messages are sent", func() bool { return len(g.kept()) == n })
	took := time.Since(began)
	if took > recovery {
		t.Errorf("%d messages are sent %v after the recovery", n, took)
	}
	kept := g.kept()
	for i, b := range book {
		copies := kept[b.to]
		if len(copies) != 1 || copies[0].At.After(copies[0].Expires) {
			t.Fatalf("%s got %+v", b.to, copies)
		}
		if i%(n/50+1) != 0 {
			continue
		}
		if v, r := nativeTongue.check(p.client, b.id, copies[0].code()); v != approved {
			t.Errorf("%s: the code is answered %d %s", b.id, r.status, r.body)
		}
	}
	t.Logf("%d messages waited; in %d s of the outage the carrier was asked %d times and %d steps were written; all sent %v after the recovery",
		n, outageSeconds, probes, after-before, took.Round(time.Millisecond))
	closeEmpty(t, s, p, g)
}

const (
	outageSeconds = 10               // that are watched
	backlog       = 10 * time.Second // the longest wait of a retry, and some
)

// TestACarrierThatFailsDelaysNobody has two carriers; the first one fails.
func TestACarrierThatFailsDelaysNobody(t *testing.T) {
	t.Parallel()
	for name, fail := range map[string]script{
		"with errors": func(_ *handed, w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) },
		"silently":    func(_ *handed, _ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
	} {
		t.Run(strings.ReplaceAll(name, " ", "_"), func(t *testing.T) {
			t.Parallel()
			n := setting("ALDABA_OUTAGE_MESSAGES", outageMessages) / 5 * 4
			bad, good := newGateway(t), newGateway(t)
			s := newSite(t, "")
			p := s.serve(t)
			p.apply(t, gatewayTenants([]string{bad.provider("bad"), good.provider("good")},
				"{provider: bad, priority: 1}", "{provider: good, priority: 2}"))
			bad.follow(fail)
			p.begins(t, 2*callers, nil, "")
			eventually(t, time.Minute, "the breaker opens", func() bool { return strings.Contains(p.said(), "a circuit breaker opened") })
			before := len(bad.all())
			pace := time.NewTicker(10 * time.Second / time.Duration(n))
			defer pace.Stop()
			book := p.begins(t, n, pace.C, "")
			eventually(t, time.Minute, "all messages are sent", func() bool {
				kept := good.kept()
				return !slices.ContainsFunc(book, func(b begun) bool { return len(kept[b.to]) == 0 })
			})
			kept := good.kept()
			waits := make([]time.Duration, len(book))
			for i, b := range book {
				if waits[i] = kept[b.to][0].At.Sub(b.at); len(kept[b.to]) != 1 {
					t.Errorf("%s got %d copies", b.to, len(kept[b.to]))
				}
			}
			slices.Sort(waits)
			p99 := waits[int(math.Ceil(0.99*float64(len(waits))))-1]
			limit := handOver
			if n < outageLong/5*4 {
				limit = 4 * handOver // beside all other tests; still less than a silent carrier's timeout
			}
			if p99 > limit {
				t.Errorf("p99 to the hand-over is %v", p99)
			}
			t.Logf("%d messages beside a carrier that fails: to the hand-over p50 %v, p99 %v, slowest %v; it was asked %d times",
				n, waits[n/2], p99, waits[n-1], len(bad.all())-before)
		})
	}
}

// spoilEach is which call of a chaotic gateway is taken and spoiled.
const spoilEach = 250

// chaos answers as carriers do on a bad day. What it takes and answers so
// that the caller cannot know is every 250th call, by three ways in turn.
func (g *gateway) chaos(h *handed, w http.ResponseWriter, r *http.Request) {
	var n int
	if _, err := fmt.Sscanf(h.name, "copy-%d", &n); err == nil && n%spoilEach == spoilEach/2 {
		g.keep(h)
		switch n / spoilEach % 3 {
		case 0:
			hangUp(w, nil)
		case 1:
			_, _ = w.Write([]byte(`{"id":"` + strings.Repeat("x", 10<<20) + `"}`)) // the caller hangs up before the end
		case 2:
			hangUp(w, []byte("\x00\x01 this is no HTTP\r\n\r\n"))
		}
		return
	}
	switch dice := rand.IntN(100); {
	case dice < 15:
		delay := time.NewTimer(time.Duration(rand.IntN(400)) * time.Millisecond)
		<-delay.C
		g.accept(h, w, r)
	case dice < 25:
		w.WriteHeader(http.StatusInternalServerError)
	case dice < 30:
		w.Header().Set("Retry-After", "1")
		w.WriteHeader(http.StatusTooManyRequests)
	case dice < 32:
		hangUp(w, nil)
	case dice < 34:
		hangUp(w, []byte("\x00\x01 this is no HTTP\r\n\r\n"))
	default:
		g.accept(h, w, r)
	}
}

// hangUp writes what is given past HTTP and closes; without anything it resets
// the connection.
func hangUp(w http.ResponseWriter, raw []byte) {
	conn, _, err := w.(http.Hijacker).Hijack()
	if err != nil {
		return
	}
	if raw != nil {
		_, _ = conn.Write(raw) // the caller may be gone
	} else if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // RST instead of FIN
	}
	_ = conn.Close()
}

// ending is when the server had acknowledged that a verification is over.
type ending struct {
	how string
	at  time.Time
}

// TestChaosNeitherLosesNorMultiplies has two carriers that are out of order and
// then have a bad day, and applications that cancel, approve and let expire
// meanwhile.
func TestChaosNeitherLosesNorMultiplies(t *testing.T) {
	t.Parallel()
	n := setting("ALDABA_OUTAGE_MESSAGES", outageMessages)
	d, g := newDoor(t), [2]*gateway{newGateway(t), newGateway(t)}
	s := newSite(t, "", "public_url: "+d.url)
	p := s.serve(t)
	p.apply(t, gatewayTenants([]string{g[0].provider("one"), g[1].provider("two")}, "one", "two"))
	d.open(t, p.base)
	for _, g := range g {
		g.confirm()
		g.follow(func(_ *handed, w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) })
	}
	ends := map[string]ending{}
	brief := p.begins(t, n/10, nil, `,"lifetime":30`)
	waiting := p.begins(t, n/10, nil, "")
	for _, b := range waiting[:len(waiting)/2] {
		p.cancel(t, b, ends)
	}
	outage := time.NewTimer(17 * time.Second) // past the last try of what lives 30 s
	<-outage.C
	for _, g := range g {
		g.follow(g.chaos)
	}
	fresh := p.begins(t, n/10*8, nil, "")
	for i, b := range fresh {
		switch i % 10 {
		case 0:
			p.cancel(t, b, ends)
		case 1:
			p.approve(b, ends, g)
		}
	}
	book := slices.Concat(brief, waiting, fresh)
	for _, b := range book {
		eventually(t, 2*time.Minute, "it is known what became of the message to "+b.to, func() bool {
			return p.heardOf(b.id, "sent") || p.heardOf(b.id, "unsent") || p.heardOf(b.id, "delivered")
		})
	}
	judgeChaos(t, p, book, ends, g)
	closeEmpty(t, s, p, g[0], g[1])
}

// cancel takes a verification back and notes when that was acknowledged.
func (s served) cancel(t *testing.T, b begun, ends map[string]ending) {
	t.Helper()
	r := s.send(http.MethodPost, "/v1/verifications/"+b.id+"/cancel", "", "Authorization", "Bearer "+s.key)
	if r.status != http.StatusOK || r.member("status") != "canceled" {
		t.Errorf("a cancel is answered %d %s", r.status, r.body)
	}
	ends[b.to] = ending{"canceled", time.Now()}
}

// approve gives the code of a message that has arrived by now.
func (s served) approve(b begun, ends map[string]ending, g [2]*gateway) {
	for _, g := range g {
		for _, h := range g.kept()[b.to] {
			if v, _ := nativeTongue.check(s.client, b.id, h.code()); v == approved {
				ends[b.to] = ending{"approved", time.Now()}
				return
			}
		}
	}
}

// judgeChaos counts what both gateways got.
func judgeChaos(t *testing.T, p served, book []begun, ends map[string]ending, g [2]*gateway) {
	t.Helper()
	calls := map[string][]handed{}
	spoiled := 0
	for _, g := range g {
		for _, h := range g.all() {
			calls[h.To] = append(calls[h.To], h)
			if h.spoiled {
				spoiled++
			}
		}
	}
	var twice, ended, unsent, lost int
	for _, b := range book {
		end, over := ends[b.to]
		kept := judgeCalls(t, b, calls[b.to], end, over)
		switch {
		case kept > 1:
			twice++
		case kept == 1:
		case over:
			ended++
		case p.heardOf(b.id, "unsent"):
			unsent++
		default:
			if r := p.send(http.MethodGet, "/v1/verifications/"+b.id, "", "Authorization", "Bearer "+p.key); !strings.Contains(r.body, "maybe") {
				t.Errorf("%s: it did not arrive and is said to have been sent: %s", b.id, r.body)
			}
			lost++
		}
	}
	if 100*twice >= len(book) || twice > spoiled {
		t.Errorf("%d of %d messages arrived twice; %d answers were spoiled", twice, len(book), spoiled)
	}
	t.Logf("%d messages, %d answers spoiled: %d arrived twice; not at all: %d ended before, %d expired unsent, %d whose answer was lost while the other carrier could not take them",
		len(book), spoiled, twice, ended, unsent, lost)
}

// judgeCalls holds the calls about one message to the promise and returns how
// many copies its person has.
func judgeCalls(t *testing.T, b begun, calls []handed, end ending, over bool) (kept int) {
	t.Helper()
	known := 0
	for _, h := range calls {
		switch {
		case h.At.After(h.Expires.Add(time.Second)): // it is told in whole seconds
			t.Errorf("%s: sent %v after the code's end", b.id, h.At.Sub(h.Expires))
		case over && h.At.Sub(end.at) > slack:
			t.Errorf("%s: sent %v after it was %s", b.id, h.At.Sub(end.at), end.how)
		case h.code() != calls[0].code() || h.ID != calls[0].ID:
			t.Errorf("%s: sent %+v and %+v", b.id, calls[0], h)
		}
		if h.kept {
			kept++
		}
		if h.kept && !h.spoiled {
			known++
		}
	}
	if known > 1 || kept > 2 {
		t.Errorf("%s: %d copies arrived, of %d the server knew", b.id, kept, known)
	}
	return kept
}
