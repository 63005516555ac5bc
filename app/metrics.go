package app

import (
	"context"
	"log/slog"
	"net/http"
	"strconv"

	"github.com/aldaba-otp/aldaba/api"
	"github.com/aldaba-otp/aldaba/delivery"
	"github.com/aldaba-otp/aldaba/internal/httpx"
	"github.com/aldaba-otp/aldaba/internal/metrics"
	"github.com/aldaba-otp/aldaba/otp"
)

// observe counts a journal event after its commit, and logs what became of a
// message.
func (a *App) observe(e *otp.Event) {
	l := metrics.Labels{
		Tenant: e.Tenant, Dialect: e.Dialect, Channel: string(e.Facts.Channel), Provider: e.Facts.Provider, Country: e.Facts.Country,
	}
	if e.Facts.Test { // not to be mistaken for people
		a.metrics.Count(metrics.Tests, metrics.Labels{Tenant: e.Tenant, Dialect: e.Dialect, Status: string(e.Kind)})
		return
	}
	if e.Facts.Decoy { // nor these
		a.metrics.Count(metrics.Decoys, metrics.Labels{Tenant: e.Tenant, Dialect: e.Dialect, Status: string(e.Kind), Rule: e.Facts.Hides})
		return
	}
	switch e.Kind {
	case otp.EventSent, otp.EventRetry, otp.EventUnsent, otp.EventDelivered, otp.EventFailed, otp.EventSilent:
		a.observeMessage(e, l)
	case otp.EventStarted:
		a.metrics.Count(metrics.Started, l)
		for _, setting := range e.Facts.Weak {
			a.metrics.Count(metrics.WeakSettings, metrics.Labels{Tenant: e.Tenant, Dialect: e.Dialect, Setting: setting})
		}
	case otp.EventResent:
		a.metrics.Count(metrics.Resent, l)
	case otp.EventNextLeg:
		a.metrics.Count(metrics.NextChannel, l)
	case otp.EventWrong:
		a.metrics.Count(metrics.WrongGuesses, l)
	case otp.EventRefused:
		a.metrics.Count(metrics.Refusals, metrics.Labels{Tenant: e.Tenant, Dialect: e.Dialect, Rule: e.Rule()})
	case otp.EventLocked:
		a.metrics.Count(metrics.Locks, metrics.Labels{Tenant: e.Tenant})
		a.log.Warn("an address is locked after too many wrong guesses in a row", "tenant", e.Tenant, "verification_id", e.Verification.String())
	case otp.EventReleased:
		a.metrics.Count(metrics.Releases, metrics.Labels{Tenant: e.Tenant})
	case otp.EventAlert:
		a.metrics.Count(metrics.Alerts, metrics.Labels{Tenant: e.Tenant, Rule: e.Rule()})
		a.alert(e)
	case otp.EventShadowed:
		a.metrics.Count(metrics.Shadowed, metrics.Labels{Tenant: e.Tenant, Dialect: e.Dialect, Rule: e.Rule()})
	case otp.EventRepeated:
		a.metrics.Count(metrics.Repeated, metrics.Labels{Tenant: e.Tenant, Dialect: e.Dialect})
	case otp.EventApproved:
		a.metrics.Count(metrics.Approved, l)
		a.metrics.Time(metrics.Approval, metrics.Labels{Dialect: l.Dialect, Channel: l.Channel, Country: l.Country}, e.Facts.Since.Seconds())
		a.ended(e, l)
	case otp.EventExhausted:
		a.metrics.Count(metrics.WrongGuesses, l) // the last one ends it and has no line of its own
		a.ended(e, l)
	case otp.EventExpired, otp.EventCanceled, otp.EventSuperseded, otp.EventVoid:
		a.ended(e, l)
	}
}

// beginAlerts shows the alerts of all tenants at 0, so that the first one since
// the server started is an increase. Those of a tenant that goes stay until the
// process ends.
func (a *App) beginAlerts(tenants []otp.Tenant) {
	var all []metrics.Labels
	for i := range tenants {
		for _, rule := range otp.AlertRules() {
			all = append(all, metrics.Labels{Tenant: tenants[i].Name, Rule: rule})
		}
	}
	a.metrics.Begin(metrics.Alerts, all)
}

// alert says an alert to whoever reads the log.
func (a *App) alert(e *otp.Event) {
	with := []any{"tenant", e.Tenant, "rule", e.Detail}
	switch e.Rule() {
	case otp.RuleRatio:
		a.log.Warn("too many of a tenant's guesses are wrong; somebody may be guessing", with...)
	case otp.RuleConversion:
		a.log.Warn("messages to a prefix are not answered; somebody may be paid for them", with...)
	case otp.RuleDayMessages, otp.RuleDayMoney:
		a.log.Warn("a tenant has used a good part of its day's limit", with...)
	default:
		a.log.Warn("a rule has raised an alert", with...)
	}
}

func (a *App) ended(e *otp.Event, l metrics.Labels) {
	l.Status = string(e.Kind)
	a.metrics.Count(metrics.Ended, l)
}

// observeMessage counts what became of a message. The log names neither the
// address nor what a carrier calls the message: the journal does.
func (a *App) observeMessage(e *otp.Event, l metrics.Labels) {
	timed := metrics.Labels{Channel: l.Channel, Provider: l.Provider, Country: l.Country}
	level := slog.LevelInfo
	switch e.Kind {
	case otp.EventSent:
		a.metrics.Count(metrics.Sent, l)
		a.metrics.Time(metrics.HandOver, timed, e.Facts.Since.Seconds())
		level = slog.LevelDebug
	case otp.EventDelivered:
		a.metrics.Count(metrics.Delivered, l)
		a.metrics.Time(metrics.Receipt, timed, e.Facts.Since.Seconds())
		level = slog.LevelDebug
	case otp.EventRetry:
		a.metrics.Count(metrics.Retried, l)
		level = slog.LevelDebug // the refusals behind it are warnings of their own
	case otp.EventFailed:
		a.metrics.Count(metrics.Failed, l)
	case otp.EventUnsent:
		a.metrics.Count(metrics.Unsent, l)
	case otp.EventSilent:
		a.metrics.Count(metrics.Unconfirmed, l)
	}
	if ctx := context.Background(); a.log.Enabled(ctx, level) {
		a.log.LogAttrs(ctx, level, "message", slog.String("event", string(e.Kind)), slog.String("verification_id", e.Verification.String()),
			slog.String("tenant", e.Tenant), slog.String("channel", l.Channel), slog.String("provider", l.Provider),
			slog.Duration("since", e.Facts.Since))
	}
}

// observeTry times a call of a provider.
func (a *App) observeTry(t delivery.Try) {
	a.metrics.Time(metrics.ProviderCall, metrics.Labels{Channel: t.Channel, Provider: t.Provider, Result: t.Result}, t.Took.Seconds())
}

// state is what a scrape measures.
func (a *App) state() (s metrics.State) {
	q, now := a.Courier.Queue(), a.Clock.Now()
	s.Queue = metrics.Queue{Ready: q.Ready, Busy: q.Busy, Waiting: q.Waiting, Events: q.Events}
	if !q.Oldest.IsZero() {
		s.Queue.Age = max(now.Sub(q.Oldest).Seconds(), 0)
	}
	for _, b := range a.Courier.Breakers() {
		s.Breakers = append(s.Breakers, metrics.Breaker{Provider: b.Provider, Country: b.Country, Open: b.Open})
	}
	for _, c := range a.Courier.Connections() {
		s.Connections = append(s.Connections, metrics.Connections{Provider: c.Provider, Up: c.Up, Wanted: c.Want})
	}
	w := a.Store.Stats()
	s.Store = metrics.Store{Waiting: a.Store.Waiting(), Commits: w.Commits, Steps: w.Steps, Doubts: w.Doubts, Behind: a.Store.Behind().Seconds()}
	return s
}

// tongues maps the patterns of routes to the dialects that they are of.
func tongues(all []api.Dialect) map[string]string {
	m := map[string]string{}
	for _, d := range all {
		for _, r := range d.Routes {
			m[r.Pattern] = d.Name
		}
	}
	return m
}

// watch implements [httpx.Watch]: it times requests, and traces them if spans
// go anywhere.
func (a *App) watch(r *http.Request) (*http.Request, func(*http.Request, int)) {
	began := a.Clock.Now()
	inner, end := r, func(string, string, int) {}
	if a.tracer != nil {
		inner, end = a.tracer.Request(r)
	}
	return inner, func(inner *http.Request, status int) {
		route := httpx.RouteOf(inner)
		end(route, a.tongues[route], status)
		a.metrics.Time(metrics.Request, metrics.Labels{Route: route, Status: statusText(status)}, a.Clock.Now().Sub(began).Seconds())
	}
}

// statusText spares the usual answers a piece of garbage each.
func statusText(status int) string {
	switch status {
	case http.StatusOK:
		return "200"
	case http.StatusCreated:
		return "201"
	}
	return strconv.Itoa(status)
}
