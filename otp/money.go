package otp

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Money is an amount in millionths of the tenant's currency.
type Money int64

const moneyUnit = 1_000_000

// maxPrice bounds what one message may cost, so that no day's sum overflows.
const maxPrice = 1_000_000 * moneyUnit

// String returns the amount as a decimal, such as "0.045".
func (m Money) String() string {
	sign := ""
	if m < 0 {
		sign, m = "-", -m
	}
	text := fmt.Sprintf("%s%d.%06d", sign, m/moneyUnit, m%moneyUnit)
	return strings.TrimSuffix(strings.TrimRight(text, "0"), ".")
}

// ParseMoney reads a decimal with at most six places.
func ParseMoney(text string) (Money, error) {
	whole, fraction, _ := strings.Cut(text, ".")
	n, err := strconv.ParseInt(whole+(fraction + "000000")[:6], 10, 64)
	digits := strings.Trim(whole+fraction, "0123456789") == "" && whole != ""
	if err != nil || !digits || len(fraction) > 6 || strings.HasSuffix(text, ".") || n > maxPrice {
		return 0, errors.New("must be an amount such as 0.045, with at most six places")
	}
	return Money(n), nil
}

// Charges are what a message has cost so far.
type Charges struct {
	// Charged is what the tenant's day was charged: what was spent and what is
	// reserved for the try under way.
	Charged Money
	// Spent is what carriers took, or may have taken, messages for.
	Spent Money
}

// Spend returns what a tenant's messages of a day (UTC) have cost, reserved
// tries included. Errors: Unavailable, Internal.
func (s *Service) Spend(ctx context.Context, tenant string, day time.Time) (Money, error) {
	key := s.Ring().spendKey(tenant, day)
	var spent Money
	err := s.do(ctx, Step{Load: Keys{Counters: []Key{key}}, Decide: func(_ time.Time, st *State) error {
		row, _ := st.Counters.Get(key)
		spent = Money(row.Value)
		return nil
	}})
	return spent, err
}
