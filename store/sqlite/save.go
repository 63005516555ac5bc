package sqlite

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"zombiezen.com/go/sqlite"

	"github.com/aldaba-otp/aldaba/otp"
	"github.com/aldaba-otp/aldaba/store"
	"github.com/aldaba-otp/aldaba/store/sqlite/redo"
)

// The statements that save. A verification that the engine holds already
// changes only in its state, unless it was erased; everything else is small and
// written whole.
const (
	insertVerification = "INSERT OR REPLACE INTO verification (" + verificationColumns + ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)"
	updateVerification = "UPDATE verification SET status = ?4, attempts = ?5, generation = ?6, sends = ?7, last_sent = ?8, expires = ?9, ended = ?10, events = ?11, secret = ?12, course = ?13 WHERE id = ?1"
	insertMessage      = "INSERT OR REPLACE INTO message (" + messageColumns + ") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
	insertEvent        = "INSERT OR IGNORE INTO event (" + eventColumns + ") VALUES " + eventRow
	insertEvents       = "INSERT OR IGNORE INTO event (" + eventColumns + ") VALUES " + fourEvents + ", " + fourEvents + ", " + fourEvents + ", " + fourEvents
	eventRow           = "(?, ?, ?, ?, ?, ?, ?, ?)"
	fourEvents         = eventRow + ", " + eventRow + ", " + eventRow + ", " + eventRow
	insertDestination  = "INSERT OR REPLACE INTO destination (" + destinationColumns + ") VALUES (?, ?, ?, ?)"
	insertReplay       = "INSERT OR REPLACE INTO replay (" + replayColumns + ") VALUES (?, ?, ?, ?)"
	insertContact      = "INSERT OR REPLACE INTO contact (" + contactColumns + ") VALUES (?, ?, ?, ?, ?)"
	insertHandle       = "INSERT OR REPLACE INTO handle (" + handleColumns + ") VALUES (?, ?, ?)"
	insertCounter      = "INSERT OR REPLACE INTO counter (" + counterColumns + ") VALUES (?, ?, ?)"
	updateFloor        = "UPDATE meta SET value = ? WHERE name = 'floor'"
)

// pen writes statements: to the redo log, or carried out at once. The same lines
// of code name the parameters for both, so that a replay does what was meant.
type pen struct {
	conn *conn     // nil for the log
	log  *redo.Log // nil for the connection
	stmt *sqlite.Stmt
	text string
	buf  []byte // for what is packed; log and connection copy it
	err  error  // the first one; nothing is written after it
}

// begin takes a statement in hand.
func (p *pen) begin(text string) {
	p.text = text
	if p.conn != nil && p.err == nil {
		p.stmt, p.err = p.conn.Prepare(text)
	}
}

// end carries it out, or notes it.
func (p *pen) end() {
	switch {
	case p.err != nil:
	case p.conn != nil:
		p.err = finish(p.stmt)
	default:
		p.log.End(p.text)
	}
}

func (p *pen) number(param int, n int64) {
	switch {
	case p.err != nil:
	case p.conn != nil:
		p.stmt.BindInt64(param, n)
	default:
		p.log.Int(p.text, param, n)
	}
}

func (p *pen) bytes(param int, b []byte) {
	switch {
	case p.err != nil:
	case p.conn != nil:
		p.stmt.BindBytes(param, b)
	case len(b) > maxRecord:
		p.err = &store.Failure{Class: store.Data, Cause: fmt.Errorf("sqlite: a value of %d bytes is too large", len(b))}
	default:
		p.log.Bytes(p.text, param, b)
	}
}

func (p *pen) key(param int, key [16]byte)      { p.bytes(param, key[:]) }
func (p *pen) word(param int, text string)      { p.bytes(param, []byte(text)) }
func (p *pen) time(param int, t time.Time)      { p.number(param, store.Micros(t)) }
func (p *pen) delete(text string, key [16]byte) { p.begin(text); p.key(1, key); p.end() }
func (p *pen) setFloor(now int64)               { p.begin(updateFloor); p.number(1, now); p.end() }
func (p *pen) dropEvents(id otp.ID)             { p.delete("DELETE FROM event WHERE verification = ?", id) }

// note writes to the redo log what a batch changed.
func (p *pen) note(r *otp.Records) {
	for c := range r.Replays.Changed() {
		p.replay(c.Key, c.Value)
	}
	for c := range r.Handles.Changed() {
		p.handle(c.Key, c.Value)
	}
	for c := range r.Destinations.Changed() {
		p.destination(c.Key, c.Value)
	}
	for c := range r.Counters.Changed() {
		p.counter(c.Key, c.Value)
	}
	for c := range r.Contacts.Changed() {
		p.contact(c.Key, c.Value)
	}
	for c := range r.Messages.Changed() {
		p.message(c.Key, c.Value)
	}
	for c := range r.Verifications.Changed() {
		p.verification(c.Key, c.Value, !c.Stored || c.Value != nil && !c.Value.Spec.Erased.IsZero())
	}
	for _, id := range r.Dropped {
		p.dropEvents(id)
	}
	for i := range r.Events {
		p.event(&r.Events[i])
	}
}

// file writes a layer to the tables, each in the order of its keys: so each is gone
// through once, and new rows are appended at its end.
func (p *pen) file(l *layer) {
	each(l.replays, func(key otp.Key, x entry[otp.Replay]) { p.replay(key, x.value) })
	each(l.handles, func(key otp.Key, x entry[otp.Handle]) { p.handle(key, x.value) })
	each(l.destinations, func(key otp.Key, x entry[otp.Destination]) { p.destination(key, x.value) })
	each(l.counters, func(key otp.Key, x entry[otp.Counter]) { p.counter(key, x.value) })
	each(l.contacts, func(key otp.Key, x entry[otp.Contact]) { p.contact(key, x.value) })
	each(l.messages, func(key otp.ID, x entry[otp.Message]) { p.message(key, x.value) })
	each(l.verifications, func(key otp.ID, x entry[otp.Verification]) { p.verification(key, x.value, x.whole) })
	for _, id := range ordered(slices.Collect(maps.Keys(l.dropped))) {
		p.dropEvents(id)
	}
	p.events(l.events)
	if l.floor > 0 {
		p.setFloor(l.floor)
	}
}

func each[K otp.Key | otp.ID, V any](m rows[K, V], do func(K, entry[V])) {
	for _, key := range ordered(slices.Collect(maps.Keys(m))) {
		do(key, m[key])
	}
}

func (p *pen) verification(id otp.ID, v *otp.Verification, whole bool) {
	if v == nil {
		p.delete("DELETE FROM verification WHERE id = ?", id)
		return
	}
	if whole {
		p.begin(insertVerification)
		p.word(2, v.Tenant)
		p.key(3, v.Destination)
		p.buf = store.AppendSpec(p.buf[:0], &v.Spec)
		p.bytes(14, p.buf)
	} else {
		p.begin(updateVerification)
	}
	p.key(1, id)
	p.number(4, int64(v.Status))
	p.number(5, int64(v.Attempts))
	p.number(6, int64(v.Generation))
	p.number(7, int64(v.Sends))
	p.time(8, v.LastSent)
	p.time(9, v.Expires)
	p.time(10, v.Ended)
	p.number(11, int64(v.Events))
	p.bytes(12, v.Secret)
	p.bytes(13, store.PackCourse(&v.Course))
	p.end()
}

func (p *pen) message(id otp.ID, m *otp.Message) {
	if m == nil {
		p.delete("DELETE FROM message WHERE id = ?", id)
		return
	}
	p.begin(insertMessage)
	p.key(1, id)
	p.word(2, m.Tenant)
	p.key(3, m.Verification)
	p.number(4, int64(m.Kind))
	p.word(5, string(m.Channel))
	p.time(6, m.Created)
	p.time(7, m.Expires)
	p.time(8, m.NextAt)
	p.key(9, m.Owner)
	p.number(10, int64(m.Attempt))
	p.number(11, int64(m.Copies))
	p.number(12, int64(m.FirstEvent))
	p.bytes(13, store.PackProgress(m))
	p.end()
}

func (p *pen) destination(key otp.Key, d *otp.Destination) {
	if d == nil {
		p.delete("DELETE FROM destination WHERE key = ?", key)
		return
	}
	p.begin(insertDestination)
	p.key(1, key)
	p.word(2, d.Tenant)
	p.time(3, d.Touched)
	p.buf = store.AppendDestination(p.buf[:0], d)
	p.bytes(4, p.buf)
	p.end()
}

func (p *pen) replay(key otp.Key, r *otp.Replay) {
	if r == nil {
		p.delete("DELETE FROM replay WHERE key = ?", key)
		return
	}
	p.begin(insertReplay)
	p.key(1, key)
	p.bytes(2, r.Fingerprint[:])
	p.bytes(3, r.Answer)
	p.time(4, r.Expires)
	p.end()
}

func (p *pen) contact(key otp.Key, x *otp.Contact) {
	if x == nil {
		p.delete("DELETE FROM contact WHERE key = ?", key)
		return
	}
	configured := int64(0)
	if x.Configured {
		configured = 1
	}
	p.begin(insertContact)
	p.key(1, key)
	p.word(2, x.Tenant)
	p.word(3, x.ID)
	p.number(4, configured)
	p.bytes(5, x.Sealed)
	p.end()
}

func (p *pen) handle(key otp.Key, h *otp.Handle) {
	if h == nil {
		p.delete("DELETE FROM handle WHERE key = ?", key)
		return
	}
	p.begin(insertHandle)
	p.key(1, key)
	p.key(2, h.Verification)
	p.bytes(3, store.PackCarried(h))
	p.end()
}

func (p *pen) counter(key otp.Key, x *otp.Counter) {
	if x == nil {
		p.delete("DELETE FROM counter WHERE key = ?", key)
		return
	}
	p.begin(insertCounter)
	p.key(1, key)
	p.number(2, x.Value)
	p.bytes(3, store.PackTally(&x.Tally))
	p.end()
}

// eventsAtOnce is how many events insertEvents takes.
const eventsAtOnce = 16

// events adds lines of journals, most of them many with one statement: so SQLite
// looks for the place of the first alone, and puts the others behind it.
func (p *pen) events(journals map[otp.ID][]otp.Event) {
	all := make([]*otp.Event, 0, usual*len(journals))
	for _, id := range ordered(slices.Collect(maps.Keys(journals))) {
		for i := range journals[id] {
			all = append(all, &journals[id][i])
		}
	}
	for ; len(all) >= eventsAtOnce; all = all[eventsAtOnce:] {
		p.begin(insertEvents)
		for i, e := range all[:eventsAtOnce] {
			p.line(i*eventParams, e)
		}
		p.end()
	}
	for _, e := range all {
		p.event(e)
	}
}

// event adds a line of a journal; the first of a number stays.
func (p *pen) event(e *otp.Event) {
	p.begin(insertEvent)
	p.line(0, e)
	p.end()
}

// eventParams is how many parameters an event has.
const eventParams = 8

// line names the parameters of an event, which come after some others.
func (p *pen) line(after int, e *otp.Event) {
	p.key(after+1, e.Verification)
	p.number(after+2, int64(e.N))
	p.time(after+3, e.At)
	p.word(after+4, string(e.Kind))
	p.word(after+5, e.Tenant)
	p.word(after+6, e.Dialect)
	p.word(after+7, e.Actor)
	p.word(after+8, e.Detail)
}
