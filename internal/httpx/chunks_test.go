package httpx

import (
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// A chunk's size ends with CR and LF (RFC 9112, section 7.1). A proxy that
// reads a lone LF otherwise than the server would see other requests than it.
//
// CVE-2025-22871 (Go before 1.24.2): the lone LF was taken for the end.
func TestChunkSizesEndByTheLetter(t *testing.T) {
	t.Parallel()
	var hidden atomic.Int64
	server := httptest.NewUnstartedServer(nil)
	server.Config = Server(ServerOptions{Log: slog.New(slog.DiscardHandler), Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/hidden" {
			hidden.Add(1)
		}
		if _, err := ReadBody(w, r, 1000); errors.Is(err, ErrUnreadable) {
			w.WriteHeader(http.StatusBadRequest)
		}
	})})
	server.Start()
	t.Cleanup(server.Close)
	const next = "GET /hidden HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
	for name, c := range map[string]struct {
		body, want string
		hidden     int64
	}{
		"by the letter":             {"2\r\n{}\r\n0\r\n\r\n" + next, "200", 1},
		"a lone LF":                 {"2\n{}\r\n0\r\n\r\n" + next, "400", 0},
		"a lone LF after extension": {"2;a\n{}\r\n0\r\n\r\n" + next, "400", 0},
		"a lone LF at the end":      {"2\r\n{}\r\n0\n\r\n" + next, "400", 0},
		"a lone CR":                 {"2\r{}\r\n0\r\n\r\n" + next, "400", 0},
	} { // one after the other: they share the counter
		hidden.Store(0)
		conn, err := net.Dial("tcp", server.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
		_, _ = io.WriteString(conn, "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"+c.body)
		answer, err := io.ReadAll(conn)
		_ = conn.Close()
		if err != nil || !strings.HasPrefix(string(answer), "HTTP/1.1 "+c.want+" ") || hidden.Load() != c.hidden {
			t.Errorf("%s: answered %q, %v; the request behind it ran %d times", name, answer, err, hidden.Load())
		}
	}
}
