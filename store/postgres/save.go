package postgres

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/aldaba-otp/aldaba/otp"
	"github.com/aldaba-otp/aldaba/store"
)

// The bounds of a commit.
const (
	rollbackTimeout = 2 * time.Second
	// maxSize bounds what one commit sends. PostgreSQL's own bound is 1 GiB a
	// value, behind which the connection would be lost with the batch.
	maxSize = 256 << 20
)

// Records implements [store.Batch].
func (b *batch) Records() *otp.Records { return &b.records }

// Discard implements [store.Batch].
func (b *batch) Discard() {
	if b.conn == nil {
		return
	}
	if !b.wire.IsClosed() {
		ctx, cancel := context.WithTimeout(context.Background(), rollbackTimeout)
		defer cancel()
		var p pipeline
		p.add(sqlRollback, nil)
		if _, err := p.run(ctx, b.wire); err != nil {
			_ = b.wire.Close(ctx)
		}
	}
	b.release()
	b.engine.giveMark(b.mark)
}

func (b *batch) release() {
	b.conn.Release()
	b.conn = nil
}

// Commit implements [store.Batch].
func (b *batch) Commit(ctx context.Context) error {
	if b.conn == nil {
		return &store.Failure{Class: store.Down, Cause: errors.New("postgres: the batch is over")}
	}
	if b.engine.repeats.Load() > 0 {
		b.engine.repeats.Add(-1)
		b.merges = true
	}
	var p pipeline
	b.saveNames(&p)
	b.saveDestinations(&p)
	b.saveVerifications(&p)
	b.saveMessages(&p)
	if len(b.records.Dropped) > 0 {
		p.add(sqlDropEvents, nil, uuids(b.records.Dropped))
	}
	b.addEvents(&p)
	p.add(sqlSaveMark, nil, b.mark.writer[:], int8Of(b.mark.batch))
	p.add(sqlCommit, nil)
	if p.size > maxSize {
		b.session.sent()
		b.Discard()
		return &store.Failure{Class: store.Data, Cause: fmt.Errorf("postgres: the batch has %d bytes", p.size)}
	}
	tag, err := p.run(ctx, b.wire)
	b.session.sent()
	switch {
	case err == nil && tag.String() == "COMMIT":
		b.release()
		b.engine.giveMark(b.mark)
		return nil
	case err == nil:
		b.Discard()
		return &store.Failure{Class: store.Down, Cause: fmt.Errorf("postgres: commit was answered by %q", tag.String())}
	case answered(err):
		b.Discard()
		return b.engine.refused(err)
	}
	return b.lost(err)
}

// lost ends a batch whose connection failed under its commit. Its mark is not
// used again, so that the evidence stays.
func (b *batch) lost(err error) error {
	ctx, cancel := context.WithTimeout(context.Background(), rollbackTimeout)
	defer cancel()
	_ = b.wire.Close(ctx)
	b.release()
	e, xact, m := b.engine, b.xact, b.mark
	return &store.Failure{
		Class: store.InDoubt,
		Cause: fmt.Errorf("postgres: the answer to a commit was lost: %w", err),
		Committed: func(ctx context.Context) (bool, error) {
			return e.committed(ctx, xact, m)
		},
	}
}

// changes returns what changed in the order of keys, which is that of locks.
func changes[K otp.Key | otp.ID, V any](t *otp.Table[K, V]) []otp.Change[K, V] {
	list := slices.Collect(t.Changed())
	slices.SortFunc(list, func(a, b otp.Change[K, V]) int {
		x, y := [16]byte(a.Key), [16]byte(b.Key)
		return bytes.Compare(x[:], y[:])
	})
	return list
}

// table splits the changes of one kind into rows to write and keys to delete:
// the deleted ones, and the placeholders that no step filled.
func table[K otp.Key | otp.ID, V any](t *otp.Table[K, V], holes []K, write func(c otp.Change[K, V])) (gone []K) {
	filled := make(map[K]bool, len(holes))
	for _, c := range changes(t) {
		if c.Value == nil {
			gone = append(gone, c.Key)
			continue
		}
		if len(holes) > 0 {
			filled[c.Key] = true
		}
		write(c)
	}
	for _, key := range holes {
		if !filled[key] {
			gone = append(gone, key)
		}
	}
	return gone
}

// saved are the rows of one statement.
type saved interface {
	empty() bool
	arguments() [][]byte
}

// queue adds a kind's statements to the pipeline.
func queue[K otp.Key | otp.ID](p *pipeline, save string, rows saved, drop string, gone []K) {
	if !rows.empty() {
		p.add(save, nil, rows.arguments()...)
	}
	if len(gone) > 0 {
		p.add(drop, nil, uuids(gone))
	}
}

// saveNames queues replays, handles, counters and contacts.
func (b *batch) saveNames(p *pipeline) {
	replays := newColumns(oidUUID, oidBytea, oidBytea, oidInt8)
	gone := table(&b.records.Replays, b.holes.replays, func(c otp.Change[otp.Key, otp.Replay]) {
		replays[0].blob(c.Key[:])
		replays[1].blob(c.Value.Fingerprint[:])
		replays[2].blob(c.Value.Answer)
		replays[3].number(store.Micros(c.Value.Expires))
	})
	queue(p, sqlSaveReplays, replays, sqlDropReplays, gone)

	handles := newColumns(oidUUID, oidUUID, oidBytea)
	gone = table(&b.records.Handles, b.holes.handles, func(c otp.Change[otp.Key, otp.Handle]) {
		handles[0].blob(c.Key[:])
		handles[1].blob(c.Value.Verification[:])
		handles[2].blob(store.PackCarried(c.Value))
	})
	queue(p, sqlSaveHandles, handles, sqlDropHandles, gone)

	b.saveCounters(p)

	contacts := newColumns(oidUUID, oidBytea, oidBytea, oidBytea, oidBool)
	gone = table(&b.records.Contacts, b.holes.contacts, func(c otp.Change[otp.Key, otp.Contact]) {
		contacts[0].blob(c.Key[:])
		contacts[1].blob(c.Value.Sealed)
		contacts[2].text(c.Value.Tenant)
		contacts[3].text(c.Value.ID)
		contacts[4].truth(c.Value.Configured)
	})
	queue(p, sqlSaveContacts, contacts, sqlDropContacts, gone)
}

// keyed is a kind of records whose absent keys nothing guards before the commit, see [absent].
type keyed[V any] struct {
	kind                    string // its composite type
	insert, save, add, drop string
	write                   func(to *tuples, key otp.Key, v *V)
}

// place queues what changed of a kind: it updates the rows that the batch has
// locked, inserts those that it found absent, and adds the others. All absent keys
// are inserted, in their order: those that no step filled with nothing in them, and
// deleted at once, since a decision that found none relies on it.
func place[V any](b *batch, p *pipeline, k keyed[V], t *otp.Table[otp.Key, V], holes, absent []otp.Key, seen map[otp.Key]bool) {
	fresh, changed, added := b.session.tuples(k.kind), b.session.tuples(k.kind), b.session.tuples(k.kind)
	filled := make(map[otp.Key]*V, len(absent))
	for _, key := range absent {
		filled[key] = new(V)
	}
	gone := table(t, slices.Concat(holes, absent), func(c otp.Change[otp.Key, V]) {
		if _, ok := filled[c.Key]; ok {
			filled[c.Key] = c.Value
		} else if seen[c.Key] { // as a record, or locked as an empty row
			k.write(changed, c.Key, c.Value)
		} else {
			k.write(added, c.Key, c.Value)
		}
	})
	for _, key := range absent {
		k.write(fresh, key, filled[key])
	}
	queue[otp.Key](p, k.insert, fresh, "", nil)
	queue(p, k.save, changed, k.drop, gone)
	queue[otp.Key](p, k.add, added, "", nil)
}

func (b *batch) saveCounters(p *pipeline) {
	k := keyed[otp.Counter]{typeCounter, sqlInsertCounters, sqlSaveCounters, sqlAddCounters, sqlDropCounters, func(to *tuples, key otp.Key, c *otp.Counter) {
		to.row()
		to.uuid(key)
		to.number(c.Value)
		to.blob(store.PackTally(&c.Tally))
	}}
	place(b, p, k, &b.records.Counters, b.holes.counters, b.absent.counters, b.seen.counters)
}

func (b *batch) saveDestinations(p *pipeline) {
	k := keyed[otp.Destination]{typeDestination, sqlInsertDestinations, sqlSaveDestinations, sqlAddDestinations, sqlDropDestinations, func(to *tuples, key otp.Key, d *otp.Destination) {
		to.row()
		to.uuid(key)
		to.blob(store.PackDestination(d))
		to.text(d.Tenant)
		to.number(store.Micros(d.Touched))
		to.live(d.Live)
	}}
	place(b, p, k, &b.records.Destinations, b.holes.destinations, b.absent.destinations, b.seen.destinations)
}

func (b *batch) saveVerifications(p *pipeline) {
	added, changed := b.session.tuples(typeVerification), b.session.tuples(typeState)
	erased := newColumns(oidUUID, oidBytea)
	gone := table(&b.records.Verifications, nil, func(c otp.Change[otp.ID, otp.Verification]) {
		v := c.Value
		if c.Stored && !v.Spec.Erased.IsZero() {
			erased[0].blob(c.Key[:])
			erased[1].blob(store.PackSpec(&v.Spec))
		}
		if c.Stored {
			changed.row()
			changed.uuid(c.Key)
			saveState(changed, v)
			changed.blob(v.Secret)
			changed.blob(store.PackCourse(&v.Course))
			return
		}
		added.row()
		added.uuid(c.Key)
		added.uuid(v.Destination)
		saveState(added, v)
		added.text(v.Tenant)
		added.blob(v.Secret)
		added.blob(store.PackSpec(&v.Spec))
		added.blob(store.PackCourse(&v.Course))
	})
	queue(p, sqlSaveVerifications, changed, sqlDropVerifications, gone)
	queue[otp.ID](p, sqlAddVerifications, added, "", nil)
	queue[otp.ID](p, sqlEraseVerifications, erased, "", nil)
}

// saveState writes the eight numbers of a verification that change.
func saveState(to *tuples, v *otp.Verification) {
	to.number(store.Micros(v.LastSent))
	to.number(store.Micros(v.Expires))
	to.number(store.Micros(v.Ended))
	to.number(int64(v.Attempts))
	to.number(int64(v.Generation))
	to.number(int64(v.Sends))
	to.number(int64(v.Events))
	to.number(int64(v.Status))
}

func (b *batch) saveMessages(p *pipeline) {
	added, changed := b.session.tuples(typeMessage), b.session.tuples(typeMessage)
	gone := table(&b.records.Messages, nil, func(c otp.Change[otp.ID, otp.Message]) {
		m, to := c.Value, added
		if c.Stored {
			to = changed
		}
		to.row()
		to.uuid(c.Key)
		to.uuid(m.Verification)
		to.uuid(m.Owner)
		to.number(store.Micros(m.Created))
		to.number(store.Micros(m.Expires))
		to.number(store.Micros(m.NextAt))
		to.number(int64(m.Attempt))
		to.number(int64(m.Copies))
		to.number(int64(m.FirstEvent))
		to.number(int64(m.Kind))
		to.text(m.Tenant)
		to.text(string(m.Channel))
		to.blob(store.PackProgress(m))
	})
	queue(p, sqlSaveMessages, changed, sqlDropMessages, gone)
	sql := sqlAddMessages
	if b.merges {
		sql = sqlMergeMessages
	}
	queue[otp.ID](p, sql, added, "", nil)
}

func (b *batch) addEvents(p *pipeline) {
	if len(b.records.Events) == 0 {
		return
	}
	added := b.session.tuples(typeEvent)
	for i := range b.records.Events {
		e := &b.records.Events[i]
		added.row()
		added.uuid(e.Verification)
		added.number(int64(e.N))
		added.number(store.Micros(e.At))
		added.text(e.Tenant)
		added.text(string(e.Kind))
		added.text(e.Dialect)
		added.text(e.Actor)
		added.text(e.Detail)
	}
	sql := sqlAddEvents
	if b.merges {
		sql = sqlMergeEvents
	}
	p.add(sql, nil, added.arguments()...)
}
