package main

import (
	"context"
	"errors"
	"fmt"
	"os/signal"
	"syscall"
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

Demo tenants:

` + app.DemoTenants
}

// Run runs until it is told to end.
func (c *devCmd) Run() (err error) {
	log, err := logger(c.LogLevel)
	if err != nil {
		return err
	}
	ctx, stop := interrupted()
	defer stop()
	// Who has read the ready line may close the pipe; nothing is to end of that.
	signal.Ignore(syscall.SIGPIPE)
	defer func() { err = unlessTold(ctx, err) }()
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
	fmt.Printf("aldaba: ready on %s\n%s", base, d.Welcome(base)) // at once, for who closes after the first line
	return wait(ctx, d)
}

// unlessTold is the error with which a server ends: none when it is that it was
// told to end before it was ready.
func unlessTold(ctx context.Context, err error) error {
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		return nil
	}
	return err
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
