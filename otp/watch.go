package otp

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// WatchMode tells what the watch over toll fraud does with what it finds.
type WatchMode string

// The modes of the watch.
const (
	WatchBlock  WatchMode = "block"
	WatchShadow WatchMode = "shadow" // it writes down what it would have refused, and lets it pass
	WatchOff    WatchMode = "off"
)

// FraudWatch looks for prefixes to which messages go and from which no codes
// come back: numbers that somebody is paid for when texts are sent to them. A
// zero field is its default.
type FraudWatch struct {
	Mode        WatchMode       `json:"mode,omitempty"`         // block
	MinSends    int             `json:"min_sends,omitempty"`    // starts to unknown numbers of a prefix in Window, before it is judged; 20
	MinApproved int             `json:"min_approved,omitempty"` // percentage of them that must be approved; 10
	Window      time.Duration   `json:"window,omitempty"`       // 24 h
	Grace       time.Duration   `json:"grace,omitempty"`        // for codes on their way, before a block; 10 min
	Blocks      []time.Duration `json:"blocks,omitempty"`       // 12 h, 48 h, 7 d
	Known       time.Duration   `json:"known,omitempty"`        // how long a number counts as known after an approval; 30 d
}

const (
	watchSlots = 24 // of a window
	// levelMemory is how long a prefix that was blocked is blocked longer the
	// next time.
	levelMemory = 30 * 24 * time.Hour
)

// with fills what is not given.
func (w FraudWatch) filled() FraudWatch {
	w.Mode = cmp.Or(w.Mode, WatchBlock)
	w.MinSends, w.MinApproved = cmp.Or(w.MinSends, 20), cmp.Or(w.MinApproved, 10)
	w.Window, w.Grace = cmp.Or(w.Window, 24*time.Hour), cmp.Or(w.Grace, 10*time.Minute)
	w.Known = cmp.Or(w.Known, 30*24*time.Hour)
	if len(w.Blocks) == 0 {
		w.Blocks = []time.Duration{12 * time.Hour, 48 * time.Hour, 7 * 24 * time.Hour}
	}
	return w
}

func (w *FraudWatch) check(f *faultList) {
	f.check(slices.Contains([]WatchMode{"", WatchBlock, WatchShadow, WatchOff}, w.Mode), ".fraud_watch.mode", "must be block, shadow or off")
	f.check(w.MinSends == 0 || w.MinSends >= 5 && w.MinSends <= 1_000_000, ".fraud_watch.min_sends", "must be 5 to 1000000")
	f.check(w.MinApproved >= 0 && w.MinApproved <= 100, ".fraud_watch.min_approved", "must be 1 to 100 per cent")
	span := func(d, least, most time.Duration, key string) {
		f.check(d == 0 || d >= least && d <= most, ".fraud_watch."+key, "must be %s to %s", least, most)
	}
	span(w.Window, time.Hour, 7*24*time.Hour, "window")
	span(w.Grace, time.Minute, 24*time.Hour, "grace")
	span(w.Known, time.Hour, 365*24*time.Hour, "known")
	f.check(len(w.Blocks) <= 8, ".fraud_watch.blocks", "must be 8 at most")
	for i, b := range w.Blocks {
		span(b, time.Minute, 90*24*time.Hour, fmt.Sprintf("blocks[%d]", i))
		f.check(b != 0, fmt.Sprintf(".fraud_watch.blocks[%d]", i), "must be 1m0s to 2160h0m0s")
	}
}

// watched is the row of a prefix within one start.
type watched struct {
	key    Key
	name   string
	folded int     // approvals that this server knows of and the row does not yet
	row    Counter // with them, in the present run of the step
	read   bool    // row is of the present run
	used   bool    // the row was put
	blocks bool    // this start made a block
	missed coldStart
}

// watch returns what a start to a prefix is watched by, or nil.
func (t *Tenant) watch(ring *Ring, prefix string) *watched {
	if t.fraud.Mode == WatchOff {
		return nil
	}
	return &watched{key: ring.lookup("limit", t.Name, RuleConversion, prefix), name: prefixWord + prefix}
}

// known reports whether a destination's owner was seen lately: then a message to
// it earns nobody anything new.
func (d *Destination) known(now time.Time, w *FraudWatch) bool {
	return !d.ApprovedAt.IsZero() && now.Sub(d.ApprovedAt) < w.Known
}

// load reads the row and adds the approvals that only this server knows of.
func (x *watched) load(now time.Time, st *State, t *Tenant) *Tally {
	if !x.read {
		var stored bool
		x.row, stored = st.Counters.Get(x.key)
		x.row.Key, x.read = x.key, true
		x.row.Tally.Tenant, x.row.Tally.Name = t.Name, x.name
		if !stored && x.missed.sends > 0 {
			slot := x.row.Tally.slot(now, &t.fraud)
			slot.Sends, slot.Approved = x.missed.sends, x.missed.come
		}
		if x.folded > 0 {
			x.row.Tally.slot(now, &t.fraud).Approved += x.folded
		}
	}
	return &x.row.Tally
}

// judge tells whether the watch refuses a start, and keeps what it found.
func (x *watched) judge(now time.Time, st *State, t *Tenant) denial {
	tally := x.load(now, st, t)
	before := tally.Block
	d := tally.suspicion(now, &t.fraud)
	x.blocks = tally.Block.Level > before.Level
	if d.wait > 0 && (tally.Block != before || x.folded > 0) {
		x.put(now, st, t)
	}
	return d
}

// charge counts a start.
func (x *watched) charge(now time.Time, st *State, t *Tenant) {
	tally := x.load(now, st, t)
	tally.slot(now, &t.fraud).Sends++
	if sends, approved := tally.sums(now, &t.fraud); !t.fraud.bad(sends, approved) {
		tally.Block.Since = time.Time{}
	} else if tally.Block.Since.IsZero() {
		tally.Block.Since = now
	}
	x.put(now, st, t)
}

// verdict is what became of the prefix, for the alert.
func (x *watched) verdict(t *Tenant) string {
	b := &x.row.Tally.Block
	word := "blocked"
	if t.fraud.Mode == WatchShadow {
		word = "would be blocked"
	}
	return fmt.Sprintf("%s until %s, time %d", word, b.Until.Format(time.RFC3339), b.Level)
}

func (x *watched) put(now time.Time, st *State, t *Tenant) {
	tally := &x.row.Tally
	tally.Until = now.Add(t.fraud.Window)
	if tally.Block.Level > 0 {
		tally.Until = latest(tally.Until, latest(now, tally.Block.Until).Add(levelMemory))
	}
	x.used = true
	st.Counters.Put(x.key, x.row)
}

// cold reports whether the prefix is so far from being judged that its approvals
// may be written down later.
func (x *watched) cold(w *FraudWatch) bool {
	sends := 0
	for _, s := range x.row.Tally.Slots {
		sends += s.Sends
	}
	return sends < w.MinSends/2
}

// suspicion tells how long a prefix is refused at now, and moves its block on.
func (t *Tally) suspicion(now time.Time, w *FraudWatch) denial {
	b := &t.Block
	d := denial{rule: RuleConversion, soft: true}
	if !b.Until.IsZero() {
		if d.wait = b.Until.Sub(now); d.wait > 0 {
			d.detail = fmt.Sprintf("blocked until %s, time %d; %s", b.Until.Format(time.RFC3339), b.Level, watchRemedy)
			return d
		}
		*b, t.Slots = Block{Level: b.Level}, nil // what was before the block was paid for
	}
	sends, approved := t.sums(now, w)
	if !w.bad(sends, approved) {
		b.Since = time.Time{}
		return denial{}
	}
	if b.Since.IsZero() {
		b.Since = now
	}
	counts := fmt.Sprintf("%d approved of %d in %s; ", approved, sends, w.Window)
	if d.wait = b.Since.Add(w.Grace).Sub(now); d.wait > 0 {
		d.wait = min(d.wait, time.Minute) // approvals may come at any time
		d.detail = counts + watchRemedy
		return d
	}
	d.wait = w.Blocks[min(b.Level, len(w.Blocks)-1)]
	*b = Block{Since: b.Since, Until: now.Add(d.wait), Level: b.Level + 1}
	d.detail = counts + fmt.Sprintf("blocked until %s, time %d; %s", b.Until.Format(time.RFC3339), b.Level, watchRemedy)
	return d
}

// prefixWord begins the name of a prefix's row.
const prefixWord = "prefix "

const watchRemedy = "approvals, the allow-list, a passed challenge, or fraud_watch"

func (w *FraudWatch) bad(sends, approved int) bool {
	return sends >= w.MinSends && approved*100 < sends*w.MinApproved
}

// sums forgets slots that are too old and adds up the others.
func (t *Tally) sums(now time.Time, w *FraudWatch) (sends, approved int) {
	t.Slots = slices.DeleteFunc(slices.Clone(t.Slots), func(s Slot) bool { return now.Sub(s.At) >= w.Window })
	for _, s := range t.Slots {
		sends, approved = sends+s.Sends, approved+s.Approved
	}
	return sends, approved
}

// slot returns the slot of now.
func (t *Tally) slot(now time.Time, w *FraudWatch) *Slot {
	at := now.Truncate(w.Window / watchSlots)
	if n := len(t.Slots); n == 0 || t.Slots[n-1].At.Before(at) {
		t.Slots = append(slices.Clone(t.Slots), Slot{At: at})
	} else {
		t.Slots = slices.Clone(t.Slots)
	}
	return &t.Slots[len(t.Slots)-1]
}
