package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/aldaba-otp/aldaba/app"
)

// fenceCmd is `aldaba fence`.
type fenceCmd struct {
	Tenant string `placeholder:"NAME" help:"Of this tenant only."`
	DryRun bool   `help:"Count what it would do, and change nothing."`
	place
}

// Help teaches.
func (fenceCmd) Help() string {
	return `After a restore, before the server starts: what stands as pending in a backup may
have been approved or guessed at since. Every verification that lives becomes
void, so that no code is accepted twice; its tries that were left are charged to
its address, so that nobody gets them again; and the numbers of DANAConnect go on
behind those that may have been given out. People who wait for a code ask for
another one.

  aldaba fence --config aldaba.yaml --dry-run
  aldaba fence --config aldaba.yaml
  aldaba fence --database sqlite:aldaba.db --keys keys.json`
}

// Run fences and tells what was done.
func (c *fenceCmd) Run() error {
	tell := func(done app.Fenced, err error) error {
		if err != nil {
			return err
		}
		fmt.Printf("void: %d verifications\ncharged: %d guesses that may have been made at them\nnumbers moved on: %d tenants\n", done.Void, done.Guesses, done.Numbers)
		if c.DryRun {
			fmt.Println("nothing was changed: this was a dry run")
		}
		return nil
	}
	return c.act("fence", c.Tenant, func(client *adminClient) error { return tell(client.fence(c.Tenant, c.DryRun)) },
		func(ctx context.Context, a *app.App) error { return tell(a.Fence(ctx, c.Tenant, c.DryRun)) })
}

func (c *adminClient) fence(tenant string, dry bool) (done app.Fenced, err error) {
	body, err := json.Marshal(map[string]any{"tenant": tenant, "dry_run": dry})
	if err != nil {
		return done, err
	}
	text, err := c.call(http.MethodPost, "/admin/fence", body)
	if err == nil {
		err = json.Unmarshal(text, &done)
	}
	return done, err
}
