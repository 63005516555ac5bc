package sqlite_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aldaba-otp/aldaba/otp"
	"github.com/aldaba-otp/aldaba/store"
	"github.com/aldaba-otp/aldaba/store/sqlite"
)

// childEnv names the database that a child process is to write.
const childEnv = "ALDABA_TEST_CRASH_CHILD"

// cyclesEnv asks for more rounds of the crash test than the default.
const cyclesEnv = "ALDABA_TEST_CRASH_CYCLES"

func TestMain(m *testing.M) {
	if path := os.Getenv(childEnv); path != "" {
		if err := child(path); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// child starts and approves verifications for ever and prints the ID of each
// one whose approval was acknowledged.
func child(path string) error {
	e, err := sqlite.Open(context.Background(), path, sqlite.Options{})
	if err != nil {
		return err
	}
	w := store.NewWriter(e, store.Options{Floor: e.Floor()})
	var done sync.WaitGroup
	var out sync.Mutex
	for range 16 {
		done.Go(func() {
			for {
				v, m := sample()
				if w.Do(context.Background(), startStep(v, m)) != nil || w.Do(context.Background(), approveStep(v.ID)) != nil {
					return
				}
				out.Lock()
				fmt.Println(v.ID.Hex(), w.Last().UnixMicro())
				out.Unlock()
			}
		})
	}
	done.Wait()
	return nil
}

func TestKillLosesNothingAcknowledged(t *testing.T) {
	t.Parallel()
	cycles := 5
	if n, err := strconv.Atoi(os.Getenv(cyclesEnv)); err == nil {
		cycles = n
	}
	path := filepath.Join(t.TempDir(), "a.db")
	acknowledged := map[otp.ID]bool{}
	for cycle := range cycles {
		ids, last := crash(t, path, 1+(cycle*cycle*97)%1000)
		for _, id := range ids {
			acknowledged[id] = true
		}
		e, err := sqlite.Open(context.Background(), path, sqlite.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if e.Floor().Before(last) {
			t.Errorf("the floor is %v, a time of %v was used", e.Floor(), last)
		}
		missing(t, e, acknowledged)
		if err := e.Integrity(context.Background()); err != nil {
			t.Error(err)
		}
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	}
	t.Logf("%d acknowledged approvals over %d kills", len(acknowledged), cycles)
}

// crash runs a child until it has acknowledged some approvals, kills it, and
// returns what it acknowledged and the last time that it used.
func crash(t *testing.T, path string, some int) (ids []otp.ID, last time.Time) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childEnv+"="+path)
	cmd.Stderr = os.Stderr
	pipe, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(pipe)
	for {
		line, err := lines.ReadString('\n') // a line cut by the kill is not told
		if err != nil {
			if !errors.Is(err, io.EOF) {
				t.Error(err)
			}
			break
		}
		id, at, _ := strings.Cut(strings.TrimSpace(line), " ")
		parsed, ok := otp.ParseHex(id)
		us, err := strconv.ParseInt(at, 10, 64)
		if !ok || err != nil {
			t.Fatalf("the child said %q", line)
		}
		ids, last = append(ids, parsed), time.UnixMicro(us)
		if len(ids) == some {
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	_ = cmd.Wait() // it was killed, so it reports a failure
	if len(ids) < some {
		t.Fatalf("the child ended after %d approvals", len(ids))
	}
	return ids, last
}

// missing fails for every acknowledged approval that is not there, whole.
func missing(t *testing.T, e *sqlite.Engine, ids map[otp.ID]bool) {
	t.Helper()
	for id := range ids {
		found, err := e.Verifications(context.Background(), id)
		if err != nil || len(found) != 1 || found[0].Status != otp.Approved {
			t.Fatalf("%v: %+v, error %v", id, found, err)
		}
		if events, err := e.Events(context.Background(), id); err != nil || len(events) != 2 {
			t.Fatalf("%v: events %+v, error %v", id, events, err)
		}
	}
}
