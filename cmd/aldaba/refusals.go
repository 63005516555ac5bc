package main

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"text/tabwriter"
	"time"

	"github.com/aldaba-otp/aldaba/app"
)

// refusalsCmd is `aldaba refusals`.
type refusalsCmd struct {
	Tenant string `arg:"" help:"Tenant whose requests they were."`
	To     string `placeholder:"ADDRESS" help:"Only those about one address."`
	Rule   string `placeholder:"RULE" help:"Only those of one rule, such as sends_per_tenant."`
	Since  string `default:"24h" placeholder:"24h" help:"How far back, or a time such as 2026-12-31T00:00:00Z."`
	Limit  int    `default:"100" help:"The newest so many, up to 1000."`
	JSON   bool   `name:"json" help:"Print one JSON object a line."`
	place
}

// Help teaches.
func (refusalsCmd) Help() string {
	return `It shows what limits, the fraud watch and lists have said, newest last: the rule,
how far it was used up, and what would have let it pass. Repeats within a minute
are one line. An address is a tag, the same in all its lines. In the mode shadow
of the watch, "shadowed" is what it would have refused.

  aldaba refusals acme --config aldaba.yaml
  aldaba refusals acme --to +584121234567 --since 72h --config aldaba.yaml`
}

// Run asks and prints.
func (c *refusalsCmd) Run() error {
	if c.Limit < 1 || c.Limit > 1000 {
		return &usageError{"give --limit as 1 to 1000"}
	}
	asked := app.RefusalsAsked{Tenant: c.Tenant, To: c.To, Rule: c.Rule, Since: c.Since, Limit: c.Limit}
	return c.act("refusals", c.Tenant, func(client *adminClient) error {
		var answer struct {
			Refusals []app.Refused `json:"refusals"`
		}
		err := client.post("/admin/refusals", asked, &answer)
		return c.print(answer.Refusals, err)
	}, func(ctx context.Context, a *app.App) error { return c.print(a.Refusals(ctx, asked)) })
}

func (c *refusalsCmd) print(all []app.Refused, err error) error {
	switch {
	case err != nil:
		return err
	case c.JSON:
		return printLines(all)
	case len(all) == 0:
		fmt.Println("nothing was refused")
		return nil
	}
	table := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(table, "TIME\tKIND\tRULE\tCOUNTER\tWOULD PASS WITH\tDIALECT\tBY\tADDRESS")
	for i := range all {
		r := &all[i]
		_, _ = fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", r.At.Format(time.RFC3339), r.Kind, cmp.Or(r.Rule, "-"), cmp.Or(r.Counter, "-"),
			cmp.Or(r.Allows, "-"), cmp.Or(r.Dialect, "-"), cmp.Or(r.Actor, "-"), cmp.Or(r.Address, "-"))
	}
	return table.Flush()
}
