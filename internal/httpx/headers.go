package httpx

import (
	"net/http"
	"strconv"
	"strings"
)

// BasicAuth returns the name and password of HTTP Basic. A request with more
// than one Authorization header has neither: it is not ours to choose.
func BasicAuth(r *http.Request) (name, password string, ok bool) {
	if len(r.Header["Authorization"]) != 1 {
		return "", "", false
	}
	return r.BasicAuth()
}

// BearerToken returns the token of the one Authorization header, if that is of
// the scheme Bearer (in any case) and holds one token of the RFC 6750 alphabet.
func BearerToken(r *http.Request) (string, bool) {
	lines := r.Header["Authorization"]
	if len(lines) != 1 {
		return "", false
	}
	scheme, token, found := strings.Cut(strings.Trim(lines[0], " "), " ")
	token = strings.TrimLeft(token, " ")
	if !found || !strings.EqualFold(scheme, "Bearer") {
		return "", false
	}
	if strings.TrimLeft(token, "=") != token || token == "" {
		return "", false
	}
	for _, c := range []byte(strings.TrimRight(token, "=")) {
		if !alphanumeric(c) && strings.IndexByte("-._~+/", c) < 0 {
			return "", false
		}
	}
	return token, true
}

func alphanumeric(c byte) bool {
	return c-'0' <= 9 || (c|0x20) >= 'a' && (c|0x20) <= 'z'
}

// Accepts finds which of the media types the Accept headers like best. On equal
// terms one that they call by its own name comes before one that they take by
// a wildcard, then the order given counts; named tells which it was. Without
// Accept headers the first is best. Parameters other than q are ignored, and so
// are elements that are no media range. It is not ok when none is acceptable.
func Accepts(acceptHeaders []string, mediaTypes ...string) (best string, named, ok bool) {
	if len(mediaTypes) == 0 {
		return "", false, false
	}
	ranges := mediaRanges(acceptHeaders)
	if len(ranges) == 0 {
		return mediaTypes[0], false, true
	}
	bestQ := 0
	for _, mediaType := range mediaTypes {
		q, exact := quality(ranges, lower(mediaType))
		if q > bestQ || q == bestQ && q > 0 && exact && !named {
			best, named, ok, bestQ = mediaType, exact, true, q
		}
	}
	return best, named, ok
}

type mediaRange struct {
	name string
	q    int // thousandths
}

func mediaRanges(headers []string) []mediaRange {
	var ranges []mediaRange
	for _, header := range headers {
		for element := range splitQuoted(header, ',') {
			name, q := "", 1000
			for part := range splitQuoted(element, ';') {
				part = strings.TrimSpace(part)
				if name == "" {
					name = lower(part)
					if name == "" {
						break
					}
				} else if key, value, _ := strings.Cut(part, "="); strings.EqualFold(key, "q") {
					q = thousandths(value)
				}
			}
			if major, minor, found := strings.Cut(name, "/"); found && major != "" && minor != "" && q >= 0 {
				ranges = append(ranges, mediaRange{name, q})
			}
		}
	}
	return ranges
}

// splitQuoted cuts at the separators that stand outside quoted strings.
func splitQuoted(text string, separator byte) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		quoted, start := false, 0
		for i := 0; i < len(text); i++ {
			switch {
			case text[i] == '"':
				quoted = !quoted
			case text[i] == '\\' && quoted:
				i++
			case text[i] == separator && !quoted:
				if !yield(text[start:i]) {
					return
				}
				start = i + 1
			}
		}
		yield(text[start:])
	}
}

// thousandths reads a q value, -1 when it is none.
func thousandths(value string) int {
	q, err := strconv.ParseFloat(value, 64)
	if err != nil || len(value) > 5 || strings.Trim(value, "0123456789.") != "" || q > 1 {
		return -1
	}
	return int(q*1000 + 0.5)
}

// quality returns how welcome a media type is, by the most specific range that
// it falls in, and whether that range is its own name.
func quality(ranges []mediaRange, mediaType string) (q int, exact bool) {
	major, _, _ := strings.Cut(mediaType, "/")
	specific := -1
	for _, r := range ranges {
		level := -1
		switch r.name {
		case mediaType:
			level = 2
		case major + "/*":
			level = 1
		case "*/*":
			level = 0
		}
		if level > specific {
			specific, q = level, r.q
		} else if level >= 0 && level == specific {
			q = max(q, r.q)
		}
	}
	return q, specific == 2
}
