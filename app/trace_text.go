package app

import (
	"fmt"
	"strings"
	"text/tabwriter"
	"time"
)

func join(words []string) string { return strings.Join(words, " ") }

// Text is the trace on one screen.
func (t *Trace) Text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s  %s\n", t.ID, t.Status)
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	row := func(name, format string, args ...any) {
		_, _ = fmt.Fprintf(w, "  %s\t%s\n", name, fmt.Sprintf(format, args...))
	}
	row("tenant", "%s, profile %s, %s by %s", t.Tenant, t.Profile, t.Purpose, t.Dialect)
	row("to", "%s by %s%s", t.To, t.Channel, inBrackets(t.Country))
	if t.Test {
		row("TEST", "a test address: a fixed code proves it, nothing is sent, no limit counts")
	}
	if t.Decoy {
		row("DECOY", "it answers like any other; nothing is sent and no code is right")
	}
	row("started", "%s, %s ago", t.Created.Format(time.RFC3339), span(t.Now.Sub(t.Created)))
	if t.Ended != nil {
		row("ended", "%s, after %s", t.Ended.Format(time.RFC3339), span(t.Ended.Sub(t.Created)))
	} else {
		row("expires", "%s, %s", t.Expires.Format(time.RFC3339), t.when(t.Expires))
	}
	row("guesses", "%d wrong of %d; %s", t.Wrong, t.MaxAttempts, count(t.Sends, "send", "sends"))
	if len(t.Plan) > 0 {
		row("plan", "%s", t.plan())
	}
	if t.Route == nil {
		row("route", "none")
	} else {
		row("route", "for %s", t.Route.For)
		for i := range t.Route.Providers {
			row("", "%s", t.Route.Providers[i].text(t))
		}
	}
	for _, m := range t.Waiting {
		row("waits", "%s: %s, for %s, until %s (%s)", m.For, m.Channel, m.Waits, m.Until.Format(time.TimeOnly), t.when(m.Until))
	}
	for _, h := range t.Webhooks {
		row("webhook", "%s: told %d, waiting %d", h.Host, h.Told, h.Waiting)
	}
	if t.Limit != "" {
		row("limit", "another message is refused for %s by %s", span(time.Duration(t.Wait*float64(time.Second))), t.Limit)
	}
	_ = w.Flush() // a strings.Builder takes everything
	t.journalText(&b)
	fmt.Fprintf(&b, "\nWhy: %s\n", t.Conclusion)
	if t.Advice != "" {
		fmt.Fprintf(&b, "Next: %s.\n", t.Advice)
	}
	return b.String()
}

func (t *Trace) plan() string {
	words := make([]string, len(t.Plan))
	for i, leg := range t.Plan {
		if words[i] = leg.Channel; leg.Present {
			words[i] = "[" + leg.Channel + "]"
		}
	}
	return strings.Join(words, " > ")
}

func (p *TraceProvider) text(t *Trace) string {
	s := fmt.Sprintf("%s (priority %d, weight %d): ", p.Name, p.Priority, p.Weight)
	switch {
	case p.Missing:
		s += "could not be opened by this server"
	case p.Breaker == "open":
		s += fmt.Sprintf("breaker open for %s, probe %s", p.Why, t.when(*p.Until))
	default:
		s += "breaker " + p.Breaker
	}
	if p.Want > 0 {
		s += fmt.Sprintf(", %d of %s up", p.Up, count(p.Want, "connection", "connections"))
	}
	return s
}

func (t *Trace) journalText(b *strings.Builder) {
	b.WriteByte('\n')
	w := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	for _, l := range t.Journal {
		what := l.Actor
		if l.Channel != "" {
			what = strings.TrimSpace(l.Channel + " " + l.Provider)
		}
		cells := []string{fmt.Sprintf("  +%.1f s", l.After), l.Kind, what}
		if l.Detail != "" {
			cells = append(cells, l.Detail)
		}
		_, _ = fmt.Fprintln(w, strings.Join(cells, "\t"))
	}
	_ = w.Flush() // as above
}
