package e2e

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"text/tabwriter"
	"time"
)

// attack is one way to get in, or to harm somebody, that the server withstands.
type attack struct {
	id, what string
	run      func(s *siege) figures
}

// figures are what an attack tells: over which dialects it went, with the reason
// for each that it did not, and what was counted. Verdict is "withstood" unless
// it says otherwise.
type figures struct{ over, counted, verdict string }

// attacks are all rows of the suite; each file of it has its own.
func attacks() []attack {
	return slices.Concat(guessing(), onceOnly(), lifecycle(), inputs(), tenancy(), frauds(), floods())
}

// attackTenants stand beside the demo's: one that has wrong guesses delayed, one
// that may send to its own country alone, one whose text shows a variable, one
// as it is shipped, and those with limits of their own.
const attackTenants = `
providers: [{name: sandbox, type: inbox}]
tenants:
  - name: slowed
    home: VE
    countries: ["*"]
    limits: {rate: off}
    fraud_watch: {mode: off}
    guessing: {delay: true}
    credentials: [{type: api_key, key: slowed-key}]
  - name: homely
    home: VE
    credentials: [{type: api_key, key: homely-key}]
  - name: named
    home: VE
    countries: ["*"]
    locale: en
    fraud_watch: {mode: off}
    profiles: [{name: default}]
    templates: [{profile: default, channel: sms, locale: en, text: "Hello {{NAME}}, your code is {{code}}."}]
    credentials: [{type: api_key, key: named-key}]
  - name: shipped
    home: VE
    countries: ["*"]
    credentials: [{type: api_key, key: shipped-key}]
  - name: brisk
    home: VE
    countries: ["*"]
    limits: {prefix: 40/1h}
    credentials: [{type: api_key, key: brisk-key}]
  - name: frugal
    home: VE
    countries: ["*"]
    limits: {day_messages: 25}
    fraud_watch: {mode: off}
    credentials: [{type: api_key, key: frugal-key}]
  - name: thrifty
    home: VE
    countries: ["*"]
    currency: USD
    limits: {day_money: "1.00"}
    fraud_watch: {mode: off}
    routes: [{channel: sms, providers: [{provider: sandbox, price: "0.05"}]}]
    credentials: [{type: api_key, key: thrifty-key}]
`

// crowdTenants are as many tenants as share one address in T58.
const crowdTenants = 12

func allTenants() string {
	var b strings.Builder
	b.WriteString(attackTenants)
	for i := range crowdTenants {
		fmt.Fprintf(&b, "  - {name: crowd%d, home: VE, countries: [\"*\"], credentials: [{type: api_key, key: crowd-key-%d}]}\n", i, i)
	}
	return b.String()
}

// world is one engine with the real program on it, shared by all attacks: one
// process on SQLite, two on PostgreSQL.
type world struct {
	engine    string
	database  string
	data      string
	full      bool
	processes []*process
}

func newWorld(t *testing.T, e engine) *world {
	t.Helper()
	w := &world{engine: e.name, data: folder(t), database: e.database(t), full: os.Getenv("ALDABA_ATTACK") == "full"}
	tenants := filepath.Join(t.TempDir(), "tenants.yaml")
	if err := os.WriteFile(tenants, []byte(allTenants()), 0o600); err != nil {
		t.Fatal(err)
	}
	w.open(t, tenants)
	if w.database != "" {
		w.open(t, tenants)
	}
	return w
}

// open starts one more process of the world.
func (w *world) open(t *testing.T, tenants string) {
	t.Helper()
	args := []string{"dev", "--listen", "127.0.0.1:0", "--data", w.data, "--apply", tenants}
	if w.database != "" {
		args = append(args, "--database", w.database)
	}
	w.processes = append(w.processes, spawn(t, args...))
}

// siege is one attack on a world, with clients of its own.
type siege struct {
	*testing.T
	*world

	keeper *testing.T // the test that the processes live as long as
	c      []*client  // one of each process
}

// connect makes fresh clients.
func (s *siege) connect() {
	s.c = nil
	for _, p := range s.processes {
		s.c = append(s.c, newClient(s.T, p.base))
	}
}

// restart ends all processes and starts them again on the same data.
func (s *siege) restart(by syscall.Signal) {
	s.Helper()
	old := s.processes
	s.processes = nil
	for _, p := range old {
		p.end(s.T, by)
	}
	for _, p := range old {
		s.processes = append(s.processes, spawn(s.keeper, p.cmd.Args[1:]...))
	}
	s.connect()
}

// advance moves the clocks of all processes; tokens may be too old then.
func (s *siege) advance(d time.Duration) {
	s.Helper()
	for _, c := range s.c {
		c.advance(d)
		c.mu.Lock()
		c.tokens = map[string]string{}
		c.mu.Unlock()
	}
}

// pick is how often something is done: briefly, or in the full form.
func (w *world) pick(brief, full int) int {
	if w.full {
		return full
	}
	return brief
}

// over runs an attack over each dialect at once, each with an address of its
// own, and names the dialects.
func (s *siege) over(attack func(l tongue, to string)) string {
	return s.among(tongues, attack)
}

func (s *siege) among(some []tongue, attack func(l tongue, to string)) string {
	var all sync.WaitGroup
	for _, l := range some {
		all.Go(func() { attack(l, fresh()) })
	}
	all.Wait()
	if len(some) == len(tongues) {
		return "all 6"
	}
	var names []string
	for _, l := range some {
		names = append(names, l.name)
	}
	return strings.Join(names, ", ")
}

// begin starts a verification and takes its message out of the inbox.
func (s *siege) begin(l tongue, to string) (id string, m message) {
	s.Helper()
	id, r := l.start(s.c[0], to)
	if id == "" {
		s.Errorf("%s: a start is answered %d %s", l.name, r.status, r.body)
		return "", message{}
	}
	list := s.c[0].inbox(to)
	if len(list) == 0 || list[0].code() == "" {
		s.Errorf("%s: no code has arrived at %s: %+v", l.name, to, list)
		return id, message{}
	}
	return id, list[0]
}

// guess gives the i-th code, at the processes in turn.
func (s *siege) guess(l tongue, i int, id, code string) verdict {
	v, _ := l.check(s.c[i%len(s.c)], id, code)
	return v
}

// seen is a verification as the native API shows it.
type seen struct {
	ID, Status, To string
	Expires        time.Time `json:"expires_at"`
	Left           int       `json:"attempts_left"`
	Timeline       []struct{ Event, Detail string }
}

// look asks natively for a verification.
func (s *siege) look(id string) (v seen) {
	s.Helper()
	r := withKey(s.c[0], "GET", "/v1/verifications/"+id, "")
	if r.status != http.StatusOK || json.Unmarshal([]byte(r.body), &v) != nil {
		s.Errorf("a look at %s is answered %d %s", id, r.status, r.body)
	}
	return v
}

// toll is what the server has done with guesses and messages at some addresses.
type toll struct{ started, live, evaluated, approved, locked, messages int }

func (a *toll) add(b toll) {
	a.started, a.live, a.evaluated = a.started+b.started, a.live+b.live, a.evaluated+b.evaluated
	a.approved, a.locked, a.messages = a.approved+b.approved, a.locked+b.locked, a.messages+b.messages
}

func (a toll) String() string {
	return fmt.Sprintf("evaluated %d, approved %d, messages %d", a.evaluated, a.approved, a.messages)
}

// toll counts in the timelines of acme's verifications of an address and in the
// inboxes.
func (s *siege) toll(to string) (sum toll) {
	s.Helper()
	var list struct{ Verifications []seen }
	r := withKey(s.c[0], "GET", "/v1/verifications?to="+url.QueryEscape(to), "")
	if r.status != http.StatusOK || json.Unmarshal([]byte(r.body), &list) != nil {
		s.Errorf("a look at %s is answered %d %s", to, r.status, r.body)
	}
	for _, v := range list.Verifications {
		sum.started++
		if v.Status == "pending" {
			sum.live++
		}
		for _, e := range s.look(v.ID).Timeline {
			switch e.Event {
			case "wrong", "exhausted": // the last wrong one is the one that exhausts
				sum.evaluated++
			case "approved":
				sum.evaluated, sum.approved = sum.evaluated+1, sum.approved+1
			case "locked":
				sum.locked++
			}
		}
	}
	for _, c := range s.c {
		sum.messages += len(c.inbox(to, "&limit=100000"))
	}
	return sum
}

// row is a printed line.
type row struct {
	attack

	engine, verdict string
	figures         figures
}

// board keeps the rows.
type board struct {
	mu   sync.Mutex
	rows []row
}

// try runs an attack and notes what came of it, also when it was broken off.
func (b *board) try(s *siege, a attack) {
	r := row{attack: a, engine: s.engine, verdict: "FAILED"}
	began := time.Now()
	defer func() {
		if !s.Failed() && r.figures.counted != "" { // an attack that was broken off has counted nothing
			r.verdict = cmp.Or(r.figures.verdict, "withstood")
		}
		r.figures.counted += fmt.Sprintf(" (%v)", time.Since(began).Round(100*time.Millisecond))
		b.mu.Lock()
		defer b.mu.Unlock()
		b.rows = append(b.rows, r)
	}()
	s.connect()
	r.figures = a.run(s)
}

// print writes the table.
func (b *board) print() {
	slices.SortStableFunc(b.rows, func(a, b row) int {
		return cmp.Or(strings.Compare(a.id, b.id), strings.Compare(b.engine, a.engine)) // sqlite before postgres
	})
	out := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(out, "id\tengine\tverdict\tattack\tdialects\tcounted")
	for _, r := range b.rows {
		_, _ = fmt.Fprintf(out, "%s\t%s\t%s\t%s\t%s\t%s\n", r.id, r.engine, r.verdict, r.what, r.figures.over, r.figures.counted)
	}
	_ = out.Flush()
}

// TestAttack runs every attack on each engine, one after the other, since they
// move the clock, and prints what came of them. ALDABA_ATTACK=full asks for full
// counts, ALDABA_ATTACKS=T07,T13 for some of the attacks.
func TestAttack(t *testing.T) {
	t.Parallel()
	b := &board{}
	t.Cleanup(b.print)
	only := os.Getenv("ALDABA_ATTACKS")
	onEach(t, func(t *testing.T, e engine) {
		w := newWorld(t, e)
		for _, a := range attacks() {
			if only == "" || strings.Contains(only, a.id) {
				t.Run(a.id, func(inner *testing.T) {
					b.try(&siege{T: inner, world: w, keeper: t}, a)
				})
			}
		}
	})
}
