// Package strictjson reads one JSON object and is strict about it: two readers
// of the same body must never see two different requests.
//
// Member names are exact, a member given twice is refused, and so are a body
// that is no object, anything after it, broken UTF-8, lone surrogates, a byte
// order mark and nesting deeper than [MaxDepth]. It takes linear time and
// memory and recurses no deeper than that.
//
// It is NOT a decoder into structs, knows no schema and writes no JSON: its
// callers ask for members by name and judge their kinds themselves.
package strictjson

import (
	"errors"
	"iter"
	"slices"
	"strconv"
)

// MaxDepth is how many objects and arrays may stand inside one another, the
// outermost object counted.
const MaxDepth = 16

// ErrMalformed is the target for errors.Is of every error of this package. The
// messages say what is wrong and at which byte, and never repeat the body.
var ErrMalformed = errors.New("malformed JSON")

// Kind is what a value is.
type Kind uint8

// The kinds of values. A null is Absent, like a member that is not there.
const (
	Absent Kind = iota
	String
	Number
	Bool
	ObjectKind
	ArrayKind
)

// Object is a JSON object with its members in the order of their appearance.
// The zero Object has no members.
type Object struct {
	members []member
}

type member struct {
	name  string
	value Value
}

// Value is one JSON value. The zero Value is absent. A Value keeps no reference
// to the slice that was parsed.
type Value struct {
	// raw is the value's own text: for a string with its quotes.
	raw     string
	kind    Kind
	escaped bool
}

// Parse reads a body that is one JSON object and nothing else but white space.
func Parse(body []byte) (Object, error) {
	// One copy serves all: names and texts without escapes are parts of it.
	return parse(string(body))
}

func parse(text string) (Object, error) {
	s := scanner{text: text}
	s.space()
	if s.peek() != '{' {
		return Object{}, s.fault("not an object")
	}
	o, err := s.members()
	if err != nil {
		return Object{}, err
	}
	s.space()
	if s.at < len(text) {
		return Object{}, s.fault("something follows the object")
	}
	return o, nil
}

// Get returns the member of exactly that name; it is Absent when there is none
// or when it is null.
func (o Object) Get(name string) Value {
	for i := range o.members {
		if o.members[i].name == name {
			return o.members[i].value
		}
	}
	return Value{}
}

// All yields the members in the order of their appearance. Nulls are among
// them, with the kind Absent.
func (o Object) All() iter.Seq2[string, Value] {
	return func(yield func(string, Value) bool) {
		for _, m := range o.members {
			if !yield(m.name, m.value) {
				return
			}
		}
	}
}

// Unknown returns the name of the first member that is not among the known
// ones. A null member with an unknown name is unknown too.
func (o Object) Unknown(known ...string) (string, bool) {
	for _, m := range o.members {
		if !slices.Contains(known, m.name) {
			return m.name, true
		}
	}
	return "", false
}

// Kind returns what the value is.
func (v Value) Kind() Kind { return v.kind }

// Given reports whether the member was there; a null is.
func (v Value) Given() bool { return v.raw != "" }

// Text returns the decoded string and whether the value is a string.
func (v Value) Text() (string, bool) {
	if v.kind != String {
		return "", false
	}
	inner := v.raw[1 : len(v.raw)-1]
	if v.escaped {
		inner = unescape(inner)
	}
	return inner, true
}

// Integer returns the number and whether the value is a number that is written
// as an integer, without fraction and exponent, and fits an int64.
func (v Value) Integer() (int64, bool) {
	if v.kind != Number {
		return 0, false
	}
	// ParseInt refuses fractions and exponents; its other liberties (a plus
	// sign, leading zeros, underscores) are not in the grammar of JSON.
	n, err := strconv.ParseInt(v.raw, 10, 64)
	if err != nil {
		return 0, false
	}
	return n, true
}

// Truth returns the boolean, and whether the value is one.
func (v Value) Truth() (value, ok bool) {
	return v.raw == "true", v.kind == Bool
}

// Object opens a value that is an object; duplicate members in it are found
// only now.
func (v Value) Object() (Object, error) {
	if v.kind != ObjectKind {
		return Object{}, &fault{why: "not an object"}
	}
	return parse(v.raw)
}

// Array opens a value that is an array.
func (v Value) Array() ([]Value, error) {
	if v.kind != ArrayKind {
		return nil, &fault{why: "not an array"}
	}
	s := scanner{text: v.raw}
	var values []Value
	err := s.elements(1, func(e Value) { values = append(values, e) })
	return values, err
}

// Raw returns a copy of the value as it was written, nil when the member was
// not there.
func (v Value) Raw() []byte {
	if v.raw == "" {
		return nil
	}
	return []byte(v.raw)
}
