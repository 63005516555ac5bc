package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/aldaba-otp/aldaba/app"
)

// auditCmd is `aldaba audit`.
type auditCmd struct {
	After *int64 `placeholder:"N" help:"Number of the last entry that is known already; 0 shows the first ones. The newest when not given."`
	Limit int    `default:"100" help:"How many entries at most, up to 1000."`
	JSON  bool   `name:"json" help:"Print one JSON object a line."`
	place
}

// Help teaches.
func (auditCmd) Help() string {
	return `It shows what was done over the admin API and by commands: who, what, when, with
what result. They are the newest entries, or with --after those that follow a
number; oldest first in either case. When there are others, standard error says
how to see them. An act has two entries, one before it begins and one with its
result. The numbers have no gaps.

  aldaba audit --config aldaba.yaml
  aldaba audit --after 1200 --json --server http://127.0.0.1:8081 --token-file auditor.token`
}

// Run asks and prints.
func (c *auditCmd) Run() error {
	asked := app.AuditAsked{Newest: c.After == nil, Limit: c.Limit}
	if c.After != nil {
		asked.After = *c.After
	}
	if asked.After < 0 || c.Limit < 1 || c.Limit > 1000 {
		return &usageError{"give --after as the number of an entry, and --limit as 1 to 1000"}
	}
	return c.do(func(client *adminClient) error {
		text, err := client.call(http.MethodGet, fmt.Sprintf("/admin/audit?after=%d&limit=%d&newest=%t", asked.After, asked.Limit, asked.Newest), nil)
		var answer app.AuditPage
		if err == nil {
			err = json.Unmarshal(text, &answer)
		}
		return c.print(answer, err)
	}, func(ctx context.Context, a *app.App) error { return c.print(a.Audit(ctx, asked)) })
}

func (c *auditCmd) print(page app.AuditPage, err error) error {
	if err != nil {
		return err
	}
	table := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	for i := range page.Entries {
		e := &page.Entries[i]
		if c.JSON {
			line, err := json.Marshal(e)
			if err != nil {
				return err
			}
			fmt.Println(string(line))
			continue
		}
		who := strings.TrimSpace(e.Actor + " " + e.From)
		if e.Role != "" {
			who = e.Actor + " (" + e.Role + ") " + e.From
		}
		_, _ = fmt.Fprintf(table, "%d\t%s\t%s\t%s\t%s\t%s\t%s\n", e.N, e.At.Format(time.RFC3339), who, e.Act, e.Tenant, e.Result, e.Detail)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	c.others(page)
	return nil
}

// others tells how to see what the page does not show.
func (c *auditCmd) others(page app.AuditPage) {
	if len(page.Entries) == 0 {
		return
	}
	first, end := page.Entries[0].N, page.Entries[len(page.Entries)-1].N
	if c.After == nil && first > 1 {
		fmt.Fprintf(os.Stderr, "entries 1 to %d are older: --after %d shows those before, --after 0 the first; --limit is 1000 at most\n", first-1, max(first-1-int64(c.Limit), 0))
	}
	if end < page.Last {
		fmt.Fprintf(os.Stderr, "entries %d to %d are newer: go on with --after %d\n", end+1, page.Last, end)
	}
}
