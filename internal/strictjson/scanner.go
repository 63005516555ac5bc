package strictjson

import (
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// fault is an ErrMalformed with its reason and place.
type fault struct {
	why string
	at  int
}

// Error returns the reason and the place; neither repeats the body.
func (f *fault) Error() string {
	return ErrMalformed.Error() + ": " + f.why + " at byte " + strconv.Itoa(f.at)
}

// Unwrap makes errors.Is find ErrMalformed.
func (f *fault) Unwrap() error { return ErrMalformed }

// scanner walks once over a text.
type scanner struct {
	text string
	at   int
}

func (s *scanner) fault(why string) error { return &fault{why: why, at: s.at} }

// peek returns the byte at hand, 0 at the end: a NUL is valid nowhere.
func (s *scanner) peek() byte {
	if s.at < len(s.text) {
		return s.text[s.at]
	}
	return 0
}

func (s *scanner) space() {
	for s.at < len(s.text) {
		switch s.text[s.at] {
		case ' ', '\t', '\n', '\r':
			s.at++
		default:
			return
		}
	}
}

// few is up to how many members duplicates are sought by looking at each: for
// so few that is quicker than a map, and it keeps many members linear.
const few = 16

// members reads the outermost object and keeps what it holds.
func (s *scanner) members() (Object, error) {
	o := Object{members: make([]member, 0, 8)}
	var seen map[string]struct{}
	err := s.object(1, func(name string, v Value) bool {
		switch {
		case len(o.members) < few:
			for i := range o.members {
				if o.members[i].name == name {
					return false
				}
			}
		case seen == nil:
			seen = make(map[string]struct{}, 4*few)
			for i := range o.members {
				seen[o.members[i].name] = struct{}{}
			}
			fallthrough
		default:
			if _, twice := seen[name]; twice {
				return false
			}
			seen[name] = struct{}{}
		}
		o.members = append(o.members, member{name: name, value: v})
		return true
	})
	return o, err
}

// object reads from the opening to the closing brace. A nil keep only judges
// the grammar.
func (s *scanner) object(depth int, keep func(string, Value) bool) error {
	s.at++ // the brace
	s.space()
	if s.peek() == '}' {
		s.at++
		return nil
	}
	for {
		if s.peek() != '"' {
			return s.fault("a member name is missing")
		}
		name, err := s.string()
		if err != nil {
			return err
		}
		s.space()
		if s.peek() != ':' {
			return s.fault("a colon is missing")
		}
		s.at++
		s.space()
		v, err := s.value(depth)
		if err != nil {
			return err
		}
		if keep != nil {
			text, _ := name.Text()
			if !keep(text, v) {
				return s.fault("a member is given twice")
			}
		}
		if done, err := s.next('}'); done || err != nil {
			return err
		}
	}
}

// elements reads from the opening to the closing bracket. A nil keep only
// judges the grammar.
func (s *scanner) elements(depth int, keep func(Value)) error {
	s.at++ // the bracket
	s.space()
	if s.peek() == ']' {
		s.at++
		return nil
	}
	for {
		v, err := s.value(depth)
		if err != nil {
			return err
		}
		if keep != nil {
			keep(v)
		}
		if done, err := s.next(']'); done || err != nil {
			return err
		}
	}
}

// next reads what stands after a member or an element: its end or a comma.
func (s *scanner) next(end byte) (bool, error) {
	s.space()
	switch s.peek() {
	case end:
		s.at++
		return true, nil
	case ',':
		s.at++
		s.space()
		return false, nil
	}
	return false, s.fault("a comma or an end is missing")
}

// value reads one value that stands inside depth objects and arrays.
func (s *scanner) value(depth int) (Value, error) {
	start := s.at
	var kind Kind
	var err error
	switch c := s.peek(); c {
	case '"':
		return s.string()
	case '{', '[':
		if depth == MaxDepth {
			return Value{}, s.fault("nested too deeply")
		}
		if c == '{' {
			kind, err = ObjectKind, s.object(depth+1, nil)
		} else {
			kind, err = ArrayKind, s.elements(depth+1, nil)
		}
	case 't':
		kind, err = Bool, s.word("true")
	case 'f':
		kind, err = Bool, s.word("false")
	case 'n':
		err = s.word("null")
	default:
		kind, err = Number, s.number()
	}
	if err != nil {
		return Value{}, err
	}
	return Value{raw: s.text[start:s.at], kind: kind}, nil
}

func (s *scanner) word(w string) error {
	if !strings.HasPrefix(s.text[s.at:], w) {
		return s.fault("no value")
	}
	s.at += len(w)
	return nil
}

// number reads -?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?
func (s *scanner) number() error {
	if s.peek() == '-' {
		s.at++
	}
	if s.peek() == '0' {
		s.at++
	} else if !s.digits() {
		return s.fault("no value")
	}
	if s.peek() == '.' {
		s.at++
		if !s.digits() {
			return s.fault("a fraction without digits")
		}
	}
	if c := s.peek(); c == 'e' || c == 'E' {
		s.at++
		if c := s.peek(); c == '+' || c == '-' {
			s.at++
		}
		if !s.digits() {
			return s.fault("an exponent without digits")
		}
	}
	return nil
}

func (s *scanner) digits() bool {
	start := s.at
	for s.at < len(s.text) && s.text[s.at]-'0' <= 9 {
		s.at++
	}
	return s.at > start
}

// string reads from quote to quote and judges escapes and UTF-8; it decodes
// nothing, for most strings are never asked for or hold no escape.
func (s *scanner) string() (Value, error) {
	start := s.at
	escaped := false
	s.at++ // the quote
	for s.at < len(s.text) {
		switch c := s.text[s.at]; {
		case c == '"':
			s.at++
			return Value{raw: s.text[start:s.at], kind: String, escaped: escaped}, nil
		case c == '\\':
			escaped = true
			if err := s.escape(); err != nil {
				return Value{}, err
			}
		case c < ' ':
			return Value{}, s.fault("a control character in a string")
		case c < utf8.RuneSelf:
			s.at++
		default:
			_, size := utf8.DecodeRuneInString(s.text[s.at:])
			if size == 1 {
				return Value{}, s.fault("broken UTF-8")
			}
			s.at += size
		}
	}
	return Value{}, s.fault("a string without an end")
}

// escape judges one escape, a surrogate pair as one.
func (s *scanner) escape() error {
	rest := s.text[s.at:]
	if len(rest) < 2 {
		return s.fault("a string without an end")
	}
	if rest[1] != 'u' {
		if plain(rest[1]) == 0 {
			return s.fault("an unknown escape")
		}
		s.at += 2
		return nil
	}
	_, size := unicodeEscape(rest)
	if size == 0 {
		return s.fault("a broken or lone unicode escape")
	}
	s.at += size
	return nil
}

// plain returns what a one-letter escape stands for, 0 for none.
func plain(c byte) byte {
	switch c {
	case '"', '\\', '/':
		return c
	case 'b':
		return '\b'
	case 'f':
		return '\f'
	case 'n':
		return '\n'
	case 'r':
		return '\r'
	case 't':
		return '\t'
	}
	return 0
}

// unicodeEscape decodes the \uXXXX, or the pair of them that is one character,
// at the start of text. The size is 0 when it is broken or half a pair.
func unicodeEscape(text string) (r rune, size int) {
	high, ok := hex4(text)
	if !ok {
		return 0, 0
	}
	if !utf16.IsSurrogate(high) {
		return high, 6
	}
	low, ok := hex4(text[6:])
	if !ok {
		return 0, 0
	}
	r = utf16.DecodeRune(high, low)
	if r == utf8.RuneError { // no pair of surrogates stands for U+FFFD itself
		return 0, 0
	}
	return r, 12
}

func hex4(text string) (rune, bool) {
	if len(text) < 6 || text[0] != '\\' || text[1] != 'u' {
		return 0, false
	}
	var r rune
	for i := 2; i < 6; i++ {
		c := text[i]
		switch {
		case c-'0' <= 9:
			c -= '0'
		case c|0x20 >= 'a' && c|0x20 <= 'f':
			c = (c | 0x20) - 'a' + 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}

// unescape decodes what string has found to be sound.
func unescape(text string) string {
	var b strings.Builder
	b.Grow(len(text))
	for {
		i := strings.IndexByte(text, '\\')
		if i < 0 {
			b.WriteString(text)
			return b.String()
		}
		b.WriteString(text[:i])
		text = text[i:]
		if text[1] != 'u' {
			b.WriteByte(plain(text[1]))
			text = text[2:]
			continue
		}
		r, size := unicodeEscape(text)
		b.WriteRune(r)
		text = text[size:]
	}
}
