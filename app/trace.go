package app

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"time"

	"github.com/aldaba-otp/aldaba/internal/httpx"
	"github.com/aldaba-otp/aldaba/otp"
)

// Trace is what the operator is told of one verification, to find out why
// somebody got no code. It holds no code and no full address.
type Trace struct {
	ID          string     `json:"id"`
	Status      string     `json:"status"`
	Tenant      string     `json:"tenant"`
	Dialect     string     `json:"dialect"`
	Profile     string     `json:"profile"`
	Purpose     string     `json:"purpose"`
	To          string     `json:"to"` // masked
	Country     string     `json:"country,omitempty"`
	Channel     string     `json:"channel"` // of the present leg
	Plan        []TraceLeg `json:"plan,omitempty"`
	Created     time.Time  `json:"created"`
	Expires     time.Time  `json:"expires"`
	Ended       *time.Time `json:"ended,omitempty"`
	Now         time.Time  `json:"now"`
	Wrong       int        `json:"wrong_guesses"`
	MaxAttempts int        `json:"max_attempts"`
	Sends       int        `json:"sends"`
	Test        bool       `json:"test,omitempty"` // of a test address
	Decoy       bool       `json:"decoy,omitempty"`

	Route    *TraceRoute    `json:"route"` // in force; null when none leads there
	Journal  []TraceLine    `json:"journal"`
	Waiting  []TraceRow     `json:"waiting"` // rows of the outbox that this server knows of
	Webhooks []TraceWebhook `json:"webhooks,omitempty"`
	Limit    string         `json:"limit,omitempty"` // that refuses another message now
	Wait     float64        `json:"wait,omitempty"`  // seconds until it does not

	Conclusion string `json:"conclusion"`
	Advice     string `json:"advice,omitempty"`
}

// TraceLeg is one channel of a plan.
type TraceLeg struct {
	Channel string  `json:"channel"`
	Wait    float64 `json:"wait,omitempty"` // seconds
	Present bool    `json:"present,omitempty"`
}

// TraceRoute is the route in force.
type TraceRoute struct {
	For       string          `json:"for"` // prefix, countries or "all"
	Hedge     float64         `json:"hedge,omitempty"`
	Providers []TraceProvider `json:"providers"`
}

// TraceProvider is one provider of a route, as this server sees it.
type TraceProvider struct {
	Name     string     `json:"name"`
	Priority int        `json:"priority"`
	Weight   int        `json:"weight"`
	Missing  bool       `json:"missing,omitempty"` // this server could not open it
	Breaker  string     `json:"breaker"`           // closed or open; unused when it has judged nothing
	Why      string     `json:"why,omitempty"`
	Until    *time.Time `json:"until,omitempty"` // when a probe is let through
	Up       int        `json:"up,omitempty"`    // connections
	Want     int        `json:"want,omitempty"`
}

// TraceLine is one line of the journal.
type TraceLine struct {
	At       time.Time `json:"at"`
	After    float64   `json:"after"` // seconds since the start
	Kind     string    `json:"kind"`
	Channel  string    `json:"channel,omitempty"`
	Provider string    `json:"provider,omitempty"`
	Detail   string    `json:"detail,omitempty"`
	Actor    string    `json:"actor,omitempty"`
}

// TraceRow is a row of the outbox.
type TraceRow struct {
	For      string    `json:"for"`     // person or webhook
	Channel  string    `json:"channel"` // or the webhook's host
	Waits    string    `json:"waits"`   // for what
	Until    time.Time `json:"until"`
	Tries    int       `json:"tries"`
	Provider string    `json:"provider,omitempty"` // that took it
	Receipts int       `json:"receipts,omitempty"` // still to come
}

// TraceWebhook is one webhook of the tenant.
type TraceWebhook struct {
	Host    string `json:"host"`
	Told    int    `json:"told"`    // events of this verification that it wants
	Waiting int    `json:"waiting"` // of them that it has not heard yet, as far as this server knows
}

// Trace tells about one verification.
// Errors: NotFound, Unavailable, Internal.
func (a *App) Trace(ctx context.Context, id otp.ID) (Trace, error) {
	one, err := a.Service.Trace(ctx, id)
	if err != nil {
		return Trace{}, err
	}
	return a.told(&one), nil
}

// TraceAddress tells about the verifications of an address, newest first.
// Errors: Invalid, NotFound, Unavailable, Internal.
func (a *App) TraceAddress(ctx context.Context, tenant, to string) ([]Trace, error) {
	found, err := a.Service.TraceAddress(ctx, tenant, to)
	if err != nil {
		return nil, err
	}
	all := make([]Trace, len(found))
	for i := range found {
		all[i] = a.told(&found[i])
	}
	return all, nil
}

// told puts what the core and this server know into words.
func (a *App) told(one *otp.Trace) Trace {
	v := &one.Verification
	t := Trace{
		ID: v.ID.String(), Status: v.Status.String(), Tenant: v.Tenant, Dialect: v.Spec.Dialect, Profile: v.Spec.Profile, Purpose: v.Spec.Purpose,
		To: one.To, Country: v.Spec.Country, Channel: string(v.Leg()), Created: v.Spec.Created, Expires: v.Expires,
		Now: a.Clock.Now().UTC().Truncate(time.Millisecond), Wrong: v.Attempts, MaxAttempts: v.Spec.MaxAttempts, Sends: v.Sends, Test: v.Spec.Test, Decoy: v.Spec.Decoy,
		Journal: []TraceLine{}, Waiting: []TraceRow{}, Limit: one.Rule, Wait: one.Wait.Seconds(),
	}
	if !v.Ended.IsZero() {
		t.Ended = &v.Ended
	}
	for i, leg := range v.Spec.Plan {
		t.Plan = append(t.Plan, TraceLeg{string(leg.Channel), leg.Wait.Seconds(), i == v.Course.Leg})
	}
	for i := range one.Events {
		t.Journal = append(t.Journal, line(&one.Events[i], v.Spec.Created))
	}
	a.traceRoute(&t, one)
	a.traceRows(&t, one)
	t.conclude()
	return t
}

func line(e *otp.Event, created time.Time) TraceLine {
	l := TraceLine{At: e.At, After: e.At.Sub(created).Seconds(), Kind: string(e.Kind), Actor: e.Actor, Detail: e.Detail}
	if channel, provider, detail, ok := e.Carried(); ok {
		l.Channel, l.Provider, l.Detail = string(channel), provider, detail
	}
	return l
}

func (a *App) traceRoute(t *Trace, one *otp.Trace) {
	if !one.Routed {
		return
	}
	r := &one.Route
	t.Route = &TraceRoute{For: "all", Hedge: r.Hedge.Seconds(), Providers: []TraceProvider{}}
	switch {
	case r.Prefix != "":
		t.Route.For = r.Prefix
	case len(r.Countries) > 0:
		t.Route.For = join(r.Countries)
	}
	for i, c := range r.Providers {
		p := TraceProvider{Name: c.Provider, Priority: cmp.Or(c.Priority, i+1), Weight: cmp.Or(c.Weight, 1), Breaker: "unused"}
		_, here := a.Courier.Provider(c.Provider)
		p.Missing = !here
		for _, b := range a.Courier.Breakers() {
			if b.Provider == c.Provider && b.Country == t.Country {
				if p.Breaker = "closed"; b.Open {
					p.Breaker, p.Why, p.Until = "open", b.Why, &b.Until
				}
			}
		}
		for _, s := range a.Courier.Connections() {
			if s.Provider == c.Provider {
				p.Up, p.Want = s.Up, s.Want
			}
		}
		t.Route.Providers = append(t.Route.Providers, p)
	}
}

// traceRows tells of what this server has in its queues, and of the row of a
// plan wherever it is.
func (a *App) traceRows(t *Trace, one *otp.Trace) {
	rows, seen := a.Courier.Holding(one.Verification.ID), map[otp.ID]bool{}
	waiting := map[string]int{}
	for _, m := range append(rows, one.Rows...) {
		if seen[m.ID] {
			continue
		}
		seen[m.ID] = true
		if m.Kind == otp.EventMessage {
			waiting[m.Progress.Provider]++
			t.Waiting = append(t.Waiting, TraceRow{For: "webhook", Channel: host(m.Progress.Provider), Waits: "its webhook", Until: m.NextAt, Tries: m.Attempt})
			continue
		}
		t.Waiting = append(t.Waiting, TraceRow{
			For: "person", Channel: string(m.Channel), Waits: waitsFor(&m), Until: m.NextAt, Tries: m.Attempt, Provider: m.Progress.Provider,
			Receipts: m.Progress.Await,
		})
	}
	for _, w := range one.Webhooks {
		hook := TraceWebhook{Host: host(w.URL), Waiting: waiting[w.URL]}
		for i := range one.Events {
			if w.Tells(one.Events[i].Kind) {
				hook.Told++
			}
		}
		hook.Told = max(hook.Told-hook.Waiting, 0)
		t.Webhooks = append(t.Webhooks, hook)
	}
}

// waitsFor tells what a message of a person waits for.
func waitsFor(m *otp.Message) string {
	p := &m.Progress
	switch {
	case !m.Taken() && m.Attempt == 0:
		return "a provider"
	case !m.Taken():
		return "another try"
	case p.HedgeAt.Equal(m.NextAt):
		return "a receipt, then a second provider is asked"
	case p.LegAt.Equal(m.NextAt):
		return "a receipt or the code, then the plan goes on"
	case p.Await > 0:
		return "a receipt"
	}
	return "the end of the code's life"
}

// host is what may be shown of a webhook's address: its path or query may hold
// a secret.
func host(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return "?"
	}
	return u.Host
}

func (a *App) adminTrace(w http.ResponseWriter, r *http.Request) {
	id, ok := otp.ParseID(r.PathValue("id"))
	if !ok {
		httpx.WriteProblem(w, httpx.Problem{Status: http.StatusBadRequest, Detail: "the name of a verification has 36 characters, such as 019c1346-5a22-7a3e-8d6f-2f1c1b0a9e77"})
		return
	}
	tell(r.Context(), "", "verification %s", id)
	one, err := a.Trace(r.Context(), id)
	if err != nil {
		a.traceRefuse(w, err)
		return
	}
	adminAnswer(w, one)
}

// adminTraceAddress takes the address in the body, since paths and queries end
// up in logs.
func (a *App) adminTraceAddress(w http.ResponseWriter, r *http.Request) {
	var asked struct {
		Tenant string `json:"tenant"`
		To     string `json:"to"`
	}
	body, err := httpx.ReadBody(w, r, 1<<10)
	if err == nil {
		strict := json.NewDecoder(bytes.NewReader(body))
		strict.DisallowUnknownFields()
		err = strict.Decode(&asked)
	}
	if err != nil || asked.Tenant == "" || asked.To == "" {
		httpx.WriteProblem(w, httpx.Problem{Status: http.StatusBadRequest, Detail: `give {"tenant":"NAME","to":"ADDRESS"}`})
		return
	}
	tell(r.Context(), asked.Tenant, "by address")
	all, err := a.TraceAddress(r.Context(), asked.Tenant, asked.To)
	if err != nil {
		a.traceRefuse(w, err)
		return
	}
	adminAnswer(w, map[string]any{"verifications": all})
}

func (a *App) traceRefuse(w http.ResponseWriter, err error) {
	if e := otp.AsError(err); e.Kind == otp.NotFound {
		httpx.WriteProblem(w, httpx.Problem{Status: http.StatusNotFound, Detail: e.Message})
		return
	}
	a.adminRefuse(w, err)
}
