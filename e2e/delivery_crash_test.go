package e2e

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/aldaba-otp/aldaba/otp"
	"github.com/aldaba-otp/aldaba/store"
	enginepg "github.com/aldaba-otp/aldaba/store/postgres"
	"github.com/aldaba-otp/aldaba/store/sqlite"
)

// casualties is how many messages are at the same point when the server is
// killed.
const casualties = 12

// gatewayTenants is acme with gateways as its carriers, in this order.
func gatewayTenants(providers []string, names ...string) string {
	return "providers:" + strings.Join(providers, "") + `
tenants:
  - name: acme
    home: VE
    countries: ["*"]
    limits: {rate: off}
    fraud_watch: {mode: off}
    max_lifetime: 1800
    routes: [{channel: sms, providers: [` + strings.Join(names, ", ") + `]}]
    profiles: [{name: default}]
    credentials: [{type: api_key, key: ` + serveKey + `}]
`
}

// begun is a verification whose start was acknowledged.
type begun struct {
	to, id string
	at     time.Time // when it was asked for
}

// burst starts verifications all at once.
func burst(c *client, n int) []begun {
	var mu sync.Mutex
	var all sync.WaitGroup
	var book []begun
	for range n {
		all.Go(func() {
			to, at := fresh(), time.Now()
			id, r := nativeTongue.start(c, to)
			if r.status != http.StatusCreated {
				return
			}
			mu.Lock()
			defer mu.Unlock()
			book = append(book, begun{to, id, at})
		})
	}
	all.Wait()
	return book
}

// queue lets calls of a gateway arrive and go on together.
type queue struct {
	arrived chan *handed
	gate    chan struct{}
}

func newQueue() queue { return queue{make(chan *handed, 100*casualties), make(chan struct{})} }

// hold waits at the gate.
func (q queue) hold(h *handed) {
	q.arrived <- h
	<-q.gate
}

// wait returns the next n that arrive.
func (q queue) wait(t *testing.T, n int) []*handed {
	t.Helper()
	var all []*handed
	for limit := time.After(30 * time.Second); len(all) < n; {
		select {
		case h := <-q.arrived:
			all = append(all, h)
		case <-limit:
			t.Fatalf("%d of %d calls have come", len(all), n)
		}
	}
	return all
}

// blows are the points at which a server is killed with messages in hand. Each
// starts some and kills.
var blows = []struct {
	name   string
	strike func(t *testing.T, s served, g *gateway) []begun
}{
	{"before the gateway is called", func(_ *testing.T, s served, _ *gateway) []begun {
		book := burst(s.client, casualties)
		s.kill()
		return book
	}},
	{"before the second try", func(t *testing.T, s served, g *gateway) []begun {
		q := newQueue()
		g.follow(func(h *handed, w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusServiceUnavailable)
			q.arrived <- h
		})
		book := burst(s.client, casualties)
		q.wait(t, len(book))
		s.kill()
		return book
	}},
	{"while the gateway has it in hand", func(t *testing.T, s served, g *gateway) []begun {
		q := newQueue()
		g.follow(func(h *handed, _ http.ResponseWriter, _ *http.Request) {
			g.keep(h)
			q.hold(h)
		})
		book := burst(s.client, casualties)
		q.wait(t, len(book))
		s.kill()
		close(q.gate)
		return book
	}},
	{"when the gateway has taken it", func(t *testing.T, s served, g *gateway) []begun {
		q, taken := newQueue(), newQueue()
		g.follow(func(h *handed, w http.ResponseWriter, r *http.Request) {
			q.hold(h)
			g.accept(h, w, r)
			taken.arrived <- h
		})
		book := burst(s.client, casualties)
		q.wait(t, len(book))
		close(q.gate)
		taken.wait(t, 1+rand.IntN(len(book)))
		s.kill()
		return book
	}},
	{"while the receipt is not answered", func(t *testing.T, s served, g *gateway) []begun {
		book, _ := receipts(t, s, g, 0)
		return book
	}},
	{"when the receipt was answered", func(t *testing.T, s served, g *gateway) []begun {
		book, heard := receipts(t, s, g, 1+rand.IntN(casualties))
		if heard == 0 {
			t.Error("no receipt was answered")
		}
		return book
	}},
}

// receipts hands messages over, reports on all of them at once, and kills when
// so many of the reports are answered. It returns how many were in the end.
func receipts(t *testing.T, s served, g *gateway, answered int) (book []begun, heard int) {
	t.Helper()
	q := newQueue()
	g.follow(func(h *handed, w http.ResponseWriter, r *http.Request) {
		g.accept(h, w, r)
		q.arrived <- h
	})
	book = burst(s.client, casualties)
	taken := q.wait(t, len(book))
	for _, b := range book {
		eventually(t, 10*time.Second, "the hand-over is noted", func() bool { return s.heardOf(b.id, "sent") })
	}
	said := make(chan bool, len(taken))
	begins := make(chan struct{}, len(taken))
	for _, h := range taken {
		go func() {
			begins <- struct{}{}
			said <- g.say(h)
		}()
	}
	for range 1 + rand.IntN(len(taken)) {
		<-begins
	}
	n := 0
	for ; n < min(answered, len(taken)); n++ {
		if <-said {
			heard++
		}
	}
	s.kill()
	for ; n < len(taken); n++ {
		if <-said {
			heard++
		}
	}
	return book, heard
}

// heardOf tells whether an event stands in a verification's timeline.
func (c *client) heardOf(id, event string) bool {
	r := c.send(http.MethodGet, "/v1/verifications/"+id, "", "Authorization", "Bearer "+c.key)
	return r.status == http.StatusOK && strings.Contains(r.body, fmt.Sprintf(`"event":%q`, event))
}

// TestAKillLosesNoMessage kills the program with messages on their way to a
// carrier, at each point of that way, and starts it again. What was
// acknowledged arrives, at most one copy too many, all of them with one code;
// the code is good once; what became of each message is known in the end.
func TestAKillLosesNoMessage(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, e engine) {
		for _, blow := range blows {
			t.Run(strings.ReplaceAll(blow.name, " ", "_"), func(t *testing.T) {
				t.Parallel()
				w := newWard(t, e.database(t))
				for range setting("ALDABA_DELIVERY_ROUNDS", 1) {
					w.round(t, blow.strike)
				}
				w.close(t)
			})
		}
	})
}

// ward is a server that is killed and comes back, its gateway, and what was
// found.
type ward struct {
	site     site
	database string
	door     *door
	gateway  *gateway
	now      served

	rounds, acknowledged, copies, twice int
	longest                             time.Duration
}

func newWard(t *testing.T, database string) *ward {
	t.Helper()
	w := &ward{database: database, door: newDoor(t), gateway: newGateway(t)}
	w.site = newSite(t, database, "public_url: "+w.door.url)
	w.now = w.site.serve(t)
	w.now.apply(t, gatewayTenants([]string{w.gateway.provider("gateway")}, "gateway"))
	w.door.open(t, w.now.base)
	return w
}

func (w *ward) round(t *testing.T, strike func(t *testing.T, s served, g *gateway) []begun) {
	t.Helper()
	w.gateway.mute()
	book := strike(t, w.now, w.gateway)
	w.door.close()
	if len(book) == 0 {
		t.Fatal("no start was acknowledged")
	}
	w.gateway.follow(nil)
	began := time.Now()
	w.now = w.site.serve(t)
	w.door.open(t, w.now.base)
	w.gateway.confirm()
	for _, b := range book {
		eventually(t, takeover+20*time.Second, "the message to "+b.to+" is delivered, and that is known", func() bool {
			return len(w.gateway.kept()[b.to]) > 0 && w.now.heardOf(b.id, "delivered")
		})
	}
	w.longest = max(w.longest, time.Since(began))
	kept := w.gateway.kept()
	for _, b := range book {
		w.judge(t, b, kept[b.to])
	}
	w.rounds++
	w.acknowledged += len(book)
}

// judge holds the copies of one message to the promise, and gives its code.
func (w *ward) judge(t *testing.T, b begun, copies []handed) {
	t.Helper()
	w.copies += len(copies)
	if len(copies) > 1 {
		w.twice++
	}
	if len(copies) > 2 {
		t.Errorf("%s got %d copies", b.to, len(copies))
	}
	for i := range copies {
		if copies[i].code() != copies[0].code() || copies[i].code() == "" {
			t.Errorf("%s got %q and %q", b.to, copies[0].Text, copies[i].Text)
		}
	}
	if v, r := nativeTongue.check(w.now.client, b.id, copies[0].code()); v != approved {
		t.Errorf("%s: the code is answered %d %s", b.id, r.status, r.body)
	}
	if v, r := nativeTongue.check(w.now.client, b.id, copies[0].code()); v != over {
		t.Errorf("%s: the second time it is answered %d %s", b.id, r.status, r.body)
	}
}

// close ends the server in order and looks into the outbox.
func (w *ward) close(t *testing.T) {
	t.Helper()
	// What was started and not acknowledged may be on its way too.
	eventually(t, takeover, "every copy is reported on", func() bool {
		for _, h := range w.gateway.all() {
			if h.kept && !h.heard {
				return false
			}
		}
		return true
	})
	if status := w.now.end(t, syscall.SIGTERM); status != 0 {
		t.Errorf("it ends with %d: %s", status, w.now.said())
	}
	for _, m := range w.site.left(t, w.database) {
		t.Errorf("a message is left in the outbox: %+v", m)
	}
	t.Logf("%s: %d kills, %d acknowledged starts, %d copies, %d messages twice; the slowest was delivered %v after the start", t.Name(),
		w.rounds, w.acknowledged, w.copies, w.twice, w.longest.Round(time.Millisecond))
}

// left returns what is in the outbox when no server runs.
func (s site) left(t *testing.T, database string) []otp.Message {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	var e store.Engine
	var err error
	if database == "" {
		e, err = sqlite.Open(ctx, filepath.Join(s.dir, "aldaba.db"), sqlite.Options{})
	} else {
		e, err = enginepg.Open(ctx, database, enginepg.Options{Writers: 1})
	}
	if err != nil {
		t.Fatal(err)
	}
	rows, err := e.Orphans(ctx, otp.ID{}, 1000)
	if err := e.Close(); err != nil {
		t.Error(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return rows
}
