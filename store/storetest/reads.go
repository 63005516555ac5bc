package storetest

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aldaba-otp/aldaba/otp"
	"github.com/aldaba-otp/aldaba/store"
)

// readFacts are about what is read outside of steps.
func (s *suite) readFacts() map[string]func(*testing.T) {
	return map[string]func(*testing.T){
		"verifications come in the order asked, missing ones left out": s.asked,
		"single records are found":                                     s.single,
		"events come in order and the first of a number stays":         s.events,
		"a message that another server has written stops no step":      s.messageTwice,
		"a scan of verifications keeps borders and limit":              s.scanVerifications,
		"a scan of destinations keeps cursor and limit":                s.scanDestinations,
		"a scan of contacts sees one tenant":                           s.scanContacts,
		"a scan of counters sees those that hold a tally":              s.scanCounters,
		"a scan of events sees some kinds of one tenant":               s.scanEvents,
		"a scan of replays sees only expired ones":                     s.scanReplays,
		"documents have one version and a stale write is refused":      s.documents,
		"the operators' journal has no gaps":                           s.auditRace,
		"of 16 writers of one version exactly one wins":                s.documentRace,
		"a read with a context that is over ends":                      s.canceledRead,
	}
}

func (s *suite) asked(t *testing.T) {
	w, a, b, c := s.writer(t), fullVerification(), fullVerification(), fullVerification()
	do(t, w, otp.Keys{}, func(s *otp.State) {
		for _, v := range []otp.Verification{a, b, c} {
			s.Verifications.Put(v.ID, v)
		}
	})
	got, err := w.Verifications(context.Background(), c.ID, newID(), a.ID, b.ID, a.ID)
	if err != nil {
		t.Fatal(err)
	}
	same(t, got, []otp.Verification{c, a, b, a})
}

func (s *suite) single(t *testing.T) {
	w, x, ctx := s.writer(t), fullSet(), context.Background()
	do(t, w, otp.Keys{}, x.put)
	d, ok, err := w.Destination(ctx, x.Destination.Key)
	if !ok || err != nil {
		t.Fatalf("destination: %v, %v", ok, err)
	}
	same(t, d, x.Destination)
	c, ok, err := w.Contact(ctx, x.Contact.Key)
	if !ok || err != nil {
		t.Fatalf("contact: %v, %v", ok, err)
	}
	same(t, c, x.Contact)
	h, ok, err := w.Handle(ctx, x.Handle.Key)
	if !ok || err != nil {
		t.Fatalf("handle: %v, %v", ok, err)
	}
	same(t, h, x.Handle)
	left, err := w.Orphans(ctx, newID(), 2)
	if err != nil {
		t.Fatalf("orphans: %v", err)
	}
	same(t, left, []otp.Message{x.Message})
	if err := w.Ping(ctx); err != nil {
		t.Fatalf("ping: %v", err)
	}
}

func (s *suite) events(t *testing.T) {
	w, id := s.writer(t), newID()
	first, twice := fullEvent(id, 1), fullEvent(id, 1)
	twice.Kind = otp.EventVoid
	for _, list := range [][]otp.Event{{fullEvent(id, 10), first, twice}, {twice, fullEvent(id, 9)}, {fullEvent(newID(), 1)}} {
		do(t, w, otp.Keys{}, func(s *otp.State) {
			for _, e := range list {
				s.Journal(e)
			}
		})
	}
	got, err := w.Events(context.Background(), id)
	if err != nil {
		t.Fatal(err)
	}
	same(t, got, []otp.Event{first, fullEvent(id, 9), fullEvent(id, 10)})
}

// messageTwice has notices of one event by two servers: their ids are made of it.
func (s *suite) messageTwice(t *testing.T) {
	w, first, last := s.writer(t), fullMessage(), fullVerification()
	for range 3 {
		other := first
		other.Owner, last.ID = newID(), newID()
		do(t, w, otp.Keys{}, func(s *otp.State) {
			s.Messages.Put(first.ID, other)
			s.Verifications.Put(last.ID, last)
		})
		found, err := w.Verifications(context.Background(), last.ID)
		if err != nil || len(found) != 1 {
			t.Errorf("beside it are %d verifications, %v", len(found), err)
		}
	}
	found, err := w.ScanMessages(context.Background(), otp.ID{}, 100)
	if err != nil || len(found) != 1 || found[0].ID != first.ID {
		t.Errorf("found %v, %v", found, err)
	}
}

func (s *suite) scanVerifications(t *testing.T) {
	w, ctx := s.writer(t), context.Background()
	all := make([]otp.Verification, 6)
	do(t, w, otp.Keys{}, func(s *otp.State) {
		for i := range all {
			all[i] = fullVerification()
			s.Verifications.Put(all[i].ID, all[i])
		}
	})
	slices.SortFunc(all, func(a, b otp.Verification) int { return bytes.Compare(a.ID[:], b.ID[:]) })
	end := otp.FirstID(time.Date(9000, 1, 1, 0, 0, 0, 0, time.UTC))
	for _, c := range []struct {
		after, before otp.ID
		limit         int
		want          []otp.Verification
	}{
		{otp.ID{}, end, 100, all},
		{otp.ID{}, end, 2, all[:2]},
		{all[1].ID, end, 2, all[2:4]},
		{all[1].ID, all[4].ID, 100, all[2:4]},
		{all[5].ID, end, 100, nil},
		{otp.ID{}, all[0].ID, 100, nil},
	} {
		got, err := w.ScanVerifications(ctx, c.after, c.before, c.limit)
		if err != nil {
			t.Fatal(err)
		}
		same(t, got, c.want)
	}
}

func (s *suite) scanDestinations(t *testing.T) {
	w, ctx := s.writer(t), context.Background()
	all := make([]otp.Destination, 5)
	do(t, w, otp.Keys{}, func(s *otp.State) {
		for i := range all {
			all[i] = fullDestination()
			s.Destinations.Put(all[i].Key, all[i])
		}
	})
	slices.SortFunc(all, func(a, b otp.Destination) int { return bytes.Compare(a.Key[:], b.Key[:]) })
	for _, c := range []struct {
		after otp.Key
		limit int
		want  []otp.Destination
	}{{otp.Key{}, 100, all}, {otp.Key{}, 2, all[:2]}, {all[1].Key, 2, all[2:4]}, {all[4].Key, 2, nil}} {
		got, err := w.ScanDestinations(ctx, c.after, c.limit)
		if err != nil {
			t.Fatal(err)
		}
		same(t, got, c.want)
	}
}

func (s *suite) scanContacts(t *testing.T) {
	w, ctx := s.writer(t), context.Background()
	all := make([]otp.Contact, 5)
	do(t, w, otp.Keys{}, func(s *otp.State) {
		for i := range all {
			all[i] = fullContact()
			s.Contacts.Put(all[i].Key, all[i])
		}
		other := fullContact()
		other.Tenant = "acm"
		s.Contacts.Put(other.Key, other)
	})
	slices.SortFunc(all, func(a, b otp.Contact) int { return bytes.Compare(a.Key[:], b.Key[:]) })
	for _, c := range []struct {
		tenant string
		after  otp.Key
		limit  int
		want   []otp.Contact
	}{{"acme", otp.Key{}, 100, all}, {"acme", all[0].Key, 2, all[1:3]}, {"acme", all[4].Key, 2, nil}, {"acmee", otp.Key{}, 9, nil}} {
		got, err := w.ScanContacts(ctx, c.tenant, c.after, c.limit)
		if err != nil {
			t.Fatal(err)
		}
		same(t, got, c.want)
	}
}

func (s *suite) scanCounters(t *testing.T) {
	w, ctx := s.writer(t), context.Background()
	all := make([]otp.Counter, 4)
	do(t, w, otp.Keys{}, func(s *otp.State) {
		for i := range all {
			all[i] = fullCounter()
			s.Counters.Put(all[i].Key, all[i])
		}
		plain := otp.Counter{Key: newKey(), Value: 7}
		s.Counters.Put(plain.Key, plain)
	})
	slices.SortFunc(all, func(a, b otp.Counter) int { return bytes.Compare(a.Key[:], b.Key[:]) })
	for _, c := range []struct {
		after otp.Key
		limit int
		want  []otp.Counter
	}{{otp.Key{}, 100, all}, {all[0].Key, 2, all[1:3]}, {all[3].Key, 2, nil}} {
		got, err := w.ScanCounters(ctx, c.after, c.limit)
		if err != nil {
			t.Fatal(err)
		}
		same(t, got, c.want)
	}
}

func (s *suite) scanEvents(t *testing.T) {
	w, ctx := s.writer(t), context.Background()
	var want []otp.Event
	first, last := otp.FirstID(moment(0)), otp.FirstID(moment(100))
	do(t, w, otp.Keys{}, func(s *otp.State) {
		want = nil
		for i := range 6 {
			id := otp.FirstID(moment(10 + i))
			for n, kind := range []otp.EventKind{otp.EventRefused, otp.EventWrong, otp.EventAlert} {
				e := fullEvent(id, n)
				e.Kind = kind
				if i == 5 {
					e.Tenant = "other"
				} else if kind != otp.EventWrong {
					want = append(want, e)
				}
				s.Journal(e)
			}
		}
	})
	kinds := []otp.EventKind{otp.EventRefused, otp.EventAlert}
	for _, c := range []struct {
		after, before otp.ID
		limit         int
		want          []otp.Event
	}{{first, last, 100, want}, {first, last, 3, want[:3]}, {want[1].Verification, want[6].Verification, 100, want[2:6]}, {last, last, 9, nil}} {
		got, err := w.ScanEvents(ctx, "acme", kinds, c.after, c.before, c.limit)
		if err != nil {
			t.Fatal(err)
		}
		same(t, got, c.want)
	}
}

func (s *suite) scanReplays(t *testing.T) {
	w, ctx := s.writer(t), context.Background()
	all := make([]otp.Replay, 5)
	do(t, w, otp.Keys{}, func(s *otp.State) {
		for i := range all {
			all[i] = fullReplay()
			all[i].Expires = kept(moment(i))
			s.Replays.Put(all[i].Key, all[i])
		}
	})
	got, err := w.ScanReplays(ctx, kept(moment(3)), 100)
	if err != nil {
		t.Fatal(err)
	}
	var want []otp.Key
	for _, r := range all {
		if r.Expires.Before(kept(moment(3))) {
			want = append(want, r.Key)
		}
	}
	order := func(a, b otp.Key) int { return bytes.Compare(a[:], b[:]) }
	slices.SortFunc(got, order)
	slices.SortFunc(want, order)
	same(t, got, want)
	if got, err := w.ScanReplays(ctx, moment(50), 2); len(got) != 2 || err != nil {
		t.Fatalf("limit 2: %v, %v", got, err)
	}
}

func (s *suite) documents(t *testing.T) {
	w, ctx := s.writer(t), context.Background()
	doc := func(name, body string) store.Document {
		return store.Document{Kind: "tenant", Name: name, Body: []byte(body)}
	}
	write := func(read int64, docs ...store.Document) int64 {
		t.Helper()
		v, err := w.WriteDocuments(ctx, read, docs)
		if err != nil || v <= read {
			t.Fatalf("version %d after %d, error %v", v, read, err)
		}
		if now, err := w.DocumentsVersion(ctx); now != v || err != nil {
			t.Fatalf("version %d, want %d, error %v", now, v, err)
		}
		return v
	}
	if v, err := w.DocumentsVersion(ctx); v != 0 || err != nil {
		t.Fatalf("version %d, error %v", v, err)
	}
	first := write(0, doc("acme", "1"), doc("globex", "2"), store.Document{Kind: "provider", Name: "acme", Body: []byte("3")})
	if _, err := w.WriteDocuments(ctx, 0, []store.Document{doc("acme", "lost")}); !errors.Is(err, store.ErrStale) {
		t.Fatalf("a stale write: %v", err)
	}
	second := write(first, doc("acme", "4"), store.Document{Kind: "tenant", Name: "globex"}, store.Document{Kind: "tenant", Name: "unknown"})
	docs, v, err := w.ReadDocuments(ctx)
	if err != nil || v != second {
		t.Fatalf("version %d, error %v", v, err)
	}
	slices.SortFunc(docs, func(a, b store.Document) int { return bytes.Compare([]byte(a.Kind), []byte(b.Kind)) })
	same(t, docs, []store.Document{{Kind: "provider", Name: "acme", Body: []byte("3")}, doc("acme", "4")})
}

func (s *suite) documentRace(t *testing.T) {
	servers := s.pair(t)
	var wins atomic.Int64
	crowd(t, servers, 16, func(i int, w *store.Writer) error {
		_, err := w.WriteDocuments(context.Background(), 0, []store.Document{{Kind: "tenant", Name: "acme", Body: []byte{byte(i)}}})
		switch {
		case err == nil:
			wins.Add(1)
		case errors.Is(err, store.ErrStale):
			return nil
		}
		return err
	})
	same(t, wins.Load(), int64(1))
}

// auditRace adds to the operators' journal from both servers at once: each
// entry has a number of its own and none is left out.
func (s *suite) auditRace(t *testing.T) {
	servers, ctx := s.pair(t), context.Background()
	last := func(want int) {
		if n, err := servers[1].LastAudit(ctx); err != nil || n != int64(want) {
			t.Errorf("the newest entry is %d, error %v, want %d", n, err, want)
		}
	}
	last(0)
	var numbers [16]atomic.Int64
	crowd(t, servers, len(numbers), func(i int, w *store.Writer) error {
		n, err := w.AddAudit(ctx, []byte{byte(i)})
		numbers[i].Store(n)
		return err
	})
	last(len(numbers))
	all, err := servers[1].ReadAudit(ctx, 0, 100)
	if err != nil || len(all) != len(numbers) {
		t.Fatalf("%d entries, error %v", len(all), err)
	}
	for i, entry := range all {
		if entry.N != int64(i+1) || len(entry.Body) != 1 || numbers[entry.Body[0]].Load() != entry.N {
			t.Errorf("entry %d has the number %d and the body %x", i, entry.N, entry.Body)
		}
	}
	for after, want := range map[int64]int{-1: 5, 0: 5, 14: 2, 16: 0, 99: 0} {
		page, err := servers[0].ReadAudit(ctx, after, 5)
		if err != nil || len(page) != want || want > 0 && page[0].N != max(after, 0)+1 {
			t.Errorf("%d entries after %d, error %v", len(page), after, err)
		}
	}
}

func (s *suite) canceledRead(t *testing.T) {
	w := s.writer(t)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := w.Verifications(ctx, newID()); !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v", err)
	}
}
