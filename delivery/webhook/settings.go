package webhook

import (
	"crypto/x509"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/net/http/httpguts"

	"github.com/aldaba-otp/aldaba/delivery"
	"github.com/aldaba-otp/aldaba/internal/egress"
	"github.com/aldaba-otp/aldaba/internal/hook"
)

// settings are what a configuration may say.
type settings struct {
	URL           string            `json:"url"`
	Secret        string            `json:"secret"`
	Previous      string            `json:"previous_secret"`
	Allow         []string          `json:"allow"`
	CA            string            `json:"ca"`
	Headers       map[string]string `json:"headers"`
	SecretHeaders map[string]string `json:"secret_headers"`
	Timeout       time.Duration     `json:"timeout"`
	Receipts      bool              `json:"receipts"`
}

// maxTimeout is what the courier gives a call.
const maxTimeout = 10 * time.Second

func open(s delivery.Settings) (delivery.Provider, error) {
	set := settings{Timeout: maxTimeout}
	faults := delivery.Decode(s.Values, &set)
	options := egress.Options{Timeout: set.Timeout, Allow: networks(set.Allow, &faults)}
	if set.URL == "" {
		faults.Add("url", "must be given")
	} else if err := egress.CheckURL(set.URL, options.Allow...); err != nil {
		faults.Add("url", "%s", ruleOf(err))
	}
	if err := hook.CheckSecret(set.Secret); err != nil {
		faults.Add("secret", "%s", err)
	}
	if err := hook.CheckSecret(set.Previous); set.Previous != "" && err != nil {
		faults.Add("previous_secret", "%s", err)
	}
	if set.Timeout < time.Second || set.Timeout > maxTimeout {
		faults.Add("timeout", "must be 1s to 10s")
	}
	if set.CA != "" {
		options.Roots = x509.NewCertPool()
		if !options.Roots.AppendCertsFromPEM([]byte(set.CA)) {
			faults.Add("ca", "must be certificates in PEM")
		}
	}
	header := http.Header{}
	addHeaders(header, "headers", set.Headers, &faults)
	addHeaders(header, "secret_headers", set.SecretHeaders, &faults)
	if err := faults.Err(); err != nil {
		return nil, err
	}
	p := &sender{
		url: set.URL, secrets: hook.Secrets{Current: set.Secret, Previous: set.Previous}, headers: header, client: egress.New(options),
		clock: s.Clock, log: s.Log, receipts: set.Receipts,
	}
	if set.Receipts {
		return &reporter{p}, nil
	}
	return p, nil
}

// ruleOf leaves out the host, which the operator has before him.
func ruleOf(err error) string {
	if e, ok := err.(*egress.Error); ok { //nolint:errorlint // CheckURL gives it bare
		return e.What
	}
	return err.Error()
}

func networks(texts []string, faults *delivery.Faults) []netip.Prefix {
	all := make([]netip.Prefix, 0, len(texts))
	for i, text := range texts {
		p, err := egress.ParseNetwork(text)
		if err != nil {
			faults.Add("allow["+strconv.Itoa(i)+"]", "%s", err)
			continue
		}
		all = append(all, p)
	}
	return all
}

// addHeaders checks configured headers and adds them.
func addHeaders(into http.Header, path string, given map[string]string, faults *delivery.Faults) {
	names := make([]string, 0, len(given))
	for name := range given {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		canonical := http.CanonicalHeaderKey(name)
		switch _, twice := into[canonical]; {
		case !httpguts.ValidHeaderFieldName(name):
			faults.Add(path+"."+name, "must be named like a header, such as X-Api-Key")
		case ours(canonical):
			faults.Add(path+"."+name, "is a header that is set by the server itself")
		case twice:
			faults.Add(path+"."+name, "is given twice")
		case !httpguts.ValidHeaderFieldValue(given[name]):
			faults.Add(path+"."+name, "must be one line without control characters")
		}
		into[canonical] = []string{given[name]}
	}
}

// ours tells whether a header belongs to the protocol or the signature.
func ours(name string) bool {
	return strings.HasPrefix(name, "Webhook-") || slices.Contains([]string{
		"Connection", "Content-Encoding", "Content-Length", "Content-Type", "Expect", "Host", "Keep-Alive", "Proxy-Connection", "Te", "Trailer",
		"Transfer-Encoding", "Upgrade",
	}, name)
}
