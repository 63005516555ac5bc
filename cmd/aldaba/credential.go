package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/aldaba-otp/aldaba/app"
	"github.com/aldaba-otp/aldaba/app/config"
	"github.com/aldaba-otp/aldaba/otp"
)

// credentialCmd is `aldaba credential`.
type credentialCmd struct {
	New credentialNewCmd `cmd:"" help:"Make a credential and show its secret once."`
}

// credentialNewCmd is `aldaba credential new`.
type credentialNewCmd struct {
	Tenant   string             `arg:"" help:"Tenant that it lets in."`
	Type     otp.CredentialType `required:"" enum:"api_key,danaconnect,oauth2,modica,unityvox" help:"api_key, danaconnect, oauth2, modica or unityvox."`
	Identity string             `placeholder:"NAME" help:"Login, client id, application or account; not for api_key."`
	Scopes   []string           `placeholder:"SCOPE" help:"send, check, read; all when not given."`
	place
}

// Help teaches.
func (credentialNewCmd) Help() string {
	return `It prints the identity, if there is one, and the secret in one line. Keep it: it
rests hashed, and is not shown again.

  aldaba credential new acme --type api_key --config aldaba.yaml
  aldaba credential new acme --type modica --identity shop --scopes send,check --config aldaba.yaml`
}

// Run adds the credential to those that the tenant has.
func (c *credentialNewCmd) Run() error {
	if (c.Identity == "") != (c.Type == otp.APIKey) {
		return &usageError{"give --identity for every type but api_key"}
	}
	secret, err := app.NewSecret(c.Type)
	if err != nil {
		return err
	}
	add := func(exported []byte) (*config.File, error) {
		return config.AddCredential(exported, c.Tenant, config.NewCredential{Type: c.Type, Identity: c.Identity, Secret: secret, Scopes: c.Scopes})
	}
	err = c.do(func(client *adminClient) error {
		exported, err := client.export()
		if err != nil {
			return err
		}
		file, err := add(exported)
		if err != nil {
			return err
		}
		_, err = client.apply(file, false)
		return err
	}, func(ctx context.Context, a *app.App) error {
		exported, err := a.Export(ctx)
		if err != nil {
			return err
		}
		file, err := add(exported)
		if err != nil {
			return err
		}
		_, err = a.Apply(ctx, file, false)
		return err
	})
	if err != nil {
		return err
	}
	fmt.Println(strings.TrimSpace(c.Identity + " " + secret))
	return nil
}
