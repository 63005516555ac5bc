package main

import (
	"context"
	"fmt"

	"github.com/aldaba-otp/aldaba/app"
)

// webhookCmd is `aldaba webhook`.
type webhookCmd struct {
	Secret webhookSecretCmd `cmd:"" help:"Make a secret for a webhook and show it."`
	Enable webhookEnableCmd `cmd:"" help:"Switch a webhook on again that was switched off."`
}

// webhookSecretCmd is `aldaba webhook secret`.
type webhookSecretCmd struct{}

// Help teaches.
func (webhookSecretCmd) Help() string {
	return `Give it to the server (webhooks: [{url, secret}] of the tenant) and to the
application, which checks with it that a call is the server's. Any library of
Standard Webhooks takes it.

  aldaba webhook secret > shop.secret`
}

// Run draws one.
func (webhookSecretCmd) Run() error {
	secret, err := app.NewWebhookSecret()
	if err == nil {
		fmt.Println(secret)
	}
	return err
}

// webhookEnableCmd is `aldaba webhook enable`.
type webhookEnableCmd struct {
	Tenant string `arg:"" help:"Tenant whose webhook it is."`
	URL    string `arg:"" help:"Its address, as it is configured."`
	place
}

// Help teaches.
func (webhookEnableCmd) Help() string {
	return `A webhook is switched off when its address says that it wants no event any
more. It hears of what happens from now on. A webhook that is applied with
another secret is on too.

  aldaba webhook enable acme https://app.example.com/hooks --config aldaba.yaml`
}

// Run switches it on.
func (c *webhookEnableCmd) Run() error {
	tell := func(wasOff bool, err error) error {
		switch {
		case err != nil:
			return err
		case wasOff:
			fmt.Println("switched on")
		default:
			fmt.Println("nothing to change: it was on")
		}
		return nil
	}
	return c.act("webhook enable", c.Tenant, func(client *adminClient) error {
		answer, err := client.enable(c.Tenant, c.URL)
		return tell(answer.WasOff, err)
	}, func(ctx context.Context, a *app.App) error { return tell(a.Service.SwitchOn(ctx, c.Tenant, c.URL)) })
}
