package main

import (
	"context"
	"errors"
	"os"
	"runtime/debug"

	"github.com/aldaba-otp/aldaba/app"
	"github.com/aldaba-otp/aldaba/app/config"
)

// serveCmd is `aldaba serve`.
type serveCmd struct {
	Config string `required:"" short:"c" type:"existingfile" placeholder:"FILE" help:"Server configuration, see docs/operations/configuration.md."`
}

// Help teaches.
func (serveCmd) Help() string {
	return `The least that a configuration holds:

  listen: 127.0.0.1:8080
  admin: {listen: 127.0.0.1:8081, token_file: admin.token}  # openssl rand -hex 32 > admin.token
  database: sqlite:/var/lib/aldaba/aldaba.db
  keys: keys.json                                           # made by: aldaba key generate --out keys.json

Then give it tenants: aldaba apply -f tenants.yaml --config aldaba.yaml`
}

// heapGrowth is how much the heap may grow between collections, in percent of
// what is alive. That is little, for what lasts lies in the database, and each
// request leaves as much garbage as any other server's; with Go's default of
// 100 a busy server collects all the time (docs/performance.md).
const heapGrowth = 300

// Run runs until it is told to end.
func (c *serveCmd) Run() (err error) {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(heapGrowth)
	}
	settings, err := readServer(c.Config)
	if err != nil {
		return err
	}
	level, err := logLevel(settings.Log.Level)
	if err != nil {
		return err
	}
	log, flush := app.NewLog(os.Stderr, level)
	defer func() { _ = flush() }() // nobody is left to tell
	ctx, stop := interrupted()
	defer stop()
	defer func() { err = unlessTold(ctx, err) }()
	a, err := app.New(ctx, app.FromConfig(settings, log))
	if err != nil {
		return err
	}
	if err := a.Start(ctx); err != nil {
		return errors.Join(err, a.Stop(context.Background()))
	}
	log.Info("ready", "listen", a.Addr(), "admin", a.AdminAddr(), "version", app.Version())
	err = wait(ctx, a)
	log.Info("stopped")
	return err
}

// readServer reads a server's configuration file.
func readServer(path string) (config.Server, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return config.Server{}, err
	}
	return config.ParseServer(path, data, config.Environment{})
}
