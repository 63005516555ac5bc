package main

import (
	"context"
	"fmt"

	"github.com/aldaba-otp/aldaba/app"
)

// tenantCmd is `aldaba tenant`.
type tenantCmd struct {
	Remove tenantRemoveCmd `cmd:"" help:"Take a tenant out of the configuration, with its credentials and contacts."`
}

// providerCmd is `aldaba provider`.
type providerCmd struct {
	Remove providerRemoveCmd `cmd:"" help:"Take a provider out of the configuration, with its secrets."`
}

// tenantRemoveCmd is `aldaba tenant remove`.
type tenantRemoveCmd struct {
	Name   string `arg:"" help:"Tenant to remove."`
	DryRun bool   `help:"Show what would be taken away, and change nothing."`
	place
}

// Help teaches.
func (tenantRemoveCmd) Help() string {
	return `Its credentials cease to be good within a second, on every server; its contacts
are deleted; codes that are on their way cannot be checked any more, and messages
that no carrier has yet are given up. What is kept of its verifications goes as
with any tenant: after 30 days, the journal after a year. To erase addresses
sooner, use aldaba erase before. A tenant that is applied again under its name
finds again what is still kept.

  aldaba export --config aldaba.yaml > before.yaml
  aldaba tenant remove shop --config aldaba.yaml --dry-run
  aldaba tenant remove shop --config aldaba.yaml`
}

// Run removes it and tells what was taken away.
func (c *tenantRemoveCmd) Run() error {
	return c.act("tenant remove", c.Name, func(client *adminClient) error {
		done, err := client.remove("tenant", c.Name, c.DryRun)
		return tellRemoved(done.Changes, c.DryRun, err)
	}, func(ctx context.Context, a *app.App) error {
		changes, err := a.RemoveTenant(ctx, c.Name, c.DryRun)
		return tellRemoved(changes, c.DryRun, err)
	})
}

// providerRemoveCmd is `aldaba provider remove`.
type providerRemoveCmd struct {
	Name   string `arg:"" help:"Provider to remove."`
	DryRun bool   `help:"Tell whether it can be removed, and change nothing."`
	place
}

// Help teaches.
func (providerRemoveCmd) Help() string {
	return `A provider that a tenant's routes name stays: apply other routes first. Receipts
for what it has carried are not taken any more.

  aldaba provider remove carrier --config aldaba.yaml`
}

// Run removes it.
func (c *providerRemoveCmd) Run() error {
	return c.act("provider remove", "", func(client *adminClient) error {
		done, err := client.remove("provider", c.Name, c.DryRun)
		return tellRemoved(done.Changes, c.DryRun, err)
	}, func(ctx context.Context, a *app.App) error {
		changes, err := a.RemoveProvider(ctx, c.Name, c.DryRun)
		return tellRemoved(changes, c.DryRun, err)
	})
}

func tellRemoved(changes []string, dry bool, err error) error {
	if err != nil {
		return err
	}
	for _, line := range changes {
		fmt.Println(line)
	}
	if dry {
		fmt.Println("nothing was changed: this was a dry run")
	}
	return nil
}
