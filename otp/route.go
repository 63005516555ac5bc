package otp

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
)

// Route names the providers that carry a channel to some numbers.
type Route struct {
	Channel   Channel       `json:"channel"`
	Prefix    string        `json:"prefix,omitempty"`    // of an E.164 number, such as "+52"; the longest wins
	Countries []string      `json:"countries,omitempty"` // ISO 3166, instead of a prefix
	Providers []Carrier     `json:"providers"`
	Sender    string        `json:"sender,omitempty"` // shown when request and profile name none
	Hedge     time.Duration `json:"hedge,omitempty"`  // a second provider is asked when no receipt came in so long; 0 never
}

// Carrier is one provider of a route. Those of one priority share the messages
// by weight; the next priority is asked when none of them took one.
type Carrier struct {
	Provider string
	Priority int    // lower is asked first; its place in the list when 0
	Weight   int    // 1 when 0
	Sender   string // the only one that this provider can show, or ""
	Price    Money  // of one message; 0 when unknown
}

// carrierForm is the JSON form of a carrier that is more than a name.
type carrierForm struct {
	Provider string `json:"provider"`
	Priority int    `json:"priority,omitempty"`
	Weight   int    `json:"weight,omitempty"`
	Sender   string `json:"sender,omitempty"`
	Price    Money  `json:"price,omitempty"`
}

// MarshalJSON writes a carrier that is nothing but a name as that name.
func (c Carrier) MarshalJSON() ([]byte, error) {
	if c == (Carrier{Provider: c.Provider}) {
		return json.Marshal(c.Provider)
	}
	return json.Marshal(carrierForm(c))
}

// UnmarshalJSON reads a name or an object.
func (c *Carrier) UnmarshalJSON(data []byte) error {
	if len(data) > 0 && data[0] == '"' {
		*c = Carrier{}
		return json.Unmarshal(data, &c.Provider)
	}
	var f carrierForm
	if err := json.Unmarshal(data, &f); err != nil {
		return fmt.Errorf("a route's provider: %w", err)
	}
	*c = Carrier(f)
	return nil
}

// Way is how a message may go.
type Way struct {
	Carriers []Carrier // in the order in which they are to be asked
	Hedge    time.Duration
}

// Route returns the route for an address: the one with the longest matching
// prefix, else one for its country, else one for all; nil when there is none.
func (d *Directory) Route(tenant string, channel Channel, to, country string) *Route {
	t, ok := d.tenants[tenant]
	if !ok {
		return nil
	}
	var best *Route
	rank := -1
	for i := range t.Routes {
		r := &t.Routes[i]
		if n := r.rank(channel, to, country); n > rank {
			best, rank = r, n
		}
	}
	return best
}

// rank tells how particularly a route speaks of an address: 0 for all, 1 for a
// country, more for a prefix, -1 when it does not.
func (r *Route) rank(channel Channel, to, country string) int {
	switch {
	case r.Channel != channel:
		return -1
	case len(r.Countries) > 0:
		if country != "" && slices.Contains(r.Countries, country) {
			return 1
		}
		return -1
	case r.Prefix == "":
		return 0
	case strings.HasPrefix(to, r.Prefix):
		return 1 + len(r.Prefix)
	}
	return -1
}

// order puts carriers in the order in which one message asks them: by priority,
// and within one by a draw in which each comes first as often as its weight
// says. draw returns numbers in [0, 1).
//
// The draw is that of Efraimidis and Spirakis, "Weighted random sampling with a
// reservoir" (2006): the smallest of -ln(u)/weight comes first.
func order(carriers []Carrier, draw func() float64) []Carrier {
	if len(carriers) == 1 {
		return slices.Clone(carriers)
	}
	type drawn struct {
		Carrier
		priority int
		key      float64
	}
	all := make([]drawn, len(carriers))
	for i, c := range carriers {
		all[i] = drawn{c, cmp.Or(c.Priority, i+1), 0}
	}
	slices.SortStableFunc(all, func(a, b drawn) int { return cmp.Compare(a.priority, b.priority) })
	for i := range all {
		shared := i > 0 && all[i-1].priority == all[i].priority || i+1 < len(all) && all[i+1].priority == all[i].priority
		if shared {
			all[i].key = -math.Log(1-draw()) / float64(cmp.Or(all[i].Weight, 1))
		}
	}
	slices.SortStableFunc(all, func(a, b drawn) int {
		return cmp.Or(cmp.Compare(a.priority, b.priority), cmp.Compare(a.key, b.key))
	})
	ordered := make([]Carrier, len(all))
	for i := range all {
		ordered[i] = all[i].Carrier
	}
	return ordered
}

// Way returns how a message may go, with the sender that each provider is to
// show. draw returns numbers in [0, 1) for the choice by weight.
func (s *Service) Way(d *Dispatch, text *Text, draw func() float64) Way {
	dir := s.Directory()
	tenant, country := d.Verification.Tenant, d.Verification.Spec.Country
	t, ok := dir.Tenant(tenant)
	if !ok {
		return Way{}
	}
	if s.inboxOnly(t) {
		return Way{Carriers: []Carrier{{Provider: s.o.Inbox, Sender: text.From}}}
	}
	r := dir.Route(tenant, d.Message.Channel, text.To, country)
	if r == nil {
		return Way{}
	}
	way := Way{Carriers: order(r.Providers, draw), Hedge: r.Hedge}
	for i := range way.Carriers {
		c := &way.Carriers[i]
		c.Sender = cmp.Or(c.Sender, t.sender(d.Message.Channel, text.From, country, r.Sender))
	}
	return way
}

// inboxOnly tells whether the tenant's messages stay in the inbox: in `aldaba
// dev`, those of a tenant without routes.
func (s *Service) inboxOnly(t *Tenant) bool { return len(t.Routes) == 0 && s.o.Inbox != "" }

// reachable tells whether anybody carries a channel to an address.
func (s *Service) reachable(dir *Directory, t *Tenant, channel Channel, to, country string) bool {
	return s.inboxOnly(t) || dir.Route(t.Name, channel, to, country) != nil
}

func (r *Route) check(f *faultList, at string) {
	f.check(IsChannel(r.Channel), at+".channel", "must be one of %s", channelWords())
	f.check(len(r.Providers) > 0, at+".providers", "must name at least one provider")
	for i, c := range r.Providers {
		here := fmt.Sprintf("%s.providers[%d]", at, i)
		f.check(c.Priority >= 0 && c.Priority <= 1000, here+".priority", "must be 1 to 1000")
		f.check(c.Weight >= 0 && c.Weight <= 1000, here+".weight", "must be 1 to 1000")
		f.check(c.Price >= 0 && c.Price <= maxPrice, here+".price", "must be 0 to 1000000")
		f.check(c.Sender == "" || r.Channel == Email || senderFault(c.Sender) == "", here+".sender", "%s", senderFault(c.Sender))
		twice := slices.ContainsFunc(r.Providers[:i], func(o Carrier) bool { return o.Provider == c.Provider })
		f.check(!twice, here, "names a provider that the route has already")
	}
	f.check(r.Sender == "" || r.Channel == Email || senderFault(r.Sender) == "", at+".sender", "%s", senderFault(r.Sender))
	f.check(r.Hedge == 0 || r.Hedge >= minHedge, at+".hedge", "must be at least %s", minHedge)
	f.check(r.Hedge == 0 || len(r.Providers) > 1, at+".hedge", "needs a second provider")
	f.check(r.Prefix == "" || len(r.Countries) == 0, at+".countries", "must not stand beside a prefix")
	f.check(len(r.Countries) == 0 || r.Channel != Email, at+".countries", "say nothing of an e-mail address")
	for i, c := range r.Countries {
		f.check(isCountry(c), fmt.Sprintf("%s.countries[%d]", at, i), "must be an ISO 3166 code in capitals, such as MX")
	}
	if r.Prefix != "" {
		f.check(r.Channel != Email && isPrefix(r.Prefix), at+".prefix", `must be the beginning of a number, such as "+52"`)
	}
}

// minHedge keeps a hedge from doubling ordinary messages: few receipts come
// sooner.
const minHedge = 5 * time.Second

func isPrefix(s string) bool {
	digits, ok := strings.CutPrefix(s, "+")
	return ok && len(digits) >= 1 && len(digits) <= 15 && strings.Trim(digits, "0123456789") == ""
}
