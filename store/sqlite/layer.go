package sqlite

import (
	"slices"

	"github.com/aldaba-otp/aldaba/otp"
	"github.com/aldaba-otp/aldaba/store"
)

// layer is what batches changed and the file does not have yet: on disk in the
// redo log, and here for whoever reads it. A record that many batches change is
// written to the file once, and one that came and went, as most messages do, never.
//
// The engine has two of them: batches merge into the upper one while the lower one
// is being written.
type layer struct {
	replays       rows[otp.Key, otp.Replay]
	handles       rows[otp.Key, otp.Handle]
	destinations  rows[otp.Key, otp.Destination]
	counters      rows[otp.Key, otp.Counter]
	contacts      rows[otp.Key, otp.Contact]
	messages      rows[otp.ID, otp.Message]
	verifications rows[otp.ID, otp.Verification]
	events        map[otp.ID][]otp.Event // each journal's new ones in the order of their numbers
	dropped       map[otp.ID]bool        // journals whose events below this layer are deleted
	floor         int64                  // microseconds; 0 when it did not change
	number        uint32                 // of the last batch in it
	bytes         int64                  // that its batches take in the redo log
	wipes         bool                   // some of it takes away what may be personal
}

// rows are the changed records of one kind.
type rows[K otp.Key | otp.ID, V any] map[K]entry[V]

// entry is one changed record.
type entry[V any] struct {
	value *V   // nil when it was deleted
	below bool // an older form of it lies below this layer
	whole bool // the older form must be replaced, not only its state
}

func newLayer() *layer {
	return &layer{
		replays: rows[otp.Key, otp.Replay]{}, handles: rows[otp.Key, otp.Handle]{}, destinations: rows[otp.Key, otp.Destination]{},
		counters: rows[otp.Key, otp.Counter]{}, contacts: rows[otp.Key, otp.Contact]{}, messages: rows[otp.ID, otp.Message]{},
		verifications: rows[otp.ID, otp.Verification]{}, events: map[otp.ID][]otp.Event{}, dropped: map[otp.ID]bool{},
	}
}

// empty tells whether nothing was merged into the layer.
func (l *layer) empty() bool { return l.number == 0 }

// merge adds what a batch changed.
func (l *layer) merge(r *otp.Records) {
	merge(l.replays, &r.Replays)
	merge(l.handles, &r.Handles)
	merge(l.destinations, &r.Destinations)
	merge(l.counters, &r.Counters)
	merge(l.contacts, &r.Contacts)
	merge(l.messages, &r.Messages)
	for c := range r.Verifications.Changed() {
		erased := c.Value != nil && !c.Value.Spec.Erased.IsZero()
		if c.Value != nil && c.Stored && !erased { // what it was started with stays, in every engine
			v := *c.Value
			v.Tenant, v.Destination, v.Spec = c.Old.Tenant, c.Old.Destination, c.Old.Spec
			c.Value = &v
		}
		put(l.verifications, c, erased)
	}
	l.wipes = l.wipes || wipes(r)
	for _, id := range r.Dropped {
		delete(l.events, id)
		l.dropped[id] = true
	}
	for _, event := range r.Events {
		event.At, event.Facts = store.FromMicros(store.Micros(event.At)), otp.Facts{} // as a row has them
		journal := l.events[event.Verification]
		if journal == nil {
			journal = make([]otp.Event, 0, usual)
		}
		l.events[event.Verification] = insert(journal, event)
	}
}

func merge[K otp.Key | otp.ID, V any](m rows[K, V], t *otp.Table[K, V]) {
	for c := range t.Changed() {
		put(m, c, true)
	}
}

// put keeps a change. One that undoes all that the layer knows leaves nothing.
func put[K otp.Key | otp.ID, V any](m rows[K, V], c otp.Change[K, V], whole bool) {
	next := entry[V]{value: c.Value, below: c.Stored, whole: whole || !c.Stored}
	if old, known := m[c.Key]; known {
		next.below, next.whole = old.below, whole || old.whole || old.value == nil
	}
	if next.value == nil && !next.below {
		delete(m, c.Key)
		return
	}
	m[c.Key] = next
}

// usual is how many events most journals have: started, sent, delivered, approved.
const usual = 4

// insert adds an event to a journal; the first of a number stays.
func insert(journal []otp.Event, event otp.Event) []otp.Event {
	at, taken := slices.BinarySearchFunc(journal, event.N, func(x otp.Event, n int) int { return x.N - n })
	if taken {
		return journal
	}
	return slices.Insert(journal, at, event)
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

// find returns a copy of a record that a layer knows; known and not there means
// that it was deleted.
func find[K otp.Key | otp.ID, V any](layers []rows[K, V], key K, clone func(V) V) (v V, there, known bool) {
	for _, m := range layers {
		if e, ok := m[key]; ok {
			if e.value == nil {
				return v, false, true
			}
			return clone(*e.value), true, true
		}
	}
	return v, false, false
}

// layers lists one kind of rows of those layers that there are, the upper first.
// The caller holds the lock.
func layers[K otp.Key | otp.ID, V any](e *Engine, kind func(*layer) rows[K, V]) []rows[K, V] {
	if e.lower == nil {
		return []rows[K, V]{kind(e.upper)}
	}
	return []rows[K, V]{kind(e.upper), kind(e.lower)}
}

func handleItself(h otp.Handle) otp.Handle { return h }

// Each kind of records of a layer.
func replaysOf(l *layer) rows[otp.Key, otp.Replay]            { return l.replays }
func handlesOf(l *layer) rows[otp.Key, otp.Handle]            { return l.handles }
func destinationsOf(l *layer) rows[otp.Key, otp.Destination]  { return l.destinations }
func countersOf(l *layer) rows[otp.Key, otp.Counter]          { return l.counters }
func contactsOf(l *layer) rows[otp.Key, otp.Contact]          { return l.contacts }
func messagesOf(l *layer) rows[otp.ID, otp.Message]           { return l.messages }
func verificationsOf(l *layer) rows[otp.ID, otp.Verification] { return l.verifications }
