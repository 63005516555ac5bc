package config

import (
	"slices"

	"go.yaml.in/yaml/v3"

	"github.com/aldaba-otp/aldaba/otp"
)

func (r *reader) route(n *yaml.Node, path string) otp.Route {
	o := r.object(n, path, "channel", "prefix", "countries", "providers", "sender", "hedge")
	o.must("channel", "providers")
	route := otp.Route{
		Channel: otp.Channel(o.text("channel")), Prefix: o.text("prefix"), Countries: o.texts("countries"),
		Sender: o.text("sender"), Hedge: o.positive("hedge"),
	}
	o.each("providers", func(n *yaml.Node, path string) { route.Providers = append(route.Providers, r.carrier(n, path)) })
	return route
}

// carrier reads a provider of a route: its name, or a mapping that says more.
func (r *reader) carrier(n *yaml.Node, path string) otp.Carrier {
	if n.Kind != yaml.MappingNode {
		return otp.Carrier{Provider: r.text(n, path)}
	}
	o := r.object(n, path, "provider", "weight", "priority", "sender", "price")
	o.must("provider")
	return otp.Carrier{
		Provider: o.text("provider"), Weight: o.whole("weight"), Priority: o.whole("priority"), Sender: o.text("sender"), Price: o.money("price"),
	}
}

// money reads an amount as it is written, so that nothing is rounded.
func (o *object) money(key string) otp.Money {
	text := o.text(key)
	if text == "" {
		return 0
	}
	amount, err := otp.ParseMoney(text)
	if err != nil {
		o.fail(key, "%v", err)
	}
	return amount
}

func (r *reader) sender(n *yaml.Node, path string) otp.Sender {
	o := r.object(n, path, "sender", "countries")
	o.must("sender")
	return otp.Sender{Sender: o.text("sender"), Countries: o.texts("countries")}
}

// leg reads one channel of a profile's plan.
func (r *reader) leg(n *yaml.Node, path string) otp.Leg {
	o := r.object(n, path, "channel", "wait")
	o.must("channel")
	return otp.Leg{Channel: otp.Channel(o.text("channel")), Wait: o.duration("wait")}
}

// webhookEntry is a webhook as it was given.
type webhookEntry struct {
	path     string
	kept     otp.Webhook // without its secrets
	secret   secret
	previous secret
}

func (r *reader) webhook(n *yaml.Node, path string) webhookEntry {
	o := r.object(n, path, slices.Concat([]string{"url", "events"}, secretKeys("secret", asSealed), secretKeys("previous_secret", asSealed))...)
	o.must("url")
	w := webhookEntry{
		path: path, kept: otp.Webhook{URL: o.text("url")},
		secret: o.secret("secret", asSealed), previous: o.secret("previous_secret", asSealed),
	}
	for _, kind := range o.texts("events") {
		w.kept.Events = append(w.kept.Events, otp.EventKind(kind))
	}
	return w
}

// unsealed is the webhook for a check of its form: the core asks only whether
// there is a secret.
func (w *webhookEntry) unsealed() otp.Webhook {
	full := w.kept
	full.Secret = w.secret.key
	return full
}
