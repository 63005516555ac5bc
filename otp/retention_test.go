package otp_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/aldaba-otp/aldaba/otp"
	"github.com/aldaba-otp/aldaba/store/storetest/world"
)

const oneDay = 24 * time.Hour

func TestRetentionHasBounds(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		records, journal time.Duration
		fault            string
	}{
		{0, 0, ""},
		{oneDay, 0, ""},
		{oneDay - 1, 0, ".retention"},
		{90 * oneDay, 0, ""},
		{90*oneDay + 1, 0, ".retention"},
		{0, 30 * oneDay, ""},
		{oneDay, 30*oneDay - 1, ".journal_retention"},
		{0, 730 * oneDay, ""},
		{0, 730*oneDay + 1, ".journal_retention"},
		{60 * oneDay, 60 * oneDay, ""},
		{60 * oneDay, 60*oneDay - 1, ".journal_retention"}, // the names of a verification's messages stand in its journal
		{-1, 0, ".retention"},
	} {
		_, err := otp.NewDirectory([]otp.Tenant{{Name: "acme", Retention: c.records, Journal: c.journal}}, nil)
		var faults otp.Mistakes
		errors.As(err, &faults)
		switch {
		case c.fault == "" && err != nil:
			t.Errorf("%s and %s: %v", c.records, c.journal, err)
		case c.fault != "" && (len(faults) != 1 || faults[0].Path != "tenants[0]"+c.fault):
			t.Errorf("%s and %s: %v, want a fault of %s", c.records, c.journal, err, c.fault)
		}
	}
}

// kept tells which of the tenants have verifications, and which a journal.
func kept(t *testing.T, w *world.World, ids map[string]otp.ID) (records, journals []string) {
	t.Helper()
	for tenant, id := range ids {
		if found, err := w.Store.Verifications(t.Context(), id); err != nil {
			t.Fatal(err)
		} else if len(found) > 0 {
			records = append(records, tenant)
		}
		if events, err := w.Store.Events(t.Context(), id); err != nil {
			t.Fatal(err)
		} else if len(events) > 0 {
			journals = append(journals, tenant)
		}
	}
	slices.Sort(records)
	slices.Sort(journals)
	return records, journals
}

// TestRetentionOfEachTenant walks through two years, at each bound and a moment
// before it.
func TestRetentionOfEachTenant(t *testing.T) {
	t.Parallel()
	all := []otp.Tenant{
		{Name: "brief", Retention: oneDay, Journal: 30 * oneDay},
		{Name: "long", Retention: 90 * oneDay, Journal: 730 * oneDay},
		{Name: "usual"},
	}
	for i := range all {
		all[i].Countries = []string{"*"}
	}
	w := world.New(t, world.Options{Tenants: all})
	ids := map[string]otp.ID{}
	for i := range all {
		req := native(phone)
		req.Caller = otp.Caller{Tenant: all[i].Name}
		v, err := w.Start(t.Context(), req)
		if err != nil {
			t.Fatal(err)
		}
		ids[all[i].Name] = v.ID
	}
	s, born := w.NewSweeper(), w.Clock.Now()
	everybody := []string{"brief", "long", "usual"}
	for _, c := range []struct {
		age               time.Duration
		records, journals []string
	}{
		{oneDay, everybody, everybody},
		{oneDay + time.Millisecond, everybody[1:], everybody},
		{30 * oneDay, everybody[1:], everybody},
		{30*oneDay + time.Millisecond, everybody[1:2], everybody[1:]},
		{90 * oneDay, everybody[1:2], everybody[1:]},
		{90*oneDay + time.Millisecond, nil, everybody[1:]},
		{365 * oneDay, nil, everybody[1:]},
		{365*oneDay + time.Millisecond, nil, everybody[1:2]},
		{730 * oneDay, nil, everybody[1:2]},
		{730*oneDay + time.Millisecond, nil, nil},
	} {
		w.Clock.Advance(born.Add(c.age).Sub(w.Clock.Now()))
		sweep(t, s)
		if records, journals := kept(t, w, ids); !slices.Equal(records, c.records) || !slices.Equal(journals, c.journals) {
			t.Errorf("after %s: verifications of %v, journals of %v; want %v, %v", c.age, records, journals, c.records, c.journals)
		}
	}
}

// An address is found by its row, which must outlive its verifications; and a
// short retention must not forget limits early.
func TestDestinationsOutliveTheirVerifications(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ records, row time.Duration }{{oneDay, 30 * oneDay}, {90 * oneDay, 90 * oneDay}} {
		w := tenants(t, func(t *otp.Tenant) { t.Retention = c.records })
		start(t, w, native(phone))
		w.Clock.Advance(c.row)
		s := w.NewSweeper()
		sweep(t, s)
		if n := len(destinations(t, w)); n != 1 {
			t.Errorf("%s: after %s there are %d destinations", c.records, c.row, n)
		}
		w.Clock.Advance(time.Millisecond)
		sweep(t, s)
		if n := len(destinations(t, w)) + len(all(t, w)); n != 0 {
			t.Errorf("%s: after more than %s %d records are left", c.records, c.row, n)
		}
	}
}

// A tenant that moves to a shorter retention is swept although the lane of that
// length is past its rows, and one that is not configured any more has the default.
func TestRetentionThatChanges(t *testing.T) {
	t.Parallel()
	w := tenants(t, func(t *otp.Tenant) { t.Retention = 90 * oneDay })
	v, _ := start(t, w, native(phone))
	s := w.NewSweeper()
	w.Clock.Advance(31 * oneDay)
	sweep(t, s)
	ids := map[string]otp.ID{"acme": v.ID}
	if records, _ := kept(t, w, ids); len(records) != 1 {
		t.Fatal("it went too early")
	}
	w.Configure(t, []otp.Tenant{{Name: "globex", Countries: []string{"*"}}})
	sweep(t, s)
	if records, journals := kept(t, w, ids); len(records) != 0 || len(journals) != 1 {
		t.Errorf("without its tenant: %v, %v", records, journals)
	}
}

// Refused starts are journaled under names of their own, and those go too; the
// sweep of many takes several pages and steps.
func TestJournalsOfRefusalsGo(t *testing.T) {
	t.Parallel()
	w := tenants(t)
	const many = 1100
	for i := range many {
		e := otp.Event{Verification: otp.FirstID(w.Clock.Now()), Tenant: "acme", At: w.Clock.Now(), Kind: otp.EventRefused}
		copy(e.Verification[10:], fmt.Sprintf("%06d", i))
		err := w.Store.Do(t.Context(), otp.Step{Decide: func(_ time.Time, st *otp.State) error {
			st.Journal(e)
			return nil
		}})
		if err != nil {
			t.Fatal(err)
		}
	}
	s := w.NewSweeper()
	w.Clock.Advance(365 * oneDay)
	if n := sweep(t, s); n != 0 {
		t.Errorf("%d went early", n)
	}
	w.Clock.Advance(time.Second)
	if n := sweep(t, s); n != many {
		t.Errorf("%d went, want %d", n, many)
	}
	if n := sweep(t, s); n != 0 {
		t.Errorf("%d went twice", n)
	}
}
