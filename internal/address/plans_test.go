package address

import (
	"math/rand/v2"
	"strconv"
	"sync"
	"testing"

	"github.com/nyaruka/phonenumbers"
)

// samples are numbers of every plan and kind: the metadata's own examples, with
// some or all digits after the code drawn anew, also longer and shorter.
func samples(each int) (all []string) {
	draw := rand.New(rand.NewPCG(7, 9))
	for code := range phonenumbers.GetSupportedCallingCodes() {
		for _, region := range phonenumbers.GetRegionCodesForCountryCode(code) {
			for kind := phonenumbers.FIXED_LINE; kind <= phonenumbers.VOICEMAIL; kind++ {
				n := phonenumbers.GetExampleNumberForType(region, kind)
				if n == nil || int(n.GetCountryCode()) != code {
					continue
				}
				all = append(all, variants(draw, phonenumbers.Format(n, phonenumbers.E164), len(strconv.Itoa(code)), each)...)
			}
		}
		all = append(all, variants(draw, "+"+strconv.Itoa(code)+"123456789", len(strconv.Itoa(code)), each)...)
	}
	return all
}

func variants(draw *rand.Rand, number string, code, each int) []string {
	all := []string{number}
	for range each {
		b := []byte(number)
		for i := 1 + code + draw.IntN(len(b)-code); i < len(b); i++ {
			b[i] = byte('0' + draw.IntN(10))
		}
		switch draw.IntN(8) {
		case 0:
			b = append(b, byte('0'+draw.IntN(10)))
		case 1:
			b = b[:len(b)-1]
		case 2: // a national prefix, or what looks like one
			b = append(append(append([]byte{}, b[:1+code]...), "0189"[draw.IntN(4)]), b[1+code:]...)
		}
		all = append(all, string(b))
	}
	return all
}

func TestPlansAgreeWithTheLibrary(t *testing.T) {
	t.Parallel()
	each := 12
	if testing.Short() {
		each = 2
	}
	p := NewPlans()
	kinds := map[LineKind]int{}
	asked, wrong := 0, 0
	for _, number := range samples(each) {
		kind, country := KindOf(number), Country(number)
		kinds[kind]++
		if got := p.Kind(number); got != kind {
			t.Errorf("%s is of kind %d, the library says %d", number, got, kind)
			wrong++
		}
		if got := p.Country(number); got != country {
			t.Errorf("%s is of %q, the library says %q", number, got, country)
			wrong++
		}
		if plan, national := p.of(number); plan == nil || plan.read(national) == nil {
			asked++
		}
		if wrong > 20 {
			t.FailNow()
		}
	}
	total, most := 0, 0
	for kind := UnknownLine; kind <= Satellite; kind++ {
		if total += kinds[kind]; kinds[kind] == 0 {
			t.Errorf("no number of kind %d was compared", kind)
		}
	}
	for _, plan := range p.codes {
		most = max(most, len(plan().states))
	}
	if most > maxStates/2 || asked > total/4 {
		t.Errorf("a plan has %d states; the library was asked %d times of %d", most, asked, total)
	}
	t.Logf("%d numbers, %d asked of the library, %d states in the largest plan", total, asked, most)
}

func TestPlansMayBeReadByMany(t *testing.T) {
	t.Parallel()
	p, all := NewPlans(), samples(0)
	var group sync.WaitGroup
	got := make([][]LineKind, 8)
	for i := range got {
		group.Go(func() {
			for _, number := range all {
				got[i] = append(got[i], p.Kind(number))
			}
		})
	}
	group.Wait()
	for i, number := range all {
		for _, kinds := range got {
			if kinds[i] != got[0][i] {
				t.Errorf("%s is of kinds %d and %d", number, kinds[i], got[0][i])
			}
		}
	}
}

func TestKindOfANumber(t *testing.T) {
	t.Parallel()
	p := NewPlans()
	for number, want := range map[string]LineKind{
		"+584121234567": Mobile, "+582121234567": Landline, "+18092345678": LandlineOrMobile, "+18091234567": TollFree, "+12025550123": LandlineOrMobile,
		"+18005550199": TollFree, "+19002345678": Premium, "+449012345678": Premium, "+491803123456": SharedCost,
		"+870773111632": Satellite, "+881612345678": Satellite, "+882131234567": Satellite, "+883510012345": Satellite,
		"+447012345678": Personal, "+447640123456": Pager, "+445612345678": VoIP, "+80012345678": TollFree,
		"+9991234567": UnknownLine, "": UnknownLine, "+1": UnknownLine, "ana@example.com": UnknownLine, "+979123456789": Premium,
	} {
		if got := KindOf(number); got != want {
			t.Errorf("the library says that %q is of kind %d, want %d", number, got, want)
		}
		if got := p.Kind(number); got != want {
			t.Errorf("%q is of kind %d, want %d", number, got, want)
		}
		if got := (*Plans)(nil).Kind(number); got != want {
			t.Errorf("without plans, %q is of kind %d, want %d", number, got, want)
		}
	}
}

// FuzzPlans compares with the library whatever a number looks like.
func FuzzPlans(f *testing.F) {
	p := NewPlans()
	for _, number := range []string{"+584121234567", "+18091234567", "+541134567890", "+390612345678", "+70000000000", "x"} {
		f.Add(number)
	}
	f.Fuzz(func(t *testing.T, number string) {
		if got, want := p.Kind(number), KindOf(number); got != want {
			t.Errorf("%q is of kind %d, the library says %d", number, got, want)
		}
		if got, want := p.Country(number), Country(number); got != want {
			t.Errorf("%q is of %q, the library says %q", number, got, want)
		}
	})
}

func BenchmarkPlans(b *testing.B) {
	p := NewPlans()
	for _, number := range []string{"+18091234567", "+491712345678", "+584121234567", "+447700900123"} {
		b.Run("kind "+number, func(b *testing.B) {
			for b.Loop() {
				_ = p.Kind(number)
			}
		})
		b.Run("country "+number, func(b *testing.B) {
			for b.Loop() {
				_ = p.Country(number)
			}
		})
	}
	all := samples(3)
	b.Run("kinds of all plans", func(b *testing.B) {
		i := 0
		for b.Loop() {
			_ = p.Kind(all[i%len(all)])
			i++
		}
	})
}
