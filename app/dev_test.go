package app

import (
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestOffsetFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "clock.json")
	if offset, err := readOffset(path); offset != 0 || err != nil {
		t.Errorf("no file: %s, %v", offset, err)
	}
	for content, want := range map[string]time.Duration{
		`{"offset":"10m1s"}`: 601 * time.Second, `{"offset":"0s"}`: 0,
		`{"offset":"-5s"}`: -1, `{"offset":"soon"}`: -1, `{"offset":5}`: -1, `{}`: -1, ``: -1, `{`: -1,
	} {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		offset, err := readOffset(path)
		switch {
		case want < 0 && (err == nil || !strings.Contains(err.Error(), "delete the file to start at the real time")):
			t.Errorf("%s: %s, %v", content, offset, err)
		case want >= 0 && (err != nil || offset != want):
			t.Errorf("%s: %s, %v", content, offset, err)
		}
	}
}

func TestDevRefusesWhatCannotBeKept(t *testing.T) {
	t.Parallel()
	if _, err := NewDev(t.Context(), DevOptions{Database: "postgres://nowhere/x"}); !errors.Is(err, ErrUsage) {
		t.Errorf("PostgreSQL without a folder: %v", err)
	}
	dir := t.TempDir()
	for _, url := range []string{"mysql://user:secret@db/x", "/var/lib/x.db", "Sqlite:x"} {
		_, err := NewDev(t.Context(), DevOptions{Data: dir, Database: url})
		if !errors.Is(err, ErrUsage) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", url, err)
		}
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("a mistaken command has left %v, %v", left, err)
	}
	if err := os.WriteFile(filepath.Join(dir, "clock.json"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	ringIn(t, dir)
	if _, err := NewDev(t.Context(), DevOptions{Data: dir, Database: "memory:"}); err == nil || !strings.Contains(err.Error(), "clock.json") {
		t.Errorf("a broken clock file: %v", err)
	}
}

func TestDevRefusesBadInput(t *testing.T) {
	t.Parallel()
	d := dev(t)
	base := "http://" + d.Addr()
	now := d.Clock.Offset()
	deep := strings.Repeat("[", 5_000)
	for _, c := range []struct{ method, path, body string }{
		{"GET", "/dev/inbox?limit=0", ""},
		{"GET", "/dev/inbox?limit=-1", ""},
		{"GET", "/dev/inbox?limit=x", ""},
		{"GET", "/dev/inbox?limit=99999999999999999999", ""},
		{"POST", "/dev/clock", ""},
		{"POST", "/dev/clock", "x"},
		{"POST", "/dev/clock", "[]"},
		{"POST", "/dev/clock", "{}"},
		{"POST", "/dev/clock", `{"advance":5}`},
		{"POST", "/dev/clock", `{"advance":null}`},
		{"POST", "/dev/clock", `{"advance":"-1s"}`},
		{"POST", "/dev/clock", `{"advance":"soon"}`},
		{"POST", "/dev/clock", `{"advance":"9999999h"}`},
		{"POST", "/dev/clock", `{"advance":"1s","advance":"2s"}`},
		{"POST", "/dev/clock", `{"advance":"1s"} x`},
		{"POST", "/dev/clock", `{"advance":"1s","by":1}`},
		{"POST", "/dev/clock", deep},
		{"POST", "/dev/clock", "{\"advance\":\"\xff\"}"},
		{"PUT", "/dev/simulator", "x"},
		{"PUT", "/dev/simulator", `{"fail":"sometimes"}`},
		{"PUT", "/dev/simulator", `{"fail":5}`},
		{"PUT", "/dev/simulator", `{"fail":["rejected"]}`},
		{"PUT", "/dev/simulator", `{"delay":"-1s"}`},
		{"PUT", "/dev/simulator", `{"delay":2}`},
		{"PUT", "/dev/simulator", `{"delay":"2h"}`},
		{"PUT", "/dev/simulator", `{"receipt":"lost"}`},
		{"PUT", "/dev/simulator", `{"colour":"red"}`},
	} {
		status, body := call(t, c.method, base+c.path, "", c.body)
		var problem struct {
			Status int
			Detail string
		}
		if err := json.Unmarshal([]byte(body), &problem); status != 400 || err != nil || problem.Detail == "" {
			t.Errorf("%s %s %.60s: %d %s", c.method, c.path, c.body, status, body)
		}
	}
	if status, _ := call(t, http.MethodPost, base+"/dev/clock", "", strings.Repeat("x", 1<<20)); status != 413 {
		t.Errorf("a huge body: %d", status)
	}
	if d.Clock.Offset() != now {
		t.Error("the clock was moved")
	}
	for _, path := range []string{"/dev/inbox", "/dev/clock", "/dev/limits", "/dev/simulator"} {
		if status, _ := call(t, http.MethodPatch, base+path, "", ""); status != 405 {
			t.Errorf("PATCH %s: %d", path, status)
		}
	}
}

func TestClockNeverLeavesTheCalendar(t *testing.T) {
	t.Parallel()
	d := dev(t)
	refused := 0
	for range 40 { // 10 years each
		status, body := call(t, http.MethodPost, "http://"+d.Addr()+"/dev/clock", "", `{"advance":"87600h"}`)
		if status == 400 && strings.Contains(body, "100 years") {
			refused++
		}
	}
	if year := d.Clock.Now().Year(); refused != 30 || year > 2150 {
		t.Errorf("refused %d times, in the year %d", refused, year)
	}
}

func TestServeHasNoDevPaths(t *testing.T) {
	t.Parallel()
	a := running(t, Options{})
	for _, path := range []string{"/dev/inbox", "/dev/clock", "/dev/limits", "/dev/simulator"} {
		if status, _ := call(t, http.MethodGet, "http://"+a.Addr()+path, "", ""); status != 404 {
			t.Errorf("GET %s: %d", path, status)
		}
	}
}

func TestWelcomeHasOneSampleADialectThatWorks(t *testing.T) {
	t.Parallel()
	d := dev(t)
	base := "http://" + d.Addr()
	text := d.Welcome(base)
	if strings.Contains(text, "$BASE") || !strings.Contains(text, base+"/dev/inbox") {
		t.Errorf("welcome: %s", text)
	}
	folders, err := filepath.Glob("../api/*/testdata")
	if err != nil {
		t.Fatal(err)
	}
	for _, folder := range folders {
		name := filepath.Base(filepath.Dir(folder))
		_, rest, ok := strings.Cut(text, "\n"+name+"\n  ")
		sample, _, _ := strings.Cut(rest, "\n\n")
		if !ok || !strings.Contains(sample, "curl") {
			t.Errorf("%s has no sample: %q", name, sample)
			continue
		}
		if _, err := exec.LookPath("curl"); err != nil {
			continue
		}
		if status, _ := call(t, http.MethodDelete, base+"/dev/limits", "", ""); status != 204 {
			t.Fatalf("forgetting limits: %d", status)
		}
		before := len(d.Inbox.List("", "acme", 100))
		out, err := exec.CommandContext(t.Context(), "sh", "-c", sample).CombinedOutput()
		call(t, http.MethodGet, base+"/dev/inbox", "", "")
		if n := len(d.Inbox.List("", "acme", 100)); err != nil || n != before+1 {
			t.Errorf("%s: the sample sent %d messages, %v: %s", name, n-before, err, out)
		}
	}
	if len(folders) != len(d.Dialects()) {
		t.Errorf("%d dialects, %d folders", len(d.Dialects()), len(folders))
	}
}
