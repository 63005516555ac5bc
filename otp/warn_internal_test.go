package otp

import (
	"strings"
	"testing"
)

// TestHalfFourFifthsAndAllOfADayAreToldWhenTheyAreReached, also of limits that no
// hundred divides.
func TestHalfFourFifthsAndAllOfADayAreToldWhenTheyAreReached(t *testing.T) {
	t.Parallel()
	for limit, at := range map[int64][3]int64{1: {0, 0, 1}, 5: {2, 4, 5}, 199: {99, 159, 199}, 1000: {500, 800, 1000}, 1e18: {5e17, 8e17, 1e18}} {
		for i, percent := range []string{" 50% ", " 80% ", " 100% "} {
			if at[i] == 0 {
				continue // it is never passed on the way up
			}
			for _, c := range []struct {
				before, after int64
				told          bool
			}{{at[i] - 1, at[i], true}, {at[i], at[i] + 1, false}, {at[i] - 1, at[i] - 1, false}, {at[i], at[i] - 1, false}} {
				var st State
				purse{tenant: &Tenant{Name: "acme"}, day: noon}.warn(noon, &st, RuleDayMoney, c.before, c.after, limit)
				told := false
				for _, e := range st.events {
					told = told || strings.Contains(e.Detail, percent)
				}
				if told != c.told {
					t.Errorf("%s of %d, from %d to %d: told %t", percent, limit, c.before, c.after, told)
				}
			}
		}
	}
}
