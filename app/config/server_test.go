package config

import (
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/aldaba-otp/aldaba/otp"
)

const token = "00112233445566778899aabbccddeeff"

func serverEnvironment() Environment {
	return Environment{
		Getenv: func(name string) (string, bool) {
			v, ok := map[string]string{"DB": "postgres://u:TOPSECRET@db/aldaba", "ODD": "mysql://TOPSECRET", "TOKEN": token}[name]
			return v, ok
		},
		ReadFile: func(path string) ([]byte, error) {
			if path == "/etc/aldaba/admin.token" {
				return []byte(token + "\n"), nil
			}
			return []byte("TOP"), nil
		},
	}
}

func TestServerFilesSayWhatTheyMean(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		text string
		want func(*Server)
	}{
		"the example": {
			"listen: 127.0.0.1:8080\nadmin: {listen: 127.0.0.1:8081, token_file: admin.token}\ndatabase: sqlite:/var/lib/aldaba/aldaba.db\nkeys: keys.json\n",
			func(s *Server) {
				s.Admin = Admin{Listen: "127.0.0.1:8081", Token: token}
				s.Database = "sqlite:/var/lib/aldaba/aldaba.db"
			},
		},
		"all there is": {
			"listen: ':9000'\nadmin: {token_env: TOKEN}\ndatabase_env: DB\nkeys: /k\ntls: {cert: c.pem, key: /k.pem}\nlog: {level: debug}\ndrain: {delay: 0, timeout: 2m}\nwriters: 3\nproxy_header: Forwarded\ntrusted_proxies: [10.0.0.0/8, '::1']\npublic_url: https://otp.example.com/base/\nreceipt_lifetime: 90s\nwebhooks: {allow: [10.0.0.0/8, '::1']}\nmounts: [{prefix: /modica, base: /rest/2fa/}, {prefix: /a/b, base: /}]\n",
			func(s *Server) {
				*s = Server{
					Listen: ":9000", Admin: Admin{Listen: "127.0.0.1:8081", Token: token}, Database: "postgres://u:TOPSECRET@db/aldaba", Keys: "/k",
					TLS: TLS{"/etc/aldaba/c.pem", "/k.pem"}, Log: Log{"debug"}, Drain: Drain{0, 2 * time.Minute}, Writers: 3, ProxyHeader: "forwarded", PublicURL: "https://otp.example.com/base", ReceiptLife: 90 * time.Second,
					WebhookAllow:   []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("::1/128")},
					TrustedProxies: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("::1/128")},
					Mounts:         []Mount{{"/modica", "/rest/2fa"}, {"/a/b", ""}},
				}
			},
		},
		"operators": {
			"keys: keys.json\ndatabase: sqlite:/d\nadmin: {tls: {cert: c.pem, key: k.pem}, token_env: TOKEN, tokens: [{name: ana, role: operator, token: 22112233445566778899aabbccddeeff}, {name: luis, role: auditor, token: 33112233445566778899aabbccddeeff}]}",
			func(s *Server) {
				s.Database = "sqlite:/d"
				s.Admin = Admin{
					Listen: "127.0.0.1:8081", Token: token, TLS: TLS{"/etc/aldaba/c.pem", "/etc/aldaba/k.pem"},
					Tokens: []AdminToken{{"ana", "operator", "22112233445566778899aabbccddeeff"}, {"luis", "auditor", "33112233445566778899aabbccddeeff"}},
				}
			},
		},
		"operators without a sole token": {
			"keys: keys.json\ndatabase: sqlite:/d\nadmin: {tokens: [{name: ana, role: owner, token_env: TOKEN}]}",
			func(s *Server) {
				s.Database = "sqlite:/d"
				s.Admin = Admin{Listen: "127.0.0.1:8081", Tokens: []AdminToken{{"ana", "owner", token}}}
			},
		},
		"a database beside the file": {"keys: keys.json\ndatabase: sqlite:a.db", func(s *Server) { s.Database = "sqlite:/etc/aldaba/a.db" }},
		"traces": {
			"keys: keys.json\ndatabase: sqlite:/a.db\ntraces: {endpoint: 'http://127.0.0.1:4318/', sample: 0.25}", func(s *Server) {
				s.Database, s.Traces = "sqlite:/a.db", Traces{"http://127.0.0.1:4318", 0.25}
			},
		},
		"a tenth of the traces": {
			"keys: keys.json\ndatabase: sqlite:/a.db\ntraces: {endpoint: https://otel.example.com/in}", func(s *Server) {
				s.Database, s.Traces = "sqlite:/a.db", Traces{"https://otel.example.com/in", 0.1}
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			want := serverDefaults()
			want.Keys = "/etc/aldaba/keys.json"
			c.want(&want)
			got, err := ParseServer("/etc/aldaba/aldaba.yaml", []byte(c.text), serverEnvironment())
			if err != nil || !reflect.DeepEqual(got, want) {
				t.Errorf("%+v, %v", got, err)
			}
		})
	}
}

func TestMistakesOfServerFiles(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ text, want string }{
		"nothing": {"{}", "s.yaml:1: keys: is missing\ns.yaml:1: database: is missing"},
		"wrong operators": {
			"keys: k\ndatabase: sqlite:/d\nproxy_header: via\ntrusted_proxies: [10.0.0.1/8]\nadmin:\n  token_env: TOKEN\n  tokens:\n    - {name: admin, role: owner, token_env: TOKEN}\n    - {name: ana, role: king, token: short}\n    - {name: ana, role: auditor}\n",
			"s.yaml:3: proxy_header: must be x-forwarded-for or forwarded\n" +
				"s.yaml:4: trusted_proxies[0]: must be a network such as 10.0.0.0/8, or an address\n" +
				"s.yaml:8: admin.tokens[0].name: must be unique, of 1 to 64 letters, digits, dots, dashes or underscores, and not admin\n" +
				"s.yaml:8: admin.tokens[0]: is another one's too; give each a token of its own\n" +
				"s.yaml:9: admin.tokens[1].token: is shorter than 128 bits; make one with `openssl rand -hex 32`\n" +
				"s.yaml:9: admin.tokens[1].role: must be owner, operator or auditor\n" +
				"s.yaml:10: admin.tokens[2].token: is missing\n" +
				"s.yaml:10: admin.tokens[2].name: must be unique, of 1 to 64 letters, digits, dots, dashes or underscores, and not admin",
		},
		"no operators": {"keys: k\ndatabase: sqlite:/d\nadmin: {tokens: []}\n", "s.yaml:3: admin.tokens: must hold a token, or leave the key out and give token"},
		"unknown keys": {
			"keys: k\ndatabase: sqlite:x\nlisten_on: x\nadmin: {tokn: x}\n",
			"s.yaml:3: unknown key \"listen_on\"\ns.yaml:4: admin: unknown key \"tokn\"; did you mean \"token\"?\ns.yaml:4: admin.token: is missing",
		},
		"wrong values": {
			"keys: ''\ndatabase_env: ODD\nlisten: 8080\nadmin: {listen: a:b:c, token_file: short}\ntls: {cert: a}\nlog: {level: loud}\ndrain: {delay: -1s, timeout: 0}\nwriters: many\npublic_url: otp.example.com\nwebhooks: {allow: [10.0.0.1/8, here]}\n",
			"s.yaml:1: keys: must not be empty\n" +
				"s.yaml:2: database_env: must be sqlite:PATH or postgres://USER@HOST/NAME\n" +
				"s.yaml:3: listen: must be HOST:PORT, such as 127.0.0.1:8080\n" +
				"s.yaml:4: admin.listen: must be HOST:PORT, such as 127.0.0.1:8080\n" +
				"s.yaml:4: admin.token_file: is shorter than 128 bits; make one with `openssl rand -hex 32`\n" +
				"s.yaml:5: tls.key: is missing\n" +
				"s.yaml:6: log.level: must be debug, info, warn or error\n" +
				"s.yaml:7: drain.delay: must be a duration such as 5m or 300s, or a number of seconds\n" +
				"s.yaml:7: drain.timeout: must be more than 0; leave the key out for the default\n" +
				"s.yaml:8: writers: must be a whole number\n" +
				"s.yaml:9: public_url: must be a URL without user, query and fragment, such as https://otp.example.com\n" +
				"s.yaml:10: webhooks.allow[0]: must be a network such as 10.0.0.0/8, or an address\n" +
				"s.yaml:10: webhooks.allow[1]: must be a network such as 10.0.0.0/8, or an address",
		},
		"receipts for too short":  {"keys: k\ndatabase: sqlite:x\nreceipt_lifetime: 9s\n", "s.yaml:3: receipt_lifetime: must be 10s to 1h0m0s, in whole seconds"},
		"receipts for too long":   {"keys: k\ndatabase: sqlite:x\nreceipt_lifetime: 3601\n", "s.yaml:3: receipt_lifetime: must be 10s to 1h0m0s, in whole seconds"},
		"receipts for no seconds": {"keys: k\ndatabase: sqlite:x\nreceipt_lifetime: 10500ms\n", "s.yaml:3: receipt_lifetime: must be 10s to 1h0m0s, in whole seconds"},
		"receipts for no time":    {"keys: k\ndatabase: sqlite:x\nreceipt_lifetime: soon\n", "s.yaml:3: receipt_lifetime: must be a duration such as 5m or 300s, or a number of seconds"},
		"two ways": {
			"keys: k\ndatabase: sqlite:x\ndatabase_env: DB\nkeys: j",
			"s.yaml:3: database_env: give only one of \"database\" and \"database_env\"\ns.yaml:4: keys: is given twice; the first time in line 1",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, err := ParseServer("s.yaml", []byte(c.text), serverEnvironment()); err == nil || err.Error() != c.want {
				t.Errorf("%v", err)
			}
		})
	}
}

func TestKeysAreWorthTheirBits(t *testing.T) {
	t.Parallel()
	for key, enough := range map[string]bool{
		"00112233445566778899aabbccddeeff":                 true,
		"00112233445566778899aabbccddeef":                  false,
		"Zm9vYmFyYmF6cXV4MTIzNA":                           true,
		"Zm9vYmFyYmF6cXV4MTIzN":                            false,
		"123456789012345678901234567890123456789":          true,
		"12345678901234567890123456789012345678":           false,
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa": false,
		"demo-key": false,
		"":         false,
	} {
		if got := bits(key) >= keyBits; got != enough {
			t.Errorf("%q: %.0f bits", key, bits(key))
		}
	}
}

func FuzzParseServer(f *testing.F) {
	f.Add([]byte("listen: ':9000'\nadmin: {token_env: TOKEN}\ndatabase_env: DB\nkeys: /k\npublic_url: https://otp.example.com/\nwebhooks: {allow: [10.0.0.0/8, '::1']}\n"))
	f.Add([]byte("keys: k\ndatabase: sqlite:x\npublic_url: http://[::1]:80\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := ParseServer("/etc/aldaba/aldaba.yaml", data, serverEnvironment())
		if err != nil {
			if strings.Contains(err.Error(), "TOPSECRET") && !strings.Contains(string(data), "TOPSECRET") {
				t.Errorf("a mistake tells a secret: %v", err)
			}
			return
		}
		if s.Keys == "" || s.Database == "" || strings.HasSuffix(s.PublicURL, "/") {
			t.Errorf("%+v", s)
		}
		for _, n := range s.WebhookAllow {
			if !n.IsValid() || n.Addr().Is4In6() {
				t.Errorf("network %v", n)
			}
		}
	})
}

// TestWhatIsFoundLaterHasItsLineToo: in the order of the file, and under the key
// that the file gives.
func TestWhatIsFoundLaterHasItsLineToo(t *testing.T) {
	t.Parallel()
	const text = "keys: k\ndatabase_env: DB\ntls:\n  cert: c.pem\n  key: k.pem\n"
	got := LocateServer("s.yaml", []byte(text), otp.Mistakes{{Path: "tls.cert", Message: "is none"}, {Path: "database", Message: "is none"}, {Path: "keys", Message: "are none"}})
	const want = "s.yaml:1: keys: are none\ns.yaml:2: database_env: is none\ns.yaml:4: tls.cert: is none"
	if got.Error() != want {
		t.Errorf("got\n%v\nwant\n%s", got, want)
	}
}
