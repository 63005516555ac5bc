package smtp

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aldaba-otp/aldaba/delivery"
)

const (
	maxConnections = 100
	maxHello       = 255 // bytes: RFC 5321 section 4.5.3.1.2
)

// settings are what a configuration says.
type settings struct {
	Address         string        `json:"address"`           // HOST:PORT of the relay
	From            string        `json:"from"`              // mailbox of the From header and of the envelope
	Senders         []string      `json:"senders"`           // further mailboxes that a profile's sender may name
	ReplyTo         string        `json:"reply_to"`          // mailbox
	TLS             string        `json:"tls"`               // starttls, implicit or none
	TLSCAFile       string        `json:"tls_ca_file"`       // PEM file with the roots to trust instead of the system's
	TLSServerName   string        `json:"tls_server_name"`   // name in the relay's certificate, when it is not the host's
	Username        string        `json:"username"`          //
	Password        string        `json:"password"`          // or the OAuth 2 access token for xoauth2
	Auth            string        `json:"auth"`              // auto, plain, login, cram-md5 or xoauth2
	Hello           string        `json:"hello"`             // name given in EHLO
	Connections     int           `json:"connections"`       // at once
	Idle            time.Duration `json:"idle"`              // how long a connection is kept unused
	Timeout         time.Duration `json:"timeout"`           // of one message as a whole
	MessageIDDomain string        `json:"message_id_domain"` //
	DKIM            *dkimSettings `json:"dkim"`              //
	HTML            bool          `json:"html"`              // an HTML part beside the text
}

// open makes a provider and connects to nothing.
func open(given delivery.Settings) (*provider, error) {
	s := settings{TLS: "starttls", Auth: "auto", Connections: 4, Idle: 30 * time.Second, Timeout: 10 * time.Second, HTML: true}
	f := delivery.Decode(given.Values, &s)
	r := s.relay(&f)
	c := s.composer(&f)
	c.now = given.Clock.Now
	if s.HTML {
		page, err := newPage()
		if err != nil {
			return nil, err
		}
		c.page = page
	}
	if s.Connections < 1 || s.Connections > maxConnections {
		f.Add("connections", "must be 1 to %d", maxConnections)
	}
	if s.Idle > 10*time.Minute {
		f.Add("idle", "must be at most 10m; relays close a connection that says nothing for longer")
	}
	if s.Timeout < time.Second || s.Timeout > 5*time.Minute {
		f.Add("timeout", "must be 1s to 5m")
	}
	if err := f.Err(); err != nil {
		return nil, err
	}
	return &provider{composer: c, pool: newPool(r, s.Connections, s.Idle), timeout: s.Timeout}, nil
}

// relay reads what concerns the connection.
func (s *settings) relay(f *delivery.Faults) *relay {
	host, port, err := net.SplitHostPort(s.Address)
	if n, bad := strconv.ParseUint(port, 10, 16); err != nil || bad != nil || n == 0 || !clean(host) || host == "" || strings.ContainsAny(host, " /@") {
		f.Add("address", "must be HOST:PORT of the relay, such as smtp.example.com:587")
	}
	r := &relay{
		address: s.Address, host: host, tls: s.TLS, hello: cmp.Or(s.Hello, "localhost"),
		username: s.Username, password: s.Password, auth: s.Auth,
		dial: (&net.Dialer{}).DialContext,
	}
	if s.Hello == "" {
		// RFC 5321 section 4.1.4: the name need not be verifiable, but many a
		// relay wants one that has a dot.
		if name, err := os.Hostname(); err == nil && helloName(name) {
			r.hello = name
		}
	} else if !helloName(s.Hello) {
		f.Add("hello", "must be a host name or an address literal such as [192.0.2.1]")
	}
	s.checkTLS(r, f)
	s.checkAuth(host, f)
	return r
}

func (s *settings) checkTLS(r *relay, f *delivery.Faults) {
	switch s.TLS {
	case "starttls", "implicit":
	case "none":
		if s.TLSCAFile != "" || s.TLSServerName != "" {
			f.Add("tls", "must not be none where tls_ca_file or tls_server_name is given")
		}
	default:
		f.Add("tls", "must be starttls, implicit or none")
	}
	if s.TLSServerName != "" && (!helloName(s.TLSServerName) || strings.HasPrefix(s.TLSServerName, "[")) {
		f.Add("tls_server_name", "must be a host name")
	}
	r.config = &tls.Config{MinVersion: tls.VersionTLS12, ServerName: cmp.Or(s.TLSServerName, r.host)}
	if s.TLSCAFile == "" {
		return
	}
	if !filepath.IsAbs(s.TLSCAFile) {
		f.Add("tls_ca_file", "must be an absolute path; every server reads the file at its own place")
		return
	}
	pem, err := os.ReadFile(s.TLSCAFile)
	r.config.RootCAs = x509.NewCertPool()
	switch {
	case err != nil:
		f.Add("tls_ca_file", "must be a file that the server can read")
	case !r.config.RootCAs.AppendCertsFromPEM(pem):
		f.Add("tls_ca_file", "must hold certificates in PEM form")
	}
}

func (s *settings) checkAuth(host string, f *delivery.Faults) {
	if !slices.Contains([]string{"auto", "plain", "login", "cram-md5", "xoauth2"}, s.Auth) {
		f.Add("auth", "must be auto, plain, login, cram-md5 or xoauth2")
	}
	for _, c := range []struct{ path, value string }{{"username", s.Username}, {"password", s.Password}} {
		if len(c.value) > 4096 || !clean(c.value) {
			f.Add(c.path, "must be at most 4096 bytes without control characters")
		}
	}
	switch {
	case (s.Username == "") != (s.Password == ""):
		f.Add("password", "must be given together with username, or neither")
	case s.Username == "" && s.Auth != "auto":
		f.Add("auth", "must be left out without username and password")
	case s.Username != "" && s.TLS == "none" && s.Auth != "cram-md5" && !loopback(host):
		f.Add("tls", "must not be none with a password for another machine: it would cross the network in clear")
	}
}

// loopback reports whether a host is this machine whatever a resolver says.
func loopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.Unmap().IsLoopback()
}

// helloName reports whether a text may be the argument of EHLO: a domain of
// ASCII, or an address literal.
func helloName(name string) bool {
	if literal, ok := strings.CutPrefix(name, "["); ok {
		literal, ok = strings.CutSuffix(literal, "]")
		_, err := netip.ParseAddr(strings.TrimPrefix(literal, "IPv6:"))
		return ok && err == nil
	}
	return len(name) > 0 && len(name) <= maxHello && isDotAtom(name) && !strings.ContainsAny(name, "!#$%&'*+/=?^_`{|}~")
}

// composer reads what concerns the message.
func (s *settings) composer(f *delivery.Faults) composer {
	var c composer
	var ok bool
	if c.from, ok = parseMailbox(s.From); !ok {
		f.Add("from", "must be a mailbox such as Acme <no-reply@acme.example>")
	}
	for i, text := range s.Senders {
		box, ok := parseMailbox(text)
		if !ok {
			f.Add("senders["+strconv.Itoa(i)+"]", "must be a mailbox such as Acme <no-reply@acme.example>")
		}
		c.senders = append(c.senders, box)
	}
	if s.ReplyTo != "" {
		if c.replyTo, ok = parseMailbox(s.ReplyTo); !ok {
			f.Add("reply_to", "must be a mailbox such as Acme <help@acme.example>")
		}
	}
	_, domain, _ := strings.Cut(c.from.Address, "@")
	c.idDomain = domain
	if s.MessageIDDomain != "" {
		if c.idDomain, ok = domainOf(s.MessageIDDomain); !ok {
			f.Add("message_id_domain", "must be a domain such as acme.example")
		}
	}
	if s.DKIM != nil {
		c.sign = s.DKIM.signer(f)
	}
	return c
}
