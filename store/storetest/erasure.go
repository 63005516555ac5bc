package storetest

import (
	"bytes"
	"context"
	"slices"
	"testing"
	"time"

	"github.com/aldaba-otp/aldaba/otp"
)

// erasureFacts are about what is taken away for good.
func (s *suite) erasureFacts() map[string]func(*testing.T) {
	return map[string]func(*testing.T){
		"only an erasure changes what a verification was started with": s.erased,
		"a dropped journal is gone and no other":                       s.dropJournal,
		"a scan of journals names each once within its borders":        s.scanJournals,
		"a scan of messages keeps cursor and limit":                    s.scanMessages,
	}
}

func (s *suite) erased(t *testing.T) {
	w, v := s.writer(t), fullVerification()
	v.Spec.Erased = time.Time{}
	other := fullVerification()
	put := func(v otp.Verification) {
		do(t, w, otp.Keys{Verifications: []otp.ID{v.ID}}, func(st *otp.State) { st.Verifications.Put(v.ID, v) })
	}
	fetch := func(id otp.ID) otp.Verification {
		found, err := w.Verifications(context.Background(), id)
		if err != nil || len(found) != 1 {
			t.Fatalf("got %v, %v", found, err)
		}
		return found[0]
	}
	put(v)
	put(other)
	changed := v
	changed.Attempts, changed.Spec.Subject, changed.Spec.Letter = 17, "another", nil
	put(changed)
	want := v
	want.Attempts = 17
	same(t, fetch(v.ID), want)

	erased := want
	erased.Status, erased.Ended, erased.Secret = otp.Canceled, kept(moment(40)), nil
	erased.Spec.Subject, erased.Spec.Context, erased.Spec.Letter, erased.Spec.Metadata = "", nil, nil, nil
	erased.Spec.Erased = kept(moment(41))
	put(erased)
	same(t, fetch(v.ID), erased)
	erased.Events = 99
	put(erased)
	same(t, fetch(v.ID), erased)
	same(t, fetch(other.ID), other)
}

func (s *suite) dropJournal(t *testing.T) {
	w, gone, kept := s.writer(t), newID(), newID()
	do(t, w, otp.Keys{}, func(st *otp.State) {
		for n := range 5 {
			st.Journal(fullEvent(gone, n))
		}
		st.Journal(fullEvent(kept, 1))
	})
	do(t, w, otp.Keys{}, func(st *otp.State) {
		st.DropJournal(gone)
		st.DropJournal(newID()) // that was never there
	})
	for id, want := range map[otp.ID][]otp.Event{gone: nil, kept: {fullEvent(kept, 1)}} {
		got, err := w.Events(context.Background(), id)
		if err != nil || len(got) != len(want) {
			t.Fatalf("got %v, %v, want %v", got, err, want)
		}
	}
	do(t, w, otp.Keys{}, func(st *otp.State) { // what comes in the same batch stays
		st.DropJournal(kept)
		st.Journal(fullEvent(kept, 2))
	})
	got, err := w.Events(context.Background(), kept)
	if err != nil {
		t.Fatal(err)
	}
	same(t, got, []otp.Event{fullEvent(kept, 2)})
}

func (s *suite) scanJournals(t *testing.T) {
	w, all := s.writer(t), make([]otp.Journal, 5)
	do(t, w, otp.Keys{}, func(st *otp.State) {
		for i := range all {
			all[i] = otp.Journal{Verification: newID(), Tenant: []string{"acme", "globex"}[i%2]}
			for n := range 3 {
				e := fullEvent(all[i].Verification, n)
				e.Tenant = all[i].Tenant
				st.Journal(e)
			}
		}
	})
	slices.SortFunc(all, func(a, b otp.Journal) int { return bytes.Compare(a.Verification[:], b.Verification[:]) })
	last := otp.FirstID(time.UnixMilli(1 << 47))
	for _, c := range []struct {
		after, before otp.ID
		limit         int
		want          []otp.Journal
	}{
		{otp.ID{}, last, 100, all},
		{otp.ID{}, last, 2, all[:2]},
		{all[1].Verification, last, 2, all[2:4]},
		{all[0].Verification, all[3].Verification, 100, all[1:3]},
		{all[4].Verification, last, 100, nil},
	} {
		got, err := w.ScanJournals(context.Background(), c.after, c.before, c.limit)
		if err != nil {
			t.Fatal(err)
		}
		same(t, got, c.want)
	}
}

func (s *suite) scanMessages(t *testing.T) {
	w, all := s.writer(t), make([]otp.Message, 5)
	do(t, w, otp.Keys{}, func(st *otp.State) {
		for i := range all {
			all[i] = fullMessage()
			st.Messages.Put(all[i].ID, all[i])
		}
	})
	slices.SortFunc(all, func(a, b otp.Message) int { return bytes.Compare(a.ID[:], b.ID[:]) })
	for _, c := range []struct {
		after otp.ID
		limit int
		want  []otp.Message
	}{{otp.ID{}, 100, all}, {otp.ID{}, 2, all[:2]}, {all[1].ID, 2, all[2:4]}, {all[4].ID, 9, nil}} {
		got, err := w.ScanMessages(context.Background(), c.after, c.limit)
		if err != nil {
			t.Fatal(err)
		}
		same(t, got, c.want)
	}
}
