package main

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"zombiezen.com/go/sqlite"
)

// A bare store behind the floor's handlers: one row and one of an outbox for each
// start, one statement for each check, and group commit. It knows no rule, seals
// nothing, keeps no journal, carries no message and logs nothing, and its code is
// always the same. So it is about the most that rows in this database can give on
// this machine: what a server adds to it is what the server does.

// bareBatch bounds how many requests share a transaction.
const bareBatch = 512

// bareLifetime is how long a code is good.
const bareLifetime = 5 * time.Minute

// bareCall is one request at the store.
type bareCall struct {
	check       bool
	id          [16]byte
	destination [sha256.Size]byte
	mac         [sha256.Size]byte // of id and code
	right       bool              // what a check found
	err         error
	done        chan struct{}
}

// bareTables are what both databases hold of a batch.
type bareTables interface {
	// commit carries out a batch in one transaction that is on disk when it returns.
	commit(batch []*bareCall, now time.Time) error
}

// bareStore is the writer of a bare store.
type bareStore struct {
	tables bareTables
	queue  chan *bareCall
}

// openBare opens the store of a database's URL.
func openBare(database string) (s *bareStore, err error) {
	s = &bareStore{queue: make(chan *bareCall, 2*bareBatch)}
	if strings.HasPrefix(database, "postgres") {
		s.tables, err = openBarePostgres(database)
	} else {
		s.tables, err = openBareSQLite(strings.TrimPrefix(database, "sqlite:"))
	}
	if err == nil {
		go s.run() // until the process is ended
	}
	return s, err
}

// run takes what has queued while the last batch was written.
func (s *bareStore) run() {
	batch := make([]*bareCall, 0, bareBatch)
	for c := range s.queue {
		batch = append(batch[:0], c)
	more:
		for len(batch) < bareBatch {
			select {
			case c := <-s.queue:
				batch = append(batch, c)
			default:
				break more
			}
		}
		err := s.tables.commit(batch, time.Now())
		for _, c := range batch {
			c.err = err
			close(c.done)
		}
	}
}

// do waits until the call is on disk.
func (s *bareStore) do(c *bareCall) (right bool, err error) {
	c.done = make(chan struct{})
	s.queue <- c
	<-c.done
	return c.right, c.err
}

// start stores one verification. The id gets its time in front, so that rows are
// added at the end of their table.
func (s *bareStore) start(id *[16]byte, to string) error {
	ms := uint64(time.Now().UnixMilli())
	for i := range 6 {
		id[i] = byte(ms >> (40 - 8*i))
	}
	_, err := s.do(&bareCall{id: *id, destination: sha256.Sum256([]byte(to)), mac: bareMAC(*id, floorCode)})
	return err
}

// check tells whether the code was right, once.
func (s *bareStore) check(id [16]byte, code string) (bool, error) {
	return s.do(&bareCall{check: true, id: id, mac: bareMAC(id, code)})
}

func bareMAC(id [16]byte, code string) (mac [sha256.Size]byte) {
	h := hmac.New(sha256.New, []byte("a key for those who measure only"))
	h.Write(id[:])
	h.Write([]byte(code))
	h.Sum(mac[:0])
	return mac
}

// bareMessage stands for a sealed message.
func bareMessage() []byte { return make([]byte, 160) }

// barePostgres sends both statements of a batch at once.
type barePostgres struct{ conn *pgx.Conn }

func openBarePostgres(url string) (*barePostgres, error) {
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return nil, err
	}
	for _, sql := range []string{
		`CREATE TABLE challenge (id uuid PRIMARY KEY, destination bytea, mac bytea, expires int8, tries int4, status int2) WITH (fillfactor = 60)`,
		`CREATE TABLE outbox (id uuid PRIMARY KEY, body bytea)`,
		`SET enable_hashjoin = off; SET enable_mergejoin = off; SET enable_seqscan = off; SET plan_cache_mode = force_generic_plan`,
	} {
		if _, err := conn.Exec(ctx, sql); err != nil {
			return nil, err
		}
	}
	_, err1 := conn.Prepare(ctx, "start", `WITH o AS (INSERT INTO outbox SELECT i, $5 FROM unnest($1::uuid[]) AS i)
		INSERT INTO challenge SELECT i, d, m, $4, 5, 0 FROM unnest($1::uuid[], $2::bytea[], $3::bytea[]) AS x (i, d, m)`)
	_, err2 := conn.Prepare(ctx, "check", `UPDATE challenge c SET status = (c.mac = x.m)::int, tries = tries - (c.mac <> x.m)::int
		FROM unnest($1::uuid[], $2::bytea[]) AS x (i, m)
		WHERE c.id = x.i AND status = 0 AND tries > 0 AND expires > $3 RETURNING c.id, c.status`)
	return &barePostgres{conn}, errors.Join(err1, err2)
}

func (p *barePostgres) commit(batch []*bareCall, now time.Time) (err error) {
	var ids, guessed [][16]byte
	var destinations, macs, guesses [][]byte
	asked := make(map[[16]byte]*bareCall, len(batch))
	for _, c := range batch {
		if c.check {
			guessed, guesses = append(guessed, c.id), append(guesses, c.mac[:])
			asked[c.id] = c
		} else {
			ids, destinations, macs = append(ids, c.id), append(destinations, c.destination[:]), append(macs, c.mac[:])
		}
	}
	var b pgx.Batch // one transaction, since nothing in it says otherwise
	if len(ids) > 0 {
		b.Queue("start", ids, destinations, macs, now.Add(bareLifetime).UnixMicro(), bareMessage())
	}
	if len(guessed) > 0 {
		b.Queue("check", guessed, guesses, now.UnixMicro()).Query(func(rows pgx.Rows) error {
			var id [16]byte
			var status int16
			_, err := pgx.ForEachRow(rows, []any{&id, &status}, func() error {
				asked[id].right = status == 1
				return nil
			})
			return err
		})
	}
	return p.conn.SendBatch(context.Background(), &b).Close()
}

// bareSQLite carries out one statement after the other on its own connection.
type bareSQLite struct {
	conn, second *bareConn
}

// bareConn is a connection with its prepared statements.
type bareConn struct{ *sqlite.Conn }

func openBareSQLite(path string) (*bareSQLite, error) {
	b := &bareSQLite{}
	for _, c := range []**bareConn{&b.conn, &b.second} {
		opened, err := sqlite.OpenConn(path, sqlite.OpenReadWrite|sqlite.OpenCreate|sqlite.OpenWAL)
		if err != nil {
			return nil, err
		}
		*c = &bareConn{opened}
		for _, sql := range []string{"PRAGMA synchronous = FULL", "PRAGMA cache_size = -65536", "PRAGMA wal_autocheckpoint = 0"} {
			if err := (*c).run(sql); err != nil {
				return nil, err
			}
		}
	}
	err1 := b.conn.run("CREATE TABLE challenge (id BLOB PRIMARY KEY, destination, mac, expires, tries, status) WITHOUT ROWID")
	err2 := b.conn.run("CREATE TABLE outbox (id BLOB PRIMARY KEY, body) WITHOUT ROWID")
	go b.checkpoints()
	return b, errors.Join(err1, err2)
}

// checkpoints copies the log into the file all the time, so that the writer never
// has to.
func (b *bareSQLite) checkpoints() {
	for {
		time.Sleep(20 * time.Millisecond)
		_ = b.second.run("PRAGMA wal_checkpoint(PASSIVE)") // the next one does what this one could not
	}
}

func (b *bareSQLite) commit(batch []*bareCall, now time.Time) error {
	if err := b.conn.run("BEGIN IMMEDIATE"); err != nil {
		return err
	}
	for _, c := range batch {
		var err error
		if c.check {
			err = b.check(c, now)
		} else {
			err = errors.Join(
				b.conn.run("INSERT INTO challenge VALUES (?, ?, ?, ?, 5, 0)", c.id[:], c.destination[:], c.mac[:], now.Add(bareLifetime).UnixMicro()),
				b.conn.run("INSERT INTO outbox VALUES (?, ?)", c.id[:], bareMessage()))
		}
		if err != nil {
			return errors.Join(err, b.conn.run("ROLLBACK"))
		}
	}
	return b.conn.run("COMMIT")
}

func (b *bareSQLite) check(c *bareCall, now time.Time) error {
	return b.conn.rows(`UPDATE challenge SET status = (mac = ?2), tries = tries - (mac <> ?2)
		WHERE id = ?1 AND status = 0 AND tries > 0 AND expires > ?3 RETURNING status`, func(s *sqlite.Stmt) {
		c.right = s.ColumnInt(0) == 1
	}, c.id[:], c.mac[:], now.UnixMicro())
}

func (c *bareConn) run(sql string, args ...any) error {
	return c.rows(sql, func(*sqlite.Stmt) {}, args...)
}

// rows runs a prepared statement. Arguments are bytes and int64.
func (c *bareConn) rows(sql string, row func(*sqlite.Stmt), args ...any) error {
	stmt, err := c.Prepare(sql)
	if err != nil {
		return err
	}
	for i, arg := range args {
		switch v := arg.(type) {
		case []byte:
			stmt.BindBytes(i+1, v)
		case int64:
			stmt.BindInt64(i+1, v)
		}
	}
	for {
		more, err := stmt.Step()
		if err != nil || !more {
			return errors.Join(err, stmt.Reset())
		}
		row(stmt)
	}
}
