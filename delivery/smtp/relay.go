package smtp

import (
	"context"
	"crypto/tls"
	"errors"
	"net"

	wire "github.com/wneessen/go-mail/smtp"
)

// relay is where connections lead to.
type relay struct {
	address, host      string
	tls                string // starttls, implicit or none
	config             *tls.Config
	hello              string
	username, password string
	auth               string
	dial               func(ctx context.Context, network, address string) (net.Conn, error)
}

// connect opens a connection that is ready for a message: greeted, encrypted
// as the settings want it, and authenticated. It ends with ctx.
func (r *relay) connect(ctx context.Context) (*session, *failure) {
	conn, err := r.dial(ctx, "tcp", r.address)
	if err != nil {
		return nil, &failure{stage: connecting, err: err}
	}
	s := &session{meter: &meter{Conn: conn}}
	f := s.within(ctx, func() *failure { return r.greet(ctx, s) })
	if f != nil {
		s.kill()
		return nil, f
	}
	return s, nil
}

// greet goes from the relay's greeting to a session that may send. A relay
// that does not offer STARTTLS, or whose certificate is not good, is not used:
// there is no way back to clear text.
func (r *relay) greet(ctx context.Context, s *session) *failure {
	var conn net.Conn = s.meter
	if r.tls == "implicit" {
		secure := tls.Client(s.meter, r.config)
		if err := secure.HandshakeContext(ctx); err != nil {
			return &failure{stage: encrypting, err: err}
		}
		conn = secure
	}
	client, err := wire.NewClient(conn, r.host)
	if err != nil {
		return &failure{stage: greeting, err: err}
	}
	s.client = client
	if f := s.step(greeting, func() error { return client.Hello(r.hello) }); f != nil {
		return f
	}
	if r.tls == "starttls" {
		if offered, _ := client.Extension("STARTTLS"); !offered {
			return &failure{stage: encrypting, err: errNoSTARTTLS}
		}
		before := client.Text
		if f := s.step(encrypting, func() error { return client.StartTLS(r.config) }); f != nil {
			return f
		}
		if before.R.Buffered() > 0 { // put in by somebody on the way, in clear
			return &failure{stage: encrypting, err: errNoise}
		}
	}
	return r.authenticate(s)
}

var (
	errNoSTARTTLS = errors.New("the relay does not offer STARTTLS; set tls to implicit, or to none on a network you trust")
	errNoAuth     = errors.New("the relay does not offer AUTH with a mechanism that is set; look at auth, or leave username and password out")
)

// authenticate proves who we are, if there is anything to prove. The settings
// have been refused already where a password would cross a network in clear.
func (r *relay) authenticate(s *session) *failure {
	if r.username == "" {
		return nil
	}
	_, offered := s.client.Extension("AUTH")
	auth := r.mechanism(offered)
	if auth == nil {
		return &failure{stage: authenticating, err: errNoAuth}
	}
	return s.step(authenticating, func() error { return s.client.Auth(auth) })
}

// mechanism returns what is set, or the first of these that is offered; or nil.
func (r *relay) mechanism(offered string) wire.Auth {
	inClear := r.tls == "none" // and the host is this machine
	for _, m := range []struct {
		set, name string
		auth      func() wire.Auth
	}{
		{"plain", "PLAIN", func() wire.Auth { return wire.PlainAuth("", r.username, r.password, r.host, inClear) }},
		{"login", "LOGIN", func() wire.Auth { return wire.LoginAuth(r.username, r.password, r.host, inClear) }},
		{"cram-md5", "CRAM-MD5", func() wire.Auth { return wire.CRAMMD5Auth(r.username, r.password) }},
		{"xoauth2", "XOAUTH2", func() wire.Auth { return wire.XOAuth2Auth(r.username, r.password) }},
	} {
		wanted := r.auth == m.set || r.auth == "auto" && m.set != "xoauth2"
		if wanted && hasWord(offered, m.name) {
			return m.auth()
		}
	}
	return nil
}
