package app

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/aldaba-otp/aldaba/api"
	"github.com/aldaba-otp/aldaba/app/config"
	"github.com/aldaba-otp/aldaba/app/lint"
	"github.com/aldaba-otp/aldaba/internal/address"
	"github.com/aldaba-otp/aldaba/internal/clock"
	"github.com/aldaba-otp/aldaba/otp"
	"github.com/aldaba-otp/aldaba/store"
)

// contactPage is how many contacts are read at once.
const contactPage = 500

// current is the configuration in the store, as the plan of a change and the
// export need it.
func (a *App) current(ctx context.Context) (config.Current, int64, error) {
	docs, version, err := a.Store.ReadDocuments(ctx)
	if err != nil {
		return config.Current{}, 0, fmt.Errorf("read the configuration: %w", err)
	}
	tenants, providers, err := decodeDocuments(docs)
	return config.Current{
		Providers: providers, Tenants: tenants,
		Contacts: func(tenant string) ([]otp.NamedContact, error) { return a.contacts(ctx, tenant) },
	}, version, err
}

// contacts reads all contacts of a tenant.
func (a *App) contacts(ctx context.Context, tenant string) (all []otp.NamedContact, err error) {
	for after, more := (otp.Key{}), true; more; {
		var page []otp.NamedContact
		if page, after, err = a.Service.Contacts(ctx, tenant, after, contactPage); err != nil {
			return nil, err
		}
		all = append(all, page...)
		more = after != otp.Key{}
	}
	return all, nil
}

// Apply changes the configuration as a tenants file says, or only tells what
// it would change. Another change in between makes it plan anew.
func (a *App) Apply(ctx context.Context, f *config.File, dry bool) (*config.Plan, error) {
	for {
		plan, err := a.apply(ctx, f, dry)
		if errors.Is(err, store.ErrStale) {
			continue
		}
		if err == nil {
			a.tellPlan(ctx, f, plan, dry)
		}
		return plan, err
	}
}

// tellPlan notes an apply for the operators' journal: the difference, which
// holds no secret and no address.
func (a *App) tellPlan(ctx context.Context, f *config.File, plan *config.Plan, dry bool) {
	tenant := ""
	if all := f.Tenants(); len(all) == 1 {
		tenant = all[0].Name
	}
	detail := cmp.Or(strings.Join(plan.Diff, "; "), "no change")
	if dry {
		detail = "dry run: " + detail
	}
	tell(ctx, tenant, "%s", detail)
}

func (a *App) apply(ctx context.Context, f *config.File, dry bool) (*config.Plan, error) {
	now, version, err := a.current(ctx)
	if err != nil {
		return nil, err
	}
	plan, err := f.Plan(now, a.tools())
	if err != nil || dry {
		return plan, err
	}
	if version != a.configured.Load() { // another server has applied something since
		if err := a.reload(ctx); err != nil {
			a.log.Warn("read the configuration", "error", err)
		}
	}
	if len(plan.Diff) == 0 {
		return plan, nil
	}
	docs, err := documents(now, plan)
	if err != nil {
		return nil, err
	}
	if len(docs) > 0 {
		if _, err := a.Store.WriteDocuments(ctx, version, docs); err != nil {
			return nil, err
		}
		if err := a.reload(ctx); err != nil {
			return nil, err
		}
	}
	for _, c := range plan.Contacts {
		if c.Delete {
			err = a.Service.DeleteContact(ctx, c.Tenant, c.ID)
		} else {
			_, err = a.Service.PutContact(ctx, c.Tenant, c.ID, c.Addresses, true)
		}
		if err != nil && otp.KindOf(err) != otp.NotFound {
			return nil, fmt.Errorf("contact %s of %s: %w", c.ID, c.Tenant, err)
		}
	}
	for _, warning := range plan.Warnings {
		a.log.Warn("a setting is weak or dear", "detail", warning)
	}
	a.log.Info("the configuration was changed", "changes", len(plan.Diff))
	return plan, nil
}

// warnOfTests says at the start of a server which addresses a fixed code
// proves.
func (a *App) warnOfTests() {
	tenants := a.Service.Directory().Tenants()
	for i := range tenants {
		for _, warning := range config.TestWarnings(&tenants[i], a.Clock.Now()) {
			a.log.Warn("a fixed code is accepted", "detail", warning)
		}
	}
}

// templateWarnings names what is dear or idle in a tenant's templates. One that
// cannot be judged has a mistake, which the plan tells by itself.
func templateWarnings(t *otp.Tenant) []string {
	reports, err := lint.Tenant(t)
	if err != nil {
		return nil
	}
	return lint.Warnings(reports)
}

// tools are what planning takes.
func (a *App) tools() config.Tools {
	clk := a.Clock
	if clk == nil { // a file is only checked
		clk = clock.New(0)
	}
	return config.Tools{
		Ring: a.Service.Ring(), Passwords: Passwords{}, Addresses: Addresses{}, Now: clk.Now(), Random: rand.Reader, ShortKeys: a.o.Dev,
		Providers: a.checkProvider, WebhookURL: a.checkWebhookURL, Country: address.IsCountry, Dialects: a.dialectNames(),
		Templates: templateWarnings,
	}
}

// dialectNames lists the folders of the gallery, for the aliases of profiles.
func (a *App) dialectNames() (names []string) {
	for _, d := range dialects(api.NewHost(a.Service)) {
		names = append(names, d.Name)
	}
	return names
}

// documents lists what a plan changes of the stored documents.
func documents(now config.Current, p *config.Plan) (docs []store.Document, err error) {
	known := map[string]string{}
	encode := func(value any, into func(body []byte)) {
		body, e := json.Marshal(value)
		err = errors.Join(err, e)
		into(body)
	}
	for i := range now.Tenants {
		encode(&now.Tenants[i], func(b []byte) { known[kindTenant+now.Tenants[i].Name] = string(b) })
	}
	for i := range now.Providers {
		encode(&now.Providers[i], func(b []byte) { known[kindProvider+now.Providers[i].Name] = string(b) })
	}
	add := func(kind, name string, body []byte) {
		if known[kind+name] != string(body) {
			docs = append(docs, store.Document{Kind: kind, Name: name, Body: body})
		}
	}
	for i := range p.Tenants {
		encode(&p.Tenants[i], func(b []byte) { add(kindTenant, p.Tenants[i].Name, b) })
	}
	for i := range p.Providers {
		encode(&p.Providers[i], func(b []byte) { add(kindProvider, p.Providers[i].Name, b) })
	}
	return docs, err
}

// Export writes the configuration in the form that Apply takes.
func (a *App) Export(ctx context.Context) ([]byte, error) {
	now, _, err := a.current(ctx)
	if err != nil {
		return nil, err
	}
	return config.Export(now)
}
