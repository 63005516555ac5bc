package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/aldaba-otp/aldaba/store/storetest/pgcluster"
)

// world is one run with all its servers.
type world struct {
	options

	self    string // this program
	dir     string
	machine string
	out     io.Writer    // of the figures
	printed bytes.Buffer // what was written there
	cluster *pgcluster.Cluster
	backend *backend
	servers []*server
	results []round
	alive   []livings
}

// newWorld builds the program and starts PostgreSQL if it is asked for.
func newWorld(o options) (w *world, err error) {
	w = &world{options: o}
	w.out = io.MultiWriter(os.Stdout, &w.printed)
	defer func() {
		if err != nil {
			err = errors.Join(err, w.close())
		}
	}()
	if w.self, err = os.Executable(); err != nil {
		return w, err
	}
	if w.dir, err = tempDir(); err != nil {
		return w, err
	}
	build := exec.Command("go", "build", "-o", w.path("aldaba"), "github.com/aldaba-otp/aldaba/cmd/aldaba")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return w, fmt.Errorf("build: %w: %s", err, out)
	}
	if w.profile != "" {
		if w.profile, err = filepath.Abs(w.profile); err == nil {
			err = os.MkdirAll(w.profile, 0o755)
		}
		if err != nil {
			return w, err
		}
	}
	url := ""
	for _, name := range o.engines {
		if strings.HasPrefix(name, postgresServer) && w.cluster == nil {
			if url, err = w.startPostgres(); err != nil {
				return w, err
			}
		}
	}
	w.machine = machine(w.dir, url)
	return w, nil
}

// startPostgres starts a server of our own that waits for its disk.
func (w *world) startPostgres() (string, error) {
	dir := w.path("postgres-data")
	var err error
	if w.cluster, err = pgcluster.StartAt(dir, pgcluster.Options{Fsync: true, Socket: true, Settings: []string{"min_wal_size=2GB"}}); err != nil {
		return "", err
	}
	if err := w.useWAL(); err != nil {
		return "", err
	}
	data, err := os.ReadFile(dir + "/postmaster.pid")
	if err != nil {
		return "", err
	}
	line, _, _ := strings.Cut(string(data), "\n")
	pid, err := strconv.Atoi(line)
	if err != nil {
		return "", fmt.Errorf("postmaster.pid: %w", err)
	}
	w.backend = &backend{postmaster: pid, except: map[int]bool{}}
	url, _, err := w.cluster.CreateDatabase(context.Background())
	return url, err
}

// useWAL has the server make segments of its log and recycle them: one that has
// run for a while writes over old segments, and only a new one fills each with
// zeros first.
func (w *world) useWAL() error {
	const segments = 64 // of 16 MiB
	for range segments {
		if err := w.cluster.Exec(context.Background(), "SELECT pg_logical_emit_message(false, '', ''), pg_switch_wal()"); err != nil {
			return err
		}
	}
	return w.cluster.Exec(context.Background(), "CHECKPOINT")
}

// database makes one for a server; it goes with the cluster.
func (w *world) database(s *server) (string, error) {
	s.backend = w.backend
	url, _, err := w.cluster.CreateDatabase(context.Background())
	return url, err
}

// startAll starts every server; those whose turn it is not do next to nothing.
func (w *world) startAll() error {
	for _, name := range w.engines {
		s, err := w.newServer(name)
		if err != nil {
			return err
		}
		w.servers = append(w.servers, s)
		if err := w.prepare(s); err != nil {
			return err
		}
	}
	return nil
}

// stopAll ends the servers in good order, so that their own complaints count.
func (w *world) stopAll() (err error) {
	for _, s := range w.servers {
		err = errors.Join(err, s.codes.close(), s.stop(syscall.SIGTERM))
		s.codes = nil
	}
	return err
}

// close removes everything.
func (w *world) close() error {
	for _, s := range w.servers {
		if s.command != nil {
			_ = s.stop(syscall.SIGKILL) // the run has failed already
		}
	}
	var err error
	if w.cluster != nil {
		err = w.cluster.Stop()
	}
	if w.dir != "" {
		err = errors.Join(err, os.RemoveAll(w.dir))
	}
	return err
}
