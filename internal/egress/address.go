package egress

import (
	"fmt"
	"net/netip"
	"slices"
)

// special is a range of addresses that is not the public Internet.
type special struct{ prefix, rule string }

// special4 and special6 follow the IANA registries of special-purpose
// addresses (RFC 6890), plus the metadata services of clouds; the first that
// holds an address names the rule.
func special4() []special {
	return []special{
		{"169.254.169.254/32", "metadata service"},
		{"168.63.129.16/32", "metadata service"}, // Azure's, within public space
		{"100.100.100.200/32", "metadata service"},
		{"192.0.0.192/32", "metadata service"},
		{"0.0.0.0/8", "unspecified"},
		{"10.0.0.0/8", "private"},
		{"100.64.0.0/10", "shared by carriers (CGNAT)"},
		{"127.0.0.0/8", "loopback"},
		{"169.254.0.0/16", "link-local"},
		{"172.16.0.0/12", "private"},
		{"192.0.0.0/24", "reserved"},
		{"192.0.2.0/24", "documentation"},
		{"192.88.99.0/24", "6to4 relay"},
		{"192.168.0.0/16", "private"},
		{"198.18.0.0/15", "benchmarking"},
		{"198.51.100.0/24", "documentation"},
		{"203.0.113.0/24", "documentation"},
		{"224.0.0.0/4", "multicast"},
		{"240.0.0.0/4", "reserved"},
	}
}

func special6() []special {
	return []special{
		{"fd00:ec2::/32", "metadata service"},
		{"fd20:ce::254/128", "metadata service"},
		{"::1/128", "loopback"},
		{"::/128", "unspecified"},
		{"::/96", "IPv4-compatible"},
		{"::ffff:0:0:0/96", "IPv4-translated"},
		{"64:ff9b::/96", "NAT64"},
		{"64:ff9b:1::/48", "NAT64"},
		{"2001::/32", "Teredo"},
		{"2001::/23", "reserved"},
		{"2001:db8::/32", "documentation"},
		{"2002::/16", "6to4"},
		{"3fff::/20", "documentation"},
		{"fc00::/7", "private"},
		{"fe80::/10", "link-local"},
		{"ff00::/8", "multicast"},
	}
}

// public6 is the space from which public IPv6 addresses are given (RFC 4291,
// section 2.4, as assigned by IANA so far).
const public6 = "2000::/3"

// Refusal returns the rule that keeps a client from calling an address, such
// as "private", or "" when it may be called: it is public, or in one of the
// networks that are allowed.
func Refusal(a netip.Addr, allow []netip.Prefix) string {
	if a.Zone() != "" {
		return "link-local"
	}
	if slices.ContainsFunc(allow, func(p netip.Prefix) bool { return p.Contains(a) }) {
		return ""
	}
	switch {
	case !a.IsValid():
		return "no address"
	case a.Is4In6():
		return "IPv4-mapped"
	case a.Is4():
		return within(a, special4())
	}
	if rule := within(a, special6()); rule != "" {
		return rule
	}
	if !netip.MustParsePrefix(public6).Contains(a) {
		return "reserved"
	}
	return ""
}

func within(a netip.Addr, ranges []special) string {
	for _, s := range ranges {
		if netip.MustParsePrefix(s.prefix).Contains(a) {
			return s.rule
		}
	}
	return ""
}

// ParseNetwork reads one entry of an allow-list: a network such as 10.0.0.0/8
// or fd12:3456::/32, or a single address.
func ParseNetwork(text string) (netip.Prefix, error) {
	if a, err := netip.ParseAddr(text); err == nil && a.Zone() == "" && !a.Is4In6() {
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	p, err := netip.ParsePrefix(text)
	if err != nil {
		return netip.Prefix{}, fmt.Errorf("must be a network such as 10.0.0.0/8, or an address")
	}
	if p.Addr().Is4In6() {
		return netip.Prefix{}, fmt.Errorf("must be written as an IPv4 network such as 10.0.0.0/8")
	}
	if p != p.Masked() {
		return netip.Prefix{}, fmt.Errorf("must be a network; %s is meant, or a single address without its length", p.Masked())
	}
	return p, nil
}
