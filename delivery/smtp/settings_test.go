package smtp

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aldaba-otp/aldaba/delivery"
	"github.com/aldaba-otp/aldaba/internal/clock"
)

func TestDefaults(t *testing.T) {
	t.Parallel()
	p := opened(t, given{"address": "smtp.example.com:587", "from": "no-reply@acme.example"})
	r := p.pool.relay
	if r.tls != "starttls" || r.config.MinVersion != 0x0303 || r.config.ServerName != "smtp.example.com" || r.config.InsecureSkipVerify {
		t.Errorf("TLS: %s %+v", r.tls, r.config)
	}
	if cap(p.pool.slots) != 4 || p.pool.idle != 30*time.Second || p.timeout != 10*time.Second || p.composer.page == nil || p.composer.idDomain != "acme.example" {
		t.Errorf("%+v", p)
	}
}

func TestMistakesAreToldAtOnce(t *testing.T) {
	t.Parallel()
	empty := filepath.Join(t.TempDir(), "empty.pem")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		change given
		paths  string // of all faults, in order
	}{
		{given{"address": ""}, "address"},
		{given{"address": "smtp.example.com"}, "address"},
		{given{"address": "smtp.example.com:0"}, "address"},
		{given{"address": ":25"}, "address"},
		{given{"address": "smtp.example.com\r\n:25"}, "address"},
		{given{"address": "smtp://user@example.com:25"}, "address"},
		{given{"tls": "opportunistic"}, "tls"},
		{given{"tls": "none", "tls_ca_file": empty}, "tls tls_ca_file"},
		{given{"tls": "starttls", "tls_ca_file": empty}, "tls_ca_file"},
		{given{"tls": "starttls", "tls_ca_file": "relative.pem"}, "tls_ca_file"},
		{given{"tls": "starttls", "tls_ca_file": empty + ".none"}, "tls_ca_file"},
		{given{"tls": "starttls", "tls_server_name": "[::1]"}, "tls_server_name"},
		{given{"from": ""}, "from"},
		{given{"from": "Acme"}, "from"},
		{given{"from": "Acme <no-reply@acme.example>, Eve <eve@evil.example>"}, "from"},
		{given{"from": "ceo@bank.example <no-reply@acme.example>"}, "from"},
		{given{"from": "Acme\r\nBcc: eve@evil.example <no-reply@acme.example>"}, "from"},
		{given{"from": "ñandú@acme.example"}, "from"},
		{given{"reply_to": "=?utf-8?q?=0D=0ABcc:x?= <help@acme.example>"}, "reply_to"},
		{given{"senders": []any{"a@acme.example", "Eve"}}, "senders[1]"},
		{given{"username": "user"}, "password"},
		{given{"password": "hunter2-secret"}, "password"},
		{given{"auth": "plain"}, "auth"},
		{given{"auth": "ntlm", "username": "user", "password": "hunter2-secret"}, "auth"},
		{given{"username": "us\x00er", "password": "hunter2-secret\n"}, "username password"},
		{given{"hello": "two words"}, "hello"},
		{given{"hello": "mx\r\nMAIL"}, "hello"},
		{given{"hello": "[example]"}, "hello"},
		{given{"connections": 0}, "connections"},
		{given{"connections": 101}, "connections"},
		{given{"idle": "11m"}, "idle"},
		{given{"timeout": "10ms"}, "timeout"},
		{given{"message_id_domain": "acme"}, "message_id_domain"},
		{given{"dkim": map[string]any{}}, "dkim.domain dkim.selector dkim.key"},
		{given{"dkim": map[string]any{"domain": "acme.example", "selector": "a b", "key": "-----BEGIN hunter2-secret", "headers": []any{"To: x"}}}, "dkim.selector dkim.key dkim.headers dkim.headers"},
		{given{"dkim": map[string]any{"domain": strings.Repeat("long.", 14) + "example", "selector": "s", "key": "none"}}, "dkim.domain dkim.key"},
		{given{"dkim": map[string]any{"domain": "acme.example", "selector": "s", "key": "none", "headers": []any{"From", strings.Repeat("X", 69)}}}, "dkim.key dkim.headers"},
		{given{"port": 25, "html": "yes"}, "html port"},
		{given{"address": "x", "from": "x", "tls": "x", "connections": -1}, "address tls from connections"},
	} {
		_, err := Type().Open(delivery.Settings{Values: plainly("127.0.0.1:25", c.change), Clock: clock.New(0), Log: slog.New(slog.DiscardHandler)})
		var faults delivery.Faults
		if !errors.As(err, &faults) {
			t.Errorf("%v: %v", c.change, err)
			continue
		}
		paths := make([]string, len(faults))
		for i, one := range faults {
			paths[i] = one.Path
			if !strings.HasPrefix(one.Message, "must ") && !strings.HasPrefix(one.Message, "is ") {
				t.Errorf("the message is %q", one.Message)
			}
		}
		if got := strings.Join(paths, " "); got != c.paths || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%v: %v", c.change, err)
		}
	}
}

// TestPasswordsStayOnTheMachine has no encryption.
func TestPasswordsStayOnTheMachine(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		address, auth string
		ok            bool
	}{
		{"127.0.0.1:25", "auto", true},
		{"127.8.8.8:25", "plain", true},
		{"[::1]:25", "login", true},
		{"localhost:25", "xoauth2", true},
		{"smtp.example.com:25", "auto", false},
		{"localhost.example.com:25", "plain", false},
		{"10.0.0.1:25", "login", false},
		{"10.0.0.1:25", "xoauth2", false},
		{"10.0.0.1:25", "cram-md5", true},
	} {
		_, err := Type().Open(delivery.Settings{
			Values: plainly(c.address, given{"username": "user", "password": "hunter2-secret", "auth": c.auth}), Clock: clock.New(0),
		})
		if (err == nil) != c.ok {
			t.Errorf("%s to %s: %v", c.auth, c.address, err)
		}
	}
}
