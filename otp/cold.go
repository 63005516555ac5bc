package otp

import (
	"bytes"
	"context"
	"slices"
	"strings"
	"sync"
	"time"
)

// colds keeps the first starts to a prefix in memory, as long as the store serves
// this server alone: most prefixes get a few a day and are never judged, and a row
// for each would cost every start a read and a write of its own page. From a
// quarter of the number on at which a prefix is judged, it has a row, into which
// what was kept is folded; a stop writes the rest down, and so does the coming of
// another server. A crash forgets what had no row, which is less than that quarter
// for each prefix.
type colds struct {
	mu     sync.Mutex
	ready  bool         // which prefixes have a row is known
	stored map[Key]bool // they have; nil while other servers make rows too
	seen   map[Key]coldPrefix
}

// coldPrefix is what a row would hold.
type coldPrefix struct {
	tenant, name    string
	since           time.Time
	sends, approved int
}

// coldsKept bounds the memory; further prefixes have rows.
const coldsKept = 100_000

// coldStart is a start's part in it.
type coldStart struct {
	key    Key
	memory bool // it was counted in memory, and its row need not be read
	sends  int  // what the row lacks, when it does not exist yet
	come   int  // the same of approvals
}

// LearnPrefixes reads which prefixes have a row, unless that is known. It is called
// by a server that has its store for itself: from then on few starts read one.
// Errors: Unavailable, Internal.
func (s *Service) LearnPrefixes(ctx context.Context) error {
	c := &s.colds
	if !c.learn() {
		return nil
	}
	for after, more := (Key{}), true; more; {
		rows, err := s.o.Store.ScanCounters(ctx, after, sweepScan)
		if err != nil {
			c.share()
			return unread(err)
		}
		c.mu.Lock()
		for i := range rows {
			if after = rows[i].Key; strings.HasPrefix(rows[i].Tally.Name, prefixWord) {
				c.stored[after] = true
			}
		}
		c.mu.Unlock()
		more = len(rows) == sweepScan
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ready = true
	return nil
}

// SharePrefixes writes down what is kept in memory and keeps no more there. It is
// called when there is another server on the store, and does nothing when that is
// so already. Errors: Unavailable, Internal.
func (s *Service) SharePrefixes(ctx context.Context) error {
	s.colds.share()
	return s.KeepPrefixes(ctx)
}

// learn begins to note which prefixes have a row, unless that is known; starts of
// the meantime note theirs too.
func (c *colds) learn() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ready {
		return false
	}
	c.stored = make(map[Key]bool)
	if c.seen == nil {
		c.seen = make(map[Key]coldPrefix)
	}
	return true
}

// share has every further start read its row.
func (c *colds) share() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ready, c.stored = false, nil
}

// take counts a start in memory, if that is enough for its prefix, and takes the
// row out of the gate then.
func (c *colds) take(now time.Time, g *gate) {
	if g == nil || g.watch == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	g.cold = coldStart{key: g.watch.key}
	e, known := c.seen[g.cold.key]
	if !c.ready || c.stored[g.cold.key] || !known && len(c.seen) >= coldsKept {
		return
	}
	w := &g.tenant.fraud
	if !known || now.Sub(e.since) >= w.Window {
		e = coldPrefix{tenant: g.tenant.Name, name: g.watch.name, since: now}
	}
	if e.sends+1 < w.MinSends/4 {
		e.sends++
		c.seen[g.cold.key] = e
		g.cold.memory, g.watch = true, nil
		return
	}
	g.cold.sends, g.cold.come = e.sends, e.approved
	g.watch.missed = g.cold
}

// settle takes back what was counted of a start that was none to an unknown
// number, or forgets what has a row now. It returns approvals that came
// meanwhile, for the row.
func (c *colds) settle(g *gate, passed bool) (come int) {
	if g == nil || g.cold.key == (Key{}) {
		return 0
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	e, known := c.seen[g.cold.key]
	switch {
	case g.cold.memory && known && !(passed && g.counted):
		e.sends = max(e.sends-1, 0) // its window may have begun anew meanwhile
		c.seen[g.cold.key] = e
	case !g.cold.memory && c.stored != nil && g.watch != nil && g.watch.used:
		c.stored[g.cold.key] = true
		delete(c.seen, g.cold.key)
		come = e.approved - g.cold.come
	}
	return max(come, 0)
}

// giveBack takes back what was counted of a start of which nobody knows whether
// it took place, or which did not.
func (c *colds) giveBack(g *gate) {
	if !g.cold.memory {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if e, known := c.seen[g.cold.key]; known {
		e.sends = max(e.sends-1, 0)
		c.seen[g.cold.key] = e
	}
}

// approved counts an approval of a prefix that has no row, and reports whether
// it is one.
func (c *colds) approved(key Key) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, known := c.seen[key]
	if known {
		e.approved++
		c.seen[key] = e
	}
	return known
}

// of returns what the rows of a tenant's prefixes behind a cursor would hold, in
// the order of their keys.
func (c *colds) of(tenant string, after Key, now time.Time, window time.Duration) (rows []Counter) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for key, e := range c.seen {
		if e.tenant == tenant && e.sends > 0 && now.Sub(e.since) < window && bytes.Compare(key[:], after[:]) > 0 {
			rows = append(rows, Counter{Key: key, Tally: Tally{
				Tenant: tenant, Name: e.name, Slots: []Slot{{At: e.since, Sends: e.sends, Approved: e.approved}},
			}})
		}
	}
	slices.SortFunc(rows, func(a, b Counter) int { return bytes.Compare(a.Key[:], b.Key[:]) })
	return rows
}

// drop forgets one prefix and reports whether it was there.
func (c *colds) drop(key Key) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.seen[key]
	delete(c.seen, key)
	return e.sends > 0
}

// forget forgets everything that is kept in memory.
func (c *colds) forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.seen = make(map[Key]coldPrefix)
}

// KeepPrefixes writes down what is known of prefixes that have no row. It is
// called when the server stops. Errors: Unavailable, Internal.
func (s *Service) KeepPrefixes(ctx context.Context) error {
	c := &s.colds
	c.mu.Lock()
	seen := c.seen
	c.seen = make(map[Key]coldPrefix)
	c.mu.Unlock()
	keys := make([]Key, 0, len(seen))
	for key, e := range seen {
		if e.sends > 0 {
			keys = append(keys, key)
		}
	}
	var err error
	for chunk := range slices.Chunk(keys, sweepScan) {
		if err == nil {
			err = s.keepPrefixes(ctx, chunk, seen)
		}
		c.written(chunk, seen, err == nil)
	}
	return err
}

// keepPrefixes is one step of it. A row may have come from a server that was not
// known yet: what was seen here is added to it.
func (s *Service) keepPrefixes(ctx context.Context, chunk []Key, seen map[Key]coldPrefix) error {
	return s.do(ctx, Step{Load: Keys{Counters: chunk}, Decide: func(now time.Time, st *State) error {
		for _, key := range chunk {
			e := seen[key]
			t, ok := s.Directory().Tenant(e.tenant)
			if !ok || now.Sub(e.since) >= t.fraud.Window {
				continue
			}
			row, _ := st.Counters.Get(key)
			row.Key, row.Tally.Tenant, row.Tally.Name = key, e.tenant, e.name
			row.Tally.Until = latest(row.Tally.Until, now.Add(t.fraud.Window))
			slot := row.Tally.slot(now, &t.fraud)
			slot.Sends, slot.Approved = slot.Sends+e.sends, slot.Approved+e.approved
			st.Counters.Put(key, row)
		}
		return nil
	}})
}

// written notes that the prefixes have rows now, or keeps what could not be
// written down.
func (c *colds) written(keys []Key, seen map[Key]coldPrefix, done bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, key := range keys {
		switch e, now := seen[key], c.seen[key]; {
		case !done:
			e.sends, e.approved = e.sends+now.sends, e.approved+now.approved
			c.seen[key] = e
		case c.stored != nil:
			c.stored[key] = true
		}
	}
}
