package config

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aldaba-otp/aldaba/otp"
)

// TestAFileLeavesTheCredentialsOfCommandsAlone is the law of docs/adr/0011.
func TestAFileLeavesTheCredentialsOfCommandsAlone(t *testing.T) {
	t.Parallel()
	with := tools(t)
	in := base(t, with)
	until := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	hash := func(key string) string { return with.Ring.HashKey(otp.APIKey, "", key) }
	acme := &in.Tenants[0]
	acme.Credentials = []otp.Credential{
		acme.Credentials[1], // modica demo, of the file
		{Type: otp.APIKey, Hash: hash("made"), Name: "made", Origin: otp.OriginCommand},
		{Type: otp.APIKey, Hash: hash("TOPSECRET"), Name: "old", Origin: otp.OriginCommand, Expires: until},
		{Type: otp.APIKey, Hash: hash("leaked"), Name: "leaked", Origin: otp.OriginCommand, Revoked: until},
	}
	names := func(c Current) (all []string) {
		for _, one := range c.Tenants[0].Credentials {
			state := ""
			if !one.Expires.IsZero() {
				state += " expires"
			}
			if !one.Revoked.IsZero() {
				state += " revoked"
			}
			all = append(all, credentialName(&one)+state)
		}
		return all
	}
	made := []string{"api_key made", "api_key old expires", "api_key leaked revoked"}
	for name, c := range map[string]struct {
		credentials string
		want        []string
		warned      int
	}{
		"no list":                    {"", append([]string{"modica demo"}, made...), 0},
		"an empty list":              {"credentials: []", made, 0},
		"the same":                   {"credentials: [{type: modica, application: demo, password: TOPSECRET}]", append([]string{"modica demo"}, made...), 0},
		"another":                    {"credentials: [{type: api_key, key: other, name: other}]", append([]string{"api_key other"}, made...), 0},
		"rotated away in the file":   {"credentials: [{type: api_key, key: TOPSECRET}]", made, 1},
		"revoked, still in the file": {"credentials: [{type: api_key, key: leaked, name: mine}]", made, 1},
		"given as an export does": {
			"credentials: [{type: api_key, key: leaked, name: back, origin: command}]",
			[]string{"api_key back", "api_key made", "api_key old expires"},
			0,
		},
	} {
		p := plan(t, parse(t, "tenants: [{name: acme, "+c.credentials+"}]"), in, with)
		next := after(p, in)
		if got := names(next); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
		if n := strings.Count(strings.Join(p.Warnings, "\n"), "changed by a command"); n != c.warned {
			t.Errorf("%s: %d warnings", name, n)
		}
		text, err := Export(next)
		if err != nil {
			t.Fatal(err)
		}
		diffs(t, plan(t, parse(t, string(text)), next, with)) // an export changes nothing
		if got := names(after(plan(t, parse(t, string(text)), Current{}, with), Current{})); !slices.Equal(got, c.want) {
			t.Errorf("%s, given to an empty server: %v", name, got)
		}
	}
}
