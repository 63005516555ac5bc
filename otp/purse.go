package otp

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"
)

// purse charges messages to a tenant's day, and holds the day's limits. A try is
// paid for before it is made, at the price of the dearest provider of its route;
// afterwards the charge becomes what it really cost, which is nothing only when
// no carrier can have taken the message. The zero purse, of a tenant that has
// neither prices nor limits of a day, charges nothing and loads nothing.
type purse struct {
	key    Key
	tenant *Tenant // nil for the zero purse
	day    time.Time
	dir    *Directory
	ring   *Ring
}

// purse returns the purse from which a message is paid: that of its tenant on
// the day (UTC) on which it was born.
func (s *Service) purse(tenant string, message ID) purse {
	dir := s.Directory()
	t, ok := dir.Tenant(tenant)
	if !ok || !dir.priced[tenant] {
		return purse{}
	}
	ring, day := s.Ring(), message.Born().UTC().Truncate(24*time.Hour)
	return purse{key: ring.spendKey(tenant, day), tenant: t, day: day, dir: dir, ring: ring}
}

func (r *Ring) spendKey(tenant string, day time.Time) Key {
	return r.lookup("spend", tenant, day.UTC().Format(time.DateOnly))
}

func (p purse) open() bool { return p.tenant != nil }

// keys names what a step that pays must load.
func (p purse) keys() []Key {
	if !p.open() {
		return nil
	}
	return []Key{p.key}
}

// short tells whether the day has no room for one more try at a price, and for
// one more message.
func (p purse) short(now time.Time, st *State, price Money, messages int) (d denial) {
	if !p.open() {
		return denial{}
	}
	row, _ := st.Counters.Get(p.key)
	wait := max(p.day.Add(24*time.Hour).Sub(now), time.Second)
	l := &p.tenant.limits
	if l.DayMessages > 0 && messages > 0 && row.Tally.messages()+messages > l.DayMessages {
		d.worse(denial{RuleDayMessages, wait, fmt.Sprintf("%d of %d on %s; raise limits.day_messages", row.Tally.messages(), l.DayMessages, p.day.Format(time.DateOnly)), false})
	}
	if l.DayMoney > 0 && price > 0 && Money(row.Value)+price > l.DayMoney {
		d.worse(denial{RuleDayMoney, wait + time.Nanosecond, fmt.Sprintf("%s of %s %s on %s; raise limits.day_money", Money(row.Value), l.DayMoney, p.tenant.Currency, p.day.Format(time.DateOnly)), false})
	}
	return d
}

func (t *Tally) messages() int {
	if len(t.Slots) == 0 {
		return 0
	}
	return t.Slots[0].Sends
}

// price is the most that one try of a message may cost: the price of the
// dearest provider of its route. Where a day's money is bounded it is that of
// all that may have taken it before the try is told, so that nothing goes over
// the bound.
func (p purse) price(channel Channel, to, country string) Money {
	if !p.open() {
		return 0
	}
	prices := p.dir.prices(p.tenant.Name, channel, to, country)
	n := min(1, len(prices))
	if p.tenant.limits.DayMoney > 0 {
		n = min(MaxCopies, len(prices))
	}
	var most Money
	for _, one := range prices[:n] {
		most += one
	}
	return most
}

// affords refuses a try for which the day has no room.
func (p purse) affords(now time.Time, st *State, channel Channel, v *Verification, messages int) (Money, error) {
	if !p.open() {
		return 0, nil
	}
	letter, err := v.letter(p.ring)
	if err != nil {
		return 0, err
	}
	price := p.price(channel, letter.To, v.Spec.Country)
	if d := p.short(now, st, price, messages); d.wait > 0 {
		return 0, d.refusal()
	}
	return price, nil
}

// refusal is the denial as the caller hears it.
func (d denial) refusal() *Error {
	e := throttled(d.rule, d.wait)
	if d.detail != "" {
		e.Message = d.detail
	}
	return e
}

// noRoom reports whether an error says that a day has no room for a try.
func noRoom(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.Kind == Throttled
}

// reserve charges for one try of a message, or refuses it.
func (p purse) reserve(now time.Time, st *State, m *Message, v *Verification) error {
	if v.Spec.Decoy && p.open() { // nobody pays, and the row is written all the same
		st.Counters.Put(p.key, p.row(st))
		return nil
	}
	price, err := p.affords(now, st, m.Channel, v, 0)
	if err == nil {
		p.add(now, st, &m.Charges, price)
	}
	return err
}

func (t *Tenant) hasPrices() bool {
	return slices.ContainsFunc(t.Routes, func(r Route) bool {
		return slices.ContainsFunc(r.Providers, func(c Carrier) bool { return c.Price > 0 })
	})
}

// prices are those of a route's providers, the dearest first.
func (d *Directory) prices(tenant string, channel Channel, to, country string) (all []Money) {
	if r := d.Route(tenant, channel, to, country); r != nil {
		for _, c := range r.Providers {
			all = append(all, c.Price)
		}
	}
	slices.SortFunc(all, func(a, b Money) int { return cmp.Compare(b, a) })
	return all
}

func (p purse) add(now time.Time, st *State, c *Charges, amount Money) {
	if !p.open() || amount == 0 {
		return
	}
	row := p.row(st)
	before := Money(row.Value)
	row.Value += int64(amount)
	st.Counters.Put(p.key, row)
	p.warn(now, st, RuleDayMoney, int64(before), row.Value, int64(p.tenant.limits.DayMoney))
	c.Charged += amount
}

// dayName begins the name of a day's row.
const dayName = "day "

// dayKept is how long what a day has cost can be asked for.
const dayKept = 400 * 24 * time.Hour

func (p purse) row(st *State) Counter {
	row, _ := st.Counters.Get(p.key)
	row.Key = p.key
	t := &row.Tally
	t.Tenant, t.Name, t.Until = p.tenant.Name, dayName+p.day.Format(time.DateOnly), p.day.Add(dayKept)
	return row
}

// count counts messages of the day, or takes back one that no carrier can have
// taken. Decoys are none.
func (p purse) count(now time.Time, st *State, v *Verification, n int) {
	if !p.open() || v.Spec.Decoy {
		return
	}
	row := p.row(st)
	before := row.Tally.messages()
	row.Tally.Slots = []Slot{{At: p.day, Sends: max(before+n, 0)}}
	st.Counters.Put(p.key, row)
	p.warn(now, st, RuleDayMessages, int64(before), int64(before+n), int64(p.tenant.limits.DayMessages))
}

// warn tells once a day each that half, four fifths and all of a limit are used.
func (p purse) warn(now time.Time, st *State, rule string, before, after, limit int64) {
	if limit <= 0 {
		return
	}
	for _, percent := range []int64{50, 80, 100} {
		if at := limit/100*percent + limit%100*percent/100; before < at && at <= after {
			detail := fmt.Sprintf("%s %d%% of the day's limit", rule, percent)
			st.Journal(noted(now, p.day, EventAlert, p.tenant.Name, detail, fmt.Sprintf("%s %d %s", rule, percent, p.tenant.Name)))
		}
	}
}

// spend charges what carriers may have taken a message for, while what is
// reserved serves the next try.
func (p purse) spend(now time.Time, st *State, m *Message, cost Money) {
	if !p.open() {
		return
	}
	m.Charges.Spent += cost
	p.add(now, st, &m.Charges, cost)
}

// settle turns what was reserved for a try into what it cost.
func (p purse) settle(now time.Time, st *State, m *Message, cost Money) {
	if !p.open() {
		return
	}
	m.Charges.Spent += cost
	p.add(now, st, &m.Charges, m.Charges.Spent-m.Charges.Charged)
}
