// Package postgres keeps the records in PostgreSQL 13 or newer, so that several
// servers can work on one database.
//
// A batch of steps is two round trips: one pipeline opens the transaction and
// locks and loads everything, the other saves everything as array statements
// and commits. Rows are locked in one order by every server, absent ones by a
// placeholder row or by the commit that inserts them, and each statement reads
// its keys from rows that an earlier one has locked.
//
// It knows no rule, keeps nothing of its own in memory that matters, and does
// not manage PostgreSQL: backup, replicas and vacuum are the operator's. A
// pooler in front must give a session, not a transaction, to each connection.
package postgres

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/aldaba-otp/aldaba/store"
)

// The bounds of a connection.
const (
	connectTimeout = 2 * time.Second
	lockTimeout    = store.MaxWait // of a load, most of which can only be waiting for locks
	oldest         = 130000        // server_version_num that has everything used here
	// DefaultReaders is how many connections serve the look-ups.
	DefaultReaders = 4
)

// ErrNotDurable says that the server would acknowledge commits that it can
// still lose.
var ErrNotDurable = errors.New("postgres: synchronous_commit is off for this role or database; " +
	"an accepted code could be accepted again after a crash")

// Options are the engine's settings; the zero value of each is a default.
type Options struct {
	// Writers is how many transactions may be open at once, 1 unless given. It
	// must be the same as [store.Options].Writers.
	Writers int
	// Readers is how many connections serve the look-ups, [DefaultReaders].
	Readers int
	// AllowAsync accepts a server whose synchronous_commit is off. It is for
	// measurements: acknowledged codes may be forgotten in a crash.
	AllowAsync bool
	// MustExist refuses with [ErrMissing] a database that has no tables yet.
	MustExist bool
}

// Engine is a [store.Engine] over one PostgreSQL database.
type Engine struct {
	write *pgxpool.Pool
	read  *pgxpool.Pool

	repeats atomic.Int64 // batches that still merge their events, see refused

	mu    sync.Mutex // guards marks
	marks []mark     // those that no batch holds
}

var _ store.Engine = (*Engine)(nil)

// mark names a row that each batch of one writer changes, see [Engine.committed].
type mark struct {
	writer [16]byte
	batch  int64
}

// Open connects to the database that the URL names, brings its schema up to
// date, and refuses a server that is too old, whose schema is newer than this
// program, or that does not wait for its disk.
func Open(ctx context.Context, url string, opts Options) (*Engine, error) {
	config, err := parse(url)
	if err != nil {
		return nil, fmt.Errorf("postgres: database URL: %w", err)
	}
	harden(config.ConnConfig)
	if err := prepareSchema(ctx, config.ConnConfig, opts); err != nil {
		return nil, err
	}
	config.AfterConnect = prepareStatements
	config.PingTimeout = connectTimeout
	e := &Engine{}
	if e.write, err = pool(ctx, config, max(opts.Writers, 1)); err != nil {
		return nil, err
	}
	readers := opts.Readers
	if readers <= 0 {
		readers = DefaultReaders
	}
	if e.read, err = pool(ctx, config, readers); err != nil {
		e.write.Close()
		return nil, err
	}
	if err := e.Ping(ctx); err != nil {
		_ = e.Close()
		return nil, err
	}
	return e, nil
}

// harden sets what every connection relies on.
func harden(config *pgx.ConnConfig) {
	if config.ConnectTimeout == 0 || config.ConnectTimeout > connectTimeout {
		config.ConnectTimeout = connectTimeout
	}
	for name, value := range map[string]string{
		"application_name": "aldaba",
		// Generic plans made while a table was small must not read the whole of
		// it once it has grown: only index access scales with the batch.
		"enable_seqscan":   "off",
		"enable_hashjoin":  "off",
		"enable_mergejoin": "off",
		// Generic plans guess at many rows for a key, and would make a bitmap of
		// the one that there is.
		"enable_bitmapscan": "off",
		"plan_cache_mode":   "force_generic_plan",
		"jit":               "off",
		// A server that stopped in the middle must not hold its locks for ever.
		"lock_timeout":                        "5s",
		"idle_in_transaction_session_timeout": "10s",
		"default_transaction_isolation":       "read committed",
	} {
		config.RuntimeParams[name] = value
	}
}

// prepareSchema checks the server and migrates, on a connection of its own.
func prepareSchema(ctx context.Context, config *pgx.ConnConfig, opts Options) error {
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return fmt.Errorf("postgres: connect: %w", err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	var version int
	var commit string
	err = conn.QueryRow(ctx, "SELECT current_setting('server_version_num')::int, current_setting('synchronous_commit')").
		Scan(&version, &commit)
	switch {
	case err != nil:
		return fmt.Errorf("postgres: read the settings: %w", err)
	case version < oldest:
		return fmt.Errorf("postgres: the server has version %d, %d or newer is needed", version, oldest)
	case commit == "off" && !opts.AllowAsync:
		return ErrNotDurable
	}
	if err := migrate(ctx, conn, opts.MustExist); err != nil {
		return err
	}
	if _, err := conn.Exec(ctx, sqlForget); err != nil {
		return fmt.Errorf("postgres: forget old marks: %w", err)
	}
	return nil
}

func pool(ctx context.Context, config *pgxpool.Config, size int) (*pgxpool.Pool, error) {
	config = config.Copy()
	config.MaxConns, config.MinConns = int32(size), 0
	p, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("postgres: connect: %w", err)
	}
	return p, nil
}

// session is what is known on one connection.
type session struct {
	types      types
	statements map[string]*pgconn.StatementDescription // by their names

	spare, used [][]byte // buffers of arrays: free ones, and those of the open batch
}

// sessionKey is where a connection keeps its session.
const sessionKey = "aldaba"

// sessionOf returns the session of a connection of the pools.
func sessionOf(wire *pgconn.PgConn) *session {
	s, _ := wire.CustomData()[sessionKey].(*session)
	return s
}

// prepareStatements prepares all statements of a new connection in one round
// trip.
func prepareStatements(ctx context.Context, conn *pgx.Conn) error {
	known, err := readTypes(ctx, conn)
	if err != nil {
		return err
	}
	all := statements()
	s := &session{types: known, statements: make(map[string]*pgconn.StatementDescription, len(all))}
	p := conn.PgConn().StartPipeline(ctx)
	for _, sql := range all {
		p.SendPrepare(nameOf(sql), sql, nil)
	}
	err = p.Sync()
	for i := 0; err == nil && i < len(all); i++ {
		if err = s.prepared(p, nameOf(all[i])); err != nil {
			err = fmt.Errorf("postgres: prepare %s: %w", nameOf(all[i]), err)
		}
	}
	conn.PgConn().CustomData()[sessionKey] = s
	return errors.Join(err, p.Close())
}

// prepared takes the description of one statement, so that the database need
// not describe its rows each time again.
func (s *session) prepared(p *pgconn.Pipeline, name string) error {
	result, err := p.GetResults()
	if err != nil {
		return err
	}
	d, ok := result.(*pgconn.StatementDescription)
	if !ok {
		return errors.New("the pipeline is out of step")
	}
	d.Name = name
	if len(d.Fields) == 0 {
		d.Fields = make([]pgconn.FieldDescription, 1) // or pgx would ask; no row will come
	}
	s.statements[name] = d
	return nil
}

// nameOf returns the name that a statement's text begins with, in a comment.
func nameOf(sql string) string {
	name, _, _ := strings.Cut(strings.TrimPrefix(sql, "/*"), "*/")
	return name
}

// Ping implements [store.Engine].
func (e *Engine) Ping(ctx context.Context) error {
	if err := e.read.Ping(ctx); err != nil {
		return unavailable(err)
	}
	return nil
}

// Close implements [store.Engine].
func (e *Engine) Close() error {
	e.write.Close()
	e.read.Close()
	return nil
}

// takeMark returns a mark that no open batch uses, with its next number.
func (e *Engine) takeMark() mark {
	e.mu.Lock()
	defer e.mu.Unlock()
	if n := len(e.marks); n > 0 {
		m := e.marks[n-1]
		e.marks = e.marks[:n-1]
		m.batch++
		return m
	}
	var m mark
	_, _ = rand.Read(m.writer[:]) //nolint:forbidigo // names a connection, nothing secret; it never fails, see crypto/rand
	return m
}

func (e *Engine) giveMark(m mark) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.marks = append(e.marks, m)
}

// acquire returns a connection with its wire-level half.
func acquire(ctx context.Context, p *pgxpool.Pool) (*pgxpool.Conn, *pgconn.PgConn, error) {
	conn, err := p.Acquire(ctx)
	if err != nil {
		return nil, nil, err
	}
	return conn, conn.Conn().PgConn(), nil
}
