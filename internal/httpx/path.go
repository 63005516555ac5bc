package httpx

import (
	"net/url"
	"strings"
)

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

// nextSegment returns the first segment of a path that is not empty, and what
// follows it. An empty segment means that there is none.
func nextSegment(path string) (segment, rest string) {
	path = strings.TrimLeft(path, "/")
	if i := strings.IndexByte(path, '/'); i >= 0 {
		return path[:i], path[i:]
	}
	return path, ""
}
