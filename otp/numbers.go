package otp

import (
	"context"
	"sync"
	"time"
)

// numberSpan is how many numbers a server reserves at once; what a crash
// leaves over is never given out.
const numberSpan = 1000

// lastNumber is the last one behind which a block is reserved.
const lastNumber = 1<<31 - 1 - 2*numberSpan

// numberBlocks holds the numbers that this process has reserved, by tenant.
type numberBlocks struct {
	mu   sync.Mutex
	next map[string]numberBlock
}

type numberBlock struct{ next, end int64 }

// nextNumber gives out the next of a tenant's numbers, 1 to 2^31-1, reserving
// a block when none is left.
func (s *Service) nextNumber(ctx context.Context, tenant string, ring *Ring) (int64, error) {
	s.numbers.mu.Lock()
	defer s.numbers.mu.Unlock()
	b := s.numbers.next[tenant]
	if b.next >= b.end {
		var err error
		if b, err = s.reserve(ctx, ring.lookup("numbers", tenant)); err != nil {
			return 0, err
		}
	}
	n := b.next
	b.next++
	s.numbers.next[tenant] = b
	return n, nil
}

// reserve takes a block in one step. After 2^31-1 the numbers begin anew: the
// verifications of the old ones are long gone.
func (s *Service) reserve(ctx context.Context, key Key) (b numberBlock, err error) {
	err = s.do(ctx, Step{Load: Keys{Counters: []Key{key}}, Decide: func(_ time.Time, st *State) error {
		c, _ := st.Counters.Get(key)
		if c.Value > lastNumber {
			c.Value = 0
		}
		b = numberBlock{c.Value + 1, c.Value + 1 + numberSpan}
		st.Counters.Put(key, Counter{Key: key, Value: c.Value + numberSpan})
		return nil
	}})
	return b, err
}
