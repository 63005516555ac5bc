package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/aldaba-otp/aldaba/app"
)

// eraseCmd is `aldaba erase`.
type eraseCmd struct {
	Tenant  string `arg:"" help:"Tenant that keeps the address."`
	Address string `arg:"" help:"Telephone number or e-mail address."`
	place
}

// Help teaches.
func (eraseCmd) Help() string {
	return `Codes that wait for the person are canceled; address, texts, subject and metadata
are removed from all verifications. The limits of the address stay under a keyed
hash until they are idle. It may be repeated, and goes on after a failure.
Contacts that hold the address are named and stay as they are.

  aldaba erase acme +18095550100 --config aldaba.yaml`
}

// Run erases.
func (c *eraseCmd) Run() error {
	tell := func(done app.Erasure, err error) error {
		if err != nil {
			return err
		}
		fmt.Printf("erased %d verifications (%d were pending), %d had been erased before; %d messages dropped\n",
			done.Verifications, done.Canceled, done.Before, done.Messages)
		for _, id := range done.Contacts {
			fmt.Printf("contact %s holds the address still; change or delete it\n", id)
		}
		return nil
	}
	return c.do(func(client *adminClient) error {
		var done app.Erasure
		err := client.ofAddress("/admin/erase", c.Tenant, c.Address, &done)
		return tell(done, err)
	}, func(ctx context.Context, a *app.App) error { return tell(a.Erase(ctx, c.Tenant, c.Address)) })
}

// personalDataCmd is `aldaba personal-data`.
type personalDataCmd struct {
	Tenant  string `arg:"" help:"Tenant that keeps the address."`
	Address string `arg:"" help:"Telephone number or e-mail address."`
	place
}

// Help teaches.
func (personalDataCmd) Help() string {
	return `One JSON document with everything that is kept of the address: verifications with
their journal, contacts, and the times that count towards limits. No code and no
secret is in it; the address is, so keep it where the answer to that person goes.

  aldaba personal-data acme +18095550100 --config aldaba.yaml`
}

// Run prints.
func (c *personalDataCmd) Run() error {
	return c.do(func(client *adminClient) error {
		var all app.PersonalData
		if err := client.ofAddress("/admin/personal-data", c.Tenant, c.Address, &all); err != nil {
			return err
		}
		return printJSON(all)
	}, func(ctx context.Context, a *app.App) error {
		all, err := a.PersonalData(ctx, c.Tenant, c.Address)
		if err != nil {
			return err
		}
		return printJSON(all)
	})
}

// ofAddress asks a running server about an address.
func (c *adminClient) ofAddress(path, tenant, to string, answer any) error {
	body, err := json.Marshal(map[string]string{"tenant": tenant, "to": to})
	if err != nil {
		return err
	}
	text, err := c.call(http.MethodPost, path, body)
	if err == nil {
		err = json.Unmarshal(text, answer)
	}
	return err
}
