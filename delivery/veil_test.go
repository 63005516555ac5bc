package delivery

import (
	"errors"
	"net/url"
	"strings"
	"testing"

	"github.com/aldaba-otp/aldaba/otp"
)

// TestNoLinkIsLogged takes a code that stands at the front of the token, so that
// what veils the one must not uncover the other.
func TestNoLinkIsLogged(t *testing.T) {
	t.Parallel()
	const token = "AZqw6vNeMcAC4cs9ZHTwQWQZx0v7mTzq4Jw8bQ2nE5kE"
	text := &otp.Text{Body: "Code AZqw, or https://app.example/v#token=" + token, To: "ana@example.com", Code: "AZqw", Link: "https://app.example/v#token=" + token}
	for _, said := range []string{text.Link, token, "no page " + token + "&x", "?text=" + url.QueryEscape(text.Link), "/" + url.PathEscape(text.Link), "(" + text.Body + ")"} {
		if got := veiled(errors.New(said), text); strings.Contains(got, "cs9ZHTwQWQ") || !strings.Contains(got, "***") {
			t.Errorf("%q is logged as %q", said, got)
		}
	}
	if got := veiled(errors.New("a=b"), &otp.Text{To: "x"}); got != "a=b" {
		t.Errorf("without a link: %q", got)
	}
}
