package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/aldaba-otp/aldaba/app"
	"github.com/aldaba-otp/aldaba/otp"
)

// keyStatusCmd is `aldaba key status`.
type keyStatusCmd struct{ place }

// Help teaches.
func (keyStatusCmd) Help() string {
	return `After a rotation, contacts and the secrets of providers and webhooks are sealed
anew within seconds. What verifications hold goes with their retention.

  aldaba key status --config aldaba.yaml`
}

// Run asks.
func (c *keyStatusCmd) Run() error {
	tell := func(all []app.KeyState, err error) error {
		if err != nil {
			return err
		}
		for _, k := range all {
			fmt.Printf("%s  %-5s  from %s  %s\n", k.ID, k.Use, k.From.Format(time.RFC3339), k.State)
			for _, need := range k.Needs {
				fmt.Printf("          needed by %s\n", need)
			}
		}
		return nil
	}
	return c.do(func(client *adminClient) error {
		return tell(client.keyStates())
	}, func(ctx context.Context, a *app.App) error { return tell(a.KeyStates(ctx)) })
}

// keyRetireCmd is `aldaba key retire`.
type keyRetireCmd struct {
	Key string  `arg:"" help:"Id of the key, as status shows it."`
	Use otp.Use `placeholder:"USE" help:"Its use, should keys of two uses have one id."`
	place
}

// Help teaches.
func (keyRetireCmd) Help() string {
	return `A key that something still needs stays, and you are told what needs it. Keep a
copy of the ring as it was with the backups that are older than this: they need
the key. When servers on other machines have copies of the file, bring them the
new one.

  aldaba key retire 1c8b9f65 --config aldaba.yaml`
}

// Run takes it out.
func (c *keyRetireCmd) Run() error {
	tell := func(err error) error {
		if err == nil {
			fmt.Printf("%s is out of the ring\n", c.Key)
		}
		return err
	}
	return c.do(func(client *adminClient) error {
		body, err := json.Marshal(map[string]string{"key": c.Key, "use": string(c.Use)})
		if err == nil {
			_, err = client.call(http.MethodPost, "/admin/keys/retire", body)
		}
		return tell(err)
	}, func(ctx context.Context, a *app.App) error {
		_, err := a.RetireKey(ctx, c.Use, c.Key)
		return tell(err)
	})
}

func (c *adminClient) keyStates() ([]app.KeyState, error) {
	text, err := c.call(http.MethodGet, "/admin/keys/status", nil)
	var answer struct {
		Keys []app.KeyState `json:"keys"`
	}
	if err == nil {
		err = json.Unmarshal(text, &answer)
	}
	return answer.Keys, err
}
