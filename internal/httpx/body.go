package httpx

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
)

var (
	// ErrTooLarge means that the body is longer than the limit: status 413.
	ErrTooLarge = errors.New("the body is too large")
	// ErrUnreadable means that the body broke off or was badly framed: status 400.
	ErrUnreadable = errors.New("the body could not be read")
	// ErrUnsupportedEncoding means that the body is compressed: status 415. A
	// compressed body can be a thousand times its size.
	ErrUnsupportedEncoding = errors.New("the body has a content encoding")
)

// smallBody is up to where room is made for a body before any of it is there.
const smallBody = 4 << 10

// ReadBody returns the whole body of up to limit bytes. It refuses by the
// headers alone when they are enough, and never reads more than the limit. Its
// errors are ErrTooLarge, ErrUnreadable and ErrUnsupportedEncoding.
func ReadBody(w http.ResponseWriter, r *http.Request, limit int64) ([]byte, error) {
	for _, line := range r.Header["Content-Encoding"] {
		for encoding := range strings.SplitSeq(line, ",") {
			encoding = strings.TrimSpace(encoding)
			if encoding != "" && !strings.EqualFold(encoding, "identity") {
				return nil, ErrUnsupportedEncoding
			}
		}
	}
	if r.ContentLength > limit {
		return nil, ErrTooLarge
	}
	if r.Body == nil || r.Body == http.NoBody {
		return nil, nil
	}
	if n := r.ContentLength; n > 0 && n <= smallBody {
		// Its length is told, so it fits at the first try; the server itself
		// sees to it that no more arrives.
		body := make([]byte, n)
		if _, err := io.ReadFull(r.Body, body); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrUnreadable, err)
		}
		return body, nil
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return nil, ErrTooLarge
	case err != nil:
		return nil, fmt.Errorf("%w: %w", ErrUnreadable, err)
	}
	return body, nil
}
