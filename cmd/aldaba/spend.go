package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"

	"github.com/aldaba-otp/aldaba/app"
)

// spendCmd is `aldaba spend`.
type spendCmd struct {
	Tenant string `arg:"" help:"Tenant whose messages they are."`
	Day    string `placeholder:"2026-11-30" help:"Day in UTC; today when not given."`
	place
}

// Help teaches.
func (spendCmd) Help() string {
	return `Prices stand in the tenant's routes. A message is charged before it is handed to
a provider, and refunded only when no provider can have sent it. With limits of the
day (limits.day_money, limits.day_messages) it tells how much of them is used.

  aldaba spend acme --config aldaba.yaml`
}

// Run asks.
func (c *spendCmd) Run() error {
	tell := func(s app.Spent, err error) error {
		if err != nil {
			return err
		}
		fmt.Printf("%s %s %s %s\n", s.Day, s.Tenant, s.Amount, s.Currency)
		for _, l := range s.Limits {
			fmt.Printf("%s %s of %s, %d %%\n", l.Name, l.Used, l.Limit, l.Percent)
		}
		return nil
	}
	return c.do(func(client *adminClient) error {
		return tell(client.spend(c.Tenant, c.Day))
	}, func(ctx context.Context, a *app.App) error { return tell(a.Spend(ctx, c.Tenant, c.Day)) })
}

// spend asks a running server what a day cost.
func (c *adminClient) spend(tenant, day string) (s app.Spent, err error) {
	asked := url.Values{"tenant": {tenant}, "day": {day}}
	text, err := c.call(http.MethodGet, "/admin/spend?"+asked.Encode(), nil)
	if err == nil {
		err = json.Unmarshal(text, &s)
	}
	return s, err
}
