package e2e

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const adminToken = "0123456789abcdef0123456789abcdef"

// site is a folder with a configuration of `aldaba serve`.
type site struct {
	dir, config string
}

// newSite writes a configuration; more are lines of YAML.
func newSite(t *testing.T, database string, more ...string) site {
	t.Helper()
	s := site{dir: folder(t)}
	if database == "" {
		database = "sqlite:aldaba.db"
	}
	s.config = s.write(t, "aldaba.yaml", strings.Join(append([]string{
		"listen: 127.0.0.1:0", "admin: {listen: 127.0.0.1:0, token_file: admin.token}", "database: " + database, "keys: keys.json",
		"drain: {delay: 300ms, timeout: 10s}",
	}, more...), "\n"))
	s.write(t, "admin.token", adminToken+"\n")
	s.write(t, "tenants.yaml", serveTenants)
	return s
}

// serveTenants is the demo's acme with keys of a proper length.
const serveTenants = `
providers: [{name: sandbox, type: inbox}]
tenants:
  - name: acme
    home: VE
    countries: ["*"]
    limits: {rate: off}
    fraud_watch: {mode: off}
    routes: [{channel: sms, providers: [sandbox]}, {channel: email, providers: [sandbox]}]
    profiles:
      - {name: default}
      - {name: login, aliases: {danaconnect: [824541], unityvox: [tpl1], modica: [demo], additiv: [login-sms]}, fields: {COD1_PHONE: sms}}
    credentials:
      - {type: api_key, key: 6f2d3c1b9a8e7d6c5b4a39281706f5e4}
      - {type: danaconnect, login: demo@acme, password: demo-password}
      - {type: oauth2, client_id: demo, client_secret: demo-secret}
      - {type: modica, application: demo, password: demo-password}
      - {type: unityvox, account: "100200", key: 4D41E00J6KMXABS}
`

const serveKey = "6f2d3c1b9a8e7d6c5b4a39281706f5e4"

func (s site) write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(s.dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// served is a running `aldaba serve`.
type served struct {
	*process

	admin *client
}

// serve runs the site's server.
func (s site) serve(t *testing.T) served {
	t.Helper()
	p := spawn(t, "serve", "--config", s.config)
	var listen, admin string
	eventually(t, 30*time.Second, "the server says that it is ready", func() bool {
		select {
		case <-p.ended:
			t.Fatalf("the server ended: %s", p.said())
		default:
		}
		for line := range strings.Lines(p.said()) {
			var said struct{ Msg, Listen, Admin string }
			if json.Unmarshal([]byte(line), &said) == nil && said.Msg == "ready" {
				listen, admin = said.Listen, said.Admin
			}
		}
		return listen != ""
	})
	p.client = newClient(t, "http://"+listen)
	p.client.key = serveKey
	return served{p, newClient(t, "http://"+admin)}
}

// apply changes the configuration through a server's admin API.
func (s served) apply(t *testing.T, text string) {
	t.Helper()
	if r := s.admin.send("POST", "/admin/apply", text, "Authorization", "Bearer "+adminToken); r.status != 200 {
		t.Fatalf("apply is answered %d %s", r.status, r.body)
	}
}

// begin asks for a code natively.
func (s served) begin(key, to string) reply {
	return s.send("POST", "/v1/verifications", `{"to":"`+to+`"}`, "Authorization", "Bearer "+key, "Content-Type", "application/json")
}

// certificate writes a certificate for 127.0.0.1.
func (s site) certificate(t *testing.T) *x509.CertPool {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "e2e"}, NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	raw, err := x509.CreateCertificate(rand.Reader, &template, &template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	s.write(t, "cert.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: raw})))
	s.write(t, "key.pem", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})))
	pool := x509.NewCertPool()
	own, err := x509.ParseCertificate(raw)
	if err != nil {
		t.Fatal(err)
	}
	pool.AddCert(own)
	return pool
}
