// Package pgcluster starts throw-away PostgreSQL servers for tests and
// measurements: initdb into a temporary folder, a free port on loopback, a
// fresh database for each test.
//
// It is not for production: settings favour speed of the tests, and anybody
// who can reach the loopback interface can log in.
package pgcluster

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/aldaba-otp/aldaba/internal/spareport"
)

// startTimeout bounds how long a server may take until it answers.
const startTimeout = 60 * time.Second

// How often a server is started that ends at once, and the time between.
const (
	starts    = 3
	startPace = 500 * time.Millisecond
)

// errEnded says that a server ended while it started.
var errEnded = errors.New("pgcluster: the server ended while it started")

// ErrNoBinaries says that this machine has no PostgreSQL server.
var ErrNoBinaries = errors.New("pgcluster: no initdb and postgres under /usr/lib/postgresql/*/bin or in PATH")

// Options are the settings of a server; the zero value suits plain tests.
type Options struct {
	// Fsync waits for the disk as in production. Without it a crash of the
	// server's process loses nothing, a crash of the machine may.
	Fsync bool
	// Socket serves a Unix socket in the server's folder in place of TCP.
	Socket bool
	// Settings are further "name=value" lines of the configuration.
	Settings []string
	// Log takes what the server writes to its standard error, nil for nobody.
	Log io.Writer
}

// Cluster is one server.
type Cluster struct {
	dir     string // "" when the server is somebody else's
	bin     string
	opts    Options
	spare   *spareport.Port // kept while the cluster is: a stopped server comes back to it
	port    string
	admin   *url.URL // of the database postgres
	account *account
	process *os.Process
	ended   chan struct{} // closed when the process has ended
	said    tail
}

// tail keeps the end of what a server writes.
type tail struct {
	mu   sync.Mutex
	text []byte
}

// tailMax is how much of it, in bytes.
const tailMax = 2048

// Write implements [io.Writer].
func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = append(t.text, p...)
	if over := len(t.text) - tailMax; over > 0 {
		t.text = append(t.text[:0], t.text[over:]...)
	}
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.text)
}

// account is the user whom the server runs as, nil for our own.
type account struct{ uid, gid uint32 }

// StartAt makes a cluster in the folder, which must be empty or absent, and
// starts its server. Stop ends it; the folder is the caller's.
func StartAt(dir string, opts Options) (*Cluster, error) {
	bin, err := binaries()
	if err != nil {
		return nil, err
	}
	c := &Cluster{dir: dir, bin: bin, opts: opts}
	if err := c.chooseAccount(); err != nil {
		return nil, err
	}
	if err := c.initdb(); err != nil {
		return nil, err
	}
	if c.spare, err = spareport.Take(); err != nil {
		return nil, err
	}
	c.port = strconv.Itoa(c.spare.Number)
	c.admin = &url.URL{Scheme: "postgres", User: url.User("aldaba"), Path: "/postgres"}
	if opts.Socket {
		c.admin.RawQuery = url.Values{"host": {c.dir}, "port": {c.port}}.Encode()
	} else {
		c.admin.Host, c.admin.RawQuery = net.JoinHostPort("127.0.0.1", c.port), "sslmode=disable"
	}
	if err := c.Restart(); err != nil {
		return nil, err
	}
	return c, nil
}

// Dir returns the folder of the server's files, or "" when the server is
// somebody else's.
func (c *Cluster) Dir() string { return c.dir }

// Join uses a server that is already there. It cannot be stopped from here.
func Join(database string) (*Cluster, error) {
	admin, err := url.Parse(database)
	if err != nil {
		return nil, fmt.Errorf("pgcluster: %w", err)
	}
	return &Cluster{admin: admin}, nil
}

// binaries returns the folder of the newest server on this machine.
func binaries() (string, error) {
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	best, newest := "", -1
	for _, path := range found {
		folder := filepath.Dir(path)
		version, err := strconv.Atoi(filepath.Base(filepath.Dir(folder)))
		if err == nil && version > newest {
			best, newest = folder, version
		}
	}
	if best != "" {
		return best, nil
	}
	if path, err := exec.LookPath("initdb"); err == nil {
		return filepath.Dir(path), nil
	}
	return "", ErrNoBinaries
}

// chooseAccount finds a user for the server, which refuses to run as root.
func (c *Cluster) chooseAccount() error {
	if os.Geteuid() != 0 {
		return nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err1 := strconv.ParseUint(u.Uid, 10, 32)
		gid, err2 := strconv.ParseUint(u.Gid, 10, 32)
		if err1 == nil && err2 == nil {
			c.account = &account{uint32(uid), uint32(gid)}
			return nil
		}
	}
	return errors.New("pgcluster: PostgreSQL does not run as root, and neither postgres nor nobody exists")
}

func (c *Cluster) initdb() error {
	if err := os.MkdirAll(c.dir, 0o700); err != nil {
		return fmt.Errorf("pgcluster: %w", err)
	}
	if c.account != nil {
		if err := os.Chown(c.dir, int(c.account.uid), int(c.account.gid)); err != nil {
			return fmt.Errorf("pgcluster: %w", err)
		}
	}
	cmd := exec.Command(filepath.Join(c.bin, "initdb"), "--pgdata", c.dir, "--username", "aldaba",
		"--auth", "trust", "--encoding", "UTF8", "--no-locale", "--no-sync")
	cmd.SysProcAttr, cmd.Dir = c.attributes(), c.dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("pgcluster: initdb: %w: %s", err, out)
	}
	return nil
}

// Restart starts the server after Stop or Kill and waits until it answers. One
// that ends at once is started again a few times: what the system still holds of
// the one before it may be in its way.
func (c *Cluster) Restart() error {
	if c.dir == "" {
		return errors.New("pgcluster: the server is not ours to start")
	}
	var failures []error
	for range starts {
		err := c.start()
		if !errors.Is(err, errEnded) {
			return err
		}
		failures = append(failures, err)
		time.Sleep(startPace)
	}
	return errors.Join(failures...)
}

// start starts the server once.
func (c *Cluster) start() error {
	fsync := "off"
	if c.opts.Fsync {
		fsync = "on"
	}
	listen, sockets := "127.0.0.1", ""
	if c.opts.Socket {
		listen, sockets = "", c.dir
	}
	args := []string{"-D", c.dir, "-p", c.port}
	for _, setting := range append([]string{
		"listen_addresses=" + listen, "unix_socket_directories=" + sockets, "max_connections=200", "shared_buffers=128MB",
		"max_wal_size=4GB", "synchronous_commit=on", "fsync=" + fsync, "log_checkpoints=off",
	}, c.opts.Settings...) {
		args = append(args, "-c", setting)
	}
	cmd := exec.Command(filepath.Join(c.bin, "postgres"), args...)
	cmd.SysProcAttr, cmd.Dir = c.attributes(), c.dir
	var said io.Writer = &c.said
	if c.opts.Log != nil {
		said = io.MultiWriter(&c.said, c.opts.Log)
	}
	cmd.Stdout, cmd.Stderr = said, said
	ended := make(chan struct{})
	started := make(chan error, 1)
	go spawn(cmd, started, ended)
	if err := <-started; err != nil {
		return fmt.Errorf("pgcluster: %w", err)
	}
	c.process, c.ended = cmd.Process, ended
	return c.wait()
}

// wait polls until the server answers.
func (c *Cluster) wait() error {
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	for {
		conn, err := pgx.Connect(ctx, c.admin.String())
		if err == nil {
			return conn.Close(ctx)
		}
		select {
		case <-c.ended:
			return fmt.Errorf("%w; it said: %s", errEnded, &c.said)
		case <-ctx.Done():
			return fmt.Errorf("pgcluster: the server does not answer: %w", err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// Stop ends the server in an orderly manner; nothing happens when it is not
// ours.
func (c *Cluster) Stop() error { return c.Kill(syscall.SIGINT) }

// Kill sends the server's first process a signal that ends it and waits until
// the process is gone: SIGINT for an orderly stop, SIGQUIT for a crash.
func (c *Cluster) Kill(signal syscall.Signal) error {
	if c.process == nil {
		return nil
	}
	err := c.process.Signal(signal)
	<-c.ended
	if errors.Is(err, os.ErrProcessDone) {
		return nil
	}
	return err
}

// Owned tells whether the server was started here and so can be stopped.
func (c *Cluster) Owned() bool { return c.dir != "" }

// CreateDatabase makes a fresh database and returns its URL and a function
// that drops it.
func (c *Cluster) CreateDatabase(ctx context.Context) (database string, drop func(context.Context) error, err error) {
	var random [8]byte
	_, _ = rand.Read(random[:])
	name := fmt.Sprintf("aldaba_test_%x", random)
	if err := c.Exec(ctx, "CREATE DATABASE "+name); err != nil {
		return "", nil, err
	}
	u := *c.admin
	u.Path = "/" + name
	return u.String(), func(ctx context.Context) error {
		return c.Exec(ctx, "DROP DATABASE IF EXISTS "+name+" WITH (FORCE)")
	}, nil
}

// Exec runs a statement on the server's administrative database.
func (c *Cluster) Exec(ctx context.Context, sql string) error {
	conn, err := pgx.Connect(ctx, c.admin.String())
	if err != nil {
		return fmt.Errorf("pgcluster: %w", err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	if _, err := conn.Exec(ctx, sql); err != nil {
		return fmt.Errorf("pgcluster: %w", err)
	}
	return nil
}
