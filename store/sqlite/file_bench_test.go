package sqlite

import (
	"context"
	"crypto/rand"
	"testing"
	"time"

	"github.com/aldaba-otp/aldaba/otp"
)

// benchLayer is what a fifth of a second leaves to be written: new verifications
// with their destinations, each with the journal of a right check.
func benchLayer(now time.Time, size int) *layer {
	l := newLayer()
	l.number = 1
	for range size {
		v := otp.Verification{ID: otp.FirstID(now), Tenant: "acme", Status: otp.Approved, Generation: 1, Sends: 1, LastSent: now, Expires: now, Events: 4}
		_, _ = rand.Read(v.ID[7:])
		_, _ = rand.Read(v.Destination[:])
		v.Spec = otp.Spec{Dialect: "native", Owner: "key-1", Profile: "login", Purpose: "login", Channel: otp.SMS, Locale: "es", Created: now, KeyID: 1, Letter: make([]byte, 230)}
		l.verifications[v.ID] = entry[otp.Verification]{value: &v, whole: true}
		d := otp.Destination{Key: v.Destination, Tenant: v.Tenant, Newest: v.ID, Touched: now, ApprovedAt: now, Sends: []time.Time{now}}
		l.destinations[d.Key] = entry[otp.Destination]{value: &d, whole: true}
		for n, kind := range []otp.EventKind{otp.EventStarted, otp.EventSent, otp.EventDelivered, otp.EventApproved} {
			l.events[v.ID] = append(l.events[v.ID], otp.Event{Verification: v.ID, N: n, Tenant: "acme", At: now, Kind: kind, Dialect: "native", Actor: "key-1", Detail: "sms inbox"})
		}
	}
	return l
}

// BenchmarkFile measures what the file costs a pair.
func BenchmarkFile(b *testing.B) {
	const size = 1500
	e, _ := openWriter(b)
	if err := e.claim(context.Background()); err != nil {
		b.Fatal(err)
	}
	defer func() { e.filing <- struct{}{} }()
	now := time.Now()
	for b.Loop() {
		b.StopTimer()
		now = now.Add(time.Second)
		l := benchLayer(now, size)
		b.StartTimer()
		if err := e.writer.write(l, e.epoch); err != nil {
			b.Fatal(err)
		}
		if err := e.relieve(size << 10); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/size, "us/pair")
}
