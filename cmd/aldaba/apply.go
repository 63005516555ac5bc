package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/aldaba-otp/aldaba/app"
	"github.com/aldaba-otp/aldaba/app/config"
	"github.com/aldaba-otp/aldaba/otp"
)

// applyCmd is `aldaba apply`.
type applyCmd struct {
	File   string `required:"" short:"f" type:"existingfile" placeholder:"FILE" help:"Tenants file."`
	DryRun bool   `help:"Show what would change, and change nothing."`
	place
}

// Help teaches.
func (applyCmd) Help() string {
	return `Each key that the file gives for a tenant replaces that key whole (a list
replaces the list); keys that it does not give stay, and so do tenants that it
does not name: aldaba tenant remove and aldaba provider remove take away. A change
reaches every server within a second.

  aldaba apply -f tenants.yaml --config aldaba.yaml --dry-run
  aldaba apply -f tenants.yaml --server http://127.0.0.1:8081 --token-file admin.token
  aldaba apply -f tenants.yaml --database sqlite:aldaba.db --keys keys.json`
}

// Run applies and prints the difference.
func (c *applyCmd) Run() error {
	file, err := readTenants(c.File)
	if err != nil {
		return err
	}
	c.creates = !c.DryRun
	return c.act("apply", "", func(client *adminClient) error {
		done, err := client.apply(file, c.DryRun)
		if err != nil {
			return err
		}
		c.print(done.Changes, done.Warnings)
		return nil
	}, func(ctx context.Context, a *app.App) error {
		plan, err := a.Apply(ctx, file, c.DryRun)
		if err != nil {
			return err
		}
		c.print(plan.Diff, plan.Warnings)
		return nil
	})
}

func (c *applyCmd) print(diff, warnings []string) {
	for _, w := range warnings {
		fmt.Fprintln(os.Stderr, "warning:", w)
	}
	for _, line := range diff {
		fmt.Println(line)
	}
	switch {
	case len(diff) == 0:
		fmt.Println("nothing to change")
	case c.DryRun:
		fmt.Println("nothing was changed: this was a dry run")
	}
}

// exportCmd is `aldaba export`.
type exportCmd struct{ place }

// Help teaches.
func (exportCmd) Help() string {
	return `It is confidential: addresses of contacts stand there in clear. Keys and
passwords of applications are hashes and secrets of providers and webhooks are
sealed; apply takes both back as they are. Sealed secrets and hashes of keys are
good with this key ring only.

  aldaba export --config aldaba.yaml > tenants.yaml
  aldaba export --server http://127.0.0.1:8081 --token-file admin.token
  aldaba export --database sqlite:aldaba.db --keys keys.json`
}

// Run prints the configuration.
func (c *exportCmd) Run() error {
	print := func(data []byte, err error) error {
		if err == nil {
			_, err = os.Stdout.Write(data)
		}
		return err
	}
	return c.act("export", "", func(client *adminClient) error { return print(client.export()) },
		func(ctx context.Context, a *app.App) error { return print(a.Export(ctx)) })
}

// checkConfigCmd is `aldaba check-config`.
type checkConfigCmd struct {
	Config  string   `short:"c" type:"existingfile" placeholder:"FILE" help:"Server configuration."`
	Tenants []string `short:"f" name:"file" type:"existingfile" sep:"none" placeholder:"FILE" help:"Tenants file; repeatable."`
}

// Help teaches.
func (checkConfigCmd) Help() string {
	return `Each mistake has a line: FILE:LINE: PATH: what is wrong. The status is 1 when
there are any. Secrets are read from their files and variables, as apply does.
No server is asked, so a provider that a route names must stand in the same file,
and webhooks must be https unless the server configuration that is given opens
networks to them (webhooks.allow).

  aldaba check-config --config aldaba.yaml -f tenants.yaml`
}

// Run names every mistake.
func (c *checkConfigCmd) Run() error {
	if c.Config == "" && len(c.Tenants) == 0 {
		return &usageError{"name a server configuration (--config) or tenants files (-f)"}
	}
	var mistakes []error
	check := func(path string, err error) {
		if err == nil {
			fmt.Println(path + ": good")
		}
		mistakes = append(mistakes, err)
	}
	var settings config.Server
	if c.Config != "" {
		var err error
		settings, err = c.server()
		check(c.Config, err)
	}
	for _, path := range c.Tenants {
		check(path, c.tenants(path, settings))
	}
	return errors.Join(mistakes...)
}

func (c *checkConfigCmd) server() (config.Server, error) {
	data, err := os.ReadFile(c.Config)
	if err != nil {
		return config.Server{}, err
	}
	settings, err := config.ParseServer(c.Config, data, config.Environment{})
	if err != nil {
		return config.Server{}, err
	}
	err = app.CheckServer(settings)
	var found otp.Mistakes
	if errors.As(err, &found) {
		err = config.LocateServer(c.Config, data, found)
	}
	return settings, err
}

func (c *checkConfigCmd) tenants(path string, settings config.Server) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	plan, err := app.CheckTenants(path, data, settings)
	if err != nil {
		return err
	}
	for _, w := range plan.Warnings {
		fmt.Fprintln(os.Stderr, "warning:", w)
	}
	return nil
}

// readTenants reads a tenants file and resolves its secrets.
func readTenants(path string) (*config.File, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	f, err := config.ParseTenants(path, data, app.ProviderSecrets)
	if err != nil {
		return nil, err
	}
	return f, f.Resolve(config.Environment{})
}
