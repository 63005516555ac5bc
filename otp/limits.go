package otp

import (
	"fmt"
	"maps"
	"slices"
	"time"
)

// Limits bound what a tenant sends, beside the limits of one address, which
// nobody can raise. A field that is not given is its default.
type Limits struct {
	Rate    Rate `json:"rate,omitzero"`    // messages of the tenant; 50/1s burst 3000
	Prefix  Rate `json:"prefix,omitzero"`  // starts to a prefix (a number without its last four digits) at unknown numbers; off
	Country Rate `json:"country,omitzero"` // starts to a country at unknown numbers; off
	Client  Rate `json:"client,omitzero"`  // starts of an end user's network: an IPv4 address, an IPv6 /64, and five times of it for an IPv6 /48; 20/1h
	Checks  Rate `json:"checks,omitzero"`  // checks of an end user's network; 60/1h
	// Keys are rates of keys that the application chooses, such as "device" or
	// "account"; a start says which value of each it belongs to.
	Keys map[string]Rate `json:"keys,omitempty"`
	// DayMessages and DayMoney are the most that a day (UTC) may send and cost;
	// 0 is no bound.
	DayMessages int   `json:"day_messages,omitempty"`
	DayMoney    Money `json:"day_money,omitempty"`
	// RefuseLandlines refuses landlines, but not calls to them; numbers that may
	// be mobile pass. RefuseVoIP refuses VoIP numbers.
	RefuseLandlines bool `json:"refuse_landlines,omitempty"`
	RefuseVoIP      bool `json:"refuse_voip,omitempty"`
	// AllowPremium lets numbers pass that cost whoever writes to them, or that
	// nobody reads texts at: premium rate, shared cost, satellite, personal,
	// universal access, pager and voicemail.
	AllowPremium bool `json:"allow_premium,omitempty"`
}

// The defaults of a tenant's limits (docs/operations/limits.md tells why).
func defaultLimits() Limits {
	return Limits{
		Rate: Rate{N: 50, Per: time.Second, Burst: 3000}, Prefix: Rate{Off: true}, Country: Rate{Off: true},
		Client: Rate{N: 20, Per: time.Hour}, Checks: Rate{N: 60, Per: time.Hour},
	}
}

// The most messages that one address gets from all tenants together.
const (
	everywhereSends  = 20
	everywhereWindow = dayWindow
)

// The names of the rules over many addresses.
const (
	RuleEverywhere  = "sends_per_address_over_all_tenants_24h"
	RuleTenantRate  = "sends_per_tenant"
	RulePrefix      = "sends_per_prefix"
	RuleCountry     = "sends_per_country"
	RuleClient      = "sends_per_client_network"
	RuleClientWide  = "sends_per_client_network_48"
	RuleChecks      = "checks_per_client_network"
	RuleKey         = "sends_per_key_" // and the name of the key
	RuleDayMessages = "messages_per_day"
	RuleDayMoney    = "money_per_day"
	RuleConversion  = "approvals_per_prefix"
	RuleBlockList   = "block_list"
	RuleNumberKind  = "number_kind"
)

// AlertRules are the rules that raise an [EventAlert].
func AlertRules() []string {
	return []string{RuleRatio, RuleConversion, RuleDayMessages, RuleDayMoney}
}

// maxKeys bounds the keys of an application.
const maxKeys = 8

// with fills what is not given.
func (l Limits) with(d Limits) Limits {
	l.Rate, l.Prefix, l.Country = l.Rate.or(d.Rate), l.Prefix.or(d.Prefix), l.Country.or(d.Country)
	l.Client, l.Checks = l.Client.or(d.Client), l.Checks.or(d.Checks)
	return l
}

func (l *Limits) check(f *faultList) {
	f.check(l.DayMessages >= 0 && l.DayMessages <= 1_000_000_000, ".limits.day_messages", "must be 1 to 1000000000")
	f.check(l.DayMoney >= 0, ".limits.day_money", "must be an amount above 0")
	f.check(len(l.Keys) <= maxKeys, ".limits.keys", "must be %d at most", maxKeys)
	for _, name := range slices.Sorted(maps.Keys(l.Keys)) {
		f.check(isName(name), fmt.Sprintf(".limits.keys.%s", name), "must be named by 1 to 64 letters, digits, dots, dashes or underscores")
	}
}
