package httpx

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// Proxies are the operator's own proxies, whose word about the client counts.
type Proxies struct {
	// Trusted are the networks that the proxies are in.
	Trusted []netip.Prefix
	// Forwarded tells that they write the header Forwarded (RFC 7239) and not
	// X-Forwarded-For. Only one of the two is read: a client can put the other
	// one, which the proxies would hand on.
	Forwarded bool
}

// maxHops bounds how many addresses of a header are looked at.
const maxHops = 32

// Client returns the address that a request comes from: that of the connection
// or, as long as that is a trusted proxy, the one that the proxy tells. The
// header is read from its right end, for each proxy appends the address that it
// saw; what stands left of the first address that is no proxy was written by
// the client, and is not looked at. The address is zero when a trusted proxy
// says nothing that can be read.
func (p Proxies) Client(r *http.Request) netip.Addr {
	peer := netip.Addr{}
	if at, err := netip.ParseAddrPort(r.RemoteAddr); err == nil {
		peer = at.Addr().Unmap().WithZone("")
	}
	if len(p.Trusted) == 0 || !p.trusts(peer) {
		return peer
	}
	name, read := "X-Forwarded-For", parseHop
	if p.Forwarded {
		name, read = "Forwarded", parseForwarded
	}
	lines := r.Header[name]
	for range maxHops {
		var element string
		if element, lines = lastElement(lines); element == "" {
			return peer // the proxy itself asks
		}
		if peer = read(element); !p.trusts(peer) {
			return peer
		}
	}
	return netip.Addr{}
}

func (p Proxies) trusts(a netip.Addr) bool {
	return slices.ContainsFunc(p.Trusted, func(network netip.Prefix) bool { return network.Contains(a) })
}

// lastElement cuts the last element off a list that may stand in several lines;
// it is "" when there is none any more.
func lastElement(lines []string) (element string, rest []string) {
	for len(lines) > 0 {
		last := lines[len(lines)-1]
		before, after, found := cutLast(last, ',')
		if element = strings.TrimSpace(after); !found {
			lines = lines[:len(lines)-1]
		} else {
			lines = append(slices.Clip(lines[:len(lines)-1]), before)
		}
		if element != "" {
			return element, lines
		}
	}
	return "", nil
}

func cutLast(s string, separator byte) (before, after string, found bool) {
	if i := strings.LastIndexByte(s, separator); i >= 0 {
		return s[:i], s[i+1:], true
	}
	return "", s, false
}

// parseHop reads an address, with or without a port and brackets; one that
// cannot be read is zero.
func parseHop(text string) netip.Addr {
	if a, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(text, "["), "]")); err == nil {
		return a.Unmap().WithZone("")
	}
	if a, err := netip.ParseAddrPort(text); err == nil {
		return a.Addr().Unmap().WithZone("")
	}
	return netip.Addr{}
}

// parseForwarded reads the address of one element of Forwarded (RFC 7239
// section 4); "unknown" and hidden names are zero.
func parseForwarded(element string) netip.Addr {
	for pair := range strings.SplitSeq(element, ";") {
		key, value, _ := strings.Cut(strings.TrimSpace(pair), "=")
		if strings.EqualFold(key, "for") {
			return parseHop(strings.Trim(value, `"`))
		}
	}
	return netip.Addr{}
}
