package app

import (
	"context"
	"net/http"
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
	amount, err := a.Service.Spend(ctx, tenant, at)
	if err != nil {
		return Spent{}, err
	}
	return Spent{Tenant: tenant, Day: at.Format(time.DateOnly), Amount: amount.String(), Currency: t.Currency}, nil
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
