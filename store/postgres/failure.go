package postgres

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/aldaba-otp/aldaba/otp"
	"github.com/aldaba-otp/aldaba/store"
)

// answered tells whether the database itself refused a statement and kept the
// connection, so that nothing of the transaction was or will be committed.
func answered(err error) bool {
	var e *pgconn.PgError
	return errors.As(err, &e) && e.SeverityUnlocalized == "ERROR"
}

// classify tells what a failed statement means for the batch. The codes are
// PostgreSQL's, appendix A of its manual.
func classify(err error) *store.Failure {
	class := store.Down
	var e *pgconn.PgError
	var long *pgproto3.ExceededMaxBodyLenErr
	switch {
	case errors.As(err, &long):
		class = store.Data
	case errors.Is(err, errMoved):
		class = store.Again
	case errors.As(err, &e) && len(e.Code) == 5:
		class = classOf(e)
	}
	return &store.Failure{Class: class, Cause: fmt.Errorf("postgres: %w", err)}
}

// patience is how many batches merge their events and messages after one met a
// number or an id that was taken: more than the writers' tries, so that it is among them.
const patience = 32

// refused tells what to do about a commit that the database answered with an
// error.
func (e *Engine) refused(err error) *store.Failure {
	f := classify(err)
	var p *pgconn.PgError
	if !errors.As(err, &p) || p.Code != "23505" {
		return f
	}
	switch p.ConstraintName {
	case "event_pkey", "message_pkey":
		e.repeats.Store(patience)
		f.Class = store.Again
	case "destination_pkey", "counter_pkey": // it was absent, and another batch was first
		f.Class = store.Again
	}
	return f
}

func classOf(e *pgconn.PgError) store.Class {
	switch e.Code {
	case "40P01", "40001", // deadlock, serialization
		"0A000", "26000": // a plan or prepared statement that another's migration made stale
		return store.Again
	}
	switch e.Code[:2] {
	case "22", "23", "54": // data exception, constraint, program limit
		return store.Data
	}
	return store.Down
}

// unavailable is the error of a failed look-up.
func unavailable(err error) error {
	f := classify(err)
	if f.Class == store.Data {
		return &otp.Error{Kind: otp.Internal, Cause: f}
	}
	return &otp.Error{Kind: otp.Unavailable, Message: "the store cannot be reached", RetryAfter: time.Second, Cause: f}
}

// errRunning says that a transaction without a client has not ended yet.
var errRunning = errors.New("postgres: the transaction is still running")

// committed tells, on a fresh connection, whether a transaction took place.
//
// Its status alone does not: a crash may forget a transaction's number before
// it reached the disk and give it to another one, and a promoted replica has
// numbers of its own. So each batch also leaves its number in a row of its
// writer; that row is only read once the transaction is no longer running.
func (e *Engine) committed(ctx context.Context, xact uint64, m mark) (bool, error) {
	conn, err := pgx.ConnectConfig(ctx, e.write.Config().ConnConfig)
	if err != nil {
		return false, fmt.Errorf("postgres: ask about a lost commit: %w", err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	var status string
	err = conn.QueryRow(ctx, sqlXactStatus, strconv.FormatUint(xact, 10)).Scan(&status)
	switch {
	case answered(err): // a number from the future: the crash forgot it
	case err != nil:
		return false, fmt.Errorf("postgres: ask about a lost commit: %w", err)
	case status == "in progress":
		return false, errRunning
	case status == "aborted":
		return false, nil
	}
	var batch int64
	if err := conn.QueryRow(ctx, sqlMark, m.writer).Scan(&batch); err != nil {
		return false, fmt.Errorf("postgres: ask about a lost commit: %w", err)
	}
	return batch == m.batch, nil
}
