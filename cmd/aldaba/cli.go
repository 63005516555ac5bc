package main

import (
	"context"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
)

// about opens the help.
const about = `Aldaba verifies telephone numbers and e-mail addresses by one-time passcodes.

It answers at the paths of the APIs that applications already call (DANAConnect,
additiv, Modica, UnityVox) and has one of its own. Try it: aldaba dev`

// cli is the whole command line.
type cli struct {
	Dev          devCmd          `cmd:"" help:"Run everything in one process with demo tenants, an inbox and a clock to turn."`
	Serve        serveCmd        `cmd:"" help:"Run the server."`
	Apply        applyCmd        `cmd:"" help:"Change tenants and providers as a file says."`
	Export       exportCmd       `cmd:"" help:"Print tenants and providers in the form that apply takes."`
	Tenant       tenantCmd       `cmd:"" help:"Take a tenant out of the configuration."`
	Provider     providerCmd     `cmd:"" help:"Take a provider out of the configuration."`
	CheckConfig  checkConfigCmd  `cmd:"" help:"Name every mistake of configuration files, and change nothing."`
	LintTemplate lintTemplateCmd `cmd:"" help:"Tell what message templates cost and what telephones and carriers make of them."`
	Key          keyCmd          `cmd:"" help:"Make, rotate and thin out the key ring."`
	Credential   credentialCmd   `cmd:"" help:"Make, list, rotate and revoke credentials of applications."`
	Audit        auditCmd        `cmd:"" help:"Show what operators have done."`
	Webhook      webhookCmd      `cmd:"" help:"Make secrets of webhooks and switch webhooks on again."`
	Lock         lockCmd         `cmd:"" help:"Tell and release what wrong guesses at an address have locked."`
	Watch        watchCmd        `cmd:"" help:"Tell what the fraud watch knows of a tenant's prefixes, and release one."`
	List         listCmd         `cmd:"" help:"Tell and change the addresses that a tenant always or never writes to."`
	Refusals     refusalsCmd     `cmd:"" help:"Tell what limits, the fraud watch and lists have refused, and what would have let it pass."`
	Spend        spendCmd        `cmd:"" help:"Tell what a tenant's messages of a day cost."`
	Erase        eraseCmd        `cmd:"" help:"Remove what is kept of one person's address."`
	Fence        fenceCmd        `cmd:"" help:"Make a database safe that was restored from a backup."`
	PersonalData personalDataCmd `cmd:"" help:"Print what is kept of one person's address."`
	Trace        traceCmd        `cmd:"" help:"Tell why somebody got no code."`
	Version      versionCmd      `cmd:"" help:"Print the version."`
}

// usageError is a mistake in the words of a command.
type usageError struct{ text string }

// Error implements error.
func (e *usageError) Error() string { return e.text }

// interrupted is a context that ends with SIGINT or SIGTERM.
func interrupted() (context.Context, context.CancelFunc) {
	return signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
}

// logger writes structured lines to standard error.
func logger(level string) (*slog.Logger, error) {
	l, err := logLevel(level)
	if err != nil {
		return nil, err
	}
	return slog.New(slog.NewJSONHandler(os.Stderr, &slog.HandlerOptions{Level: l})), nil
}

func logLevel(level string) (l slog.Level, err error) {
	if err := l.UnmarshalText([]byte(level)); err != nil {
		return 0, &usageError{"log level must be debug, info, warn or error"}
	}
	return l, nil
}
