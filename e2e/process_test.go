package e2e

import (
	"bufio"
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// binary is the real program, built once.
var binary = sync.OnceValues(func() (string, error) {
	path := filepath.Join(shared, "aldaba")
	build := exec.Command("go", "build", "-o", path, "../cmd/aldaba")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return "", errors.New(err.Error() + ": " + string(out))
	}
	return path, nil
})

// command prepares a call of the program with a clean environment.
func command(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path, args...)
	for _, setting := range os.Environ() {
		if !strings.HasPrefix(setting, "ALDABA_") {
			cmd.Env = append(cmd.Env, setting)
		}
	}
	return cmd
}

// tell runs a command to its end and returns its status and what it said.
func tell(t *testing.T, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	cmd := command(t, args...)
	var out, err bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &err
	watch := time.AfterFunc(30*time.Second, func() { _ = cmd.Process.Kill() })
	defer watch.Stop()
	if e := cmd.Run(); cmd.ProcessState == nil {
		t.Fatal(e)
	}
	return cmd.ProcessState.ExitCode(), out.String(), err.String()
}

// process is a running server.
type process struct {
	*client

	cmd   *exec.Cmd
	line  string // the first one of its standard output
	ended chan struct{}

	mu  sync.Mutex
	log strings.Builder // standard output and error
}

// Write keeps what the process says.
func (p *process) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.log.Write(b)
}

// said is everything that the process wrote so far.
func (p *process) said() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.log.String()
}

// spawn starts a server that is killed at the end of the test. Its first line
// of standard output comes when it answers.
func spawn(t *testing.T, args ...string) *process {
	t.Helper()
	return launch(t, command(t, args...))
}

func launch(t *testing.T, cmd *exec.Cmd) *process {
	t.Helper()
	p := &process{cmd: cmd, ended: make(chan struct{})}
	cmd.Stderr = p
	pipe, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.kill() })
	first := make(chan string, 1)
	go func() {
		lines := bufio.NewScanner(pipe)
		for lines.Scan() {
			select {
			case first <- lines.Text():
			default:
			}
			_, _ = p.Write(append(lines.Bytes(), '\n'))
		}
		_ = cmd.Wait() // the status is asked for elsewhere
		close(p.ended)
	}()
	if !strings.Contains(strings.Join(cmd.Args, " "), " dev") {
		return p
	}
	limit := time.NewTimer(30 * time.Second)
	defer limit.Stop()
	select {
	case p.line = <-first:
	case <-p.ended:
		t.Fatalf("the server ended: %s", p.said())
	case <-limit.C:
		t.Fatalf("the server is not ready: %s", p.said())
	}
	p.client = newClient(t, strings.TrimPrefix(p.line, "aldaba: ready on "))
	return p
}

// kill ends the process at once.
func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	<-p.ended
}

// end asks the process to end and returns its status.
func (p *process) end(t *testing.T, s syscall.Signal) int {
	t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		t.Fatal(err)
	}
	return p.status(t)
}

// status waits for the end.
func (p *process) status(t *testing.T) int {
	t.Helper()
	limit := time.NewTimer(30 * time.Second)
	defer limit.Stop()
	select {
	case <-p.ended:
		return p.cmd.ProcessState.ExitCode()
	case <-limit.C:
		t.Fatalf("the process does not end: %s", p.said())
		return -1
	}
}

var readyLine = regexp.MustCompile(`^aldaba: ready on http://127\.0\.0\.1:\d+$`)
