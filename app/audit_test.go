package app

import (
	"encoding/json"
	"fmt"
	"net/http"
	"testing"
)

func TestARotationOfAllKeysIsJournalledWithWhatItRotated(t *testing.T) {
	t.Parallel()
	a := running(t, Options{})
	for body, want := range map[string]string{
		"":                   "uses [code seal sign], at once: false",
		`{"activate":true}`:  "uses [code seal sign], at once: true",
		`{"uses":["sign"]}`:  "uses [sign], at once: false",
		`{"uses":["index"]}`: "uses [index], at once: false", // refused
	} {
		call(t, http.MethodPost, "http://"+a.AdminAddr()+"/admin/keys/rotate", token, body)
		all := journal(t, a)
		if got := all[len(all)-1].Detail; got != want {
			t.Errorf("%s is written down as %q, want %q", body, got, want)
		}
	}
}

// TestTheNewestEntriesAreAPageToo: who looks at the operators' journal wants to
// know what was done last, and that there is more.
func TestTheNewestEntriesAreAPageToo(t *testing.T) {
	t.Parallel()
	a := running(t, Options{})
	page := func(query string) string {
		t.Helper()
		status, body := call(t, http.MethodGet, "http://"+a.AdminAddr()+"/admin/audit"+query, token, "")
		var got AuditPage
		if err := json.Unmarshal([]byte(body), &got); status != http.StatusOK || err != nil || got.Entries == nil {
			t.Fatalf("%s is answered %d %s", query, status, body)
		}
		numbers := []int64{}
		for _, e := range got.Entries {
			numbers = append(numbers, e.N)
		}
		return fmt.Sprint(numbers, " of ", got.Last)
	}
	if got := page("?newest=true"); got != "[] of 0" {
		t.Errorf("an empty journal is %s", got)
	}
	for range 3 {
		call(t, http.MethodGet, "http://"+a.AdminAddr()+"/admin/export", token, "")
	}
	for query, want := range map[string]string{
		"":                             "[1 2 3 4 5 6] of 6",
		"?limit=2":                     "[1 2] of 6",
		"?limit=2&newest=true":         "[5 6] of 6",
		"?limit=2&after=2":             "[3 4] of 6",
		"?limit=4&after=4&newest=true": "[5 6] of 6",
		"?limit=99&newest=true":        "[1 2 3 4 5 6] of 6",
	} {
		if got := page(query); got != want {
			t.Errorf("%s is %s, want %s", query, got, want)
		}
	}
}
