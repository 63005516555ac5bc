package e2e

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"regexp"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/aldaba-otp/aldaba/store/storetest/pgcluster"
)

const (
	callers   = 16               // of the load
	loadLeast = 60               // acknowledged calls before a kill
	loadMost  = 300              // further ones, at random
	auditMost = 60               // verifications of one cycle that are asked for one by one
	takeover  = 40 * time.Second // until a server counts as dead and its messages are taken over, on a busy machine
)

// claim is what a client of a killed server may insist on.
type claim struct {
	l        tongue
	id, to   string
	native   string
	code     string // "" as long as the message was not seen
	judged   int    // wrong guesses that were acknowledged
	approved bool   // a right guess was acknowledged
	asked    bool   // a right guess was made, acknowledged or not
}

// ledger keeps the claims of one cycle.
type ledger struct {
	mu     sync.Mutex
	claims []*claim
	calls  int
	// held is set while the server's simulator holds all messages back, so that
	// another server must deliver them.
	held bool
}

func (b *ledger) add(c *claim) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.claims = append(b.claims, c)
	b.calls++
}

func (b *ledger) called() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.calls++
}

func (b *ledger) size() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.calls
}

// hold keeps the server's messages in its hands.
func (b *ledger) hold(c *client) {
	c.t.Helper()
	c.must("PUT", "/dev/simulator", `{"delay":"1h"}`)
	b.held = true
}

// load talks to a server until it stops answering.
func load(c *client, book *ledger) *sync.WaitGroup {
	var all sync.WaitGroup
	for i := range callers {
		all.Go(func() {
			for n := i; talk(c, book, tongues[n%len(tongues)], n); n++ {
			}
		})
	}
	return &all
}

// talk starts one verification and goes on with it in one of four ways. It
// returns false when the server is gone.
func talk(c *client, book *ledger, l tongue, n int) bool {
	to := fresh()
	id, r := l.start(c, to)
	if r.status/100 != 2 || id == "" {
		return r.status == 503
	}
	mine := &claim{l: l, id: id, to: to}
	defer book.add(mine)
	if book.held || n%4 == 0 {
		return true // it is left as it is, perhaps unsent
	}
	r = c.send("GET", "/dev/inbox?to=%2B"+to[1:], "")
	mine.native, mine.code = sent(r)
	if mine.code == "" {
		return r.status != 0
	}
	if n%4 >= 2 {
		v, _ := l.check(c, id, wrongCode(mine.code))
		if v != wrong {
			return v != silence
		}
		mine.judged++
		book.called()
	}
	if n%4 != 2 {
		mine.asked = true
		v, _ := l.check(c, id, mine.code)
		mine.approved = v == approved
		return v != silence
	}
	return true
}

// sent reads an inbox that may have been cut.
func sent(r reply) (native, code string) {
	for _, m := range parseInbox(r.body) {
		return m.Verification, m.code()
	}
	return "", ""
}

// audit asks the next server for everything that was acknowledged.
func audit(t *testing.T, c *client, book *ledger, claims []*claim) {
	t.Helper()
	if !book.held {
		c.advance(61 * time.Second) // a resend is allowed after a minute
	}
	var all sync.WaitGroup
	turn := make(chan *claim)
	for range callers {
		all.Go(func() {
			for one := range turn {
				one.audit(t, c, book.held)
			}
		})
	}
	for _, one := range claims {
		turn <- one
	}
	close(turn)
	all.Wait()
}

func (m *claim) audit(t *testing.T, c *client, held bool) {
	if m.code == "" && !m.find(t, c, held) {
		return
	}
	state := c.send("GET", "/v1/verifications/"+m.native, "", "Authorization", "Bearer demo-key")
	var left int
	if _, err := fmt.Sscan(state.member("attempts_left"), &left); err != nil || state.status != 200 {
		t.Errorf("%s %s: an acknowledged start is answered %d %s", m.l.name, m.id, state.status, state.body)
		return
	}
	if state.member("status") == "pending" && left > tries-m.judged {
		t.Errorf("%s %s: %d tries are left after %d wrong guesses", m.l.name, m.id, left, m.judged)
	}
	first, r := m.l.check(c, m.id, m.code)
	switch {
	case m.approved && first == approved:
		t.Errorf("%s %s: a code whose approval was acknowledged is approved again", m.l.name, m.id)
	case !m.asked && first != approved:
		t.Errorf("%s %s: a code never given before is answered %d %s", m.l.name, m.id, r.status, r.body)
	case first != approved && first != over && (!m.l.vague || first != wrong):
		t.Errorf("%s %s: the code is answered %d %s", m.l.name, m.id, r.status, r.body)
	}
	if again, r := m.l.check(c, m.id, m.code); again == approved {
		t.Errorf("%s %s: the second time it is answered %d %s", m.l.name, m.id, r.status, r.body)
	}
}

// find gets the code of a message that the dead server may have delivered to
// its own inbox: by a resend, or not at all when it held its messages back and
// the living one must deliver them.
func (m *claim) find(t *testing.T, c *client, held bool) bool {
	look := func() bool {
		m.native, m.code = sent(c.send("GET", "/dev/inbox?to=%2B"+m.to[1:], ""))
		return m.code != "" || t.Failed()
	}
	if held {
		eventually(t, takeover, "the message to "+m.to+" is delivered by another server", look)
		return m.code != ""
	}
	if look() {
		return m.code != ""
	}
	list := c.send("GET", "/v1/verifications?to=%2B"+m.to[1:], "", "Authorization", "Bearer demo-key")
	id := nativeID.FindStringSubmatch(list.body)
	if id == nil {
		t.Errorf("%s %s: an acknowledged start to %s is not known: %d %s", m.l.name, m.id, m.to, list.status, list.body)
		return false
	}
	again := c.send("POST", "/v1/verifications/"+id[1]+"/resend", "", "Authorization", "Bearer demo-key")
	if again.status != 200 || !look() {
		t.Errorf("%s %s: a resend is answered %d %s, and the inbox has %q", m.l.name, m.id, again.status, again.body, m.code)
	}
	return m.code != ""
}

var nativeID = regexp.MustCompile(`"id":"([0-9a-f-]{36})"`)

// sample keeps an audit short: every claim without a message and some others.
func (b *ledger) sample() []*claim {
	b.mu.Lock()
	defer b.mu.Unlock()
	rand.Shuffle(len(b.claims), func(i, j int) { b.claims[i], b.claims[j] = b.claims[j], b.claims[i] })
	return b.claims[:min(len(b.claims), auditMost)]
}

// tally is what a series of cycles came to.
type tally struct{ cycles, claims, audited int }

func (y *tally) log(t *testing.T, began time.Time) {
	t.Helper()
	t.Logf("%d kills, %d acknowledged starts, %d asked for again, %v a cycle", y.cycles, y.claims, y.audited,
		(time.Since(began) / time.Duration(max(y.cycles, 1))).Round(time.Millisecond))
}

// under runs a load on a server until its end, which comes by kill.
func under(t *testing.T, c *client, book *ledger, kill func()) {
	t.Helper()
	all := load(c, book)
	target := loadLeast + rand.IntN(loadMost)
	eventually(t, 30*time.Second, "the load runs", func() bool { return book.size() >= target })
	kill()
	all.Wait()
}

// TestAKilledServerForgetsNothingOnSQLite kills the program under load and
// starts it again on the same folder. In every second cycle its messages are
// held back, and the next process delivers them.
func TestAKilledServerForgetsNothingOnSQLite(t *testing.T) {
	t.Parallel()
	args := []string{"dev", "--listen", "127.0.0.1:0", "--data", folder(t)}
	began, sum := time.Now(), tally{}
	p := spawn(t, args...)
	for ; sum.cycles < setting("ALDABA_CRASH_CYCLES", 3) && !t.Failed(); sum.cycles++ {
		book := &ledger{}
		if sum.cycles%2 == 1 {
			book.hold(p.client)
		}
		under(t, p.client, book, p.kill)
		p = spawn(t, args...)
		sum.audit(t, p.client, book)
	}
	sum.log(t, began)
	if status := p.end(t, syscall.SIGTERM); status != 0 {
		t.Errorf("it ends with status %d: %s", status, p.said())
	}
}

// audit asks for a sample of what a cycle acknowledged.
func (y *tally) audit(t *testing.T, c *client, book *ledger) {
	t.Helper()
	claims := book.sample()
	audit(t, c, book, claims)
	y.claims += len(book.claims)
	y.audited += len(claims)
}

// TestAKilledServerForgetsNothingOnPostgreSQL kills one of two servers, which
// take turns; in every third cycle PostgreSQL itself crashes too. At the end
// the one that stays delivers what the other held back.
func TestAKilledServerForgetsNothingOnPostgreSQL(t *testing.T) {
	t.Parallel()
	base := pgcluster.StartOwn(t, pgcluster.Options{})
	args := []string{"dev", "--listen", "127.0.0.1:0", "--data", folder(t), "--database", base.URL(t)}
	began, sum := time.Now(), tally{}
	one, other := spawn(t, args...), spawn(t, args...)
	for ; sum.cycles < setting("ALDABA_CRASH_CYCLES", 3) && !t.Failed(); sum.cycles++ {
		book := &ledger{}
		under(t, one.client, book, func() {
			if sum.cycles%3 != 2 {
				one.kill()
				return
			}
			err := base.Kill(syscall.SIGQUIT)
			one.kill()
			if err := errors.Join(err, base.Restart()); err != nil {
				t.Error(err)
			}
		})
		eventually(t, 20*time.Second, "the other server is ready", func() bool { return other.send("GET", "/readyz", "").status == 200 })
		sum.audit(t, other.client, book)
		one, other = other, spawn(t, args...)
	}
	sum.log(t, began)
	book := &ledger{}
	book.hold(one.client)
	under(t, one.client, book, one.kill)
	sum.audit(t, other.client, book)
	if status := other.end(t, syscall.SIGTERM); status != 0 {
		t.Errorf("it ends with status %d: %s", status, other.said())
	}
}
