package otp

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"runtime/debug"
	"time"
)

// Step is one atomic change of state.
type Step struct {
	// Load names the records that the decision may read. Records that a named
	// one points to come with it: a handle's verification, a verification's
	// destination, and the live verifications of a destination that is named
	// itself.
	Load Keys
	// Decide reads and changes the loaded records and nothing else. It may run
	// more than once and must set, not add to, what it reports to its maker.
	// When it returns an error, nothing that it put is kept.
	Decide func(now time.Time, s *State) error
}

// Keys names records of each kind.
type Keys struct {
	Replays       []Key
	Handles       []Key
	Destinations  []Key
	Counters      []Key
	Contacts      []Key
	Verifications []ID
	Messages      []ID
}

// Store keeps the records. Do carries out one step and returns once its
// outcome is durable; the reads see committed records. An error that the
// decision returned comes back as it is; any other is an [Error] of kind
// Unavailable (the store cannot be reached, or the step waited too long) or
// Internal.
type Store interface {
	Do(ctx context.Context, step Step) error
	Reads
}

// Reads are the look-ups that change nothing.
type Reads interface {
	// Verifications returns those that exist, in the order asked for.
	Verifications(ctx context.Context, ids ...ID) ([]Verification, error)
	// Destination returns one destination and whether it exists.
	Destination(ctx context.Context, key Key) (Destination, bool, error)
	// Contact returns one contact and whether it exists.
	Contact(ctx context.Context, key Key) (Contact, bool, error)
	// Handle returns one handle and whether it exists.
	Handle(ctx context.Context, key Key) (Handle, bool, error)
	// Events returns the journal of one verification in order of its numbers.
	Events(ctx context.Context, id ID) ([]Event, error)
	Walks
}

// Walks are the reads over many records.
type Walks interface {
	Scans
	Outbox
}

// Scans walk over many records for background work and listings. Each returns
// at most limit records behind a cursor, in order of the cursor.
type Scans interface {
	Journals
	// ScanVerifications returns those with after < ID < before.
	ScanVerifications(ctx context.Context, after, before ID, limit int) ([]Verification, error)
	// ScanDestinations returns those with Key > after.
	ScanDestinations(ctx context.Context, after Key, limit int) ([]Destination, error)
	// ScanContacts returns those of one tenant with Key > after.
	ScanContacts(ctx context.Context, tenant string, after Key, limit int) ([]Contact, error)
	// ScanCounters returns those that hold a tally, with Key > after.
	ScanCounters(ctx context.Context, after Key, limit int) ([]Counter, error)
	// ScanReplays returns the keys of those that expired before t.
	ScanReplays(ctx context.Context, t time.Time, limit int) ([]Key, error)
}

// Journals walk over the journal in the order of what it is about, which is that
// of time. Each returns what lies between after and before.
type Journals interface {
	// ScanJournals returns whose events there are, each once.
	ScanJournals(ctx context.Context, after, before ID, limit int) ([]Journal, error)
	// ScanEvents returns the events of some kinds of one tenant.
	ScanEvents(ctx context.Context, tenant string, kinds []EventKind, after, before ID, limit int) ([]Event, error)
}

// Outbox walks over the messages that are left to carry or to wait for. Each
// call returns at most limit of them, in order of their ids.
type Outbox interface {
	// ScanMessages returns those with ID > after.
	ScanMessages(ctx context.Context, after ID, limit int) ([]Message, error)
	// Orphans returns messages whose owner is neither self nor alive.
	Orphans(ctx context.Context, self ID, limit int) ([]Message, error)
}

// Journal names the events of one verification, or of one refused start.
type Journal struct {
	Verification ID
	Tenant       string
}

// Records is what one batch of steps has loaded and changed. An engine fills
// it with Load and Miss before the steps run and reads Changed afterwards.
type Records struct {
	Now           time.Time // of the whole batch
	Replays       Table[Key, Replay]
	Handles       Table[Key, Handle]
	Destinations  Table[Key, Destination]
	Counters      Table[Key, Counter]
	Contacts      Table[Key, Contact]
	Verifications Table[ID, Verification]
	Messages      Table[ID, Message]
	Events        []Event // new ones, in order
	Dropped       []ID    // verifications whose older events are to be deleted

	state State // of the step that runs, used again by the next one
}

// Table holds the records of one kind within a batch.
type Table[K comparable, V any] struct {
	rows map[K]row[V]
}

// row is one loaded or new record.
type row[V any] struct {
	value *V // nil when it does not exist (any more)
	old   *V // as it was loaded, nil when it was not there
	dirty bool
}

// Load puts a record that the engine found.
func (t *Table[K, V]) Load(key K, value V) { t.set(key, row[V]{value: &value, old: &value}) }

// Miss notes that the engine looked for a record and found none.
func (t *Table[K, V]) Miss(key K) {
	if _, ok := t.rows[key]; !ok {
		t.set(key, row[V]{})
	}
}

func (t *Table[K, V]) set(key K, r row[V]) {
	if t.rows == nil {
		t.rows = make(map[K]row[V])
	}
	t.rows[key] = r
}

// Change is one record to be saved: Value is nil when it is to be deleted,
// Stored says that the engine holds an older form of it, which is Old.
type Change[K comparable, V any] struct {
	Key    K
	Value  *V
	Old    *V
	Stored bool
}

// Changed yields what the steps changed, in no order. A record that came and
// went within the batch is left out.
func (t *Table[K, V]) Changed() iter.Seq[Change[K, V]] {
	return func(yield func(Change[K, V]) bool) {
		for key, r := range t.rows {
			if r.dirty && (r.old != nil || r.value != nil) {
				if !yield(Change[K, V]{key, r.value, r.old, r.old != nil}) {
					return
				}
			}
		}
	}
}

// Dirty reports whether any step changed anything.
func (r *Records) Dirty() bool {
	return len(r.Events) > 0 || len(r.Dropped) > 0 || r.Replays.dirty() || r.Handles.dirty() || r.Destinations.dirty() ||
		r.Counters.dirty() || r.Contacts.dirty() || r.Verifications.dirty() || r.Messages.dirty()
}

func (t *Table[K, V]) dirty() bool {
	for range t.Changed() {
		return true
	}
	return false
}

// Draft is one step's view of a table: what it puts stays its own until the
// step is merged.
type Draft[K comparable, V any] struct {
	table  *Table[K, V]
	own    []draftRow[K, V] // as they came; the last one of a key counts
	newest map[K]int        // where that one stands, once there are manyRows
}

// manyRows is how many rows of one step are found by a map. Most steps put one
// or two, for which looking through them costs less.
const manyRows = 16

type draftRow[K comparable, V any] struct {
	key   K
	value *V
}

// errNotLoaded is the defect of a decision that reads what it did not name.
var errNotLoaded = errors.New("otp: a decision reads a record that its step did not load")

// Get returns a copy of the record and whether it exists.
func (d *Draft[K, V]) Get(key K) (V, bool) {
	var none V
	if own, ok := d.mine(key); ok {
		if own == nil {
			return none, false
		}
		return *own, true
	}
	r, ok := d.table.rows[key]
	if !ok {
		panic(errNotLoaded) // the writer turns it into this step's error
	}
	if r.value == nil {
		return none, false
	}
	return *r.value, true
}

// Put keeps the record under key, new or changed.
func (d *Draft[K, V]) Put(key K, value V) { d.add(key, &value) }

// Delete removes the record.
func (d *Draft[K, V]) Delete(key K) { d.add(key, nil) }

func (d *Draft[K, V]) add(key K, value *V) {
	d.own = append(d.own, draftRow[K, V]{key, value})
	if len(d.own) < manyRows {
		return
	}
	if d.newest == nil {
		d.newest = make(map[K]int, 2*manyRows)
		for i := range d.own {
			d.newest[d.own[i].key] = i
		}
	}
	d.newest[key] = len(d.own) - 1
}

// mine returns what the step itself has put under a key, nil for a deletion.
func (d *Draft[K, V]) mine(key K) (value *V, ok bool) {
	if d.newest != nil {
		i, ok := d.newest[key]
		if !ok {
			return nil, false
		}
		return d.own[i].value, true
	}
	for i := len(d.own) - 1; i >= 0; i-- {
		if d.own[i].key == key {
			return d.own[i].value, true
		}
	}
	return nil, false
}

// of begins a step's view anew.
func (d *Draft[K, V]) of(t *Table[K, V]) {
	clear(d.own)
	d.table, d.own, d.newest = t, d.own[:0], nil
}

func (d *Draft[K, V]) merge() {
	for _, own := range d.own {
		r := d.table.rows[own.key]
		r.value, r.dirty = own.value, true
		d.table.set(own.key, r)
	}
}

// State is what one decision sees.
type State struct {
	Replays       Draft[Key, Replay]
	Handles       Draft[Key, Handle]
	Destinations  Draft[Key, Destination]
	Counters      Draft[Key, Counter]
	Contacts      Draft[Key, Contact]
	Verifications Draft[ID, Verification]
	Messages      Draft[ID, Message]

	events  []Event
	dropped []ID
}

// Journal adds an event.
func (s *State) Journal(e Event) { s.events = append(s.events, e) }

// DropJournal deletes all events of a verification that were there before this
// batch. Nothing is locked for it: who drops a journal knows that no more is
// written to it.
func (s *State) DropJournal(id ID) { s.dropped = append(s.dropped, id) }

// Run carries out one decision over the records. What it changed is merged
// when it returns nil and forgotten otherwise; a panic is returned as an
// error, so that one defective step harms no other.
func (r *Records) Run(step Step) (err error) {
	s := &r.state
	// What it says goes to the free end of the batch's events, as long as there is
	// room: who made the step looks at it there after the commit.
	s.events, s.dropped = r.Events[len(r.Events):], s.dropped[:0]
	s.Replays.of(&r.Replays)
	s.Handles.of(&r.Handles)
	s.Destinations.of(&r.Destinations)
	s.Counters.of(&r.Counters)
	s.Contacts.of(&r.Contacts)
	s.Verifications.of(&r.Verifications)
	s.Messages.of(&r.Messages)
	defer func() {
		if p := recover(); p != nil {
			err = &Error{Kind: Internal, Cause: panicked(p)}
		}
	}()
	if err := step.Decide(r.Now, s); err != nil {
		return err
	}
	s.Replays.merge()
	s.Handles.merge()
	s.Destinations.merge()
	s.Counters.merge()
	s.Contacts.merge()
	s.Verifications.merge()
	s.Messages.merge()
	r.Events = append(r.Events, s.events...)
	r.Dropped = append(r.Dropped, s.dropped...)
	return nil
}

// panicked keeps the place of a defect for the operator's log.
func panicked(p any) error {
	if err, ok := p.(error); ok {
		return fmt.Errorf("otp: a decision panicked: %w\n%s", err, debug.Stack())
	}
	return fmt.Errorf("otp: a decision panicked: %v\n%s", p, debug.Stack())
}
