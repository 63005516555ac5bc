package e2e

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// What only the real program shows of `aldaba dev`.

func TestTheProgramsFirstLineAndLastWord(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	cmd := command(t, "dev", "--listen", "127.0.0.1:0")
	cmd.Env = append(cmd.Env, "TMPDIR="+dir)
	p := launch(t, cmd)
	if !readyLine.MatchString(p.line) {
		t.Errorf("the first line is %q", p.line)
	}
	for _, path := range []string{"/healthz", "/readyz"} {
		if r := p.must("GET", path, ""); r.status != 200 || r.member("status") != "ok" {
			t.Errorf("%s is answered %d %s", path, r.status, r.body)
		}
	}
	eventually(t, 5*time.Second, "every dialect is shown with a call", func() bool {
		return !slices.ContainsFunc([]string{"native", "danaconnect", "additiv", "modica", "unityvox"}, func(name string) bool {
			return !strings.Contains(p.said(), "\n"+name+"\n")
		})
	})
	if inside, _ := os.ReadDir(dir); len(inside) != 1 {
		t.Errorf("the temporary folder has %v", inside)
	}
	if status := p.end(t, syscall.SIGTERM); status != 0 {
		t.Errorf("it ends with status %d: %s", status, p.said())
	}
	if inside, _ := os.ReadDir(dir); len(inside) != 0 {
		t.Errorf("the temporary folder keeps %v", inside)
	}
}

func TestASecondProcessOnSQLiteIsRefused(t *testing.T) {
	t.Parallel()
	data := folder(t)
	args := []string{"dev", "--listen", "127.0.0.1:0", "--data", data}
	p := spawn(t, args...)
	status, out, text := tell(t, args...)
	if status != 1 || out != "" || !strings.Contains(text, "in use by another process") {
		t.Errorf("the second ends with %d, %q and %q", status, out, text)
	}
	if p.send("GET", "/readyz", "").status != 200 {
		t.Error("the first is not ready any more")
	}
	if status := p.end(t, syscall.SIGINT); status != 0 {
		t.Errorf("the first ends with %d: %s", status, p.said())
	}
}

func TestPostgreSQLWithoutAFolderIsAUsageError(t *testing.T) {
	t.Parallel()
	status, _, text := tell(t, "dev", "--database", "postgres://nobody@127.0.0.1:1/none")
	if status != 2 || !strings.Contains(text, "--data") {
		t.Errorf("it ends with %d and %q", status, text)
	}
	for _, args := range [][]string{{"dev", "--unknown"}, {"dev", "--apply", "/no/such/file"}, {"dev", "--log-level", "loud"}, {"no-such-command"}} {
		if status, _, text := tell(t, args...); status != 2 || text == "" {
			t.Errorf("%v ends with %d and %q", args, status, text)
		}
	}
}

func TestTheEnvironmentNamesTheDatabase(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "elsewhere.db")
	cmd := command(t, "dev", "--listen", "127.0.0.1:0", "--data", folder(t))
	cmd.Env = append(cmd.Env, "ALDABA_DATABASE=sqlite:"+path)
	launch(t, cmd)
	if _, err := os.Stat(path); err != nil {
		t.Error(err)
	}
}
