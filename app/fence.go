package app

import (
	"context"
	"fmt"
	"net/http"

	"github.com/aldaba-otp/aldaba/otp"
)

// Fenced is the answer to a fence.
type Fenced struct {
	Void    int  `json:"void"`            // verifications that were pending
	Guesses int  `json:"charged_guesses"` // wrong ones that may have been made at them
	Numbers int  `json:"numbers_moved"`   // tenants whose numbers go on further
	DryRun  bool `json:"dry_run"`
}

// Fence makes a restored database safe, or with dry only tells what that would do;
// see [otp.Service.Fence]. An empty tenant is all of them.
// Errors: NotFound, Unavailable, Internal.
func (a *App) Fence(ctx context.Context, tenant string, dry bool) (Fenced, error) {
	done, err := a.Service.Fence(ctx, tenant, otp.ActorOperator, dry)
	detail := fmt.Sprintf("%d void, %d guesses charged, numbers of %d tenants moved", done.Verifications, done.Guesses, done.Numbers)
	if dry {
		detail = "dry run: " + detail
	}
	tell(ctx, tenant, "%s", detail)
	if otp.KindOf(err) == otp.Unavailable {
		err = fmt.Errorf("%d verifications are void and more may live, so run it again: %w", done.Verifications, err)
	}
	if err != nil {
		return Fenced{}, err
	}
	if !dry {
		a.log.Warn("what was pending is void", "tenant", tenant, "verifications", done.Verifications, "guesses", done.Guesses)
	}
	return Fenced{done.Verifications, done.Guesses, done.Numbers, dry}, nil
}

// adminFence answers POST /admin/fence.
func (a *App) adminFence(w http.ResponseWriter, r *http.Request) {
	var asked struct {
		Tenant string `json:"tenant"`
		DryRun bool   `json:"dry_run"`
	}
	if !adminBodyInto(w, r, &asked, `give {"tenant":"shop","dry_run":false}, or {} for all tenants`) {
		return
	}
	done, err := a.Fence(r.Context(), asked.Tenant, asked.DryRun)
	if err != nil {
		a.adminRefuse(w, err)
		return
	}
	adminAnswer(w, done)
}
