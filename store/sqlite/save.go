package sqlite

import (
	"slices"
	"time"

	"zombiezen.com/go/sqlite"

	"github.com/aldaba-otp/aldaba/otp"
	"github.com/aldaba-otp/aldaba/store"
)

// The statements that save. A verification that the engine holds already
// changes only in its state, unless it was erased; everything else is small and
// written whole.
const (
	insertVerification = "INSERT OR REPLACE INTO verification (" + verificationColumns + ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)"
	updateVerification = "UPDATE verification SET status = ?4, attempts = ?5, generation = ?6, sends = ?7, last_sent = ?8, expires = ?9, ended = ?10, events = ?11, secret = ?12, course = ?13 WHERE id = ?1"
	insertMessage      = "INSERT OR REPLACE INTO message (" + messageColumns + ") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
	insertEvent        = "INSERT OR IGNORE INTO event (" + eventColumns + ") VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
	insertDestination  = "INSERT OR REPLACE INTO destination (" + destinationColumns + ") VALUES (?, ?, ?, ?)"
	insertReplay       = "INSERT OR REPLACE INTO replay (" + replayColumns + ") VALUES (?, ?, ?, ?)"
	insertContact      = "INSERT OR REPLACE INTO contact (" + contactColumns + ") VALUES (?, ?, ?, ?, ?)"
	insertHandle       = "INSERT OR REPLACE INTO handle (" + handleColumns + ") VALUES (?, ?, ?)"
	insertCounter      = "INSERT OR REPLACE INTO counter (" + counterColumns + ") VALUES (?, ?, ?)"
)

// save writes what the steps changed.
func (c *conn) save(r *otp.Records) error {
	if wipes(r) {
		if err := c.run("PRAGMA secure_delete = ON"); err != nil {
			return err
		}
		defer func() { _ = c.run("PRAGMA secure_delete = OFF") }() // staying on would cost time and nothing else
	}
	for _, table := range []func() error{
		func() error { return put(c, &r.Replays, insertReplay, "DELETE FROM replay WHERE key = ?", bindReplay) },
		func() error { return put(c, &r.Handles, insertHandle, "DELETE FROM handle WHERE key = ?", bindHandle) },
		func() error {
			return put(c, &r.Destinations, insertDestination, "DELETE FROM destination WHERE key = ?", bindDestination)
		},
		func() error {
			return put(c, &r.Counters, insertCounter, "DELETE FROM counter WHERE key = ?", bindCounter)
		},
		func() error {
			return put(c, &r.Contacts, insertContact, "DELETE FROM contact WHERE key = ?", bindContact)
		},
		func() error {
			return put(c, &r.Messages, insertMessage, "DELETE FROM message WHERE id = ?", bindMessage)
		},
		func() error { return c.saveVerifications(r) },
		func() error { return c.dropEvents(r.Dropped) },
		func() error { return c.saveEvents(r.Events) },
	} {
		if err := table(); err != nil {
			return err
		}
	}
	return nil
}

// wipes tells whether a batch takes away what may be personal. Its old bytes are
// then overwritten with zeros: SQLite would only mark them as free.
func wipes(r *otp.Records) bool {
	for c := range r.Verifications.Changed() {
		if c.Stored && (c.Value == nil || !c.Value.Spec.Erased.IsZero()) {
			return true
		}
	}
	for c := range r.Contacts.Changed() {
		if c.Stored {
			return true
		}
	}
	for c := range r.Replays.Changed() {
		if c.Value == nil {
			return true
		}
	}
	return false
}

// changes returns what changed in the order of the keys, so that a batch goes
// through each table once, and new rows are appended at its end.
func changes[K otp.Key | otp.ID, V any](t *otp.Table[K, V]) []otp.Change[K, V] {
	list := slices.Collect(t.Changed())
	slices.SortFunc(list, func(a, b otp.Change[K, V]) int { return compare(a.Key, b.Key) })
	return list
}

// statements prepares each statement at most once for a table of a batch.
type statements struct {
	c    *conn
	sqls [3]string
	made [3]*sqlite.Stmt
}

func (x *statements) get(i int) (*sqlite.Stmt, error) {
	if x.made[i] == nil {
		stmt, err := x.c.Prepare(x.sqls[i])
		if err != nil {
			return nil, err
		}
		x.made[i] = stmt
	}
	return x.made[i], nil
}

// finish runs a bound statement that returns no row.
func finish(stmt *sqlite.Stmt) error {
	if _, err := stmt.Step(); err != nil {
		return err
	}
	return stmt.Reset()
}

// put saves the changes of one table.
func put[K otp.Key | otp.ID, V any](c *conn, t *otp.Table[K, V], insert, remove string, bind func(*sqlite.Stmt, *V)) error {
	stmts := statements{c: c, sqls: [3]string{insert, remove}}
	for _, change := range changes(t) {
		which := 0
		if change.Value == nil {
			which = 1
		}
		stmt, err := stmts.get(which)
		if err != nil {
			return err
		}
		if change.Value == nil {
			bindKey(stmt, 1, change.Key)
		} else {
			bind(stmt, change.Value)
		}
		if err := finish(stmt); err != nil {
			return err
		}
	}
	return nil
}

func (c *conn) saveVerifications(r *otp.Records) error {
	stmts := statements{c: c, sqls: [3]string{insertVerification, updateVerification, "DELETE FROM verification WHERE id = ?"}}
	for _, change := range changes(&r.Verifications) {
		which := 0
		switch {
		case change.Value == nil:
			which = 2
		case !change.Value.Spec.Erased.IsZero(): // written whole
		case change.Stored:
			which = 1
		}
		stmt, err := stmts.get(which)
		if err != nil {
			return err
		}
		bindKey(stmt, 1, change.Key)
		if which != 2 {
			bindVerificationState(stmt, change.Value)
		}
		if which == 0 {
			bindText(stmt, 2, change.Value.Tenant)
			stmt.BindBytes(3, change.Value.Destination[:])
			stmt.BindBytes(14, store.PackSpec(&change.Value.Spec))
		}
		if err := finish(stmt); err != nil {
			return err
		}
	}
	return nil
}

// dropEvents deletes the journals of verifications.
func (c *conn) dropEvents(ids []otp.ID) error {
	if len(ids) == 0 {
		return nil
	}
	stmt, err := c.Prepare("DELETE FROM event WHERE verification = ?")
	if err != nil {
		return err
	}
	for _, id := range ids {
		stmt.BindBytes(1, id[:])
		if err := finish(stmt); err != nil {
			return err
		}
	}
	return nil
}

// saveEvents adds the journal's new lines; the first of a number stays.
func (c *conn) saveEvents(events []otp.Event) error {
	if len(events) == 0 {
		return nil
	}
	stmt, err := c.Prepare(insertEvent)
	if err != nil {
		return err
	}
	for i := range events {
		e := &events[i]
		stmt.BindBytes(1, e.Verification[:])
		stmt.BindInt64(2, int64(e.N))
		bindTime(stmt, 3, e.At)
		bindText(stmt, 4, string(e.Kind))
		bindText(stmt, 5, e.Tenant)
		bindText(stmt, 6, e.Dialect)
		bindText(stmt, 7, e.Actor)
		bindText(stmt, 8, e.Detail)
		if err := finish(stmt); err != nil {
			return err
		}
	}
	return nil
}

func bindKey[K otp.Key | otp.ID](s *sqlite.Stmt, param int, key K) {
	b := [16]byte(key)
	s.BindBytes(param, b[:])
}

func bindText(s *sqlite.Stmt, param int, text string) { s.BindBytes(param, []byte(text)) }

func bindTime(s *sqlite.Stmt, param int, t time.Time) { s.BindInt64(param, store.Micros(t)) }

func bindVerificationState(s *sqlite.Stmt, v *otp.Verification) {
	s.BindInt64(4, int64(v.Status))
	s.BindInt64(5, int64(v.Attempts))
	s.BindInt64(6, int64(v.Generation))
	s.BindInt64(7, int64(v.Sends))
	bindTime(s, 8, v.LastSent)
	bindTime(s, 9, v.Expires)
	bindTime(s, 10, v.Ended)
	s.BindInt64(11, int64(v.Events))
	s.BindBytes(12, v.Secret)
	s.BindBytes(13, store.PackCourse(&v.Course))
}

func bindMessage(s *sqlite.Stmt, m *otp.Message) {
	s.BindBytes(1, m.ID[:])
	bindText(s, 2, m.Tenant)
	s.BindBytes(3, m.Verification[:])
	s.BindInt64(4, int64(m.Kind))
	bindText(s, 5, string(m.Channel))
	bindTime(s, 6, m.Created)
	bindTime(s, 7, m.Expires)
	bindTime(s, 8, m.NextAt)
	s.BindBytes(9, m.Owner[:])
	s.BindInt64(10, int64(m.Attempt))
	s.BindInt64(11, int64(m.Copies))
	s.BindInt64(12, int64(m.FirstEvent))
	s.BindBytes(13, store.PackProgress(m))
}

func bindDestination(s *sqlite.Stmt, d *otp.Destination) {
	s.BindBytes(1, d.Key[:])
	bindText(s, 2, d.Tenant)
	bindTime(s, 3, d.Touched)
	s.BindBytes(4, store.PackDestination(d))
}

func bindReplay(s *sqlite.Stmt, r *otp.Replay) {
	s.BindBytes(1, r.Key[:])
	s.BindBytes(2, r.Fingerprint[:])
	s.BindBytes(3, r.Answer)
	bindTime(s, 4, r.Expires)
}

func bindContact(s *sqlite.Stmt, x *otp.Contact) {
	s.BindBytes(1, x.Key[:])
	bindText(s, 2, x.Tenant)
	bindText(s, 3, x.ID)
	s.BindBool(4, x.Configured)
	s.BindBytes(5, x.Sealed)
}

func bindHandle(s *sqlite.Stmt, h *otp.Handle) {
	s.BindBytes(1, h.Key[:])
	s.BindBytes(2, h.Verification[:])
	s.BindBytes(3, store.PackCarried(h))
}

func bindCounter(s *sqlite.Stmt, x *otp.Counter) {
	s.BindBytes(1, x.Key[:])
	s.BindInt64(2, x.Value)
	s.BindBytes(3, store.PackTally(&x.Tally))
}
