package app

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aldaba-otp/aldaba/otp"
)

// orphanAge is after how long without a line a message should have been tried,
// or been taken over from a dead server.
const orphanAge = 30 * time.Second

// finding is a sentence and what to do about it.
type finding struct{ says, advice string }

// conclude puts what is known into one sentence, and says what to do.
func (t *Trace) conclude() {
	f := t.delivery()
	if t.Test {
		f = finding{
			"nothing is sent to a test address of the tenant, whose code is fixed",
			"if somebody waits here for a message, take the address out of the tenant's test_addresses",
		}
	}
	if t.Decoy {
		f = t.feigned()
	}
	switch over := t.over(); {
	case t.Status == otp.Approved.String() && !t.Test:
		f = finding{says: over}
	case over != "":
		f.says = over + "; " + f.says
	}
	if t.Status == otp.Superseded.String() {
		f.advice = fmt.Sprintf("look at the newer one: aldaba trace --tenant %s --to ADDRESS", t.Tenant)
	}
	t.Conclusion, t.Advice = f.says+".", f.advice
}

// over tells how the verification ended, or "" while it waits for its code.
func (t *Trace) over() string {
	after := ""
	if t.Ended != nil {
		after = " after " + span(t.Ended.Sub(t.Created))
	}
	switch t.Status {
	case otp.Approved.String():
		if t.Test {
			return "the fixed code was given" + after
		}
		return "the code was given" + after + ": it arrived"
	case otp.Exhausted.String():
		return fmt.Sprintf("%s used up its tries%s: a code was there, or somebody guessed", count(t.Wrong, "wrong guess", "wrong guesses"), after)
	case otp.Canceled.String():
		if t.To == otp.Erased {
			return "it was canceled" + after + ", and its address was erased"
		}
		return "the application took it back" + after
	case otp.Superseded.String():
		return "a newer verification took its place" + after + ", and this one's code is refused"
	case otp.Void.String():
		return "the operator declared it dead" + after
	}
	if !t.Now.Before(t.Expires) {
		return "the code expired after " + span(t.Expires.Sub(t.Created)) + " and was not given"
	}
	return ""
}

// delivery tells how far the newest message has come.
func (t *Trace) delivery() finding {
	last := t.last()
	if last == nil {
		return t.untried()
	}
	ago, breaker := span(t.Now.Sub(last.At)), t.breakerOf(last.Provider)
	switch otp.EventKind(last.Kind) {
	case otp.EventDelivered:
		return t.arrived(last)
	case otp.EventFailed:
		return t.lost(last)
	case otp.EventRetry:
		return t.retried(last)
	case otp.EventUnsent:
		return t.unsent(last)
	case otp.EventSilent:
		return finding{
			fmt.Sprintf("%s took it and never sent the receipt that it promises; %s", last.Provider, breaker),
			fmt.Sprintf("ask %s about it, with the id that the line `sent` shows; see whether its receipts reach this server", last.Provider),
		}
	}
	if strings.HasPrefix(last.Detail, "maybe") {
		return finding{
			fmt.Sprintf("%s may have taken it %s ago: its answer was lost, and nobody else is asked lest the person be sent too many; %s", last.Provider, ago, breaker),
			fmt.Sprintf("ask %s about messages of that minute; let the person start again", last.Provider),
		}
	}
	if row := t.row(); row != nil && row.Receipts > 0 {
		return finding{
			fmt.Sprintf("%s took it %s ago and has sent no receipt; %s", last.Provider, ago, breaker),
			fmt.Sprintf("wait for its receipt; if none comes, ask %s about the id that the line `sent` shows", last.Provider),
		}
	}
	return finding{
		fmt.Sprintf("%s took it %s ago, and this server waits for no receipt of it; %s", last.Provider, ago, breaker),
		fmt.Sprintf("ask %s about the id that the line `sent` shows; receipts would tell it here", last.Provider),
	}
}

// last returns the newest line about the newest message, or nil when nobody
// has been asked to carry it yet.
func (t *Trace) last() *TraceLine {
	for i := len(t.Journal) - 1; i >= 0; i-- {
		switch otp.EventKind(t.Journal[i].Kind) {
		case otp.EventSent, otp.EventRetry, otp.EventUnsent, otp.EventDelivered, otp.EventFailed, otp.EventSilent:
			return &t.Journal[i]
		case otp.EventStarted, otp.EventResent, otp.EventNextLeg:
			return nil
		}
	}
	return nil
}

// row returns the newest message for the person that waits here, or nil.
func (t *Trace) row() *TraceRow {
	for i := len(t.Waiting) - 1; i >= 0; i-- {
		if t.Waiting[i].For == "person" {
			return &t.Waiting[i]
		}
	}
	return nil
}

// untried speaks of a message that nobody has been asked to carry.
func (t *Trace) untried() finding {
	if f, found := t.blocked(); found {
		return f
	}
	age := t.Now.Sub(t.begun())
	switch {
	case t.row() != nil:
		return finding{
			"its message waits in this server's queue and no provider has been asked yet",
			"see aldaba_queue_messages and aldaba_queue_age_seconds: the providers may be slower than what comes in",
		}
	case age < orphanAge:
		return finding{"its message is in a provider's hands at this moment, or in another server's queue", "ask again in a few seconds"}
	}
	return finding{
		fmt.Sprintf("no provider answered for it in %s", span(age)),
		"see that every server on the database runs and its log; what a dead one left is taken over within 20 s",
	}
}

// begun is when the newest message was born.
func (t *Trace) begun() time.Time {
	for i := len(t.Journal) - 1; i >= 0; i-- {
		if k := otp.EventKind(t.Journal[i].Kind); k == otp.EventResent || k == otp.EventNextLeg {
			return t.Journal[i].At
		}
	}
	return t.Created
}

// blocked tells what of the configuration or of the breakers keeps messages to
// this address from being carried now.
func (t *Trace) blocked() (finding, bool) {
	if t.Route == nil {
		return finding{
			fmt.Sprintf("no route of tenant %s leads to this address by %s", t.Tenant, t.Channel),
			"add a route for the channel and country, then `aldaba apply`",
		}, true
	}
	all := t.Route.Providers
	usable := func(p TraceProvider) bool { return !p.Missing && p.Breaker != "open" && (p.Want == 0 || p.Up > 0) }
	if slices.ContainsFunc(all, usable) {
		return finding{}, false
	}
	var why []string
	for _, p := range all {
		switch {
		case p.Missing:
			why = append(why, p.Name+" could not be opened by this server")
		case p.Want > 0 && p.Up == 0:
			why = append(why, fmt.Sprintf("%s has none of its %s", p.Name, count(p.Want, "connection", "connections")))
		default:
			why = append(why, t.breakerOf(p.Name))
		}
	}
	return finding{
		"no provider of the route can be used now: " + strings.Join(why, "; "),
		"see the log for `a provider did not take a message` and mend the provider; it is tried again by itself",
	}, true
}

// breakerOf tells about a provider's circuit breaker.
func (t *Trace) breakerOf(name string) string {
	where := ""
	if t.Country != "" {
		where = " in " + t.Country
	}
	if t.Route != nil {
		for _, p := range t.Route.Providers {
			switch {
			case p.Name != name:
			case p.Breaker == "open":
				return fmt.Sprintf("the breaker of %s%s is open for %s", name, where, p.Why)
			case p.Breaker == "closed":
				return fmt.Sprintf("the breaker of %s%s is closed", name, where)
			default:
				return fmt.Sprintf("the breaker of %s%s has judged nothing on this server", name, where)
			}
		}
	}
	return name + " is not in the route in force"
}

func (t *Trace) arrived(last *TraceLine) finding {
	says := fmt.Sprintf("%s says that it arrived %s after the start", last.Provider, span(last.At.Sub(t.Created)))
	switch {
	case t.Status == otp.Exhausted.String(): // said already
	case t.Wrong > 0:
		says += fmt.Sprintf(", and %s since", count(t.Wrong, "wrong guess was made", "wrong guesses were made"))
	default:
		says += ", and nobody has given the code"
	}
	return finding{says, "ask the person for the number they look at, for a blocked sender or a spam folder, and whether they took an older code"}
}

func (t *Trace) lost(last *TraceLine) finding {
	says := fmt.Sprintf("%s took it and said %s after the start that it will not arrive%s", last.Provider, span(last.At.Sub(t.Created)), inBrackets(last.Detail))
	if row := t.row(); row != nil && row.Provider == "" {
		return finding{says + "; another provider is asked", "wait a moment and ask again"}
	}
	return finding{says, fmt.Sprintf("look the word up with %s: a number that is switched off or does not exist, or a refused sender or text", last.Provider)}
}

func (t *Trace) retried(last *TraceLine) finding {
	says := fmt.Sprintf("nobody has taken it so far; %s answered last, %s ago%s", orNobody(last.Provider), span(t.Now.Sub(last.At)), inBrackets(last.Detail))
	if row := t.row(); row != nil {
		says += ", and it is tried again " + t.when(row.Until)
	}
	if f, found := t.blocked(); found {
		return finding{says + "; " + f.says, f.advice}
	}
	return finding{says, "see the log for `a provider did not take a message` with this verification_id: throttled is too fast, unavailable is credentials, balance or network"}
}

func (t *Trace) unsent(last *TraceLine) finding {
	says := "nobody carried it" + inBrackets(strings.TrimSpace(last.Provider+" "+last.Detail))
	switch {
	case strings.HasPrefix(last.Detail, "no provider"):
		if f, found := t.blocked(); found {
			return finding{says + "; " + f.says, f.advice}
		}
		return finding{says, "there was no route then and there is one now: let the person start again"}
	case strings.HasPrefix(last.Detail, "rejected"):
		return finding{says, "the last provider refuses this number, sender or text for good: look its word up with it, and whether another provider serves the country"}
	case strings.HasPrefix(last.Detail, "cannot be rendered"):
		return finding{says, "the template or the key ring has changed under it: see the log for `a message cannot be rendered`"}
	case strings.HasPrefix(last.Detail, "the verification is over"), strings.HasPrefix(last.Detail, "another message took its place"):
		return finding{says, "it was given up because it had lost its sense; see the lines above"}
	}
	return finding{says, "see the log for `a provider did not take a message` with this verification_id, and whether a second provider would help"}
}

func orNobody(provider string) string {
	if provider == "" {
		return "no provider"
	}
	return provider
}

func inBrackets(s string) string {
	if s == "" {
		return ""
	}
	return " (" + s + ")"
}

func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// span is a time for people: "12 s", "4m10s".
func span(d time.Duration) string {
	switch d = max(d, 0); {
	case d < 10*time.Second:
		return fmt.Sprintf("%.1f s", d.Seconds())
	case d < time.Minute:
		return fmt.Sprintf("%.0f s", d.Seconds())
	}
	return d.Round(time.Second).String()
}

// when tells a time from now.
func (t *Trace) when(at time.Time) string {
	if !at.After(t.Now) {
		return "now"
	}
	return "in " + span(at.Sub(t.Now))
}

// feigned speaks of a decoy. Its journal says that a provider took it, for the
// tenant's timeline must not tell it from others.
func (t *Trace) feigned() finding {
	if rule := t.hides(); rule != "" {
		return finding{
			fmt.Sprintf("nothing was sent: the profile %s is uniform, and the start was refused by %s", t.Profile, rule),
			"if the person should have got a code, mend what the rule says; only this server's operator is told of it",
		}
	}
	return finding{
		"nothing was sent: the application asked for a decoy, because the address belongs to no account",
		"if the person has an account, ask the application why it started with \"decoy\": true",
	}
}

// hides names the rule of the refusal that a decoy stands for, or is "".
func (t *Trace) hides() string {
	for i := range t.Journal {
		if l := &t.Journal[i]; l.Kind == string(otp.EventStarted) {
			_, rule, _ := strings.Cut(l.Detail, otp.DecoyMark)
			return strings.TrimSpace(rule)
		}
	}
	return ""
}
