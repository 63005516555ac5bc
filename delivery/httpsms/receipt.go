package httpsms

import (
	"crypto/hmac"
	"errors"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aldaba-otp/aldaba/delivery"
)

// receipts reads what a gateway reports.
type receipts struct {
	callbackURL string
	verify      verifier
	format      string
	list        selector
	when        []condition
	id, code    selector
	state       selector
	at          selector
	states      []stateWord
	challenge   *challenge
}

// stateWord is a gateway's word for a state: in lower case, the beginning of
// one when it ended in *.
type stateWord struct {
	word   string
	prefix bool
	state  delivery.State
}

// challenge is how Meta asks whether a URL is ours:
// https://developers.facebook.com/docs/graph-api/webhooks/getting-started
type challenge struct{ name, tokenName, secret string }

// maxReports bounds what one call may report.
const maxReports = 1000

// receipts reads how reports come; nil when they do not.
func (b *builder) receipts(s delivery.Settings) *receipts {
	c := b.s.Receipts
	if c == nil {
		return nil
	}
	for _, name := range c.Needs {
		if !b.s.has(name) {
			s.Log.Info("this provider tells nothing of what becomes of messages: a setting is not given", "setting", name)
			return nil
		}
	}
	r := &receipts{format: c.Format}
	r.list, r.id = b.selector("receipts.list", c.List), b.selector("receipts.id", c.ID)
	r.state, r.code = b.selector("receipts.state.path", c.State.Path), b.selector("receipts.code", c.Code)
	r.at = b.selector("receipts.at", c.At)
	for _, w := range c.When {
		r.when = append(r.when, b.condition("receipts.when", w))
	}
	b.checkReceipts(c, r)
	r.verify = b.verifier(c.Auth, s)
	r.callbackURL = s.CallbackURL
	if s.CallbackURL == "" {
		s.Log.Info("this provider tells nothing of what becomes of messages: the server does not know its public URL")
		return nil
	}
	if q, ok := r.verify.(secretQuery); ok {
		r.callbackURL += "?" + url.QueryEscape(q.name) + "=" + url.QueryEscape(q.secret)
	}
	return r
}

// words adds a gateway's words for a state; whole words come before
// beginnings.
func (r *receipts) words(state delivery.State, words []string) {
	for _, word := range words {
		start, prefix := strings.CutSuffix(strings.ToLower(word), "*")
		r.states = append(r.states, stateWord{start, prefix, state})
	}
	slices.SortStableFunc(r.states, func(a, b stateWord) int {
		switch {
		case a.prefix == b.prefix:
			return 0
		case b.prefix:
			return -1
		}
		return 1
	})
}

// stateOf returns 0 for a word that is not known.
func (r *receipts) stateOf(word string) delivery.State {
	word = strings.ToLower(word)
	for _, s := range r.states {
		if s.word == word || s.prefix && strings.HasPrefix(word, s.word) {
			return s.state
		}
	}
	return 0
}

func (b *builder) checkReceipts(c *receiptSettings, r *receipts) {
	if !slices.Contains([]string{"", "json", "form", "query", "xml"}, c.Format) {
		b.faults.Add("receipts.format", "must be json, form, query or xml")
	}
	if !r.id.given {
		b.faults.Add("receipts.id", "must be the path of the message's id")
	}
	if !r.state.given {
		b.faults.Add("receipts.state.path", "must be the path of the state")
	}
	r.words(delivery.Delivered, c.State.Delivered)
	r.words(delivery.Failed, c.State.Failed)
	r.words(delivery.EnRoute, c.State.EnRoute)
	if len(c.State.Delivered)+len(c.State.Failed) == 0 {
		b.faults.Add("receipts.state", "must say which words mean delivered and failed")
	}
	if c.Challenge != nil {
		r.challenge = &challenge{c.Challenge.Name, c.Challenge.TokenName, b.s.fixed(&b.faults, "receipts.challenge.secret", c.Challenge.Secret)}
		if r.challenge.name == "" || r.challenge.tokenName == "" || r.challenge.secret == "" {
			b.faults.Add("receipts.challenge", "must have name, token_name and secret")
		}
	}
}

// Callback implements [delivery.Callback].
func (r *receipts) Callback(req *http.Request, body []byte) ([]delivery.Report, delivery.Reply, error) {
	if r.challenge != nil && req.Method == http.MethodGet {
		return r.challenge.answer(req.URL.Query())
	}
	if !r.verify.genuine(req, body) {
		return nil, delivery.Reply{}, delivery.ErrForged
	}
	c, err := r.parse(req, body)
	if err != nil {
		return nil, delivery.Reply{}, err
	}
	entries := []any{c.tree}
	if r.list.given {
		entries = walk(c.tree, r.list.steps)
	}
	var reports []delivery.Report
	for _, entry := range entries {
		one := content{tree: entry, text: c.text, header: c.header}
		if report, ok := r.report(one); ok && len(reports) < maxReports {
			reports = append(reports, report)
		}
	}
	return reports, delivery.Reply{}, nil
}

func (c *challenge) answer(q url.Values) ([]delivery.Report, delivery.Reply, error) {
	text := q.Get(c.name)
	if !same(q.Get(c.tokenName), c.secret) || text == "" || len(text) > 256 {
		return nil, delivery.Reply{}, delivery.ErrForged
	}
	return nil, delivery.Reply{ContentType: "text/plain; charset=utf-8", Body: []byte(text)}, nil
}

// parse makes a tree of a call.
func (r *receipts) parse(req *http.Request, body []byte) (content, error) {
	format := r.format
	if format == "" {
		kind, _, _ := mime.ParseMediaType(req.Header.Get("Content-Type"))
		switch {
		case len(body) == 0:
			format = "query"
		case kind == "application/x-www-form-urlencoded":
			format = "form"
		}
	}
	c := content{text: body, header: req.Header}
	var err error
	switch format {
	case "query":
		c.tree = fields(req.URL.Query())
	case "form":
		form, broken := url.ParseQuery(string(body))
		c.tree, err = fields(form), broken
	case "json":
		c.tree, err = parseJSON(body)
	case "xml":
		c.tree, err = parseXML(body)
	default:
		c, err = parseContent(body, req.Header)
	}
	if err != nil || c.tree == nil {
		return c, errors.New("the report cannot be read")
	}
	return c, nil
}

// report reads one report; what is of another kind, or says nothing that we
// know, is passed over.
func (r *receipts) report(c content) (delivery.Report, bool) {
	if slices.ContainsFunc(r.when, func(w condition) bool { return !w.holds(c) }) {
		return delivery.Report{}, false
	}
	id := r.id.first(c)
	state := r.stateOf(r.state.first(c))
	if state == 0 || !validID(id) {
		return delivery.Report{}, false
	}
	return delivery.Report{ID: id, State: state, At: timeOf(r.at.first(c)), Code: delivery.Word(r.code.first(c))}, true
}

// timeOf reads the forms in which vendors write times; zero when it is none of
// them. Forms without a zone are UTC.
func timeOf(text string) time.Time {
	if n, err := strconv.ParseInt(text, 10, 64); err == nil && n > 1e9 && n < 1e14 {
		if n >= 1e12 {
			return time.UnixMilli(n).UTC()
		}
		if n < 1e11 {
			return time.Unix(n, 0).UTC()
		}
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05Z0700", "2006-01-02 15:04:05", "2006-01-02T15:04:05", "2006-01-02 15:04:05Z07:00"} {
		if t, err := time.Parse(layout, text); err == nil {
			return t.UTC()
		}
	}
	return time.Time{}
}

// same compares in constant time.
func same(a, b string) bool { return b != "" && hmac.Equal([]byte(a), []byte(b)) }
