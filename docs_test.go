package aldaba_test

import (
	"go/ast"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode"
)

// document is one Markdown file without its fenced blocks.
type document struct {
	path, text string
}

// documents reads all Markdown files of the house.
func documents(t *testing.T) []document {
	t.Helper()
	var all []document
	err := filepath.WalkDir(".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (name != "." && strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata" || d.Name() == "build"):
			return filepath.SkipDir
		case d.IsDir() || !strings.HasSuffix(name, ".md"):
			return nil
		}
		text, err := os.ReadFile(name)
		all = append(all, document{filepath.ToSlash(name), unfenced(string(text))})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// unfenced leaves out what stands between fences.
func unfenced(text string) string {
	var kept []string
	fenced := false
	for line := range strings.Lines(text) {
		if strings.HasPrefix(strings.TrimSpace(line), "```") {
			fenced = !fenced
		} else if !fenced {
			kept = append(kept, line)
		}
	}
	return strings.Join(kept, "")
}

// anchors are the names that links give to the headings of a text.
func anchors(text string) []string {
	var all []string
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, "#") {
			continue
		}
		name := strings.Map(func(r rune) rune {
			switch {
			case unicode.IsLetter(r) || unicode.IsDigit(r) || r == '-' || r == '_':
				return unicode.ToLower(r)
			case r == ' ':
				return '-'
			}
			return -1
		}, strings.TrimSpace(strings.TrimLeft(line, "#")))
		all = append(all, name)
	}
	return all
}

func TestLinksLeadSomewhere(t *testing.T) {
	t.Parallel()
	link := regexp.MustCompile(`\]\(([^)\s]+)\)`)
	for _, d := range documents(t) {
		for _, found := range link.FindAllStringSubmatch(d.text, -1) {
			target, anchor, _ := strings.Cut(found[1], "#")
			if strings.Contains(target, "://") {
				continue
			}
			file := d.path
			if target != "" {
				file = path.Join(path.Dir(d.path), target)
			}
			text, err := os.ReadFile(file)
			if err != nil {
				t.Errorf("%s: link to %s: %v", d.path, found[1], err)
			} else if anchor != "" && !slices.Contains(anchors(unfenced(string(text))), anchor) {
				t.Errorf("%s: %s has no heading #%s", d.path, file, anchor)
			}
		}
	}
}

func TestDocumentsNameWhatIsThere(t *testing.T) {
	t.Parallel()
	quoted := regexp.MustCompile("`([^`\n]+)`")
	file := regexp.MustCompile(`^(` + strings.Join(roots, "|") + `)(/[\w.*-]+)+$`)
	proof := regexp.MustCompile(`^(Test|Fuzz)[A-Z]\w+$`)
	var tests strings.Builder
	for _, s := range sources(t) {
		if s.test {
			text, err := os.ReadFile(s.path)
			if err != nil {
				t.Fatal(err)
			}
			tests.Write(text)
		}
	}
	for _, d := range documents(t) {
		for _, found := range quoted.FindAllStringSubmatch(d.text, -1) {
			switch name := found[1]; {
			case file.MatchString(name) && !strings.Contains(name, "NAME"): // a recipe's placeholder
				if there, err := filepath.Glob(name); err != nil || len(there) == 0 {
					t.Errorf("%s names %s, which is not there", d.path, name)
				}
			case proof.MatchString(name) && !strings.Contains(tests.String(), "func "+name+"("):
				t.Errorf("%s names the test %s, which is not there", d.path, name)
			}
		}
	}
}

func TestDecisionsSayWhatAndWhy(t *testing.T) {
	t.Parallel()
	records, err := filepath.Glob("docs/adr/[0-9]*.md")
	if err != nil || len(records) == 0 {
		t.Fatalf("no decisions: %v", err)
	}
	index, err := os.ReadFile("docs/adr/README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range records {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if !regexp.MustCompile(`^\d{4}-[a-z0-9-]+\.md$`).MatchString(path.Base(name)) {
			t.Errorf("%s is not named NNNN-title.md", name)
		}
		for _, heading := range []string{"## Status", "## Context", "## Decision", "## Consequences"} {
			if strings.Count(string(text), heading+"\n") != 1 {
				t.Errorf("%s must have %q once", name, heading)
			}
		}
		if !strings.Contains(string(index), "("+path.Base(name)+")") {
			t.Errorf("docs/adr/README.md does not list %s", name)
		}
	}
}

// TestTheGuideIsWholeInSpanish holds the two guides against each other: the
// same pages, and in each as many sections.
func TestTheGuideIsWholeInSpanish(t *testing.T) {
	t.Parallel()
	spanish := map[string]string{
		"getting-started.md": "primeros-pasos.md", "configuration.md": "configuracion.md", "upgrade-backup.md": "actualizacion-respaldo.md",
		"postgres.md": "postgres.md", "logging-health.md": "registro-salud.md", "security.md": "seguridad.md", "smtp.md": "smtp.md",
		"webhook.md": "webhook.md", "templates.md": "plantillas.md", "smpp.md": "smpp.md", "http.md": "http.md",
		"monitoring.md": "supervision.md", "privacy.md": "privacidad.md", "limits.md": "limites.md",
	}
	pages, err := filepath.Glob("docs/operations/*.md")
	if err != nil || len(pages) == 0 {
		t.Fatalf("no guide: %v", err)
	}
	for _, page := range pages {
		english, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		other, err := os.ReadFile("docs/es/operacion/" + spanish[path.Base(page)])
		if err != nil {
			t.Errorf("%s is not there in Spanish: %v", page, err)
			continue
		}
		if a, b := anchors(unfenced(string(english))), anchors(unfenced(string(other))); len(a) != len(b) {
			t.Errorf("%s has %d sections, in Spanish %d", page, len(a), len(b))
		}
	}
}

// TestEveryKeyOfTheConfigurationIsDescribed goes by the names that the readers
// of app/config ask for.
func TestEveryKeyOfTheConfigurationIsDescribed(t *testing.T) {
	t.Parallel()
	asked := regexp.MustCompile(`\.(?:address|aliases|duration|each|fields|flag|locale|must|positive|secret|text|texts|whole)\("([a-z_]+)"`)
	keys := map[string]bool{}
	for _, s := range sources(t) {
		if s.folder != "app/config" || s.test {
			continue
		}
		text, err := os.ReadFile(s.path)
		if err != nil {
			t.Fatal(err)
		}
		for _, found := range asked.FindAllStringSubmatch(string(text), -1) {
			keys[found[1]] = true
		}
	}
	if len(keys) < 40 {
		t.Errorf("found only %d keys in app/config", len(keys))
	}
	for _, page := range []string{"docs/operations/configuration.md", "docs/es/operacion/configuracion.md"} {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for key := range keys {
			if !regexp.MustCompile("`([a-z]+\\.|[a-z]+\\[\\]\\.)?" + key + "(\\[\\])?`").Match(text) {
				t.Errorf("%s does not describe the key %s", page, key)
			}
		}
	}
}

// TestEveryWarningIsExplained keeps the tables of the log whole, in both
// languages: an operator who meets a warning finds what to do about it.
func TestEveryWarningIsExplained(t *testing.T) {
	t.Parallel()
	explained := map[string]string{}
	for _, d := range documents(t) {
		if folder := path.Dir(d.path); folder == "docs/operations" || folder == "docs/es/operacion" {
			explained[folder] += d.text
		}
	}
	for _, s := range sources(t) {
		if s.test || isTesting(s.folder) || s.path == "app/dev_http.go" { // `aldaba dev` has no operator
			continue
		}
		ast.Inspect(s.file, func(n ast.Node) bool {
			message, ok := warned(n)
			for folder, text := range explained {
				if ok && !strings.Contains(text, "`"+message+"`") {
					t.Errorf("%s: %s explains no %q", s.path, folder, message)
				}
			}
			return true
		})
	}
}

// warned returns the message of a call that logs a warning or an error.
func warned(n ast.Node) (message string, ok bool) {
	call, ok := n.(*ast.CallExpr)
	if !ok || len(call.Args) == 0 {
		return "", false
	}
	method, ok := call.Fun.(*ast.SelectorExpr)
	text, literal := call.Args[0].(*ast.BasicLit)
	if !ok || !literal || text.Kind != token.STRING || method.Sel.Name != "Warn" && method.Sel.Name != "Error" {
		return "", false
	}
	message, err := strconv.Unquote(text.Value)
	return message, err == nil
}
