package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/aldaba-otp/aldaba/app"
)

// lockCmd is `aldaba lock`.
type lockCmd struct {
	Show    lockShowCmd    `cmd:"" help:"Tell what wrong guesses at an address bar, until when, and what releases it."`
	Release lockReleaseCmd `cmd:"" help:"Forget the wrong guesses at an address."`
}

// lockAddress names an address of a tenant.
type lockAddress struct {
	Tenant  string `arg:"" help:"Tenant that the address was verified for."`
	Address string `arg:"" help:"Telephone number or e-mail address."`
	place
}

// lockShowCmd is `aldaba lock show`.
type lockShowCmd struct{ lockAddress }

// Help teaches.
func (lockShowCmd) Help() string {
	return `After 6 wrong guesses in a row each further one at the same code waits, from 30 s
to 1 h; after 100 the address is locked. Guesses in the name of the subject that
proved the address last are counted apart from those of all others.

  aldaba lock show acme +584121234567 --config aldaba.yaml`
}

// Run asks.
func (c *lockShowCmd) Run() error {
	tell := func(l app.Locks, err error) error {
		if err == nil {
			printLocks(&l)
		}
		return err
	}
	return c.act("lock show", c.Tenant, func(client *adminClient) error {
		return tell(client.locks(c.Tenant, c.Address))
	}, func(ctx context.Context, a *app.App) error { return tell(a.Locks(ctx, c.Tenant, c.Address)) })
}

// printLocks prints one fact a line.
func printLocks(l *app.Locks) {
	out := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	defer func() { _ = out.Flush() }()
	line := func(name, format string, args ...any) {
		_, _ = fmt.Fprintf(out, "%s\t%s\n", name, fmt.Sprintf(format, args...))
	}
	line("address", "%s of %s", l.To, l.Tenant)
	full := ""
	if l.Ledger.Until != nil {
		full = ", full until " + l.Ledger.Until.Format(time.RFC3339)
	}
	line("ledger", "%d wrong in 24 h%s", l.Ledger.Wrong, full)
	for _, r := range l.Runs {
		text := fmt.Sprintf("%d wrong in a row", r.Failures)
		for _, c := range r.Channels {
			text += " " + string(c)
		}
		if r.Until != nil {
			line(r.Of, "%s, %s until %s", text, r.State, r.Until.Format(time.RFC3339))
		} else {
			line(r.Of, "%s, %s", text, r.State)
		}
		for _, way := range r.Released {
			line("", "released by %s", strings.TrimSpace(way))
		}
	}
}

// lockReleaseCmd is `aldaba lock release`.
type lockReleaseCmd struct{ lockAddress }

// Help teaches.
func (lockReleaseCmd) Help() string {
	return `Forgets the wrong guesses in a row and those of the last 24 hours; limits of
messages stay. Be sure that it is the owner of the address who asks.

  aldaba lock release acme +584121234567 --config aldaba.yaml`
}

// Run releases.
func (c *lockReleaseCmd) Run() error {
	tell := func(r app.Released, err error) error {
		switch {
		case err != nil:
		case r.Was:
			fmt.Println("released")
		default:
			fmt.Println("nothing to change: no wrong guess counts")
		}
		return err
	}
	return c.act("lock release", c.Tenant, func(client *adminClient) error {
		return tell(client.release(c.Tenant, c.Address))
	}, func(ctx context.Context, a *app.App) error { return tell(a.ReleaseLocks(ctx, c.Tenant, c.Address)) })
}

// locks asks a running server what bars guesses at an address.
func (c *adminClient) locks(tenant, to string) (l app.Locks, err error) {
	asked := url.Values{"tenant": {tenant}, "to": {to}}
	text, err := c.call(http.MethodGet, "/admin/locks?"+asked.Encode(), nil)
	if err == nil {
		err = json.Unmarshal(text, &l)
	}
	return l, err
}

// release lets a running server forget the wrong guesses at an address.
func (c *adminClient) release(tenant, to string) (r app.Released, err error) {
	body, err := json.Marshal(map[string]string{"tenant": tenant, "to": to})
	if err != nil {
		return r, err
	}
	text, err := c.call(http.MethodPost, "/admin/locks/release", body)
	if err == nil {
		err = json.Unmarshal(text, &r)
	}
	return r, err
}
