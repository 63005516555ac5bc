package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/aldaba-otp/aldaba/app"
)

// place is where a configuration is changed: a running server, or the database
// itself while no server holds it.
type place struct {
	remote

	Database string `placeholder:"URL" help:"Database to change offline, with --keys; on SQLite only while no server runs."`
	Keys     string `type:"existingfile" placeholder:"FILE" help:"Key ring of that database."`

	creates bool // a database that is not there is made
}

// do calls online with a running server's client, or offline with an app over
// the database that serves nothing.
func (p *place) do(online func(*adminClient) error, offline func(context.Context, *app.App) error) error {
	return p.act("", "", online, offline)
}

// act does the same with what belongs into the operators' journal: the server
// writes there itself what it is asked for, and offline it is done here. An act
// without a name changes nothing and is not written.
func (p *place) act(name, tenant string, online func(*adminClient) error, offline func(context.Context, *app.App) error) error {
	options := app.Options{Database: p.Database, KeysFile: p.Keys}
	switch {
	case p.Database != "" && p.Server != "":
		return &usageError{"--server and --database are two places: name one"}
	case p.Database == "" && p.Keys != "":
		return &usageError{"--keys is the ring of a --database, and none is named; a server has its own"}
	case p.Database != "" && p.Keys == "":
		return &usageError{"--database needs --keys FILE: the key ring that the database was first used with"}
	case p.Database == "":
		client, err := p.client()
		if err != nil {
			return err
		}
		if client != nil {
			err = online(client)
			if p.Server != "" || p.Config == "" || !errors.Is(err, errNoServer) {
				return err
			}
			fmt.Fprintf(os.Stderr, "no server answers at %s: working on its database\n", client.base)
		}
		if p.Config == "" {
			return &usageError{"name a running server (--server, --config) or a database (--database with --keys)"}
		}
		settings, err := readServer(p.Config)
		if err != nil {
			return err
		}
		options = app.FromConfig(settings, nil)
	}
	options.MustExist = !p.creates
	ctx, stop := interrupted()
	defer stop()
	a, err := app.New(ctx, options)
	if err != nil {
		return err
	}
	if name == "" {
		err = offline(ctx, a)
	} else {
		err = a.Offline(ctx, name, tenant, func(ctx context.Context) error { return offline(ctx, a) })
	}
	if stopErr := a.Stop(context.WithoutCancel(ctx)); err == nil {
		err = stopErr
	}
	return err
}
