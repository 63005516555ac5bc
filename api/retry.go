package api

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/aldaba-otp/aldaba/otp"
)

// Retry tells the core how to know a start that its client sends once more,
// and whether this one says of itself that it is such. Window is how long the
// dialect takes an equal start for the same one, 0 for never.
func Retry(r *http.Request, body []byte, window time.Duration) otp.Retry {
	return otp.Retry{Method: r.Method, Target: r.RequestURI, Body: body, Window: window, Attempt: attempt(r.Header)}
}

// attempt reads which try of a call this is, from 1, as client libraries that
// repeat calls by themselves tell it; 0 when nothing is told. Those made by
// Stainless (Telnyx, Prelude and others) count the repetitions in
// X-Stainless-Retry-Count, from 0; those of AWS send Amz-Sdk-Request: attempt=2;
// max=3.
func attempt(h http.Header) int {
	if count := h["X-Stainless-Retry-Count"]; len(count) == 1 {
		if n, ok := small(count[0]); ok {
			return n + 1
		}
	}
	if told := h["Amz-Sdk-Request"]; len(told) == 1 {
		for part := range strings.SplitSeq(told[0], ";") {
			if number, ok := strings.CutPrefix(strings.TrimSpace(part), "attempt="); ok {
				n, _ := small(number)
				return n
			}
		}
	}
	return 0
}

// small reads a number of up to two digits: nobody repeats a call more often.
// What is none is 0.
func small(text string) (int, bool) {
	n, err := strconv.ParseUint(text, 10, 8)
	if err != nil || len(text) > 2 {
		return 0, false
	}
	return int(n), true
}
