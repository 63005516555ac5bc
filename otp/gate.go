package otp

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"time"
)

// gate holds the rules over many addresses that one message must pass. All of
// them are judged before any of them is charged, in the step of the message, so
// that a refusal spends nothing and no two callers pass at once where one may.
type gate struct {
	tenant *Tenant
	rules  []bound
	watch  *watched
	passed bool // a challenge was passed, in the present run of the step

	rate     Key       // of the tenant's rate
	borrowed time.Time // until when a message of it that was charged before is good; zero for none
	granted  int       // messages of it that this step charges, in its present run

	cold    coldStart
	counted bool // the watch counts the start, in the present run of the step

	shadowed denial // what the watch would have said, in the present run of the step
}

// bound is one rule over one row.
type bound struct {
	rule   string
	key    Key
	tenant string // of the row; "" over all tenants
	name   string // of the row, for people
	rate   Rate
	exact  int  // instead of the rate: so many in [everywhereWindow]
	ahead  int  // how many are charged at once, if there is room
	soft   bool // known numbers, allow-lists and passed challenges do not meet it
	remedy string
}

// denial is why a message may not go: the rule that lasts longest.
type denial struct {
	rule   string
	wait   time.Duration
	detail string // counter and what would have allowed it; no address
	soft   bool
}

// String is what the journal says.
func (d denial) String() string {
	if d.detail == "" {
		return d.rule
	}
	return d.rule + " " + d.detail
}

// worse keeps the one that lasts longer. What is left is soft when all of them
// are: then a passed challenge would do.
func (d *denial) worse(other denial) {
	if other.wait <= 0 {
		return
	}
	soft := other.soft && (d.wait == 0 || d.soft)
	if other.wait > d.wait {
		*d = other
	}
	d.soft = soft
}

// keys adds what the rules need to what else a step loads.
func (g *gate) keys(all []Key) []Key {
	if g == nil {
		return all
	}
	all = slices.Grow(all, len(g.rules)+1)
	for i := range g.rules {
		all = append(all, g.rules[i].key)
	}
	if g.watch != nil {
		all = append(all, g.watch.key)
	}
	return all
}

// gateOf gathers the rules of a start. What it needs of the request is known
// before the step.
func (s *Service) gateOf(d *draft) *gate {
	g := &gate{tenant: d.tenant}
	dir, ring := s.Directory(), d.ring
	limits := &d.tenant.limits
	g.everywhere(dir, ring, d.address)
	s.tenantRate(g, ring)
	for _, name := range sortedNames(d.req.Limits) {
		if rate := limits.Keys[name]; rate.bounds() {
			g.addKeyed(RuleKey+name, ring, rate, false, "raise limits.keys."+name, "key "+name, d.req.Limits[name])
		}
	}
	if !d.listed(Allowed) {
		g.clients(ring, limits.Client, d.req.Client)
		if !d.address.Email {
			prefix := prefixOf(d.address.Send)
			g.add(RulePrefix, ring, limits.Prefix, true, "raise limits.prefix, or put the prefix on the allow-list", prefixWord, prefix)
			g.add(RuleCountry, ring, limits.Country, true, "raise limits.country", "country ", cmp.Or(d.record.Spec.Country, "unknown"))
			g.watch = d.tenant.watch(ring, prefix)
		}
	}
	return g
}

// bound gathers the rules of a check: how many an end user's network may ask for.
func (g *guess) bound(ring *Ring, t *Tenant, client netip.Addr) *gate {
	if !client.IsValid() || !t.limits.Checks.bounds() {
		return nil
	}
	near, _ := networks(client)
	rules := &gate{tenant: t}
	rules.addKeyed(RuleChecks, ring, t.limits.Checks, true, "raise limits.checks, or leave out client_ip where many people share an address", "checks of "+region(client), near.String())
	return rules
}

// gateOfNext gathers the rules of one more message of a verification.
func (s *Service) gateOfNext(t *Tenant, ring *Ring, to *Address) *gate {
	g := &gate{tenant: t}
	if to != nil {
		g.everywhere(s.Directory(), ring, *to)
	}
	s.tenantRate(g, ring)
	return g
}

// everywhere bounds what one address gets from all tenants. Two tenants cannot
// exceed it, since each has its own bound of ten.
func (g *gate) everywhere(dir *Directory, ring *Ring, a Address) {
	if !dir.crowded() {
		return
	}
	kind := "phone"
	if a.Email {
		kind = "email"
	}
	g.rules = append(g.rules, bound{
		rule: RuleEverywhere, key: ring.lookup("everywhere", kind, a.Count), name: "one address", exact: everywhereSends,
		remedy: "wait",
	})
}

func (d *Directory) crowded() bool { return len(d.tenants)*daySends > everywhereSends }

// add bounds what is named.
// The name may be shown; it is a word and a value.
func (g *gate) add(rule string, ring *Ring, rate Rate, soft bool, remedy, word, value string) {
	if rate.bounds() {
		name := word + value
		g.addKeyed(rule, ring, rate, soft, remedy, name, name)
	}
}

// addKeyed bounds what has a value that is not shown.
func (g *gate) addKeyed(rule string, ring *Ring, rate Rate, soft bool, remedy, name, value string) {
	if !rate.bounds() {
		return
	}
	g.rules = append(g.rules, bound{
		rule: rule, key: ring.lookup("limit", g.tenant.Name, rule, value), tenant: g.tenant.Name, name: name, rate: rate, soft: soft, remedy: remedy,
	})
}

// clients bounds the network of an end user: an IPv4 address, or an IPv6 /64
// and the /48 around it, which is what one customer of a provider may have.
func (g *gate) clients(ring *Ring, rate Rate, client netip.Addr) {
	const remedy = "raise limits.client, or leave out client_ip where many people share an address"
	if !client.IsValid() || !rate.bounds() {
		return
	}
	near, wide := networks(client)
	g.addKeyed(RuleClient, ring, rate, true, remedy, "client "+region(client), near.String())
	if wide.IsValid() {
		rate.N, rate.Burst = 5*rate.N, 5*rate.Burst
		g.addKeyed(RuleClientWide, ring, rate, true, remedy, "client "+region(client)+" /48", wide.String())
	}
}

// networks returns what an end user's limits are counted by.
func networks(client netip.Addr) (near, wide netip.Prefix) {
	client = client.Unmap().WithZone("")
	if client.Is4() {
		return netip.PrefixFrom(client, 32), netip.Prefix{}
	}
	near, _ = client.Prefix(64) // the lengths fit
	wide, _ = client.Prefix(48)
	return near, wide
}

// region is a network as operators may see it: a full address is personal data.
func region(client netip.Addr) string {
	client = client.Unmap().WithZone("")
	bits := 24
	if client.Is6() {
		bits = 32
	}
	p, _ := client.Prefix(bits)
	return p.String()
}

// judge tells whether a message may pass, and charges nothing. known says that
// the address was approved lately. What it sets in the rows is kept: when a
// prefix became suspicious, and that it was blocked.
func (g *gate) judge(now time.Time, st *State, known bool) (worst denial) {
	if g == nil {
		return denial{}
	}
	soft := known || g.passed
	g.shadowed = denial{}
	if g.watch != nil {
		g.watch.read, g.watch.used, g.watch.blocks = false, false, false // the step may run again
	}
	for i := range g.rules {
		b := &g.rules[i]
		if b.soft && soft {
			continue
		}
		row, _ := st.Counters.Get(b.key)
		worst.worse(b.denies(now, &row.Tally))
	}
	if g.watch != nil && !soft {
		d := g.watch.judge(now, st, g.tenant)
		if g.tenant.fraud.Mode == WatchShadow {
			g.shadowed = d
		} else {
			worst.worse(d)
		}
	}
	return worst
}

// denies tells what a rule says of one more message.
func (b *bound) denies(now time.Time, t *Tally) denial {
	d := denial{rule: b.rule, soft: b.soft}
	if b.exact > 0 {
		_, d.wait = windowFull(t.Times, now, b.exact, everywhereWindow, b.rule)
		d.detail = fmt.Sprintf("%d of %d in %s; %s", len(t.Times), b.exact, everywhereWindow, b.remedy)
		return d
	}
	if d.wait = b.rate.wait(now, t.Next); d.wait > 0 {
		d.detail = fmt.Sprintf("%d of %s for %s; %s", b.rate.used(now, t.Next), b.rate, b.name, b.remedy)
	}
	return d
}

// charge counts a message that passes.
func (g *gate) charge(now time.Time, st *State, known bool) {
	if g == nil {
		return
	}
	for i := range g.rules {
		b := &g.rules[i]
		if b.soft && known {
			continue
		}
		row, _ := st.Counters.Get(b.key)
		row.Key = b.key
		t := &row.Tally
		t.Tenant, t.Name = b.tenant, b.name
		until := now.Add(everywhereWindow)
		if b.exact > 0 {
			t.Times = last(append(slices.Clone(t.Times), now), b.exact)
		} else {
			n := 0
			for ; n == 0 || n < b.ahead && b.rate.wait(now, t.Next) == 0; n++ {
				t.Next = b.rate.spend(now, t.Next)
			}
			if b.ahead > 0 {
				g.granted = n
			}
			until = t.Next
		}
		t.Until = latest(t.Until, until)
		st.Counters.Put(b.key, row)
	}
}

// chargeStart is charge for a start, and reports whether the watch counted it:
// then its approval counts too. A decoy is no message to the watch, since nobody
// is paid for it; its row is written all the same, so that the time of the
// answer tells nothing.
func (g *gate) chargeStart(now time.Time, st *State, known, decoy bool) (counted bool) {
	if g == nil {
		return false
	}
	g.charge(now, st, known)
	switch {
	case g.watch == nil || known:
	case decoy:
		g.watch.load(now, st, g.tenant)
		g.watch.put(now, st, g.tenant)
	default:
		g.watch.charge(now, st, g.tenant)
	}
	g.counted = g.cold.key != (Key{}) && !known && !decoy
	return g.counted
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// prefixOf is a number without its last four digits: ten thousand numbers, which
// one carrier was given at once in most numbering plans.
func prefixOf(number string) string {
	if len(number) <= 5 {
		return number
	}
	return number[:len(number)-4]
}

// checkKeys reads what a start says of the application's own limits.
func (d *draft) checkKeys() *Error {
	for _, name := range sortedNames(d.req.Limits) {
		if _, ok := d.tenant.limits.Keys[name]; !ok {
			if !isName(name) { // it may be a value in the wrong place
				return invalid("limits", "has a member that is no key of the tenant's limits")
			}
			return invalid("limits", "names %q, which is no key of the tenant's limits", name)
		}
		if v := d.req.Limits[name]; v == "" || len(v) > 256 {
			return invalid("limits", "must give values of 1 to 256 bytes")
		}
	}
	return nil
}

// sortedNames lists the names of what most requests have none of.
func sortedNames(m map[string]string) []string {
	if len(m) == 0 {
		return nil
	}
	return slices.Sorted(maps.Keys(m))
}
