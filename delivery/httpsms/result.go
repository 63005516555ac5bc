package httpsms

import (
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aldaba-otp/aldaba/delivery"
)

// statuses is a set of HTTP status codes: 200, 2xx or 200-204; empty means
// any.
type statuses [][2]int

func (s statuses) has(status int) bool {
	return len(s) == 0 || slices.ContainsFunc(s, func(r [2]int) bool { return r[0] <= status && status <= r[1] })
}

var statusWord = regexp.MustCompile(`^([1-5]xx|[1-5][0-9]{2}(-[1-5][0-9]{2})?)$`)

func (b *builder) statuses(path string, words []string) (s statuses) {
	for i, word := range words {
		if !statusWord.MatchString(word) {
			b.faults.Add(fmt.Sprintf("%s[%d]", path, i), "must be a status such as 200, 2xx or 200-204")
			continue
		}
		from, to, ranged := strings.Cut(strings.ReplaceAll(word, "xx", "00"), "-")
		low, _ := strconv.Atoi(from) // three digits
		high := low
		if ranged {
			high, _ = strconv.Atoi(to)
		} else if strings.HasSuffix(word, "xx") {
			high += 99
		}
		s = append(s, [2]int{low, high})
	}
	return s
}

// condition compares what a path finds. Without equals and matches it holds
// when something is found.
type condition struct {
	where   selector
	equals  []string
	matches *regexp.Regexp
}

func (b *builder) condition(path string, c conditionSetting) condition {
	made := condition{where: b.selector(path+".path", c.Path)}
	switch wanted := c.Equals.(type) {
	case nil:
	case []any:
		for _, one := range wanted {
			made.equals = append(made.equals, fmt.Sprint(one))
		}
	default:
		made.equals = []string{fmt.Sprint(wanted)}
	}
	if c.Matches != "" {
		pattern, err := regexp.Compile(c.Matches)
		if err != nil {
			b.faults.Add(path+".matches", "must be a valid RE2 expression")
		}
		made.matches = pattern
	}
	return made
}

func (c condition) holds(in content) bool {
	return slices.ContainsFunc(c.where.all(in), func(text string) bool {
		return (c.equals == nil || slices.Contains(c.equals, text)) && (c.matches == nil || c.matches.MatchString(text))
	})
}

func (b *builder) selector(path, text string) selector {
	s, err := parseSelector(text)
	if err != nil {
		b.faults.Add(path, "%s", err.Error())
	}
	return s
}

// rule says what an answer means. Class taken stands for success: the gateway
// knows the message already.
type rule struct {
	status statuses
	when   *condition
	class  string
	code   selector
	word   string
}

// results is how answers are read.
type results struct {
	status    statuses
	match     []condition
	ids       selector
	ownID     *template // when ids are not the gateway's, but given by us
	rules     []rule
	errorCode []selector
}

func (b *builder) results() results {
	s := b.s.Success
	if len(s.Status) == 0 {
		s.Status = []string{"2xx"}
	}
	r := results{status: b.statuses("success.status", s.Status)}
	for i, c := range s.Match {
		r.match = append(r.match, b.condition(fmt.Sprintf("success.match[%d]", i), c))
	}
	if strings.Contains(s.ID, "{{") {
		t := b.template("success.id", s.ID)
		r.ownID = &t
	} else {
		r.ids = b.selector("success.id", s.ID)
	}
	for i, c := range b.s.Errors {
		r.rules = append(r.rules, b.rule(fmt.Sprintf("errors[%d]", i), c))
	}
	for i, path := range b.s.ErrorCode {
		r.errorCode = append(r.errorCode, b.selector(fmt.Sprintf("error_code[%d]", i), path))
	}
	return r
}

func (b *builder) rule(path string, s ruleSettings) rule {
	r := rule{status: b.statuses(path+".status", s.Status), class: s.Class}
	if !slices.Contains([]string{"rejected", "throttled", "unavailable", "unknown", "taken"}, s.Class) {
		b.faults.Add(path+".class", "must be rejected, throttled, unavailable, unknown or taken")
	}
	if s.Path == "" && (s.Equals != nil || s.Matches != "") {
		b.faults.Add(path+".path", "must be given with equals or matches")
	}
	if s.Path == "" && len(s.Status) == 0 {
		b.faults.Add(path, "must have a status or a path: it would fit every answer")
	}
	if s.Path != "" {
		c := b.condition(path, conditionSetting{s.Path, s.Equals, s.Matches})
		r.when = &c
	}
	if strings.HasPrefix(s.Code, "$") || strings.HasPrefix(s.Code, "/") || strings.HasPrefix(s.Code, "header:") {
		r.code = b.selector(path+".code", s.Code)
	} else if r.word = s.Code; delivery.Word(s.Code) != s.Code {
		b.faults.Add(path+".code", "must be a path, or a word of letters, digits, points, dashes and underscores")
	}
	return r
}

var errNoSense = errors.New("the answer cannot be understood; the message may have been taken")

// judge makes a receipt or a refusal of an answer. broken is why its body
// could not be read. What a gateway writes stands in no error.
func (r *results) judge(status int, c content, broken error, now time.Time, v values) ([]string, error) {
	taken := r.status.has(status)
	if broken != nil && taken {
		return nil, &delivery.Error{Class: delivery.Unknown, Cause: broken}
	}
	if taken && !slices.ContainsFunc(r.match, func(m condition) bool { return !m.holds(c) }) {
		if ids, ok := r.find(c, v); ok {
			return ids, nil
		}
	}
	for _, one := range r.rules {
		if !one.status.has(status) || one.when != nil && !one.when.holds(c) {
			continue
		}
		code := delivery.Word(one.word)
		if one.code.given {
			code = delivery.Word(one.code.first(c))
		} else if code == "" {
			code = r.code(c)
		}
		class := classOf(one.class)
		if one.class == "taken" {
			ids, _ := r.find(c, v)
			return ids, nil
		}
		return nil, r.refusal(class, code, status, c, now)
	}
	if taken {
		return nil, &delivery.Error{Class: delivery.Unknown, Code: r.code(c), Cause: errNoSense}
	}
	return nil, r.refusal(byStatus(status), r.code(c), status, c, now)
}

// find returns the gateway's ids; false when there should be one and is none.
func (r *results) find(c content, v values) ([]string, bool) {
	if r.ownID != nil {
		id, err := r.ownID.expand(v, nil)
		return []string{id}, err == nil
	}
	if !r.ids.given {
		return nil, true
	}
	var ids []string
	for _, id := range r.ids.all(c) {
		if validID(id) {
			ids = append(ids, id)
		}
	}
	return ids, len(ids) > 0
}

// validID bounds what is kept as a gateway's id.
func validID(id string) bool {
	return id != "" && len(id) <= 200 && !strings.ContainsFunc(id, func(c rune) bool { return c <= ' ' || c == 0x7f })
}

func (r *results) code(c content) string {
	for _, s := range r.errorCode {
		if code := delivery.Word(s.first(c)); code != "" {
			return code
		}
	}
	return ""
}

func (r *results) refusal(class delivery.Class, code string, status int, c content, now time.Time) *delivery.Error {
	e := &delivery.Error{Class: class, Code: code, After: retryAfter(c.header, now), Cause: fmt.Errorf("the gateway answered %d", status)}
	if code == "" {
		e.Code = strconv.Itoa(status)
	}
	return e
}

func classOf(word string) delivery.Class {
	switch word {
	case "rejected":
		return delivery.Rejected
	case "throttled":
		return delivery.Throttled
	case "unavailable":
		return delivery.Unavailable
	}
	return delivery.Unknown
}

// byStatus is what a status means where no rule says more.
func byStatus(status int) delivery.Class {
	switch {
	case status == http.StatusTooManyRequests:
		return delivery.Throttled
	case status >= 500, status >= 300 && status < 400,
		slices.Contains([]int{http.StatusUnauthorized, http.StatusPaymentRequired, http.StatusForbidden, http.StatusProxyAuthRequired, http.StatusRequestTimeout}, status):
		return delivery.Unavailable // our credentials, our money, its trouble
	case status >= 400:
		return delivery.Rejected
	}
	return delivery.Unknown
}
