package e2e

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/aldaba-otp/aldaba/otp"
)

// crowd does something n times, eight at once.
func crowd(n int, do func(i int)) {
	var next atomic.Int64
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for i := next.Add(1) - 1; i < int64(n); i = next.Add(1) - 1 {
				do(int(i))
			}
		})
	}
	all.Wait()
}

// honest measures a tenant's own pairs of start and check until it is told to
// stop, and returns the slowest but one in a hundred.
func honest(s *siege, key string) (stop func() (pairs int, p99 time.Duration)) {
	c := newClient(s.T, s.c[0].base)
	c.key = key
	done, ended := make(chan struct{}), make(chan []time.Duration, 1)
	go func() {
		var took []time.Duration
		for {
			select {
			case <-done:
				ended <- took
				return
			default:
			}
			to, began := fresh(), time.Now()
			id, r := nativeTongue.start(c, to)
			var v verdict
			if list := c.inbox(to); len(list) > 0 {
				v, r = nativeTongue.check(c, id, list[0].code())
			}
			took = append(took, time.Since(began))
			if v != approved {
				s.Errorf("an honest user is answered %d %s", r.status, r.body)
			}
		}
	}()
	return func() (int, time.Duration) {
		close(done)
		took := <-ended
		slices.Sort(took)
		return len(took), took[len(took)*99/100]
	}
}

// unmoved holds a tenant's times under attack against those before it. Only the
// full form, which has the machine for itself, can tell them apart from the work
// of other tests; the brief one sees whether somebody starves.
func (s *siege) unmoved(calm, busy time.Duration) {
	s.Helper()
	if busy > max(2*calm, time.Duration(s.pick(5000, 250))*time.Millisecond) {
		s.Errorf("honest pairs take %v at the 99th percentile, without the attack %v", busy, calm)
	}
}

// spray needs no limit of any address: what sees it is the tenant's share of
// wrong guesses.
func spray(s *siege) figures {
	s.advance(11 * time.Minute) // what came before is not counted
	quiet := honest(s, "globex-key")
	<-time.After(time.Duration(s.pick(500, 5000)) * time.Millisecond) // a measurement without an attack
	_, calm := quiet()
	said := len(s.processes[0].said())
	n := s.pick(300, 10_000)
	loud := honest(s, "globex-key")
	crowd(n, func(i int) {
		l := tongues[i%len(tongues)]
		if id, r := l.start(s.c[0], fresh()); id == "" {
			s.Errorf("%s: start %d is answered %d %s", l.name, i, r.status, r.body)
		} else {
			l.check(s.c[0], id, fmt.Sprintf("%06d", i))
		}
	})
	_, busy := loud()
	alerts := 0
	eventually(s.T, 10*time.Second, "so many wrong guesses are told in the log", func() bool {
		alerts = strings.Count(s.processes[0].said()[said:], otp.RuleRatio)
		return alerts > 0
	})
	s.unmoved(calm, busy)
	slowed := newClient(s.T, s.c[0].base)
	slowed.key = "slowed-key"
	second := map[verdict]int{}
	for i := range 300 {
		id, r := nativeTongue.start(slowed, fresh())
		if id == "" {
			s.Fatalf("a start is answered %d %s", r.status, r.body)
		}
		nativeTongue.check(slowed, id, fmt.Sprintf("%06d", i))
		v, _ := nativeTongue.check(slowed, id, fmt.Sprintf("%06d", i+1))
		second[v]++
	}
	if second[throttled] < 50 {
		s.Errorf("of a tenant that is to be slowed second guesses are answered %v", second)
	}
	s.advance(11 * time.Minute)
	return figures{
		over: "all 6",
		counted: fmt.Sprintf("%d addresses: %d alerts; another tenant's p99 %v, before %v; with guessing.delay %d of 300 second guesses throttled",
			n, alerts, busy.Round(time.Millisecond), calm.Round(time.Millisecond), second[throttled]),
	}
}

// manyTries asks for more than anybody gets. Additiv, Modica and UnityVox have no
// place for it.
func manyTries(s *siege) figures {
	asked := []string{"1000000", "0", "-1", "2147483648", "1e3", `"5"`, "11", "10", "2147483647", "null", "1.5"}
	some := []hand{nativeHand, danaHand, dana2Hand}
	refused, most := 0, 0
	for _, h := range some {
		for _, n := range asked {
			to := fresh()
			id, r := h.begin(s.c[0], to, fmt.Sprintf(`,%q:%s`, h.tries, n))
			if id == "" {
				refused++
				if r.status != http.StatusBadRequest && r.status != http.StatusUnprocessableEntity {
					s.Errorf("%s: %s tries are answered %d %s", h.name, n, r.status, r.body)
				}
				continue
			}
			for i := range 15 {
				h.check(s.c[i%len(s.c)], id, fmt.Sprintf("%06d", i))
			}
			got := s.toll(to)
			most = max(most, got.evaluated)
			if got.evaluated > 10 || got.approved != 0 || slices.Contains([]string{"0", "-1", "2147483648", "1e3", `"5"`, "1.5"}, n) {
				s.Errorf("%s: %s tries are taken: %s", h.name, n, got)
			}
		}
	}
	return figures{
		over:    "native, danaconnect v1 and v2; the others have no place for it",
		counted: fmt.Sprintf("%d requests: %d refused, of the others at most %d evaluated", len(some)*len(asked), refused, most),
	}
}

// rows counts what the tables of the database hold.
func (s *siege) rows() (n int) {
	s.Helper()
	if s.database == "" {
		return s.sqliteRows()
	}
	conn, err := pgx.Connect(s.Context(), s.database)
	if err != nil {
		s.Fatal(err)
	}
	defer func() { _ = conn.Close(context.Background()) }() // it was only read
	err = conn.QueryRow(s.Context(), `SELECT coalesce(sum((xpath('/row/c/text()',
		query_to_xml(format('SELECT count(*) AS c FROM %I.%I', table_schema, table_name), false, true, '')))[1]::text::int), 0)
		FROM information_schema.tables WHERE table_type = 'BASE TABLE' AND table_schema NOT IN ('pg_catalog', 'information_schema')`).Scan(&n)
	if err != nil {
		s.Fatal(err)
	}
	return n
}

// sqliteRows reads beside the server, which brings to the file within a fraction of
// a second what it has acknowledged.
func (s *siege) sqliteRows() (n int) {
	s.Helper()
	conn, err := sqlite.OpenConn(filepath.Join(s.data, "aldaba.db"), sqlite.OpenReadWrite) // a reader of a WAL has to write its shared memory
	if err != nil {
		s.Fatal(err)
	}
	defer func() { _ = conn.Close() }() // it was only read
	count := func(sql string, row func(*sqlite.Stmt) error) {
		if err := sqlitex.ExecuteTransient(conn, sql, &sqlitex.ExecOptions{ResultFunc: row}); err != nil {
			s.Fatal(err)
		}
	}
	var tables []string
	count("SELECT name FROM sqlite_master WHERE type = 'table'", func(row *sqlite.Stmt) error {
		tables = append(tables, row.ColumnText(0))
		return nil
	})
	for _, table := range tables {
		count("SELECT count(*) FROM "+table, func(row *sqlite.Stmt) error {
			n += row.ColumnInt(0)
			return nil
		})
	}
	return n
}

// numbers is how the tenant's counter is shown as numbers of DANAConnect.
func (s *siege) numbers() *otp.Permutation {
	s.Helper()
	p, err := s.ring().Permutation("acme")
	if err != nil {
		s.Fatal(err)
	}
	return p
}

// strayID is an id of a dialect that nobody was ever told. Only a number of
// DANAConnect, of which there are 2^31, may be met by chance.
func strayID(l tongue) string {
	uuid := fmt.Sprintf("%08x-%04x-7%03x-%04x-%012x", rand.Uint32(), rand.IntN(1<<16), rand.IntN(1<<12), 0x8000|rand.IntN(1<<14), rand.Int64N(1<<48))
	switch l.name {
	case danaconnectTongue.name:
		return fmt.Sprint(1 + rand.Int32N(1<<31-1))
	case additivTongue.name:
		return fmt.Sprintf("4711/sessions/%016x%016x", rand.Uint64(), rand.Uint64())
	case unityvoxTongue.name:
		return strings.ReplaceAll(uuid, "-", "")
	}
	return uuid
}

func idsNeverIssued(s *siege) figures {
	to := fresh()
	id, m := s.begin(nativeTongue, to)
	for _, l := range tongues { // what each needs once, such as a token's trace
		l.check(s.c[0], strayID(l), m.code())
	}
	before := s.rows()
	n := s.pick(3000, 100_000)
	numbers := s.numbers()
	stray := func(l tongue) string {
		if l.name == danaconnectTongue.name { // one of those that were never given out
			return fmt.Sprint(numbers.Shuffle(1<<30 + rand.Int64N(1<<30-1)))
		}
		return strayID(l)
	}
	var strange atomic.Int64
	crowd(n, func(i int) {
		l := tongues[i%len(tongues)]
		v, r := l.check(s.c[i/len(tongues)%len(s.c)], stray(l), m.code())
		if v != unknown && !(l.name == modicaTongue.name && r.status == http.StatusBadRequest && strings.Contains(r.body, "invalid_attrib")) {
			if strange.Add(1) < 5 {
				s.Errorf("%s: an id that nobody has is answered %d %s", l.name, r.status, r.body)
			}
		}
	})
	after := s.rows()
	if allowed := n / 100; after > before+allowed { // what the servers write down of what came before
		s.Errorf("%d rows became %d", before, after)
	}
	if got := s.toll(to); got.evaluated != 0 {
		s.Errorf("the ledger of a bystander was charged: %s", got)
	}
	if v := s.guess(nativeTongue, 0, id, m.code()); v != approved {
		s.Errorf("the bystander's code is answered %s", v)
	}
	return figures{over: "all 6", counted: fmt.Sprintf("%d ids: all unknown, rows before %d, after %d", n, before, after)}
}
