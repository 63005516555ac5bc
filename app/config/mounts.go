package config

import (
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Mount lets the dialects' paths below Base answer below Prefix too, for clients
// that are given a whole base URL without its path. Both begin with a slash and
// end without one; a Base of "" is the root.
type Mount struct{ Prefix, Base string }

// mounts reads the list of mounts.
func (o *object) mounts(key string) (all []Mount) {
	o.each(key, func(n *yaml.Node, path string) {
		m := o.r.object(n, path, "prefix", "base")
		m.must("prefix")
		m.must("base")
		one := Mount{Prefix: m.urlPath("prefix"), Base: m.urlPath("base")}
		if m.has("prefix") && one.Prefix == "" {
			m.fail("prefix", "must have a name, such as /modica")
		}
		all = append(all, one)
	})
	return all
}

// soundPath are the paths that nobody between client and server writes anew.
var soundPath = regexp.MustCompile(`^(/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)*/?$`)

// urlPath reads a path without the slash at its end.
func (o *object) urlPath(key string) string {
	if !o.has(key) {
		return ""
	}
	text := o.text(key)
	if text == "" || !soundPath.MatchString(text) {
		o.fail(key, "must be a path of letters, digits, dots, dashes and underscores, such as /rest/2fa")
	}
	return strings.TrimSuffix(text, "/")
}
