package address

import (
	"encoding/binary"
	"regexp/syntax"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/nyaruka/phonenumbers"
)

// maxStates bounds the memory of one plan. All that the metadata can reach is
// far below it; beyond it the library is asked.
const maxStates = 20_000

// plan reads the national part of numbers of one country calling code, as
// deterministic automata do: a state is where all patterns stand at once.
type plan struct {
	regions  []region
	patterns []*syntax.Prog
	prefix   []bool // of a pattern: it need only match the beginning
	national int    // the pattern of prefixes that the library may cut off, or -1

	root   *state
	mu     sync.Mutex
	states map[string]*state
}

// region is what a plan knows of one country.
type region struct {
	name    string
	leading int // the pattern that its numbers begin with, or -1
	general matcher
	kinds   []matcher
	same    bool // landlines and mobile telephones have one pattern
}

// matcher is a pattern with the lengths that it is for.
type matcher struct {
	kind    LineKind
	pattern int
	lengths uint32 // a bit each; 0 is any
}

// state is what is known after some digits.
type state struct {
	depth  int
	live   []position
	next   [10]atomic.Pointer[state]
	unsure bool // a national prefix may stand in front: the library is to be asked
	region string
	kind   LineKind
}

// position is where one pattern stands.
type position struct {
	pattern int
	at      []uint32 // instructions, sorted
}

func newPlan(all []*phonenumbers.PhoneMetadata) *plan {
	p := &plan{national: -1, states: make(map[string]*state)}
	type named struct {
		text   string
		prefix bool
	}
	known := make(map[named]int)
	sound := true
	compile := func(text string, prefix bool) int {
		if i, ok := known[named{text, prefix}]; ok {
			return i
		}
		prog, ok := compiled(text)
		sound = sound && ok
		p.patterns, p.prefix = append(p.patterns, prog), append(p.prefix, prefix)
		known[named{text, prefix}] = len(p.patterns) - 1
		return len(p.patterns) - 1
	}
	for _, m := range all {
		r := region{name: m.GetId(), leading: -1, same: m.GetSameMobileAndFixedLinePattern()}
		r.general = matcher{UnknownLine, compile(m.GetGeneralDesc().GetNationalNumberPattern(), false), lengths(m.GetGeneralDesc())}
		for _, d := range descriptions(m) {
			r.kinds = append(r.kinds, matcher{d.kind, compile(d.desc.GetNationalNumberPattern(), false), lengths(d.desc)})
		}
		if text := m.GetLeadingDigits(); text != "" && len(all) > 1 {
			r.leading = compile(text, true)
		}
		p.regions = append(p.regions, r)
	}
	if text := all[0].GetNationalPrefixForParsing(); text != "" { // that of the main country counts
		p.national = compile(text, true)
	}
	if !sound {
		return p
	}
	root := &state{}
	for i, prog := range p.patterns {
		if at := closure(prog, []uint32{uint32(prog.Start)}); len(at) > 0 {
			root.live = append(root.live, position{i, at})
		}
	}
	p.root = root
	return p
}

// compiled makes a program of a pattern that looks at digits alone.
func compiled(text string) (*syntax.Prog, bool) {
	parsed, err := syntax.Parse(text, syntax.Perl)
	if err != nil {
		return nil, false
	}
	prog, err := syntax.Compile(parsed.Simplify())
	if err != nil {
		return nil, false
	}
	looks := slices.ContainsFunc(prog.Inst, func(i syntax.Inst) bool { return i.Op == syntax.InstEmptyWidth })
	return prog, !looks
}

func lengths(d *phonenumbers.PhoneNumberDesc) (bits uint32) {
	for _, n := range d.GetPossibleLength() {
		if n > 0 && n < 31 {
			bits |= 1 << n
		} else {
			bits |= 1 << 31 // a length that no number has: nothing matches
		}
	}
	return bits
}

// closure follows what takes no digit.
func closure(prog *syntax.Prog, from []uint32) []uint32 {
	var at []uint32
	seen := make(map[uint32]bool)
	for len(from) > 0 {
		pc := from[len(from)-1]
		from = from[:len(from)-1]
		if seen[pc] {
			continue
		}
		seen[pc] = true
		switch i := &prog.Inst[pc]; i.Op {
		case syntax.InstAlt, syntax.InstAltMatch:
			from = append(from, i.Out, i.Arg)
		case syntax.InstCapture, syntax.InstNop:
			from = append(from, i.Out)
		case syntax.InstFail, syntax.InstEmptyWidth:
		case syntax.InstMatch, syntax.InstRune, syntax.InstRune1, syntax.InstRuneAny, syntax.InstRuneAnyNotNL:
			at = append(at, pc)
		}
	}
	slices.Sort(at)
	return at
}

// read returns where a number ends, or nil when the library is to be asked.
func (p *plan) read(digits string) *state {
	s := p.root
	for i := 0; s != nil && i < len(digits); i++ {
		d := digits[i] - '0'
		next := s.next[d].Load()
		if next == nil {
			next = p.step(s, d)
		}
		s = next
	}
	if s == nil || s.unsure {
		return nil
	}
	return s
}

// step makes the state that follows upon a digit, or finds it.
func (p *plan) step(s *state, digit byte) *state {
	next := &state{depth: s.depth + 1}
	for _, where := range s.live {
		prog := p.patterns[where.pattern]
		if p.prefix[where.pattern] && s.depth > 0 && matched(prog, where.at) {
			next.live = append(next.live, where) // it has begun so, whatever follows
			continue
		}
		var out []uint32
		for _, pc := range where.at {
			if i := &prog.Inst[pc]; i.Op != syntax.InstMatch && i.MatchRune(rune('0'+digit)) {
				out = append(out, i.Out)
			}
		}
		if at := closure(prog, out); len(at) > 0 {
			next.live = append(next.live, position{where.pattern, at})
		}
	}
	key := next.key()
	p.mu.Lock()
	defer p.mu.Unlock()
	if same, ok := p.states[key]; ok {
		next = same
	} else {
		if len(p.states) >= maxStates {
			return nil
		}
		p.judge(next)
		p.states[key] = next
	}
	s.next[digit].Store(next)
	return next
}

// key is the same for states from which all goes on alike.
func (s *state) key() string {
	key := []byte{byte(s.depth)}
	for _, where := range s.live {
		key = binary.AppendUvarint(key, uint64(where.pattern))
		key = binary.AppendUvarint(key, uint64(len(where.at)))
		for _, pc := range where.at {
			key = binary.AppendUvarint(key, uint64(pc))
		}
	}
	return string(key)
}

func matched(prog *syntax.Prog, at []uint32) bool {
	return slices.ContainsFunc(at, func(pc uint32) bool { return prog.Inst[pc].Op == syntax.InstMatch })
}

// matches tells whether a pattern matches the digits so far.
func (p *plan) matches(s *state, pattern int) bool {
	i, found := slices.BinarySearchFunc(s.live, pattern, func(w position, n int) int { return w.pattern - n })
	return found && matched(p.patterns[pattern], s.live[i].at)
}

func (p *plan) fits(s *state, m matcher) bool {
	return (m.lengths == 0 || m.lengths>>s.depth&1 == 1) && p.matches(s, m.pattern)
}

// judge tells what a number is that ends here.
func (p *plan) judge(s *state) {
	s.unsure = p.national >= 0 && p.matches(s, p.national)
	for i := range p.regions {
		r := &p.regions[i]
		kind := p.kind(s, r)
		if len(p.regions) == 1 || r.leading >= 0 && p.matches(s, r.leading) || r.leading < 0 && kind != UnknownLine {
			s.region, s.kind = r.name, kind
			return
		}
	}
}

// kind is the library's answer for one country.
func (p *plan) kind(s *state, r *region) LineKind {
	if !p.fits(s, r.general) {
		return UnknownLine
	}
	for i, m := range r.kinds {
		switch {
		case !p.fits(s, m):
		case m.kind == Landline && (r.same || p.fits(s, r.kinds[i+1])):
			return LandlineOrMobile
		case m.kind == Mobile && r.same:
			return UnknownLine // as the library has it: one pattern, and that of landlines did not match
		default:
			return m.kind
		}
	}
	return UnknownLine
}
