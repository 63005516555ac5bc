package config

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/aldaba-otp/aldaba/otp"
)

// The bounds below which a setting is called weak: those of the strict policy.
const (
	weakCodes    = 1e6
	shortestLife = 30 * time.Second
	longestLife  = 10 * time.Minute
	usualLength  = 6
)

// Warnings names the weak settings of a tenant's profiles, for the log, weights
// that do nothing, limits that are missing or off, and that there is no route.
// Settings under the strict policy are not honoured and not named. dev is for a
// server of a developer, where a rate that is off is nothing to tell of, and a
// tenant without routes has the inbox.
func Warnings(t *otp.Tenant, dev bool) (all []string) {
	if len(t.Routes) == 0 && !dev {
		all = append(all, fmt.Sprintf("tenant %s has no routes: nothing can be sent", t.Name))
	}
	all = append(all, openLimits(t, dev)...)
	for i := range t.Routes {
		all = append(all, idleWeights(t, i)...)
	}
	for i := range t.Profiles {
		p := &t.Profiles[i]
		if cmp.Or(p.Policy, t.Policy) == otp.Strict {
			continue
		}
		warn := func(format string, args ...any) {
			all = append(all, fmt.Sprintf("tenant %s, profile %s: ", t.Name, p.Name)+fmt.Sprintf(format, args...))
		}
		codes, size := 1.0, len(cmp.Or(p.Alphabet, otp.Digits).Characters())
		for range cmp.Or(p.Length, usualLength) {
			codes *= float64(size)
		}
		if (p.Length > 0 || p.Alphabet != "") && codes < weakCodes {
			warn("a code is one of only %.0f; a million are needed to withstand guessing", codes)
		}
		if p.Lifetime > longestLife {
			warn("a lifetime of %s is longer than %s", p.Lifetime, longestLife)
		}
		if p.Lifetime > 0 && p.Lifetime < shortestLife {
			warn("a lifetime of %s is shorter than %s", p.Lifetime, shortestLife)
		}
	}
	return all
}

// openLimits names what leaves a tenant open to whoever makes it send.
func openLimits(t *otp.Tenant, dev bool) (all []string) {
	warn := func(text string) { all = append(all, fmt.Sprintf("tenant %s: %s", t.Name, text)) }
	priced := slices.ContainsFunc(t.Routes, func(r otp.Route) bool {
		return slices.ContainsFunc(r.Providers, func(c otp.Carrier) bool { return c.Price > 0 })
	})
	if priced && t.Limits.DayMoney == 0 {
		warn("a spend cap is not set: the routes have prices, and limits.day_money is missing")
	}
	if t.FraudWatch.Mode == otp.WatchOff && slices.Contains(t.Countries, "*") {
		warn("fraud_watch is off and countries is *: nothing stops messages to numbers that somebody is paid for; use the mode shadow to look on first")
	}
	if t.Limits.Rate.Off && !dev {
		warn("limits.rate is off: a faulty or stolen credential may send without a bound")
	}
	return all
}

// idleWeights names the providers of a route whose weight does nothing: those
// of one priority share the messages, and no other has theirs.
func idleWeights(t *otp.Tenant, route int) (all []string) {
	r := &t.Routes[route]
	sharing := make(map[int]int)
	priority := func(i int) int { return cmp.Or(r.Providers[i].Priority, i+1) }
	for i := range r.Providers {
		sharing[priority(i)]++
	}
	for i, c := range r.Providers {
		if c.Weight > 0 && sharing[priority(i)] == 1 {
			all = append(all, fmt.Sprintf("tenant %s, route %d (%s): the weight of provider %s does nothing; give those that are to share messages the same priority", t.Name, route+1, r.Channel, c.Provider))
		}
	}
	return all
}
