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

// batch is the one open transaction. It has the turn until it is over, so no
// other changes what it has loaded.
type batch struct {
	engine  *Engine
	records otp.Records
	over    bool
}

// Begin implements [store.Engine]. The records' time is left to the process.
func (e *Engine) Begin(ctx context.Context, keys otp.Keys) (store.Batch, error) {
	if f := e.stuck.Load(); f != nil {
		return nil, f
	}
	if e.waiting() > layerLimit { // the file cannot keep up
		if err := e.flush(ctx); err != nil {
			return nil, err
		}
	}
	if err := e.take(ctx); err != nil {
		return nil, err
	}
	b := &batch{engine: e}
	if err := b.load(keys); err != nil {
		f := e.judge(err)
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

// load reads what the keys name and what that points to, from the layers and one
// snapshot of the file. No layer goes meanwhile: its rows might be missing from a
// snapshot that was taken before.
func (b *batch) load(keys otp.Keys) (err error) {
	e, c := b.engine, b.engine.loader
	e.mu.RLock()
	defer e.mu.RUnlock()
	defer func() {
		if !c.AutocommitEnabled() { // something was read from the file
			err = errors.Join(err, c.run("COMMIT"))
		}
	}()
	return b.loadFrom(c, keys)
}

func (b *batch) loadFrom(c *conn, keys otp.Keys) error {
	e, r := b.engine, &b.records
	wanted := slices.Clone(keys.Verifications)
	err := errors.Join(
		load(c, source[otp.Key, otp.Replay]{layers(e, replaysOf), store.CloneReplay, selectReplay, c.replay, nil}, keys.Replays, &r.Replays, nil),
		load(c, source[otp.Key, otp.Handle]{layers(e, handlesOf), handleItself, selectHandle, c.handle, nil}, keys.Handles, &r.Handles, func(h otp.Handle) { wanted = append(wanted, h.Verification) }),
		load(c, source[otp.Key, otp.Counter]{layers(e, countersOf), store.CloneCounter, selectCounter, c.counter, nil}, keys.Counters, &r.Counters, nil),
		load(c, source[otp.Key, otp.Contact]{layers(e, contactsOf), store.CloneContact, selectContact, c.contact, nil}, keys.Contacts, &r.Contacts, nil),
		load(c, source[otp.ID, otp.Message]{layers(e, messagesOf), store.CloneMessage, selectMessage, c.message, nil}, keys.Messages, &r.Messages, nil),
	)
	if err != nil {
		return err
	}
	destinations := source[otp.Key, otp.Destination]{layers(e, destinationsOf), store.CloneDestination, selectDestination, c.destination, e.places.absent}
	var live []otp.ID
	if err := load(c, destinations, keys.Destinations, &r.Destinations, func(d otp.Destination) {
		for _, l := range d.Live {
			live = append(live, l.ID)
		}
	}); err != nil {
		return err
	}
	// The live ones last: their destination is there already.
	verifications := source[otp.ID, otp.Verification]{layers(e, verificationsOf), store.CloneVerification, selectVerification, c.verification, nil}
	var places []otp.Key
	named := ordered(wanted)
	if err := load(c, verifications, named, &r.Verifications, func(v otp.Verification) {
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
	if err := load(c, verifications, live, &r.Verifications, nil); err != nil {
		return err
	}
	return load(c, destinations, ordered(places), &r.Destinations, nil)
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

// source is where the records of one kind come from: the layers, or else a
// statement.
type source[K otp.Key | otp.ID, V any] struct {
	layers []rows[K, V]
	clone  func(V) V
	sql    string
	row    func(*sqlite.Stmt) (V, error)
	absent func(K) bool // if not nil: the file needs no look
}

// load reads one record for each key; also, if not nil, is told of those that
// exist.
func load[K otp.Key | otp.ID, V any](c *conn, from source[K, V], keys []K, to *otp.Table[K, V], also func(V)) error {
	for _, key := range keys {
		v, there, known := find(from.layers, key, from.clone)
		if !known && (from.absent == nil || !from.absent(key)) {
			stmt, err := c.within(from.sql)
			if err == nil {
				v, there, err = one(stmt, key, from.row)
			}
			if err != nil {
				return err
			}
		}
		if !there {
			to.Miss(key)
			continue
		}
		to.Load(key, v)
		if also != nil {
			also(v) // no pointer, which would bring every record to the heap once more
		}
	}
	return nil
}

// within prepares a statement that belongs to a transaction, and begins that unless
// it has begun.
func (c *conn) within(sql string) (*sqlite.Stmt, error) {
	if c.AutocommitEnabled() {
		if err := c.run("BEGIN"); err != nil {
			return nil, err
		}
	}
	return c.Prepare(sql)
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
	// Somebody may have been told something by this time, so Close saves it.
	b.engine.last = max(b.engine.last, store.Micros(b.records.Now))
	b.end()
}

// Commit implements [store.Batch]: the batch is on disk in the redo log, and
// whoever reads finds it in the upper layer.
func (b *batch) Commit(context.Context) error {
	if b.over {
		return &store.Failure{Class: store.Down, Cause: errors.New("sqlite: the batch is over")}
	}
	defer b.end()
	e := b.engine
	now, floor, before := store.Micros(b.records.Now), int64(0), e.redo.Size()
	p := pen{log: e.redo}
	if now > e.saved {
		floor = now + floorStep
		p.setFloor(floor)
	}
	p.note(&b.records)
	if p.err == nil {
		p.err = e.redo.Append()
	}
	if p.err != nil {
		e.redo.Drop()
		return e.judge(p.err)
	}
	e.last = now
	e.merge(&b.records, floor, e.redo.Size()-before)
	e.checkpoints.wake()
	return nil
}

// merge shows a batch to those who read.
func (e *Engine) merge(r *otp.Records, floor, bytes int64) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.upper.merge(r)
	for c := range r.Destinations.Changed() {
		e.places.add(c.Key)
	}
	e.upper.number = e.redo.Number()
	e.upper.bytes += bytes
	if floor > 0 {
		e.upper.floor, e.saved = floor, floor
	}
	e.logged.Store(e.redo.Size())
}

// waiting returns how many bytes of the redo log the upper layer stands for.
func (e *Engine) waiting() int64 {
	e.mu.RLock()
	defer e.mu.RUnlock()
	return e.upper.bytes
}

// floorStep is how far ahead of the time in use the saved one is written, so
// that one batch in a second carries it and none uses a time above it.
const floorStep = 1_000_000 // microseconds
