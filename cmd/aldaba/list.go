package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"text/tabwriter"
	"time"

	"github.com/aldaba-otp/aldaba/app"
)

// listCmd is `aldaba list`.
type listCmd struct {
	Show   listShowCmd   `cmd:"" help:"Tell what is decided about an address or a match, or about all matches."`
	Allow  listAllowCmd  `cmd:"" help:"Let an address or a match pass the fraud watch and the limits of prefix, country and client."`
	Block  listBlockCmd  `cmd:"" help:"Send nothing to an address or a match."`
	Remove listRemoveCmd `cmd:"" help:"Take a decision back."`
}

// listForms tells what a list may name.
const listForms = `One whole address stands sealed in the database. A match of many changes the
tenant's configuration: the beginning of numbers ('+58414*'), a country (VE), a
mail domain (@example.com), or the network that end users come from
(203.0.113.0/24). A number without the star is that one number, unless it is too
short for one.
`

// listPlace names what a list is about.
type listPlace struct {
	Tenant string `arg:"" help:"Tenant whose list it is."`
	To     string `arg:"" name:"address-or-match" help:"Address, or what many have in common."`
	place
}

// listChange is what allow and block have besides.
type listChange struct {
	Until  string `placeholder:"TIME" help:"When it ends: a time such as 2026-12-31T00:00:00Z, or a duration such as 72h; never when not given."`
	Reason string `placeholder:"TEXT" help:"Why, for the next one who looks; one line, and nothing personal."`
}

// listShowCmd is `aldaba list show`.
type listShowCmd struct {
	Tenant string `arg:"" help:"Tenant whose list it is."`
	To     string `arg:"" optional:"" name:"address-or-match" help:"Address or match; all matches when not given."`
	place
}

// Help teaches.
func (listShowCmd) Help() string {
	return listForms + `
  aldaba list show acme --config aldaba.yaml
  aldaba list show acme +584121234567 --config aldaba.yaml`
}

// Run asks.
func (c *listShowCmd) Run() error {
	if c.To != "" {
		return c.act("list show", c.Tenant, func(client *adminClient) error {
			var one app.Decision
			err := client.ofAddress("/admin/lists/show", c.Tenant, c.To, &one)
			return printDecision(one, err)
		}, func(ctx context.Context, a *app.App) error { return printDecision(a.Decided(ctx, c.Tenant, c.To)) })
	}
	return c.do(func(client *adminClient) error { return printDecisions(client.lists(c.Tenant)) },
		func(_ context.Context, a *app.App) error { return printDecisions(a.Lists(c.Tenant)) })
}

// listAllowCmd is `aldaba list allow`.
type listAllowCmd struct {
	listPlace
	listChange
}

// Help teaches.
func (listAllowCmd) Help() string {
	return listForms + `
  aldaba list allow acme '+58414123*' --reason 'our own call centre' --config aldaba.yaml`
}

// Run decides.
func (c *listAllowCmd) Run() error { return c.decide("allow", c.listChange) }

// listBlockCmd is `aldaba list block`.
type listBlockCmd struct {
	listPlace
	listChange
}

// Help teaches.
func (listBlockCmd) Help() string {
	return listForms + `
  aldaba list block acme '+58414*' --until 72h --reason 'pumped since Monday' --config aldaba.yaml`
}

// Run decides.
func (c *listBlockCmd) Run() error { return c.decide("block", c.listChange) }

// listRemoveCmd is `aldaba list remove`.
type listRemoveCmd struct{ listPlace }

// Help teaches.
func (listRemoveCmd) Help() string {
	return listForms + `
  aldaba list remove acme '+58414*' --config aldaba.yaml`
}

// Run takes back.
func (c *listRemoveCmd) Run() error { return c.decide("none", listChange{}) }

func (c *listPlace) decide(verdict string, change listChange) error {
	asked := app.ListChange{Tenant: c.Tenant, To: c.To, Verdict: verdict, Reason: change.Reason}
	if change.Until != "" {
		var err error
		if asked.Until, err = untilOf(change.Until); err != nil {
			return err
		}
	}
	return c.act("list", c.Tenant, func(client *adminClient) error {
		var one app.Decision
		err := client.post("/admin/lists", asked, &one)
		return printDecision(one, err)
	}, func(ctx context.Context, a *app.App) error { return printDecision(a.Decide(ctx, asked)) })
}

// untilOf reads a time, or a duration from now.
func untilOf(text string) (time.Time, error) {
	if d, err := time.ParseDuration(text); err == nil && d > 0 {
		return time.Now().Add(d).UTC(), nil
	}
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return at, &usageError{"give --until as a time such as 2026-12-31T00:00:00Z, or as a duration such as 72h"}
	}
	return at, nil
}

func printDecision(d app.Decision, err error) error {
	if err != nil {
		return err
	}
	return printDecisions([]app.Decision{d}, nil)
}

func printDecisions(all []app.Decision, err error) error {
	if err != nil {
		return err
	}
	if len(all) == 0 {
		fmt.Println("no match stands in the list")
	}
	table := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	for i := range all {
		d := &all[i]
		what := "one address " + d.To
		if d.Match != "" {
			what = "all of " + d.Match
		}
		until := ""
		if d.Until != nil {
			until = "until " + d.Until.Format(time.RFC3339)
		}
		_, _ = fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n", d.Verdict, what, until, d.By, d.Reason)
	}
	return table.Flush()
}

// lists asks a running server for a tenant's matches.
func (c *adminClient) lists(tenant string) ([]app.Decision, error) {
	text, err := c.call(http.MethodGet, "/admin/lists?"+url.Values{"tenant": {tenant}}.Encode(), nil)
	var answer struct {
		Lists []app.Decision `json:"lists"`
	}
	if err == nil {
		err = json.Unmarshal(text, &answer)
	}
	return answer.Lists, err
}
