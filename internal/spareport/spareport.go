// Package spareport finds TCP ports for programs that tests and the benchmark start.
//
// To listen on port 0 and close again is no way to find one: until the program
// listens there, the system may give the port to any connection that goes out. These
// ports lie where no system takes those from, and each is found once. It is not for
// a listener of one's own, which takes port 0 and keeps it.
package spareport

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"net"
	"strconv"
	"testing"
)

// The ports lie behind the well-known ones and before those that systems give to
// outgoing connections: from 32768 on Linux, 49152 elsewhere (RFC 6335, section 6).
const (
	first = 10_000
	count = 22_000
	tries = 1000
)

// errNone says that hardly any port is free.
var errNone = errors.New("spareport: no free port between 10000 and 32000")

// Port is a TCP port of 127.0.0.1 that nobody listened on when it was found. No
// other call finds it, in this process or another, until it is closed or forgotten.
type Port struct {
	Number int
	mark   net.PacketConn // of the same number: it says that the port is taken
}

// Take finds a port.
func Take() (*Port, error) {
	for range tries {
		var random [4]byte
		_, _ = rand.Read(random[:]) //nolint:forbidigo // a port is nothing secret; it never fails, see crypto/rand
		p := &Port{Number: first + int(binary.BigEndian.Uint32(random[:])%count)}
		var err error
		if p.mark, err = net.ListenPacket("udp4", p.Address()); err != nil {
			continue
		}
		listener, err := net.Listen("tcp4", p.Address())
		if err != nil {
			_ = p.mark.Close()
			continue
		}
		return p, listener.Close()
	}
	return nil, errNone
}

// Address returns the port with its host.
func (p *Port) Address() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(p.Number)) }

// Close gives the port back.
func (p *Port) Close() error { return p.mark.Close() }

// For takes a port that is a test's until its end.
func For(tb testing.TB) int {
	tb.Helper()
	p, err := Take()
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := p.Close(); err != nil {
			tb.Error(err)
		}
	})
	return p.Number
}
