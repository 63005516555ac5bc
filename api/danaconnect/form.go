package danaconnect

import (
	"fmt"
	"math"

	"github.com/aldaba-otp/aldaba/internal/strictjson"
)

const maxInt32 = math.MaxInt32

// form reads the members of a request and keeps the first fault, which names
// the member and never repeats what it held.
type form struct {
	object strictjson.Object
	fault  string
}

func (f *form) fail(fault string) {
	if f.fault == "" {
		f.fault = fault
	}
}

// integer reads a required integer from low to high. One that is written as a
// string, with a fraction or with an exponent is none.
func (f *form) integer(name string, low, high int64) int64 {
	if f.object.Get(name).Kind() == strictjson.Absent {
		f.fail(name + " is required")
		return 0
	}
	n, ok := f.object.Get(name).Integer()
	switch {
	case !ok:
		f.fail(name + " must be an integer")
	case n < low || n > high:
		f.fail(fmt.Sprintf("%s must be between %d and %d", name, low, high))
	}
	return n
}

// option reads an integer that may be absent, which is 0.
func (f *form) option(name string, low, high int64) int64 {
	if f.object.Get(name).Kind() == strictjson.Absent {
		return 0
	}
	return f.integer(name, low, high)
}

// text reads a required string that is not empty.
func (f *form) text(name string) string {
	v := f.object.Get(name)
	text, ok := v.Text()
	switch {
	case v.Kind() == strictjson.Absent:
		f.fail(name + " is required")
	case !ok:
		f.fail(name + " must be a string")
	case text == "":
		f.fail(name + " must not be empty")
	}
	return text
}

// oneOf reads the string that is given under one of several names. Under two
// of them it would not be plain which one is meant.
func (f *form) oneOf(names []string) string {
	found := names[0]
	given := 0
	for _, name := range names {
		if f.object.Get(name).Kind() != strictjson.Absent {
			found = name
			given++
		}
	}
	if given > 1 {
		f.fail(names[0] + " must be given once")
	}
	return f.text(found)
}
