package config

import (
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/aldaba-otp/aldaba/otp"
)

// Server is the configuration of one `aldaba serve`.
type Server struct {
	Listen   string // of the dialects
	Admin    Admin
	Database string // sqlite:PATH or postgres://...
	Keys     string // path of the key ring
	TLS      TLS
	Log      Log
	Drain    Drain
	Traces   Traces
	// PublicURL is where carriers and browsers reach the dialects' listener,
	// without a slash at its end; "" when it is not known.
	PublicURL string
	// ReceiptLife is how long the receipt of an approval is good for.
	ReceiptLife time.Duration
	// WebhookAllow are the operator's own networks: webhooks of tenants may be
	// in them, and need no TLS there.
	WebhookAllow []netip.Prefix
	// TrustedProxies are networks of the operator's own proxies, and ProxyHeader
	// is where they tell the client's address: x-forwarded-for or forwarded.
	TrustedProxies []netip.Prefix
	ProxyHeader    string
	Writers        int // on the database at once; 0 lets the engine decide
	Mounts         []Mount
	// MaxBatch is how many requests share a transaction at most; 0 lets the
	// writer decide, 1 shows what sharing gains.
	MaxBatch int
}

// Admin is the listener of the admin API. There is none when Listen is empty.
type Admin struct {
	Listen string
	Token  string // resolved; a secret; that of an owner
	Tokens []AdminToken
	TLS    TLS // plain HTTP when empty
}

// AdminToken lets one operator in.
type AdminToken struct {
	Name  string // in the operators' journal
	Role  string // owner, operator or auditor
	Token string // resolved; a secret
}

// TLS names the files of a certificate; both are empty or none is.
type TLS struct{ Cert, Key string }

// Log tells what is logged.
type Log struct {
	Level string // debug, info, warn or error
}

// Drain tells how the server ends: Delay is the time between turning unready
// and closing the listener, Timeout what open requests get after that.
type Drain struct{ Delay, Timeout time.Duration }

// serverDefaults are what a file that names only keys and a database means.
func serverDefaults() Server {
	return Server{
		Listen: "127.0.0.1:8080", ProxyHeader: headerXForwardedFor,
		Log:   Log{Level: "info"},
		Drain: Drain{Delay: 5 * time.Second, Timeout: 15 * time.Second},

		ReceiptLife: otp.DefaultReceiptLife,
	}
}

// The headers in which proxies tell the client's address.
const (
	headerXForwardedFor = "x-forwarded-for"
	headerForwarded     = "forwarded"
)

const defaultAdminListen = "127.0.0.1:8081"

// ParseServer reads a server's file. Relative paths in it, that of an SQLite
// database too, start at the file's folder. The error is [Mistakes].
func ParseServer(file string, data []byte, env Environment) (Server, error) {
	r := newReader(file)
	s := r.server(data, env)
	if err := r.mistakes.err(); err != nil {
		return Server{}, err
	}
	return s, nil
}

// LocateServer gives what somebody has found wrong with a server's settings the
// lines of the file that they stand in.
func LocateServer(file string, data []byte, found otp.Mistakes) Mistakes {
	r := newReader(file)
	r.server(data, Environment{})
	all := make(Mistakes, len(found))
	for i, m := range found {
		path := m.Path
		for _, key := range secretKeys(path) { // it may be given as NAME_file or NAME_env
			if r.lines[key] > 0 {
				path = key
				break
			}
		}
		all[i] = Mistake{file, r.lines[path], path, m.Message}
	}
	slices.SortStableFunc(all, func(a, b Mistake) int { return a.Line - b.Line })
	return all
}

// server reads a server's file.
func (r *reader) server(data []byte, env Environment) Server {
	s, file := serverDefaults(), r.file
	root := r.document(data)
	if root == nil {
		return s
	}
	known := append([]string{"listen", "admin", "keys", "tls", "log", "drain", "traces", "public_url", "receipt_lifetime", "trusted_proxies", "proxy_header", "mounts", "webhooks", "writers", "max_batch"}, secretKeys("database")...)
	o := r.object(root, "", known...)
	if o.has("listen") {
		s.Listen = o.address("listen")
	}
	if o.must("keys"); o.has("keys") {
		s.Keys = beside(file, o.text("keys"))
	}
	s.Database = o.database(file, env)
	s.PublicURL = o.publicURL("public_url")
	if o.has("receipt_lifetime") {
		s.ReceiptLife = o.receiptLife("receipt_lifetime")
	}
	s.TrustedProxies = o.networks("trusted_proxies")
	s.proxyHeader(o)
	s.Mounts = o.mounts("mounts")
	s.Writers = o.whole("writers")
	s.MaxBatch = o.whole("max_batch")
	s.Admin = o.admin(file, env)
	s.Traces = o.traces(env)
	s.sections(o, file)
	return s
}

// proxyHeader reads which header counts. Only one does: a client can send the
// other, and the proxies would hand it on.
func (s *Server) proxyHeader(o *object) {
	if !o.has("proxy_header") {
		return
	}
	s.ProxyHeader = strings.ToLower(o.text("proxy_header"))
	if s.ProxyHeader != headerXForwardedFor && s.ProxyHeader != headerForwarded {
		o.fail("proxy_header", "must be x-forwarded-for or forwarded")
	}
}

// sections reads the small members.
func (s *Server) sections(o *object, file string) {
	s.TLS = o.tls("tls", file)
	if n := o.values["log"]; n != nil {
		l := o.r.object(n, "log", "level")
		if l.has("level") {
			s.Log.Level = l.text("level")
			if !slices.Contains([]string{"debug", "info", "warn", "error"}, s.Log.Level) {
				l.fail("level", "must be debug, info, warn or error")
			}
		}
	}
	if n := o.values["webhooks"]; n != nil {
		s.WebhookAllow = o.r.object(n, "webhooks", "allow").networks("allow")
	}
	if n := o.values["drain"]; n != nil {
		d := o.r.object(n, "drain", "delay", "timeout")
		if d.has("delay") {
			s.Drain.Delay = d.duration("delay")
		}
		if d.has("timeout") {
			s.Drain.Timeout = d.positive("timeout")
		}
	}
}

// receiptLife reads how long receipts are good for; their times are in seconds.
func (o *object) receiptLife(key string) time.Duration {
	before := len(o.r.mistakes)
	d := o.duration(key)
	if len(o.r.mistakes) > before {
		return 0
	}
	if d < otp.MinReceiptLife || d > otp.MaxReceiptLife || d%time.Second != 0 {
		o.fail(key, "must be %s to %s, in whole seconds", otp.MinReceiptLife, otp.MaxReceiptLife)
	}
	return d
}

// publicURL reads the base of URLs that others call.
func (o *object) publicURL(key string) string {
	if !o.has(key) {
		return ""
	}
	text := o.text(key)
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "" || u.User != nil || strings.ContainsAny(text, "?# ") {
		o.fail(key, "must be a URL without user, query and fragment, such as https://otp.example.com")
		return ""
	}
	return strings.TrimRight(text, "/")
}

// networks reads a list of networks and single addresses.
func (o *object) networks(key string) (all []netip.Prefix) {
	o.each(key, func(n *yaml.Node, path string) {
		text := o.r.text(n, path)
		if a, err := netip.ParseAddr(text); err == nil && a.Zone() == "" && !a.Is4In6() {
			all = append(all, netip.PrefixFrom(a, a.BitLen()))
			return
		}
		network, err := netip.ParsePrefix(text)
		if err != nil || network != network.Masked() || network.Addr().Is4In6() {
			o.r.fail(n.Line, path, "must be a network such as 10.0.0.0/8, or an address")
			return
		}
		all = append(all, network)
	})
	return all
}

// address reads HOST:PORT.
func (o *object) address(key string) string {
	text := o.text(key)
	_, port, err := net.SplitHostPort(text)
	number, fault := strconv.ParseUint(port, 10, 16)
	if err != nil || fault != nil || number == 0 && port != "0" {
		o.fail(key, "must be HOST:PORT, such as 127.0.0.1:8080")
	}
	return text
}

// database reads the database's address. It may hold a password, so that no
// mistake quotes it.
func (o *object) database(file string, env Environment) string {
	given := o.secret("database")
	if given.key == "" {
		o.must("database")
		return ""
	}
	url, fault := given.resolve(file, env)
	path, isFile := strings.CutPrefix(url, "sqlite:")
	switch {
	case given.value == "": // said already
	case fault != "":
		o.fail(given.key, "%s", fault)
	case isFile && path != "":
		return "sqlite:" + beside(file, path)
	case strings.HasPrefix(url, "postgres://"), strings.HasPrefix(url, "postgresql://"):
		return url
	default:
		o.fail(given.key, "must be sqlite:PATH or postgres://USER@HOST/NAME")
	}
	return ""
}
