package e2e

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

// client speaks to one server, as any program would.
type client struct {
	t    testing.TB
	base string
	key  string // acme's of the native API
	http *http.Client

	mu     sync.Mutex
	tokens map[string]string
}

func newClient(t testing.TB, base string) *client {
	t.Helper()
	transport := &http.Transport{MaxIdleConnsPerHost: 512, MaxIdleConns: 512}
	t.Cleanup(transport.CloseIdleConnections)
	// A redirect would be a defect, so it is shown and not followed.
	stay := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &client{t: t, base: base, key: "demo-key", http: &http.Client{Transport: transport, CheckRedirect: stay, Timeout: 30 * time.Second}, tokens: map[string]string{}}
}

// reply is an answer that was read to its end. Its status is 0 when there was
// none.
type reply struct {
	status int
	header http.Header
	body   string
}

// member returns a member of a JSON answer, "" if there is none.
func (r reply) member(name string) string {
	var o map[string]json.RawMessage
	if json.Unmarshal([]byte(r.body), &o) != nil {
		return ""
	}
	return strings.Trim(string(o[name]), `"`)
}

// send makes one request; headers come in pairs of name and value, and one
// without a value is left out.
func (c *client) send(method, path, body string, headers ...string) reply {
	r, err := http.NewRequest(method, c.base+path, strings.NewReader(body))
	if err != nil {
		c.t.Errorf("%s %s: %v", method, path, err)
		return reply{}
	}
	for i := 0; i+1 < len(headers); i += 2 {
		if headers[i+1] != "" {
			r.Header.Set(headers[i], headers[i+1])
		}
	}
	return c.do(r)
}

func (c *client) do(r *http.Request) reply {
	answer, err := c.http.Do(r)
	if err != nil {
		return reply{body: err.Error()}
	}
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		return reply{body: err.Error()}
	}
	return reply{answer.StatusCode, answer.Header, string(text)}
}

// must makes a request of /dev/ and the like, which cannot be refused.
func (c *client) must(method, path, body string) reply {
	c.t.Helper()
	r := c.send(method, path, body)
	if r.status/100 != 2 {
		c.t.Fatalf("%s %s is answered %d %s", method, path, r.status, r.body)
	}
	return r
}

// message is one of /dev/inbox.
type message struct {
	ID, Created, Tenant, Channel, To, From, Subject, Body string
	Verification                                          string `json:"verification_id"`
}

// inbox lists what has arrived at an address, newest first.
func (c *client) inbox(to string, more ...string) []message {
	c.t.Helper()
	r := c.must(http.MethodGet, "/dev/inbox?to="+url.QueryEscape(to)+strings.Join(more, ""), "")
	return parseInbox(r.body)
}

// parseInbox reads an answer of the inbox; one that was cut is empty.
func parseInbox(body string) []message {
	var list struct{ Messages []message }
	if json.Unmarshal([]byte(body), &list) != nil {
		return nil
	}
	return list.Messages
}

var sixDigits = regexp.MustCompile(`\b\d{6}\b`)

// code reads the six digits of a message.
func (m message) code() string { return sixDigits.FindString(m.Body) }

// newest returns the last message to an address.
func (c *client) newest(to string) message {
	c.t.Helper()
	list := c.inbox(to)
	if len(list) == 0 || list[0].code() == "" {
		c.t.Fatalf("no code has arrived at %s: %+v", to, list)
	}
	return list[0]
}

// advance moves the server's clock.
func (c *client) advance(d time.Duration) {
	c.t.Helper()
	c.must(http.MethodPost, "/dev/clock", `{"advance":"`+d.String()+`"}`)
}

// forgive empties all limits.
func (c *client) forgive() {
	c.t.Helper()
	c.must(http.MethodDelete, "/dev/limits", "")
}
