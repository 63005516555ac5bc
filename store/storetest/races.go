package storetest

import (
	"context"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aldaba-otp/aldaba/otp"
	"github.com/aldaba-otp/aldaba/store"
)

// callers is how many race in each fact.
const callers = 64

// raceFacts are the races that would break "exactly once". Where the engine
// allows it, half of the callers are on a second server.
func (s *suite) raceFacts() map[string]func(*testing.T) {
	return map[string]func(*testing.T){
		"of 64 consumers of one verification exactly one wins":   s.consume,
		"64 counters at once lose no increment":                  s.count,
		"of 64 takers of a replay key exactly one is first":      s.takeReplay,
		"of 64 takers of a handle exactly one is first":          s.takeHandle,
		"overlapping sets of destinations in any order all pass": s.overlap,
	}
}

func (s *suite) consume(t *testing.T) {
	servers := s.pair(t)
	for range s.opts.Rounds {
		v := fullVerification()
		v.Status, v.Ended = otp.Pending, time.Time{}
		do(t, servers[0], otp.Keys{}, func(s *otp.State) { s.Verifications.Put(v.ID, v) })
		var wins atomic.Int64
		crowd(t, servers, callers, func(_ int, w *store.Writer) error {
			won := false
			err := w.Do(context.Background(), otp.Step{
				Load: otp.Keys{Verifications: []otp.ID{v.ID}},
				Decide: func(now time.Time, s *otp.State) error {
					got, _ := s.Verifications.Get(v.ID)
					if won = got.Status == otp.Pending; won {
						got.Status, got.Ended = otp.Approved, now
						s.Verifications.Put(v.ID, got)
					}
					return nil
				},
			})
			if won && err == nil {
				wins.Add(1)
			}
			return err
		})
		same(t, wins.Load(), int64(1))
	}
}

func (s *suite) count(t *testing.T) {
	servers, key := s.pair(t), newKey()
	for range s.opts.Rounds {
		crowd(t, servers, callers, func(_ int, w *store.Writer) error {
			return w.Do(context.Background(), otp.Step{
				Load: otp.Keys{Counters: []otp.Key{key}},
				Decide: func(_ time.Time, s *otp.State) error {
					c, _ := s.Counters.Get(key)
					s.Counters.Put(key, otp.Counter{Key: key, Value: c.Value + 1})
					return nil
				},
			})
		})
	}
	var got int64
	do(t, servers[0], otp.Keys{Counters: []otp.Key{key}}, func(s *otp.State) {
		c, _ := s.Counters.Get(key)
		got = c.Value
	})
	same(t, got, int64(callers*s.opts.Rounds))
}

func (s *suite) takeReplay(t *testing.T) {
	s.take(t, func(key otp.Key) otp.Keys { return otp.Keys{Replays: []otp.Key{key}} }, func(key otp.Key, s *otp.State) bool {
		_, taken := s.Replays.Get(key)
		if !taken {
			s.Replays.Put(key, otp.Replay{Key: key, Expires: moment(1)})
		}
		return !taken
	})
}

func (s *suite) takeHandle(t *testing.T) {
	s.take(t, func(key otp.Key) otp.Keys { return otp.Keys{Handles: []otp.Key{key}} }, func(key otp.Key, s *otp.State) bool {
		_, taken := s.Handles.Get(key)
		if !taken {
			v := fullVerification()
			s.Verifications.Put(v.ID, v)
			s.Handles.Put(key, otp.Handle{Key: key, Verification: v.ID})
		}
		return !taken
	})
}

// take lets all callers insert one key and proves that one is first and all
// others see it.
func (s *suite) take(t *testing.T, keys func(otp.Key) otp.Keys, try func(otp.Key, *otp.State) bool) {
	servers := s.pair(t)
	for range s.opts.Rounds {
		key := newKey()
		var firsts atomic.Int64
		crowd(t, servers, callers, func(_ int, w *store.Writer) error {
			first := false
			err := w.Do(context.Background(), otp.Step{Load: keys(key), Decide: func(_ time.Time, s *otp.State) error {
				first = try(key, s)
				return nil
			}})
			if first && err == nil {
				firsts.Add(1)
			}
			return err
		})
		same(t, firsts.Load(), int64(1))
	}
}

// overlap changes random sets of destinations, named themselves or through
// their verifications and handles, in random orders: nobody may meet a
// deadlock and no change may be lost.
func (s *suite) overlap(t *testing.T) {
	servers := s.pair(t)
	families := make([]family, 16)
	for i := range families {
		families[i] = newFamily(t, servers[0])
	}
	var sum [16]atomic.Uint64
	crowd(t, servers, callers, func(_ int, w *store.Writer) error {
		for range 2 * s.opts.Rounds {
			chosen := rand.Perm(len(families))[:5]
			keys := otp.Keys{Replays: []otp.Key{newKey()}}
			for n, i := range chosen {
				f := families[i]
				switch n % 4 {
				case 0:
					keys.Destinations = append(keys.Destinations, f.place.Key)
				case 1:
					keys.Verifications = append(keys.Verifications, f.next.ID, f.first.ID)
				default:
					keys.Handles = append(keys.Handles, f.handle.Key)
				}
			}
			err := w.Do(context.Background(), otp.Step{Load: keys, Decide: func(_ time.Time, s *otp.State) error {
				for _, i := range chosen {
					d, _ := s.Destinations.Get(families[i].place.Key)
					d.Wrongs = []otp.Wrong{{Chance: d.Wrongs[0].Chance + 1}}
					s.Destinations.Put(d.Key, d)
				}
				return nil
			}})
			if err != nil {
				return err
			}
			for _, i := range chosen {
				sum[i].Add(1)
			}
		}
		return nil
	})
	for i, f := range families {
		d, _, err := servers[1].Destination(context.Background(), f.place.Key)
		if err != nil {
			t.Fatal(err)
		}
		same(t, d.Wrongs[0].Chance-f.place.Wrongs[0].Chance, sum[i].Load())
	}
}
