package sqlite

import (
	"bytes"
	"context"
	"errors"
	"slices"

	"zombiezen.com/go/sqlite"

	"github.com/aldaba-otp/aldaba/otp"
	"github.com/aldaba-otp/aldaba/store"
)

// batch is the one open transaction. It has the turn until it is over, so
// there is nothing else to lock.
type batch struct {
	engine  *Engine
	records otp.Records
	over    bool
}

// Begin implements [store.Engine]. The records' time is left to the process.
func (e *Engine) Begin(ctx context.Context, keys otp.Keys) (store.Batch, error) {
	if err := e.take(ctx); err != nil {
		return nil, err
	}
	b := &batch{engine: e}
	err := e.begin()
	if err == nil {
		err = b.load(keys)
	}
	if err != nil {
		f := e.fail(err)
		b.end()
		return nil, f
	}
	return b, nil
}

// end gives the turn back.
func (b *batch) end() {
	b.over = true
	b.engine.turn <- struct{}{}
}

// load reads what the keys name and what that points to.
func (b *batch) load(keys otp.Keys) error {
	c, r := b.engine.writer, &b.records
	wanted := slices.Clone(keys.Verifications)
	err := errors.Join(
		find(c, selectReplay, keys.Replays, c.replay, &r.Replays, nil),
		find(c, selectHandle, keys.Handles, c.handle, &r.Handles, func(h otp.Handle) { wanted = append(wanted, h.Verification) }),
		find(c, selectCounter, keys.Counters, c.counter, &r.Counters, nil),
		find(c, selectContact, keys.Contacts, c.contact, &r.Contacts, nil),
		find(c, selectMessage, keys.Messages, c.message, &r.Messages, nil),
	)
	if err != nil {
		return err
	}
	var live []otp.ID
	if err := find(c, selectDestination, keys.Destinations, c.destination, &r.Destinations, func(d otp.Destination) {
		for _, l := range d.Live {
			live = append(live, l.ID)
		}
	}); err != nil {
		return err
	}
	// The live ones last: their destination is there already.
	var places []otp.Key
	named := ordered(wanted)
	if err := find(c, selectVerification, named, c.verification, &r.Verifications, func(v otp.Verification) {
		if _, there := slices.BinarySearchFunc(keys.Destinations, v.Destination, compare); !there {
			places = append(places, v.Destination)
		}
	}); err != nil {
		return err
	}
	live = slices.DeleteFunc(ordered(live), func(id otp.ID) bool {
		_, there := slices.BinarySearchFunc(named, id, compare)
		return there
	})
	if err := find(c, selectVerification, live, c.verification, &r.Verifications, nil); err != nil {
		return err
	}
	return find(c, selectDestination, ordered(places), c.destination, &r.Destinations, nil)
}

// ordered sorts keys by their bytes, each once, so that reads go through a
// table from its beginning to its end.
func ordered[K otp.Key | otp.ID](keys []K) []K {
	slices.SortFunc(keys, compare)
	return slices.Compact(keys)
}

func compare[K otp.Key | otp.ID](a, b K) int {
	x, y := [16]byte(a), [16]byte(b)
	return bytes.Compare(x[:], y[:])
}

// find reads one record for each key; also, if not nil, is told of those that
// exist.
func find[K otp.Key | otp.ID, V any](c *conn, sql string, keys []K, row func(*sqlite.Stmt) (V, error), to *otp.Table[K, V], also func(V)) error {
	if len(keys) == 0 {
		return nil
	}
	stmt, err := c.Prepare(sql)
	if err != nil {
		return err
	}
	for _, key := range keys {
		v, ok, err := one(stmt, key, row)
		switch {
		case err != nil:
			return err
		case !ok:
			to.Miss(key)
			continue
		}
		to.Load(key, v)
		if also != nil {
			also(v)
		}
	}
	return nil
}

// one reads the record under a key with a statement that names no other.
func one[K otp.Key | otp.ID, V any](stmt *sqlite.Stmt, key K, row func(*sqlite.Stmt) (V, error)) (v V, ok bool, err error) {
	bindKey(stmt, 1, key)
	if ok, err = stmt.Step(); err != nil {
		return v, false, err
	}
	if ok {
		v, err = row(stmt)
	}
	return v, ok, errors.Join(err, stmt.Reset())
}

// Records implements [store.Batch].
func (b *batch) Records() *otp.Records { return &b.records }

// Discard implements [store.Batch]. Nothing was written yet.
func (b *batch) Discard() {
	if b.over {
		return
	}
	if !b.engine.ahead.Load() { // the transaction is this batch's alone
		if err := b.engine.writer.run("ROLLBACK"); err != nil {
			_ = b.engine.fail(err) // noted in the engine; a batch that is given up has nobody to tell
		}
	}
	// Somebody may have been told something by this time, so Close saves it.
	b.engine.last = max(b.engine.last, store.Micros(b.records.Now))
	b.end()
}

// Commit implements [store.Batch]: the batch is in SQLite's open transaction,
// and on disk in the redo log.
func (b *batch) Commit(context.Context) error {
	if b.over {
		return &store.Failure{Class: store.Down, Cause: errors.New("sqlite: the batch is over")}
	}
	defer b.end()
	e := b.engine
	now := store.Micros(b.records.Now)
	floor, err := e.saveFloor(now)
	if err == nil {
		err = e.save(&b.records)
	}
	if err == nil {
		err = e.redo.Append()
	}
	if err != nil {
		return e.fail(err)
	}
	e.saved, e.last = floor, now
	e.ahead.Store(true)
	e.checkpoints.wake()
	if e.redo.Size()-e.flushed > lateBytes {
		_ = e.flush() // the batch is safe; what is wrong stops the next one
	}
	return nil
}

// floorStep is how far ahead of the time in use the saved one is written, so
// that one batch in a second carries it and none uses a time above it.
const floorStep = 1_000_000 // microseconds

// saveFloor writes the high-water mark of time when it was reached and returns
// what stands after the commit.
func (e *Engine) saveFloor(now int64) (int64, error) {
	if now <= e.saved {
		return e.saved, nil
	}
	stmt, err := e.recorded("UPDATE meta SET value = ? WHERE name = 'floor'")
	if err != nil {
		return 0, err
	}
	stmt.BindInt64(1, now+floorStep)
	return now + floorStep, stmt.finish()
}
