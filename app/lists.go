package app

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/aldaba-otp/aldaba/internal/httpx"
	"github.com/aldaba-otp/aldaba/otp"
)

// ListChange decides about one address, or about all that a match stands for:
// see [otp.Service.DecideAbout].
type ListChange struct {
	Tenant  string    `json:"tenant"`
	To      string    `json:"to"`
	Verdict string    `json:"verdict"` // allow, block or none
	Until   time.Time `json:"until,omitzero"`
	Reason  string    `json:"reason,omitempty"`
}

// Decision is what is decided about one address or one match.
type Decision struct {
	Tenant  string     `json:"tenant"`
	To      string     `json:"to,omitempty"`    // masked; of one address
	Match   string     `json:"match,omitempty"` // of many
	Verdict string     `json:"verdict"`         // allow, block or none
	Until   *time.Time `json:"until,omitempty"`
	Reason  string     `json:"reason,omitempty"`
	By      string     `json:"by,omitempty"` // of one address
}

// verdictNone says that nothing is decided.
const verdictNone = "none"

func decision(tenant string, l *otp.Listed) Decision {
	return Decision{
		Tenant: tenant, To: l.To, Match: l.Match, Verdict: cmp.Or(l.Verdict.String(), verdictNone), Until: moment(l.Until), Reason: l.Reason, By: l.By,
	}
}

// Lists tells what is decided about many addresses of a tenant.
// Errors: NotFound.
func (a *App) Lists(tenant string) ([]Decision, error) {
	entries, err := a.Service.Lists(tenant)
	if err != nil {
		return nil, err
	}
	all := make([]Decision, len(entries))
	for i, e := range entries {
		all[i] = decision(tenant, &otp.Listed{Match: e.Match, Listing: otp.Listing{Verdict: e.Verdict, Until: e.Until, Reason: e.Reason}})
	}
	return all, nil
}

// Decided tells what is decided about one address or one match.
// Errors: NotFound, Invalid, Unavailable.
func (a *App) Decided(ctx context.Context, tenant, to string) (Decision, error) {
	found, err := a.Service.Decided(ctx, tenant, to)
	return decision(tenant, &found), err
}

// Decide decides for an operator. Errors: NotFound, Invalid, Unavailable.
func (a *App) Decide(ctx context.Context, c ListChange) (Decision, error) {
	l := otp.Listing{Until: c.Until.UTC(), Reason: c.Reason, By: otp.ActorOperator}
	if c.Verdict != verdictNone && (c.Verdict == "" || l.Verdict.UnmarshalText([]byte(c.Verdict)) != nil) {
		return Decision{}, &otp.Error{Kind: otp.Invalid, Field: "verdict", Message: "must be allow, block or none"}
	}
	found, err := a.Service.DecideAbout(ctx, c.Tenant, c.To, l, nil)
	return decision(c.Tenant, &found), err
}

// tenantLists is the port by which the core changes lists of matches, which
// stand in the configuration.
type tenantLists struct{ a *App }

// errUnchanged ends a change that changes nothing.
var errUnchanged = errors.New("nothing to change")

// ChangeLists implements [otp.Configuration]. The act of an operator is in the
// operators' journal already; that of a tenant's application is written here.
func (l tenantLists) ChangeLists(ctx context.Context, tenant, actor string, change func([]otp.ListEntry) []otp.ListEntry) error {
	do := func(ctx context.Context) error {
		what := "no change"
		err := l.a.changeTenant(ctx, tenant, func(t *otp.Tenant) error {
			next := change(t.Lists)
			if slices.Equal(next, t.Lists) {
				return errUnchanged
			}
			what, t.Lists = listDiff(t.Lists, next), next
			return nil
		})
		if err == nil || errors.Is(err, errUnchanged) {
			tell(ctx, tenant, "%s", what)
			return nil
		}
		return err
	}
	if _, operator := ctx.Value(aboutKey{}).(*about); operator {
		return do(ctx)
	}
	return l.a.perform(ctx, Audited{Actor: "tenant: " + actor, Act: "list", Tenant: tenant}, do)
}

// listDiff tells what becomes of a list, for the operators' journal.
func listDiff(old, next []otp.ListEntry) string {
	var all []string
	for _, e := range next {
		if !slices.Contains(old, e) {
			all = append(all, e.Verdict.String()+" "+e.Match)
		}
	}
	for _, e := range old {
		if !slices.ContainsFunc(next, func(n otp.ListEntry) bool { return n.Match == e.Match }) {
			all = append(all, "no longer "+e.Verdict.String()+" "+e.Match)
		}
	}
	return strings.Join(all, "; ")
}

// adminLists answers GET /admin/lists?tenant=NAME.
func (a *App) adminLists(w http.ResponseWriter, r *http.Request) {
	tenant := r.URL.Query().Get("tenant")
	if tenant == "" {
		httpx.WriteProblem(w, httpx.Problem{Status: http.StatusBadRequest, Detail: "name the tenant: /admin/lists?tenant=NAME; about one address ask POST /admin/lists/show"})
		return
	}
	all, err := a.Lists(tenant)
	if err != nil {
		a.adminRefuse(w, err)
		return
	}
	adminAnswer(w, map[string]any{"lists": all})
}

// adminShowListed answers POST /admin/lists/show: an address stands in no query.
func (a *App) adminShowListed() http.HandlerFunc {
	return a.ofAddress(func(ctx context.Context, tenant, to string) (any, error) { return a.Decided(ctx, tenant, to) })
}

// adminDecide answers POST /admin/lists.
func (a *App) adminDecide(w http.ResponseWriter, r *http.Request) {
	var asked ListChange
	const form = `give {"tenant":"NAME","to":"+58414*","verdict":"block"}, and what you like of until and reason; verdict is allow, block or none`
	if !adminBodyInto(w, r, &asked, form, &asked.Tenant, &asked.To, &asked.Verdict) {
		return
	}
	tell(r.Context(), asked.Tenant, "%s", asked.Verdict) // the operators' journal learns no address
	answer, err := a.Decide(r.Context(), asked)
	if err != nil {
		a.adminRefuse(w, err)
		return
	}
	adminAnswer(w, answer)
}
