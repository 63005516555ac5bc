package smtp

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aldaba-otp/aldaba/delivery"
)

// authority makes certificates for one test.
type authority struct {
	file string // its own certificate, PEM
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	form := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Test CA"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, form, form, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return &authority{file, cert, key}
}

// certificate is for a name and ends at a time from now.
func (a *authority) certificate(t *testing.T, name string, ends time.Duration) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	form := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-2 * time.Hour), NotAfter: time.Now().Add(ends),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	if ip := net.ParseIP(name); ip != nil {
		form.IPAddresses = []net.IP{ip}
	} else {
		form.DNSNames = []string{name}
	}
	der, err := x509.CreateCertificate(rand.Reader, form, a.cert, &key.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func startTLSRelay(t *testing.T, cert tls.Certificate, implicit bool) *testRelay {
	t.Helper()
	return startRelay(t, func(r *testRelay) {
		r.secrets, r.implicit = &tls.Config{Certificates: []tls.Certificate{cert}}, implicit
		r.offers = append(r.offers, "STARTTLS", "AUTH PLAIN LOGIN CRAM-MD5 XOAUTH2")
	})
}

func TestTLSIsUsedBothWays(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	for _, c := range []struct {
		mode, name string
	}{{"starttls", "127.0.0.1"}, {"implicit", "127.0.0.1"}, {"starttls", "relay.test"}, {"implicit", "relay.test"}} {
		t.Run(c.mode+" "+c.name, func(t *testing.T) {
			t.Parallel()
			r := startTLSRelay(t, a.certificate(t, c.name, time.Hour), c.mode == "implicit")
			p := opened(t, plainly(r.address, given{
				"tls": c.mode, "tls_ca_file": a.file, "tls_server_name": strings.Replace(c.name, "127.0.0.1", "", 1),
				"username": "user", "password": "hunter2-secret",
			}))
			for range 2 {
				if _, err := p.Send(t.Context(), letterTo("ana@example.com")); err != nil {
					t.Fatal(err)
				}
			}
			if len(r.took()) != 2 || r.connections() != 1 {
				t.Errorf("took %d over %d connections", len(r.took()), r.connections())
			}
		})
	}
}

// TestNoWayBackToClearText is row T47 for mail: each fault of TLS is told, and
// neither a password nor a message goes over the connection.
func TestNoWayBackToClearText(t *testing.T) {
	t.Parallel()
	a, other := newAuthority(t), newAuthority(t)
	good := a.certificate(t, "127.0.0.1", time.Hour)
	for _, c := range []struct {
		name, mode string
		cert       tls.Certificate
		script     func(verb, line string) (string, action)
		code       string
	}{
		{"wrong name", "starttls", a.certificate(t, "other.test", time.Hour), nil, "certificate_name"},
		{"wrong name, implicit", "implicit", a.certificate(t, "other.test", time.Hour), nil, "certificate_name"},
		{"expired", "starttls", a.certificate(t, "127.0.0.1", -time.Hour), nil, "certificate_expired"},
		{"expired, implicit", "implicit", a.certificate(t, "127.0.0.1", -time.Hour), nil, "certificate_expired"},
		{"other authority", "starttls", other.certificate(t, "127.0.0.1", time.Hour), nil, "certificate_authority"},
		{"stripped", "starttls", good, func(verb, _ string) (string, action) {
			if verb == "EHLO" {
				return "250-relay.test\r\n250 AUTH PLAIN LOGIN CRAM-MD5 XOAUTH2\r\n", answer
			}
			return "", answer
		}, "starttls"},
		{"only HELO", "starttls", good, func(verb, _ string) (string, action) {
			switch verb {
			case "EHLO":
				return "502 5.5.1 no\r\n", answer
			case "HELO":
				return "250 relay.test\r\n", answer
			}
			return "", answer
		}, "starttls"},
		{"refused", "starttls", good, func(verb, _ string) (string, action) {
			if verb == "STARTTLS" {
				return "454 4.7.0 TLS not available\r\n", answer
			}
			return "", answer
		}, "4.7.0"},
		{"answers put in before STARTTLS", "starttls", good, func(verb, _ string) (string, action) {
			if verb == "EHLO" {
				return "250-relay.test\r\n250 STARTTLS\r\n220 go\r\n", answer
			}
			return "", answer
		}, "protocol"},
		{"implicit TLS to a port of clear text", "implicit", tls.Certificate{}, nil, "tls"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := startTLSRelay(t, c.cert, c.mode == "implicit" && c.cert.Certificate != nil)
			r.act(c.script)
			p := opened(t, plainly(r.address, given{"tls": c.mode, "tls_ca_file": a.file, "username": "user", "password": "hunter2-secret"}))
			_, err := p.Send(t.Context(), letterTo("ana@example.com"))
			classed(t, err, delivery.Unavailable, c.code)
			for _, verb := range []string{"AUTH", "MAIL", "DATA"} {
				if said := r.said(verb); len(said) != 0 {
					t.Errorf("it said %q", said)
				}
			}
		})
	}
}

// TestAnswersPutInBeforeTheHandshake is the client's side of CVE-2011-0411.
func TestAnswersPutInBeforeTheHandshake(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	r := startTLSRelay(t, a.certificate(t, "127.0.0.1", time.Hour), false)
	r.injected = "250-relay.test\r\n250 AUTH PLAIN\r\n"
	p := opened(t, plainly(r.address, given{"tls": "starttls", "tls_ca_file": a.file, "username": "user", "password": "hunter2-secret"}))
	_, err := p.Send(t.Context(), letterTo("ana@example.com"))
	classed(t, err, delivery.Unavailable, "protocol")
	if len(r.said("AUTH")) != 0 {
		t.Error("the password was given")
	}
}

func TestAuthentication(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	for _, c := range []struct{ auth, offers, said string }{
		{"auto", "AUTH LOGIN PLAIN", "AUTH PLAIN "},
		{"auto", "AUTH LOGIN", "AUTH LOGIN"},
		{"auto", "AUTH CRAM-MD5", "AUTH CRAM-MD5"},
		{"auto", "AUTH XOAUTH2", ""},
		{"auto", "AUTH GSSAPI", ""},
		{"auto", "SIZE 1000", ""},
		{"plain", "AUTH PLAIN LOGIN", "AUTH PLAIN "},
		{"plain", "AUTH LOGIN", ""},
		{"plain", "AUTH EXPLAIN", ""},
		{"login", "AUTH PLAIN LOGIN", "AUTH LOGIN"},
		{"cram-md5", "AUTH PLAIN CRAM-MD5", "AUTH CRAM-MD5"},
		{"xoauth2", "AUTH PLAIN XOAUTH2", "AUTH XOAUTH2 "},
	} {
		t.Run(c.auth+" "+c.offers, func(t *testing.T) {
			t.Parallel()
			r := startRelay(t, func(r *testRelay) {
				r.secrets = &tls.Config{Certificates: []tls.Certificate{a.certificate(t, "127.0.0.1", time.Hour)}}
				r.offers = []string{"STARTTLS", c.offers}
			})
			p := opened(t, plainly(r.address, given{"tls": "starttls", "tls_ca_file": a.file, "username": "user", "password": "hunter2-secret", "auth": c.auth}))
			_, err := p.Send(t.Context(), letterTo("ana@example.com"))
			if c.said == "" {
				classed(t, err, delivery.Unavailable, "auth")
				return
			}
			if said := r.said("AUTH"); err != nil || len(said) != 1 || !strings.HasPrefix(said[0], c.said) {
				t.Errorf("it said %q: %v", said, err)
			}
		})
	}
}

func TestAWrongPasswordIsUnavailable(t *testing.T) {
	t.Parallel()
	for _, auth := range []string{"plain", "login", "cram-md5", "xoauth2"} {
		t.Run(auth, func(t *testing.T) {
			t.Parallel()
			r := startRelay(t, func(r *testRelay) { r.offers = []string{"AUTH PLAIN LOGIN CRAM-MD5 XOAUTH2"} })
			p := opened(t, plainly(r.address, given{"username": "user", "password": "wrong-password", "auth": auth}))
			_, err := p.Send(t.Context(), letterTo("ana@example.com"))
			classed(t, err, delivery.Unavailable, "5.7.8")
			if strings.Contains(err.Error(), "wrong-password") || len(r.said("MAIL")) != 0 {
				t.Errorf("%v; it said %q", err, r.said("MAIL"))
			}
		})
	}
}
