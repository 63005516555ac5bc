package app

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aldaba-otp/aldaba/app/config"
)

// pemPair writes a certificate and its key.
func pemPair(t *testing.T, dir, name string) (cert, key string) {
	t.Helper()
	secret, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	form := &x509.Certificate{SerialNumber: big.NewInt(1)}
	chain, err := x509.CreateCertificate(rand.Reader, form, form, secret.Public(), secret)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(secret)
	if err != nil {
		t.Fatal(err)
	}
	cert, key = filepath.Join(dir, name+".crt"), filepath.Join(dir, name+".key")
	for path, block := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: chain}, key: {Type: "PRIVATE KEY", Bytes: private}} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return cert, key
}

// TestACertificateThatIsNoneIsToldWithItsSetting: the one of two files that is at
// fault, whichever it is.
func TestACertificateThatIsNoneIsToldWithItsSetting(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	cert, key := pemPair(t, dir, "a")
	_, other := pemPair(t, dir, "b")
	broken, gone := filepath.Join(dir, "broken"), filepath.Join(dir, "gone")
	if err := os.WriteFile(broken, []byte("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, one := range []struct{ cert, key, want string }{
		{cert, key, ""},
		{"", "", ""},
		{gone, key, "tls.cert: " + gone + ": no such file or directory"},
		{key, key, "tls.cert: " + key + ": has no certificate in PEM (-----BEGIN CERTIFICATE-----)"},
		{broken, key, "tls.cert: " + broken + ": x509: malformed certificate"},
		{cert, gone, "tls.key: " + gone + ": no such file or directory"},
		{cert, cert, "tls.key: " + cert + ": tls: found a certificate rather than a key in the PEM for the private key"},
		{cert, other, "tls.key: " + other + ": tls: private key does not match public key"},
	} {
		got := ""
		if _, err := certificate("tls", one.cert, one.key); err != nil {
			got = err.Error()
		}
		if got != one.want {
			t.Errorf("got  %s\nwant %s", got, one.want)
		}
	}
}

// TestAServerIsCheckedForAllThatItCouldNotStartWith names everything at once, and
// nothing of a password.
func TestAServerIsCheckedForAllThatItCouldNotStartWith(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	err := CheckServer(config.Server{
		Keys: filepath.Join(dir, "none"), Database: "postgres://u:hunter2@h/x?sslmode=bogus", TLS: config.TLS{Cert: dir, Key: dir},
		Admin:  config.Admin{Listen: "127.0.0.1:0", Token: "a token with spaces and more", TLS: config.TLS{Cert: dir, Key: dir}},
		Mounts: []config.Mount{{Prefix: "/a", Base: "/nowhere"}},
	})
	if err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Fatal(err)
	}
	var paths []string
	for line := range strings.Lines(err.Error()) {
		path, _, _ := strings.Cut(line, ":")
		paths = append(paths, path)
	}
	if got := strings.Join(paths, " "); got != "keys database tls.cert admin.tls.cert admin mounts[0].base" {
		t.Errorf("told of %s", got)
	}
	if err := CheckServer(config.Server{Keys: ringIn(t, dir), Database: "postgres://u:hunter2@h/x"}); err != nil {
		t.Errorf("a good one: %v", err)
	}
}
