package otp_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/aldaba-otp/aldaba/otp"
)

// TestTheWatchDecidesAsTheGuideTells plays the example of
// docs/operations/limits.md, both ways that it may end.
func TestTheWatchDecidesAsTheGuideTells(t *testing.T) {
	t.Parallel()
	for _, answered := range []bool{true, false} {
		w := tenants(t)
		var views []otp.View
		var codes []string
		for i := range 20 {
			v, code := start(t, w, native(fmt.Sprintf("+58414123%04d", i)))
			views, codes = append(views, v), append(codes, code)
			w.Clock.Advance(time.Second)
		}
		next := func(i int) error {
			_, err := w.Start(t.Context(), native(fmt.Sprintf("+58414123%04d", i)))
			return err
		}
		want(t, next(20), otp.Throttled, otp.RuleConversion, time.Minute)
		if answered {
			w.Clock.Advance(4 * time.Minute)
			for i := range 2 {
				check(t, w, views[i], codes[i], otp.OutcomeApproved)
			}
			if err := next(21); err != nil {
				t.Errorf("two of twenty were approved: %v", err)
			}
			continue
		}
		w.Clock.Advance(10 * time.Minute)
		want(t, next(22), otp.Throttled, otp.RuleConversion, 12*time.Hour)
		w.Clock.Advance(12 * time.Hour)
		for i := range 20 {
			if err := next(30 + i); err != nil {
				t.Fatalf("after the block, start %d: %v", i+1, err)
			}
		}
		w.Clock.Advance(10 * time.Minute)
		want(t, next(60), otp.Throttled, otp.RuleConversion, 48*time.Hour)
	}
}
