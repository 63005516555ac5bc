package httpsms

import (
	"embed"
	"fmt"
	"path"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/aldaba-otp/aldaba/delivery"
)

//go:embed presets/*.yaml
var presetFiles embed.FS

// presets lists the names of the presets.
func presets() []string {
	entries, err := presetFiles.ReadDir("presets")
	if err != nil {
		return nil
	}
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = strings.TrimSuffix(e.Name(), ".yaml")
	}
	return names
}

// withPreset lays the configured settings over those of the preset that they
// name. Mappings are joined key by key, everything else replaces; `without`
// takes away. Rules in `errors` come before the preset's. A body of another kind, or
// an `auth` of another type, replaces the preset's whole.
func withPreset(configured map[string]any) (map[string]any, delivery.Faults) {
	var f delivery.Faults
	if _, own := configured["needs"]; own {
		f.Add("needs", "is for presets only")
		return nil, f
	}
	name, given := configured["preset"].(string)
	if !given {
		if configured["without"] != nil {
			f.Add("without", "must not be given without a preset")
		}
		return configured, f
	}
	text, err := presetFiles.ReadFile(path.Join("presets", name+".yaml"))
	if err != nil || !slices.Contains(presets(), name) {
		f.Add("preset", "must be one of: %s", strings.Join(presets(), ", "))
		return nil, f
	}
	var preset map[string]any
	if err := yaml.Unmarshal(text, &preset); err != nil {
		f.Add("preset", "is broken: %s", err.Error())
		return nil, f
	}
	without, _ := configured["without"].([]any)
	for i, name := range without {
		if path, ok := name.(string); !ok || !remove(preset, path) {
			f.Add(fmt.Sprintf("without[%d]", i), "must be the path of a setting that the preset has, such as json.client_ref")
		}
	}
	return lay(preset, configured), f
}

// remove takes out what a path with points names; a key may have points of its
// own.
func remove(mapping map[string]any, path string) bool {
	if _, there := mapping[path]; there {
		delete(mapping, path)
		return true
	}
	for key, v := range mapping {
		rest, found := strings.CutPrefix(path, key+".")
		if below, ok := v.(map[string]any); found && ok && remove(below, rest) {
			return true
		}
	}
	return false
}

func lay(preset, configured map[string]any) map[string]any {
	for _, kind := range bodies {
		if configured[kind] != nil {
			for _, other := range bodies {
				if other != kind {
					delete(preset, other)
				}
			}
			delete(preset, "content_type")
		}
	}
	for _, key := range []string{"auth", "receipts.auth"} {
		dropOtherType(preset, configured, strings.Split(key, "."))
	}
	own, _ := configured["errors"].([]any)
	theirs, _ := preset["errors"].([]any)
	merged := merge(preset, configured)
	if len(own)+len(theirs) > 0 {
		merged["errors"] = slices.Concat(own, theirs)
	}
	return merged
}

// dropOtherType takes a mapping out of the preset when the configured one has
// another type: their members do not go together.
func dropOtherType(preset, configured map[string]any, keys []string) {
	for _, key := range keys[:len(keys)-1] {
		preset, _ = preset[key].(map[string]any)
		configured, _ = configured[key].(map[string]any)
	}
	last := keys[len(keys)-1]
	own, _ := configured[last].(map[string]any)
	theirs, _ := preset[last].(map[string]any)
	if own["type"] != nil && own["type"] != theirs["type"] {
		delete(preset, last)
	}
}

// merge returns both mappings in one; the upper one wins.
func merge(lower, upper map[string]any) map[string]any {
	merged := make(map[string]any, len(lower)+len(upper))
	for key, v := range lower {
		merged[key] = v
	}
	for key, v := range upper {
		below, isMapping := merged[key].(map[string]any)
		above, both := v.(map[string]any)
		if isMapping && both {
			v = merge(below, above)
		}
		merged[key] = v
	}
	return merged
}
