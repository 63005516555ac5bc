package egress

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"syscall"
	"time"
)

// minAttempt is what one address gets at least while others wait.
const minAttempt = 2 * time.Second

// errNoAddress says that a name has none.
var errNoAddress = errors.New("the name has no address")

// dialer connects to addresses that it has checked.
type dialer struct {
	allow    []netip.Prefix
	resolver Resolver
	timeout  time.Duration
	plain    bool // without TLS
}

// refusal returns the rule that keeps the dialer from an address, or "".
func (d *dialer) refusal(a netip.Addr) string {
	if rule := Refusal(a, d.allow); rule != "" {
		return "resolves to an address that is " + rule
	}
	if d.plain && !slices.ContainsFunc(d.allow, func(p netip.Prefix) bool { return p.Contains(a) }) {
		return "is not in a network that is allowed, so it must be called by https"
	}
	return ""
}

// dial implements DialContext of [http.Transport].
func (d *dialer) dial(ctx context.Context, network, target string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(target)
	if err != nil {
		return nil, err
	}
	// The transport cuts ctx off from the call, which may leave a dial behind.
	ctx, cancel := context.WithTimeout(ctx, d.timeout)
	defer cancel()
	found, err := d.resolve(ctx, host)
	if err != nil {
		return nil, err
	}
	for _, a := range found {
		if rule := d.refusal(a); rule != "" {
			return nil, refused(host, rule)
		}
	}
	for i, a := range found {
		var conn net.Conn
		if conn, err = d.connect(ctx, network, net.JoinHostPort(a.String(), port), len(found)-i); err == nil {
			return conn, nil
		}
	}
	return nil, err
}

// resolve returns a host's addresses, at least one.
func (d *dialer) resolve(ctx context.Context, host string) ([]netip.Addr, error) {
	if a, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{a}, nil
	}
	found, err := d.resolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return nil, err
	}
	if len(found) == 0 {
		return nil, errNoAddress
	}
	addresses := make([]netip.Addr, len(found))
	for i, a := range found {
		addresses[i] = a.Unmap() // resolvers give IPv4 addresses in either form
	}
	return addresses, nil
}

// connect tries one address, and leaves time for those that come after it.
func (d *dialer) connect(ctx context.Context, network, address string, left int) (net.Conn, error) {
	if deadline, ok := ctx.Deadline(); ok && left > 1 {
		share := max(time.Until(deadline)/time.Duration(left), minAttempt)
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, share)
		defer cancel()
	}
	return (&net.Dialer{ControlContext: d.control}).DialContext(ctx, network, address)
}

// control sees the address that the kernel is given, whatever came before.
func (d *dialer) control(_ context.Context, _, address string, _ syscall.RawConn) error {
	a, err := netip.ParseAddrPort(address)
	if err != nil {
		return err
	}
	if rule := d.refusal(a.Addr().Unmap()); rule != "" {
		return refused("", rule)
	}
	return nil
}
