package otp_test

import (
	"errors"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/aldaba-otp/aldaba/otp"
	"github.com/aldaba-otp/aldaba/otp/otptest"
	"github.com/aldaba-otp/aldaba/store/storetest/world"
)

// history is one random run and what it must remember to judge the records.
type history struct {
	t        *testing.T
	seed     uint64
	r        *rand.Rand
	w        *world.World
	views    []otp.View
	codes    map[otp.ID]string
	approved map[otp.ID]int
	wrongs   map[otp.ID]int
	before   map[otp.ID]otp.Verification
	charged  map[string][]time.Time // destination to its wrong guesses
	sent     map[string][]time.Time
	rows     map[string]*inRow
}

// inRow is what a row must remember of wrong guesses in a row.
type inRow struct {
	others, own int
	subject     string // that proved the address last
	last        map[bool]time.Time
}

// judged counts a guess and says what is wrong with its having been judged.
func (r *inRow) judged(now time.Time, v otp.View, first, right bool) string {
	own := v.Subject != "" && v.Subject == r.subject
	n := &r.others
	if own {
		n = &r.own
	}
	wait := time.Duration(0)
	if *n >= 6 && !first {
		wait = min(30*time.Second<<min(*n-6, 10), time.Hour)
	}
	fault := ""
	if now.Sub(r.last[own]) < wait {
		fault = "a guess was judged within its delay"
	}
	if !right {
		*n++
		r.last[own] = now
		return fault
	}
	r.others, r.own = 0, 0
	if v.Subject != "" {
		r.subject = v.Subject
	}
	return fault
}

// TestInvariantsHoldInRandomHistories checks invariants 1 to 8 of the core
// after each step, except 2, which needs a crash.
func TestInvariantsHoldInRandomHistories(t *testing.T) {
	t.Parallel()
	for seed := range uint64(150) {
		r := rand.New(rand.NewPCG(seed, 7))
		p := otp.Profile{MaxAttempts: 1 + r.IntN(10), Length: 3 + r.IntN(4), Lifetime: []time.Duration{time.Minute, 10 * time.Minute, 20 * time.Hour}[r.IntN(3)]}
		if r.IntN(2) == 0 {
			p.Resend = "new"
		}
		h := &history{
			t: t, seed: seed, r: r, w: tenants(t, loose(p)), codes: map[otp.ID]string{}, approved: map[otp.ID]int{}, wrongs: map[otp.ID]int{},
			before: map[otp.ID]otp.Verification{}, charged: map[string][]time.Time{}, sent: map[string][]time.Time{},
			rows: map[string]*inRow{},
		}
		sweeper := h.w.NewSweeper()
		for range 60 {
			switch n := r.IntN(20); {
			case n < 5 || len(h.views) == 0:
				h.start()
			case n < 13:
				h.guess()
			case n < 15:
				h.resend()
			case n < 16:
				h.cancel()
			case n < 17:
				sweep(t, sweeper)
			default:
				h.w.Clock.Advance([]time.Duration{time.Second, 61 * time.Second, 11 * time.Minute, 7 * time.Hour}[r.IntN(4)])
			}
			h.inspect()
		}
	}
}

func (h *history) start() {
	req := native([]string{phone, mail}[h.r.IntN(2)])
	switch h.r.IntN(3) {
	case 0:
		req = vendor(req.To)
	case 1:
		req.Purpose = otp.Recover
	}
	req.Subject = []string{"", "ana", "bob"}[h.r.IntN(3)]
	v, err := h.w.Start(h.t.Context(), req)
	if err != nil {
		if otp.KindOf(err) != otp.Throttled {
			h.t.Fatalf("seed %d: start: %v", h.seed, err)
		}
		return
	}
	h.views = append(h.views, v)
	if h.rows[v.To] == nil {
		h.rows[v.To] = &inRow{last: map[bool]time.Time{}}
	}
	h.codes[v.ID] = h.w.Courier.Last(h.t).Code
	h.sent[v.To] = append(h.sent[v.To], h.w.Clock.Now())
}

func (h *history) guess() {
	v := h.views[len(h.views)-1-h.r.IntN(min(len(h.views), 4))]
	right := h.r.IntN(3) == 0
	code := h.codes[v.ID]
	if !right {
		code = otptest.WrongCode(code)
	}
	_, outcome, err := h.w.Check(h.t.Context(), guess(v, code))
	if outcome == otp.OutcomeApproved || outcome == otp.OutcomeWrong {
		if fault := h.rows[v.To].judged(h.w.Clock.Now(), v, h.before[v.ID].Attempts == 0, right); fault != "" {
			h.t.Fatalf("seed %d: %s", h.seed, fault)
		}
	}
	switch was := h.before[v.ID]; outcome {
	case otp.OutcomeApproved:
		h.approved[v.ID]++
		if !right || !h.w.Clock.Now().Before(v.Expires) || was.Status != otp.Pending {
			h.t.Fatalf("seed %d: %s was approved: right %v, was %s", h.seed, v.ID, right, was.Status)
		}
	case otp.OutcomeWrong:
		h.wrongs[v.ID]++
		h.charged[v.To] = append(h.charged[v.To], h.w.Clock.Now())
		if right || was.Status != otp.Pending {
			h.t.Fatalf("seed %d: %s was judged wrong: right %v, was %s", h.seed, v.ID, right, was.Status)
		}
	case otp.OutcomeThrottled:
		if otp.KindOf(err) != otp.Throttled || was.Status != otp.Pending {
			h.t.Fatalf("seed %d: %v", h.seed, err)
		}
	default:
		if err != nil {
			h.t.Fatalf("seed %d: check: %v", h.seed, err)
		}
	}
}

func (h *history) resend() {
	v := h.views[h.r.IntN(len(h.views))]
	if _, err := resend(h.w, h.t, v); err == nil {
		h.codes[v.ID] = h.w.Courier.Last(h.t).Code
		h.sent[v.To] = append(h.sent[v.To], h.w.Clock.Now())
	} else if k := otp.KindOf(err); k != otp.Throttled && k != otp.Ended {
		h.t.Fatalf("seed %d: resend: %v", h.seed, err)
	}
}

func (h *history) cancel() {
	v := h.views[h.r.IntN(len(h.views))]
	if _, err := h.w.Cancel(h.t.Context(), otp.CancelRequest{Caller: acme, Dialect: v.Dialect, Ref: otp.Ref{ID: v.ID}}); err != nil {
		h.t.Fatalf("seed %d: cancel: %v", h.seed, err)
	}
}

// inspect judges the stored records.
func (h *history) inspect() {
	h.t.Helper()
	var faults []error
	fail := func(ok bool, what string) {
		if !ok {
			faults = append(faults, errors.New(what))
		}
	}
	type purpose struct {
		dest otp.Key
		name string
	}
	live := map[purpose]int{}
	for _, v := range all(h.t, h.w) {
		old, known := h.before[v.ID]
		fail(h.approved[v.ID] <= 1 && (h.approved[v.ID] == 1) == (v.Status == otp.Approved), "1: at most once")
		fail(v.Attempts == h.wrongs[v.ID] && v.Attempts <= v.Spec.MaxAttempts, "3: bounded guesses")
		fail(!known || v.Attempts >= old.Attempts && v.Expires.Equal(old.Expires), "3, 8: tries and expiry")
		fail(!known || old.Status == otp.Pending || v.Status == old.Status && v.Ended.Equal(old.Ended), "5: terminal is final")
		fail((v.Status == otp.Pending) == v.Ended.IsZero() && v.Sends <= 5, "5: ended when terminal")
		fail(v.Status != otp.Approved || v.Ended.Before(v.Expires), "8: freshness")
		if v.Status == otp.Pending && v.Spec.Dialect == otp.NativeDialect {
			live[purpose{v.Destination, v.Spec.Purpose}]++
		}
		h.before[v.ID] = v
	}
	for _, n := range live {
		fail(n == 1, "6: single live")
	}
	now := h.w.Clock.Now()
	for _, times := range h.charged {
		fail(within(times, now, 24*time.Hour) <= 20, "4: bounded destination")
	}
	for _, times := range h.sent {
		fail(within(times, now, 24*time.Hour) <= 10 && within(times, now, 10*time.Minute) <= 5, "11: quota")
	}
	h.pointers(fail)
	if len(faults) > 0 {
		h.t.Fatalf("seed %d: %v", h.seed, errors.Join(faults...))
	}
}

// pointers checks what destinations say about verifications.
func (h *history) pointers(fail func(bool, string)) {
	for _, d := range destinations(h.t, h.w) {
		for _, l := range d.Live {
			v := h.before[l.ID]
			fail(v.Status == otp.Pending && v.Destination == d.Key && v.Spec.Purpose == l.Purpose, "7: live points to a pending one of its own")
		}
		fail(len(d.Sends) <= 10 && len(d.Wrongs) <= 20, "the row is bounded")
		var want inRow
		for _, v := range h.views {
			if h.before[v.ID].Destination == d.Key {
				want = *h.rows[v.To]
			}
		}
		fail(d.Run.Failures == want.others && d.Own.Failures == want.own, "wrong guesses in a row are counted")
		fail(h.before[d.Newest].Destination == d.Key, "newest is of this destination")
	}
}

func within(times []time.Time, now time.Time, window time.Duration) (n int) {
	for _, t := range times {
		if now.Sub(t) < window {
			n++
		}
	}
	return n
}
