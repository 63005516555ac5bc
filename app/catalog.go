package app

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	"github.com/aldaba-otp/aldaba/api"
	"github.com/aldaba-otp/aldaba/api/additiv"
	"github.com/aldaba-otp/aldaba/api/danaconnect"
	"github.com/aldaba-otp/aldaba/api/modica"
	"github.com/aldaba-otp/aldaba/api/native"
	"github.com/aldaba-otp/aldaba/api/unityvox"
	"github.com/aldaba-otp/aldaba/delivery"
	"github.com/aldaba-otp/aldaba/delivery/inbox"
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
	switch scheme {
	case "sqlite":
		return openSQLite(ctx, rest)
	case "postgres", "postgresql":
		return openPostgres(ctx, o.Database, o.Writers)
	case "memory":
		return opened{engine: memory.New()}, nil
	}
	return opened{}, fmt.Errorf("database %q: must be sqlite:PATH or postgres://USER@HOST/NAME", scheme)
}

func openSQLite(ctx context.Context, path string) (opened, error) {
	e, err := sqlite.Open(ctx, strings.TrimPrefix(path, "//"), sqlite.Options{})
	if err != nil {
		return opened{}, err
	}
	return opened{e, store.Options{Floor: e.Floor()}}, nil
}

// defaultWriters is how many transactions a server has under way on
// PostgreSQL: while one waits for its fsync, the other loads (measured in
// docs/performance.md).
const defaultWriters = 2

func openPostgres(ctx context.Context, url string, writers int) (opened, error) {
	writers = cmp.Or(writers, defaultWriters)
	e, err := postgres.Open(ctx, url, postgres.Options{Writers: writers})
	if err != nil {
		return opened{}, err
	}
	return opened{e, store.Options{Writers: writers}}, nil
}

// openProvider is the catalogue of carriers: one line each, by their type.
func (a *App) openProvider(p otp.Provider) (delivery.Provider, error) {
	switch p.Type {
	case "inbox":
		return a.inbox(p)
	}
	return nil, fmt.Errorf("there is no provider type %q; this version has: inbox", p.Type)
}

// inbox is shared by every configured provider of its type, so that there is
// one place to look.
func (a *App) inbox(p otp.Provider) (*inbox.Inbox, error) {
	for name := range p.Settings {
		return nil, fmt.Errorf("a provider of type inbox has no setting %q", name)
	}
	return a.Inbox, nil
}
