package otp

import (
	"container/heap"
	"context"
	"time"
)

// How long records stay.
const (
	secretLife = time.Hour // of what a code could be computed from, after the end
	sweepChunk = 100       // records a step, so that no batch grows long
	sweepScan  = 500       // records a read
)

// Sweeper does in the background what time asks for: it marks verifications
// whose life is over, erases secrets an hour after the end, and deletes what
// nobody needs any more. Its work goes through ordinary steps, a chunk at a
// time; several servers may sweep one store.
type Sweeper struct {
	s     *Service
	after ID       // verifications up to here are known
	later dueQueue // those of them that still need something
	idle  Key      // destinations up to here were looked at
	stale Key      // counters up to here were looked at
	known bool     // the saved cursor was read

	terms    map[string][2]time.Duration // of each tenant, as the lanes were made for them
	records  []lane                      // of verifications
	journals []lane                      // of their journals
}

// NewSweeper returns a sweeper over the service's store.
func (s *Service) NewSweeper() *Sweeper { return &Sweeper{s: s} }

// Round does what is due now and returns how many records it changed.
func (w *Sweeper) Round(ctx context.Context) (int, error) {
	changed := 0
	for _, part := range []func(context.Context) (int, error){w.discover, w.settle, w.retire, w.fade, w.forget, w.lose, w.clear} {
		n, err := part(ctx)
		changed += n
		if err != nil {
			return changed, err
		}
	}
	return changed, nil
}

// due is one verification and when it needs the sweeper.
type due struct {
	at time.Time
	id ID
}

type dueQueue []due

// Len implements [sort.Interface].
func (q dueQueue) Len() int { return len(q) }

// Less implements [sort.Interface].
func (q dueQueue) Less(i, j int) bool { return q[i].at.Before(q[j].at) }

// Swap implements [sort.Interface].
func (q dueQueue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }

// Push implements [container/heap.Interface].
func (q *dueQueue) Push(x any) { *q = append(*q, x.(due)) }

// Pop implements [container/heap.Interface].
func (q *dueQueue) Pop() any {
	old := *q
	x := old[len(old)-1]
	*q = old[:len(old)-1]
	return x
}

// dueAt tells when the verification next needs the sweeper.
func (v *Verification) dueAt() (time.Time, bool) {
	switch {
	case v.Status == Pending:
		return v.Expires, true
	case len(v.Secret) > 0:
		return v.Ended.Add(secretLife), true
	}
	return time.Time{}, false
}

func (w *Sweeper) cursorKey() Key { return w.s.Ring().lookup("sweep cursor") }

// discover reads the verifications born since the last round. The place from
// which a restart must read again is saved.
func (w *Sweeper) discover(ctx context.Context) (int, error) {
	if !w.known {
		if err := w.cursor(ctx, false); err != nil {
			return 0, err
		}
		w.known = true
	}
	border := FirstID(w.s.Now().Add(-time.Minute)) // younger ones may still be on their way
	moved := false
	for {
		rows, err := w.s.o.Store.ScanVerifications(ctx, w.after, border, sweepScan)
		if err != nil {
			return 0, err
		}
		for i := range rows {
			if at, ok := rows[i].dueAt(); ok {
				heap.Push(&w.later, due{at, rows[i].ID})
			}
			w.after = rows[i].ID
			moved = true
		}
		if len(rows) < sweepScan {
			break
		}
	}
	if !moved {
		return 0, nil
	}
	return 0, w.cursor(ctx, true)
}

// cursor reads or saves the birth of the oldest verification that still needs
// the sweeper, in milliseconds.
func (w *Sweeper) cursor(ctx context.Context, save bool) error {
	key := w.cursorKey()
	oldest := w.after
	for _, d := range w.later {
		if string(d.id[:]) < string(oldest[:]) {
			oldest = d.id
		}
	}
	return w.s.do(ctx, Step{Load: Keys{Counters: []Key{key}}, Decide: func(_ time.Time, st *State) error {
		c, _ := st.Counters.Get(key)
		if !save {
			w.after = FirstID(time.UnixMilli(c.Value))
			return nil
		}
		if ms := oldest.Born().UnixMilli(); ms > c.Value+60_000 {
			st.Counters.Put(key, Counter{Key: key, Value: ms})
		}
		return nil
	}})
}

// settle expires and erases what is due.
func (w *Sweeper) settle(ctx context.Context) (int, error) {
	total := 0
	var again []due // kept out of the queue, so that a round ends although the store's clock is behind ours
	defer func() {
		for _, d := range again {
			heap.Push(&w.later, d)
		}
	}()
	for {
		now := w.s.Now()
		var ids []ID
		for len(w.later) > 0 && len(ids) < sweepChunk && !w.later[0].at.After(now) {
			ids = append(ids, heap.Pop(&w.later).(due).id)
		}
		if len(ids) == 0 {
			return total, nil
		}
		var next []due
		var changed int
		err := w.s.do(ctx, Step{Load: Keys{Verifications: ids}, Decide: func(now time.Time, st *State) error {
			next, changed = settleAll(now, st, ids)
			return nil
		}})
		if err != nil {
			for _, id := range ids { // again next time
				next = append(next, due{now, id})
			}
		}
		again = append(again, next...)
		if err != nil {
			return total, err
		}
		total += changed
	}
}

// settleAll is the step of settle; it returns what is due later and how many
// records it changed.
func settleAll(now time.Time, st *State, ids []ID) (next []due, changed int) {
	for _, id := range ids {
		v, ok := st.Verifications.Get(id)
		if !ok {
			continue
		}
		switch {
		case v.Status == Pending && !now.Before(v.Expires):
			t := &target{v: v}
			if t.dest, ok = st.Destinations.Get(v.Destination); !ok {
				t.dest = Destination{Key: v.Destination, Tenant: v.Tenant, Touched: now}
			}
			t.conclude(st, Expired, EventExpired, now, "server")
			v = t.v
			changed++
		case v.Status != Pending && len(v.Secret) > 0 && !now.Before(v.Ended.Add(secretLife)):
			v.Secret = nil
			st.Verifications.Put(id, v)
			changed++
		}
		if at, ok := v.dueAt(); ok {
			next = append(next, due{at, id})
		}
	}
	return next, changed
}

// forget deletes idempotency records whose time is over.
func (w *Sweeper) forget(ctx context.Context) (int, error) {
	total := 0
	for {
		keys, err := w.s.o.Store.ScanReplays(ctx, w.s.Now(), sweepChunk)
		if err != nil || len(keys) == 0 {
			return total, err
		}
		var gone int
		err = w.s.do(ctx, Step{Load: Keys{Replays: keys}, Decide: func(now time.Time, st *State) error {
			gone = 0
			for _, key := range keys {
				if r, ok := st.Replays.Get(key); ok && !now.Before(r.Expires) {
					st.Replays.Delete(key)
					gone++
				}
			}
			return nil
		}})
		if err != nil {
			return total, err
		}
		if total += gone; gone < sweepChunk {
			return total, nil
		}
	}
}

// lose deletes destinations in which nothing counts any more. Each round looks
// at one chunk and the next goes on behind it.
func (w *Sweeper) lose(ctx context.Context) (int, error) {
	rows, err := w.s.o.Store.ScanDestinations(ctx, w.idle, sweepScan)
	if err != nil {
		return 0, err
	}
	w.idle = Key{}
	if len(rows) == sweepScan {
		w.idle = rows[len(rows)-1].Key
	}
	var keys []Key
	for i := range rows {
		if rows[i].idle(w.s.Now(), w.s.Directory()) {
			keys = append(keys, rows[i].Key)
		}
	}
	if len(keys) == 0 {
		return 0, nil
	}
	return len(keys), w.s.do(ctx, Step{Load: Keys{Destinations: keys}, Decide: func(now time.Time, st *State) error {
		for _, key := range keys {
			if d, ok := st.Destinations.Get(key); ok && d.idle(now, w.s.Directory()) {
				st.Destinations.Delete(key)
			}
		}
		return nil
	}})
}

// clear deletes what rules counted and that counts no more. Each round looks at
// one chunk and the next goes on behind it. They are not among the records that
// a round tells of: what counted for seconds is no record of anything.
func (w *Sweeper) clear(ctx context.Context) (int, error) {
	rows, err := w.s.o.Store.ScanCounters(ctx, w.stale, sweepScan)
	if err != nil {
		return 0, err
	}
	w.stale = Key{}
	if len(rows) == sweepScan {
		w.stale = rows[len(rows)-1].Key
	}
	now := w.s.Now()
	return 0, w.s.dropTallies(ctx, rows, func(t *Tally) bool { return !t.Until.IsZero() && !now.Before(t.Until) })
}

// dropTallies deletes those of the counters that are over.
func (s *Service) dropTallies(ctx context.Context, rows []Counter, over func(*Tally) bool) error {
	var keys []Key
	for i := range rows {
		if over(&rows[i].Tally) {
			keys = append(keys, rows[i].Key)
		}
	}
	if len(keys) == 0 {
		return nil
	}
	return s.do(ctx, Step{Load: Keys{Counters: keys}, Decide: func(_ time.Time, st *State) error {
		for _, key := range keys {
			if row, ok := st.Counters.Get(key); ok && over(&row.Tally) {
				st.Counters.Delete(key)
			}
		}
		return nil
	}})
}
