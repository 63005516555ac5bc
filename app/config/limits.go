package config

import (
	"maps"
	"slices"

	"go.yaml.in/yaml/v3"

	"github.com/aldaba-otp/aldaba/otp"
)

// limitKeys are the keys of a tenant's limits, in the order in which they are
// written.
func limitKeys() []string {
	return []string{"rate", "prefix", "country", "client", "checks", "keys", "day_messages", "day_money", "refuse_landlines", "refuse_voip", "allow_premium"}
}

// limits reads the bounds of what a tenant sends.
func (o *object) limits(key string) otp.Limits {
	n := o.values[key]
	if n == nil {
		return otp.Limits{}
	}
	l := o.r.object(n, o.at(key), limitKeys()...)
	all := otp.Limits{
		Rate: l.rate("rate"), Prefix: l.rate("prefix"), Country: l.rate("country"), Client: l.rate("client"), Checks: l.rate("checks"),
		DayMessages: l.whole("day_messages"), DayMoney: l.money("day_money"),
		RefuseLandlines: l.flag("refuse_landlines", false), RefuseVoIP: l.flag("refuse_voip", false), AllowPremium: l.flag("allow_premium", false),
	}
	if keys := l.values["keys"]; keys != nil {
		named := o.r.mapping(keys, l.at("keys"))
		all.Keys = make(map[string]otp.Rate)
		for _, name := range named.order {
			all.Keys[name] = named.rate(name)
		}
	}
	return all
}

// rate reads a rate such as "20/1h".
func (o *object) rate(key string) (r otp.Rate) {
	text := o.text(key)
	if text == "" {
		return r
	}
	r, err := otp.ParseRate(text)
	switch {
	case err != nil:
		o.fail(key, "%v", err)
	case r.Lasting():
		o.fail(key, "remembers a burst for more than 100 years; give a shorter time or a smaller burst")
	}
	return r
}

func exportLimits(l *otp.Limits) *pairs {
	o := mapping()
	for i, rate := range []otp.Rate{l.Rate, l.Prefix, l.Country, l.Client, l.Checks} {
		o.some(limitKeys()[i], rate.String())
	}
	if len(l.Keys) > 0 {
		keys := mapping()
		for _, name := range slices.Sorted(maps.Keys(l.Keys)) {
			keys.put(name, text(l.Keys[name].String()))
		}
		o.put("keys", keys.node())
	}
	o.number("day_messages", l.DayMessages)
	if l.DayMoney != 0 {
		o.put("day_money", text(l.DayMoney.String()))
	}
	o.yes("refuse_landlines", l.RefuseLandlines)
	o.yes("refuse_voip", l.RefuseVoIP)
	o.yes("allow_premium", l.AllowPremium)
	return o
}

// fraudWatch reads how a tenant watches for toll fraud.
func (o *object) fraudWatch(key string) otp.FraudWatch {
	n := o.values[key]
	if n == nil {
		return otp.FraudWatch{}
	}
	w := o.r.object(n, o.at(key), "mode", "min_sends", "min_approved", "window", "grace", "blocks", "known")
	all := otp.FraudWatch{
		Mode: otp.WatchMode(w.text("mode")), MinSends: w.whole("min_sends"), MinApproved: w.whole("min_approved"),
		Window: w.positive("window"), Grace: w.positive("grace"), Known: w.positive("known"),
	}
	w.each("blocks", func(n *yaml.Node, path string) {
		all.Blocks = append(all.Blocks, o.r.duration(n, path))
	})
	return all
}

func exportFraudWatch(w *otp.FraudWatch) *pairs {
	o := mapping()
	o.some("mode", string(w.Mode))
	o.number("min_sends", w.MinSends)
	o.number("min_approved", w.MinApproved)
	o.duration("window", w.Window)
	o.duration("grace", w.Grace)
	var blocks []string
	for _, b := range w.Blocks {
		blocks = append(blocks, b.String())
	}
	o.texts("blocks", blocks)
	o.duration("known", w.Known)
	return o
}

// listEntry reads one entry of a tenant's list.
func (r *reader) listEntry(n *yaml.Node, path string) otp.ListEntry {
	o := r.object(n, path, "match", "verdict", "until", "reason")
	o.must("match", "verdict")
	e := otp.ListEntry{Match: o.text("match"), Until: o.moment("until"), Reason: o.text("reason")}
	if err := e.Verdict.UnmarshalText([]byte(o.text("verdict"))); err != nil {
		o.fail("verdict", "%v", err)
	}
	return e
}

func exportListEntry(e *otp.ListEntry) *pairs {
	o := mapping()
	o.put("match", text(e.Match))
	o.put("verdict", text(e.Verdict.String()))
	o.moment("until", e.Until)
	o.some("reason", e.Reason)
	return o
}
