package main

import (
	"fmt"
	"io"
	"strings"
	"syscall"
	"time"
)

// livings are the figures of a server with many live verifications.
type livings struct {
	Server    string  `json:"server"`
	Live      int     `json:"live"`
	PerSecond float64 `json:"starts_per_second"`
	Empty     float64 `json:"ready_empty_ms"`
	Start     float64 `json:"memory_start_mb"`
	After     float64 `json:"memory_live_mb"`
	Each      float64 `json:"memory_each_bytes"`
	Restarted float64 `json:"memory_restarted_mb"`
	Ready     float64 `json:"ready_live_ms"`
	Killed    float64 `json:"ready_killed_ms"` // after kill -9
}

// measureLive fills a fresh server of each engine with verifications that
// nobody checks, and starts it again, after an orderly end and after none.
func (w *world) measureLive() error {
	for _, old := range w.servers {
		if !old.stored || strings.HasSuffix(old.kind, "-single") {
			continue
		}
		if err := old.codes.close(); err != nil {
			return err
		}
		old.codes = nil
		if err := old.stop(syscall.SIGTERM); err != nil {
			return err
		}
		l, err := w.fill(old.name)
		if err != nil {
			return fmt.Errorf("%s: %w", old.name, err)
		}
		w.alive = append(w.alive, l)
	}
	return nil
}

// fill measures one.
func (w *world) fill(name string) (l livings, err error) {
	kind, build, _ := strings.Cut(name, "@")
	profile := w.profile
	w.profile = ""
	defer func() { w.profile = profile }()
	s, err := w.newServer(kind + "@" + build + "live")
	if err != nil {
		return l, err
	}
	if other := w.builds[build]; other != "" {
		s.program = other
	}
	w.servers = append(w.servers, s)
	if err := w.prepare(s); err != nil {
		return l, err
	}
	_, took, err := drive(s, w.connections[len(w.connections)-1], func(x *client) error {
		if s.numbers.Load() >= int64(w.live) {
			return io.EOF
		}
		return x.start()
	})
	if err != nil {
		return l, err
	}
	if _, _, err := s.carried(); err != nil {
		return l, err
	}
	n := float64(s.numbers.Load())
	after := memory(s.command.Process.Pid)
	l = livings{
		Server: name, Live: int(n), PerSecond: n / took.Seconds(), Empty: ms(s.startTime),
		Start: float64(s.startMemory) / mb, After: float64(after) / mb, Each: float64(after-s.startMemory) / n,
	}
	err = w.again(s, &l)
	return l, err
}

// again starts the server anew, after an orderly end and after none.
func (w *world) again(s *server, l *livings) error {
	for _, end := range []struct {
		signal syscall.Signal
		ready  *float64
	}{{syscall.SIGTERM, &l.Ready}, {syscall.SIGKILL, &l.Killed}} {
		if err := s.stop(end.signal); err != nil {
			return err
		}
		ready, err := w.start(s)
		if err != nil {
			return err
		}
		*end.ready, l.Restarted = ms(ready), float64(memory(s.command.Process.Pid))/mb
	}
	return nil
}

const mb = 1 << 20

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// printLive prints one line a server.
func (w *world) printLive() {
	fmt.Fprintf(w.out, "\nlive verifications, started at %d connections and not checked\n", w.connections[len(w.connections)-1])
	fmt.Fprintf(w.out, "%-18s %9s %9s %12s %12s %10s %14s %12s %14s %14s\n", "server", "live", "starts/s", "RSS start MB", "RSS live MB", "bytes each",
		"RSS again MB", "ready empty", "ready live ms", "after kill -9")
	for _, l := range w.alive {
		fmt.Fprintf(w.out, "%-18s %9d %9.0f %12.0f %12.0f %10.0f %14.0f %12.0f %14.0f %14.0f\n",
			l.Server, l.Live, l.PerSecond, l.Start, l.After, l.Each, l.Restarted, l.Empty, l.Ready, l.Killed)
	}
}
