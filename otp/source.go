package otp

import (
	"context"
	"hash/maphash"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

type sourceKey struct{}

// WithSource returns a context that tells the address which a request comes
// from. The zero address is that of a request whose address nobody can tell.
func WithSource(ctx context.Context, source netip.Addr) context.Context {
	return context.WithValue(ctx, sourceKey{}, source.Unmap().WithZone(""))
}

// sourceOf returns the address that a request comes from; it is not ok when
// the request did not come over a network.
func sourceOf(ctx context.Context) (source netip.Addr, ok bool) {
	source, ok = ctx.Value(sourceKey{}).(netip.Addr)
	return source, ok
}

// The bounds of wrong credentials from one source (T51). Only different ones
// count: an application that repeats an old key is no guesser, and its
// neighbours behind one address are not to suffer.
const (
	failuresAllowed = 20
	failuresWindow  = 10 * time.Minute
	sourcesKept     = 10_000
)

// SourceGuard remembers the wrong credentials of each source; its zero value is
// ready. Memory is bounded by forgetting any source: whoever guesses from ten
// thousand addresses has as many first tries anyway.
type SourceGuard struct {
	once    sync.Once
	seed    maphash.Seed
	count   atomic.Int64 // of sources, so that a server without failures takes no lock
	mu      sync.Mutex
	sources map[netip.Addr][]failure
}

// failure is one wrong credential, by a digest that holds for this process.
type failure struct {
	digest uint64
	at     time.Time
}

// sourceOfGuesses is what is counted by: an address, or the /64 network of an
// IPv6 one, since whoever has one of its addresses has all.
func sourceOfGuesses(source netip.Addr) netip.Addr {
	if !source.Is6() {
		return source
	}
	return netip.PrefixFrom(source, 64).Masked().Addr()
}

// Blocked returns how long a source must wait, 0 when it need not.
func (g *SourceGuard) Blocked(source netip.Addr, now time.Time) time.Duration {
	if g.count.Load() == 0 {
		return 0
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	list := g.fresh(sourceOfGuesses(source), now)
	if len(list) < failuresAllowed {
		return 0
	}
	return list[0].at.Add(failuresWindow).Sub(now)
}

// Failed notes a wrong credential and reports whether it counts: one that the
// source has shown before does not, nor does any of a source that must wait.
func (g *SourceGuard) Failed(source netip.Addr, now time.Time, credential string) bool {
	g.once.Do(func() { g.seed = maphash.MakeSeed() })
	digest := maphash.String(g.seed, credential)
	source = sourceOfGuesses(source)
	g.mu.Lock()
	defer g.mu.Unlock()
	list := g.fresh(source, now)
	if len(list) >= failuresAllowed || slices.ContainsFunc(list, func(f failure) bool { return f.digest == digest }) {
		return false
	}
	if list == nil && len(g.sources) >= sourcesKept {
		for other := range g.sources {
			delete(g.sources, other)
			break
		}
	}
	if g.sources == nil {
		g.sources = make(map[netip.Addr][]failure)
	}
	g.sources[source] = append(list, failure{digest, now})
	g.count.Store(int64(len(g.sources)))
	return true
}

// fresh returns what still counts of a source, oldest first, and forgets the
// rest. The caller holds the lock.
func (g *SourceGuard) fresh(source netip.Addr, now time.Time) []failure {
	list, ok := g.sources[source]
	if !ok {
		return nil
	}
	old := 0
	for old < len(list) && !now.Before(list[old].at.Add(failuresWindow)) {
		old++
	}
	if list = list[old:]; len(list) == 0 {
		delete(g.sources, source)
		g.count.Store(int64(len(g.sources)))
		return nil
	}
	g.sources[source] = list
	return list
}
