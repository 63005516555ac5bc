package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"zombiezen.com/go/sqlite"
)

// tick is the unit of the CPU times in /proc on every Linux that Go runs on.
const tick = 10 * time.Millisecond

// process is what /proc tells of one.
type process struct {
	parent int
	used   time.Duration // of its own
	reaped time.Duration // of children that have ended
}

func readProcess(pid int) (p process, ok bool) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return p, false
	}
	// The name stands in brackets and may hold anything.
	fields := strings.Fields(string(data[bytes.LastIndexByte(data, ')')+1:]))
	number := func(i int) int {
		n, _ := strconv.Atoi(fields[i-3]) // the kernel writes numbers here
		return n
	}
	p.parent = number(4)
	p.used = time.Duration(number(14)+number(15)) * tick
	p.reaped = time.Duration(number(16)+number(17)) * tick
	return p, true
}

// memory is the resident memory of a process in bytes.
func memory(pid int) int64 {
	data, _ := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid)) // 0 when it has ended
	fields := strings.Fields(string(data))
	if len(fields) < 2 {
		return 0
	}
	n, _ := strconv.ParseInt(fields[1], 10, 64)
	return n * int64(os.Getpagesize())
}

// backend is a PostgreSQL server with its processes.
type backend struct {
	postmaster int
	except     map[int]bool // those that serve the generator
}

// used is the CPU time of all of them.
func (b *backend) used() (sum time.Duration) {
	if b == nil {
		return 0
	}
	folders, _ := filepath.Glob("/proc/[0-9]*")
	for _, folder := range folders {
		pid, _ := strconv.Atoi(filepath.Base(folder))
		p, ok := readProcess(pid)
		switch {
		case !ok || b.except[pid]:
		case pid == b.postmaster:
			sum += p.used + p.reaped
		case p.parent == b.postmaster:
			sum += p.used
		}
	}
	return sum
}

// machine tells where the figures come from.
func machine(dir string, url string) string {
	var b strings.Builder
	model := "unknown processor"
	cpu, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(cpu)) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			model = strings.TrimSpace(value)
			break
		}
	}
	system := runtime.GOOS
	release, _ := os.ReadFile("/etc/os-release")
	for line := range strings.Lines(string(release)) {
		if value, ok := strings.CutPrefix(line, "PRETTY_NAME="); ok {
			system = strings.Trim(strings.TrimSpace(value), `"`)
		}
	}
	load, _ := os.ReadFile("/proc/loadavg")
	fmt.Fprintf(&b, "machine: %d cores, %s, %s, %s, load before %s\n", runtime.NumCPU(), model, system, runtime.Version(),
		strings.Join(strings.Fields(string(load))[:1], ""))
	fmt.Fprintf(&b, "SQLite %s, PostgreSQL %s\n", sqliteVersion(), postgresVersion(url))
	fmt.Fprintf(&b, "transparent huge pages: %s; as many busy loops at once as there are cores run at %.2f of one's speed each\n", hugePages(), together())
	b.WriteString(fsyncFloor(dir))
	return b.String()
}

// hugePages is the mode of the kernel: always, madvise, which neither Go nor
// PostgreSQL answer to, or never.
func hugePages() string {
	data, _ := os.ReadFile("/sys/kernel/mm/transparent_hugepage/enabled")
	_, rest, _ := strings.Cut(string(data), "[")
	mode, _, ok := strings.Cut(rest, "]")
	if !ok {
		return "unknown"
	}
	return mode
}

// together tells how much the cores have in common: 1 when each is one of its own,
// 0.5 when two are the halves of one.
func together() float64 {
	alone := max(loops(1), loops(1)) // the first may have to wake the core
	return float64(loops(runtime.NumCPU())) / float64(runtime.NumCPU()) / float64(alone)
}

// loops counts the rounds of some busy loops in a while.
func loops(n int) (rounds int) {
	var group sync.WaitGroup
	counts := make([]int, n)
	begin := time.Now()
	for i := range counts {
		group.Go(func() {
			block, own := make([]byte, 16<<10), 0
			for time.Since(begin) < 200*time.Millisecond {
				sha256.Sum256(block)
				own++
			}
			counts[i] = own
		})
	}
	group.Wait()
	for _, own := range counts {
		rounds += own
	}
	return rounds
}

func sqliteVersion() string {
	conn, err := sqlite.OpenConn(":memory:")
	if err != nil {
		return "?"
	}
	defer func() { _ = conn.Close() }()
	stmt, err := conn.Prepare("SELECT sqlite_version()")
	if err != nil {
		return "?"
	}
	if row, err := stmt.Step(); err != nil || !row {
		return "?"
	}
	defer func() { _ = stmt.Reset() }()
	return stmt.ColumnText(0)
}

func postgresVersion(url string) (version string) {
	if url == "" {
		return "none"
	}
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return "?"
	}
	defer func() { _ = conn.Close(ctx) }()
	if err := conn.QueryRow(ctx, "SHOW server_version").Scan(&version); err != nil {
		return "?"
	}
	return version
}

// fsyncFloor appends 4 KiB and syncs, again and again, on the disk of the run:
// no durable answer can be faster.
func fsyncFloor(dir string) string {
	file, err := os.Create(filepath.Join(dir, "fsync"))
	if err != nil {
		return err.Error()
	}
	defer func() { _ = file.Close() }()
	page := make([]byte, 4096)
	var took []time.Duration
	for begin := time.Now(); time.Since(begin) < 500*time.Millisecond; {
		one := time.Now()
		if _, err := file.Write(page); err != nil {
			return err.Error()
		}
		if err := file.Sync(); err != nil {
			return err.Error()
		}
		took = append(took, time.Since(one))
	}
	slices.Sort(took)
	return fmt.Sprintf("fsync floor: append 4 KiB and fsync p50 %v, p99 %v", took[len(took)/2].Round(time.Microsecond), took[len(took)*99/100].Round(time.Microsecond))
}

// machineUsed is the time that all processors have worked, for anybody.
func machineUsed() (used time.Duration) {
	data, _ := os.ReadFile("/proc/stat")
	line, _, _ := strings.Cut(string(data), "\n")
	for i, field := range strings.Fields(line) {
		n, _ := strconv.Atoi(field) // the first is a name
		// Idling, waiting for disks, and guests that are counted as users.
		if i != 4 && i != 5 && i < 9 {
			used += time.Duration(n) * tick
		}
	}
	return used
}
