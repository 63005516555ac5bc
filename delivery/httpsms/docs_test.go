package httpsms

import (
	"os"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// TestTheGuidesExamplesOpen opens every provider that the guides describe.
func TestTheGuidesExamplesOpen(t *testing.T) {
	t.Parallel()
	for _, page := range []string{"../../docs/operations/http.md", "../../docs/es/operacion/http.md"} {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		seen := 0
		for _, block := range strings.Split(string(text), "```yaml\n")[1:] {
			block, _, _ = strings.Cut(block, "```")
			var file struct{ Providers []map[string]any }
			if err := yaml.Unmarshal([]byte(block), &file); err != nil {
				t.Fatalf("%s: %v in\n%s", page, err, block)
			}
			for _, p := range file.Providers {
				seen++
				name, _ := p["name"].(string)
				delete(p, "name")
				delete(p, "type")
				written, err := yaml.Marshal(resolved(p))
				if err != nil {
					t.Fatal(err)
				}
				if _, lines := opened(t, string(written), "https://otp.example.com/receipts/"+name, quiet()); len(lines) > 0 {
					t.Errorf("%s: provider %s: %q", page, name, lines)
				}
			}
		}
		if seen < 5 {
			t.Errorf("%s describes only %d providers", page, seen)
		}
		for _, name := range presets() {
			if !strings.Contains(string(text), "| `"+name+"` |") {
				t.Errorf("%s does not list the preset %s", page, name)
			}
		}
	}
}

// resolved gives NAME_file a content, as the reader of the configuration does.
func resolved(mapping map[string]any) map[string]any {
	done := map[string]any{}
	for key, v := range mapping {
		if below, ok := v.(map[string]any); ok {
			v = resolved(below)
		}
		if name, ok := strings.CutSuffix(key, "_file"); ok {
			key, v = name, "content"
		}
		done[key] = v
	}
	return done
}
