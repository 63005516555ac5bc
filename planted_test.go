package aldaba_test

import (
	"errors"
	"go/ast"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// defectClasses are what the header of a planted defect may say after Class.
var defectClasses = []string{
	"binding", "codes", "credentials", "delivery", "durability", "failing open", "fraud", "guessing", "input", "life", "limits",
	"outbound", "races", "secrets", "tenants",
}

// testFunctions are the names of all tests, by the folder that they stand in.
func testFunctions(t *testing.T) map[string][]string {
	t.Helper()
	all := map[string][]string{}
	for _, s := range sources(t) {
		if !s.test {
			continue
		}
		for _, d := range s.file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil && strings.HasPrefix(f.Name.Name, "Test") {
				all[s.folder] = append(all[s.folder], f.Name.Name)
			}
		}
	}
	return all
}

// A defect that no longer applies, or whose tests were renamed, proves nothing
// any more. What its tests say of it is scripts/planted.sh's to find out.
func TestPlantedDefectsApplyAndNameTheirTests(t *testing.T) {
	t.Parallel()
	patches, err := filepath.Glob("e2e/planted/*.patch")
	if err != nil || len(patches) == 0 {
		t.Fatalf("no defects: %v", err)
	}
	tests := testFunctions(t)
	for _, name := range patches {
		t.Run(strings.TrimSuffix(path.Base(name), ".patch"), func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			for _, fault := range faultsOfDefect(string(text), tests) {
				t.Error(fault)
			}
			said, err := exec.CommandContext(t.Context(), "git", "apply", "--check", name).CombinedOutput()
			switch {
			case errors.Is(err, exec.ErrNotFound):
				t.Skip("whether it applies is not looked at: needs git (Debian: git)")
			case err != nil:
				t.Errorf("it does not apply; make it anew against the code as it is: %s", said)
			}
		})
	}
}

// faultsOfDefect judges a patch file: three kinds of header lines, and a change
// of product code alone.
func faultsOfDefect(text string, tests map[string][]string) (faults []string) {
	head, diff, _ := strings.Cut(text, "\ndiff --git ")
	lines := strings.Split(strings.TrimSpace(head), "\n")
	class := ""
	if len(lines) > 1 {
		class, _ = strings.CutPrefix(lines[1], "Class: ")
	}
	if len(lines) < 3 || !strings.HasPrefix(lines[0], "Defect: ") || !slices.Contains(defectClasses, class) {
		return []string{"the header must be lines with Defect:, Class: (one of " + strings.Join(defectClasses, ", ") + ") and Red:"}
	}
	red := regexp.MustCompile(`^Red: go test \./(\S+) -run '\^\(?(\w+(?:\|\w+)*)\)?\$'$`)
	for _, line := range lines[2:] {
		found := red.FindStringSubmatch(line)
		if found == nil {
			faults = append(faults, line+`: must be Red: go test ./FOLDER -run '^TestName$' or '^(TestA|TestB)$'`)
			continue
		}
		for name := range strings.SplitSeq(found[2], "|") {
			if !slices.Contains(tests[found[1]], name) {
				faults = append(faults, found[1]+" has no test "+name)
			}
		}
	}
	for _, file := range regexp.MustCompile(`(?m)^\+\+\+ b/(.*)$`).FindAllStringSubmatch(diff, -1) {
		if strings.HasSuffix(file[1], "_test.go") || isTesting(path.Dir(file[1])) {
			faults = append(faults, file[1]+" is no product code")
		}
	}
	return faults
}
