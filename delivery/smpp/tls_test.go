package smpp

import (
	"crypto/tls"
	"encoding/pem"
	"net"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestTLSIsVerified: a bind only over a certificate of the right name and
// authority; otherwise the password does not leave.
func TestTLSIsVerified(t *testing.T) {
	t.Parallel()
	web := httptest.NewTLSServer(nil) // for its certificate of example.com
	defer web.Close()
	file := filepath.Join(t.TempDir(), "ca.pem")
	block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: web.Certificate().Raw})
	if err := os.WriteFile(file, block, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		more  map[string]any
		fails string
	}{
		"right":                {map[string]any{"tls_ca_file": file, "tls_server_name": "example.com"}, ""},
		"another name":         {map[string]any{"tls_ca_file": file, "tls_server_name": "example.org"}, "not example.org"},
		"an unknown authority": {map[string]any{"tls_server_name": "example.com"}, "unknown authority"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			listener, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: web.TLS.Certificates})
			if err != nil {
				t.Fatal(err)
			}
			defer listener.Close()
			center := newCenter()
			go func() {
				for {
					conn, err := listener.Accept()
					if err != nil {
						return
					}
					go (&peer{center: center, conn: conn}).serve()
				}
			}()
			c.more["tls"] = "required"
			port := listener.Addr().(*net.TCPAddr).Port
			l := reach(t, port, c.more)
			if c.fails == "" {
				<-l.log.bound
				if _, got := l.send(t.Context(), "a"); got != "" {
					t.Error(got)
				}
				return
			}
			<-l.log.down
			l.stop()
			if !strings.Contains(l.log.String(), c.fails) || len(center.binds) != 0 {
				t.Errorf("%d binds; %s", len(center.binds), l.log)
			}
		})
	}
}
