package app

import (
	"bytes"
	"context"
	"crypto/rand"
	_ "embed" // demo.yaml and the inbox page
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/aldaba-otp/aldaba/app/config"
	"github.com/aldaba-otp/aldaba/internal/clock"
)

//go:embed demo.yaml
var demoYAML []byte

// DevOptions are the flags of `aldaba dev`.
type DevOptions struct {
	Listen   string
	Data     string   // folder of key ring, clock and database; "" for a fresh one
	Database string   // "" for SQLite in the data folder
	Apply    []string // tenants files, after the demo's own
	Writers  int
	Log      *slog.Logger
}

// Dev is `aldaba dev`: a whole server with the demo's tenants.
type Dev struct {
	*App

	clockFile string
	cleanup   func() error
}

// ErrUsage marks a mistake in the words of a command.
var ErrUsage = errors.New("usage")

// errNeedsData says how several processes share a database.
var errNeedsData = fmt.Errorf("%w: PostgreSQL needs --data DIR: the key ring that the database is used with must be kept", ErrUsage)

// errNoDatabase says what a database is; the URL may hold a password.
var errNoDatabase = fmt.Errorf("%w: --database must be sqlite:PATH or postgres://USER@HOST/NAME", ErrUsage)

// NewDev prepares the data folder, opens the store and applies the tenants.
func NewDev(ctx context.Context, o DevOptions) (*Dev, error) {
	d := &Dev{cleanup: func() error { return nil }}
	switch scheme, _, _ := strings.Cut(o.Database, ":"); scheme {
	case "", "sqlite", "memory":
	case "postgres", "postgresql":
		if o.Data == "" {
			return nil, errNeedsData
		}
	default:
		return nil, errNoDatabase
	}
	if o.Data == "" && o.Database == "" {
		dir, err := os.MkdirTemp("", "aldaba-dev-*")
		if err != nil {
			return nil, err
		}
		o.Data, d.cleanup = dir, func() error { return os.RemoveAll(dir) }
	}
	if err := d.open(ctx, o); err != nil {
		return nil, errors.Join(err, d.cleanup())
	}
	return d, nil
}

func (d *Dev) open(ctx context.Context, o DevOptions) error {
	keys, err := d.place(&o)
	if err != nil {
		return err
	}
	if err := ensureRing(keys); err != nil {
		return err
	}
	offset, err := readOffset(d.clockFile)
	if err != nil {
		return err
	}
	d.App, err = New(ctx, Options{
		Listen: o.Listen, Database: o.Database, KeysFile: keys, Dev: true, Clock: clock.New(offset),
		DrainTimeout: 10 * time.Second, Writers: o.Writers, Log: o.Log,
		// What is tried out runs on this machine, webhooks too.
		WebhookAllow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")},
	})
	if err != nil {
		return err
	}
	d.keepClock = func() error { return d.saveOffset() }
	if err := d.applyAll(ctx, o.Apply); err != nil {
		return errors.Join(err, d.App.Stop(ctx))
	}
	return nil
}

// place decides where database, key ring and clock are kept: in the data
// folder, or beside a SQLite file that was named without one.
func (d *Dev) place(o *DevOptions) (keys string, err error) {
	if file, ok := strings.CutPrefix(o.Database, "sqlite:"); ok && o.Data == "" {
		file = strings.TrimPrefix(file, "//")
		d.clockFile = file + ".clock.json"
		return file + ".keys.json", nil
	}
	if err := os.MkdirAll(o.Data, 0o700); err != nil {
		return "", err
	}
	if o.Database == "" {
		o.Database = "sqlite:" + filepath.Join(o.Data, "aldaba.db")
	}
	d.clockFile = filepath.Join(o.Data, "clock.json")
	return filepath.Join(o.Data, "keys.json"), nil
}

// ensureRing makes a key ring unless there is one. Two processes may start on
// one folder at once: the ring is written aside and linked into place, so that
// the first one wins and nobody reads half of it.
func ensureRing(path string) error {
	if _, err := os.Stat(path); err == nil {
		return nil
	}
	aside := path + "." + rand.Text() + ".new"
	if err := GenerateRing(aside, time.Now()); err != nil {
		return err
	}
	err := os.Link(aside, path)
	if errors.Is(err, fs.ErrExist) {
		err = nil
	}
	return errors.Join(err, os.Remove(aside))
}

// applyAll applies the demo's tenants and those of the files.
func (d *Dev) applyAll(ctx context.Context, files []string) error {
	demo, err := config.ParseTenants("demo.yaml", demoYAML, ProviderSecrets)
	if err != nil {
		return err
	}
	if _, err := d.Apply(ctx, demo, false); err != nil {
		return err
	}
	for _, name := range files {
		data, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		file, err := config.ParseTenants(name, data, ProviderSecrets)
		if err != nil {
			return err
		}
		if err := file.Resolve(config.Environment{}); err != nil {
			return err
		}
		if _, err := d.Apply(ctx, file, false); err != nil {
			return err
		}
	}
	return nil
}

// Stop drains and removes what was temporary.
func (d *Dev) Stop(ctx context.Context) error {
	return errors.Join(d.App.Stop(ctx), d.cleanup())
}

// savedClock is the file that keeps the clock's offset across restarts.
type savedClock struct {
	Offset string `json:"offset"`
}

func readOffset(path string) (time.Duration, error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	var saved savedClock
	if err == nil {
		err = json.Unmarshal(data, &saved)
	}
	if err != nil {
		return 0, fmt.Errorf("%s: %w; delete the file to start at the real time", path, err)
	}
	offset, err := time.ParseDuration(saved.Offset)
	if err != nil || offset < 0 {
		return 0, fmt.Errorf("%s: %q is no offset of a clock; delete the file to start at the real time", path, saved.Offset)
	}
	return offset, nil
}

// saveOffset keeps the larger of the saved offset and this process's.
func (d *Dev) saveOffset() error {
	offset := d.Clock.Offset()
	if saved, err := readOffset(d.clockFile); err == nil && saved > offset {
		offset = saved
	}
	data, err := json.Marshal(savedClock{offset.String()})
	if err != nil {
		return err
	}
	return replaceFile(d.clockFile, append(data, '\n'))
}

// Welcome is what `aldaba dev` prints for people after its ready line.
func (d *Dev) Welcome(base string) string {
	var b bytes.Buffer
	b.WriteString("\nInbox (where every message arrives): " + base + "/dev/inbox\n")
	for _, dialect := range d.Dialects() {
		fmt.Fprintf(&b, "\n%s\n  %s\n", dialect.Name, strings.ReplaceAll(dialect.Sample, "$BASE", base))
	}
	b.WriteString("\nDemo tenants\n\n" + DemoTenants + "\nStop with Ctrl-C.\n")
	return b.String()
}

// DemoTenants lists the credentials of demo.yaml for people.
const DemoTenants = `  acme    native            demo-key
          DANAConnect 1     demo@acme / demo-password, conversation 824541 (824542 is inactive)
          OAuth 2.0         demo / demo-secret at /oauth2/token (DANAConnect 2) and /connect/token (additiv)
          additiv contacts  4711 (sms, e-mail, and pending ones), 4712 (e-mail only)
          Modica            demo / demo-password
          UnityVox          100200 / 4D41E00J6KMXABS, template tpl1
  globex  native            globex-key
          DANAConnect 1     demo@globex / globex-password, conversation 900001
          OAuth 2.0         globex / globex-secret
          additiv contact   4711 (sms)
          Modica            globex / globex-password
          UnityVox          100300 / 7Q2W00ZK9LMNPAB, template tpl1
  broke   UnityVox          100201 / 5E41E00J6KMXAB0, template tpl1, has no balance
`
