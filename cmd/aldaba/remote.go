package main

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/aldaba-otp/aldaba/app"
	"github.com/aldaba-otp/aldaba/app/config"
	"github.com/aldaba-otp/aldaba/otp"
)

// remote are the flags that find a running server's admin API.
type remote struct {
	Server    string `placeholder:"URL" help:"Admin address of a running server, such as http://127.0.0.1:8081. Without it and without --config, ALDABA_SERVER."`
	TokenFile string `type:"existingfile" placeholder:"FILE" help:"File with the admin token. Without it, the one that --config tells, else ALDABA_ADMIN_TOKEN."`
	Config    string `short:"c" type:"existingfile" placeholder:"FILE" help:"Server configuration that tells address and token, and the database when the server is not running."`
}

// adminClient speaks to the admin API.
type adminClient struct {
	base, token string
	several     error // why the configuration tells no token, though it has some
	http        *http.Client
}

// client returns nil when no running server is named. What the environment says
// is for what no flag says: a configuration that is named must not lead to
// another server because of a variable that was forgotten.
func (r *remote) client() (*adminClient, error) {
	c := &adminClient{base: r.Server, http: http.DefaultClient}
	switch {
	case r.Config != "":
		s, err := readServer(r.Config)
		if err == nil {
			err = c.settle(r.Config, s.Admin)
		}
		if err != nil {
			return nil, err
		}
	case c.base == "":
		c.base = os.Getenv("ALDABA_SERVER")
	}
	if c.base = strings.TrimSuffix(c.base, "/"); c.base == "" {
		return nil, nil
	}
	if r.TokenFile != "" {
		data, err := os.ReadFile(r.TokenFile)
		if err != nil {
			return nil, err
		}
		c.token = strings.TrimSpace(string(data))
	}
	if c.token = cmp.Or(c.token, os.Getenv("ALDABA_ADMIN_TOKEN")); c.token != "" {
		return c, nil
	}
	if c.several == nil {
		return nil, &usageError{"the server wants a token: --token-file FILE or ALDABA_ADMIN_TOKEN"}
	}
	return c, nil // when nobody listens, no token is needed
}

// settle takes from a server's configuration what was not given. Of several
// tokens it takes none: an act would be done in the name and the role of whoever
// stands first.
func (c *adminClient) settle(file string, s config.Admin) error {
	scheme := "http://"
	if s.TLS.Cert != "" {
		scheme = "https://"
		trusting, err := trust(s.TLS.Cert)
		if err != nil {
			return err
		}
		c.http = trusting
	}
	if c.base == "" && s.Listen != "" {
		c.base = scheme + dialable(s.Listen)
	}
	c.token = s.Token
	switch {
	case c.token != "" || len(s.Tokens) == 0:
	case len(s.Tokens) == 1:
		c.token = s.Tokens[0].Token
	default:
		names := make([]string, len(s.Tokens))
		for i, t := range s.Tokens {
			names[i] = t.Name
		}
		c.several = &usageError{fmt.Sprintf("%s has several admin tokens (%s): give yours with --token-file FILE or ALDABA_ADMIN_TOKEN", file, strings.Join(names, ", "))}
	}
	return nil
}

// trust returns a client that trusts the server's own certificate too: whoever
// has its configuration need not be told by an authority.
func trust(cert string) (*http.Client, error) {
	own, err := os.ReadFile(cert)
	if err != nil {
		return nil, err
	}
	roots, err := x509.SystemCertPool()
	if err != nil {
		roots = x509.NewCertPool()
	}
	roots.AppendCertsFromPEM(own)
	return &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}}}, nil
}

// dialable turns an address to listen on into one to call: an open host is
// this machine.
func dialable(listen string) string {
	host, port, err := net.SplitHostPort(listen)
	if ip := net.ParseIP(host); err == nil && (host == "" || ip != nil && ip.IsUnspecified()) {
		return net.JoinHostPort("127.0.0.1", port)
	}
	return listen
}

// errNoServer says that nobody listens.
var errNoServer = errors.New("no server answers")

// absent is the error of an address that nobody listens to.
func (c *adminClient) absent() error {
	return fmt.Errorf("%w at %s; start it with `aldaba serve`, or name its files instead (see --help)", errNoServer, c.base)
}

// unnamed is the error of a call for which a token would have to be chosen, or
// that nobody listens.
func (c *adminClient) unnamed(ctx context.Context) error {
	_, host, _ := strings.Cut(c.base, "://")
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", host)
	if errors.Is(err, syscall.ECONNREFUSED) {
		return c.absent()
	}
	if err == nil {
		_ = conn.Close() // nothing was said
	}
	return c.several
}

// call makes one request and returns the body of a 200.
func (c *adminClient) call(method, path string, body []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if c.token == "" {
		return nil, c.unnamed(ctx)
	}
	r, err := http.NewRequestWithContext(ctx, method, c.base+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Authorization", "Bearer "+c.token)
	answer, err := c.http.Do(r)
	if errors.Is(err, syscall.ECONNREFUSED) {
		return nil, c.absent()
	}
	if err != nil {
		return nil, err
	}
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		return nil, err
	}
	if answer.StatusCode == http.StatusOK {
		return text, nil
	}
	var problem app.Mistaken
	switch {
	case json.Unmarshal(text, &problem) != nil || problem.Detail == "":
		return nil, fmt.Errorf("%s answers %s", c.base, answer.Status)
	case len(problem.Mistakes) > 0:
		return nil, problem.Mistakes
	}
	return nil, errors.New(problem.Detail)
}

// apply sends a resolved tenants file. The mistakes that the server finds are
// told with the lines of the file as it is here.
func (c *adminClient) apply(f *config.File, dry bool) (app.Applied, error) {
	data, err := f.Encode()
	if err != nil {
		return app.Applied{}, err
	}
	query := url.Values{"file": {f.Name()}}
	if dry {
		query.Set("dry_run", "true")
	}
	var answer app.Applied
	text, err := c.call(http.MethodPost, "/admin/apply?"+query.Encode(), data)
	var mistakes config.Mistakes
	switch {
	case errors.As(err, &mistakes):
		err = f.Locate(mistakes)
	case err == nil:
		err = json.Unmarshal(text, &answer)
	}
	return answer, err
}

func (c *adminClient) export() ([]byte, error) { return c.call(http.MethodGet, "/admin/export", nil) }

func (c *adminClient) rotate(uses []otp.Use, activate bool) ([]otp.KeyInfo, error) {
	body, err := json.Marshal(map[string]any{"uses": uses, "activate": activate})
	if err != nil {
		return nil, err
	}
	text, err := c.call(http.MethodPost, "/admin/keys/rotate", body)
	var answer struct {
		Keys []otp.KeyInfo `json:"keys"`
	}
	if err == nil {
		err = json.Unmarshal(text, &answer)
	}
	return answer.Keys, err
}

// enable switches a tenant's webhook on again.
func (c *adminClient) enable(tenant, url string) (app.Enabled, error) {
	body, err := json.Marshal(map[string]string{"tenant": tenant, "url": url})
	if err != nil {
		return app.Enabled{}, err
	}
	var answer app.Enabled
	text, err := c.call(http.MethodPost, "/admin/webhooks/enable", body)
	if err == nil {
		err = json.Unmarshal(text, &answer)
	}
	return answer, err
}

// remove takes away a tenant or a provider, which is the kind.
func (c *adminClient) remove(kind, name string, dry bool) (app.Removed, error) {
	body, err := json.Marshal(map[string]any{kind: name, "dry_run": dry})
	if err != nil {
		return app.Removed{}, err
	}
	var answer app.Removed
	text, err := c.call(http.MethodPost, "/admin/"+kind+"s/remove", body)
	if err == nil {
		err = json.Unmarshal(text, &answer)
	}
	return answer, err
}
