package sqlite

import (
	"slices"

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
func (e *Engine) save(r *otp.Records) error {
	if wipes(r) {
		if err := e.writer.run("PRAGMA secure_delete = ON"); err != nil {
			return err
		}
		defer func() { _ = e.writer.run("PRAGMA secure_delete = OFF") }() // staying on would cost time and nothing else
	}
	for _, table := range []func() error{
		func() error { return put(e, &r.Replays, insertReplay, "DELETE FROM replay WHERE key = ?", bindReplay) },
		func() error { return put(e, &r.Handles, insertHandle, "DELETE FROM handle WHERE key = ?", bindHandle) },
		func() error {
			return put(e, &r.Destinations, insertDestination, "DELETE FROM destination WHERE key = ?", bindDestination)
		},
		func() error {
			return put(e, &r.Counters, insertCounter, "DELETE FROM counter WHERE key = ?", bindCounter)
		},
		func() error {
			return put(e, &r.Contacts, insertContact, "DELETE FROM contact WHERE key = ?", bindContact)
		},
		func() error {
			return put(e, &r.Messages, insertMessage, "DELETE FROM message WHERE id = ?", bindMessage)
		},
		func() error { return e.saveVerifications(r) },
		func() error { return e.dropEvents(r.Dropped) },
		func() error { return e.saveEvents(r.Events) },
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
	e    *Engine
	sqls [3]string
	made [3]*recording
}

func (x *statements) get(i int) (*recording, error) {
	if x.made[i] == nil {
		stmt, err := x.e.recorded(x.sqls[i])
		if err != nil {
			return nil, err
		}
		x.made[i] = stmt
	}
	return x.made[i], nil
}

// put saves the changes of one table.
func put[K otp.Key | otp.ID, V any](e *Engine, t *otp.Table[K, V], insert, remove string, bind func(*recording, *V)) error {
	stmts := statements{e: e, sqls: [3]string{insert, remove}}
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
			stmt.key(1, change.Key)
		} else {
			bind(stmt, change.Value)
		}
		if err := stmt.finish(); err != nil {
			return err
		}
	}
	return nil
}

func (e *Engine) saveVerifications(r *otp.Records) error {
	stmts := statements{e: e, sqls: [3]string{insertVerification, updateVerification, "DELETE FROM verification WHERE id = ?"}}
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
		stmt.key(1, change.Key)
		if which != 2 {
			bindVerificationState(stmt, change.Value)
		}
		if which == 0 {
			stmt.words(2, change.Value.Tenant)
			stmt.BindBytes(3, change.Value.Destination[:])
			stmt.BindBytes(14, store.PackSpec(&change.Value.Spec))
		}
		if err := stmt.finish(); err != nil {
			return err
		}
	}
	return nil
}

// dropEvents deletes the journals of verifications.
func (e *Engine) dropEvents(ids []otp.ID) error {
	if len(ids) == 0 {
		return nil
	}
	stmt, err := e.recorded("DELETE FROM event WHERE verification = ?")
	if err != nil {
		return err
	}
	for _, id := range ids {
		stmt.BindBytes(1, id[:])
		if err := stmt.finish(); err != nil {
			return err
		}
	}
	return nil
}

// saveEvents adds the journal's new lines; the first of a number stays.
func (e *Engine) saveEvents(events []otp.Event) error {
	if len(events) == 0 {
		return nil
	}
	stmt, err := e.recorded(insertEvent)
	if err != nil {
		return err
	}
	for i := range events {
		one := &events[i]
		stmt.BindBytes(1, one.Verification[:])
		stmt.BindInt64(2, int64(one.N))
		stmt.when(3, one.At)
		stmt.words(4, string(one.Kind))
		stmt.words(5, one.Tenant)
		stmt.words(6, one.Dialect)
		stmt.words(7, one.Actor)
		stmt.words(8, one.Detail)
		if err := stmt.finish(); err != nil {
			return err
		}
	}
	return nil
}

func bindVerificationState(s *recording, v *otp.Verification) {
	s.BindInt64(4, int64(v.Status))
	s.BindInt64(5, int64(v.Attempts))
	s.BindInt64(6, int64(v.Generation))
	s.BindInt64(7, int64(v.Sends))
	s.when(8, v.LastSent)
	s.when(9, v.Expires)
	s.when(10, v.Ended)
	s.BindInt64(11, int64(v.Events))
	s.BindBytes(12, v.Secret)
	s.BindBytes(13, store.PackCourse(&v.Course))
}

func bindMessage(s *recording, m *otp.Message) {
	s.BindBytes(1, m.ID[:])
	s.words(2, m.Tenant)
	s.BindBytes(3, m.Verification[:])
	s.BindInt64(4, int64(m.Kind))
	s.words(5, string(m.Channel))
	s.when(6, m.Created)
	s.when(7, m.Expires)
	s.when(8, m.NextAt)
	s.BindBytes(9, m.Owner[:])
	s.BindInt64(10, int64(m.Attempt))
	s.BindInt64(11, int64(m.Copies))
	s.BindInt64(12, int64(m.FirstEvent))
	s.BindBytes(13, store.PackProgress(m))
}

func bindDestination(s *recording, d *otp.Destination) {
	s.BindBytes(1, d.Key[:])
	s.words(2, d.Tenant)
	s.when(3, d.Touched)
	s.BindBytes(4, store.PackDestination(d))
}

func bindReplay(s *recording, r *otp.Replay) {
	s.BindBytes(1, r.Key[:])
	s.BindBytes(2, r.Fingerprint[:])
	s.BindBytes(3, r.Answer)
	s.when(4, r.Expires)
}

func bindContact(s *recording, x *otp.Contact) {
	s.BindBytes(1, x.Key[:])
	s.words(2, x.Tenant)
	s.words(3, x.ID)
	s.flag(4, x.Configured)
	s.BindBytes(5, x.Sealed)
}

func bindHandle(s *recording, h *otp.Handle) {
	s.BindBytes(1, h.Key[:])
	s.BindBytes(2, h.Verification[:])
	s.BindBytes(3, store.PackCarried(h))
}

func bindCounter(s *recording, x *otp.Counter) {
	s.BindBytes(1, x.Key[:])
	s.BindInt64(2, x.Value)
	s.BindBytes(3, store.PackTally(&x.Tally))
}
