package app

import (
	"context"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aldaba-otp/aldaba/app/config"
	"github.com/aldaba-otp/aldaba/otp"
	"github.com/aldaba-otp/aldaba/otp/otptest"
)

const token = "an-admin-token-of-many-characters"

// ringIn writes the tests' ring into a folder; drawing one takes its time.
func ringIn(t testing.TB, dir string) string {
	t.Helper()
	data, err := otptest.Ring(t).MarshalJSON()
	path := filepath.Join(dir, "keys.json")
	if err == nil {
		err = replaceFile(path, data)
	}
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// open makes a server over a store in memory, unless the options say otherwise.
func open(t *testing.T, o Options) *App {
	t.Helper()
	if o.KeysFile == "" {
		o.KeysFile = ringIn(t, t.TempDir())
	}
	if o.Database == "" {
		o.Database = "memory:"
	}
	o.Listen = "127.0.0.1:0"
	a, err := New(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := stop(a); err != nil {
			t.Error(err)
		}
	})
	return a
}

func stop(a *App) error {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	return a.Stop(ctx)
}

// running is a server that answers, with its admin listener.
func running(t *testing.T, o Options) *App {
	t.Helper()
	o.AdminListen, o.AdminToken = "127.0.0.1:0", token
	a := open(t, o)
	if err := a.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	return a
}

// dev is `aldaba dev` over a store in memory.
func dev(t *testing.T) *Dev {
	t.Helper()
	dir := t.TempDir()
	ringIn(t, dir)
	d, err := NewDev(t.Context(), DevOptions{Listen: "127.0.0.1:0", Data: dir, Database: "memory:"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := stop(d.App); err != nil {
			t.Error(err)
		}
	})
	if err := d.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	return d
}

// call makes a request and returns status and body.
func call(t *testing.T, method, url, bearer, body string) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if bearer != "" {
		r.Header.Set("Authorization", "Bearer "+bearer)
	}
	r.Header.Set("Content-Type", "application/json")
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, string(text)
}

func parse(t testing.TB, text string) *config.File {
	t.Helper()
	f, err := config.ParseTenants("tenants.yaml", []byte(text), ProviderSecrets)
	if err == nil {
		err = f.Resolve(config.Environment{})
	}
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// apply applies a file and returns the lines of its difference.
func apply(t *testing.T, a *App, text string, dry bool) string {
	t.Helper()
	plan, err := a.Apply(t.Context(), parse(t, text), dry)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(plan.Diff, "\n")
}

// contact reads one contact of a tenant, in short.
func contact(t *testing.T, a *App, tenant, id string) string {
	t.Helper()
	c, err := a.Service.Contact(t.Context(), tenant, id)
	if err != nil {
		if otp.KindOf(err) != otp.NotFound {
			t.Fatal(err)
		}
		return "none"
	}
	return c.SMS + " " + c.Email
}

const shop = `
providers: [{name: box, type: inbox}]
tenants:
  - name: shop
    home: VE
    routes: [{channel: sms, providers: [box]}, {channel: email, providers: [box]}]
    profiles: [{name: default}]
    contacts:
      - {id: 1, sms: "+584121234567"}
      - {id: 2, email: ana@example.com}
    credentials: [{type: api_key, key: 0123456789abcdef0123456789abcdef}]
`
