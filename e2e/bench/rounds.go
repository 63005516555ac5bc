package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"
)

// round is one measurement of one server.
type round struct {
	Server      string  `json:"server"`
	Connections int     `json:"connections"`
	Pairs       int     `json:"pairs"`
	PerSecond   float64 `json:"pairs_per_second"`
	P50         float64 `json:"p50_ms"`
	P99         float64 `json:"p99_ms"`
	CPU         float64 `json:"server_cpu_us_per_pair"`
	Database    float64 `json:"database_cpu_us_per_pair"`
	Generator   float64 `json:"generator_cpu_us_per_pair"`
	Others      float64 `json:"others_cores"` // taken by the rest of the machine
	Batch       float64 `json:"steps_per_commit"`
	Left        int64   `json:"messages_left"` // in the outbox when the last pair was done
	Drain       float64 `json:"drain_ms"`      // until it was empty
	Memory      float64 `json:"memory_mb"`
}

// interleave measures every server with every number of connections, one after
// the other, and then again: what else the machine does falls on all of them.
func (w *world) interleave() error {
	for _, s := range w.servers { // caches, connections and the heap find their size
		if _, err := w.measure(s, w.connections[0], time.Second); err != nil {
			return err
		}
	}
	for range w.rounds {
		for _, connections := range w.connections {
			for _, s := range w.servers {
				r, err := w.measure(s, connections, seconds(w.seconds))
				if err != nil {
					return err
				}
				w.results = append(w.results, r)
			}
		}
	}
	return nil
}

// clocks are the CPU times of everybody at one moment.
type clocks struct{ server, database, generator, machine time.Duration }

func (w *world) clocks(s *server) (c clocks) {
	p, _ := readProcess(s.command.Process.Pid)
	own, _ := readProcess(os.Getpid())
	return clocks{p.used, s.backend.used(), own.used, machineUsed()}
}

// measure drives pairs for a time, and waits until their messages are carried:
// that is a part of the work, so its CPU time counts too.
func (w *world) measure(s *server, connections int, length time.Duration) (round, error) {
	act, err := w.prepared(s, connections, length)
	if err != nil {
		return round{}, fmt.Errorf("%s: %w", s.name, err)
	}
	stats0, err := s.stats()
	if err != nil {
		return round{}, err
	}
	before, begin := w.clocks(s), time.Now()
	clients, took, err := drive(s, connections, func(x *client) error {
		one := time.Now()
		if one.Sub(begin) >= length {
			return io.EOF
		}
		err := act(x)
		x.took = append(x.took, int32(time.Since(one).Microseconds()))
		return err
	})
	if err != nil {
		return round{}, fmt.Errorf("%s: %w", s.name, err)
	}
	left, drain, err := s.carried()
	if err != nil {
		return round{}, err
	}
	after, whole := w.clocks(s), time.Since(begin)
	stats1, err := s.stats()
	if err != nil {
		return round{}, err
	}
	var all []int32
	for _, x := range clients {
		all = append(all, x.took...)
	}
	slices.Sort(all)
	n := float64(max(len(all), 1))
	each := func(a, b time.Duration) float64 { return float64((b - a).Microseconds()) / n }
	r := round{
		Server: s.name, Connections: connections, Pairs: len(all), PerSecond: n / took.Seconds(),
		P50: float64(all[len(all)/2]) / 1000, P99: float64(all[len(all)*99/100]) / 1000,
		CPU: each(before.server, after.server), Database: each(before.database, after.database), Generator: each(before.generator, after.generator),
		Left: left, Drain: float64(drain.Microseconds()) / 1000, Memory: float64(memory(s.command.Process.Pid)) / (1 << 20),
	}
	ours := after.server - before.server + after.database - before.database + after.generator - before.generator
	r.Others = max((after.machine-before.machine-ours).Seconds()/whole.Seconds(), 0)
	if commits := stats1.Commits - stats0.Commits; commits > 0 {
		r.Batch = float64(stats1.Steps-stats0.Steps) / float64(commits)
	}
	return r, nil
}

// median returns the middle of a figure over the rounds of one server.
func (w *world) median(server string, connections int, figure func(round) float64) float64 {
	var all []float64
	for _, r := range w.results {
		if r.Server == server && r.Connections == connections {
			all = append(all, figure(r))
		}
	}
	if len(all) == 0 {
		return 0
	}
	slices.SortFunc(all, cmp.Compare)
	return all[len(all)/2]
}

// printRounds prints one line a server and number of connections.
func (w *world) printRounds() {
	for _, c := range w.connections {
		fmt.Fprintf(w.out, "\n%d connections, medians of %d rounds of %g s; a pair is a start and a right check%s\n", c, w.rounds, w.seconds, w.note())
		fmt.Fprintf(w.out, "%-18s %8s %6s %7s %7s %8s %8s %8s %7s %7s %7s %9s\n", "server", "pairs/s", "ratio", "p50 ms", "p99 ms",
			"CPU us", "db us", "gen us", "batch", "others", "RSS MB", "outbox")
		floor := w.median(floorServer, c, func(r round) float64 { return r.PerSecond })
		for _, s := range w.servers {
			m := func(figure func(round) float64) float64 { return w.median(s.name, c, figure) }
			ratio := "-"
			if floor > 0 {
				ratio = fmt.Sprintf("%.2f", m(func(r round) float64 { return r.PerSecond })/floor)
			}
			fmt.Fprintf(w.out, "%-18s %8.0f %6s %7.1f %7.1f %8.1f %8.1f %8.1f %7.1f %7.2f %7.0f %9s\n", s.name,
				m(func(r round) float64 { return r.PerSecond }), ratio, m(func(r round) float64 { return r.P50 }), m(func(r round) float64 { return r.P99 }),
				m(func(r round) float64 { return r.CPU }), m(func(r round) float64 { return r.Database }), m(func(r round) float64 { return r.Generator }),
				m(func(r round) float64 { return r.Batch }), m(func(r round) float64 { return r.Others }), m(func(r round) float64 { return r.Memory }),
				fmt.Sprintf("%.0f/%.0fms", m(func(r round) float64 { return float64(r.Left) }), m(func(r round) float64 { return r.Drain })))
		}
	}
	fmt.Fprintln(w.out, "\nCPU: microseconds of the server's process a pair, db of PostgreSQL's, gen of the generator's; others: cores that the rest of the machine took;")
	fmt.Fprintln(w.out, "batch: steps (start, check, message completion) a commit, and so an fsync; outbox: messages left at the last answer, and the time until none was.")
}

// writeJSON writes every round, not only the medians.
func (w *world) writeJSON(file string) error {
	data, err := json.MarshalIndent(map[string]any{"machine": w.machine, "rounds": w.results, "live": w.alive}, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(file, append(data, '\n'), 0o644)
}

// The marks between which a document holds the figures of the last run.
const (
	figuresBegin = "<!-- figures of `make bench-document` -->\n"
	figuresEnd   = "<!-- end of the figures -->\n"
)

// writeDocument replaces the figures of a document.
func (w *world) writeDocument(file string) error {
	data, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	before, rest, ok1 := strings.Cut(string(data), figuresBegin)
	_, after, ok2 := strings.Cut(rest, figuresEnd)
	if !ok1 || !ok2 {
		return fmt.Errorf("%s lacks the marks of the figures", file)
	}
	text := before + figuresBegin + "```\n" + time.Now().UTC().Format(time.DateOnly) + "\n" + w.printed.String() + "```\n" + figuresEnd + after
	return os.WriteFile(file, []byte(text), 0o644)
}
