package e2e

import (
	"context"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/aldaba-otp/aldaba/app"
)

var updateReadme = flag.Bool("update-readme", false, "write the answers of the tour into README.md instead of comparing")

const readmePath = "../README.md"

// tourBlock is one fenced block of a document: the lines from first up to last,
// without the fences.
type tourBlock struct {
	language    string
	first, last int
}

// tour returns the blocks of the README's tour.
func tour(lines []string) (blocks []tourBlock) {
	inTour, open := false, false
	for i, line := range lines {
		isFence := strings.HasPrefix(line, "```")
		switch {
		case isFence && open:
			blocks[len(blocks)-1].last, open = i, false
		case isFence && inTour:
			blocks, open = append(blocks, tourBlock{strings.TrimPrefix(line, "```"), i + 1, 0}), true
		case strings.HasPrefix(line, "## "):
			inTour = line == "## The tour"
		}
	}
	return blocks
}

// startTour starts the server of the tour and returns its address.
func startTour(t *testing.T) string {
	t.Helper()
	d, err := app.NewDev(t.Context(), app.DevOptions{Listen: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		if err := d.Stop(ctx); err != nil {
			t.Errorf("stop: %v", err)
		}
	})
	if err := d.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	return "http://" + d.Addr()
}

// tourFence parts the answers of the blocks in the output of the shell.
const tourFence = "----- end of block -----"

// playTour runs the commands in one shell and returns what each block printed.
func playTour(t *testing.T, base string, scripts []string) []string {
	t.Helper()
	for _, tool := range []string{"bash", "curl", "sed"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("the tour needs %s: %v", tool, err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	shell := exec.CommandContext(ctx, "bash", "-c", strings.Join(scripts, "\necho; echo '"+tourFence+"'\n"))
	shell.Env = append(os.Environ(), "BASE="+base, "no_proxy=127.0.0.1")
	var trouble strings.Builder
	shell.Stderr = &trouble
	printed, err := shell.Output()
	if err != nil || trouble.Len() > 0 {
		t.Fatalf("the tour failed: %v\n%s", err, trouble.String())
	}
	return strings.Split(string(printed), tourFence)
}

// tourMasks hide what differs each time: tokens, ids, times, codes, numbers.
var tourMasks = []struct {
	find *regexp.Regexp
	put  string
}{
	{regexp.MustCompile(`eyJ[\w-]+\.[\w-]+\.[\w-]+`), "TOKEN"},
	{regexp.MustCompile(`[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}`), "UUID"},
	{regexp.MustCompile(`\b[0-9a-f]{32}\b`), "SESSION"},
	{regexp.MustCompile(`\b\d{4}-\d\d-\d\dT[\d:.]+Z`), "TIME"},
	{regexp.MustCompile(`"idRequest":\d+`), "NUMBER"},
	{regexp.MustCompile(`"retry_after":\d+`), "SECONDS"},
	{regexp.MustCompile(`\b\d{6}\b`), "CODE"},
}

// masked is an answer without what differs each time and without white space,
// in which long answers are broken into lines.
func masked(answer string) string {
	for _, m := range tourMasks {
		answer = m.find.ReplaceAllString(answer, m.put)
	}
	return strings.Join(strings.Fields(answer), "")
}

func TestTheTourIsTrue(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(readmePath)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(text), "\n")
	blocks := tour(lines)
	var scripts []string
	var answers []tourBlock // of the script of the same index; the zero block when none is documented
	for _, b := range blocks {
		switch {
		case b.language == "sh":
			scripts = append(scripts, strings.Join(lines[b.first:b.last], "\n"))
			answers = append(answers, tourBlock{})
		case len(answers) > 0 && answers[len(answers)-1] == tourBlock{}:
			answers[len(answers)-1] = b
		default:
			t.Errorf("%s:%d: an answer without a command", readmePath, b.first)
		}
	}
	if len(scripts) < 10 {
		t.Fatalf("the tour has only %d commands", len(scripts))
	}
	got := playTour(t, startTour(t), scripts)
	for i := len(scripts) - 1; i >= 0; i-- { // from the end, since an update moves what follows
		want := strings.Join(lines[answers[i].first:answers[i].last], "\n")
		if masked(got[i]) == masked(want) {
			continue
		}
		if *updateReadme && answers[i].last > 0 {
			tail := append([]string{strings.TrimSpace(got[i])}, lines[answers[i].last:]...)
			lines = append(lines[:answers[i].first], tail...)
			continue
		}
		t.Errorf("%s:%d:\n%s\nprints\n%s\nand not\n%s", readmePath, answers[i].first, scripts[i], strings.TrimSpace(got[i]), want)
	}
	if *updateReadme {
		if err := os.WriteFile(readmePath, []byte(strings.Join(lines, "\n")), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// TestTheExamplesOfCarriersAreGood checks the tenants files with providers that
// the pages show.
func TestTheExamplesOfCarriersAreGood(t *testing.T) {
	t.Parallel()
	block := regexp.MustCompile("(?s)```yaml\n(providers:.*?)```")
	for _, page := range []string{"README.md", "docs/operations/getting-started.md", "docs/es/operacion/primeros-pasos.md", "docs/dialects/danaconnect.md"} {
		t.Run(page, func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(filepath.Join("..", page))
			if err != nil {
				t.Fatal(err)
			}
			examples := block.FindAllStringSubmatch(string(text), -1)
			if len(examples) == 0 {
				t.Fatal("shows no providers")
			}
			for _, example := range examples {
				file := filepath.Join(t.TempDir(), "tenants.yaml")
				if err := os.WriteFile(file, []byte(example[1]), 0o600); err != nil {
					t.Fatal(err)
				}
				cmd := command(t, "check-config", "--file", file)
				cmd.Env = append(cmd.Env, "SMPP_PASSWORD=hush-hus")
				for _, name := range []string{"TWILIO_TOKEN", "RELAY_PASSWORD", "ACME_DANA_PASSWORD", "ACME_CLIENT_SECRET"} {
					cmd.Env = append(cmd.Env, name+"=hush-hush")
				}
				if out, err := cmd.CombinedOutput(); err != nil || strings.Contains(string(out), "warning") {
					t.Errorf("%v: %s", err, out)
				}
			}
		})
	}
}
