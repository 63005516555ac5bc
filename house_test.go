// Package aldaba_test holds the rules of the house as data: who may import
// whom, what a member of a gallery must hold, and what the root may list. See
// docs/architecture.md, section 2.
package aldaba_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/aldaba-otp/aldaba"

// rule says what the product code of a folder may import of the house. The
// first rule whose pattern matches a folder counts; * stands for one name.
type rule struct {
	folder string
	may    []string
	std    bool // the standard library only besides
}

// rules are read from the top; arrows go down or to a helper, never sideways.
var rules = []rule{
	{folder: "cmd/aldaba", may: []string{"app", "app/config", "app/lint", "otp"}},
	{folder: "app/config", may: []string{"otp"}},
	{folder: "app/lint", may: []string{"otp", "internal/*"}},
	{folder: "app", may: []string{"app/config", "app/lint", "api", "api/*", "store", "store/*", "delivery", "delivery/*", "otp", "internal/*"}},
	{folder: "api/*", may: []string{"api", "otp", "internal/*"}},
	{folder: "api", may: []string{"otp", "internal/*"}},
	{folder: "store/sqlite", may: []string{"store", "store/sqlite/redo", "otp", "internal/*"}},
	{folder: "store/sqlite/redo", may: nil, std: true},
	{folder: "store/*", may: []string{"store", "otp", "internal/*"}},
	{folder: "store", may: []string{"otp"}},
	{folder: "delivery/*", may: []string{"delivery", "internal/*"}},
	{folder: "delivery", may: []string{"otp", "internal/*"}},
	{folder: "otp", may: nil, std: true},
	{folder: "internal/*", may: nil},
}

// helpers is the floor of test helpers: they may import anything, and no
// product code imports them.
var helpers = []string{"otp/otptest", "store/storetest", "store/storetest/*", "api/apitest", "delivery/deliverytest", "e2e", "e2e/*"}

// roots are the folders that the root may list.
var roots = []string{"api", "app", "cmd", "delivery", "docs", "e2e", "internal", "otp", "scripts", "store"}

// galleries are the folders whose members are alike.
var galleries = []gallery{
	{"api", "apitest.Run(", "func dialects("},
	{"store", "storetest.Run(", "func openEngine("},
	{"delivery", "deliverytest.Run(", "func (a *App) providerTypes("},
}

// gallery is one of the three: each member passes its suite and is named in
// one catalogue function of app/catalog.go.
type gallery struct{ folder, suite, catalogue string }

func matches(pattern, folder string) bool {
	ok, err := path.Match(pattern, folder)
	return err == nil && ok
}

func isTesting(folder string) bool {
	return slices.ContainsFunc(helpers, func(p string) bool { return matches(p, folder) })
}

// source is one Go file.
type source struct {
	path, folder string
	file         *ast.File
	test         bool
}

// sources parses the house.
func sources(t *testing.T) []source {
	t.Helper()
	var all []source
	err := filepath.WalkDir(".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (name != "." && strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata" || d.Name() == "build") {
			return filepath.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(name, ".go") {
			return nil
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments)
		if err != nil {
			return err
		}
		all = append(all, source{filepath.ToSlash(name), path.Dir(filepath.ToSlash(name)), f, strings.HasSuffix(name, "_test.go")})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestArrowsPointOneWay(t *testing.T) {
	t.Parallel()
	for _, s := range sources(t) {
		if s.test || isTesting(s.folder) {
			continue
		}
		i := slices.IndexFunc(rules, func(r rule) bool { return matches(r.folder, s.folder) })
		if i < 0 {
			t.Errorf("%s: no rule speaks of folder %s", s.path, s.folder)
			continue
		}
		for _, imported := range s.file.Imports {
			name := strings.Trim(imported.Path.Value, `"`)
			ours, isOurs := strings.CutPrefix(name, module+"/")
			switch {
			case isOurs && !slices.ContainsFunc(rules[i].may, func(p string) bool { return matches(p, ours) && !isTesting(ours) }):
				t.Errorf("%s imports %s, which folder %s may not", s.path, ours, s.folder)
			case !isOurs && rules[i].std && strings.Contains(strings.SplitN(name, "/", 2)[0], "."):
				t.Errorf("%s imports %s; the core imports the standard library only", s.path, name)
			case s.folder == "otp" && (name == "net/http" || name == "database/sql"):
				t.Errorf("%s imports %s; the core knows no HTTP and no SQL", s.path, name)
			}
		}
	}
}

func TestNoDialectSeesAStoreOrACarrier(t *testing.T) {
	t.Parallel()
	for _, r := range rules {
		for _, m := range r.may {
			if strings.HasPrefix(r.folder, "api") && (strings.HasPrefix(m, "store") || strings.HasPrefix(m, "delivery")) {
				t.Errorf("folder %s may import %s", r.folder, m)
			}
		}
	}
}

func TestTheRootListsTheProductOnly(t *testing.T) {
	t.Parallel()
	entries, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.IsDir() && !strings.HasPrefix(e.Name(), ".") && e.Name() != "build" && !slices.Contains(roots, e.Name()) {
			t.Errorf("folder %s is not part of the plan", e.Name())
		}
	}
}

func TestNoInitInProductCode(t *testing.T) {
	t.Parallel()
	for _, s := range sources(t) {
		if s.test || isTesting(s.folder) {
			continue
		}
		for _, d := range s.file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil && f.Name.Name == "init" {
				t.Errorf("%s has an init function", s.path)
			}
		}
	}
}

func TestEveryPackageSaysWhatItIs(t *testing.T) {
	t.Parallel()
	said := map[string]bool{}
	for _, s := range sources(t) {
		if s.test && s.folder != "." {
			continue
		}
		said[s.folder] = said[s.folder] || s.file.Doc != nil
	}
	for folder, ok := range said {
		if !ok {
			t.Errorf("package %s has no comment", folder)
		}
	}
}

// members lists a gallery's member folders.
func members(t *testing.T, g gallery) []string {
	t.Helper()
	entries, err := os.ReadDir(g.folder)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, e := range entries {
		if folder := g.folder + "/" + e.Name(); e.IsDir() && !isTesting(folder) {
			all = append(all, folder)
		}
	}
	return all
}

func TestEveryMemberPassesItsSuite(t *testing.T) {
	t.Parallel()
	for _, g := range galleries {
		for _, member := range members(t, g) {
			tests, err := filepath.Glob(member + "/*_test.go")
			if err != nil {
				t.Fatal(err)
			}
			found := false
			for _, name := range tests {
				text, err := os.ReadFile(name)
				if err != nil {
					t.Fatal(err)
				}
				found = found || strings.Contains(string(text), g.suite)
			}
			if !found {
				t.Errorf("%s has no test that calls %s...)", member, g.suite)
			}
		}
	}
}

func TestEveryMemberStandsOnceInTheCatalogue(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("app/catalog.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range galleries {
		for _, member := range members(t, g) {
			if n := strings.Count(string(text), `"`+module+"/"+member+`"`); n != 1 {
				t.Errorf("%s is imported %d times by app/catalog.go", member, n)
			}
		}
		if !strings.Contains(string(text), g.catalogue) {
			t.Errorf("app/catalog.go has no %s", g.catalogue)
		}
	}
}

func TestEveryDialectHasItsPageAndTranscripts(t *testing.T) {
	t.Parallel()
	for _, member := range members(t, galleries[0]) {
		name := path.Base(member)
		if _, err := os.Stat("docs/dialects/" + name + ".md"); err != nil {
			t.Errorf("dialect %s has no page: %v", name, err)
		}
		if found, _ := filepath.Glob(member + "/testdata/*.txtar"); len(found) == 0 {
			t.Errorf("dialect %s has no transcripts", name)
		}
	}
}

func TestNoFolderStandsInACircle(t *testing.T) {
	t.Parallel()
	reach := map[string]map[string]bool{}
	for _, s := range sources(t) {
		for _, imported := range s.file.Imports {
			ours, isOurs := strings.CutPrefix(strings.Trim(imported.Path.Value, `"`), module+"/")
			if from, to := top(s.folder), top(ours); isOurs && !s.test && from != to {
				if reach[from] == nil {
					reach[from] = map[string]bool{}
				}
				reach[from][to] = true
			}
		}
	}
	for range reach { // as often as the longest way may be
		for _, next := range reach {
			for via := range next {
				for to := range reach[via] {
					next[to] = true
				}
			}
		}
	}
	for folder, next := range reach {
		if next[folder] {
			t.Errorf("folder %s imports itself by way of others", folder)
		}
	}
}

// top is the folder of the root, or of internal, that a package stands in.
func top(folder string) string {
	parts := strings.SplitN(folder, "/", 3)
	if parts[0] == "internal" && len(parts) > 1 {
		return parts[0] + "/" + parts[1]
	}
	return parts[0]
}
