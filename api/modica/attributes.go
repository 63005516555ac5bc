package modica

import (
	"strconv"
	"strings"
	"time"

	"github.com/aldaba-otp/aldaba/internal/strictjson"
	"github.com/aldaba-otp/aldaba/otp"
)

// maxMask is the longest sender name that the page allows.
const maxMask = 11

// maxShortCode is the most digits of a sender that is no whole number.
const maxShortCode = 8

// maxExpiresIn is the longest life that can be asked for, a day in seconds.
const maxExpiresIn = 86400

// attributes reads the members of a request and remembers what is wrong with
// them, so that a missing one is told before an invalid one.
type attributes struct {
	object           strictjson.Object
	retry            otp.Retry // what the core knows a repeated start by
	missing, invalid bool
}

// verdict returns the error code of what was read, "" when it is sound.
func (a *attributes) verdict() string {
	switch {
	case a.missing:
		return missingAttrib
	case a.invalid:
		return invalidAttrib
	}
	return ""
}

// blames tells whether what the core found invalid is an attribute that the
// request gave. Otherwise it is of the operator's settings, and no request
// could be better.
func (a *attributes) blames(e *otp.Error) bool {
	attribute := map[string]string{"to": "destination", "text": "content", "sender": "mask", "lifetime": "expiresIn"}[e.Field]
	return e.Kind == otp.Invalid && attribute != "" && a.object.Get(attribute).Kind() != strictjson.Absent
}

func (a *attributes) check(ok bool) { a.invalid = a.invalid || !ok }

// required reads a string that must be given and not be empty. A number is no
// string: a code read from one would have lost its leading zeros.
func (a *attributes) required(name string) string {
	v := a.object.Get(name)
	text, ok := v.Text()
	switch {
	case v.Kind() == strictjson.Absent || ok && text == "":
		a.missing = true
	case !ok:
		a.invalid = true
	}
	return text
}

// optional reads a string and whether it was given.
func (a *attributes) optional(name string) (string, bool) {
	v := a.object.Get(name)
	if v.Kind() == strictjson.Absent {
		return "", false
	}
	text, ok := v.Text()
	a.check(ok)
	return text, true
}

// destination is a number in international format: a plus and 7 to 15 digits.
func (a *attributes) destination() string {
	text := a.required("destination")
	digits, plus := strings.CutPrefix(text, "+")
	a.check(text == "" || plus && len(digits) >= 7 && len(digits) <= 15 && allDigits(digits) && digits[0] != '0')
	return text
}

// content is the request's own text. The core judges it; that an empty one was
// given at all is seen only here.
func (a *attributes) content() string {
	text, given := a.optional("content")
	a.check(!given || text != "")
	return text
}

// mask is the sender to show. Digits that are too many for a short code are a
// number in international format: the plus would have been one character more
// than the page allows.
func (a *attributes) mask() string {
	text, _ := a.optional("mask")
	a.check(len(text) <= maxMask && strings.IndexFunc(text, notInMask) < 0)
	text = strings.Trim(text, " ")
	if len(text) > maxShortCode && allDigits(text) && text[0] != '0' {
		return "+" + text
	}
	return text
}

func notInMask(r rune) bool {
	switch {
	case r >= '0' && r <= '9', r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z':
		return false
	}
	return !strings.ContainsRune(" .-_&", r)
}

// expiresIn is a number of seconds, written as a string of digits (the page's
// sample) or as an integer.
func (a *attributes) expiresIn() time.Duration {
	v := a.object.Get("expiresIn")
	if v.Kind() == strictjson.Absent {
		return 0
	}
	seconds, ok := v.Integer()
	if text, isText := v.Text(); isText {
		n, err := strconv.Atoi(text)
		seconds, ok = int64(n), err == nil && allDigits(text)
	}
	ok = ok && seconds >= 1 && seconds <= maxExpiresIn
	a.check(ok)
	if !ok {
		return 0
	}
	return time.Duration(seconds) * time.Second
}

// challengeID is a UUID in its form with dashes.
func (a *attributes) challengeID() otp.ID {
	text := a.required("challenge_id")
	id, ok := otp.ParseID(text)
	a.check(ok)
	return id
}

func allDigits(s string) bool { return strings.Trim(s, "0123456789") == "" }
