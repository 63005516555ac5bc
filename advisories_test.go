package aldaba_test

import (
	"go/ast"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// replayed are the published defects of other products that a test of ours
// replays; docs/advisories.md tells of each what went wrong.
func replayed() []string {
	return []string{
		"CVE-2024-32868", "GHSA-7j7j-66cv-m239", "CVE-2025-64102", "GHSA-xrw9-r35x-x878", "CVE-2026-33640", "GHSA-cwhc-53hw-qqx6",
		"CVE-2026-105638", "GHSA-mqjv-rwgv-4gxq", "CVE-2026-8760", "CVE-2024-11178", "CVE-2026-15210", "CVE-2026-19256", "CVE-2025-4094",
		"CVE-2025-56224", "GHSA-hg56-r6hh-56j7", "GHSA-c55g-q6f4-5qxr", "CVE-2026-107276", "GHSA-x2wq-9x2f-fhj7", "GHSA-2299-ghjr-6vjp",
		"GHSA-w73w-g5xw-rwhf", "CVE-2026-31875", "better-auth PR 8067", "GHSA-85v8-vx4w-q684", "CVE-2026-9798", "GHSA-xmmm-jw76-q7vg",
		"CVE-2024-8122", "privacyIDEA #1578", "GHSA-rmmc-8cqj-hfp3", "CVE-2021-23451", "CVE-2026-77264", "HackerOne 777957",
		"HackerOne 2633888", "HackerOne 2635315", "CVE-2026-3655", "CVE-2026-94256", "CVE-2026-14245", "CVE-2026-8293", "CVE-2026-130070",
		"CVE-2026-53725", "CVE-2024-39891", "CVE-2022-39314", "CVE-2025-59937", "golang/go#21159", "GHSA-g7hc-96xr-gvvx", "CVE-2025-22871",
	}
}

// explained returns the comment of each function of the tests and their
// helpers, by folder and name, on one line.
func explained(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, s := range sources(t) {
		if !s.test && !isTesting(s.folder) {
			continue
		}
		for _, d := range s.file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil {
				all[s.folder+" "+f.Name.Name] = strings.Join(strings.Fields(f.Doc.Text()), " ")
			}
		}
	}
	return all
}

// Each row of the table names functions that are there, and their comments name
// the row's advisories; together the rows name all of them.
func TestEachAdvisoryHasItsTest(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("docs/advisories.md")
	if err != nil {
		t.Fatal(err)
	}
	comments, seen := explained(t), []string{}
	quoted := regexp.MustCompile("`([^`]+)`")
	for line := range strings.Lines(string(text)) {
		cells := strings.Split(strings.TrimSpace(line), " | ")
		if len(cells) != 3 || !strings.HasPrefix(line, "| ") || strings.HasPrefix(line, "| advisory ") || strings.HasPrefix(line, "| ---") {
			continue
		}
		var ids []string
		for _, id := range replayed() {
			if regexp.MustCompile(regexp.QuoteMeta(id) + `\b`).MatchString(cells[0]) {
				ids = append(ids, id)
			}
		}
		if len(ids) == 0 {
			t.Errorf("no advisory that is known here: %s", cells[0])
		}
		seen = append(seen, ids...)
		said := ""
		for part := range strings.SplitSeq(cells[2], ";") { // `folder`: `TestA`, `TestB`
			names := quoted.FindAllStringSubmatch(part, -1)
			for _, name := range names[min(1, len(names)):] {
				comment, there := comments[names[0][1]+" "+name[1]]
				if !there {
					t.Errorf("%s: folder %s has no %s", cells[0], names[0][1], name[1])
				} else if !slices.ContainsFunc(ids, func(id string) bool { return strings.Contains(comment, id) }) {
					t.Errorf("the comment of %s names none of %v", name[1], ids)
				}
				said += " " + comment
			}
		}
		for _, id := range ids {
			if !strings.Contains(said, id) {
				t.Errorf("%s: no test's comment names it", id)
			}
		}
	}
	for _, id := range replayed() {
		if !slices.Contains(seen, id) {
			t.Errorf("the table lacks %s", id)
		}
	}
}

// calls returns the files of product code that call what is named so.
func calls(t *testing.T, name string) (files []string) {
	t.Helper()
	for _, s := range sources(t) {
		if s.test || isTesting(s.folder) {
			continue
		}
		ast.Inspect(s.file, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			switch f := call.Fun.(type) {
			case *ast.Ident:
				ok = f.Name == name
			case *ast.SelectorExpr:
				ok = f.Sel.Name == name && len(call.Args) > 0
			default:
				ok = false
			}
			if ok {
				files = append(files, s.path)
			}
			return true
		})
	}
	return files
}

// One function judges codes, so there is no second path with rules of its own;
// and nobody asks for the right code but the one who judges and the one who
// writes the message (T52). A third works as long as a guess where there is
// nothing to judge.
//
// GHSA-hg56-r6hh-56j7 (OpenCTI): the mended limit held on one of two ways to log
// in. GHSA-85v8-vx4w-q684, CVE-2026-9798 (Keycloak): the guard against guesses
// did not stand before codes, and another flow went around it. CVE-2025-64102,
// GHSA-xrw9-r35x-x878 (Zitadel): the lockout was missing in newer calls.
func TestOneFunctionJudgesCodes(t *testing.T) {
	t.Parallel()
	for name, want := range map[string][]string{
		"sameCode": {"otp/check.go", "otp/unknown.go"},
		"derive":   {"otp/verification.go"},
		"Code":     {"otp/check.go", "otp/message.go", "otp/unknown.go"},
	} {
		got := slices.DeleteFunc(calls(t, name), func(file string) bool { return !strings.HasPrefix(file, "otp/") && name == "derive" })
		if slices.Sort(got); !slices.Equal(got, want) {
			t.Errorf("%s is called in %v, want %v", name, got, want)
		}
	}
}

// What is guessed at is drawn from crypto/rand. Jitter is not.
//
// CVE-2021-23451 (otp-generator): codes came from a weak source.
func TestSecretsAreDrawnFromCryptoRand(t *testing.T) {
	t.Parallel()
	jitter := []string{"delivery/courier.go", "delivery/smpp/smpp.go"}
	for _, s := range sources(t) {
		if s.test || isTesting(s.folder) || slices.Contains(jitter, s.path) {
			continue
		}
		for _, imported := range s.file.Imports {
			if strings.HasPrefix(imported.Path.Value, `"math/rand`) {
				t.Errorf("%s imports %s", s.path, imported.Path.Value)
			}
		}
	}
}
