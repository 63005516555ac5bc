package app

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"log/slog"
	"runtime/debug"
	"time"

	"github.com/aldaba-otp/aldaba/app/config"
	"github.com/aldaba-otp/aldaba/internal/httpx"
	"github.com/aldaba-otp/aldaba/otp"
)

// FromConfig turns a configuration file into options.
func FromConfig(s config.Server, log *slog.Logger) Options {
	return Options{
		Listen: s.Listen, Database: s.Database, KeysFile: s.Keys, TLSCert: s.TLS.Cert, TLSKey: s.TLS.Key,
		Proxies:     httpx.Proxies{Trusted: s.TrustedProxies, Forwarded: s.ProxyHeader == "forwarded"},
		AdminListen: s.Admin.Listen, AdminToken: s.Admin.Token, AdminTokens: s.Admin.Tokens,
		AdminTLSCert: s.Admin.TLS.Cert, AdminTLSKey: s.Admin.TLS.Key, DrainDelay: s.Drain.Delay, DrainTimeout: s.Drain.Timeout,
		PublicURL: s.PublicURL, ReceiptLife: s.ReceiptLife, WebhookAllow: s.WebhookAllow, Writers: s.Writers, MaxBatch: s.MaxBatch, Log: log, Traces: s.Traces,
		Mounts: s.Mounts,
	}
}

// CheckTenants names all mistakes of a tenants file, read and planned over an
// empty store of a server with the given settings; the zero value is a server
// without any.
func CheckTenants(file string, data []byte, s config.Server) (*config.Plan, error) {
	ring, err := otp.NewRing(time.Now(), rand.Reader)
	if err != nil {
		return nil, err
	}
	a := &App{o: FromConfig(s, nil), Service: otp.New(otp.Options{Ring: ring})}
	nothing := config.Current{Contacts: func(string) ([]otp.NamedContact, error) { return nil, nil }}
	return config.Check(file, data, ProviderSecrets, config.Environment{}, nothing, a.tools())
}

// NewSecret draws a key or password with 160 bits. UnityVox's keys look like
// the vendor's own: 15 capital letters and digits (77 bits).
func NewSecret(t otp.CredentialType) (string, error) {
	raw := make([]byte, 20)
	if _, err := rand.Read(raw); err != nil {
		return "", fmt.Errorf("draw a secret: %w", err)
	}
	if t != otp.UnityVox {
		return hex.EncodeToString(raw), nil
	}
	const set = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789" // 32 characters, so that a byte's remainder is fair
	key := make([]byte, 15)
	for i := range key {
		key[i] = set[int(raw[i])%len(set)]
	}
	return string(key), nil
}

// Version is the module's version, or the revision it was built from.
func Version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "(unknown)"
	}
	version := info.Main.Version
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && (version == "" || version == "(devel)") && len(s.Value) >= 12 {
			version = "devel-" + s.Value[:12]
		}
	}
	return version
}
