package egress

import (
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// maxURL bounds a URL's bytes.
const maxURL = 2048

// CheckURL judges the form of a URL when it is configured; the name in it is
// resolved when it is called. With networks that are allowed it may be plain
// http, and an address in it may be one of theirs. Its error names the rule
// and the host, never another part of the URL.
func CheckURL(raw string, allow ...netip.Prefix) error {
	if len(raw) > maxURL {
		return refused("", "must be a URL of at most "+strconv.Itoa(maxURL)+" bytes")
	}
	if strings.ContainsFunc(raw, func(r rune) bool { return r <= ' ' || r >= 0x7f || r == '\\' }) {
		return refused("", "must be written in ASCII without spaces and backslashes (a name in punycode, the rest percent-encoded)")
	}
	u, err := url.Parse(raw)
	if err != nil { // its text quotes the URL
		return refused("", "must be a URL such as https://app.example/messages")
	}
	if strings.Contains(raw, "#") {
		return refused(u.Hostname(), "must have no fragment")
	}
	if err := checkURL(u, allow); err != nil {
		return err
	}
	return nil
}

func checkURL(u *url.URL, allow []netip.Prefix) *Error {
	host := u.Hostname()
	switch {
	case u.Scheme != "https" && u.Scheme != "http":
		return refused(shown(host), "must be an https URL")
	case u.Scheme == "http" && len(allow) == 0:
		return refused(shown(host), "must be an https URL; plain http is for networks that are allowed")
	case u.Opaque != "" || host == "":
		return refused("", "must name a host")
	case u.User != nil:
		return refused(shown(host), "must have no user name or password")
	}
	if rule := hostRule(host, allow); rule != "" {
		return refused(shown(host), rule)
	}
	if !portAllowed(u.Port(), strings.HasSuffix(u.Host, ":")) {
		return refused(host, "must have a port of HTTP: 443, 80, or one from 1024 that no other protocol is known for")
	}
	return nil
}

// shown is a host that may stand in an error: only what looks like one.
func shown(host string) string {
	if len(host) > 253 || strings.ContainsFunc(host, func(r rune) bool { return !hostByte(r) && r != ':' }) {
		return ""
	}
	return host
}

// hostRule returns what is wrong with a host's form, or "".
func hostRule(host string, allow []netip.Prefix) string {
	if a, err := netip.ParseAddr(host); err == nil {
		return refusalText(Refusal(a, allow))
	}
	name := strings.TrimSuffix(host, ".")
	labels := strings.Split(name, ".")
	if len(name) > 253 || slices.ContainsFunc(labels, func(l string) bool { return l == "" || len(l) > 63 }) || shown(host) == "" || strings.Contains(host, ":") {
		return "must name a host"
	}
	if last := labels[len(labels)-1]; numeric(last) {
		// 2130706433, 0177.0.0.1, 0x7f.1 and 127.1 are 127.0.0.1 to some
		// resolvers (WHATWG URL, "ends in a number").
		return "must be a name, or an address in its usual form"
	}
	return ""
}

func refusalText(rule string) string {
	if rule == "" {
		return ""
	}
	return "must be a public address, and this is " + rule + "; list its network under allow if it is yours"
}

func hostByte(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_' || r == '.'
}

func numeric(label string) bool {
	digits, isHex := strings.CutPrefix(strings.ToLower(label), "0x")
	return !strings.ContainsFunc(digits, func(r rune) bool {
		return (r < '0' || r > '9') && (!isHex || r < 'a' || r > 'f')
	})
}

// portAllowed judges a port: the two of HTTP, and those that anybody may
// listen on except where a well-known service is more likely that takes lines
// of text as commands or trusts who can reach it.
func portAllowed(port string, empty bool) bool {
	if port == "" {
		return !empty
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || port[0] == '0' {
		return false
	}
	return n == 80 || n == 443 || n >= 1024 && !slices.Contains(otherPorts(), n)
}

// otherPorts are the blocked ports of the Fetch standard above 1023, and
// databases, brokers and control planes.
func otherPorts() []uint64 {
	return []uint64{
		1719, 1720, 1723, 2049, 3659, 4045, 4190, 5060, 5061, 6000, 6566, 6665, 6666, 6667, 6668, 6669, 6679, 6697, 10080,
		1433, 1521, 1883, 2181, 2375, 2376, 2379, 2380, 2775, 3306, 3389, 4369, 5432, 5433, 5672, 5900, 5984, 6379, 6380, 6443,
		7000, 7001, 8500, 9042, 9092, 9200, 9300, 10250, 10255, 11211, 27017, 27018, 27019,
	}
}
