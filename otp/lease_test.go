package otp_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aldaba-otp/aldaba/otp"
	"github.com/aldaba-otp/aldaba/store"
	"github.com/aldaba-otp/aldaba/store/memory"
)

// TestMessagesChargedAheadNeverExceedTheRate: a large rate is charged several
// messages at once, and still lets through no more than its burst.
func TestMessagesChargedAheadNeverExceedTheRate(t *testing.T) {
	t.Parallel()
	w := limited(t, func(l *otp.Limits) { l.Rate = otp.Rate{N: 1, Per: time.Hour, Burst: 1000} })
	var sent, refused atomic.Int64
	var all sync.WaitGroup
	for i := range 40 {
		all.Go(func() {
			for j := range 30 {
				switch _, err := w.Start(context.Background(), vendor(fmt.Sprintf("p%d.%d@example.com", i, j))); {
				case err == nil:
					sent.Add(1)
				case otp.AsError(err).Rule == otp.RuleTenantRate:
					refused.Add(1)
				default:
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	// What is left of the last lot of ten goes to nobody when others asked in vain
	// meanwhile; more than the rate never passes.
	if sent.Load() > 1000 || sent.Load() < 990 || sent.Load()+refused.Load() != 1200 {
		t.Errorf("%d sent, %d refused", sent.Load(), refused.Load())
	}
}

// TestWhatWasLentIsGivenBack: a start that another rule refuses spends nothing
// of what was charged ahead.
func TestWhatWasLentIsGivenBack(t *testing.T) {
	t.Parallel()
	w := limited(t, func(l *otp.Limits) {
		l.Rate = otp.Rate{N: 1, Per: time.Hour, Burst: 200} // charged two by two
		l.Keys = map[string]otp.Rate{"device": {N: 1, Per: time.Hour}}
	})
	start(t, w, keyed(line(0), "device", "d"))
	for i := range 50 {
		refusedBy(t, w, keyed(line(1+i), "device", "d"), otp.RuleKey+"device")
	}
	for i := range 199 {
		start(t, w, vendor(fmt.Sprintf("p%d@example.com", i)))
	}
	refusedBy(t, w, vendor("last@example.com"), otp.RuleTenantRate)
}

// TestWhatMayHaveBeenSpentIsNotLentAgain loses the answers of commits that took
// place: their starts stand, so what they were lent is spent.
func TestWhatMayHaveBeenSpentIsNotLentAgain(t *testing.T) {
	t.Parallel()
	w := limited(t, func(l *otp.Limits) { l.Rate = otp.Rate{N: 1, Per: time.Hour, Burst: 200} }) // charged two by two
	for i := range 50 {
		start(t, w, vendor(fmt.Sprintf("charges%d@example.com", i))) // two, one of which is lent to the next
		for j := range 2 {
			w.Engine.FailWith(memory.Trouble{Times: 1, Lost: true, Commit: func(*otp.Records) *store.Failure {
				return &store.Failure{Class: store.Down, Cause: errors.New("the answer was lost")}
			}})
			if _, err := w.Start(t.Context(), vendor(fmt.Sprintf("lost%d.%d@example.com", i, j))); otp.KindOf(err) != otp.Unavailable {
				t.Fatalf("start %d: %v", i, err)
			}
			w.Engine.FailWith(memory.Trouble{})
		}
	}
	refusedBy(t, w, vendor("last@example.com"), otp.RuleTenantRate)
}

// TestWhatWasChargedAheadIsOverInASecond: a lot that is touched now and then is
// not held while its row forgets that it was charged.
func TestWhatWasChargedAheadIsOverInASecond(t *testing.T) {
	t.Parallel()
	w := limited(t, func(l *otp.Limits) {
		l.Rate = otp.Rate{N: 50, Per: time.Second, Burst: 3000} // charged thirty at once
		l.Keys = map[string]otp.Rate{"device": {N: 1, Per: 24 * time.Hour}}
	})
	start(t, w, keyed("seed@example.com", "device", "d"))
	for range 70 { // each is lent a message, and gives it back
		w.Clock.Advance(900 * time.Millisecond)
		refusedBy(t, w, keyed("x@example.com", "device", "d"), otp.RuleKey+"device")
	}
	sent := 0
	for ; sent < 4000; sent++ {
		if _, err := w.Start(t.Context(), vendor(fmt.Sprintf("b%d@example.com", sent))); err != nil {
			want(t, err, otp.Throttled, otp.RuleTenantRate, otp.AsError(err).RetryAfter)
			break
		}
	}
	if sent > 3000 {
		t.Errorf("%d are sent at one moment", sent)
	}
}
