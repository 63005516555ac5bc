package otp_test

import (
	"reflect"
	"sync"
	"testing"
	"time"

	"github.com/aldaba-otp/aldaba/otp"
)

// fetched is a start as a dialect with a window of 2 s makes it.
func fetched(to string) otp.StartRequest {
	req := vendor(to)
	req.Retry = otp.Retry{Method: "GET", Target: "/send?to=" + to, Window: 2 * time.Second}
	return req
}

// counted is a start of a client library that counts its tries.
func counted(to string, attempt int) otp.StartRequest {
	req := vendor(to)
	req.Retry = otp.Retry{Method: "POST", Target: "/send", Body: []byte(`{"to":"` + to + `"}`), Attempt: attempt}
	return req
}

func window(d time.Duration) func(*otp.Tenant) {
	return loose(otp.Profile{RepeatWindow: d})
}

func TestAnEqualStartWithinTheWindowIsTheSame(t *testing.T) {
	t.Parallel()
	get := fetched(phone)
	plain := fetched(phone)
	plain.Retry.Window = 0
	changed := func(f func(*otp.StartRequest)) otp.StartRequest {
		req := fetched(phone)
		f(&req)
		return req
	}
	keyed := func(key string) otp.StartRequest {
		return changed(func(r *otp.StartRequest) {
			r.Repeat = &otp.Repeat{Key: key, Answer: func(otp.View, otp.Outcome) []byte { return nil }}
		})
	}
	for name, c := range map[string]struct {
		profile       time.Duration
		first, second otp.StartRequest
		after         time.Duration
		same          bool
	}{
		"at once":                       {0, get, get, 0, true},
		"just within":                   {0, get, get, 2*time.Second - time.Microsecond, true},
		"at the border":                 {0, get, get, 2 * time.Second, false},
		"no window":                     {0, plain, plain, 0, false},
		"nothing known of the request":  {0, vendor(phone), vendor(phone), 0, false},
		"the profile says more":         {5 * time.Second, get, get, 5*time.Second - time.Microsecond, true},
		"the profile's border":          {5 * time.Second, get, get, 5 * time.Second, false},
		"the profile says less":         {time.Second, get, get, time.Second, false},
		"the profile for any dialect":   {5 * time.Second, plain, plain, time.Second, true},
		"the profile forbids it":        {-1, get, get, 0, false},
		"the profile forbids retries":   {-1, counted(phone, 1), counted(phone, 2), 0, false},
		"a library's retry":             {0, counted(phone, 1), counted(phone, 2), 10*time.Second - time.Microsecond, true},
		"a retry at the border":         {0, counted(phone, 1), counted(phone, 2), 10 * time.Second, false},
		"a third try":                   {0, counted(phone, 1), counted(phone, 3), time.Second, true},
		"a first try again":             {0, counted(phone, 1), counted(phone, 1), 0, false},
		"a retry of what did not count": {0, counted(phone, 0), counted(phone, 2), 0, false},
		"a retry in a longer window":    {20 * time.Second, counted(phone, 1), counted(phone, 2), 19 * time.Second, true},
		"another body":                  {0, get, changed(func(r *otp.StartRequest) { r.Retry.Body = []byte("x") }), 0, false},
		"another target":                {0, get, changed(func(r *otp.StartRequest) { r.Retry.Target += "&x" }), 0, false},
		"another method":                {0, get, changed(func(r *otp.StartRequest) { r.Retry.Method = "POST" }), 0, false},
		"another credential":            {0, get, changed(func(r *otp.StartRequest) { r.Caller.Identity = "key 9" }), 0, false},
		"another language":              {0, get, changed(func(r *otp.StartRequest) { r.Locales = []string{"es"} }), 0, false},
		"another dialect":               {0, get, changed(func(r *otp.StartRequest) { r.Dialect = "unityvox" }), 0, false},
		"another address":               {0, get, changed(func(r *otp.StartRequest) { r.To = "+584121234568" }), 0, false},
		"another tenant":                {0, get, changed(func(r *otp.StartRequest) { r.Caller = globex }), 0, false},
		"idempotency keys":              {0, keyed("a"), keyed("b"), 0, false},
	} {
		w := tenants(t, window(c.profile))
		one, _ := start(t, w, c.first)
		w.Clock.Advance(c.after)
		two, err := w.Start(t.Context(), c.second)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		sent := len(w.Courier.Dispatches())
		if same := one.ID == two.ID; same != c.same || (sent == 1) != c.same {
			t.Errorf("%s: same is %t, %d messages", name, same, sent)
		}
		if c.same && !reflect.DeepEqual(one, two) {
			t.Errorf("%s: got %+v, first %+v", name, two, one)
		}
	}
}

func TestARepeatCountsForNothing(t *testing.T) {
	t.Parallel()
	w := tenants(t)
	v, _ := start(t, w, fetched(phone))
	for range 30 {
		if got, err := w.Start(t.Context(), fetched(phone)); err != nil || got.ID != v.ID {
			t.Fatalf("%+v, %v", got, err)
		}
	}
	if d := destinations(t, w)[0]; len(d.Sends) != 1 || len(all(t, w)) != 1 {
		t.Errorf("%+v", d)
	}
}

// TestARepeatIsAnsweredOverTheLimit repeats the last start that was allowed.
func TestARepeatIsAnsweredOverTheLimit(t *testing.T) {
	t.Parallel()
	w := tenants(t)
	for range 4 {
		start(t, w, vendor(phone))
	}
	v, _ := start(t, w, fetched(phone))
	if got, err := w.Start(t.Context(), fetched(phone)); err != nil || got.ID != v.ID {
		t.Errorf("%+v, %v", got, err)
	}
	_, err := w.Start(t.Context(), vendor(phone))
	want(t, err, otp.Throttled, otp.RuleBurst, 10*time.Minute)
}

func TestARepeatHearsWhatTheFirstHeard(t *testing.T) {
	t.Parallel()
	w := tenants(t, loose(otp.Profile{Plan: []otp.Leg{{Channel: otp.SMS, Wait: time.Minute}, {Channel: otp.Voice}}}))
	req := counted(phone, 1)
	req.Numbered = true
	v, _ := start(t, w, req)
	check(t, w, v, "x", otp.OutcomeWrong)
	if _, err := w.Next(t.Context(), otp.NextRequest{Caller: acme, Dialect: v.Dialect, Ref: otp.Ref{ID: v.ID}}); err != nil {
		t.Fatal(err)
	}
	req.Retry.Attempt = 2
	if got, err := w.Start(t.Context(), req); err != nil || !reflect.DeepEqual(got, v) || v.Number == 0 {
		t.Errorf("got %+v, %v; first %+v", got, err, v)
	}
}

func TestAfterTheEndAStartIsANewOne(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(w *otp.Service, v otp.View, code string) error{
		"approved": func(w *otp.Service, v otp.View, code string) error {
			_, _, err := w.Check(t.Context(), guess(v, code))
			return err
		},
		"canceled": func(w *otp.Service, v otp.View, _ string) error {
			_, err := w.Cancel(t.Context(), otp.CancelRequest{Caller: acme, Dialect: v.Dialect, Ref: otp.Ref{ID: v.ID}})
			return err
		},
	} {
		w := tenants(t)
		v, code := start(t, w, fetched(phone))
		if err := end(w.Service, v, code); err != nil {
			t.Fatal(err)
		}
		if got, err := w.Start(t.Context(), fetched(phone)); err != nil || got.ID == v.ID {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
	w := tenants(t, loose(otp.Profile{Lifetime: time.Second}))
	v, _ := start(t, w, fetched(phone))
	w.Clock.Advance(time.Second)
	if got, err := w.Start(t.Context(), fetched(phone)); err != nil || got.ID == v.ID {
		t.Errorf("expired: %+v, %v", got, err)
	}
}

func TestOnlyTheLastStartIsKnown(t *testing.T) {
	t.Parallel()
	w := tenants(t)
	other := fetched(phone)
	other.Retry.Target = "/other"
	v, _ := start(t, w, fetched(phone))
	start(t, w, other)
	if got, _ := start(t, w, fetched(phone)); got.ID == v.ID {
		t.Error("an older start was taken for the last one")
	}
}

func TestNoMarkIsLeftWithoutNeed(t *testing.T) {
	t.Parallel()
	w := tenants(t)
	start(t, w, fetched(phone))
	if d := destinations(t, w)[0]; d.LastStart.ID.IsZero() {
		t.Error("no mark")
	}
	start(t, w, vendor(phone))
	if d := destinations(t, w)[0]; d.LastStart != (otp.LastStart{}) {
		t.Errorf("mark %+v", d.LastStart)
	}
}

func TestAsLongAWindowAsAMinute(t *testing.T) {
	t.Parallel()
	for d, ok := range map[time.Duration]bool{-1: true, 0: true, time.Minute: true, time.Minute + 1: false} {
		_, err := otp.NewDirectory([]otp.Tenant{{Name: "acme", Profiles: []otp.Profile{{Name: "p", RepeatWindow: d}}}}, nil)
		if (err == nil) != ok {
			t.Errorf("%s: %v", d, err)
		}
	}
}

// TestEqualStartsAtOnceSendOneMessage races them on two servers of one store.
func TestEqualStartsAtOnceSendOneMessage(t *testing.T) {
	t.Parallel()
	for range 10 {
		w := tenants(t)
		other, _ := second(w)
		var mu sync.Mutex
		ids := map[otp.ID]int{}
		var calls []func()
		for i := range 64 {
			s := []*otp.Service{w.Service, other}[i%2]
			calls = append(calls, func() {
				v, err := s.Start(t.Context(), fetched(phone))
				if err != nil {
					t.Errorf("start: %v", err)
				}
				mu.Lock()
				ids[v.ID]++
				mu.Unlock()
			})
		}
		together(calls...)
		if d := destinations(t, w)[0]; len(ids) != 1 || len(all(t, w)) != 1 || len(d.Sends) != 1 {
			t.Fatalf("%d verifications were told, destination %+v", len(ids), d)
		}
	}
}
