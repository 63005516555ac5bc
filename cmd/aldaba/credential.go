package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/aldaba-otp/aldaba/app"
	"github.com/aldaba-otp/aldaba/otp"
)

// credentialCmd is `aldaba credential`.
type credentialCmd struct {
	New    credentialNewCmd    `cmd:"" help:"Make a credential and show its secret once."`
	List   credentialListCmd   `cmd:"" help:"Show a tenant's credentials and when they were last used."`
	Rotate credentialRotateCmd `cmd:"" help:"Make a new secret; the old one stays good for a while."`
	Revoke credentialRevokeCmd `cmd:"" help:"Take a credential out of use at once."`
}

// credentialNewCmd is `aldaba credential new`.
type credentialNewCmd struct {
	Tenant   string             `arg:"" help:"Tenant that it lets in."`
	Type     otp.CredentialType `required:"" enum:"api_key,danaconnect,oauth2,modica,unityvox" help:"api_key, danaconnect, oauth2, modica or unityvox."`
	Identity string             `placeholder:"NAME" help:"Login, client id, application or account; not for api_key."`
	Name     string             `placeholder:"NAME" help:"Name for rotate and revoke; made up when not given."`
	Scopes   []string           `placeholder:"SCOPE" help:"send, check, read, admin; all when not given."`
	Expires  string             `placeholder:"TIME" help:"When it ceases to be good, such as 2026-12-31T00:00:00Z."`
	From     []string           `placeholder:"NETWORK" help:"Networks that it is good from, such as 10.0.0.0/8; everywhere when not given."`
	place
}

// Help teaches.
func (credentialNewCmd) Help() string {
	return `It prints the identity, if there is one, and the secret in one line. Keep it: it
rests hashed, and is not shown again. A tenants file leaves it alone.

  aldaba credential new acme --type api_key --name shop --config aldaba.yaml
  aldaba credential new acme --type modica --identity shop --scopes send,check --from 10.0.0.0/8 --config aldaba.yaml`
}

// Run adds the credential to those that the tenant has.
func (c *credentialNewCmd) Run() error {
	if (c.Identity == "") != (c.Type == otp.APIKey) {
		return &usageError{"give --identity for every type but api_key"}
	}
	asked := app.NewCredential{Tenant: c.Tenant, Type: c.Type, Identity: c.Identity, Name: c.Name, Scopes: c.Scopes}
	if c.Expires != "" {
		var err error
		if asked.Expires, err = time.Parse(time.RFC3339, c.Expires); err != nil {
			return &usageError{"give --expires as a time such as 2026-12-31T00:00:00Z"}
		}
	}
	for _, text := range c.From {
		network, err := parseNetwork(text)
		if err != nil {
			return &usageError{"give --from as a network such as 10.0.0.0/8, or an address"}
		}
		asked.From = append(asked.From, network)
	}
	var made app.MadeCredential
	err := c.act("credential new", c.Tenant, func(client *adminClient) error {
		return client.post("/admin/credentials", asked, &made)
	}, func(ctx context.Context, a *app.App) (err error) {
		made, err = a.AddCredential(ctx, asked)
		return err
	})
	return printMade(made, err)
}

// parseNetwork reads a network or a single address.
func parseNetwork(text string) (netip.Prefix, error) {
	if a, err := netip.ParseAddr(text); err == nil {
		return a.Prefix(a.BitLen())
	}
	return netip.ParsePrefix(text)
}

// printMade prints the secret for programs, and the rest for people.
func printMade(made app.MadeCredential, err error) error {
	if err != nil {
		return err
	}
	fmt.Println(strings.TrimSpace(made.Identity + " " + made.Secret))
	fmt.Fprintln(os.Stderr, "its name is", made.Name)
	if made.OldName != "" {
		fmt.Fprintf(os.Stderr, "the old one is called %s now and is good until %s\n", made.OldName, made.OldExpires.Format(time.RFC3339))
	}
	return nil
}

// credentialRotateCmd is `aldaba credential rotate`.
type credentialRotateCmd struct {
	Tenant  string        `arg:"" help:"Tenant that it lets in."`
	Name    string        `arg:"" help:"Name of the credential, as list shows it."`
	Overlap time.Duration `default:"24h" help:"How long the old secret stays good; 0 ends it at once."`
	place
}

// Help teaches.
func (credentialRotateCmd) Help() string {
	return `The new one has the name, scopes and networks of the old one, and no expiry. It
prints the identity, if there is one, and the new secret in one line.

  aldaba credential rotate acme shop --overlap 24h --config aldaba.yaml`
}

// Run rotates.
func (c *credentialRotateCmd) Run() error {
	var made app.MadeCredential
	err := c.act("credential rotate", c.Tenant, func(client *adminClient) error {
		return client.post("/admin/credentials/rotate", map[string]string{"tenant": c.Tenant, "name": c.Name, "overlap": c.Overlap.String()}, &made)
	}, func(ctx context.Context, a *app.App) (err error) {
		made, err = a.RotateCredential(ctx, c.Tenant, c.Name, c.Overlap)
		return err
	})
	return printMade(made, err)
}

// credentialRevokeCmd is `aldaba credential revoke`.
type credentialRevokeCmd struct {
	Tenant string `arg:"" help:"Tenant that it lets in."`
	Name   string `arg:"" help:"Name of the credential, as list shows it."`
	place
}

// Help teaches.
func (credentialRevokeCmd) Help() string {
	return `It is refused at once, and so are access tokens that were issued for it; other
servers follow within a second. A tenants file that still names it does not
bring it back.

  aldaba credential revoke acme shop --config aldaba.yaml`
}

// Run revokes.
func (c *credentialRevokeCmd) Run() error {
	return c.act("credential revoke", c.Tenant, func(client *adminClient) error {
		var answer struct{ Revoked bool }
		return client.post("/admin/credentials/revoke", map[string]string{"tenant": c.Tenant, "name": c.Name}, &answer)
	}, func(ctx context.Context, a *app.App) error { return a.RevokeCredential(ctx, c.Tenant, c.Name) })
}

// credentialListCmd is `aldaba credential list`.
type credentialListCmd struct {
	Tenant string `arg:"" help:"Tenant that they let in."`
	JSON   bool   `name:"json" help:"Print JSON."`
	place
}

// Help teaches.
func (credentialListCmd) Help() string {
	return `It shows no secret. When a credential was last used is kept to ten minutes.

  aldaba credential list acme --config aldaba.yaml`
}

// Run asks and prints.
func (c *credentialListCmd) Run() error {
	return c.do(func(client *adminClient) error {
		text, err := client.call(http.MethodGet, "/admin/credentials?"+url.Values{"tenant": {c.Tenant}}.Encode(), nil)
		var answer struct {
			Credentials []app.CredentialInfo `json:"credentials"`
		}
		if err == nil {
			err = json.Unmarshal(text, &answer)
		}
		return c.print(answer.Credentials, err)
	}, func(ctx context.Context, a *app.App) error { return c.print(a.Credentials(ctx, c.Tenant)) })
}

func (c *credentialListCmd) print(all []app.CredentialInfo, err error) error {
	switch {
	case err != nil:
		return err
	case c.JSON:
		return printJSON(all)
	}
	table := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(table, "NAME\tTYPE\tIDENTITY\tSTATE\tUNTIL\tSCOPES\tFROM\tORIGIN\tLAST USED")
	for i := range all {
		o := &all[i]
		var from []string
		for _, network := range o.From {
			from = append(from, network.String())
		}
		until := o.Expires
		if !o.Revoked.IsZero() {
			until = o.Revoked
		}
		cells := []string{
			o.Name, string(o.Type), o.Identity, o.State, shortTime(until), strings.Join(o.Scopes, ","), strings.Join(from, ","),
			string(o.Origin), shortTime(o.LastUsed),
		}
		for j := range cells {
			if cells[j] == "" {
				cells[j] = "-"
			}
		}
		_, _ = fmt.Fprintln(table, strings.Join(cells, "\t"))
	}
	return table.Flush()
}

// shortTime writes a time for a table, "" for none.
func shortTime(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02T15:04Z")
}

// post sends a body and reads the answer.
func (c *adminClient) post(path string, asked, answer any) error {
	body, err := json.Marshal(asked)
	if err != nil {
		return err
	}
	text, err := c.call(http.MethodPost, path, body)
	if err == nil {
		err = json.Unmarshal(text, answer)
	}
	return err
}
