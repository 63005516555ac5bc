package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync"

	"github.com/jackc/pgx/v5"
	"zombiezen.com/go/sqlite"

	"github.com/aldaba-otp/aldaba/otp"
	"github.com/aldaba-otp/aldaba/store"
)

// No answer holds a code, so the generator does what only the owner of the key
// ring can: it reads the stored verification and derives the code. It looks into
// the engine's log, and asks the database for what it does not find there; those who
// wait are served together, so that this costs the machine little.

// question is one verification whose code is wanted. A connection has one and
// uses it again and again.
type question struct {
	id     otp.ID
	code   string
	err    error
	answer chan struct{}
}

// maxQuestions bounds how many are read at once.
const maxQuestions = 512

// reader finds the stored verifications of many questions.
type reader interface {
	read(batch []*question, found func(q *question, v *otp.Verification)) error
	// waiting counts the outbox.
	waiting() (int64, error)
	// processes are those of the reader in the database, whose CPU time is
	// not the server's.
	process() int
	close() error
}

// codes answers questions. A nil *codes knows the floor's code.
type codes struct {
	reader reader
	ring   *otp.Ring
	queue  chan *question
	done   chan struct{}

	mu   sync.Mutex // guards tail
	tail tail       // nil when there is none
}

func newCodes(r reader, t tail, keys string) (*codes, error) {
	data, err := os.ReadFile(keys)
	if err != nil {
		return nil, err
	}
	ring, err := otp.ParseRing(data)
	if err != nil {
		return nil, err
	}
	c := &codes{reader: r, ring: ring, queue: make(chan *question, 1024), done: make(chan struct{}), tail: t}
	go c.run()
	return c, nil
}

// code returns the code of the verification.
func (c *codes) code(q *question) (string, error) {
	if c == nil {
		return floorCode, nil
	}
	if v, ok, err := c.fresh(q.id); ok || err != nil {
		if err != nil {
			return "", err
		}
		return c.ring.Code(&v)
	}
	c.queue <- q
	<-q.answer
	return q.code, q.err
}

// begin comes before each measurement.
func (c *codes) begin() error {
	if c == nil || c.tail == nil {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.tail.begin()
}

// fresh looks into the engine's log, where there is one.
func (c *codes) fresh(id otp.ID) (v otp.Verification, ok bool, err error) {
	if c.tail == nil {
		return v, false, nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if v, ok = c.tail.take(id); !ok {
		if err = c.tail.follow(); err == nil {
			v, ok = c.tail.take(id)
		}
	}
	return v, ok, err
}

// run serves what has queued, again and again.
func (c *codes) run() {
	defer close(c.done)
	batch := make([]*question, 0, maxQuestions)
	for q := range c.queue {
		batch = append(batch[:0], q)
		runtime.Gosched() // those that are about to ask come along
	more:
		for len(batch) < maxQuestions {
			select {
			case q, ok := <-c.queue:
				if !ok {
					break more
				}
				batch = append(batch, q)
			default:
				break more
			}
		}
		c.serve(batch)
	}
}

func (c *codes) serve(batch []*question) {
	for _, q := range batch {
		q.code, q.err = "", errors.New("the verification is not in the database")
	}
	err := c.reader.read(batch, func(q *question, v *otp.Verification) {
		v.ID = q.id
		q.code, q.err = c.ring.Code(v)
	})
	for _, q := range batch {
		if err != nil {
			q.err = err
		}
		q.answer <- struct{}{}
	}
}

func (c *codes) close() error {
	if c == nil {
		return nil
	}
	close(c.queue)
	<-c.done
	err := c.reader.close()
	if c.tail != nil {
		err = errors.Join(err, c.tail.close())
	}
	return err
}

// sqliteReader reads over a connection of its own, next to the server's.
type sqliteReader struct {
	conn   *sqlite.Conn
	buffer []byte
}

func openSQLite(path string) (*sqliteReader, error) {
	conn, err := sqlite.OpenConn(path, sqlite.OpenReadWrite) // a reader of a WAL has to write its shared memory
	if err != nil {
		return nil, err
	}
	r := &sqliteReader{conn: conn, buffer: make([]byte, 64<<10)}
	return r, r.run("PRAGMA query_only = ON")
}

func (r *sqliteReader) run(sql string) error {
	stmt, err := r.conn.Prepare(sql)
	if err != nil {
		return err
	}
	for {
		more, err := stmt.Step()
		if err != nil {
			return err
		}
		if !more {
			return stmt.Reset()
		}
	}
}

// read takes one short transaction for the whole batch.
func (r *sqliteReader) read(batch []*question, found func(*question, *otp.Verification)) error {
	if err := r.run("BEGIN"); err != nil {
		return err
	}
	stmt, err := r.conn.Prepare("SELECT generation, secret, spec FROM verification WHERE id = ?")
	if err != nil {
		return errors.Join(err, r.run("COMMIT"))
	}
	for _, q := range batch {
		stmt.BindBytes(1, q.id[:])
		row, err := stmt.Step()
		if err == nil && row {
			v := otp.Verification{Generation: stmt.ColumnInt(0), Secret: make([]byte, stmt.ColumnLen(1))}
			stmt.ColumnBytes(1, v.Secret)
			if v.Spec, err = store.UnpackSpec(r.buffer[:stmt.ColumnBytes(2, r.buffer)]); err == nil {
				found(q, &v)
			}
		}
		if err := errors.Join(err, stmt.Reset()); err != nil {
			return errors.Join(err, r.run("COMMIT"))
		}
	}
	return r.run("COMMIT")
}

func (r *sqliteReader) waiting() (n int64, err error) {
	stmt, err := r.conn.Prepare("SELECT count(*) FROM message")
	if err != nil {
		return 0, err
	}
	if _, err := stmt.Step(); err != nil {
		return 0, err
	}
	n = stmt.ColumnInt64(0)
	return n, stmt.Reset()
}

func (*sqliteReader) process() int { return 0 }

func (r *sqliteReader) close() error { return r.conn.Close() }

// postgresReader asks for a whole batch at once.
type postgresReader struct {
	conn *pgx.Conn
	pid  int
}

func openPostgres(url string) (*postgresReader, error) {
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return nil, err
	}
	r := &postgresReader{conn: conn}
	if _, err := conn.Exec(ctx, "SET enable_seqscan = off; SET plan_cache_mode = force_generic_plan"); err != nil {
		return nil, err
	}
	return r, conn.QueryRow(ctx, "SELECT pg_backend_pid()").Scan(&r.pid)
}

func (r *postgresReader) read(batch []*question, found func(*question, *otp.Verification)) error {
	ids := make([][16]byte, len(batch))
	asked := make(map[otp.ID]*question, len(batch))
	for i, q := range batch {
		ids[i], asked[q.id] = q.id, q
	}
	rows, err := r.conn.Query(context.Background(), "SELECT id, generation, secret, spec FROM verification WHERE id = ANY($1)", ids)
	if err != nil {
		return err
	}
	var id [16]byte
	var generation int32
	var secret, spec []byte
	_, err = pgx.ForEachRow(rows, []any{&id, &generation, &secret, &spec}, func() error {
		v := otp.Verification{Generation: int(generation), Secret: secret}
		var err error
		if v.Spec, err = store.UnpackSpec(spec); err != nil {
			return fmt.Errorf("verification %s: %w", otp.ID(id), err)
		}
		found(asked[id], &v)
		return nil
	})
	return err
}

func (r *postgresReader) waiting() (n int64, err error) {
	err = r.conn.QueryRow(context.Background(), "SELECT count(*) FROM message").Scan(&n)
	return n, err
}

func (r *postgresReader) process() int { return r.pid }

func (r *postgresReader) close() error { return r.conn.Close(context.Background()) }
