package api

import (
	"net/http"
	"testing"
)

func TestWhatLibrariesTellOfTheirTries(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		header http.Header
		want   int
	}{
		"nothing":             {nil, 0},
		"stainless, first":    {http.Header{"X-Stainless-Retry-Count": {"0"}}, 1},
		"stainless, third":    {http.Header{"X-Stainless-Retry-Count": {"2"}}, 3},
		"stainless, most":     {http.Header{"X-Stainless-Retry-Count": {"99"}}, 100},
		"stainless, too many": {http.Header{"X-Stainless-Retry-Count": {"100"}}, 0},
		"stainless, no count": {http.Header{"X-Stainless-Retry-Count": {"-1"}}, 0},
		"stainless, twice":    {http.Header{"X-Stainless-Retry-Count": {"1", "2"}}, 0},
		"aws, first":          {http.Header{"Amz-Sdk-Request": {"attempt=1; max=3"}}, 1},
		"aws, second":         {http.Header{"Amz-Sdk-Request": {"attempt=2; max=3"}}, 2},
		"aws, with its time":  {http.Header{"Amz-Sdk-Request": {"ttl=20260131T090507Z; attempt=3; max=3"}}, 3},
		"aws, too many":       {http.Header{"Amz-Sdk-Request": {"attempt=255"}}, 0},
		"aws, none":           {http.Header{"Amz-Sdk-Request": {"max=3"}}, 0},
		"aws, no number":      {http.Header{"Amz-Sdk-Request": {"attempt=two"}}, 0},
	} {
		if got := attempt(c.header); got != c.want {
			t.Errorf("%s: got %d, want %d", name, got, c.want)
		}
	}
}

func FuzzAttempt(f *testing.F) {
	f.Add("1", "attempt=2; max=3")
	f.Add("", "attempt=;attempt=9")
	f.Add("18446744073709551616", "attempt=-1")
	f.Fuzz(func(t *testing.T, count, request string) {
		h := http.Header{"X-Stainless-Retry-Count": {count}, "Amz-Sdk-Request": {request}}
		if n := attempt(h); n < 0 || n > 100 {
			t.Fatalf("%q, %q: %d", count, request, n)
		}
	})
}
