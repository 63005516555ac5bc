package app

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/aldaba-otp/aldaba/internal/httpx"
	"github.com/aldaba-otp/aldaba/otp"
)

// Spent is what a tenant's messages of one day cost.
type Spent struct {
	Tenant   string `json:"tenant"`
	Day      string `json:"day"`                // UTC
	Amount   string `json:"amount"`             // decimal
	Currency string `json:"currency,omitempty"` // ISO 4217
	Messages int    `json:"messages"`           // counted for tenants with prices or limits of a day alone
	// Limits are those of a day that the tenant has.
	Limits []SpentLimit `json:"limits"`
}

// SpentLimit is how much of a limit of the day is used up.
type SpentLimit struct {
	Name    string `json:"name"` // day_money or day_messages
	Used    string `json:"used"`
	Limit   string `json:"limit"`
	Percent int    `json:"percent"` // cut, never rounded up
}

// spentLimits sets the day's use beside the limits in force.
func spentLimits(l *otp.Limits, used otp.Day) []SpentLimit {
	all := []SpentLimit{}
	add := func(name, now, limit string, n, of float64) {
		if of > 0 {
			all = append(all, SpentLimit{name, now, limit, int(100 * n / of)})
		}
	}
	add("day_money", used.Spent.String(), l.DayMoney.String(), float64(used.Spent), float64(l.DayMoney))
	add("day_messages", strconv.Itoa(used.Messages), strconv.Itoa(l.DayMessages), float64(used.Messages), float64(l.DayMessages))
	return all
}

// Spend tells what a tenant's messages of a day (UTC, 2026-11-30; "" is today)
// cost, reserved tries included. Errors: Invalid, NotFound, Unavailable.
func (a *App) Spend(ctx context.Context, tenant, day string) (Spent, error) {
	t, ok := a.Service.Directory().Tenant(tenant)
	if !ok {
		return Spent{}, &otp.Error{Kind: otp.NotFound, Message: "there is no such tenant"}
	}
	at := a.Clock.Now().UTC()
	if day != "" {
		var err error
		if at, err = time.Parse(time.DateOnly, day); err != nil {
			return Spent{}, &otp.Error{Kind: otp.Invalid, Field: "day", Message: "must be a day such as 2026-11-30"}
		}
	}
	used, err := a.Service.Day(ctx, tenant, at)
	if err != nil {
		return Spent{}, err
	}
	return Spent{
		Tenant: tenant, Day: at.Format(time.DateOnly), Amount: used.Spent.String(), Currency: t.Currency, Messages: used.Messages,
		Limits: spentLimits(&t.Limits, used),
	}, nil
}

// adminSpend answers GET /admin/spend?tenant=NAME&day=2026-11-30.
func (a *App) adminSpend(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	if q.Get("tenant") == "" {
		httpx.WriteProblem(w, httpx.Problem{Status: http.StatusBadRequest, Detail: "name the tenant: /admin/spend?tenant=NAME"})
		return
	}
	spent, err := a.Spend(r.Context(), q.Get("tenant"), q.Get("day"))
	if err != nil {
		a.adminRefuse(w, err)
		return
	}
	adminAnswer(w, spent)
}
