package otp_test

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aldaba-otp/aldaba/otp"
	"github.com/aldaba-otp/aldaba/store"
	"github.com/aldaba-otp/aldaba/store/memory"
	"github.com/aldaba-otp/aldaba/store/storetest/world"
)

const (
	phone = "+584121234567"
	mail  = "ana@example.com"
)

var (
	acme   = otp.Caller{Tenant: "acme", Identity: "key 1"}
	globex = otp.Caller{Tenant: "globex", Identity: "key 2"}
)

// tenants is a core with one tenant "acme" as changed, and "globex" beside it.
func tenants(t testing.TB, change ...func(*otp.Tenant)) *world.World {
	t.Helper()
	all := []otp.Tenant{{Name: "acme", Countries: []string{"*"}, Home: "VE"}, {Name: "globex", Countries: []string{"*"}}}
	for _, f := range change {
		f(&all[0])
	}
	return world.New(t, world.Options{Tenants: all})
}

// loose gives the default profile what a test wants under the compatible policy.
func loose(p otp.Profile) func(*otp.Tenant) {
	p.Name, p.Policy = "default", otp.Compatible
	return func(t *otp.Tenant) { t.Profiles = []otp.Profile{p} }
}

// native is a start as the native API makes it.
func native(to string) otp.StartRequest {
	return otp.StartRequest{Caller: acme, Dialect: otp.NativeDialect, To: to, Replace: otp.ReplacePurpose}
}

// vendor is a start of a dialect in which each verification lives on.
func vendor(to string) otp.StartRequest {
	return otp.StartRequest{Caller: acme, Dialect: "modica", To: to}
}

func start(t testing.TB, w *world.World, req otp.StartRequest) (otp.View, string) {
	t.Helper()
	v, err := w.Start(t.Context(), req)
	if err != nil {
		t.Fatalf("start: %v", err)
	}
	return v, w.Courier.Last(t).Code
}

func guess(v otp.View, code string) otp.CheckRequest {
	return otp.CheckRequest{Caller: acme, Dialect: v.Dialect, Ref: otp.Ref{ID: v.ID}, Code: code}
}

// check judges a code and expects an outcome.
func check(t testing.TB, w *world.World, v otp.View, code string, want otp.Outcome) otp.View {
	t.Helper()
	got, outcome, err := w.Check(t.Context(), guess(v, code))
	if outcome != want || (err != nil) != (want == otp.OutcomeThrottled) {
		t.Fatalf("check: got %s, %v; want %s", outcome, err, want)
	}
	return got
}

// stored reads a verification as the store holds it.
func stored(t testing.TB, w *world.World, id otp.ID) otp.Verification {
	t.Helper()
	found, err := w.Store.Verifications(t.Context(), id)
	if err != nil || len(found) != 1 {
		t.Fatalf("read %s: %v, %v", id, found, err)
	}
	return found[0]
}

func all(t testing.TB, w *world.World) []otp.Verification {
	t.Helper()
	rows, err := w.Store.ScanVerifications(t.Context(), otp.ID{}, otp.FirstID(time.Now().AddDate(100, 0, 0)), 100_000)
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

func destinations(t testing.TB, w *world.World) []otp.Destination {
	t.Helper()
	rows, err := w.Store.ScanDestinations(t.Context(), otp.Key{}, 100_000)
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

// journal tells the events of a verification as "0 started, 10 approved".
func journal(t testing.TB, w *world.World, id otp.ID) string {
	t.Helper()
	events, err := w.Store.Events(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	var words []string
	for _, e := range events {
		words = append(words, string(rune('a'+e.N))+" "+string(e.Kind))
	}
	return strings.Join(words, ", ")
}

// want compares an error's kind, rule and wait.
func want(t testing.TB, err error, kind otp.Kind, rule string, wait time.Duration) {
	t.Helper()
	var e *otp.Error
	if !errors.As(err, &e) || e.Kind != kind || e.Rule != rule || e.RetryAfter != wait {
		t.Fatalf("got %#v; want %s, rule %q, wait %s", err, kind, rule, wait)
	}
}

// change changes the only destination that there is.
func change(t testing.TB, w *world.World, f func(*otp.Destination)) {
	t.Helper()
	key := destinations(t, w)[0].Key
	err := w.Store.Do(t.Context(), otp.Step{Load: otp.Keys{Destinations: []otp.Key{key}}, Decide: func(_ time.Time, st *otp.State) error {
		d, _ := st.Destinations.Get(key)
		f(&d)
		st.Destinations.Put(key, d)
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
}

// forget ends the wrong guesses in a row and leaves those of the ledger.
func forget(t testing.TB, w *world.World) {
	t.Helper()
	change(t, w, func(d *otp.Destination) { d.Run, d.Own = otp.Run{}, otp.Run{} })
}

func statuses(rows []otp.Verification) []otp.Status {
	var list []otp.Status
	for i := range rows {
		list = append(list, rows[i].Status)
	}
	slices.Sort(list)
	return list
}

// kind is the kind of an error, and an impossible one of none.
func kind(err error) otp.Kind {
	if err == nil {
		return otp.Kind(99)
	}
	return otp.KindOf(err)
}

// down takes the store away or brings it back.
func down(w *world.World, gone bool) {
	trouble := memory.Trouble{}
	if gone {
		trouble.Begin = &store.Failure{Class: store.Down, Cause: errors.New("no route to the store")}
	}
	w.Engine.FailWith(trouble)
}

func itoa(n int64) string { return strconv.FormatInt(n, 10) }

func notCommitted(context.Context) (bool, error) { return false, nil }
