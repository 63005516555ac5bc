package otp

import (
	"context"
	"net/netip"
	"testing"
)

// BenchmarkAuthenticate is the part of every request that finds its caller.
func BenchmarkAuthenticate(b *testing.B) {
	r := detRing(b)
	d, err := NewDirectory([]Tenant{{Name: "acme", Credentials: []Credential{{Type: APIKey, Hash: r.HashKey(APIKey, "", "key")}}}}, nil)
	if err != nil {
		b.Fatal(err)
	}
	s := New(Options{Ring: r})
	s.SetDirectory(d)
	ctx := WithSource(context.Background(), netip.MustParseAddr("192.0.2.1"))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.Authenticate(ctx, APIKey, "", "key"); err != nil {
			b.Fatal(err)
		}
	}
}
