package app

import (
	"cmp"
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/aldaba-otp/aldaba/internal/httpx"
	"github.com/aldaba-otp/aldaba/otp"
)

// RefusalsAsked asks what limits, the fraud watch and lists have said.
type RefusalsAsked struct {
	Tenant string `json:"tenant"`
	To     string `json:"to,omitempty"`    // one address
	Rule   string `json:"rule,omitempty"`  // one rule
	Since  string `json:"since,omitempty"` // a duration back from now, or a time; 24h when empty
	Limit  int    `json:"limit,omitempty"` // the newest so many; 100 when 0
}

// Refused is one line about a refusal, a decision or an alert.
type Refused struct {
	At      time.Time     `json:"at"`
	Kind    otp.EventKind `json:"kind"` // refused, shadowed, alert, listed, released or locked
	Tenant  string        `json:"tenant"`
	Dialect string        `json:"dialect,omitempty"`
	Actor   string        `json:"actor,omitempty"`
	Rule    string        `json:"rule,omitempty"`
	Counter string        `json:"counter,omitempty"` // how far the rule was used up, or what was decided
	Allows  string        `json:"allows,omitempty"`  // what would have let it pass
	Address string        `json:"address,omitempty"` // a tag: the same for all lines of one address
}

// The bounds of one search.
const (
	refusalsTold    = 100
	maxRefusalsTold = 1000
	refusalsSince   = "24h"
)

// Refusals tells what limits, the fraud watch and lists have said, newest last.
// Errors: Invalid, NotFound, Unavailable.
func (a *App) Refusals(ctx context.Context, asked RefusalsAsked) ([]Refused, error) {
	since, err := sinceOf(cmp.Or(asked.Since, refusalsSince), a.Clock.Now())
	if err != nil {
		return nil, err
	}
	limit := cmp.Or(asked.Limit, refusalsTold)
	if limit < 0 || limit > maxRefusalsTold {
		return nil, &otp.Error{Kind: otp.Invalid, Field: "limit", Message: "must be 1 to 1000"}
	}
	found, err := a.Service.Refusals(ctx, otp.RefusalQuery{Tenant: asked.Tenant, To: asked.To, Rule: asked.Rule, Since: since, Limit: limit})
	if err != nil {
		return nil, err
	}
	all := make([]Refused, len(found))
	for i, r := range found {
		all[i] = Refused(r)
	}
	return all, nil
}

// sinceOf reads a time, or a duration back from now.
func sinceOf(text string, now time.Time) (time.Time, error) {
	if d, err := time.ParseDuration(text); err == nil && d > 0 {
		return now.Add(-d).UTC(), nil
	}
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return time.Time{}, &otp.Error{Kind: otp.Invalid, Field: "since", Message: "must be a duration such as 24h, or a time such as 2026-12-31T00:00:00Z"}
	}
	return at.UTC(), nil
}

// adminRefusals answers GET /admin/refusals?tenant=NAME&rule=RULE&since=24h&limit=N.
func (a *App) adminRefusals(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	limit, err := strconv.Atoi(cmp.Or(q.Get("limit"), "0"))
	if q.Get("tenant") == "" || q.Has("to") || err != nil {
		httpx.WriteProblem(w, httpx.Problem{Status: http.StatusBadRequest, Detail: "name the tenant: /admin/refusals?tenant=NAME, and what you like of rule, since and limit; an address goes into the body of a POST"})
		return
	}
	a.answerRefusals(w, r, RefusalsAsked{Tenant: q.Get("tenant"), Rule: q.Get("rule"), Since: q.Get("since"), Limit: limit})
}

// adminRefusalsOf answers POST /admin/refusals.
func (a *App) adminRefusalsOf(w http.ResponseWriter, r *http.Request) {
	var asked RefusalsAsked
	if !adminBodyInto(w, r, &asked, `give {"tenant":"NAME"}, and what you like of to, rule, since and limit`, &asked.Tenant) {
		return
	}
	tell(r.Context(), asked.Tenant, "")
	a.answerRefusals(w, r, asked)
}

func (a *App) answerRefusals(w http.ResponseWriter, r *http.Request, asked RefusalsAsked) {
	all, err := a.Refusals(r.Context(), asked)
	if err != nil {
		a.adminRefuse(w, err)
		return
	}
	adminAnswer(w, map[string]any{"refusals": all})
}
