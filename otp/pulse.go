package otp

import (
	"bytes"
	"context"
	"slices"
	"strings"
	"sync"
	"time"
)

// pulse gathers what this server saw of starts and approvals and writes it down
// apart from the requests. The approvals of a prefix are added to its row by the
// next start to it, or by [Service.KeepPulse]; what a crash loses of them makes
// the watch a little stricter and nothing else.
type pulse struct {
	mu       sync.Mutex
	prefixes map[Key]pulsed
	groups   map[group]*Slot
	carried  [2]map[ID]string // who carried a verification's newest message: young and older ones
	strange  []lost           // approvals of verifications that another server carried
}

// pulsed are the approvals of one prefix.
type pulsed struct {
	n    int
	cold bool // far from being judged: they may wait
}

// group is what conversion is told of beside prefixes.
type group struct{ tenant, kind, name string }

type lost struct {
	tenant string
	id     ID
}

const (
	pulseKept    = 100_000 // entries of each kind that are remembered
	strangeKept  = 100     // approvals whose carrier is looked up in the journal, a flush
	pulseWindow  = 24 * time.Hour
	groupCountry = "country"
	groupCarrier = "provider"
)

// more counts approvals of verifications to unknown numbers of a prefix.
func (p *pulse) more(key Key, n int) {
	if key == (Key{}) || n == 0 {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.add(key, n)
}

func (p *pulse) add(key Key, n int) {
	if p.prefixes == nil {
		p.prefixes = make(map[Key]pulsed)
	}
	if x, ok := p.prefixes[key]; ok || len(p.prefixes) < pulseKept {
		x.n += n
		p.prefixes[key] = x
	}
}

// take returns the approvals of a prefix, which the caller writes down or gives
// back.
func (p *pulse) take(x *watched) {
	if x == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if e := p.prefixes[x.key]; e.n > 0 {
		x.folded = e.n
		e.n = 0
		p.prefixes[x.key] = e
	}
}

// settle gives back what a start has not written down, and notes whether the
// approvals to come may wait.
func (p *pulse) settle(x *watched, written bool, w *FraudWatch) {
	if x == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if !written || !x.used {
		if x.folded > 0 {
			p.add(x.key, x.folded)
		}
		return
	}
	p.add(x.key, 0)
	if e, ok := p.prefixes[x.key]; ok {
		e.cold = x.cold(w)
		p.prefixes[x.key] = e
	}
}

// note counts an event by country and by carrier.
func (p *pulse) note(e *Event) {
	if e.Facts.Test || e.Facts.Decoy {
		return
	}
	switch e.Kind {
	case EventStarted, EventSent, EventApproved:
	default:
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.groups == nil {
		p.groups, p.carried = make(map[group]*Slot), [2]map[ID]string{{}, {}}
	}
	country := group{e.Tenant, groupCountry, e.Facts.Country}
	switch e.Kind {
	case EventStarted:
		p.count(country, 1, 0)
	case EventSent:
		p.count(group{e.Tenant, groupCarrier, e.Facts.Provider}, 1, 0)
		if len(p.carried[0]) >= pulseKept {
			p.carried[0], p.carried[1] = make(map[ID]string), p.carried[0]
		}
		p.carried[0][e.Verification] = e.Facts.Provider
	case EventApproved:
		p.count(country, 0, 1)
		provider := p.carried[0][e.Verification]
		if provider == "" {
			provider = p.carried[1][e.Verification]
		}
		if provider != "" {
			p.count(group{e.Tenant, groupCarrier, provider}, 0, 1)
		} else if len(p.strange) < strangeKept {
			p.strange = append(p.strange, lost{e.Tenant, e.Verification})
		}
	}
}

func (p *pulse) count(g group, sends, approved int) {
	if g.name == "" {
		return
	}
	s := p.groups[g]
	if s == nil {
		s = &Slot{}
		p.groups[g] = s
	}
	s.Sends, s.Approved = s.Sends+sends, s.Approved+approved
}

// due takes what is to be written down: all of it, or what does not wait.
func (p *pulse) due(all bool) (prefixes map[Key]pulsed, groups map[group]*Slot, strange []lost) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for key, x := range p.prefixes {
		switch {
		case x.n == 0 && !all || x.cold && !all:
			continue
		case x.n > 0:
			if prefixes == nil {
				prefixes = make(map[Key]pulsed)
			}
			prefixes[key] = x
		}
		delete(p.prefixes, key)
	}
	if all {
		groups, strange = p.groups, p.strange
		p.groups, p.strange = make(map[group]*Slot), nil
		if p.carried[0] == nil {
			p.carried = [2]map[ID]string{{}, {}}
		}
	}
	return prefixes, groups, strange
}

// KeepPulse writes down the approvals of prefixes that the fraud watch may soon
// judge, and with all also those of the others and the conversion by country and
// carrier. It is called every second, with all less often and at the end.
// Errors: Unavailable, Internal.
func (s *Service) KeepPulse(ctx context.Context, all bool) error {
	prefixes, groups, strange := s.pulse.due(all)
	for _, l := range strange {
		if events, err := s.o.Store.Events(ctx, l.id); err == nil {
			for i := len(events) - 1; i >= 0; i-- {
				if _, provider, _, ok := events[i].Carried(); ok && events[i].Kind == EventSent {
					g := group{l.tenant, groupCarrier, provider}
					if groups[g] == nil {
						groups[g] = &Slot{}
					}
					groups[g].Approved++
					break
				}
			}
		}
	}
	if len(prefixes) == 0 && len(groups) == 0 {
		return nil
	}
	var load []Key
	for key := range prefixes {
		load = append(load, key)
	}
	rows := make(map[Key]group, len(groups))
	for g := range groups {
		key := s.Ring().lookup("conversion", g.tenant, g.kind, g.name)
		rows[key] = g
		load = append(load, key)
	}
	err := s.do(ctx, Step{Load: Keys{Counters: load}, Decide: func(now time.Time, st *State) error {
		for key, x := range prefixes {
			s.addApprovals(now, st, key, x.n)
		}
		for key, g := range rows {
			addConversion(now, st, key, g, *groups[g])
		}
		return nil
	}})
	if err != nil { // the prefixes' come again; the others are for people to look at
		s.pulse.mu.Lock()
		defer s.pulse.mu.Unlock()
		for key, x := range prefixes {
			s.pulse.add(key, x.n)
		}
	}
	return err
}

// addApprovals adds to the row of a prefix, if it still counts.
func (s *Service) addApprovals(now time.Time, st *State, key Key, n int) {
	row, ok := st.Counters.Get(key)
	if !ok {
		return
	}
	t, found := s.Directory().Tenant(row.Tally.Tenant)
	if !found {
		return
	}
	row.Tally.slot(now, &t.fraud).Approved += n
	if sends, approved := row.Tally.sums(now, &t.fraud); !t.fraud.bad(sends, approved) {
		row.Tally.Block.Since = time.Time{}
	}
	st.Counters.Put(key, row)
}

func addConversion(now time.Time, st *State, key Key, g group, add Slot) {
	row, _ := st.Counters.Get(key)
	row.Key = key
	w := &FraudWatch{Window: pulseWindow}
	t := &row.Tally
	t.Tenant, t.Name, t.Until = g.tenant, g.kind+" "+g.name, now.Add(pulseWindow)
	t.sums(now, w) // drops what is too old
	slot := t.slot(now, w)
	slot.Sends, slot.Approved = slot.Sends+add.Sends, slot.Approved+add.Approved
	st.Counters.Put(key, row)
}

// Conversion is how many of what was sent came back as an approval.
type Conversion struct {
	Name     string // "prefix +58414123", "country VE", "provider carrier"
	Sends    int
	Approved int
	Since    time.Time // the beginning of the window
	Suspect  time.Time // since when too few of a prefix's are approved; zero for never
	Until    time.Time // until when it is blocked; zero for not
	Level    int       // how often it was blocked lately
}

// Conversions lists what is known of a tenant's prefixes, countries and carriers
// in the last window behind a cursor, at most limit; the next cursor is zero at
// the end. Errors: NotFound, Unavailable, Internal.
func (s *Service) Conversions(ctx context.Context, tenant string, after Key, limit int) (all []Conversion, next Key, err error) {
	t, ok := s.Directory().Tenant(tenant)
	if !ok {
		return nil, Key{}, &Error{Kind: NotFound, Message: "there is no such tenant"}
	}
	now := s.Now()
	cold := s.colds.of(tenant, after, now, t.fraud.Window)
	for {
		rows, err := s.o.Store.ScanCounters(ctx, after, sweepScan)
		if err != nil {
			return nil, Key{}, unread(err)
		}
		last := len(rows) < sweepScan
		rows = slices.DeleteFunc(rows, func(c Counter) bool {
			after = c.Key
			return c.Tally.Tenant != tenant || !c.Tally.converts()
		})
		for len(cold) > 0 && (last || bytes.Compare(cold[0].Key[:], after[:]) < 0) {
			rows, cold = append(rows, cold[0]), cold[1:]
		}
		slices.SortFunc(rows, func(a, b Counter) int { return bytes.Compare(a.Key[:], b.Key[:]) })
		for i := range rows {
			all = append(all, rows[i].Tally.conversion(now, &t.fraud))
			if len(all) == limit {
				return all, rows[i].Key, nil
			}
		}
		if last {
			return all, Key{}, nil
		}
	}
}

// converts reports whether the tally is of messages and their approvals; that of
// a day has a slot too.
func (t *Tally) converts() bool {
	return (len(t.Slots) > 0 || t.Block.Level > 0) && !strings.HasPrefix(t.Name, dayName)
}

func (t *Tally) conversion(now time.Time, w *FraudWatch) Conversion {
	c := Conversion{Name: t.Name, Since: now.Add(-w.Window), Suspect: t.Block.Since, Level: t.Block.Level}
	if now.Before(t.Block.Until) {
		c.Until = t.Block.Until
	}
	copied := *t
	c.Sends, c.Approved = copied.sums(now, w)
	return c
}

// Unblock ends the block of a tenant's prefix, written as a number's beginning
// such as "+58414123", and forgets what led to it. It reports whether there was
// anything. Errors: NotFound, Unavailable, Internal.
func (s *Service) Unblock(ctx context.Context, tenant, prefix, actor string) (was bool, err error) {
	if _, ok := s.Directory().Tenant(tenant); !ok {
		return false, &Error{Kind: NotFound, Message: "there is no such tenant"}
	}
	key := s.Ring().lookup("limit", tenant, RuleConversion, prefix)
	cold := s.colds.drop(key)
	err = s.do(ctx, Step{Load: Keys{Counters: []Key{key}}, Decide: func(now time.Time, st *State) error {
		row, ok := st.Counters.Get(key)
		was = ok
		if !ok {
			return nil
		}
		st.Counters.Delete(key)
		e := noted(now, now, EventReleased, tenant, RuleConversion+" "+row.Tally.Name+" by an operator", row.Tally.Name)
		e.Actor = actor
		st.Journal(e)
		return nil
	}})
	return was || cold, err
}
