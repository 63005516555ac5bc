package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aldaba-otp/aldaba/app"
)

// devCmd is `aldaba dev`.
type devCmd struct {
	Listen   string   `default:"127.0.0.1:8080" help:"Address to listen on; port 0 picks one."`
	Data     string   `type:"path" placeholder:"DIR" help:"Folder that keeps the state over restarts; a fresh temporary one when not given."`
	Database string   `env:"ALDABA_DATABASE" placeholder:"URL" help:"sqlite:PATH or postgres://USER@HOST/NAME; SQLite in the data folder when not given. Two processes may share one --data folder on PostgreSQL."`
	Apply    []string `type:"existingfile" sep:"none" placeholder:"FILE" help:"Tenants file to apply after the demo's own; repeatable."`
	LogLevel string   `default:"warn" help:"debug, info (with one line a request), warn or error."`
}

// Help teaches.
func (devCmd) Help() string {
	return `Every message arrives at http://127.0.0.1:8080/dev/inbox instead of a phone.

  GET    /dev/inbox?to=+18091234567     what has arrived, newest first
  POST   /dev/clock {"advance":"601s"}  moves the clock, so that codes expire now
  DELETE /dev/limits                    forgets all sends and wrong guesses
  PUT    /dev/simulator {"fail":"unavailable","delay":"2s"}
                                        makes the carrier fail or slow

Demo tenants: acme (native key demo-key, DANAConnect demo@acme / demo-password,
conversation 824541, OAuth2 demo / demo-secret, additiv contact 4711, Modica
demo / demo-password, UnityVox 100200 / 4D41E00J6KMXABS, template tpl1), globex
(globex-key, ...) and broke (UnityVox 100201 / 5E41E00J6KMXAB0, no balance).`
}

// Run runs until it is told to end.
func (c *devCmd) Run() (err error) {
	log, err := logger(c.LogLevel)
	if err != nil {
		return err
	}
	ctx, stop := interrupted()
	defer stop()
	d, err := app.NewDev(ctx, app.DevOptions{Listen: c.Listen, Data: c.Data, Database: c.Database, Apply: c.Apply, Log: log})
	if errors.Is(err, app.ErrUsage) {
		return &usageError{err.Error()}
	}
	if err != nil {
		return err
	}
	if err := d.Start(ctx); err != nil {
		return errors.Join(err, d.Stop(context.Background()))
	}
	base := "http://" + d.Addr()
	fmt.Printf("aldaba: ready on %s\n", base)
	fmt.Print(d.Welcome(base))
	return wait(ctx, d)
}

// server is what runs until a signal or a failure ends it.
type server interface {
	Failed() <-chan error
	Stop(ctx context.Context) error
}

// wait drains the server when ctx ends or it fails.
func wait(ctx context.Context, s server) error {
	var failure error
	select {
	case <-ctx.Done():
	case failure = <-s.Failed():
	}
	limit, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	return errors.Join(failure, s.Stop(limit))
}
