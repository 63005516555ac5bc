package sqlite

import (
	"errors"
	"time"

	"zombiezen.com/go/sqlite"

	"github.com/aldaba-otp/aldaba/otp"
	"github.com/aldaba-otp/aldaba/store"
)

// Each kind of record has one list of columns, which its reader and its
// statements share.
const (
	verificationColumns = "id, tenant, destination, status, attempts, generation, sends, last_sent, expires, ended, events, secret, course, spec"
	messageColumns      = "id, tenant, verification, kind, channel, created, expires, next_at, owner, attempt, copies, first_event, progress"
	eventColumns        = "verification, n, at, kind, tenant, dialect, actor, detail"
	destinationColumns  = "key, tenant, touched, body"
	handleColumns       = "key, verification, carried"
	replayColumns       = "key, fingerprint, answer, expires"
	counterColumns      = "key, value, tally"
	contactColumns      = "key, tenant, id, configured, sealed"

	selectVerification = "SELECT " + verificationColumns + " FROM verification WHERE id = ?"
	selectMessage      = "SELECT " + messageColumns + " FROM message WHERE id = ?"
	selectDestination  = "SELECT " + destinationColumns + " FROM destination WHERE key = ?"
	selectReplay       = "SELECT " + replayColumns + " FROM replay WHERE key = ?"
	selectContact      = "SELECT " + contactColumns + " FROM contact WHERE key = ?"
	selectHandle       = "SELECT " + handleColumns + " FROM handle WHERE key = ?"
	selectCounter      = "SELECT " + counterColumns + " FROM counter WHERE key = ?"
)

// maxTenants bounds the names that a connection remembers.
const maxTenants = 1024

// blob returns a column in the connection's buffer, good until the next call.
func (c *conn) blob(s *sqlite.Stmt, col int) []byte {
	n := s.ColumnLen(col)
	if n == 0 { // as most courses and progresses are
		return nil
	}
	if n > len(c.buf) {
		c.buf = make([]byte, max(n, 1024))
	}
	return c.buf[:s.ColumnBytes(col, c.buf[:n])]
}

// bytes returns a column of its own; an empty one is nil.
func (c *conn) bytes(s *sqlite.Stmt, col int) []byte {
	n := s.ColumnLen(col)
	if n == 0 {
		return nil
	}
	b := make([]byte, n)
	return b[:s.ColumnBytes(col, b)]
}

func (c *conn) text(s *sqlite.Stmt, col int) string { return string(c.blob(s, col)) }

// word is text of which there are few different ones; it is made once.
func (c *conn) word(s *sqlite.Stmt, col int) string {
	b := c.blob(s, col)
	if w, ok := c.tenants[string(b)]; ok {
		return w
	}
	w := string(b)
	if len(c.tenants) < maxTenants {
		c.tenants[w] = w
	}
	return w
}

func when(s *sqlite.Stmt, col int) time.Time { return store.FromMicros(s.ColumnInt64(col)) }

// fixed reads a value of a known length; any other is damage.
func fixed(s *sqlite.Stmt, col int, to []byte) error {
	if s.ColumnLen(col) != len(to) || s.ColumnBytes(col, to) != len(to) {
		return store.ErrCorrupt
	}
	return nil
}

func (c *conn) verification(s *sqlite.Stmt) (v otp.Verification, err error) {
	err = errors.Join(fixed(s, 0, v.ID[:]), fixed(s, 2, v.Destination[:]))
	v.Tenant = c.word(s, 1)
	v.Status = otp.Status(s.ColumnInt64(3))
	v.Attempts, v.Generation, v.Sends = s.ColumnInt(4), s.ColumnInt(5), s.ColumnInt(6)
	v.LastSent, v.Expires, v.Ended = when(s, 7), when(s, 8), when(s, 9)
	v.Events, v.Secret = s.ColumnInt(10), c.bytes(s, 11)
	if err == nil {
		v.Course, err = store.UnpackCourse(c.blob(s, 12))
	}
	if err == nil {
		v.Spec, err = store.UnpackSpec(c.blob(s, 13))
	}
	return v, err
}

func (c *conn) message(s *sqlite.Stmt) (m otp.Message, err error) {
	err = errors.Join(fixed(s, 0, m.ID[:]), fixed(s, 2, m.Verification[:]), fixed(s, 8, m.Owner[:]))
	m.Tenant, m.Kind, m.Channel = c.word(s, 1), otp.MessageKind(s.ColumnInt64(3)), otp.Channel(c.word(s, 4))
	m.Created, m.Expires, m.NextAt = when(s, 5), when(s, 6), when(s, 7)
	m.Attempt, m.Copies, m.FirstEvent = s.ColumnInt(9), s.ColumnInt(10), s.ColumnInt(11)
	if err == nil {
		err = store.UnpackProgress(c.blob(s, 12), &m)
	}
	return m, err
}

func (c *conn) event(s *sqlite.Stmt) (e otp.Event, err error) {
	err = fixed(s, 0, e.Verification[:])
	e.N, e.At, e.Kind, e.Tenant = s.ColumnInt(1), when(s, 2), otp.EventKind(c.word(s, 3)), c.word(s, 4)
	e.Dialect, e.Actor, e.Detail = c.word(s, 5), c.text(s, 6), c.text(s, 7)
	return e, err
}

func (c *conn) destination(s *sqlite.Stmt) (d otp.Destination, err error) {
	if err = fixed(s, 0, d.Key[:]); err == nil {
		err = store.UnpackDestination(c.blob(s, 3), &d)
	}
	d.Tenant, d.Touched = c.word(s, 1), when(s, 2)
	return d, err
}

func (c *conn) replay(s *sqlite.Stmt) (r otp.Replay, err error) {
	err = errors.Join(fixed(s, 0, r.Key[:]), fixed(s, 1, r.Fingerprint[:]))
	r.Answer, r.Expires = c.bytes(s, 2), when(s, 3)
	return r, err
}

func (c *conn) contact(s *sqlite.Stmt) (x otp.Contact, err error) {
	err = fixed(s, 0, x.Key[:])
	x.Tenant, x.ID, x.Configured, x.Sealed = c.word(s, 1), c.text(s, 2), s.ColumnInt64(3) != 0, c.bytes(s, 4)
	return x, err
}

func (c *conn) handle(s *sqlite.Stmt) (h otp.Handle, err error) {
	if err = errors.Join(fixed(s, 0, h.Key[:]), fixed(s, 1, h.Verification[:])); err == nil {
		err = store.UnpackCarried(c.blob(s, 2), &h)
	}
	return h, err
}

func (c *conn) counter(s *sqlite.Stmt) (x otp.Counter, err error) {
	err = fixed(s, 0, x.Key[:])
	x.Value = s.ColumnInt64(1)
	if err == nil {
		err = store.UnpackTally(c.blob(s, 2), &x.Tally)
	}
	return x, err
}
