package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/aldaba-otp/aldaba/internal/spareport"
)

// server is one of those that are measured, in a process of its own.
type server struct {
	name    string // engine, or engine@build
	kind    string // engine
	dir     string
	program string
	ports   [2]*spareport.Port
	address string
	admin   string
	key     string // of the tenant
	token   string // of the admin listener
	url     string // of the database
	environ []string

	command *exec.Cmd
	codes   *codes
	numbers atomic.Int64
	stored  bool     // it is aldaba, and so it has a database
	backend *backend // PostgreSQL's processes, nil when there are none

	startMemory int64
	startTime   time.Duration
}

// secret draws a key of 160 bits.
func secret() string {
	raw := make([]byte, 20)
	_, _ = rand.Read(raw) // never fails, says its documentation
	return hex.EncodeToString(raw)
}

// newServer makes the files of a server. Those of the floor are none.
func (w *world) newServer(name string) (*server, error) {
	kind, build, _ := strings.Cut(name, "@")
	s := &server{name: name, kind: kind, dir: w.path(name), program: w.path("aldaba"), key: secret(), token: secret(), stored: kind != floorServer && !isBare(kind)}
	if other := w.builds[build]; other != "" {
		s.program = other
	}
	for i, address := range []*string{&s.address, &s.admin} {
		port, err := spareport.Take()
		if err != nil {
			return s, err
		}
		s.ports[i], *address = port, port.Address()
	}
	if err := os.Mkdir(s.dir, 0o700); err != nil || !s.stored {
		s.environ = append(os.Environ(), floorKey+"="+s.key)
		if err == nil && isBare(kind) {
			err = w.locate(s)
			s.environ = append(s.environ, bareDatabase+"="+s.url)
		}
		return s, err
	}
	return s, w.configure(s)
}

func isBare(kind string) bool { return strings.HasSuffix(kind, "-bare") }

// locate gives a server its database.
func (w *world) locate(s *server) (err error) {
	s.url = "sqlite:" + s.dir + "/aldaba.db"
	if strings.HasPrefix(s.kind, postgresServer) {
		s.url, err = w.database(s)
	}
	return err
}

// configure does what the manual tells a new user: a key ring, a configuration,
// a tenant with a credential and a route.
func (w *world) configure(s *server) error {
	if err := w.locate(s); err != nil {
		return err
	}
	if out, err := exec.Command(w.path("aldaba"), "key", "generate", "--out", s.dir+"/keys.json").CombinedOutput(); err != nil {
		return fmt.Errorf("%s: key generate: %w: %s", s.name, err, out)
	}
	settings := fmt.Sprintf("listen: %s\nadmin: {listen: %s, token: %s}\ndatabase: %s\nkeys: keys.json\nlog: {level: %s}\ndrain: {delay: 0s}\n",
		s.address, s.admin, s.token, s.url, w.logLevel)
	if w.writers > 0 {
		settings += fmt.Sprintf("writers: %d\n", w.writers)
	}
	if strings.HasSuffix(s.kind, "-single") {
		settings += "max_batch: 1\n"
	}
	// The tenant's rate is far above what is measured; everything else is as it
	// is shipped.
	limits := "    limits: {rate: 1000000/1s}\n"
	if strings.HasSuffix(s.kind, "-open") {
		limits = "    limits: {rate: off}\n    fraud_watch: {mode: off}\n"
	}
	tenants := fmt.Sprintf("providers:\n  - {name: sandbox, type: inbox}\n"+
		"tenants:\n  - name: bench\n    home: VE\n    countries: [\"*\"]\n    locale: en\n"+limits+
		"    routes: [{channel: sms, providers: [sandbox]}]\n    profiles: [{name: default}]\n"+
		"    credentials: [{type: api_key, key: %s}]\n", s.key)
	return errors.Join(os.WriteFile(s.dir+"/aldaba.yaml", []byte(settings), 0o600), os.WriteFile(s.dir+"/tenants.yaml", []byte(tenants), 0o600))
}

// start starts the process and waits until it is ready.
func (w *world) start(s *server) (time.Duration, error) {
	args := []string{"serve", "--config", s.dir + "/aldaba.yaml"}
	program := s.program
	switch {
	case !s.stored:
		program, args = w.self, []string{"floor", s.address}
	case w.profile != "":
		program, args = w.self, []string{"serve", s.dir + "/aldaba.yaml", w.profile + "/" + s.name}
	}
	log, err := os.OpenFile(s.dir+"/log", os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return 0, err
	}
	defer func() { _ = log.Close() }() // the process has its own
	s.command = exec.Command(program, args...)
	s.command.Stdout, s.command.Stderr, s.command.Env = log, log, s.environ
	begin := time.Now()
	if err := s.command.Start(); err != nil {
		return 0, err
	}
	return s.ready(begin)
}

// ready waits until the server says that it is.
func (s *server) ready(begin time.Time) (time.Duration, error) {
	for time.Since(begin) < time.Minute {
		answer, err := http.Get("http://" + s.address + "/readyz")
		if err == nil {
			_ = answer.Body.Close()
			if answer.StatusCode == http.StatusOK {
				return time.Since(begin), nil
			}
		}
		time.Sleep(2 * time.Millisecond)
	}
	log, _ := os.ReadFile(s.dir + "/log")
	return 0, fmt.Errorf("%s is not ready after a minute: %s", s.name, log)
}

// prepare brings a fresh server to where it can be driven.
func (w *world) prepare(s *server) (err error) {
	if s.startTime, err = w.start(s); err != nil || !s.stored {
		return err
	}
	apply := exec.Command(w.path("aldaba"), "apply", "-f", s.dir+"/tenants.yaml", "--config", s.dir+"/aldaba.yaml")
	if out, err := apply.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: apply: %w: %s", s.name, err, out)
	}
	var r reader
	var t tail
	if s.backend != nil {
		if r, err = openPostgres(s.url); err == nil {
			t, err = openWAL(w.cluster.Dir(), s.url)
		}
	} else if r, err = openSQLite(s.dir + "/aldaba.db"); err == nil {
		t, err = openRedo(s.dir + "/aldaba.db-redo")
	}
	if err != nil {
		return fmt.Errorf("%s: %w", s.name, err)
	}
	if s.backend != nil {
		s.backend.except[r.process()] = true
	}
	s.codes, err = newCodes(r, t, s.dir+"/keys.json")
	time.Sleep(500 * time.Millisecond)
	s.startMemory = memory(s.command.Process.Pid)
	return err
}

// stop ends the process as an operator would, or without mercy.
func (s *server) stop(signal syscall.Signal) error {
	if s.command == nil {
		return nil
	}
	err := s.command.Process.Signal(signal)
	failed := s.command.Wait()
	s.command = nil
	if signal == syscall.SIGTERM && s.stored && failed != nil {
		log, _ := os.ReadFile(s.dir + "/log")
		err = errors.Join(err, fmt.Errorf("%s: %w: %s", s.name, failed, log[max(0, len(log)-2000):]))
	}
	return err
}

// stats are the counters of the server's writer.
type stats struct{ Commits, Steps, Doubts int64 }

func (s *server) stats() (n stats, err error) {
	if !s.stored {
		return n, nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.admin+"/admin/stats", nil)
	if err != nil {
		return n, err
	}
	r.Header.Set("Authorization", "Bearer "+s.token)
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return n, err
	}
	defer func() { _ = answer.Body.Close() }()
	data, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode == http.StatusNotFound {
		return n, err // an older build
	}
	return n, json.NewDecoder(bytes.NewReader(data)).Decode(&n)
}

// carried waits until the outbox is empty and returns how much was left and how
// long it took: what is not carried yet is load that was not paid for.
func (s *server) carried() (left int64, took time.Duration, err error) {
	if !s.stored {
		return 0, 0, nil
	}
	begin := time.Now()
	for first := true; ; first = false {
		n, err := s.codes.reader.waiting()
		switch {
		case first:
			left = n
		case time.Since(begin) > time.Minute:
			err = fmt.Errorf("%s: %d messages are not carried after a minute", s.name, n)
		}
		if n == 0 || err != nil {
			return left, time.Since(begin), err
		}
		time.Sleep(5 * time.Millisecond)
	}
}
