// Command bench measures what a whole server carries: it builds and starts
// `aldaba serve` as a user would, on each engine, and drives pairs over HTTP. A
// pair is one start and one right check of it, one after the other on one
// keep-alive connection, each answer given after its commit.
//
// Everything runs interleaved on one machine beside a floor: a minimal net/http
// server that reads the same bodies and stores nothing. The ratio to that floor
// is what counts; the floor with a bare store behind it shows what the machine and
// its databases could give at most. docs/performance.md tells how to read the figures.
//
// It is not a test: it fails only when a server answers wrongly, never because
// it is slow.
//
//	go run ./e2e/bench
//	go run ./e2e/bench -engines floor,sqlite -connections 64 -rounds 1 -live 0 -profile build/profiles
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The servers that can be measured.
const (
	floorServer    = "floor"
	sqliteServer   = "sqlite"
	postgresServer = "postgres"
	sqliteSingle   = "sqlite-single"   // one transaction per operation
	postgresSingle = "postgres-single" // the same
	sqliteOpen     = "sqlite-open"     // without the limits over many addresses and the fraud watch
	postgresOpen   = "postgres-open"   // the same
	sqliteBare     = "sqlite-bare"     // the floor with a bare store, without any rule
	postgresBare   = "postgres-bare"   // the same
)

// options are the flags.
type options struct {
	engines     []string
	connections []int
	rounds      int
	seconds     float64
	live        int
	logLevel    string
	writers     int
	json        string
	document    string
	profile     string
	act         string
	builds      map[string]string
}

func main() {
	// The floor, and servers that write a profile, are this very program in a
	// process of their own.
	if len(os.Args) > 2 && os.Args[1] == "floor" {
		exit(runFloor(os.Args[2]))
	}
	if len(os.Args) > 3 && os.Args[1] == "serve" {
		exit(runProfiled(os.Args[2], os.Args[3]))
	}
	o, err := parse(os.Args[1:])
	if errors.Is(err, flag.ErrHelp) {
		os.Exit(2)
	}
	if err == nil {
		err = run(o)
	}
	exit(err)
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// parse reads the flags.
func parse(args []string) (o options, err error) {
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	all := []string{floorServer, sqliteServer, postgresServer, sqliteSingle, postgresSingle, sqliteOpen, postgresOpen, sqliteBare, postgresBare}
	engines := f.String("engines", strings.Join(all, ","), "servers to measure, in this order in each round")
	connections := f.String("connections", "64,256", "numbers of connections")
	f.IntVar(&o.rounds, "rounds", 3, "how often each server is measured with each number of connections")
	f.Float64Var(&o.seconds, "seconds", 2, "length of one measurement")
	f.IntVar(&o.live, "live", 200_000, "verifications to start without checks, for the memory of each and the time to be ready; 0 for none")
	f.StringVar(&o.logLevel, "log", "info", "log level of the servers; the lines go to a file")
	f.IntVar(&o.writers, "writers", 0, "writers on PostgreSQL; 0 is the server's default")
	f.StringVar(&o.json, "json", "", "also write all figures to this file")
	f.StringVar(&o.document, "document", "", "also put the figures into this document, between its marks")
	f.StringVar(&o.profile, "profile", "", "run the servers inside of this program and write their CPU and heap profiles to this folder")
	f.StringVar(&o.act, "act", actPair, "what is measured: pair, start or check")
	o.builds = map[string]string{}
	f.Func("build", "NAME=FILE: another aldaba, measured as engine@NAME beside the fresh build", func(text string) error {
		name, file, ok := strings.Cut(text, "=")
		if o.builds[name] = file; !ok || name == "" {
			return errors.New("give NAME=FILE")
		}
		return nil
	})
	if err := f.Parse(args); err != nil {
		return o, err
	}
	if !slices.Contains([]string{actPair, actStart, actCheck}, o.act) {
		return o, fmt.Errorf("act %q: must be pair, start or check", o.act)
	}
	o.engines = strings.Split(*engines, ",")
	for _, name := range o.engines {
		kind, build, other := strings.Cut(name, "@")
		if _, known := o.builds[build]; !slices.Contains(all, kind) || other && !known {
			return o, fmt.Errorf("no server %q; there are %s", name, strings.Join(all, ", "))
		}
	}
	for _, text := range strings.Split(*connections, ",") {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			return o, fmt.Errorf("connections: %q is no number", text)
		}
		o.connections = append(o.connections, n)
	}
	return o, nil
}

// run measures and prints.
func run(o options) (err error) {
	w, err := newWorld(o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.close()) }()
	fmt.Fprintln(w.out, w.machine)
	if err := w.startAll(); err != nil {
		return err
	}
	if err := w.profiled(w.interleave); err != nil {
		return err
	}
	w.printRounds()
	if o.live > 0 {
		if err := w.measureLive(); err != nil {
			return err
		}
		w.printLive()
	}
	if err := w.stopAll(); err != nil {
		return err
	}
	if o.json != "" {
		err = w.writeJSON(o.json)
	}
	if o.document != "" {
		err = errors.Join(err, w.writeDocument(o.document))
	}
	return err
}

// tempDir is below the system's folder and lets PostgreSQL, which runs as
// another user, reach its own folder in it.
func tempDir() (string, error) {
	dir, err := os.MkdirTemp("", "aldaba-bench-")
	if err != nil {
		return "", err
	}
	return dir, os.Chmod(dir, 0o711)
}

// seconds turns a flag into a duration.
func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

// path names a file of the run.
func (w *world) path(elements ...string) string {
	return filepath.Join(append([]string{w.dir}, elements...)...)
}
