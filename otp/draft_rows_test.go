package otp_test

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/aldaba-otp/aldaba/otp"
)

// TestAStepSeesWhatItPutLast compares a step over few and over many keys with a
// plain map, over all steps of one batch.
func TestAStepSeesWhatItPutLast(t *testing.T) {
	t.Parallel()
	for _, keys := range []int{1, 5, 15, 16, 17, 200} {
		t.Run(fmt.Sprint(keys), func(t *testing.T) {
			t.Parallel()
			var r otp.Records
			truth := map[otp.Key]int64{}
			for n := range keys {
				if key := countedKey(n); n%2 == 0 {
					truth[key] = int64(-n)
					r.Counters.Load(key, otp.Counter{Key: key, Value: int64(-n)})
				} else {
					r.Counters.Miss(key)
				}
			}
			random := rand.New(rand.NewPCG(uint64(keys), 2))
			for step := range 20 {
				puts := random.IntN(3 * keys)
				own := map[otp.Key]int64{}
				for key, value := range truth {
					own[key] = value
				}
				fails := step%5 == 4
				err := r.Run(otp.Step{Decide: func(_ time.Time, st *otp.State) error {
					for range puts {
						putOrDelete(t, random, st, own, countedKey(random.IntN(keys)))
					}
					for n := range keys {
						seesSame(t, st, own, countedKey(n))
					}
					if fails {
						return errDecision
					}
					return nil
				}})
				if fails != (err != nil) {
					t.Fatalf("step %d: %v", step, err)
				}
				if !fails {
					truth = own
				}
			}
			kept := map[otp.Key]int64{}
			for c := range r.Counters.Changed() {
				if c.Value != nil {
					kept[c.Key] = c.Value.Value
				} else if _, there := truth[c.Key]; there {
					t.Errorf("%x is to be deleted and should stay", c.Key)
				}
			}
			for key, value := range kept {
				if truth[key] != value {
					t.Errorf("%x is %d, want %d", key, value, truth[key])
				}
			}
		})
	}
}

var errDecision = fmt.Errorf("the decision failed")

func countedKey(n int) (key otp.Key) {
	binary.BigEndian.PutUint64(key[8:], uint64(n))
	return key
}

func putOrDelete(t *testing.T, random *rand.Rand, st *otp.State, own map[otp.Key]int64, key otp.Key) {
	t.Helper()
	seesSame(t, st, own, key)
	if random.IntN(4) == 0 {
		st.Counters.Delete(key)
		delete(own, key)
		return
	}
	own[key] = random.Int64()
	st.Counters.Put(key, otp.Counter{Key: key, Value: own[key]})
}

func seesSame(t *testing.T, st *otp.State, own map[otp.Key]int64, key otp.Key) {
	t.Helper()
	got, ok := st.Counters.Get(key)
	if want, there := own[key]; ok != there || got.Value != want {
		t.Fatalf("%x: got %d %t, want %d %t", key, got.Value, ok, want, there)
	}
}

// BenchmarkAStepOverManyKeys is what a step with a row for each key costs a key.
func BenchmarkAStepOverManyKeys(b *testing.B) {
	for _, keys := range []int{2, 5000} {
		b.Run(fmt.Sprint(keys), func(b *testing.B) {
			var r otp.Records
			for n := range keys {
				r.Counters.Miss(countedKey(n))
			}
			step := otp.Step{Decide: func(_ time.Time, st *otp.State) error {
				for n := range keys {
					row, _ := st.Counters.Get(countedKey(n))
					row.Value++
					st.Counters.Put(countedKey(n), row)
				}
				return nil
			}}
			for range b.N/keys + 1 {
				if err := r.Run(step); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
