package otp

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"
	"time"
)

// The bounds of what a tenant may ask for.
const (
	day = 24 * time.Hour

	retention    = 30 * day // of verifications, and of destinations that nothing touches
	minRetention = day
	maxRetention = 90 * day

	journalRetention    = 365 * day
	minJournalRetention = 30 * day
	maxJournalRetention = 730 * day
)

// idlePages bounds the pages without anything to delete that a lane reads in a
// round, so that a round ends soon also after a start, when the places of all
// lanes are forgotten.
const idlePages = 200

func (t *Tenant) checkRetention(f *faultList) {
	f.check(t.Retention == 0 || t.Retention >= minRetention && t.Retention <= maxRetention, ".retention", "must be 24h to 2160h (1 to 90 days)")
	f.check(t.Journal == 0 || t.Journal >= minJournalRetention && t.Journal <= maxJournalRetention, ".journal_retention", "must be 720h to 17520h (30 to 730 days)")
	f.check(cmp.Or(t.Journal, journalRetention) >= cmp.Or(t.Retention, retention), ".journal_retention", "must not be shorter than retention")
}

// retention is how long a tenant's verifications stay.
func (d *Directory) retention(tenant string) time.Duration {
	if t, ok := d.Tenant(tenant); ok {
		return cmp.Or(t.Retention, retention)
	}
	return retention
}

// knows tells whether an address passes its tenant's fraud watch since it was
// proven.
func (d *Directory) knows(now time.Time, of *Destination) bool {
	t, ok := d.Tenant(of.Tenant)
	return ok && of.known(now, &t.fraud)
}

// journalRetention is how long a tenant's journal stays.
func (d *Directory) journalRetention(tenant string) time.Duration {
	if t, ok := d.Tenant(tenant); ok {
		return cmp.Or(t.Journal, journalRetention)
	}
	return journalRetention
}

// lane is the sweep of what stays equally long. Ids grow with time, so what it
// has seen once, its tenants' rows gone and others' passed by, it need not read
// again.
type lane struct {
	keep  time.Duration
	after ID
}

// lanesFor makes a lane for each of the lengths.
func lanesFor(terms map[string][2]time.Duration, which int) (all []lane) {
	for _, term := range terms {
		if keep := term[which]; !slices.ContainsFunc(all, func(l lane) bool { return l.keep == keep }) {
			all = append(all, lane{keep: keep})
		}
	}
	return all
}

// lay makes the lanes anew when a tenant's retention has changed: it may have
// moved to a lane that is past its rows.
func (w *Sweeper) lay() {
	d := w.s.Directory()
	terms := map[string][2]time.Duration{"": {retention, journalRetention}} // of tenants that are not configured any more
	for name := range d.tenants {
		terms[name] = [2]time.Duration{d.retention(name), d.journalRetention(name)}
	}
	if !maps.Equal(terms, w.terms) {
		w.terms, w.records, w.journals = terms, lanesFor(terms, 0), lanesFor(terms, 1)
	}
}

// term is how long the lanes keep a tenant's verifications (0) or journal (1).
func (w *Sweeper) term(tenant string, which int) time.Duration {
	if t, ok := w.terms[tenant]; ok {
		return t[which]
	}
	return w.terms[""][which]
}

// retire deletes verifications that are older than their tenant's retention.
func (w *Sweeper) retire(ctx context.Context) (int, error) {
	w.lay()
	total := 0
	for i := range w.records {
		n, err := sweepLane(&w.records[i], w.s.Now(), func(after, before ID) ([]Verification, error) {
			return w.s.o.Store.ScanVerifications(ctx, after, before, sweepScan)
		}, func(v *Verification) (ID, bool) {
			return v.ID, w.term(v.Tenant, 0) <= w.records[i].keep
		}, func(rows []Verification) error { return w.remove(ctx, rows) })
		total += n
		if err != nil {
			return total, err
		}
	}
	return total, nil
}

// fade deletes the journal of what is older than its tenant's retention.
func (w *Sweeper) fade(ctx context.Context) (int, error) {
	total := 0
	for i := range w.journals {
		n, err := sweepLane(&w.journals[i], w.s.Now(), func(after, before ID) ([]Journal, error) {
			return w.s.o.Store.ScanJournals(ctx, after, before, sweepScan)
		}, func(j *Journal) (ID, bool) {
			return j.Verification, w.term(j.Tenant, 1) <= w.journals[i].keep
		}, func(found []Journal) error {
			return w.s.do(ctx, Step{Decide: func(_ time.Time, st *State) error {
				for _, j := range found {
					st.DropJournal(j.Verification)
				}
				return nil
			}})
		})
		total += n
		if err != nil {
			return total, err
		}
	}
	return total, nil
}

// sweepLane goes on in a lane: scan reads a page, over tells of a row whether
// its time is over, and remove deletes a chunk of those.
func sweepLane[R any](l *lane, now time.Time, scan func(after, before ID) ([]R, error), over func(*R) (ID, bool), remove func([]R) error) (total int, err error) {
	before := FirstID(now.Add(-l.keep))
	for idle := 0; idle < idlePages; {
		rows, err := scan(l.after, before)
		if err != nil || len(rows) == 0 {
			return total, err
		}
		var last ID
		var gone []R
		for i := range rows {
			id, is := over(&rows[i])
			if last = id; is {
				gone = append(gone, rows[i])
			}
		}
		for chunk := range slices.Chunk(gone, sweepChunk) {
			if err := remove(chunk); err != nil {
				return total, err
			}
			total += len(chunk)
		}
		l.after = last
		if len(gone) == 0 {
			idle++
		}
		if len(rows) < sweepScan {
			break
		}
	}
	return total, nil
}

// remove deletes verifications and the handles that lead to them.
func (w *Sweeper) remove(ctx context.Context, rows []Verification) error {
	if len(rows) == 0 {
		return nil
	}
	var load Keys
	gone := make(map[ID]bool, len(rows))
	for i := range rows {
		gone[rows[i].ID] = true
		load.Verifications = append(load.Verifications, rows[i].ID)
		names, err := w.s.names(ctx, &rows[i])
		if err != nil {
			return err
		}
		load.Handles = append(load.Handles, names...)
	}
	return w.s.do(ctx, Step{Load: load, Decide: func(_ time.Time, st *State) error {
		for id := range gone {
			st.Verifications.Delete(id)
		}
		for _, key := range load.Handles {
			if h, ok := st.Handles.Get(key); ok && gone[h.Verification] {
				st.Handles.Delete(key)
			}
		}
		return nil
	}})
}

// names returns the handles of a verification: its dialect's own, and those
// that [Service.carrierNames] tells.
func (s *Service) names(ctx context.Context, v *Verification) ([]Key, error) {
	keys, err := s.carrierNames(ctx, v)
	if v.Spec.Handle != (Key{}) {
		keys = append(keys, v.Spec.Handle)
	}
	return keys, err
}

// carrierNames returns the handles of a verification's messages, and that of a
// subject that it locked out.
func (s *Service) carrierNames(ctx context.Context, v *Verification) (keys []Key, err error) {
	events, err := s.o.Store.Events(ctx, v.ID)
	if err != nil {
		return nil, err
	}
	ring := s.Ring()
	letter, _ := v.letter(ring) // an unreadable one is retired all the same
	for i := range events {
		if events[i].Kind == EventLocked && v.Spec.Subject != "" {
			keys = append(keys, ring.lockKey(v.Tenant, v.Spec.Subject))
		}
		if _, provider, ids, ok := events[i].Carried(); ok && events[i].Kind == EventSent {
			for id := range strings.FieldsSeq(uncovered(ids, letter.To)) {
				keys = append(keys, ring.carrierKey(provider, id))
			}
		}
	}
	return keys, nil
}
