package app

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/aldaba-otp/aldaba/app/config"
	"github.com/aldaba-otp/aldaba/otp"
	"github.com/aldaba-otp/aldaba/store"
)

// Removed is the answer to a removal.
type Removed struct {
	Changes []string `json:"changes"`
	DryRun  bool     `json:"dry_run"`
}

// RemoveTenant takes a tenant out of the configuration, or only tells what that
// would take away. Its credentials, and the access tokens issued for them, are good
// no more, and all its contacts are deleted. Its verifications cannot be checked any
// more and its messages are given up; what is kept of them goes after the default
// retention. Run again it deletes contacts that an application kept at another
// server meanwhile. Errors: NotFound, Unavailable, Internal.
func (a *App) RemoveTenant(ctx context.Context, name string, dry bool) (changes []string, err error) {
	gone := a.strike(ctx, kindTenant, name, dry, func(now config.Current) error {
		if !slices.ContainsFunc(now.Tenants, func(t otp.Tenant) bool { return t.Name == name }) {
			return &otp.Error{Kind: otp.NotFound, Message: fmt.Sprintf("there is no tenant %q", name)}
		}
		return nil
	})
	if gone != nil && otp.KindOf(gone) != otp.NotFound {
		return nil, gone
	}
	n, err := a.Service.DeleteContacts(ctx, name, dry)
	switch {
	case err != nil:
		return nil, fmt.Errorf("not all contacts of tenant %s were deleted, so remove it again: %w", name, err)
	case gone != nil && n == 0:
		return nil, gone
	}
	if gone == nil {
		changes = append(changes, "- tenant "+name)
	}
	if n > 0 {
		changes = append(changes, contactsGone(name, n))
	}
	a.tellRemoved(ctx, name, changes, dry)
	return changes, nil
}

func contactsGone(tenant string, n int) string {
	if n == 1 {
		return "- 1 contact of " + tenant
	}
	return fmt.Sprintf("- %d contacts of %s", n, tenant)
}

// RemoveProvider takes a provider and its secrets out of the configuration, or only
// tells that it would. One that a route names is not removed, with an error of kind
// Invalid that names the routes. Errors: NotFound, Invalid, Unavailable, Internal.
func (a *App) RemoveProvider(ctx context.Context, name string, dry bool) (changes []string, err error) {
	err = a.strike(ctx, kindProvider, name, dry, func(now config.Current) error {
		if !slices.ContainsFunc(now.Providers, func(p otp.Provider) bool { return p.Name == name }) {
			return &otp.Error{Kind: otp.NotFound, Message: fmt.Sprintf("there is no provider %q", name)}
		}
		if err := unused(now, name); err != nil {
			return err
		}
		_, err := otp.NewDirectory(now.Tenants, slices.DeleteFunc(slices.Clone(now.Providers), func(p otp.Provider) bool { return p.Name == name }))
		return err
	})
	if err != nil {
		return nil, err
	}
	changes = []string{"- provider " + name}
	a.tellRemoved(ctx, "", changes, dry)
	return changes, nil
}

// unused refuses a provider that routes name.
func unused(now config.Current, provider string) error {
	var users []string
	for i := range now.Tenants {
		t := &now.Tenants[i]
		names := func(r otp.Route) bool {
			return slices.ContainsFunc(r.Providers, func(c otp.Carrier) bool { return c.Provider == provider })
		}
		if slices.ContainsFunc(t.Routes, names) {
			users = append(users, t.Name)
		}
	}
	if len(users) == 0 {
		return nil
	}
	slices.Sort(users) // engines give them in any order
	const shown = 5
	list, more := users[:min(shown, len(users))], ""
	if len(users) > shown {
		more = fmt.Sprintf(" and %d more", len(users)-shown)
	}
	return &otp.Error{Kind: otp.Invalid, Field: "provider", Message: fmt.Sprintf(
		"provider %s is in the routes of %q%s: apply other routes for them first", provider, list, more)}
}

// strike deletes one document once check has no objection to the configuration in
// force. Another change in between has it checked anew.
func (a *App) strike(ctx context.Context, kind, name string, dry bool, check func(config.Current) error) error {
	for {
		now, version, err := a.current(ctx)
		if err == nil {
			err = check(now)
		}
		if err != nil || dry {
			return err
		}
		_, err = a.Store.WriteDocuments(ctx, version, []store.Document{{Kind: kind, Name: name}})
		if errors.Is(err, store.ErrStale) {
			continue
		}
		if err != nil {
			return err
		}
		return a.reload(ctx)
	}
}

// tellRemoved notes a removal for the operators' journal and the log.
func (a *App) tellRemoved(ctx context.Context, tenant string, changes []string, dry bool) {
	detail := strings.Join(changes, "; ")
	if dry {
		detail = "dry run: " + detail
	}
	tell(ctx, tenant, "%s", detail)
	if !dry {
		a.log.Info("the configuration was changed", "changes", len(changes))
	}
}

// adminRemoveTenant answers POST /admin/tenants/remove.
func (a *App) adminRemoveTenant(w http.ResponseWriter, r *http.Request) {
	var asked struct {
		Tenant string `json:"tenant"`
		DryRun bool   `json:"dry_run"`
	}
	if !adminBodyInto(w, r, &asked, `give {"tenant":"shop","dry_run":false}`, &asked.Tenant) {
		return
	}
	tell(r.Context(), asked.Tenant, "")
	changes, err := a.RemoveTenant(r.Context(), asked.Tenant, asked.DryRun)
	a.adminRemoved(w, changes, asked.DryRun, err)
}

// adminRemoveProvider answers POST /admin/providers/remove.
func (a *App) adminRemoveProvider(w http.ResponseWriter, r *http.Request) {
	var asked struct {
		Provider string `json:"provider"`
		DryRun   bool   `json:"dry_run"`
	}
	if !adminBodyInto(w, r, &asked, `give {"provider":"carrier","dry_run":false}`, &asked.Provider) {
		return
	}
	tell(r.Context(), "", "provider %q", asked.Provider)
	changes, err := a.RemoveProvider(r.Context(), asked.Provider, asked.DryRun)
	a.adminRemoved(w, changes, asked.DryRun, err)
}

func (a *App) adminRemoved(w http.ResponseWriter, changes []string, dry bool, err error) {
	if err != nil {
		a.adminRefuse(w, err)
		return
	}
	adminAnswer(w, Removed{changes, dry})
}
