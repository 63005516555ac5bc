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
	After int64 `placeholder:"N" help:"Number of the last entry that is known already."`
	Limit int   `default:"100" help:"How many entries at most, up to 1000."`
	JSON  bool  `name:"json" help:"Print one JSON object a line."`
	place
}

// Help teaches.
func (auditCmd) Help() string {
	return `It shows what was done over the admin API and by commands, oldest first: who,
what, when, with what result. An act has two entries, one before it begins and
one with its result. The numbers have no gaps.

  aldaba audit --config aldaba.yaml
  aldaba audit --after 1200 --json --server http://127.0.0.1:8081 --token-file auditor.token`
}

// Run asks and prints.
func (c *auditCmd) Run() error {
	if c.After < 0 || c.Limit < 1 || c.Limit > 1000 {
		return &usageError{"give --after as the number of an entry, and --limit as 1 to 1000"}
	}
	return c.do(func(client *adminClient) error {
		text, err := client.call(http.MethodGet, fmt.Sprintf("/admin/audit?after=%d&limit=%d", c.After, c.Limit), nil)
		var answer struct {
			Entries []app.Audited `json:"entries"`
		}
		if err == nil {
			err = json.Unmarshal(text, &answer)
		}
		return c.print(answer.Entries, err)
	}, func(ctx context.Context, a *app.App) error { return c.print(a.Audit(ctx, c.After, c.Limit)) })
}

func (c *auditCmd) print(all []app.Audited, err error) error {
	if err != nil {
		return err
	}
	table := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	for i := range all {
		e := &all[i]
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
	return table.Flush()
}
