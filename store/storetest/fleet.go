package storetest

import (
	"bytes"
	"context"
	"slices"
	"testing"

	"github.com/aldaba-otp/aldaba/otp"
	"github.com/aldaba-otp/aldaba/store"
)

// fleetFacts are about servers that share a database, or follow one another.
func (s *suite) fleetFacts() map[string]func(*testing.T) {
	return map[string]func(*testing.T){
		"own messages are never orphans, those of the dead are": s.orphans,
		"a server that beat is alive until it leaves":           s.beat,
	}
}

// outbox puts one message of each owner and returns their IDs.
func outbox(t *testing.T, w otp.Store, owners ...otp.ID) (ids []otp.ID) {
	t.Helper()
	for _, owner := range owners {
		m := fullMessage()
		m.Owner = owner
		ids = append(ids, m.ID)
		do(t, w, otp.Keys{}, func(s *otp.State) { s.Messages.Put(m.ID, m) })
	}
	return ids
}

func orphans(t *testing.T, w *store.Writer, self otp.ID, limit int) (ids []otp.ID) {
	t.Helper()
	found, err := w.Orphans(context.Background(), self, limit)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range found {
		ids = append(ids, m.ID)
	}
	return ordered(ids...)
}

func ordered(ids ...otp.ID) []otp.ID {
	slices.SortFunc(ids, func(a, b otp.ID) int { return bytes.Compare(a[:], b[:]) })
	return ids
}

func (s *suite) orphans(t *testing.T) {
	w, self, dead := s.writer(t), newID(), newID()
	ids := outbox(t, w, self, dead, dead, self)
	left := ordered(ids[1], ids[2])
	same(t, orphans(t, w, self, 100), left)
	same(t, len(orphans(t, w, self, 1)), 1)
	if err := w.Beat(context.Background(), self); err != nil {
		t.Fatal(err)
	}
	isAlone(t, w, self, true)
	if err := w.Leave(context.Background(), self); err != nil {
		t.Fatal(err)
	}
	same(t, orphans(t, w, self, 100), left)               // still its own
	same(t, orphans(t, w, newID(), 100), ordered(ids...)) // its successor takes over
}

func (s *suite) beat(t *testing.T) {
	if s.opts.Second == nil {
		t.Skip("the engine has its database for itself, so every other server is dead")
	}
	servers, ctx, self, other := s.pair(t), context.Background(), newID(), newID()
	for i, id := range []otp.ID{self, other} {
		isAlone(t, servers[0], self, true)
		if err := servers[i].Beat(ctx, id); err != nil {
			t.Fatal(err)
		}
	}
	isAlone(t, servers[0], self, false)
	isAlone(t, servers[1], other, false)
	ids := outbox(t, servers[1], other)
	same(t, orphans(t, servers[0], self, 100), []otp.ID(nil))
	if err := servers[1].Beat(ctx, other); err != nil { // again is no error
		t.Fatal(err)
	}
	if err := servers[1].Leave(ctx, other); err != nil {
		t.Fatal(err)
	}
	same(t, orphans(t, servers[0], self, 100), ids)
	isAlone(t, servers[0], self, true)
}

func isAlone(t *testing.T, w *store.Writer, self otp.ID, want bool) {
	t.Helper()
	alone, err := w.Alone(context.Background(), self)
	if err != nil {
		t.Fatal(err)
	}
	same(t, alone, want)
}
