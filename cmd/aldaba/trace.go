package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"

	"github.com/aldaba-otp/aldaba/app"
	"github.com/aldaba-otp/aldaba/otp"
)

// traceCmd is `aldaba trace`.
type traceCmd struct {
	Verification string `arg:"" optional:"" placeholder:"VERIFICATION" help:"Id of the verification."`
	To           string `placeholder:"ADDRESS" help:"Address instead of an id; the newest verification is told whole."`
	Tenant       string `placeholder:"NAME" help:"Tenant of the address."`
	JSON         bool   `name:"json" help:"Print JSON."`
	place
}

// Help teaches.
func (traceCmd) Help() string {
	return `It shows on one screen what happened to a verification, what its message waits
for and what would carry it now, and says in a sentence why. Breakers and
queues are those of the server that is asked. It shows no code and no full
address, and changes nothing. The status is 1 when there is none.

  aldaba trace 019c1346-5a22-7a3e-8d6f-2f1c1b0a9e77 --config aldaba.yaml
  aldaba trace --to +525512345678 --tenant shop --server http://127.0.0.1:8081 --token-file admin.token`
}

// Run asks and prints.
func (c *traceCmd) Run() error {
	switch byID, byAddress := c.Verification != "", c.To != "" && c.Tenant != ""; {
	case byID == (c.To != "" || c.Tenant != ""), !byID && !byAddress:
		return &usageError{"name a verification, or an address with its tenant (--to ADDRESS --tenant NAME)"}
	case byAddress:
		return c.act("trace", c.Tenant, func(client *adminClient) error { return c.print(client.traceAddress(c.Tenant, c.To)) },
			func(ctx context.Context, a *app.App) error { return c.print(a.TraceAddress(ctx, c.Tenant, c.To)) })
	}
	id, ok := otp.ParseID(c.Verification)
	if !ok {
		return &usageError{"the id of a verification has 36 characters, such as 019c1346-5a22-7a3e-8d6f-2f1c1b0a9e77"}
	}
	return c.act("trace", "", func(client *adminClient) error { return c.printOne(client.trace(id)) },
		func(ctx context.Context, a *app.App) error { return c.printOne(a.Trace(ctx, id)) })
}

func (c *traceCmd) printOne(one app.Trace, err error) error {
	switch {
	case err != nil:
		return err
	case c.JSON:
		return printJSON(one)
	}
	fmt.Print(one.Text())
	return nil
}

// print shows the newest one whole and a line for each other.
func (c *traceCmd) print(all []app.Trace, err error) error {
	switch {
	case err != nil:
		return err
	case c.JSON:
		return printJSON(all)
	}
	fmt.Print(all[0].Text())
	for i := range all[1:] {
		older := &all[i+1]
		if i == 0 {
			fmt.Println("\nOlder ones of this address:")
		}
		fmt.Printf("  %s  %s  %s\n", older.ID, older.Status, older.Conclusion)
	}
	return nil
}

func printJSON(value any) error {
	text, err := json.MarshalIndent(value, "", "  ")
	if err != nil {
		return err
	}
	fmt.Println(string(text))
	return nil
}

func (c *adminClient) trace(id otp.ID) (one app.Trace, err error) {
	text, err := c.call(http.MethodGet, "/admin/trace/"+url.PathEscape(id.String()), nil)
	if err == nil {
		err = json.Unmarshal(text, &one)
	}
	return one, err
}

func (c *adminClient) traceAddress(tenant, to string) ([]app.Trace, error) {
	body, err := json.Marshal(map[string]string{"tenant": tenant, "to": to})
	if err != nil {
		return nil, err
	}
	text, err := c.call(http.MethodPost, "/admin/trace", body)
	var answer struct {
		Verifications []app.Trace `json:"verifications"`
	}
	if err == nil {
		err = json.Unmarshal(text, &answer)
	}
	return answer.Verifications, err
}
