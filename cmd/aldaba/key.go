package main

import (
	"fmt"
	"time"

	"github.com/aldaba-otp/aldaba/app"
	"github.com/aldaba-otp/aldaba/otp"
)

// keyCmd is `aldaba key`.
type keyCmd struct {
	Generate keyGenerateCmd `cmd:"" help:"Make a new key ring."`
	Rotate   keyRotateCmd   `cmd:"" help:"Add fresh keys to the ring; servers use them a minute later."`
	Status   keyStatusCmd   `cmd:"" help:"Tell which keys are in use and what still needs the old ones."`
	Retire   keyRetireCmd   `cmd:"" help:"Take an old key out of the ring once nothing needs it."`
}

// keyGenerateCmd is `aldaba key generate`.
type keyGenerateCmd struct {
	Out string `default:"keys.json" type:"path" help:"File to write; it must not exist."`
}

// Help teaches.
func (keyGenerateCmd) Help() string {
	return `The ring seals what rests in the database and derives all codes. Every server
on one database reads the same ring.

  aldaba key generate --out keys.json`
}

// Run writes the file.
func (c *keyGenerateCmd) Run() error {
	if err := app.GenerateRing(c.Out, time.Now()); err != nil {
		return err
	}
	fmt.Printf("wrote %s (mode 0600)\nKeep a copy apart from the database: without it, nothing that rests there can be read.\n", c.Out)
	return nil
}

// keyRotateCmd is `aldaba key rotate`.
type keyRotateCmd struct {
	Keys     string    `type:"existingfile" placeholder:"FILE" help:"Ring file to change; servers that read it notice by themselves."`
	Use      []otp.Use `placeholder:"USE" help:"Which keys: code, seal, sign. All three when not given. The index key never rotates."`
	Activate bool      `help:"Use the new keys at once: only when no other server reads this ring."`
	remote
}

// Help teaches.
func (keyRotateCmd) Help() string {
	return `Old keys stay in the ring until you retire them: what was made under them can
still be read. Contacts and secrets are sealed anew by the servers. When
servers on other machines have copies of the file, bring them the new one
within the minute.

  aldaba key rotate --keys keys.json
  aldaba key rotate --use sign --config aldaba.yaml`
}

// Run rotates in the file, or through a running server.
func (c *keyRotateCmd) Run() error {
	var ring []otp.KeyInfo
	if c.Keys != "" {
		r, err := app.RotateRing(c.Keys, time.Now(), c.Activate, c.Use...)
		if err != nil {
			return err
		}
		ring = r.Keys()
	} else {
		client, err := c.client()
		if err != nil {
			return err
		}
		if client == nil {
			return &usageError{"name the ring file (--keys) or a running server (--server or --config)"}
		}
		if ring, err = client.rotate(c.Use, c.Activate); err != nil {
			return err
		}
	}
	for _, k := range ring {
		fmt.Printf("%s  %-5s  from %s\n", k.ID, k.Use, k.From.Format(time.RFC3339))
	}
	return nil
}
