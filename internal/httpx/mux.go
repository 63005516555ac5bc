package httpx

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Refusal says why a request is refused before, or instead of, its handler.
type Refusal struct {
	// Status is the HTTP status.
	Status int
	// RetryAfter is how long to wait, 0 when waiting does not help.
	RetryAfter time.Duration
	// Detail is a sentence for humans that holds nothing of the request.
	Detail string
}

// Refuse writes a refusal in the words of one API. Headers such as Allow are
// set already when it is called.
type Refuse func(w http.ResponseWriter, r *http.Request, what Refusal)

// Route is one row of the table of routes.
type Route struct {
	// Methods are the methods that the handler takes. GET does not imply HEAD.
	Methods []string
	// Pattern is a pattern of net/http.ServeMux without method and host. As
	// paths are folded, "/a/" also matches "/a" itself.
	Pattern string
	// AnyCase makes literal segments match whatever the case of their letters.
	AnyCase bool
	// Handler serves the request; it finds the segments with r.PathValue.
	Handler http.HandlerFunc
	// Refuse answers what the handler never sees; nil writes problems. The
	// first one among the routes of a pattern speaks for all of them.
	Refuse Refuse
}

// Mux finds the handler of a request by path first, then by method. It never
// redirects, reads doubled and trailing slashes as if they were not there, and
// knows no path with a "." or ".." segment, escaped or not. It sets r.Pattern
// to the pattern of the route, so that what stands around it can name that.
type Mux struct {
	root     *node
	refuse   map[string]Refuse
	notFound http.HandlerFunc
}

// NewMux makes the table of routes. It fails when two patterns contradict each
// other or differ in the case of letters alone, when two routes serve the same
// method of one pattern, or when a row is incomplete.
func NewMux(routes []Route, notFound http.HandlerFunc) (*Mux, error) {
	m := &Mux{root: &node{}, refuse: map[string]Refuse{}, notFound: notFound}
	if m.notFound == nil {
		m.notFound = NotFound
	}
	var mistakes []error
	referee := http.NewServeMux()
	for _, route := range routes {
		if err := m.add(route, referee); err != nil {
			mistakes = append(mistakes, fmt.Errorf("route %q: %w", route.Pattern, err))
		}
	}
	if err := errors.Join(mistakes...); err != nil {
		return nil, err
	}
	return m, nil
}

// ServeHTTP serves the request or refuses it.
func (m *Mux) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if len(r.TransferEncoding) > 0 && r.ProtoMajor == 1 {
		// Where two programs may see two ends of a body, what follows it on the
		// connection is not read.
		w.Header().Set("Connection", "close")
	}
	var values [maxVariables]string
	found, n := m.root.find(escapedPath(r.URL), values[:0])
	if found == nil {
		r.Pattern = ""
		m.notFound(w, r)
		return
	}
	r.Pattern = found.pattern
	if headBytes(r) > HeaderLimit {
		m.Refuse(w, r, Refusal{Status: http.StatusRequestHeaderFieldsTooLarge, Detail: "a request's line and headers have at most 16384 bytes"})
		return
	}
	serve := found.methods[r.Method]
	if serve == nil {
		w.Header().Set("Allow", found.allow)
		m.Refuse(w, r, Refusal{Status: http.StatusMethodNotAllowed})
		return
	}
	for i, name := range found.variables {
		r.SetPathValue(name, n[i])
	}
	serve(w, r)
}

// headBytes is about how long the head of a request was on the wire.
func headBytes(r *http.Request) int {
	n := len(r.Method) + len(r.RequestURI) + len(r.Host)
	for name, lines := range r.Header {
		for _, line := range lines {
			n += len(name) + len(line) + len(": \r\n")
		}
	}
	return n
}

// Refuse writes a refusal in the words of the route that the request came to;
// for a request that came to none it writes a problem.
func (m *Mux) Refuse(w http.ResponseWriter, r *http.Request, what Refusal) {
	refuse := m.refuse[r.Pattern]
	if refuse == nil {
		refuse = RefuseWithProblem
	}
	refuse(w, r, what)
}

// RouteOf returns the pattern that a Mux found for the request, once it has
// served it, and "unmatched" when there is none.
func RouteOf(r *http.Request) string {
	if r.Pattern == "" {
		return "unmatched"
	}
	return r.Pattern
}

// add enters one row. The referee is a ServeMux that serves nothing: it knows
// the grammar of patterns and which of them contradict each other.
func (m *Mux) add(route Route, referee *http.ServeMux) error {
	switch {
	case !strings.HasPrefix(route.Pattern, "/"):
		return errors.New("a pattern begins with a slash")
	case strings.Contains(route.Pattern, "%") || strings.Contains(route.Pattern, "//"):
		return errors.New("a pattern has no escapes and no empty segments")
	case slices.ContainsFunc(strings.Split(route.Pattern, "/"), isDots):
		return errors.New("no path with a dot segment is ever served")
	case route.Handler == nil || len(route.Methods) == 0:
		return errors.New("a route has a handler and methods")
	}
	leaf, err := m.root.plant(route.Pattern, route.AnyCase)
	if err != nil {
		return err
	}
	if leaf.methods == nil {
		if err := judge(referee, route.Pattern); err != nil {
			return err
		}
		leaf.methods = map[string]http.HandlerFunc{}
	}
	if m.refuse[route.Pattern] == nil {
		m.refuse[route.Pattern] = route.Refuse
	}
	for _, method := range route.Methods {
		if leaf.methods[method] != nil {
			return errors.New("two routes serve " + method)
		}
		leaf.methods[method] = route.Handler
		leaf.allow = join(leaf.allow, method)
	}
	return nil
}

// judge lets ServeMux look at a pattern. It panics about what it does not like,
// which a table that is made of configuration must not do.
func judge(referee *http.ServeMux, pattern string) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%v", p)
		}
	}()
	referee.Handle(lowerLiterals(pattern), http.NotFoundHandler())
	return nil
}

func join(allow, method string) string {
	if allow == "" {
		return method
	}
	all := append(strings.Split(allow, ", "), method)
	slices.Sort(all)
	return strings.Join(all, ", ")
}

// lowerLiterals lets patterns that differ in case alone meet each other.
func lowerLiterals(pattern string) string {
	segments := strings.Split(pattern, "/")
	for i, s := range segments {
		if !strings.HasPrefix(s, "{") {
			segments[i] = lower(s)
		}
	}
	return strings.Join(segments, "/")
}

// lower folds ASCII letters only: Unicode folding has surprises such as the
// Kelvin sign.
func lower(s string) string {
	for i := range len(s) {
		if 'A' <= s[i] && s[i] <= 'Z' {
			b := []byte(s)
			for j := i; j < len(b); j++ {
				if 'A' <= b[j] && b[j] <= 'Z' {
					b[j] += 'a' - 'A'
				}
			}
			return string(b)
		}
	}
	return s
}

// unescape decodes one segment and tells dot segments apart, which name no
// resource of ours.
func unescape(segment string) (string, bool) {
	if strings.IndexByte(segment, '%') >= 0 {
		plain, err := url.PathUnescape(segment)
		if err != nil {
			return "", false
		}
		segment = plain
	}
	return segment, !isDots(segment)
}

func isDots(segment string) bool { return segment == "." || segment == ".." }
