package otp

import (
	"context"
	"errors"
	"fmt"
	"slices"
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

// purse charges messages to a tenant's day. A try is paid for before it is
// made, at the price of the dearest provider of its route; afterwards the
// charge becomes what it really cost, which is nothing only when no carrier can
// have taken the message. The zero purse, of a tenant whose routes have no
// prices, charges nothing and loads nothing.
type purse struct {
	key  Key
	open bool
	dir  *Directory
	ring *Ring
}

// purse returns the purse from which a message is paid: that of its tenant on
// the day (UTC) on which it was born.
func (s *Service) purse(tenant string, message ID) purse {
	dir := s.Directory()
	if !dir.priced[tenant] {
		return purse{}
	}
	ring := s.Ring()
	return purse{key: ring.spendKey(tenant, message.Born()), open: true, dir: dir, ring: ring}
}

func (r *Ring) spendKey(tenant string, day time.Time) Key {
	return r.lookup("spend", tenant, day.UTC().Format(time.DateOnly))
}

// keys names what a step that pays must load.
func (p purse) keys() []Key {
	if !p.open {
		return nil
	}
	return []Key{p.key}
}

// reserve charges for one try of a message.
func (p purse) reserve(st *State, m *Message, v *Verification) error {
	if !p.open {
		return nil
	}
	letter, err := v.letter(p.ring)
	if err != nil {
		return err
	}
	if v.Spec.Decoy { // nobody pays, and the row is written all the same
		row, _ := st.Counters.Get(p.key)
		row.Key = p.key
		st.Counters.Put(p.key, row)
		return nil
	}
	p.add(st, &m.Charges, p.dir.dearest(m.Tenant, m.Channel, letter.To, v.Spec.Country))
	return nil
}

func (t *Tenant) hasPrices() bool {
	return slices.ContainsFunc(t.Routes, func(r Route) bool {
		return slices.ContainsFunc(r.Providers, func(c Carrier) bool { return c.Price > 0 })
	})
}

// dearest is the highest price of a route.
func (d *Directory) dearest(tenant string, channel Channel, to, country string) (most Money) {
	if r := d.Route(tenant, channel, to, country); r != nil {
		for _, c := range r.Providers {
			most = max(most, c.Price)
		}
	}
	return most
}

func (p purse) add(st *State, c *Charges, amount Money) {
	if !p.open || amount == 0 {
		return
	}
	row, _ := st.Counters.Get(p.key)
	row.Key, row.Value = p.key, row.Value+int64(amount)
	st.Counters.Put(p.key, row)
	c.Charged += amount
}

// spend charges what carriers may have taken a message for, while what is
// reserved serves the next try.
func (p purse) spend(st *State, m *Message, cost Money) {
	if !p.open {
		return
	}
	m.Charges.Spent += cost
	p.add(st, &m.Charges, cost)
}

// settle turns what was reserved for a try into what it cost.
func (p purse) settle(st *State, m *Message, cost Money) {
	if !p.open {
		return
	}
	m.Charges.Spent += cost
	p.add(st, &m.Charges, m.Charges.Spent-m.Charges.Charged)
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
