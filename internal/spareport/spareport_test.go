package spareport_test

import (
	"net"
	"strconv"
	"testing"

	"github.com/aldaba-otp/aldaba/internal/spareport"
)

func TestEachPortIsFreeAndFoundOnce(t *testing.T) {
	t.Parallel()
	seen := map[int]bool{}
	for range 200 {
		port := spareport.For(t)
		if seen[port] || port < 10_000 || port >= 32_000 {
			t.Fatalf("port %d came again, or may be an outgoing connection's", port)
		}
		seen[port] = true
		l, err := net.Listen("tcp4", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err != nil {
			t.Fatal(err)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
