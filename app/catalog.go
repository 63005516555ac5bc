package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"github.com/aldaba-otp/aldaba/api"
	"github.com/aldaba-otp/aldaba/api/additiv"
	"github.com/aldaba-otp/aldaba/api/danaconnect"
	"github.com/aldaba-otp/aldaba/api/modica"
	"github.com/aldaba-otp/aldaba/api/native"
	"github.com/aldaba-otp/aldaba/api/unityvox"
	"github.com/aldaba-otp/aldaba/app/config"
	"github.com/aldaba-otp/aldaba/delivery"
	"github.com/aldaba-otp/aldaba/delivery/httpsms"
	"github.com/aldaba-otp/aldaba/delivery/inbox"
	"github.com/aldaba-otp/aldaba/delivery/smpp"
	"github.com/aldaba-otp/aldaba/delivery/smtp"
	"github.com/aldaba-otp/aldaba/delivery/webhook"
	"github.com/aldaba-otp/aldaba/internal/clock"
	"github.com/aldaba-otp/aldaba/otp"
	"github.com/aldaba-otp/aldaba/store"
	"github.com/aldaba-otp/aldaba/store/memory"
	"github.com/aldaba-otp/aldaba/store/postgres"
	"github.com/aldaba-otp/aldaba/store/sqlite"
)

// dialects is the catalogue of languages: one line each.
func dialects(h api.Host) []api.Dialect {
	return []api.Dialect{
		native.New(h),
		danaconnect.New(h),
		additiv.New(h),
		modica.New(h),
		unityvox.New(h),
	}
}

// opened is an engine with what the writer above it should know.
type opened struct {
	engine  store.Engine
	options store.Options
}

// openEngine is the catalogue of engines: one line each, by the scheme of the
// database's URL.
func openEngine(ctx context.Context, o Options) (opened, error) {
	scheme, rest, _ := strings.Cut(o.Database, ":")
	switch {
	case scheme == "sqlite":
		return openSQLite(ctx, rest, sqlite.Options{MustExist: o.MustExist})
	case scheme == "postgres" || scheme == "postgresql":
		return openPostgres(ctx, o.Database, postgres.Options{Writers: cmp.Or(o.Writers, defaultWriters), MustExist: o.MustExist})
	case scheme == "memory" && !o.MustExist:
		return opened{engine: memory.New()}, nil
	}
	return opened{}, fmt.Errorf("database %q: must be sqlite:PATH or postgres://USER@HOST/NAME", scheme)
}

func openSQLite(ctx context.Context, path string, opts sqlite.Options) (opened, error) {
	e, err := sqlite.Open(ctx, strings.TrimPrefix(path, "//"), opts)
	if err != nil {
		return opened{}, err
	}
	return opened{engine: e, options: store.Options{Floor: e.Floor()}}, nil
}

// defaultWriters is how many transactions a server has under way on PostgreSQL.
// Two would halve each other's batches, and a full batch is what makes a step
// cheap (measured in docs/performance.md).
const defaultWriters = 1

func openPostgres(ctx context.Context, url string, opts postgres.Options) (opened, error) {
	e, err := postgres.Open(ctx, url, opts)
	if err != nil {
		return opened{}, err
	}
	return opened{engine: e, options: store.Options{Writers: opts.Writers}}, nil
}

// providerTypes is the catalogue of carriers: one line each.
func (a *App) providerTypes() []delivery.Type {
	return []delivery.Type{
		inbox.Type(a.Inbox),
		webhook.Type(),
		smtp.Type(),
		smpp.Type(),
		httpsms.Type(),
	}
}

// providerType finds a carrier's type.
func (a *App) providerType(name string) (delivery.Type, error) {
	types := a.providerTypes()
	known := make([]string, len(types))
	for i, t := range types {
		if known[i] = t.Name; t.Name == name {
			return t, nil
		}
	}
	return delivery.Type{}, fmt.Errorf("there is no provider type %q; this version has: %s", name, strings.Join(known, ", "))
}

// ProviderSecrets tells which settings of a type of provider are secrets; it is
// the [config.Secrets] of this version.
func ProviderSecrets(providerType string) []string {
	t, err := (&App{}).providerType(providerType)
	if err != nil {
		return nil
	}
	return t.Secrets
}

// openProvider makes a carrier from its configuration, as it is kept or with
// its secrets in clear.
func (a *App) openProvider(p otp.Provider) (delivery.Provider, error) {
	t, err := a.providerType(p.Type)
	if err != nil {
		return nil, err
	}
	values, err := config.OpenSettings(a.Service.Ring(), p, t.Secrets)
	if err != nil {
		return nil, err
	}
	log, clk := a.log, a.Clock
	if log == nil { // it is only checked
		log, clk = slog.New(slog.DiscardHandler), clock.New(0)
	}
	return t.Open(delivery.Settings{
		Name: p.Name, Values: values, CallbackURL: a.callbackURL(p.Name), Clock: clk, Log: log.With("provider", p.Name),
	})
}

// callbackURL is where the carrier of a provider tells of its messages, or ""
// when the server does not know its public address.
func (a *App) callbackURL(provider string) string {
	if a.o.PublicURL == "" {
		return ""
	}
	return a.o.PublicURL + "/receipts/" + provider
}

// checkProvider opens a carrier to see whether it could be.
func (a *App) checkProvider(p otp.Provider) error {
	_, err := a.openProvider(p)
	var faults delivery.Faults
	if !errors.As(err, &faults) {
		return err
	}
	mistakes := make(otp.Mistakes, len(faults))
	for i, f := range faults {
		mistakes[i] = otp.Mistake{Path: f.Path, Message: f.Message}
	}
	return mistakes
}
