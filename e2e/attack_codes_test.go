package e2e

import (
	"crypto/rand"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"

	"github.com/aldaba-otp/aldaba/otp"
)

const (
	digits = 6
	codes  = 1_000_000 // of six digits
	// Of good codes one sample in a hundred exceeds one of these bounds, which
	// are those of p = 0.001; three samples in a row do not.
	chiBound = 27.88 // of nine degrees of freedom
	zBound   = 3.29
	samples  = 3
)

// ring reads the world's key ring.
func (s *siege) ring() *otp.Ring {
	s.Helper()
	data, err := os.ReadFile(filepath.Join(s.data, "keys.json"))
	if err != nil {
		s.Fatal(err)
	}
	ring, err := otp.ParseRing(data)
	if err != nil {
		s.Fatal(err)
	}
	return ring
}

// codesHaveNoPattern is T11. It takes the codes from the core's own function,
// with the world's key ring, and ids and salts such as the server draws.
func codesHaveNoPattern(s *siege) figures {
	ring := s.ring()
	v := otp.Verification{Secret: make([]byte, 16), Spec: otp.Spec{Purpose: otp.Authenticate, Alphabet: otp.Digits, Length: digits}}
	for _, k := range ring.Keys() {
		if k.Use == otp.UseCode {
			id, err := strconv.ParseUint(k.ID, 16, 32)
			if err != nil {
				s.Fatal(err)
			}
			v.Spec.KeyID = uint32(id)
		}
	}
	n := s.pick(100_000, 1_000_000)
	var faults []string
	var told string
	for range samples {
		p := pattern{seen: make([]bool, codes)}
		for range n {
			if _, err := rand.Read(v.ID[:]); err != nil {
				s.Fatal(err)
			}
			if _, err := rand.Read(v.Secret); err != nil {
				s.Fatal(err)
			}
			code, err := ring.Code(&v)
			if err != nil {
				s.Fatal(err)
			}
			p.add(code)
		}
		if told, faults = p.judge(n); len(faults) == 0 {
			break
		}
	}
	for _, f := range faults {
		s.Errorf("in %d samples in a row: %s", samples, f)
	}
	return figures{over: "the core, which all dialects have their codes of", counted: told}
}

// pattern is what is counted of a sample of codes.
type pattern struct {
	at                      [digits][10]int
	seen                    []bool
	distinct                int
	last, sum, squares, lag float64
	n                       int
}

func (p *pattern) add(code string) {
	value := 0
	for i, c := range []byte(code) {
		p.at[i][c-'0']++
		value = 10*value + int(c-'0')
	}
	if !p.seen[value] {
		p.seen[value] = true
		p.distinct++
	}
	x := float64(value)/codes - 0.5
	if p.n > 0 {
		p.lag += x * p.last
	}
	p.n, p.last, p.sum, p.squares = p.n+1, x, p.sum+x, p.squares+x*x
}

// judge holds the sample against what independent even draws give.
func (p *pattern) judge(n int) (told string, faults []string) {
	worst := 0.0
	for _, counts := range p.at {
		chi := 0.0
		for _, c := range counts {
			expected := float64(n) / 10
			chi += math.Pow(float64(c)-expected, 2) / expected
		}
		worst = max(worst, chi)
	}
	zeros := float64(p.at[0][0]) / float64(n)
	zerosZ := (zeros - 0.1) / math.Sqrt(0.09/float64(n))
	share := float64(n) / codes
	none := math.Exp(-share)
	distinctZ := (float64(p.distinct) - codes*(1-none)) / math.Sqrt(codes*none*(1-(1+share)*none))
	serial := p.lag / p.squares
	serialZ := serial * math.Sqrt(float64(n))
	told = fmt.Sprintf("%d codes: chi-square at most %.1f (bound %.1f), leading zeros %.2f %%, distinct %d (%+.1f sd), serial correlation %+.5f",
		n, worst, chiBound, 100*zeros, p.distinct, distinctZ, serial)
	if worst > chiBound || math.Abs(zerosZ) > zBound || math.Abs(distinctZ) > zBound || math.Abs(serialZ) > zBound || p.n != n {
		faults = append(faults, told)
	}
	return told, faults
}
