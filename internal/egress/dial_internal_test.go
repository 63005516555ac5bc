package egress

import (
	"errors"
	"net"
	"testing"
	"time"
)

// TestTheKernelIsAskedForCheckedAddressesOnly goes past the check of a name's
// addresses: what is given to the kernel is checked once more.
func TestTheKernelIsAskedForCheckedAddressesOnly(t *testing.T) {
	t.Parallel()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	d := &dialer{timeout: time.Second}
	conn, err := d.connect(t.Context(), "tcp", l.Addr().String(), 1)
	if !errors.Is(err, ErrRefused) {
		t.Errorf("%v, %v", conn, err)
	}
}
