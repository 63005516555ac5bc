package config

import (
	"strings"
	"testing"
)

func TestMountsThatAreNoPaths(t *testing.T) {
	t.Parallel()
	for one, want := range map[string]string{
		`{prefix: /modica}`:                        "mounts[0].base: is missing",
		`{base: /rest/2fa}`:                        "mounts[0].prefix: is missing",
		`{prefix: modica, base: /rest/2fa}`:        "mounts[0].prefix: must be a path of letters",
		`{prefix: "/mo%64ica", base: /rest/2fa}`:   "mounts[0].prefix: must be a path of letters",
		`{prefix: /a//b, base: /rest/2fa}`:         "mounts[0].prefix: must be a path of letters",
		`{prefix: /../b, base: /rest/2fa}`:         "mounts[0].prefix: must be a path of letters",
		`{prefix: "/{x}", base: /rest/2fa}`:        "mounts[0].prefix: must be a path of letters",
		`{prefix: /modica, base: "/rest/2fa?x=1"}`: "mounts[0].base: must be a path of letters",
		`{prefix: "", base: /rest/2fa}`:            "mounts[0].prefix: must",
		`{prefix: /, base: /rest/2fa}`:             "mounts[0].prefix: must have a name",
		`{prefix: /m, base: /rest/2fa, x: 1}`:      `mounts[0]: unknown key "x"`,
	} {
		_, err := ParseServer("s.yaml", []byte("keys: /k\ndatabase: sqlite:/d\nmounts:\n  - "+one+"\n"), Environment{})
		if err == nil || !strings.Contains(err.Error(), "s.yaml:4: "+want) {
			t.Errorf("%s: %v", one, err)
		}
	}
}
