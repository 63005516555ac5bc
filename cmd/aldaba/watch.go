package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/aldaba-otp/aldaba/app"
	"github.com/aldaba-otp/aldaba/otp"
)

// watchCmd is `aldaba watch`.
type watchCmd struct {
	Show    watchShowCmd    `cmd:"" default:"withargs" help:"Tell how many of what was sent was approved, and what is suspected or blocked."`
	Release watchReleaseCmd `cmd:"" help:"End the block of a prefix, and forget what led to it."`
}

// watchShowCmd is `aldaba watch TENANT`.
type watchShowCmd struct {
	Tenant  string `arg:"" help:"Tenant whose messages they are."`
	Suspect bool   `help:"Only what is suspected or blocked."`
	JSON    bool   `name:"json" help:"Print one JSON object a line."`
	place
}

// Help teaches.
func (watchShowCmd) Help() string {
	return `Prefixes are numbers without their last four digits; only starts to numbers that
were not approved lately count for them. Countries and providers are told of all
messages. Approvals of the last minute may still be missing.

  aldaba watch acme --suspect --config aldaba.yaml
  aldaba watch release acme +58414123 --config aldaba.yaml`
}

// Run asks for all pages and prints.
func (c *watchShowCmd) Run() error {
	return c.do(func(client *adminClient) error {
		return c.print(func(after string) (app.Watch, error) { return client.watch(c.Tenant, after, c.Suspect) })
	}, func(ctx context.Context, a *app.App) error {
		return c.print(func(after string) (app.Watch, error) { return a.Watch(ctx, c.Tenant, after, 0, c.Suspect) })
	})
}

func (c *watchShowCmd) print(page func(after string) (app.Watch, error)) error {
	var all []app.Watched
	var mode otp.WatchMode
	for after, more := "", true; more; more = after != "" {
		one, err := page(after)
		if err != nil {
			return err
		}
		all, after, mode = append(all, one.Watched...), one.Next, one.Mode
	}
	slices.SortFunc(all, func(a, b app.Watched) int { return cmp.Compare(a.Name, b.Name) })
	if c.JSON {
		return printLines(all)
	}
	fmt.Printf("watch of %s: %s\n", c.Tenant, mode)
	table := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	if len(all) > 0 {
		_, _ = fmt.Fprintln(table, "NAME\tSENDS\tAPPROVED\t%\tSUSPECT SINCE\tBLOCKED UNTIL\tLEVEL")
	}
	for i := range all {
		w, percent := &all[i], "-"
		if w.Percent != nil {
			percent = fmt.Sprint(*w.Percent)
		}
		_, _ = fmt.Fprintf(table, "%s\t%d\t%d\t%s\t%s\t%s\t%d\n", w.Name, w.Sends, w.Approved, percent, orDash(w.Suspect), orDash(w.Until), w.Level)
	}
	return table.Flush()
}

func orDash(t *time.Time) string {
	if t == nil {
		return "-"
	}
	return t.Format(time.RFC3339)
}

// printLines prints one JSON object a line.
func printLines[T any](all []T) error {
	for i := range all {
		line, err := json.Marshal(&all[i])
		if err != nil {
			return err
		}
		fmt.Println(string(line))
	}
	return nil
}

// watch asks a running server for one page.
func (c *adminClient) watch(tenant, after string, suspect bool) (w app.Watch, err error) {
	asked := url.Values{"tenant": {tenant}, "after": {after}, "suspect": {fmt.Sprint(suspect)}}
	text, err := c.call(http.MethodGet, "/admin/watch?"+asked.Encode(), nil)
	if err == nil {
		err = json.Unmarshal(text, &w)
	}
	return w, err
}

// watchReleaseCmd is `aldaba watch release`.
type watchReleaseCmd struct {
	Tenant string `arg:"" help:"Tenant whose messages they are."`
	Prefix string `arg:"" help:"Prefix as it is shown, such as +58414123."`
	place
}

// Help teaches.
func (watchReleaseCmd) Help() string {
	return `The prefix begins anew: no sends, no level. To let a prefix pass for good, put it
on the allow-list instead.

  aldaba watch release acme +58414123 --config aldaba.yaml
  aldaba list allow acme '+58414123*' --config aldaba.yaml`
}

// Run releases.
func (c *watchReleaseCmd) Run() error {
	tell := func(r app.Unwatched, err error) error {
		switch {
		case err != nil:
		case r.Was:
			fmt.Println("released")
		default:
			fmt.Println("nothing to change: nothing is known of this prefix")
		}
		return err
	}
	return c.act("watch release", c.Tenant, func(client *adminClient) error {
		var r app.Unwatched
		err := client.post("/admin/watch/release", map[string]string{"tenant": c.Tenant, "prefix": c.Prefix}, &r)
		return tell(r, err)
	}, func(ctx context.Context, a *app.App) error { return tell(a.ReleasePrefix(ctx, c.Tenant, c.Prefix)) })
}
