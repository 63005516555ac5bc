package native

import (
	"errors"
	"fmt"
	"mime"
	"net/http"
	"slices"
	"strings"

	"github.com/aldaba-otp/aldaba/api"
	"github.com/aldaba-otp/aldaba/internal/httpx"
	"github.com/aldaba-otp/aldaba/internal/strictjson"
	"github.com/aldaba-otp/aldaba/otp"
)

// readBody reads a body of the named members. An absent one is an empty object
// when it may be absent.
func (r request) readBody(mayBeAbsent bool, known ...string) (strictjson.Object, []byte, error) {
	raw, status := api.ReadBody(r.w, r.Request)
	if status != 0 {
		return strictjson.Object{}, nil, &refusedBody{status: status, detail: unreadable(status)}
	}
	if mayBeAbsent && len(raw) == 0 {
		return strictjson.Object{}, raw, nil
	}
	if !isJSON(r.Header["Content-Type"]) {
		return strictjson.Object{}, nil, &refusedBody{status: http.StatusUnsupportedMediaType, detail: "Content-Type must be application/json"}
	}
	body, err := strictjson.Parse(raw)
	if err != nil {
		return body, nil, malformed(err)
	}
	return body, raw, unknownMembers(body, known)
}

func unreadable(status int) string {
	switch status {
	case http.StatusRequestEntityTooLarge:
		return fmt.Sprintf("a body has at most %d bytes", api.BodyLimit)
	case http.StatusUnsupportedMediaType:
		return "a body must not be encoded"
	}
	return "the body broke off"
}

// malformed passes on what the reader of JSON says, which repeats nothing of
// the body.
func malformed(err error) error {
	return &refusedBody{status: http.StatusBadRequest, detail: err.Error()}
}

// isJSON judges the one Content-Type.
func isJSON(lines []string) bool {
	if len(lines) != 1 {
		return false
	}
	if lines[0] == "application/json" { // as most say it
		return true
	}
	name, parameters, err := mime.ParseMediaType(lines[0])
	if err != nil || name != "application/json" {
		return false
	}
	charset, given := parameters["charset"]
	return len(parameters) == 0 || given && len(parameters) == 1 && strings.EqualFold(charset, "utf-8")
}

// unknownMembers refuses members that nobody reads, differently-cased ones
// among them.
func unknownMembers(body strictjson.Object, known []string) error {
	if _, unknown := body.Unknown(known...); !unknown {
		return nil
	}
	var all []httpx.FieldError
	for name := range body.All() {
		if !slices.Contains(known, name) && showable(name) && len(all) < shownNames {
			all = append(all, httpx.FieldError{Field: name, Detail: "is not known; names are exact"})
		}
	}
	return &refusedBody{status: http.StatusBadRequest, detail: "the body has a member that is not known", errors: all}
}

// shownNames is how many unknown members are told.
const shownNames = 10

// showable reports whether a name looks like a misspelt member. Anything else
// may be a value that slipped into the place of a name.
func showable(name string) bool {
	letters := strings.Trim(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_")
	return name != "" && len(name) <= 32 && letters == ""
}

// faults gathers what is wrong with a body, so that it is told at once.
type faults struct {
	body strictjson.Object
	all  []*otp.Error
	// broken is what makes the body unreadable after all: a member given twice
	// within a member.
	broken error
}

func (f *faults) add(field, detail string, args ...any) {
	f.all = append(f.all, &otp.Error{Kind: otp.Invalid, Field: field, Message: fmt.Sprintf(detail, args...)})
}

// err is all of it as one error.
func (f *faults) err() error {
	switch {
	case f.broken != nil:
		return malformed(f.broken)
	case len(f.all) == 0:
		return nil
	}
	first := *f.all[0]
	first.Also = f.all[1:]
	return &first
}

// join adds what the core found, where this reader found nothing.
func (f *faults) join(err error) {
	e := otp.AsError(err)
	if e == nil || e.Kind != otp.Invalid {
		return
	}
	found := len(f.all)
	for _, one := range append([]*otp.Error{e}, e.Also...) {
		known := false
		for _, mine := range f.all[:found] {
			known = known || mine.Field == one.Field
		}
		if !known {
			f.all = append(f.all, one)
		}
	}
}

// given tells whether a member is there; a null is, and is no value of any
// kind.
func (f *faults) given(name string) (strictjson.Value, bool) {
	v := f.body.Get(name)
	return v, v.Given()
}

// text reads a string of 1 to most bytes; absent is "".
func (f *faults) text(name string, most int) string {
	v, given := f.given(name)
	if !given {
		return ""
	}
	text, ok := v.Text()
	switch {
	case !ok:
		f.add(name, "must be a string")
		return ""
	case text == "" || len(text) > most:
		f.add(name, "must have 1 to %d bytes", most)
		return ""
	}
	return text
}

// needed reads a string that must be there.
func (f *faults) needed(name string, most int) string {
	if _, given := f.given(name); !given {
		f.add(name, "is missing")
	}
	return f.text(name, most)
}

// integer reads a number within bounds; absent is 0.
func (f *faults) integer(name string, least, most int64) int {
	v, given := f.given(name)
	if !given {
		return 0
	}
	n, ok := v.Integer()
	if !ok || n < least || n > most {
		f.add(name, "must be an integer from %d to %d", least, most)
		return 0
	}
	return int(n)
}

// texts reads an object of strings; absent is nil.
func (f *faults) texts(name string) map[string]string {
	v, given := f.given(name)
	if !given {
		return nil
	}
	if v.Kind() != strictjson.ObjectKind {
		f.add(name, "must be an object of strings")
		return nil
	}
	o, err := v.Object()
	if err != nil {
		f.broken = errors.Join(f.broken, err)
		return nil
	}
	all := map[string]string{}
	for key, value := range o.All() {
		text, ok := value.Text()
		if !ok {
			f.add(name, "must be an object of strings")
			return nil
		}
		all[key] = text
	}
	return all
}
