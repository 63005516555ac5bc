package main

import (
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/aldaba-otp/aldaba/internal/spareport"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"aldaba": main})
}

func TestScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir: filepath.Join("testdata", "script"), RequireExplicitExec: true, RequireUniqueNames: true,
		Setup: setUp,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"mode": fileMode, "await": await, "keep": keep, "status": status,
		},
	})
}

// setUp gives a script a token and two free ports, also where its YAML files
// name them.
func setUp(env *testscript.Env) error {
	var ports [2]string
	for i := range ports {
		port, err := spareport.Take()
		if err != nil {
			return err
		}
		env.Defer(func() { _ = port.Close() })
		ports[i] = strconv.Itoa(port.Number)
	}
	token := rand.Text()
	vars := []string{"$PORT", ports[0], "$ADMIN", "127.0.0.1:" + ports[1], "$TOKEN", token}
	for i := 0; i < len(vars); i += 2 {
		env.Setenv(vars[i][1:], vars[i+1])
	}
	files, err := filepath.Glob(filepath.Join(env.Cd, "*.yaml"))
	for _, name := range files {
		data, fault := os.ReadFile(name)
		text := strings.NewReplacer(vars...).Replace(string(data))
		err = errors.Join(err, fault, os.WriteFile(name, []byte(text), 0o600))
	}
	return errors.Join(err, os.WriteFile(filepath.Join(env.Cd, "admin.token"), []byte(token+"\n"), 0o600))
}

// fileMode checks a file's permissions: mode 0600 FILE.
func fileMode(ts *testscript.TestScript, neg bool, args []string) {
	info, err := os.Stat(ts.MkAbs(args[1]))
	ts.Check(err)
	if got := fmt.Sprintf("%#o", info.Mode().Perm()); (got == args[0]) == neg {
		ts.Fatalf("%s has mode %s", args[1], got)
	}
}

// await waits until a URL answers 200: await URL.
func await(ts *testscript.TestScript, _ bool, args []string) {
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if answer, err := http.Get(args[0]); err == nil {
			_ = answer.Body.Close()
			if answer.StatusCode == http.StatusOK {
				return
			}
		}
	}
	ts.Fatalf("%s does not answer", args[0])
}

// keep puts the last word of the last standard output into a variable: keep NAME.
func keep(ts *testscript.TestScript, _ bool, args []string) {
	words := strings.Fields(ts.ReadFile("stdout"))
	ts.Setenv(args[0], words[len(words)-1])
}

// status checks what a request with a bearer token is answered: status 201 TOKEN METHOD URL [BODY].
func status(ts *testscript.TestScript, _ bool, args []string) {
	body := ""
	if len(args) > 4 {
		body = args[4]
	}
	r, err := http.NewRequest(args[2], args[3], strings.NewReader(body))
	ts.Check(err)
	r.Header.Set("Authorization", "Bearer "+args[1])
	r.Header.Set("Content-Type", "application/json")
	answer, err := http.DefaultClient.Do(r)
	ts.Check(err)
	_ = answer.Body.Close()
	if strconv.Itoa(answer.StatusCode) != args[0] {
		ts.Fatalf("%s %s: %s, want %s", args[2], args[3], answer.Status, args[0])
	}
}
