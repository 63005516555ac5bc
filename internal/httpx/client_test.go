package httpx

import (
	"net/http"
	"net/netip"
	"testing"
)

// TestTheClientIsFoundBehindTrustedProxiesOnly covers T05's forged
// X-Forwarded-For: what a stranger writes counts for nothing.
//
// CVE-2026-33640, GHSA-cwhc-53hw-qqx6 (Outline): a limiter could be gone around.
func TestTheClientIsFoundBehindTrustedProxiesOnly(t *testing.T) {
	t.Parallel()
	proxies := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}
	for name, c := range map[string]struct {
		trusted   []netip.Prefix
		forwarded bool
		peer      string
		xff, fwd  []string
		want      string // "" is the zero address
	}{
		"no proxies":                     {peer: "203.0.113.9:4", xff: []string{"192.0.2.1"}, want: "203.0.113.9"},
		"no proxies, mapped":             {peer: "[::ffff:203.0.113.9]:4", want: "203.0.113.9"},
		"no proxies, zone":               {peer: "[fe80::1%eth0]:4", want: "fe80::1"},
		"a stranger forges":              {trusted: proxies, peer: "203.0.113.9:4", xff: []string{"192.0.2.1"}, want: "203.0.113.9"},
		"one proxy":                      {trusted: proxies, peer: "10.0.0.1:4", xff: []string{"192.0.2.1"}, want: "192.0.2.1"},
		"behind a proxy, forged":         {trusted: proxies, peer: "10.0.0.1:4", xff: []string{"10.1.1.1, 192.0.2.1"}, want: "192.0.2.1"},
		"two proxies":                    {trusted: proxies, peer: "10.0.0.1:4", xff: []string{"198.51.100.1, 192.0.2.1, 10.0.0.2"}, want: "192.0.2.1"},
		"two proxies, two lines":         {trusted: proxies, peer: "10.0.0.1:4", xff: []string{"198.51.100.1, 192.0.2.1", "10.0.0.2"}, want: "192.0.2.1"},
		"empty elements":                 {trusted: proxies, peer: "10.0.0.1:4", xff: []string{"192.0.2.1,, ", ","}, want: "192.0.2.1"},
		"with a port":                    {trusted: proxies, peer: "10.0.0.1:4", xff: []string{"192.0.2.1:99"}, want: "192.0.2.1"},
		"six":                            {trusted: proxies, peer: "[fd00::1]:4", xff: []string{"2001:db8::7"}, want: "2001:db8::7"},
		"six in brackets":                {trusted: proxies, peer: "[fd00::1]:4", xff: []string{"[2001:db8::7]:1"}, want: "2001:db8::7"},
		"no header":                      {trusted: proxies, peer: "10.0.0.1:4", want: "10.0.0.1"},
		"all proxies":                    {trusted: proxies, peer: "10.0.0.1:4", xff: []string{"10.0.0.3"}, want: "10.0.0.3"},
		"not readable":                   {trusted: proxies, peer: "10.0.0.1:4", xff: []string{"192.0.2.1, unknown"}},
		"the other header is not read":   {trusted: proxies, peer: "10.0.0.1:4", fwd: []string{"for=192.0.2.1"}, want: "10.0.0.1"},
		"forwarded":                      {trusted: proxies, forwarded: true, peer: "10.0.0.1:4", fwd: []string{`for=192.0.2.9, for=192.0.2.1;proto=https;by=10.0.0.1`}, want: "192.0.2.1"},
		"forwarded, six":                 {trusted: proxies, forwarded: true, peer: "10.0.0.1:4", fwd: []string{`proto=https; For="[2001:db8::7]:47011"`}, want: "2001:db8::7"},
		"forwarded, hidden":              {trusted: proxies, forwarded: true, peer: "10.0.0.1:4", fwd: []string{`for=_hidden`}},
		"forwarded, none":                {trusted: proxies, forwarded: true, peer: "10.0.0.1:4", fwd: []string{`by=10.0.0.1`}},
		"forwarded, X-Forwarded-For too": {trusted: proxies, forwarded: true, peer: "10.0.0.1:4", xff: []string{"10.9.9.9"}, fwd: []string{"for=192.0.2.1"}, want: "192.0.2.1"},
		"no peer":                        {trusted: proxies, peer: "pipe"},
	} {
		r := &http.Request{RemoteAddr: c.peer, Header: http.Header{"X-Forwarded-For": c.xff, "Forwarded": c.fwd}}
		got := Proxies{Trusted: c.trusted, Forwarded: c.forwarded}.Client(r)
		want := netip.Addr{}
		if c.want != "" {
			want = netip.MustParseAddr(c.want)
		}
		if got != want {
			t.Errorf("%s: %s, want %q", name, got, c.want)
		}
	}
}

// FuzzTheClientIsWhoTheLastProxySaw: whatever a client writes in front, the
// address that the proxy appended counts.
func FuzzTheClientIsWhoTheLastProxySaw(f *testing.F) {
	for _, seed := range []string{"", "10.0.0.9", "10.0.0.9, ", "for=10.0.0.9", `"`, "[::1]:", ",,,", `for="[`} {
		f.Add(seed)
	}
	proxies := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	want := netip.MustParseAddr("192.0.2.1")
	f.Fuzz(func(t *testing.T, written string) {
		for _, lines := range [][]string{{written + ",192.0.2.1"}, {written, "192.0.2.1"}} {
			r := &http.Request{RemoteAddr: "10.0.0.1:4", Header: http.Header{"X-Forwarded-For": lines}}
			if got := (Proxies{Trusted: proxies}).Client(r); got != want {
				t.Errorf("%q is %s", lines, got)
			}
			r.Header = http.Header{"Forwarded": {lines[0], "for=192.0.2.1"}}
			if got := (Proxies{Trusted: proxies, Forwarded: true}).Client(r); got != want {
				t.Errorf("%q is %s", lines, got)
			}
		}
	})
}
