package otp_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aldaba-otp/aldaba/otp"
	"github.com/aldaba-otp/aldaba/store/storetest/world"
)

// sham is a start at an address that has no account.
func sham(to string) otp.StartRequest {
	req := native(to)
	req.Decoy = true
	return req
}

// heard tells all that a caller may learn from an answer, without the id.
func heard(v otp.View, err error) string {
	v.ID = otp.ID{}
	return fmt.Sprintf("%+v %v", v, err)
}

// feign does what a courier does with the newest message of a decoy.
func feign(t *testing.T, w *world.World) {
	t.Helper()
	all := w.Courier.Dispatches()
	d := all[len(all)-1]
	if _, err := w.Report(t.Context(), &d, w.Feign(&d)); err != nil {
		t.Fatal(err)
	}
}

// life plays the whole life of a verification and tells what was answered.
func life(t *testing.T, req otp.StartRequest) (told []string, w *world.World) {
	t.Helper()
	w = tenants(t, legs)
	tell := func(v otp.View, err error) { told = append(told, heard(v, err)) }
	try := func(v otp.View, code string) {
		got, outcome, err := w.Check(t.Context(), guess(v, code))
		told = append(told, outcome.String()+" "+heard(got, err))
	}
	begin := func() (otp.View, error) {
		w.Clock.Advance(time.Millisecond) // ids stand in the order of their births
		return w.Start(t.Context(), req)
	}
	v, err := begin()
	tell(v, err)
	tell(resend(w, t, v)) // too early
	try(v, "wrong1")
	w.Clock.Advance(time.Minute)
	tell(resend(w, t, v))
	tell(w.Next(t.Context(), otp.NextRequest{Caller: acme, Dialect: otp.NativeDialect, Ref: otp.Ref{ID: v.ID}}))
	tell(w.Lookup(t.Context(), acme, v.ID))
	for range 4 {
		try(v, "wrong2")
	}
	try(v, "wrong3") // exhausted
	tell(w.Lookup(t.Context(), acme, v.ID))
	second, err := begin()
	tell(second, err)
	try(second, "wrong4")
	try(second, "wrong4") // delayed
	third, err := begin()
	tell(third, err)
	try(second, "wrong4") // superseded
	tell(w.Cancel(t.Context(), otp.CancelRequest{Caller: acme, Dialect: otp.NativeDialect, Ref: otp.Ref{ID: third.ID}}))
	for range 3 {
		tell(begin()) // the last one is beyond the limit
	}
	w.Clock.Advance(10 * time.Minute)
	fourth, err := begin()
	tell(fourth, err)
	w.Clock.Advance(10 * time.Minute)
	tell(w.Lookup(t.Context(), acme, fourth.ID))
	try(fourth, "wrong5")
	list, err := w.List(t.Context(), acme, req.To)
	for _, v := range list {
		tell(v, err)
	}
	return told, w
}

// TestADecoyIsAnsweredLikeAnyOther plays the same life twice and compares every
// answer.
func TestADecoyIsAnsweredLikeAnyOther(t *testing.T) {
	t.Parallel()
	want, real := life(t, native(phone))
	got, shams := life(t, sham(phone))
	if len(got) != len(want) {
		t.Fatalf("%d answers, of a decoy %d", len(want), len(got))
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("answer %d\n%s\nof a decoy\n%s", i, want[i], got[i])
		}
	}
	for i, v := range all(t, shams) {
		if !v.Spec.Decoy {
			t.Errorf("%+v is no decoy", v)
		}
		twin := all(t, real)[i]
		if a, b := journal(t, real, twin.ID), journal(t, shams, v.ID); a != b {
			t.Errorf("the journals %s and %s", a, b)
		}
		if a, b := shownTimeline(t, real, twin.ID), shownTimeline(t, shams, v.ID); a != b {
			t.Errorf("the timelines\n%s\nand\n%s", a, b)
		}
	}
	if a, b := len(real.Courier.Dispatches()), len(shams.Courier.Dispatches()); a != b || a == 0 {
		t.Errorf("%d messages were handed over, of decoys %d", a, b)
	}
	for _, d := range shams.Courier.Dispatches() {
		if text, err := shams.Render(&d); err == nil || text.Body != "" {
			t.Errorf("a decoy is rendered: %+v", text)
		}
	}
}

func shownTimeline(t *testing.T, w *world.World, id otp.ID) string {
	t.Helper()
	entries, err := w.Timeline(t.Context(), acme, id)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%+v", entries)
}

// TestNoCodeOfADecoyIsRight: not even the one that would be, were it none, nor
// one that the application gave, nor by a peek.
func TestNoCodeOfADecoyIsRight(t *testing.T) {
	t.Parallel()
	for name, own := range map[string]string{"drawn": "", "given": "123456"} {
		w := tenants(t)
		req := sham(phone)
		req.Code = own
		v, err := w.Start(t.Context(), req)
		if err != nil {
			t.Fatal(err)
		}
		row := stored(t, w, v.ID)
		code, err := w.Ring().Code(&row)
		if err != nil {
			t.Fatal(err)
		}
		peek := guess(v, code)
		peek.Peek = true
		if _, outcome, err := w.Check(t.Context(), peek); outcome != otp.OutcomeWrong || err != nil {
			t.Errorf("%s: a peek is %s, %v", name, outcome, err)
		}
		check(t, w, v, code, otp.OutcomeWrong)
	}
}

// TestDecoysBarNobody: what a stranger does at decoys of an address leaves the
// person there with all tries, and with the code that waits.
func TestDecoysBarNobody(t *testing.T) {
	t.Parallel()
	w := tenants(t, loose(otp.Profile{MaxAttempts: 10}), func(t *otp.Tenant) { t.Guessing.NoDelay = true })
	real, code := start(t, w, native(phone))
	var last otp.View
	for day := range 5 {
		for range 2 {
			v, err := w.Start(t.Context(), sham(phone))
			if err != nil {
				t.Fatalf("day %d: %v", day, err)
			}
			last = v
			for range 10 {
				_, _, _ = w.Check(t.Context(), guess(v, "wrong0"))
			}
			if real.Status == otp.Pending {
				real = check(t, w, real, code, otp.OutcomeApproved)
			}
		}
		w.Clock.Advance(24 * time.Hour)
	}
	d := destinations(t, w)[0]
	if len(d.Wrongs) != 0 || d.Run.Failures != 0 || len(d.Decoys.Wrongs) != 20 || d.Decoys.Run.Failures < 100 {
		t.Fatalf("the row is %+v", d)
	}
	// By now a decoy is locked, as a code that was sent would be, and only that.
	var e *otp.Error
	if _, err := w.Start(t.Context(), sham(phone)); !errors.As(err, &e) || e.Rule != otp.RuleLock {
		t.Errorf("one more decoy: %v", err)
	}
	if _, err := w.Lookup(t.Context(), acme, last.ID); err != nil {
		t.Error(err)
	}
	v, code := start(t, w, native(phone))
	check(t, w, v, code, otp.OutcomeApproved)
	if was, err := w.ReleaseLocks(t.Context(), "acme", phone, "ana"); err != nil || !was {
		t.Errorf("the guesses at decoys are not released: %v, %v", was, err)
	}
	if _, err := w.Start(t.Context(), sham(phone)); err != nil {
		t.Errorf("after the release: %v", err)
	}
}

// TestDecoysAreSeenByTheLimitsTogether: sends of both kinds fill one window, so
// that the answer at the border tells nothing; wrong guesses at what was sent
// bar decoys too.
func TestDecoysAreSeenByTheLimitsTogether(t *testing.T) {
	t.Parallel()
	for _, kinds := range []string{"rrrrr", "ddddd", "rdrdr"} {
		for _, last := range []otp.StartRequest{native(phone), sham(phone)} {
			w := tenants(t)
			for _, kind := range kinds {
				req := native(phone)
				req.Decoy = kind == 'd'
				if _, err := w.Start(t.Context(), req); err != nil {
					t.Fatal(err)
				}
			}
			var e *otp.Error
			if _, err := w.Start(t.Context(), last); !errors.As(err, &e) || e.Rule != otp.RuleBurst {
				t.Errorf("after %s: %v", kinds, err)
			}
		}
	}
	w := tenants(t, func(t *otp.Tenant) { t.Guessing.NoDelay = true })
	for range 4 {
		v, _ := start(t, w, native(phone))
		for range 5 {
			check(t, w, v, "wrong0", otp.OutcomeWrong)
		}
	}
	if _, err := w.Start(t.Context(), sham(phone)); otp.KindOf(err) != otp.Throttled {
		t.Errorf("a decoy at a full ledger: %v", err)
	}
}

// TestADecoyTakesThePlaceOfDecoysAlone: a code that somebody has waits on; the
// next one that is sent ends both.
func TestADecoyTakesThePlaceOfDecoysAlone(t *testing.T) {
	t.Parallel()
	w := tenants(t)
	begin := func(req otp.StartRequest) otp.View {
		v, err := w.Start(t.Context(), req)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	first, second, real, after := begin(sham(phone)), begin(sham(phone)), begin(native(phone)), begin(sham(phone))
	last := begin(native(phone))
	for i, c := range []struct {
		v    otp.View
		want otp.Status
	}{{first, otp.Superseded}, {second, otp.Superseded}, {real, otp.Superseded}, {after, otp.Pending}, {last, otp.Pending}} {
		if got := stored(t, w, c.v.ID).Status; got != c.want {
			t.Errorf("start %d is %s, want %s", i, got, c.want)
		}
	}
	if d := destinations(t, w)[0]; len(d.Live) != 1 || d.Live[0].ID != last.ID {
		t.Errorf("what lives is %+v", d.Live)
	}
}

// TestNobodyPaysForADecoy: nor does it use up the tenant's ratio of wrong guesses.
func TestNobodyPaysForADecoy(t *testing.T) {
	t.Parallel()
	w := priced(t)
	if _, err := w.Start(t.Context(), sham(phone)); err != nil {
		t.Fatal(err)
	}
	spent(t, w, 0)
	feign(t, w)
	spent(t, w, 0)
	if rows := orphans(t, w.Service); len(rows) != 0 {
		t.Errorf("its message is left: %+v", rows)
	}
	alerted := tenants(t, func(t *otp.Tenant) { t.Guessing.MinChecks = 3 })
	for range 4 {
		v, err := alerted.Start(t.Context(), sham(phone))
		if err != nil {
			t.Fatal(err)
		}
		check(t, alerted, v, "wrong0", otp.OutcomeWrong)
	}
	events, err := alerted.Store.ScanEvents(t.Context(), "acme", []otp.EventKind{otp.EventAlert}, otp.ID{}, otp.FirstID(alerted.Clock.Now().AddDate(1, 0, 0)), 10)
	if err != nil || len(events) != 0 {
		t.Errorf("decoys raise an alert: %+v, %v", events, err)
	}
}

// uniform makes the default profile uniform and lets the tenant send to few.
func uniform(change func(*otp.Tenant)) func(*otp.Tenant) {
	return func(t *otp.Tenant) {
		t.Profiles = []otp.Profile{{Name: "default", Uniform: true}}
		if change != nil {
			change(t)
		}
	}
}

// TestAUniformProfileHidesRefusals: what would tell something of the address is
// answered like a success, and the operator finds the rule.
func TestAUniformProfileHidesRefusals(t *testing.T) {
	t.Parallel()
	home := uniform(func(t *otp.Tenant) { t.Countries = nil })
	for name, c := range map[string]struct {
		world  *world.World
		to     string
		before int // starts
		rule   string
	}{
		"country": {tenants(t, home), "+18091234567", 0, "country"},
		"route":   {world.New(t, world.Options{NoInbox: true, Tenants: []otp.Tenant{{Name: "acme", Countries: []string{"*"}, Profiles: []otp.Profile{{Name: "default", Uniform: true}}}}}), phone, 0, "route"},
		"sends":   {tenants(t, uniform(nil)), phone, 5, otp.RuleBurst},
	} {
		w := c.world
		for range c.before {
			start(t, w, native(c.to))
		}
		v, err := w.Start(t.Context(), native(c.to))
		if err != nil || v.Status != otp.Pending || v.Sends != 1 || v.AttemptsLeft != 5 {
			t.Errorf("%s: %+v, %v", name, v, err)
			continue
		}
		traced, err := w.Trace(t.Context(), v.ID)
		if err != nil || !traced.Verification.Spec.Decoy || !strings.HasSuffix(traced.Events[0].Detail, otp.DecoyMark+" "+c.rule) {
			t.Errorf("%s: the operator sees %+v, %v", name, traced.Events, err)
		}
		if shown := shownTimeline(t, w, v.ID); strings.Contains(shown, c.rule) || strings.Contains(shown, "decoy") {
			t.Errorf("%s: the timeline tells %s", name, shown)
		}
		if sends := len(destinations(t, w)[0].Sends); sends != max(c.before, 1) {
			t.Errorf("%s: %d sends count", name, sends)
		}
		vendorReq := vendor(c.to)
		if _, err := w.Start(t.Context(), vendorReq); err == nil {
			t.Errorf("%s: another dialect hides it too", name)
		}
	}
}

// TestAUniformProfileTellsOtherFaults: what says nothing of the address stays a
// refusal.
func TestAUniformProfileTellsOtherFaults(t *testing.T) {
	t.Parallel()
	w := tenants(t, uniform(func(t *otp.Tenant) { t.Countries = nil }))
	broke := native("+18091234567")
	broke.Caller.NoCredit = true
	short := native("+18091234567")
	short.Asked.Length = 3
	for name, c := range map[string]struct {
		req  otp.StartRequest
		want otp.Kind
	}{
		"no address":   {native("12"), otp.Invalid},
		"no balance":   {broke, otp.NoCredit},
		"a short code": {short, otp.Invalid},
	} {
		if _, err := w.Start(t.Context(), c.req); otp.KindOf(err) != c.want || err == nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestWhoGoesOnAskingClosesNothing: beyond the limit of a uniform profile,
// decoys do not count, so that the address is open again when its window is over.
func TestWhoGoesOnAskingClosesNothing(t *testing.T) {
	t.Parallel()
	w := tenants(t, uniform(nil))
	real := 0
	for range 30 {
		v, err := w.Start(t.Context(), native(phone))
		if err != nil {
			t.Fatal(err)
		}
		if !stored(t, w, v.ID).Spec.Decoy {
			real++
		}
		w.Clock.Advance(30 * time.Second)
	}
	if real != 10 { // five at once, five after ten minutes
		t.Errorf("%d messages in 15 minutes", real)
	}
}
