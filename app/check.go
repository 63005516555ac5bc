package app

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"os"
	"strings"

	"github.com/aldaba-otp/aldaba/app/config"
	"github.com/aldaba-otp/aldaba/otp"
	"github.com/aldaba-otp/aldaba/store/postgres"
)

// CheckServer tells what of a server's configuration could not work, without
// opening the database. The error is [otp.Mistakes], all of them, with the paths
// of the file; see [config.LocateServer].
func CheckServer(s config.Server) error {
	var all otp.Mistakes
	note := func(path string, err error) {
		var found otp.Mistakes
		switch {
		case errors.As(err, &found):
			all = append(all, found...)
		case err != nil:
			all = append(all, otp.Mistake{Path: path, Message: err.Error()})
		}
	}
	_, err := readRing(s.Keys)
	note("keys", err)
	if strings.HasPrefix(s.Database, "postgres") {
		note("database", postgres.CheckURL(s.Database))
	}
	_, err = certificate("tls", s.TLS.Cert, s.TLS.Key)
	note("tls", err)
	_, err = certificate("admin.tls", s.Admin.TLS.Cert, s.Admin.TLS.Key)
	note("admin.tls", err)
	if o := FromConfig(s, nil); o.AdminListen != "" {
		_, err = o.operators()
		note("admin", err)
	}
	note("mounts", checkMounts(s.Mounts))
	if len(all) == 0 {
		return nil
	}
	return all
}

// certificate reads a certificate, if there is one. The error is [otp.Mistakes]
// with the path of the setting below at, and names the file.
func certificate(at, cert, key string) (*tls.Config, error) {
	if cert == "" {
		return nil, nil
	}
	chain, err := os.ReadFile(cert)
	if err == nil {
		err = certificateFault(chain)
	}
	if err != nil {
		return nil, otp.Mistakes{{Path: at + ".cert", Message: inFile(cert, err)}}
	}
	secret, err := os.ReadFile(key)
	if err != nil {
		return nil, otp.Mistakes{{Path: at + ".key", Message: inFile(key, err)}}
	}
	pair, err := tls.X509KeyPair(chain, secret)
	if err != nil { // the certificate alone was good
		return nil, otp.Mistakes{{Path: at + ".key", Message: inFile(key, err)}}
	}
	return &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}, nil
}

// certificateFault tells what keeps PEM data from being a certificate.
func certificateFault(data []byte) error {
	for {
		var block *pem.Block
		if block, data = pem.Decode(data); block == nil {
			return errors.New("has no certificate in PEM (-----BEGIN CERTIFICATE-----)")
		}
		if block.Type == "CERTIFICATE" {
			_, err := x509.ParseCertificate(block.Bytes)
			return err
		}
	}
}

// inFile names the file that an error is about, once.
func inFile(path string, err error) string {
	var cause *os.PathError
	if errors.As(err, &cause) {
		err = cause.Err
	}
	return path + ": " + err.Error()
}
