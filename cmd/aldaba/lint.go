package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/aldaba-otp/aldaba/app"
	"github.com/aldaba-otp/aldaba/app/config"
	"github.com/aldaba-otp/aldaba/app/lint"
	"github.com/aldaba-otp/aldaba/otp"
)

// lintTemplateCmd is `aldaba lint-template`.
type lintTemplateCmd struct {
	File []string `short:"f" type:"existingfile" sep:"none" placeholder:"FILE" help:"Tenants file; repeatable."`
	JSON bool     `name:"json" help:"Print a list of reports for programs."`

	Text     string        `placeholder:"TEXT" help:"One template instead of a file."`
	Locale   string        `default:"en" help:"Language of --text (BCP 47)."`
	Channel  otp.Channel   `default:"sms" enum:"sms,email,voice,whatsapp,telegram" help:"Channel of --text: sms, email, voice, whatsapp or telegram."`
	Brand    string        `default:"Example" help:"{{brand}} of --text."`
	Length   int           `default:"6" help:"Characters of the code of --text."`
	Lifetime time.Duration `default:"10m" help:"Life of the code of --text."`
	Domain   string        `placeholder:"HOST" help:"Site that the last line of --text binds the code to."`
	AppHash  string        `placeholder:"HASH" help:"Hash of the Android app that gets --text."`
	Sender   string        `placeholder:"NAME" help:"Sender of --text."`
	Country  []string      `placeholder:"CC" help:"Countries that --text goes to (ISO 3166); repeatable."`
}

// Help teaches.
func (lintTemplateCmd) Help() string {
	return `It fills each template with the longest values that the configuration allows,
and tells encoding, parts and price, the characters that make it dear, what
autofill lacks, and what carriers filter. Nothing is sent, and no server is
asked: what a file does not give for a tenant is not known. The status is 1 when
there are warnings.

  aldaba lint-template -f tenants.yaml
  aldaba lint-template --locale es --text 'Su código de {{brand}}: {{code}}' --brand 'Banco Sur'
  aldaba lint-template --text '{{code}} is your code' --domain bank.example --country US --json`
}

// Run prints what there is to say.
func (c *lintTemplateCmd) Run() error {
	tenants, err := c.tenants()
	if err != nil {
		return err
	}
	reports := []lint.Report{}
	for i := range tenants {
		more, err := lint.Tenant(&tenants[i])
		if err != nil {
			return err
		}
		reports = append(reports, more...)
	}
	if err := c.print(reports); err != nil {
		return err
	}
	if n := len(lint.Warnings(reports)); n > 0 {
		return fmt.Errorf("warnings: %d", n)
	}
	return nil
}

// tenants are those of the files, or one that has the text of the command.
func (c *lintTemplateCmd) tenants() ([]otp.Tenant, error) {
	if (c.Text == "") == (len(c.File) == 0) {
		return nil, &usageError{"name tenants files (-f) or give one template (--text)"}
	}
	if c.Text != "" {
		t := otp.Tenant{
			Name: "sample", Brand: c.Brand, Countries: c.Country,
			Profiles:  []otp.Profile{{Name: "default", Length: c.Length, Lifetime: c.Lifetime, Sender: c.Sender}},
			Templates: []otp.Template{{Channel: c.Channel, Locale: c.Locale, Text: c.Text, Domain: c.Domain, AppHash: c.AppHash}},
		}
		_, err := otp.NewDirectory([]otp.Tenant{t}, nil)
		return []otp.Tenant{t}, err
	}
	var all []otp.Tenant
	var mistakes []error
	for _, path := range c.File {
		data, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		f, err := config.ParseTenants(path, data, app.ProviderSecrets)
		if mistakes = append(mistakes, err); err == nil {
			all = append(all, f.Tenants()...)
		}
	}
	return all, errors.Join(mistakes...)
}

func (c *lintTemplateCmd) print(reports []lint.Report) error {
	if c.JSON {
		e := json.NewEncoder(os.Stdout)
		e.SetEscapeHTML(false)
		e.SetIndent("", "  ")
		return e.Encode(reports)
	}
	if len(reports) == 0 {
		fmt.Println("no templates")
	}
	for i := range reports {
		printReport(&reports[i])
	}
	return nil
}

func printReport(r *lint.Report) {
	fmt.Println(r.Subject)
	for line := range strings.Lines(r.Text) {
		fmt.Println("  | " + strings.TrimRight(line, "\n"))
	}
	if s := r.Size; s != nil {
		unit := map[string]string{"gsm7": "septets", "ucs2": "16-bit units"}[s.Encoding]
		fmt.Printf("  %s, %d characters (%d %s), parts: %d\n", s.Encoding, s.Characters, s.Units, unit, s.Parts)
	}
	for _, f := range r.Findings {
		fmt.Printf("  %s %s: %s\n    -> %s\n", f.Severity, f.Rule, f.Message, f.Advice)
	}
}
