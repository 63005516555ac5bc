package httpx

import (
	"net/http"
	"net/url"
	"strings"
)

// Fold hands requests on with doubled and trailing slashes taken out of their
// path, without a redirect: a redirected POST becomes a GET in many clients. It
// works on the escaped path, so a %2F inside a segment stays data. A request
// whose path is in order is handed on itself, any other as a shallow copy.
//
// A [Mux] folds by itself; Fold is for handlers that read the URL on their own.
func Fold(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		raw := escapedPath(r.URL)
		folded := fold(raw)
		if folded == raw {
			next.ServeHTTP(w, r)
			return
		}
		plain, err := url.PathUnescape(folded)
		if err != nil { // no path that was parsed gets here
			plain = folded
		}
		u := *r.URL
		u.Path, u.RawPath = plain, folded
		if u.EscapedPath() == folded && (&url.URL{Path: plain}).EscapedPath() == folded {
			u.RawPath = "" // as url.Parse leaves it when Path says it all
		}
		changed := *r
		changed.URL = &u
		defer func() { r.Pattern = changed.Pattern }()
		next.ServeHTTP(w, &changed)
	})
}

// escapedPath returns the path as it was sent. URL.EscapedPath would encode
// Path anew when the client left odd bytes unescaped, and turn %2F into a slash.
func escapedPath(u *url.URL) string {
	if u.RawPath != "" {
		if plain, err := url.PathUnescape(u.RawPath); err == nil && plain == u.Path {
			return u.RawPath
		}
	}
	return u.EscapedPath()
}

func fold(raw string) string {
	if raw == "" {
		return "/" // an absolute target without a path
	}
	if raw[0] != '/' || !strings.Contains(raw, "//") && (len(raw) == 1 || raw[len(raw)-1] != '/') {
		return raw
	}
	var b strings.Builder
	b.Grow(len(raw))
	for segment, rest := nextSegment(raw); segment != ""; segment, rest = nextSegment(rest) {
		b.WriteByte('/')
		b.WriteString(segment)
	}
	if b.Len() == 0 {
		return "/"
	}
	return b.String()
}

// nextSegment returns the first segment of a path that is not empty, and what
// follows it. An empty segment means that there is none.
func nextSegment(path string) (segment, rest string) {
	path = strings.TrimLeft(path, "/")
	if i := strings.IndexByte(path, '/'); i >= 0 {
		return path[:i], path[i:]
	}
	return path, ""
}
