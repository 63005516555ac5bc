package smpp

import (
	"bytes"
	"log/slog"
	"net"
	"sync/atomic"
	"testing"

	"github.com/aldaba-otp/aldaba/delivery/deliverytest"
	"github.com/aldaba-otp/aldaba/internal/clock"
)

// BenchmarkSubmit submits over one bind on loopback, its window always full.
func BenchmarkSubmit(b *testing.B) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer listener.Close()
	var taken atomic.Int64
	center := newCenter()
	center.submit = func(c *peer, q pdu, _ short) {
		taken.Add(1)
		c.send(pdu{command: submitSM | answerBit, sequence: q.sequence, body: []byte("1\x00")})
	}
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go (&peer{center: center, conn: conn}).serve()
		}
	}()
	l := reach(b, listener.Addr().(*net.TCPAddr).Port, map[string]any{"window": 50})
	<-l.log.bound
	b.SetParallelism(50)
	b.ReportAllocs()
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		m := deliverytest.Message()
		for pb.Next() {
			if _, err := l.Send(b.Context(), m); err != nil {
				b.Error(err)
			}
		}
	})
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "messages/s")
	if n := taken.Load(); n != int64(b.N) {
		b.Errorf("%d of %d messages arrived", n, b.N)
	}
}

// BenchmarkParts encodes one message.
func BenchmarkParts(b *testing.B) {
	p := open(with(b, nil), clock.New(0), slog.New(slog.DiscardHandler))
	m := deliverytest.Message()
	var out []byte
	for b.Loop() {
		parts, err := p.o.parts(m, m.Created)
		if err != nil {
			b.Fatal(err)
		}
		out = parts[0].encode()
	}
	if !bytes.Contains(out, []byte("482913")) {
		b.Errorf("% x", out)
	}
}
