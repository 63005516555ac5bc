package egress_test

import (
	"errors"
	"net/netip"
	"net/url"
	"strings"
	"testing"

	"github.com/aldaba-otp/aldaba/internal/egress"
)

func TestURLsOfThePublicInternetAreTaken(t *testing.T) {
	t.Parallel()
	for _, raw := range []string{
		"https://app.example/messages?tenant=a%20b", "https://app.example:8443", "https://APP.Example./x", "https://93.184.216.34/x",
		"https://[2606:2800:220:1:248:1893:25c8:1946]:443/", "https://xn--bcher-kva.example/", "https://my_app.example/", "https://1.2.3.4.nip.example/",
	} {
		if err := egress.CheckURL(raw); err != nil {
			t.Errorf("%s: %v", raw, err)
		}
	}
}

func TestURLsThatLeadElsewhereAreRefused(t *testing.T) {
	t.Parallel()
	cases := map[string]string{ // URL: what the error tells
		"":                                                 "https",
		"/relative":                                        "https",
		"//app.example/x":                                  "https",
		"app.example/x":                                    "https",
		"http://app.example/":                              "https",
		"gopher://app.example/":                            "https",
		"file:///etc/passwd":                               "https",
		"ftp://app.example/":                               "https",
		"javascript:alert(1)":                              "https",
		"https:app.example":                                "host",
		"https:///x":                                       "host",
		"https://:443/":                                    "host",
		"https://user@app.example/":                        "user name",
		"https://u:p@app.example/":                         "user name",
		"https://@app.example/":                            "user name",
		"https://app.example/#f":                           "fragment",
		"https://app.example/#":                            "fragment",
		"https://app.example/a b":                          "ASCII",
		"https://app.example\\@evil/":                      "ASCII",
		"https://app.example/\r\nX: y":                     "ASCII",
		"https://bücher.example/":                          "ASCII",
		"https://127。0。0。1/":                               "ASCII",
		"https://１２７.0.0.1/":                               "ASCII",
		"https://app..example/":                            "host",
		"https://.example/":                                "host",
		"https://a%2eb.example/":                           "URL",
		"https://app.example:22/":                          "port",
		"https://app.example:25/":                          "port",
		"https://app.example:6379/":                        "port",
		"https://app.example:5432/":                        "port",
		"https://app.example:0/":                           "port",
		"https://app.example:65536/":                       "port",
		"https://app.example:0443/":                        "port",
		"https://app.example:/":                            "port",
		"https://app.example:https/":                       "URL",
		"https://[::1/":                                    "URL",
		"https://127.0.0.1/":                               "loopback",
		"https://127.8.8.8/":                               "loopback",
		"https://127.0.0.1./":                              "usual form",
		"https://2130706433/":                              "usual form",
		"https://0177.0.0.1/":                              "usual form",
		"https://0x7f.0.0.1/":                              "usual form",
		"https://0x7f000001/":                              "usual form",
		"https://127.1/":                                   "usual form",
		"https://127.0.0.0x1/":                             "usual form",
		"https://app.0x/":                                  "usual form",
		"https://0/":                                       "usual form",
		"https://0.0.0.0/":                                 "unspecified",
		"https://10.1.2.3/":                                "private",
		"https://172.16.0.1/":                              "private",
		"https://172.31.255.255/":                          "private",
		"https://192.168.0.1/":                             "private",
		"https://100.64.0.1/":                              "CGNAT",
		"https://169.254.1.1/":                             "link-local",
		"https://169.254.169.254/latest":                   "metadata",
		"https://168.63.129.16/":                           "metadata",
		"https://192.0.0.1/":                               "reserved",
		"https://192.0.2.1/":                               "documentation",
		"https://198.18.0.1/":                              "benchmarking",
		"https://224.0.0.1/":                               "multicast",
		"https://240.0.0.1/":                               "reserved",
		"https://255.255.255.255/":                         "reserved",
		"https://[::]/":                                    "unspecified",
		"https://[::1]/":                                   "loopback",
		"https://[::127.0.0.1]/":                           "IPv4-compatible",
		"https://[::ffff:127.0.0.1]/":                      "IPv4-mapped",
		"https://[::ffff:7f00:1]/":                         "IPv4-mapped",
		"https://[::ffff:8.8.8.8]/":                        "IPv4-mapped",
		"https://[64:ff9b::7f00:1]/":                       "NAT64",
		"https://[64:ff9b:1::7f00:1]/":                     "NAT64",
		"https://[2002:7f00:1::]/":                         "6to4",
		"https://[2001:0:7f00:1::]/":                       "Teredo",
		"https://[2001:db8::1]/":                           "documentation",
		"https://[fd00:ec2::254]/":                         "metadata",
		"https://[fd12:3456::1]/":                          "private",
		"https://[fe80::1]/":                               "link-local",
		"https://[fe80::1%25eth0]/":                        "link-local",
		"https://[2606:2800::1%25eth0]/":                   "link-local",
		"https://[ff02::1]/":                               "multicast",
		"https://[fec0::1]/":                               "reserved",
		"https://[5f00::1]/":                               "reserved",
		"https://app.example/" + strings.Repeat("x", 2048): "2048",
	}
	for raw, want := range cases {
		err := egress.CheckURL(raw)
		if err == nil {
			t.Errorf("%s is taken", raw)
		} else if !errors.Is(err, egress.ErrRefused) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v; want it to tell of %q", raw, err, want)
		}
	}
}

func TestNetworksThatAreAllowedAreLetThrough(t *testing.T) {
	t.Parallel()
	allow := []netip.Prefix{network(t, "10.0.0.0/8"), network(t, "fd12::/16"), network(t, "127.0.0.1")}
	for raw, want := range map[string]bool{
		"https://10.200.0.1/": true, "http://10.200.0.1:8080/": true, "http://app.example/": true, "https://[fd12::1]/": true, "https://127.0.0.1/": true,
		"https://127.0.0.2/": false, "https://192.168.0.1/": false, "http://192.168.0.1/": false, "https://[::ffff:10.0.0.1]/": false,
		"https://10.0.0.1:22/": false, "ftp://10.0.0.1/": false, "https://[fd12::1%25eth0]/": false,
	} {
		if err := egress.CheckURL(raw, allow...); (err == nil) != want {
			t.Errorf("%s: %v", raw, err)
		}
	}
}

func network(t *testing.T, text string) netip.Prefix {
	t.Helper()
	p, err := egress.ParseNetwork(text)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestAnAllowListIsWrittenExactly(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"10.0.0.0/8": "10.0.0.0/8", "10.1.2.3": "10.1.2.3/32", "fd12::/16": "fd12::/16", "::1": "::1/128",
		"10.1.2.3/8": "", "": "", "intranet": "", "::ffff:10.0.0.0/104": "", "::ffff:10.0.0.1": "", "fe80::1%eth0": "", "010.0.0.0/8": "", "10.0.0.0/33": "",
	} {
		p, err := egress.ParseNetwork(text)
		if want == "" && err == nil || want != "" && (err != nil || p.String() != want) {
			t.Errorf("%q: %v, %v; want %q", text, p, err, want)
		}
	}
}

func FuzzCheckURL(f *testing.F) {
	for _, raw := range []string{
		"https://app.example", "https://u:p@app.example", "https://0x7f.1", "https://[::1]:80", "http://[::ffff:1.2.3.4%25a]", "https:", "https://app.example:22",
	} {
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		if err := egress.CheckURL(raw); err == nil {
			u, parseErr := url.Parse(raw)
			if parseErr != nil || u.Scheme != "https" || u.Hostname() == "" || u.User != nil || u.Fragment != "" {
				t.Fatalf("%q is taken", raw)
			}
			if a, notIP := netip.ParseAddr(u.Hostname()); notIP == nil && egress.Refusal(a, nil) != "" {
				t.Fatalf("%q is taken", raw)
			}
		}
		const secret = "s3cretpath"
		whole := raw + "/" + secret + "?k=" + secret
		if u, err := url.Parse(whole); err == nil && strings.Contains(u.Host, secret) {
			return // the secret is the host
		}
		if err := egress.CheckURL(whole); err != nil && strings.Contains(err.Error(), secret) {
			t.Fatalf("%q: %v", whole, err)
		}
	})
}
