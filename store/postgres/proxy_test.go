package postgres_test

import (
	"bytes"
	"net"
	"net/url"
	"sync"
	"testing"
)

// proxy stands between an engine and its server and loses a commit on demand.
type proxy struct {
	url     string // through the proxy
	behind  string // without it
	address string

	mu    sync.Mutex
	mode  mode
	count int
	conns []net.Conn
}

// mode tells what the proxy does when it meets the next commit.
type mode int

const (
	beforeCommit mode = 1 << iota // the commit is not forwarded
	afterCommit                   // its answer is not
	stayAway                      // nobody gets through until heal
)

func newProxy(t *testing.T, database string) *proxy {
	t.Helper()
	u, err := url.Parse(database)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{behind: database, address: u.Host}
	u.Host = l.Addr().String()
	p.url = u.String()
	var done sync.WaitGroup
	done.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			done.Go(func() { p.carry(conn) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		p.drop()
		done.Wait()
	})
	return p
}

// drop closes every connection.
func (p *proxy) drop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.conns {
		_ = c.Close()
	}
}

func (p *proxy) cut(m mode) { p.mu.Lock(); p.mode = m; p.mu.Unlock() }
func (p *proxy) heal()      { p.cut(0) }
func (p *proxy) cuts() int  { p.mu.Lock(); defer p.mu.Unlock(); return p.count }

// carry forwards one connection until it is cut.
func (p *proxy) carry(front net.Conn) {
	defer func() { _ = front.Close() }()
	back, err := net.Dial("tcp", p.address)
	p.mu.Lock()
	closed := err != nil || p.mode == stayAway
	p.conns = append(p.conns, front)
	if err == nil {
		p.conns = append(p.conns, back)
	}
	p.mu.Unlock()
	if err == nil {
		defer func() { _ = back.Close() }()
	}
	if closed {
		return
	}
	c := &carrier{proxy: p, front: front, back: back}
	var done sync.WaitGroup
	done.Go(c.answers)
	c.questions()
	done.Wait()
}

// carrier is one connection through the proxy.
type carrier struct {
	proxy       *proxy
	front, back net.Conn
	mu          sync.Mutex
	mute        bool // the next answer is lost, and the connection with it
}

// questions forwards what the engine says. A commit is one write: a pipeline
// that binds the prepared statement of that name.
func (c *carrier) questions() {
	defer func() { _ = c.back.Close() }()
	buf := make([]byte, 1<<20)
	for {
		n, err := c.front.Read(buf)
		if err != nil {
			return
		}
		if bytes.Contains(buf[:n], []byte("\x00commit\x00")) && c.proxy.meets(c) {
			_ = c.front.Close()
			return
		}
		if _, err := c.back.Write(buf[:n]); err != nil {
			return
		}
	}
}

// meets tells whether a commit is to be lost before it is forwarded, and sees
// to it that its answer is when it is to be lost after.
func (p *proxy) meets(c *carrier) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	m := p.mode
	p.mode = m & stayAway
	if m&(beforeCommit|afterCommit) != 0 {
		p.count++
	}
	if m&afterCommit != 0 {
		c.mu.Lock()
		c.mute = true
		c.mu.Unlock()
	}
	return m&beforeCommit != 0
}

// answers forwards what the server says.
func (c *carrier) answers() {
	defer func() { _ = c.front.Close() }()
	buf := make([]byte, 1<<16)
	for {
		n, err := c.back.Read(buf)
		if err != nil {
			return
		}
		c.mu.Lock()
		mute := c.mute
		c.mu.Unlock()
		if mute {
			return
		}
		if _, err := c.front.Write(buf[:n]); err != nil {
			return
		}
	}
}
